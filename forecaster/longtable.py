"""Rows of a long table, as they were read: a panel of all their series, or of those that have no fault.

Series are looked at one by one only after the panel of all of them has failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import InputError
from forecaster.frequency import Frequency, IntArray, TimeArray
from forecaster.panel import Panel
from forecaster.timestamps import find_zone, parse_timestamps, to_wall

__all__ = ["MISSING", "LongTable", "Numbering", "timestamps_of"]

MISSING = frozenset(
    ("", "NA", "N/A", "n/a", "na", "#N/A", "<NA>", "NaN", "nan", "NAN", "null", "NULL", "Null", "None", "none", "NaT")
)

_GUESSES = 3
"""Series that are blamed by what is wrong with all together, before each is looked at alone."""


class Numbering(dict[str, int]):
    """Numbers texts in the order in which they first come."""

    def __missing__(self, key: str) -> int:
        self[key] = number = len(self)
        return number

    def number(self, texts: Sequence[str]) -> IntArray:
        """Return the numbers of these texts."""
        return np.fromiter(map(self.__getitem__, texts), np.int64, len(texts))


class _Asked(NamedTuple):
    """What a panel is to be like."""

    frequency: Frequency | None
    timezone: str | None
    guessed: bool


@dataclass(frozen=True, eq=False)
class LongTable:
    """Rows of several series, in any order.

    Attributes
    ----------
    names
        Names of the N series.
    codes
        Which of them each row belongs to; every number from 0 to N - 1 occurs.
    times
        Numbers into ``stamps``; without these the timestamps themselves, whole numbers or datetime64.
    values
        One for each row, NaN where missing.
    stamps
        The distinct timestamps, as text.
    lines
        Line of the file of each row, for messages; without them rows count from 1.
    utc
        Whether ``times`` that are datetime64 are UTC instants; else they are what a clock shows.
    word
        What a number in ``lines`` is called in messages.
    """

    names: tuple[str, ...]
    codes: IntArray
    times: IntArray
    values: NDArray[np.float64]
    stamps: Sequence[str] | None = None
    lines: IntArray | None = None
    utc: bool = False
    word: str = "line"

    def panel(
        self,
        *,
        freq: str | int | Frequency | None = None,
        timezone: str | None = None,
        faults: dict[str, InputError] | None = None,
        guessed: bool = False,
    ) -> Panel:
        """Build the panel.

        Parameters
        ----------
        freq, timezone, guessed
            As :meth:`Panel.from_codes` takes them.
        faults
            Where given, series with a fault of their own are left out, and what is wrong with each of them is put
            here by its name; those that are in it already are left out too.

        Raises
        ------
        InputError
            A series has a fault, or, with `faults`, none is without; the series have not one frequency.
        ConfigError
            The frequency or the time zone is unknown.
        """
        asked = _Asked(None if freq is None else Frequency.parse(freq), timezone, guessed)
        if faults is None:
            return self._panel(asked)
        if faults:
            return self._panel_without(faults, next(iter(faults.values())), asked)
        try:
            return self._panel(asked)
        except InputError as error:
            return self._panel_without(faults, error, asked)

    def _panel(self, asked: _Asked) -> Panel:
        times, zone, utc = self.instants(asked.timezone)
        return Panel.from_codes(
            self.names, self.codes, times, self.values,
            freq=asked.frequency, timezone=zone, lines=self.lines, utc=utc, word=self.word, guessed=asked.guessed,
        )  # fmt: skip

    def instants(self, timezone: str | None) -> tuple[NDArray[np.generic], str | None, bool]:
        """Return the time of each row, the time zone and whether times are UTC, as `Panel.from_columns` takes them."""
        if self.stamps is None:
            return self.times, timezone, self.utc
        word = "Row" if self.lines is None else self.word.capitalize()
        return timestamps_of(self.stamps, self.times, self.lines, timezone, word=word)

    def _panel_without(self, faults: dict[str, InputError], first: InputError, asked: _Asked) -> Panel:
        """Return the panel of the series without a fault; `first` is raised if there is none."""
        for _ in range(_GUESSES):
            rest = self.select(self._codes_but(faults))
            if not rest.names:
                raise first
            try:
                return rest._panel(asked)
            except InputError as error:
                code = rest._series_at(error)
                fault = None if code is None else rest.of_series(code)._fault(asked)
                if fault is None:  # it takes several to be wrong
                    break
                faults[rest.names[code or 0]] = fault
        return self._panel_of_good(faults, first, asked)

    def _panel_of_good(self, faults: dict[str, InputError], first: InputError, asked: _Asked) -> Panel:
        """Look at each series alone, for 0.2 ms, and return the panel of those without a fault."""
        readable: dict[int, TimeArray] = {}
        for code in self._codes_but(faults):
            try:
                readable[code] = self.of_series(code)._wall(asked.timezone)
            except InputError as error:
                faults[self.names[code]] = error
        if asked.frequency is None and readable:
            frequency = Frequency.infer(list(readable.values()), ids=[self.names[code] for code in readable])
            asked = asked._replace(frequency=frequency)
        for code in readable:
            fault = self.of_series(code)._fault(asked)
            if fault is not None:
                faults[self.names[code]] = fault
        good = self._codes_but(faults)
        if not good:
            raise first
        return self.select(good)._panel(asked)

    def _fault(self, asked: _Asked) -> InputError | None:
        """Return what is wrong with these rows, if anything is."""
        try:
            self._panel(asked)
        except InputError as error:
            return error
        return None

    def _wall(self, timezone: str | None) -> TimeArray:
        """Return the times as a clock shows them, in which days are days long."""
        times, zone, utc = self.instants(timezone)
        return to_wall(times, find_zone(zone)) if utc and zone is not None else times

    @cached_property
    def by_series(self) -> IntArray:
        """Numbers of the rows, sorted by series and otherwise as they came."""
        return np.argsort(self.codes, kind="stable")

    @cached_property
    def _ends(self) -> IntArray:
        """Where each series begins among the sorted rows, and the end."""
        return np.concatenate(([0], np.cumsum(np.bincount(self.codes, minlength=len(self.names)))))

    def _codes_but(self, faults: dict[str, InputError]) -> list[int]:
        return [code for code, name in enumerate(self.names) if name not in faults]

    def _series_at(self, error: InputError) -> int | None:
        """Return the series that an error speaks of, if it says so."""
        if error.series is not None:
            return self.names.index(error.series)
        if error.row is None:
            return None
        row = error.row - 1 if self.lines is None else int(np.argmax(self.lines == error.row))
        return int(self.codes[row])

    def of_series(self, code: int) -> LongTable:
        """Return the rows of one series."""
        rows = self.by_series[self._ends[code] : self._ends[code + 1]]
        return replace(self.take(rows), names=(self.names[code],), codes=np.zeros(len(rows), np.int64))

    def select(self, codes: Sequence[int]) -> LongTable:
        """Return the rows of some series, in their order."""
        renumbered = np.full(len(self.names), -1)
        renumbered[codes] = np.arange(len(codes))
        part = self.take(np.flatnonzero(renumbered[self.codes] >= 0))
        return replace(part, names=tuple(self.names[code] for code in codes), codes=renumbered[part.codes])

    def take(self, rows: IntArray) -> LongTable:
        """Return some of the rows."""
        times, stamps = self.times[rows], self.stamps
        if stamps is not None:  # those that no row has must not be read: they may be at fault
            used, times = np.unique(times, return_inverse=True)
            stamps = [stamps[number] for number in used]
        lines = None if self.lines is None else self.lines[rows]
        return replace(self, codes=self.codes[rows], times=times, values=self.values[rows], stamps=stamps, lines=lines)


def timestamps_of(
    texts: Sequence[str], codes: IntArray, lines: IntArray | None, timezone: str | None, *, word: str
) -> tuple[NDArray[np.generic], str | None, bool]:
    """Read distinct timestamp texts and spread them over the rows.

    Returns
    -------
    times, timezone, utc
        As :meth:`Panel.from_columns` takes them.
    """

    def place(position: int) -> int:
        row = int(np.argmax(codes == position))
        return row + 1 if lines is None else int(lines[row])

    stripped = [text.strip() for text in texts]
    for position, text in enumerate(stripped):
        if text in MISSING:
            raise InputError(
                f"{word} {place(position)}: the timestamp is missing. Fill it in.", row=place(position), column="ds"
            )
    try:
        times, uniform, offsets = parse_timestamps(stripped)
    except InputError as error:
        if error.row is None:
            raise
        row = place(error.row - 1)
        raise InputError(f"{word} {row}, column 'ds': {error}", row=row, column="ds") from None
    if offsets is not None:
        if timezone is None:
            raise InputError(
                "The timestamps have different UTC offsets, as daylight saving time makes them. Name their time zone "
                "with timezone='Europe/Berlin' (--timezone Europe/Berlin).",
                column="ds",
            )
        return (times - offsets.astype("timedelta64[s]"))[codes], timezone, True
    if uniform is None or timezone is None:
        return times[codes], timezone or uniform, False
    seconds = 0 if uniform == "UTC" else _seconds(uniform)
    return (times - np.timedelta64(seconds, "s"))[codes], timezone, True


def _seconds(offset: str) -> int:
    parts = [int(part) for part in offset[1:].split(":")]
    return (-1 if offset[0] == "-" else 1) * (parts[0] * 3600 + parts[1] * 60)
