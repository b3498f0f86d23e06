"""The one gate through which rows of a table become series on a regular grid of time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import tzinfo
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError, InputError
from forecaster.frequency import Frequency, IntArray, TimeArray, first_coarser, infer_sorted
from forecaster.timestamps import check_years, find_zone, to_instants, to_wall

__all__ = ["Grid", "Rows", "as_floats", "lay_on_grid", "place_in_time", "shown"]

# A typing error in one year must not ask for the memory of a million years of seconds.
_ALWAYS_ALLOWED_VALUES = 1_000_000
_GRID_PER_ROW_LIMIT = 50
_ORDINAL_LIMIT = 2**53
_MICROSECONDS = {"us": 1, "ms": 1_000, "s": 1_000_000}


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of a long table on their way through the gate; `word` is what a number in `lines` is called."""

    names: tuple[str, ...]
    codes: IntArray
    times: NDArray[Any]
    values: NDArray[np.float64]
    lines: IntArray | None
    word: str = "line"

    def fault(self, row: int, message: str, *, column: str) -> InputError:
        """Return an error that names the place: the line in the file or the 1-based row, and the series."""
        series = self.names[self.codes[row]]
        text = f"Series {shown(series)}, {self.place(row)}: {message}"
        return InputError(text, series=series, row=self._number(row), column=column)

    def place(self, row: int) -> str:
        """Return where a row is, in words."""
        return f"{'row' if self.lines is None else self.word} {self._number(row)}"

    def _number(self, row: int) -> int:
        return row + 1 if self.lines is None else int(self.lines[row])

    def check(self) -> Self:
        """Return the rows, dates in microseconds; raise InputError for what is wrong with single ones."""
        if not len(self.codes) == len(self.times) == len(self.values):
            raise InputError(
                f"Expected columns of equal length, got {len(self.codes)} ids, {len(self.times)} timestamps and "
                f"{len(self.values)} values."
            )
        if not len(self.codes):
            raise InputError("There are no rows: expected at least one value of one series.")
        infinite = np.isinf(self.values)
        if infinite.any():
            raise self.fault(
                int(np.argmax(infinite)), "the value is infinite. Correct it or leave it empty.", column="y"
            )
        if self.times.dtype.kind not in "Miu":
            raise InputError(
                f"Expected timestamps as datetime64 or whole numbers, got {self.times.dtype}.", column="ds"
            )
        if self.times.dtype.kind == "M":
            return replace(self, times=self._dates())
        if (np.abs(self.times.astype(np.float64)) > _ORDINAL_LIMIT).any():
            row = int(np.argmax(np.abs(self.times.astype(np.float64))))
            raise self.fault(row, "the time step is too large a number. Count from a smaller one.", column="ds")
        return self

    def _dates(self) -> TimeArray:
        times: TimeArray = self.times.astype(self.times.dtype.newbyteorder("="), copy=False)
        try:
            check_years(times)
        except InputError as error:
            missing = np.isnat(times)
            if missing.any():
                raise self.fault(
                    int(np.argmax(missing)), "the timestamp is missing. Fill it in.", column="ds"
                ) from None
            raise self.fault((error.row or 1) - 1, str(error), column="ds") from None
        unit, multiple = np.datetime_data(times.dtype)
        if multiple == 1 and unit in _MICROSECONDS:  # a tenth of what NumPy's own conversion takes; years are checked
            factor = _MICROSECONDS[unit]
            return times if factor == 1 else (times.view(np.int64) * factor).view("datetime64[us]")
        micros = times.astype("datetime64[us]")
        finer = micros != times
        if finer.any():
            raise self.fault(int(np.argmax(finer)), "the timestamp is finer than a microsecond. Round it.", column="ds")
        return micros


@dataclass(frozen=True, slots=True)
class Grid:
    """Series on a regular grid of time; the attributes are those of :class:`~forecaster.panel.Panel`."""

    values: NDArray[np.float64]
    offsets: IntArray
    starts: IntArray
    phases: IntArray
    lines: IntArray | None


def as_floats(values: Any) -> NDArray[np.float64]:
    """Return numbers as float64; None is missing, text and truth values are refused."""
    array = np.asarray(values) if len(values) else np.empty(0)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64, copy=False)
    floats = np.empty(len(array))
    for row, value in enumerate(array.tolist() if isinstance(values, np.ndarray) else values):
        try:
            floats[row] = _as_float(value)
        except (TypeError, ValueError, OverflowError):
            raise InputError(
                f"Row {row + 1}: expected a number, got {shown(value)}. Missing values are NaN.",
                row=row + 1,
                column="y",
            ) from None
    return floats


def _as_float(value: Any) -> float:
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # pandas' own, without importing pandas
        return float("nan")
    if isinstance(value, (str, bytes, bool)):  # float("1_000") and float(True) are numbers to Python, not to us
        raise TypeError
    return float(value)


