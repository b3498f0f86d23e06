"""The step between two values of a series, as positions on a calendar.

Every time is ``phase + step * ordinal`` on some calendar: consecutive ordinals are consecutive steps, whatever the
lengths of months. All arithmetic is on NumPy integers; pandas' ``date_range`` is the oracle in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError, InputError

__all__ = ["Frequency"]

IntArray = NDArray[np.int64]
TimeArray = NDArray[Any]  # datetime64 of any unit, or int64

DAY = 86_400_000_000  # microseconds
_TICKS = {"D": DAY, "h": DAY // 24, "min": DAY // 1440, "s": 1_000_000, "ms": 1_000, "us": 1}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
_MONTHS_A_STEP = {"MS": 1, "ME": 1, "QS": 3, "QE": 3, "YS": 12, "YE": 12}
_DEFAULT_ANCHOR = {"W": "SUN", "QS": "JAN", "QE": "DEC", "YS": "JAN", "YE": "DEC"}
# Spellings that pandas has retired, and the ones it wants now.
_RETIRED = {
    "M": "ME",
    "Q": "QE",
    "A": "YE",
    "Y": "YE",
    "AS": "YS",
    "H": "h",
    "T": "min",
    "S": "s",
    "L": "ms",
    "U": "us",
}
_FAMILIAR = {
    "D": "days",
    "B": "business days",
    "W": "weeks",
    "MS": "first days of months",
    "ME": "last days of months",
    "QS": "first days of quarters",
    "QE": "last days of quarters",
    "YS": "first days of years",
    "YE": "last days of years",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
}
_SEASONS = {"D": 7, "B": 5, "W": 52, "MS": 12, "ME": 12, "QS": 4, "QE": 4, "YS": 1, "YE": 1}
_DAYS = {"B": 1.0, "W": 7.0, "MS": 30.44, "ME": 30.44, "QS": 91.31, "QE": 91.31, "YS": 365.25, "YE": 365.25}
_LONGEST_SEASON = 10_000
_PATTERN = re.compile(r"(\d*)\s*([A-Za-z]*)(?:-([A-Za-z]{3}))?")
_UNEVEN = 1.3
"""How many times the shortest step of a regular series the longest may be: months have 28 to 31 days, or 20 to 23
business days, and days 23 to 25 hours."""
_MULTIPLE_LIMIT = 1_000_000
_INTEGER_STEP_LIMIT = 10**12


@dataclass(frozen=True, slots=True)
class Frequency:
    """One step of a series, such as a day, a business day, a month or 15 minutes.

    Parameters
    ----------
    alias
        A pandas alias: ``D B W-SUN MS ME QS QE YS YE h min s ms us``, optionally with a multiple (``15min``) and an
        anchor (``W-MON``, ``QS-FEB``, ``YE-JUN``); or a whole number such as ``"1"`` for integer time steps.

    Raises
    ------
    ConfigError
        The alias is not one of these.
    """

    alias: str
    unit: str = field(init=False, repr=False, compare=False)
    multiple: int = field(init=False, repr=False, compare=False)
    anchor: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        unit, multiple, anchor = _parse(self.alias)
        object.__setattr__(self, "unit", unit)
        object.__setattr__(self, "multiple", multiple)
        object.__setattr__(self, "anchor", anchor)
        object.__setattr__(self, "alias", _canonical_alias(unit, multiple, anchor))

    @classmethod
    def parse(cls, alias: str | int | Frequency) -> Frequency:
        """Read a pandas alias or an integer step; retired spellings such as ``"M"`` or ``"T"`` are understood.

        Raises
        ------
        ConfigError
            The alias is unknown, or the step is not positive.
        """
        if isinstance(alias, Frequency):
            return alias
        if isinstance(alias, bool) or not isinstance(alias, (str, int, np.integer)):
            raise _unknown(alias)
        return cls(str(alias))

    @classmethod
    def infer(cls, series_times: Sequence[TimeArray], *, ids: Sequence[str] | None = None) -> Frequency:
        """Find the one frequency that the timestamps of all series follow; gaps are allowed.

        Parameters
        ----------
        series_times
            One array of datetime64 or int64 for each series, in any order.
        ids
            Names of the series, for messages.

        Raises
        ------
        InputError
            The series follow different frequencies or none, or no series has two timestamps.
        """
        arrays = [np.unique(times) for times in series_times]
        codes = np.repeat(np.arange(len(arrays)), [len(array) for array in arrays])
        times = np.concatenate(arrays) if arrays else np.empty(0, np.int64)
        names = ids if ids is not None else [str(number) for number in range(len(arrays))]
        return infer_sorted(times, codes, names)

    @property
    def is_integer(self) -> bool:
        """Whether time is counted in whole numbers instead of dates."""
        return self.unit == "int"

    @property
    def is_daily_or_coarser(self) -> bool:
        """Whether a step is made of calendar days, so that it follows the clock on the wall and not elapsed time."""
        return self.unit not in ("int", "h", "min", "s", "ms", "us")

    @property
    def season(self) -> int:
        """Seasonal period in steps that is usual for this frequency; 1 if there is none."""
        if self.is_integer:
            return 1
        if self.unit in _SEASONS:
            return _divided(_SEASONS[self.unit], self.multiple)
        tick = self.tick
        for cycle in (DAY, DAY // 24, DAY // 1440, 1_000_000):
            if tick < cycle and cycle // tick <= 3600:
                return _divided(cycle, tick)
        weekly = _divided(7 * DAY, tick)
        return weekly if weekly <= _LONGEST_SEASON else 1

    @property
    def days(self) -> float:
        """Length of a step in days, of months and years on average; of integer steps, which have none, one day each."""
        if self.tick and not self.is_integer:
            return self.tick / DAY
        return self.multiple * _DAYS.get(self.unit, 1.0)

    @property
    def tick(self) -> int:
        """Length of a step in microseconds; 0 where steps differ in length, and the step itself for integers."""
        return self.multiple if self.is_integer else _TICKS.get(self.unit, 0) * self.multiple

    @property
    def description(self) -> str:
        """The frequency in words, for messages."""
        if self.is_integer:
            return f"steps of {self.multiple}"
        words = _FAMILIAR[self.unit]
        return f"'{self.alias}' ({words})" if self.multiple == 1 else f"'{self.alias}' (every {self.multiple} {words})"

    def phase_of(self, times: TimeArray) -> IntArray:
        """Return where each timestamp lies within its step; all timestamps of a series share one phase.

        The phase of daily values taken at six o'clock is six hours, that of 15-minute values at 7, 22, 37, …
        minutes is 7 minutes; it is 0 for the usual grids.
        """
        counts = _counts(times)
        if self.tick:
            return counts % self.tick
        days, time_of_day = np.divmod(counts, DAY)
        return self._cell(days) % self.multiple * DAY + time_of_day

    def to_ordinals(self, times: TimeArray, *, phase: int | IntArray | None = None) -> IntArray:
        """Return the position of each timestamp on the calendar grid.

        Parameters
        ----------
        times
            datetime64 of any unit, or int64 for integer frequencies.
        phase
            As :meth:`phase_of` gives it, one number or one for each timestamp; without it the first timestamp's.

        Raises
        ------
        InputError
            A timestamp is off the grid; ``row`` is its 1-based position.
        """
        times = np.asarray(times)
        self.check_kind(times)
        if phase is None:
            phase = self.phase_of(times[:1])[0] if times.size else 0
        ordinals, on_grid = self.locate(times, phase)
        if not on_grid.all():
            offender = int(np.argmin(on_grid))
            raise InputError(
                f"Timestamp {times[offender]} is not on the grid of {self.description}. "
                "Correct it, or give the frequency that fits.",
                row=offender + 1,
            )
        return ordinals

    def from_ordinals(self, ordinals: IntArray, *, phase: int | IntArray = 0) -> TimeArray:
        """Return the timestamps at these positions, as datetime64[us] or int64; inverse of :meth:`to_ordinals`."""
        ordinals = np.asarray(ordinals, np.int64)
        if self.tick:
            counts = ordinals * self.tick + phase
        else:
            cell_phase, time_of_day = np.divmod(np.asarray(phase, np.int64), DAY)
            counts = self._day(ordinals * self.multiple + cell_phase) * DAY + time_of_day
        return counts if self.is_integer else counts.astype("datetime64[us]")

    def locate(self, times: TimeArray, phase: int | IntArray) -> tuple[IntArray, NDArray[np.bool_]]:
        """Return the ordinals of all timestamps and which of them are exactly on the grid."""
        counts = _counts(times)
        if self.tick:
            ordinals, rest = np.divmod(counts - phase, self.tick)
            return ordinals, rest == 0
        cell_phase = np.asarray(phase, np.int64) // DAY
        ordinals = (self._cell(counts // DAY) - cell_phase) // self.multiple
        back = self.from_ordinals(ordinals, phase=phase)
        return ordinals, _counts(back) == counts

    def check_kind(self, times: NDArray[np.generic]) -> None:
        """Raise InputError if dates are given to an integer frequency, or integers to one of dates."""
        if self.is_integer and times.dtype.kind == "M":
            raise InputError(
                f"The frequency {self.alias} counts whole numbers, but the timestamps are dates. "
                "Give a frequency of dates, such as freq='D' (--freq D)."
            )
        if not self.is_integer and times.dtype.kind in "iu":
            raise InputError(
                f"The frequency {self.description} needs dates, but the timestamps are whole numbers. "
                "Write them as dates (2024-01-31), or give an integer frequency: freq=1 (--freq 1)."
            )

    def _cell(self, days: IntArray) -> IntArray:
        """Return the number of the week, business day, month, quarter or year in which each day lies."""
        if self.unit == "B":
            weeks, weekdays = np.divmod(days + 3, 7)  # 1970-01-01 was a Thursday
            return 5 * weeks + np.minimum(weekdays, 4)
        if self.unit == "W":
            return (days + 3 - self.anchor) // 7
        months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
        return (months - self.anchor) // _MONTHS_A_STEP[self.unit]

    def _day(self, cells: IntArray) -> IntArray:
        """Return the day that stands for each cell; inverse of :meth:`_cell` on the grid."""
        if self.unit == "B":
            weeks, weekdays = np.divmod(cells, 5)
            return 7 * weeks + weekdays - 3
        if self.unit == "W":
            return 7 * cells - 3 + self.anchor
        months = cells * _MONTHS_A_STEP[self.unit] + self.anchor
        if self.unit.endswith("S"):
            return _first_day(months)
        return _first_day(months + 1) - 1


def infer_sorted(
    times: TimeArray, codes: NDArray[np.integer], ids: Sequence[str], *, elapsed: bool = False
) -> Frequency:
    """Infer the frequency of many series whose timestamps stand one series after the other, sorted.

    ``codes`` numbers the series of each timestamp; ``elapsed`` counts elapsed time only, never calendar days.
    Raises InputError as :meth:`Frequency.infer` does.
    """
    repeated = np.zeros(len(times), np.bool_)
    repeated[1:] = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
    times, codes = times[~repeated], codes[~repeated]
    if not (codes[1:] == codes[:-1]).any():
        raise InputError(
            "The frequency cannot be told from the timestamps: no series has two of them. "
            "Give it: freq='D' (--freq D) for days, freq=1 for whole numbers."
        )
    frequency = _guess(times, codes, elapsed=elapsed)
    if frequency is None:
        raise _no_common_frequency(times, codes, ids)
    _refuse_mixed(frequency, times, codes, ids)
    return frequency


def _parse(alias: str) -> tuple[str, int, int]:
    match = _PATTERN.fullmatch(alias.strip()) if alias.isascii() else None
    if match is None or not alias.strip():
        raise _unknown(alias)
    digits, unit, anchor = match[1], match[2], (match[3] or "").upper()
    if len(digits) > 13:
        raise _unknown(alias)
    multiple = int(digits) if digits else 1
    if not unit:
        unit, limit = "int", _INTEGER_STEP_LIMIT
    else:
        unit, limit = _unit(unit), _MULTIPLE_LIMIT
    if not 1 <= multiple <= limit or (unit == "int" and anchor):
        raise _unknown(alias)
    if unit in ("us", "ms", "s", "min"):
        unit, multiple = _simplified(unit, multiple)
    return unit, multiple, _anchor(alias, unit, anchor)


def _unit(spelling: str) -> str:
    if spelling == "m":  # months or minutes? Nobody can tell.
        return ""
    for candidate in (spelling, spelling.upper(), spelling.lower()):
        name = _RETIRED.get(candidate, candidate)
        if name in _FAMILIAR:
            return name
    return ""


def _simplified(unit: str, multiple: int) -> tuple[str, int]:
    """Write 60min as h, so that equal steps have equal names."""
    tick = _TICKS[unit] * multiple
    return next((name, tick // _TICKS[name]) for name in ("h", "min", "s", "ms", "us") if tick % _TICKS[name] == 0)


def _anchor(alias: str, unit: str, anchor: str) -> int:
    if not unit:
        raise _unknown(alias)
    if unit not in _DEFAULT_ANCHOR:
        if anchor:
            raise _unknown(alias)
        return 0
    names = _WEEKDAYS if unit == "W" else _MONTHS
    anchor = anchor or _DEFAULT_ANCHOR[unit]
    if anchor not in names:
        raise _unknown(alias)
    position = names.index(anchor)
    return position % 3 if unit.startswith("Q") else position


def _canonical_alias(unit: str, multiple: int, anchor: int) -> str:
    if unit == "int":
        return str(multiple)
    suffix = ""
    if unit == "W":
        suffix = f"-{_WEEKDAYS[anchor]}"
    elif unit in _DEFAULT_ANCHOR:
        default = _MONTHS.index(_DEFAULT_ANCHOR[unit])
        default = default % 3 if unit.startswith("Q") else default
        suffix = "" if anchor == default else f"-{_MONTHS[anchor]}"
    return f"{multiple if multiple > 1 else ''}{unit}{suffix}"


def _unknown(alias: object) -> ConfigError:
    return ConfigError(
        f"Unknown frequency {str(alias)[:40]!r}. Expected a pandas alias: D (days), B (business days), W-SUN (weeks "
        "ending on Sunday), MS/ME (month starts/ends), QS/QE (quarters), YS/YE (years), h, min, s, ms or us, with a "
        "multiple if need be (15min); or a positive whole number for integer time steps."
    )


def _divided(cycle: int, step: int) -> int:
    return cycle // step if cycle % step == 0 else 1


def _counts(times: NDArray[np.generic]) -> IntArray:
    times = np.asarray(times)
    if times.dtype.kind == "M":
        times = times.astype("datetime64[us]", copy=False).view(np.int64)
    return times.astype(np.int64, copy=False)


def _first_day(months: IntArray) -> IntArray:
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def _guess(times: TimeArray, codes: NDArray[np.integer], *, elapsed: bool = False) -> Frequency | None:
    counts = _counts(times)
    within = codes[1:] == codes[:-1]
    steps = np.diff(counts)[within]
    if steps.size == 0:
        return None
    if times.dtype.kind != "M":
        step = _common_step(steps)
        return Frequency(str(step)) if step else None
    if not elapsed and (steps % DAY == 0).all():
        return _guess_calendar(counts // DAY, within)
    step = _common_step(steps)
    unit = next(unit for unit in ("h", "min", "s", "ms", "us") if step % _TICKS[unit] == 0)
    multiple = step // _TICKS[unit]
    return Frequency(f"{multiple}{unit}") if 0 < multiple <= _MULTIPLE_LIMIT else None


def _guess_calendar(days: IntArray, within: NDArray[np.bool_]) -> Frequency | None:
    steps = np.diff(days)[within]
    if steps.min() >= 28:
        monthly = _guess_months(days, within)
        if monthly is not None:
            return monthly
    step = _common_step(steps)
    weekdays = (days + 3) % 7
    if step % 7 == 0 and step:
        anchored = (weekdays == weekdays[0]).all()
        return Frequency(f"{step // 7}W-{_WEEKDAYS[weekdays[0]]}" if anchored else f"{step}D")
    over_weekend = (weekdays[:-1] == 4) & (weekdays[1:] == 0) & (np.diff(days) == 3) & within
    if step == 1 and (weekdays < 5).all() and over_weekend.any():
        return Frequency("B")
    return Frequency(f"{step}D") if 0 < step <= _MULTIPLE_LIMIT else None


def _guess_months(days: IntArray, within: NDArray[np.bool_]) -> Frequency | None:
    months = days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    if (days == _first_day(months)).all():
        kind = "S"
    elif (days == _first_day(months + 1) - 1).all():
        kind = "E"
    else:
        return None
    step = _common_step(np.diff(months)[within])
    if step and step % 12 == 0 and (months % 12 == months[0] % 12).all():
        return Frequency(f"{step // 12}Y{kind}-{_MONTHS[months[0] % 12]}")
    if step == 3 and (months % 3 == months[0] % 3).all():
        return Frequency(f"Q{kind}-{_MONTHS[months[0] % 3]}")
    return Frequency(f"{step}M{kind}") if step else None


def _common_step(steps: IntArray) -> int:
    """Return the step that these differences are multiples of; 0 if they have none worth the name."""
    values, counts = np.unique(steps, return_counts=True)
    usual = int(values[np.argmax(counts)])
    whole = (values % usual == 0).all()
    divisor = usual if whole else int(np.gcd.reduce(values))
    # Unequal steps always share some divisor (a second, a day): it is the step only if the grid is not mostly holes.
    holes = 1000 if whole else 10
    return divisor if float(steps.sum(dtype=np.float64)) / divisor <= holes * steps.size else 0


def _refuse_mixed(frequency: Frequency, times: TimeArray, codes: NDArray[np.integer], ids: Sequence[str]) -> None:
    """Raise InputError if a series is perfectly regular at a coarser frequency than the panel's."""
    firsts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    if firsts.size < 2:
        return
    lengths = np.diff(np.r_[firsts, len(codes)])
    ordinals, _ = frequency.locate(times, np.repeat(frequency.phase_of(times[firsts]), lengths))
    coarser = first_coarser(times, ordinals, firsts)
    if coarser is not None:
        suspect, guess = coarser
        other = int(np.argmax(_least_steps(ordinals, firsts) == 1))
        raise _mixed(ids, (int(codes[firsts[other]]), frequency), (int(codes[firsts[suspect]]), guess))


