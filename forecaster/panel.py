"""Many series on one regular grid of time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError, InputError
from forecaster.frequency import Frequency, IntArray, TimeArray
from forecaster.gate import Rows, as_floats, lay_on_grid, place_in_time, shown
from forecaster.timestamps import check_years, labels_of

__all__ = ["Panel"]


@dataclass(frozen=True, eq=False)  # no slots: what is counted once is kept
class Panel:
    """Many series, each on a regular grid of time; missing values are NaN.

    Attributes
    ----------
    ids
        Names of the N series.
    values
        All values, one series after the other, float64; NaN is a missing value or a gap in time.
    offsets
        Where each series begins in ``values``, and the end: shape (N + 1,).
    starts
        Ordinal (see :class:`Frequency`) of each series' first value, shape (N,).
    frequency
        The step of all series.
    timezone
        IANA zone or fixed offset; None if the timestamps have none. With a zone, times of daily and coarser panels
        are what the clock on the wall shows, times of finer ones are UTC instants.
    phases
        Where each series' timestamps lie within the step, see :meth:`Frequency.phase_of`; shape (N,).
    lines
        Line of the file (or 1-based row) each series begins in, for messages; None if not known.
    """

    ids: tuple[str, ...]
    values: NDArray[np.float64]
    offsets: IntArray
    starts: IntArray
    frequency: Frequency
    timezone: str | None = None
    lines: IntArray | None = None
    phases: IntArray | None = None

    @classmethod
    def from_columns(
        cls,
        ids: Sequence[str] | NDArray[Any],
        times: Any,
        values: Any,
        *,
        freq: str | int | Frequency | None = None,
        timezone: str | None = None,
        lines: IntArray | None = None,
        utc: bool = False,
    ) -> Panel:
        """Build a panel from the columns of a long table; rows may be in any order.

        Parameters
        ----------
        ids, times, values
            One entry for each row: text; datetime64 or whole numbers; numbers, NaN being missing.
        freq
            Frequency, see :class:`Frequency`; inferred from the timestamps if not given.
        timezone
            IANA zone or fixed offset of the timestamps.
        lines
            Line number of each row in its file, for messages.
        utc
            Whether ``times`` are UTC instants; else they are what a clock in ``timezone`` shows.

        Raises
        ------
        InputError
            No rows; an infinite value; a duplicate, missing or off-grid timestamp; mixed frequencies.
        ConfigError
            The frequency or the time zone is unknown.
        """
        names: dict[str, int] = {}
        texts = [str(name) for name in ids]
        codes = np.fromiter((names.setdefault(name, len(names)) for name in texts), np.int64, len(texts))
        return cls.from_codes(tuple(names), codes, times, values, freq=freq, timezone=timezone, lines=lines, utc=utc)

    @classmethod
    def from_codes(
        cls,
        names: Sequence[str],
        codes: IntArray,
        times: Any,
        values: Any,
        *,
        freq: str | int | Frequency | None = None,
        timezone: str | None = None,
        lines: IntArray | None = None,
        utc: bool = False,
        word: str = "line",
        guessed: bool = False,
    ) -> Panel:
        """Build a panel from columns whose ids are numbers into ``names``; otherwise as :meth:`from_columns`.

        Every number from 0 to ``len(names) - 1`` occurs in ``codes``. ``word`` is what a number in ``lines`` is called
        in messages. A ``guessed`` frequency is one that other series of the same data have: a series with a coarser one
        is refused, as it is where the frequency is inferred.
        """
        frequency = None if freq is None else Frequency.parse(freq)
        rows = Rows(tuple(names), np.asarray(codes), np.asarray(times), as_floats(values), lines, word).check()
        times, frequency = place_in_time(rows, frequency, timezone, utc=utc)
        grid = lay_on_grid(rows, times, frequency, guessed=guessed)
        return cls(
            ids=rows.names,
            values=grid.values,
            offsets=grid.offsets,
            starts=grid.starts,
            frequency=frequency,
            timezone=timezone,
            lines=grid.lines,
            phases=grid.phases,
        )

    @classmethod
    def from_values(
        cls, values: Iterable[float | None] | NDArray[Any], *, freq: str | int | Frequency = 1, unique_id: str = "y"
    ) -> Panel:
        """Build a panel of one series from its values; time counts 1, 2, 3 and so on.

        Raises
        ------
        InputError
            There are no values, or one is infinite.
        ConfigError
            The frequency is not an integer: a bare sequence has no dates.
        """
        frequency = Frequency.parse(freq)
        if not frequency.is_integer:
            raise ConfigError(
                f"A bare sequence of numbers has no dates, so its frequency cannot be {frequency.description}. "
                "Leave freq out, or give timestamps."
            )
        floats = as_floats(values if hasattr(values, "__len__") else list(values))
        if floats.ndim != 1:
            raise InputError(f"Expected one row of numbers, got an array of shape {floats.shape}.", series=unique_id)
        times = 1 + frequency.multiple * np.arange(len(floats), dtype=np.int64)
        return cls.from_codes((unique_id,), np.zeros(len(floats), np.int64), times, floats, freq=frequency)

    @classmethod
    def joined(cls, panels: Sequence[Panel]) -> Panel:
        """Return the series of all `panels`, which have one frequency, one time zone and no id in common."""
        lengths = np.concatenate([panel.lengths for panel in panels])
        return cls(
            ids=tuple(name for panel in panels for name in panel.ids),
            values=np.concatenate([panel.values for panel in panels]),
            offsets=np.concatenate(([0], np.cumsum(lengths))),
            starts=np.concatenate([panel.starts for panel in panels]),
            frequency=panels[0].frequency,
            timezone=panels[0].timezone,
            phases=np.concatenate([panel._phases() for panel in panels]),
        )

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.ids)

    @cached_property
    def lengths(self) -> IntArray:
        """Number of steps of each series, missing ones included; shape (N,)."""
        return np.diff(self.offsets)

    @cached_property
    def observed(self) -> IntArray:
        """Number of values of each series that are not missing; shape (N,)."""
        counts = np.zeros(len(self.values) + 1, np.int64)
        np.cumsum(~np.isnan(self.values), out=counts[1:])
        return np.diff(counts[self.offsets])

    def series(self, i: int) -> NDArray[np.float64]:
        """Return the values of series ``i``, a view."""
        return self.values[self.offsets[i] : self.offsets[i + 1]]

    def times(self, i: int) -> TimeArray:
        """Return the timestamps of series ``i``, datetime64[us] or int64."""
        ordinals = self.starts[i] + np.arange(self.lengths[i])
        return self.frequency.from_ordinals(ordinals, phase=self._phases()[i])

    def time_labels(self, i: int) -> list[str]:
        """Return the timestamps of series ``i`` as text."""
        return labels_of(self.times(i), self.frequency, self.timezone)

    def span_labels(self) -> tuple[str, str]:
        """Return the first and the last timestamp of all series as text."""
        ends = [self.frequency.from_ordinals(at, phase=self._phases()) for at in (self.starts, self._lasts())]
        first, last = labels_of(np.array([ends[0].min(), ends[1].max()]), self.frequency, self.timezone)
        return first, last

    def future_times(self, h: int) -> TimeArray:
        """Return the ``h`` timestamps after the last one of each series, shape (N, h); see ``timezone``.

        Raises
        ------
        InputError
            They leave the years that can be written.
        """
        ordinals = self._lasts()[:, None] + np.arange(1, h + 1)
        times = self.frequency.from_ordinals(ordinals, phase=self._phases()[:, None])
        if not self.frequency.is_integer:
            try:
                check_years(times.ravel())
            except InputError as error:
                i = ((error.row or 1) - 1) // h
                raise InputError(
                    f"Series {shown(self.ids[i])} ends at {self.time_labels(i)[-1]}: a forecast of {h} steps would go "
                    "beyond the year 9999. Ask for fewer steps, or correct its timestamps.",
                    series=self.ids[i],
                    column="ds",
                ) from None
        return times

    def future_labels(self, h: int) -> list[list[str]]:
        """Return :meth:`future_times` as text: ISO 8601, dates alone where the frequency is daily or coarser."""
        texts = labels_of(self.future_times(h).ravel(), self.frequency, self.timezone)
        return [texts[i * h : (i + 1) * h] for i in range(len(self))]

    def head(self, n: int) -> Panel:
        """Return the panel without the last ``n`` steps of every series; series that become empty are dropped."""
        lengths = np.maximum(self.lengths - n, 0)
        kept = np.flatnonzero(lengths)
        return self._cut(kept, lengths[kept])

    def select(self, indices: Iterable[int] | NDArray[np.integer[Any]]) -> Panel:
        """Return the series with these numbers, in this order."""
        kept = np.fromiter(indices, np.int64)
        return self._cut(kept, self.lengths[kept])

    def tail_values(self, n: int) -> NDArray[np.float64]:
        """Return the last ``n`` values of every series, shape (N, n), padded with NaN on the left."""
        tails = np.full((len(self), n), np.nan)
        for i in range(len(self)):
            values = self.series(i)[-n:] if n else self.values[:0]
            tails[i, n - len(values) :] = values
        return tails

    def _lasts(self) -> IntArray:
        """Return the ordinal of each series' last step."""
        return self.starts + self.lengths - 1

    def _phases(self) -> IntArray:
        return np.zeros(len(self), np.int64) if self.phases is None else self.phases

    def _cut(self, kept: IntArray, lengths: IntArray) -> Panel:
        """Return the first ``lengths`` values of the series ``kept``."""
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        source = np.repeat(self.offsets[kept] - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Panel(
            ids=tuple(self.ids[i] for i in kept),
            values=self.values[source],
            offsets=offsets,
            starts=self.starts[kept],
            frequency=self.frequency,
            timezone=self.timezone,
            lines=None if self.lines is None else self.lines[kept],
            phases=None if self.phases is None else self.phases[kept],
        )
