"""How much is worked on at a time, so that the memory of a run has a bound whatever the file."""

from __future__ import annotations

from dataclasses import dataclass, replace

from forecaster.errors import ConfigError

_BASE = 288 * 2**20
"""Memory of the interpreter, its libraries and the compiled kernels."""

_USUAL, _EACH = 256 * 2**20, 128 * 2**20
"""What a run takes by default, and for each worker more."""

_LEAST = _BASE + 64 * 2**20

_BYTES_A_ROW = 320
"""What a row takes at the most while its series is forecast, all copies of it counted."""

_BYTES_A_VALUE = 80
"""What one quantile of one step of a forecast takes at the most."""

_LEAST_ROWS, _MOST_ROWS = 16_384, 524_288
_PIECES_EACH = 4
_MOST_SERIES = 4_096
"""More at a time are not faster: what a piece of this size costs beside the kernels is a thousandth."""

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is worked on at a time.

    Attributes
    ----------
    rows, series : int
        After how many a piece is closed.
    longest : int
        Rows that a series may have at the most.
    chunk : int
        Rows read at a time.
    workers : int
        Pieces that are worked on at once.
    """

    rows: int
    series: int
    longest: int
    chunk: int
    workers: int = 1

    def shared_out(self, rows: int | None) -> Sizes:
        """Return the sizes for so many rows in all: of few each worker is to have some pieces."""
        if rows is None:
            return self
        return replace(self, rows=min(self.rows, max(_LEAST_ROWS, rows // (_PIECES_EACH * self.workers))))


def parse_memory(text: str | int | None, workers: int) -> int:
    """Return bytes, such as of ``"512M"`` or ``"2GB"``; None for what so many workers need.

    Raises
    ------
    ConfigError
        It is no size, or too little to work with.
    """
    if text is None:
        return _USUAL + _EACH * max(2, workers)
    letters = str(text).strip().upper().removesuffix("B").removesuffix("I").strip()
    unit = letters[-1:] if letters[-1:] in _UNITS else ""
    try:
        size = int(float(letters.removesuffix(unit)) * _UNITS[unit])
    except (ValueError, OverflowError):
        raise ConfigError(f"memory must be a size such as 512M or 2G, got {text!r}.", column="memory") from None
    if size < _LEAST:
        raise ConfigError(
            f"memory must be at least {_LEAST // 2**20}M, got {text!r}: the program itself takes most of that.",
            column="memory",
        )
    return size


def sizes_for(memory: int, workers: int, width: int) -> Sizes:
    """Return the sizes for so many bytes and workers, and `width` numbers that a series gets.

    Each worker has a piece in hand, one more is being read, and one waits for each of two workers.
    """
    share = (memory - _BASE) // (workers + 2)
    rows = max(1024, min(_MOST_ROWS, share // (2 * _BYTES_A_ROW)))
    series = max(32, min(_MOST_SERIES, share // (2 * _BYTES_A_VALUE * width)))
    longest = max(1024, share // _BYTES_A_ROW)
    return Sizes(rows=rows, series=series, longest=longest, chunk=min(rows, 131_072), workers=workers)