def first_coarser(times: TimeArray, ordinals: IntArray, firsts: IntArray) -> tuple[int, Frequency] | None:
    """Return the first of several series that is perfectly regular at a coarser frequency, and that frequency.

    ``times`` and ``ordinals`` stand one series after the other, sorted; ``firsts`` tells where each series begins.
    """
    lengths, least = np.diff(np.r_[firsts, len(times)]), _least_steps(ordinals, firsts)
    steps = np.diff(ordinals, prepend=ordinals[0])
    steps[firsts] = 0
    suspects = np.flatnonzero((least > 1) & (lengths > 2) & (np.maximum.reduceat(steps, firsts) <= _UNEVEN * least))
    for suspect in suspects:
        own = times[firsts[suspect] : firsts[suspect] + lengths[suspect]]
        guess = _guess(own, np.zeros(len(own), np.int64))
        if guess is not None and (np.diff(guess.to_ordinals(own)) == 1).all():
            return int(suspect), guess
    return None


def _least_steps(ordinals: IntArray, firsts: IntArray) -> IntArray:
    """Return the smallest step within each series; the largest number there is where a series has but one value."""
    steps = np.diff(ordinals, prepend=ordinals[0] - 1)
    steps[firsts] = np.iinfo(np.int64).max
    return np.minimum.reduceat(steps, firsts)