def place_in_time(
    rows: Rows, frequency: Frequency | None, timezone: str | None, *, utc: bool
) -> tuple[TimeArray, Frequency]:
    """Return the times as the panel keeps them (wall clock or UTC instants) and the frequency."""
    if rows.times.dtype.kind != "M":
        if timezone is not None:
            raise ConfigError(
                f"timezone={timezone!r} needs dates, but the timestamps are whole numbers.", column="timezone"
            )
        numbers: TimeArray = rows.times.astype(np.int64)
        return numbers, frequency or _infer(rows, numbers)
    times = rows.times
    if timezone is None:
        return times, frequency or _infer(rows, times)
    zone = find_zone(timezone)
    wall = to_wall(times, zone) if utc else times
    if frequency is None:
        frequency = _infer_coarse(rows, wall)
    if frequency is not None and frequency.is_daily_or_coarser:
        return wall, frequency
    instants = times if utc else _localized(rows, times, zone, timezone)
    return instants, frequency or _infer(rows, instants, elapsed=True)


def _infer(rows: Rows, times: TimeArray, *, elapsed: bool = False) -> Frequency:
    order = _order(rows.codes, times)
    times, codes = times[order], rows.codes[order]
    try:
        return infer_sorted(times, codes, rows.names, elapsed=elapsed)
    except InputError:
        repeated = (codes[1:] == codes[:-1]) & (times[1:] == times[:-1])
        if repeated.any():  # the likelier mistake
            raise _duplicate(rows, order, int(np.argmax(repeated))) from None
        raise


def _infer_coarse(rows: Rows, wall: TimeArray) -> Frequency | None:
    """Return the frequency the wall clock shows if it is daily or coarser."""
    try:
        frequency = _infer(rows, wall)
    except InputError:
        return None  # not even steps of the wall clock: elapsed time decides, and reports
    return frequency if frequency.is_daily_or_coarser else None


def _localized(rows: Rows, wall: TimeArray, zone: tzinfo, name: str) -> TimeArray:
    """Return UTC instants; where the clock shows a time twice, the second row of a series is the second instant."""
    instants, ambiguous, second = to_instants(wall, zone)
    skipped = np.isnat(instants)
    if skipped.any():
        row = int(np.argmax(skipped))
        raise rows.fault(
            row,
            f"{_text(wall[row])} does not exist in {name}: the clock was put forward over it. Write timestamps with "
            "their UTC offset, or correct it.",
            column="ds",
        )
    seen: set[tuple[int, int]] = set()
    for row in np.flatnonzero(ambiguous).tolist():
        key = (int(rows.codes[row]), int(wall[row].astype(np.int64)))
        if key in seen:
            instants[row] = second[row]
        seen.add(key)
    return instants


def _order(codes: IntArray, times: TimeArray) -> NDArray[Any]:
    later = (codes[1:] > codes[:-1]) | ((codes[1:] == codes[:-1]) & (times[1:] >= times[:-1]))
    return np.arange(len(codes)) if later.all() else np.lexsort((times, codes))


def lay_on_grid(rows: Rows, times: TimeArray, frequency: Frequency, *, guessed: bool = False) -> Grid:
    """Sort the rows by series and time and put their values on the grid.

    A series that is regular at a coarser frequency is refused if that of the grid was `guessed` from others.
    """
    frequency.check_kind(times)
    return _as_they_are(rows, times, frequency) or _laid_out(rows, times, frequency, guessed=guessed)


def _as_they_are(rows: Rows, times: TimeArray, frequency: Frequency) -> Grid | None:
    """Return the grid of rows that are one already; None of others, and of steps that differ in length.

    Most tables are, and to see it takes a tenth of what it takes to lay them out.
    """
    if not frequency.tick:
        return None
    codes, counts = rows.codes, times.view(np.int64)
    firsts = np.concatenate(([0], np.flatnonzero(codes[1:] != codes[:-1]) + 1))
    if len(firsts) != len(rows.names) or (codes[firsts] != np.arange(len(firsts))).any():
        return None
    steps = np.diff(counts)
    steps[firsts[1:] - 1] = frequency.tick  # from one series to the next
    if (steps != frequency.tick).any() or np.isnan(rows.values[firsts]).any():
        return None
    phases = frequency.phase_of(times[firsts])
    return Grid(
        values=rows.values.copy(),
        offsets=np.append(firsts, len(codes)),
        starts=(counts[firsts] - phases) // frequency.tick,
        phases=phases,
        lines=None if rows.lines is None else rows.lines[firsts],
    )


