"""From what a user calls a sequence to what a network sees: places in a list of symbols, or scaled numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SequenceConfig
from forecaster.errors import ConfigError, InputError
from forecaster.gate import shown
from forecaster.rounds import Integers
from forecaster.shape import Shape

_EXAMPLE = "a sequence of symbols is a list such as ['cat', 'mat', 'rat'], one of numbers such as [0.5, 0.7]"
_LARGEST = 1e30
"""Numbers further from the mean than so many deviations are no numbers to a network in single precision."""


class Encoded(NamedTuple):
    """Sequences end to end.

    Attributes
    ----------
    values
        Symbols, (total,) int64, below 0 where unknown; or numbers, (total, I) float32.
    offsets
        Where each begins, and where the last one ends, (N + 1,).
    """

    values: NDArray[np.int64] | NDArray[np.float32]
    offsets: Integers


class Given(NamedTuple):
    """Sequences as they were given, checked: of symbols or of numbers, none empty.

    Attributes
    ----------
    rows
        Each a list of texts, or an array (T, I) float64.
    numbers
        Numbers at each step; 0 where there are symbols.
    """

    rows: list[Any]
    numbers: int

    def select(self, which: Integers) -> Given:
        """Return some of the sequences."""
        return Given([self.rows[one] for one in which.tolist()], self.numbers)


def given(sequences: object) -> Given:
    """Return `sequences` checked.

    Raises
    ------
    InputError
        They are none, empty, of different kinds or widths, or hold what is neither text nor a finite number.
    """
    several = _values_of(sequences)
    if isinstance(several, (str, bytes)) or not _is_ordered(several):
        raise InputError(f"sequences must be a list of sequences, got {shown(sequences)}; {_EXAMPLE}.")
    rows = [_row(_values_of(one), place) for place, one in enumerate(several)]
    if not rows:
        raise InputError("there are no sequences; give at least one.")
    widths = [_width(row) for row in rows]
    for place, width in enumerate(widths):
        if width != widths[0]:
            raise InputError(
                f"sequence {place} has {_what(width)} where sequence 0 has {_what(widths[0])}; give all of one kind.",
                row=place,
            )
    return Given(rows, widths[0])


def _values_of(one: Any) -> Any:
    """Return the values of a data frame or a series, which itself would give the names of its columns; else `one`."""
    return one.to_numpy() if hasattr(one, "to_numpy") else one


def _is_ordered(one: object) -> bool:
    """Whether it holds one thing after the other; a set has no order, an array without axes nothing to order."""
    return isinstance(one, Iterable) and not isinstance(one, (Mapping, Set)) and getattr(one, "ndim", 1) > 0


def _width(row: Any) -> int:
    return 0 if isinstance(row, list) else int(row.shape[1])


def _what(width: int) -> str:
    return f"{width} numbers a step" if width else "symbols"


def _row(one: Any, place: int) -> Any:
    if isinstance(one, (str, bytes)):
        raise InputError(
            f"sequence {place} is a text, {shown(one)}: use .split() for its words or list() for its characters.",
            row=place,
        )
    if not _is_ordered(one):
        raise InputError(f"sequence {place} is {shown(one)}; {_EXAMPLE}.", row=place)
    steps = one if isinstance(one, np.ndarray) else list(one)
    if len(steps) == 0:
        raise InputError(f"sequence {place} is empty; leave it out, or give it a symbol for none.", row=place)
    if isinstance(steps[0], str):
        return _symbols(steps, place)
    return _numbers(steps, place)


def _symbols(steps: Any, place: int) -> list[str]:
    for step, symbol in enumerate(steps):
        if not isinstance(symbol, str):
            raise InputError(
                f"sequence {place}, step {step}: expected text as before it, got {shown(symbol)}.", row=place
            )
    return list(map(str, steps))


def _numbers(steps: Any, place: int) -> NDArray[np.float64]:
    try:
        array = np.asarray(steps)
        if array.dtype == object:  # as columns of data frames are, whatever they hold
            array = np.asarray(array.tolist())
        if array.dtype.kind not in "biuf":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(f"sequence {place} is neither all text nor all numbers; {_EXAMPLE}.", row=place) from None
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or not array.shape[1]:
        raise InputError(
            f"sequence {place} must have one number a step, (T,), or several, (T, I); got the shape {array.shape}.",
            row=place,
        )
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        raise InputError(
            f"sequence {place}, step {bad[0, 0]}: expected a finite number, got {array[tuple(bad[0])]}. Fill what is "
            "missing, and give whether it was as another number.",
            row=place,
        )
    return array


def _offsets(rows: Sequence[Any]) -> Integers:
    return np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)


@dataclass(frozen=True, slots=True)
class SymbolEncoder:
    """Places of symbols in a list.

    Attributes
    ----------
    symbols
        Those that are known, sorted.
    """

    symbols: tuple[str, ...]

    @classmethod
    def learn(cls, seen: Given) -> SymbolEncoder:
        """Return the encoder of all symbols that are there."""
        return cls(tuple(sorted({symbol for row in seen.rows for symbol in row})))

    def encode(self, asked: Given) -> Encoded:
        """Return sequences as places in the list, -1 for what is not there.

        Raises
        ------
        InputError
            They hold numbers.
        """
        if asked.numbers:
            raise InputError(f"the model knows sequences of symbols, got {_what(asked.numbers)}.")
        place = {symbol: k for k, symbol in enumerate(self.symbols)}
        values = np.array([place.get(symbol, -1) for row in asked.rows for symbol in row], np.int64)
        return Encoded(values, _offsets(asked.rows))

    def shape(self, config: SequenceConfig, outputs: int) -> Shape:
        """Return the sizes of a network that sees what `encode` gives."""
        return config.shape(symbols=len(self.symbols), outputs=outputs)

    def as_settings(self) -> dict[str, Any]:
        """Return what `encoder_of` takes."""
        return {"symbols": list(self.symbols)}


@dataclass(frozen=True, slots=True)
class NumberEncoder:
    """Numbers on the network's scale: less their mean, in deviations of their own.

    Attributes
    ----------
    means, scales
        Of each of the numbers at a step; the scale of one that never changes is 1.
    """

    means: tuple[float, ...]
    scales: tuple[float, ...]

    @classmethod
    def learn(cls, seen: Given) -> NumberEncoder:
        """Return the encoder by mean and standard deviation of all steps that are there."""
        with np.errstate(over="ignore", invalid="ignore"):
            values = np.concatenate(seen.rows)
            means, scales = values.mean(0), values.std(0)
        if not np.isfinite(scales).all():
            raise InputError("the numbers are too large for a mean and a deviation; scale them first.")
        scales[scales <= np.abs(means) * 1e-12] = 1.0
        return cls(tuple(means.tolist()), tuple(scales.tolist()))

    def encode(self, asked: Given) -> Encoded:
        """Return scaled sequences.

        Raises
        ------
        InputError
            They hold symbols, more or fewer numbers, or one that is far too large.
        """
        if asked.numbers != len(self.means):
            raise InputError(f"the model knows {_what(len(self.means))}, got {_what(asked.numbers)}.")
        with np.errstate(over="ignore"):
            values = (np.concatenate(asked.rows) - self.means) / self.scales
        offsets = _offsets(asked.rows)
        far = np.flatnonzero((np.abs(values) > _LARGEST).any(1))
        if len(far):
            row = int(np.searchsorted(offsets, far[0], side="right")) - 1
            raise InputError(f"sequence {row}: a number is too large beside those of the training.", row=row)
        return Encoded(values.astype(np.float32), offsets)

    def shape(self, config: SequenceConfig, outputs: int) -> Shape:
        """Return the sizes of a network that sees what `encode` gives."""
        return config.shape(numbers=len(self.means), outputs=outputs)

    def as_settings(self) -> dict[str, Any]:
        """Return what `encoder_of` takes."""
        return {"means": list(self.means), "scales": list(self.scales)}


def learn_encoder(seen: Given) -> SymbolEncoder | NumberEncoder:
    """Return the encoder of sequences such as those that are `seen`."""
    return NumberEncoder.learn(seen) if seen.numbers else SymbolEncoder.learn(seen)


def encoder_of(settings: Mapping[str, Any]) -> SymbolEncoder | NumberEncoder:
    """Return the encoder that wrote these settings.

    Raises
    ------
    ConfigError
        None did.
    """
    if set(settings) == {"symbols"}:
        symbols = settings["symbols"]
        if not isinstance(symbols, list) or not symbols or not all(isinstance(one, str) for one in symbols):
            raise ConfigError("symbols must be a list of texts.")
        if len(set(symbols)) < len(symbols):
            raise ConfigError("symbols must be different from each other.")
        return SymbolEncoder(tuple(symbols))
    if set(settings) != {"means", "scales"}:
        raise ConfigError(f"expected symbols, or means and scales, got {sorted(settings)}.")
    means, scales = (_floats(name, settings[name]) for name in ("means", "scales"))
    if not means or len(means) != len(scales) or not all(one > 0 for one in scales):
        raise ConfigError("means and scales must be as many, scales above 0.")
    return NumberEncoder(means, scales)


def _floats(name: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(isinstance(one, float) and np.isfinite(one) for one in values):
        raise ConfigError(f"{name} must be a list of finite numbers.")
    return tuple(values)