def _no_common_frequency(times: TimeArray, codes: NDArray[np.integer], ids: Sequence[str]) -> InputError:
    firsts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    guesses: list[tuple[int, Frequency]] = []
    irregular: list[int] = []
    for own in np.split(np.arange(len(codes)), firsts[1:])[:1000]:
        if own.size < 2:
            continue
        guess = _guess(times[own], codes[own])
        if guess is None:
            irregular.append(int(codes[own[0]]))
        elif guesses and guess.alias != guesses[0][1].alias:
            return _mixed(ids, guesses[0], (int(codes[own[0]]), guess))
        else:
            guesses.append((int(codes[own[0]]), guess))
    name = str(ids[irregular[0]]) if irregular else None
    place = f"of series {name!r} " if irregular else ""
    return InputError(
        f"The timestamps {place}follow no regular step, so the frequency cannot be told. Expected steps of equal "
        "length (days, business days, weeks, first or last days of months, hours, …; gaps are allowed). "
        "Correct the timestamps, or give the frequency: freq='D' (--freq D).",
        series=name,
    )


def _mixed(ids: Sequence[str], one: tuple[int, Frequency], other: tuple[int, Frequency]) -> InputError:
    return InputError(
        f"The series have mixed frequencies: series {ids[one[0]]!r} has {one[1].description}, series "
        f"{ids[other[0]]!r} has {other[1].description}. A panel has one frequency: split the data by frequency, or "
        f"give it with freq='{one[1].alias}' (--freq {one[1].alias}) to count the steps between as missing.",
        series=str(ids[other[0]]),
    )