def _laid_out(rows: Rows, times: TimeArray, frequency: Frequency, *, guessed: bool) -> Grid:
    codes, values, order = rows.codes, rows.values, _order(rows.codes, times)
    if (order[1:] < order[:-1]).any():
        codes, times, values = codes[order], times[order], values[order]
    firsts = np.flatnonzero(np.r_[True, codes[1:] != codes[:-1]])
    phases = frequency.phase_of(times[firsts])
    alike = (phases == phases[0]).all()
    ordinals, on_grid = frequency.locate(times, phases[0] if alike else phases[codes])
    if not on_grid.all():
        raise _off_grid(rows, order, times, on_grid, firsts, frequency)
    repeated = (codes[1:] == codes[:-1]) & (ordinals[1:] == ordinals[:-1])
    if repeated.any():
        raise _duplicate(rows, order, int(np.argmax(repeated)))
    if guessed:
        _refuse_coarser(rows, times, ordinals, firsts, frequency)

    seen = np.where(np.isnan(values), len(values), np.arange(len(values)))
    first_seen = np.minimum.reduceat(seen, firsts)
    begins = np.where(first_seen < len(values), first_seen, firsts)  # a series that is all missing stays as it is
    lasts = np.append(firsts[1:], len(codes)) - 1
    starts = ordinals[begins]
    lengths = ordinals[lasts] - starts + 1
    _check_size(rows, order, lengths, firsts, frequency)
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    is_full = offsets[-1] == len(values) and (begins == firsts).all()  # no place is empty, no row left out
    return Grid(
        values=values.copy() if is_full else _on_grid(values, codes, ordinals, offsets, starts, begins),
        offsets=offsets,
        starts=starts,
        phases=phases,
        lines=None if rows.lines is None else rows.lines[order[begins]],
    )


def _on_grid(
    values: NDArray[np.float64],
    codes: IntArray,
    ordinals: IntArray,
    offsets: IntArray,
    starts: IntArray,
    begins: IntArray,
) -> NDArray[np.float64]:
    """Return the values from `begins` of each series on, each at its place, and NaN between them."""
    grid = np.full(offsets[-1], np.nan)
    kept = np.arange(len(codes)) >= begins[codes]
    grid[(offsets[:-1] - starts)[codes[kept]] + ordinals[kept]] = values[kept]
    return grid


def _refuse_coarser(rows: Rows, times: TimeArray, ordinals: IntArray, firsts: IntArray, frequency: Frequency) -> None:
    found = first_coarser(times, ordinals, firsts)
    if found is not None:
        code, own = found
        series = rows.names[code]
        raise InputError(
            f"Series {shown(series)} has {own.description}, the others have {frequency.description}. Put it into a "
            f"file of its own, or give the frequency with freq='{frequency.alias}' (--freq {frequency.alias}) to count "
            "the steps between as missing.",
            series=series,
            column="ds",
        )


def _off_grid(
    rows: Rows,
    order: NDArray[Any],
    times: TimeArray,
    on_grid: NDArray[np.bool_],
    firsts: IntArray,
    frequency: Frequency,
) -> InputError:
    position = int(np.argmin(on_grid))
    first = firsts[np.searchsorted(firsts, position, side="right") - 1]
    return rows.fault(
        int(order[position]),
        f"the timestamp {_text(times[position])} is not on the grid of {frequency.description} that begins at "
        f"{_text(times[first])}. Correct it, or give the frequency that fits with freq= (--freq).",
        column="ds",
    )


def _duplicate(rows: Rows, order: NDArray[Any], position: int) -> InputError:
    earlier, later = sorted((int(order[position]), int(order[position + 1])))
    return rows.fault(
        later,
        f"duplicate timestamp {_text(rows.times[later])}, already in {rows.place(earlier)}. "
        "A series has one value at a time: remove one, add them up, or tell the series apart by their ids (id_col=, "
        "--id-col).",
        column="ds",
    )


def _check_size(rows: Rows, order: NDArray[Any], lengths: IntArray, firsts: IntArray, frequency: Frequency) -> None:
    total = float(lengths.sum(dtype=np.float64))
    if total <= max(_ALWAYS_ALLOWED_VALUES, _GRID_PER_ROW_LIMIT * len(order)):
        return
    widest = int(np.argmax(lengths))
    raise rows.fault(
        int(order[firsts[widest]]),
        f"with steps of {frequency.description} the series would have {int(lengths[widest])} steps, nearly all "
        "missing. Look for a wrong timestamp, or give a coarser frequency with freq= (--freq).",
        column="ds",
    )


def _text(time: Any) -> str:
    text, _, fraction = str(time).partition(".")
    return f"{text}.{fraction}" if fraction.strip("0") else text.removesuffix("T00:00:00")


def shown(value: object) -> str:
    """Return a value as it is quoted in messages, never longer than a line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…" + text[:1]
