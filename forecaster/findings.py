"""What is worth knowing about series before they are forecast: each finding, and what will be done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forecaster.csvfile import CsvTable
from forecaster.errors import InputError
from forecaster.frequency import Frequency, IntArray
from forecaster.gate import shown
from forecaster.longtable import LongTable
from forecaster.panel import Panel
from forecaster.prediction import FEW_VALUES, LEAST_OBSERVED
from forecaster.timestamps import labels_of

__all__ = ["Finding", "Findings", "find_faults", "find_in_panel", "find_in_rows"]

Severity = Literal["error", "warning", "info"]

_LEFT_OUT = "The series is left out."
_FAULTS_OF_A_SERIES = 50
_ROWS_LOOKED_AT_AGAIN = 2_000_000
"""Rows of one series that are read again, all times together, to find what else is wrong with it."""
_SHOWN_TIMES = 3
_MANY = 0.2
"""Share of missing values from which on they are worth a warning."""
_RARE = 0.05
"""Share of negative values up to which they look like mistakes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    Attributes
    ----------
    severity
        ``error``: something is left out; ``warning``: a forecast may suffer; ``info``: good to know.
    problem
        What it is.
    action
        What will be done about it.
    line, series, column
        Where, as far as that can be said; the header of a file is line 1.
    """

    severity: Severity
    problem: str
    action: str
    line: int | None = None
    series: str | None = None
    column: str | None = None


@dataclass(slots=True)
class Findings:
    """Findings as they come: of each kind the first ones are kept, and all are counted."""

    most: int
    kept: list[Finding] = field(default_factory=list)
    total: int = 0

    def add(self, items: Sequence[Any] | NDArray[Any], make: Callable[[Any], Finding]) -> None:
        """Add a finding for each item, made only if it is kept."""
        self.total += len(items)
        self.kept += [make(item) for item in items[: self.most]]

    def add_one(self, finding: Finding) -> None:
        """Add a finding."""
        self.total += 1
        self.kept.append(finding)

    def first(self) -> tuple[Finding, ...]:
        """Return the gravest, of equal ones those of earlier lines."""
        order = {"error": 0, "warning": 1, "info": 2}
        ranked = sorted(self.kept, key=lambda one: (order[one.severity], one.line is None, one.line or 0))
        return tuple(ranked[: self.most])


def find_faults(
    found: Findings,
    table: CsvTable,
    faults: dict[str, InputError],
    frequency: Frequency | None,
    timezone: str | None,
) -> None:
    """Add what is wrong with series that cannot be part of the panel, row by row."""
    found.add(table.no_numbers, _of_fault)
    found.total += table.no_number_count - len(table.no_numbers)
    known = {(error.series, error.row) for error in table.no_numbers}
    places = {name: code for code, name in enumerate(table.rows.names) if name in faults}
    listed = 0
    for name, code in places.items():
        first = faults[name]
        if listed >= found.most:  # counted, not looked at
            found.total += (name, first.row) not in known
            continue
        rows = table.rows.of_series(code)
        errors = [table.in_words_of_the_user(error) for error in _all_faults(rows, frequency, timezone)]
        told = known | {(error.series, error.row) for error in errors}
        errors += [] if (name, first.row) in told else [first]
        found.add(errors, _of_fault)
        if len(errors) >= _most_faults(rows):
            found.add_one(Finding("error", "Other rows of the series are at fault too.", _LEFT_OUT, None, name))
        listed += len(errors)


def _of_fault(error: InputError) -> Finding:
    return Finding("error", str(error), _LEFT_OUT, error.row, error.series, error.column)


def _most_faults(rows: LongTable) -> int:
    return min(_FAULTS_OF_A_SERIES, _ROWS_LOOKED_AT_AGAIN // max(1, len(rows.codes)))


def _all_faults(rows: LongTable, frequency: Frequency | None, timezone: str | None) -> Iterable[InputError]:
    """Yield the faults of a series: each is found by leaving out the rows of those before."""
    left = _most_faults(rows)
    while left and len(rows.codes):
        try:
            rows.panel(freq=frequency, timezone=timezone)
        except InputError as error:
            if error.row is None or rows.lines is None:
                return
            yield type(error)(str(error), series=rows.names[0], row=error.row, column=error.column)
            rows = rows.take(np.flatnonzero(rows.lines != error.row))
            left -= 1
        else:
            return


def find_in_rows(found: Findings, table: CsvTable, panel: Panel, timezone: str | None) -> Empties:
    """Add what the rows tell and the panel no longer does, and return the empty cells of its series."""
    _find_odd_ids(found, table)
    numbers = {name: code for code, name in enumerate(table.rows.names)}
    rows = table.rows if len(panel) == len(numbers) else table.rows.select([numbers[name] for name in panel.ids])
    times = rows.instants(timezone)[0]
    _find_disorder(found, table, rows, times)
    return _empties(found, table, rows, times)


def _find_odd_ids(found: Findings, table: CsvTable) -> None:
    if table.layout.id is None:
        return
    names = table.rows.names
    plain = [" ".join(name.split()).casefold() for name in names]
    earlier: dict[str, int] = {}
    first = [earlier.setdefault(text, code) for code, text in enumerate(plain)]
    alike = [code for code, other in enumerate(first) if code != other]
    spaced = [code for code, name in enumerate(names) if name != name.strip() and code == first[code]]

    def finding(code: int, problem: str) -> Finding:
        line = None if table.rows.lines is None else int(table.rows.lines[np.argmax(table.rows.codes == code)])
        action = "It is taken as it is, as a series of its own."
        return Finding("warning", problem, action, line, names[code], table.names.id_col)

    found.add(alike, lambda code: finding(code, f"{shown(names[code])} is nearly the id {shown(names[first[code]])}."))
    found.add(spaced, lambda code: finding(code, f"The id {shown(names[code])} begins or ends with a space."))


def _find_disorder(found: Findings, table: CsvTable, rows: LongTable, times: NDArray[Any]) -> None:
    ordered, codes = times[rows.by_series], rows.codes[rows.by_series]
    back = np.flatnonzero((codes[1:] == codes[:-1]) & (ordered[1:] < ordered[:-1])) + 1
    if not len(back):
        return
    line = None if rows.lines is None else int(rows.lines[rows.by_series[back]].min())
    text = f"{_counted(len(back), 'row is', 'rows are')} of an earlier time than the row before, of the same series."
    if table.layout.is_wide:
        text = "The rows are not in the order of time."
    found.add_one(Finding("info", text, "The rows are sorted.", line, None, table.names.time_col))


@dataclass(frozen=True, slots=True)
class Empties:
    """Rows without a value, of each of the N series: how many within it, and the line of the first, or -1."""

    counts: IntArray
    lines: IntArray


def _empties(found: Findings, table: CsvTable, rows: LongTable, times: NDArray[Any]) -> Empties:
    """Count rows without a value; those before the first value of a series are no part of it, and a finding."""
    count, empty = len(rows.names), np.isnan(rows.values)
    counts, lines = np.zeros(count, np.int64), np.full(count, -1)
    if not empty.any():
        return Empties(counts, lines)
    order = np.lexsort((times, rows.codes))
    codes, empty = rows.codes[order], empty[order]
    ends = np.cumsum(np.bincount(codes, minlength=count))
    firsts = np.concatenate(([0], ends[:-1]))
    begins = np.minimum.reduceat(np.where(empty, len(codes), np.arange(len(codes))), firsts)
    begins = np.where(begins < ends, begins, firsts)  # one that is all empty stays as it is
    leading = begins - firsts
    within = empty & (np.arange(len(codes)) >= begins[codes])
    counts = np.bincount(codes[within], minlength=count)
    if rows.lines is not None:
        at = rows.lines[order]
        for place in np.flatnonzero(within)[::-1].tolist():
            lines[codes[place]] = at[place]
    found.add(
        np.flatnonzero(leading),
        lambda code: Finding(
            "info",
            f"The series begins with {_counted(int(leading[code]), 'row', 'rows')} without a value.",
            "It is taken to begin at its first value.",
            int(at[firsts[code]]) if rows.lines is not None else None,
            rows.names[code],
            _value_column(table, rows.names[code]),
        ),
    )
    return Empties(counts, lines)


def _value_column(table: CsvTable, series: str) -> str:
    return series if table.layout.is_wide else table.header[table.layout.targets[0]]


def find_in_panel(found: Findings, panel: Panel, empties: Empties | None = None, column: str | None = None) -> None:
    """Add what the series themselves tell."""
    values, begins = panel.values, panel.offsets[:-1]
    missing = panel.lengths - panel.observed
    enough = panel.observed >= LEAST_OBSERVED
    few = enough & (panel.observed < 2 * panel.frequency.season + FEW_VALUES)

    def finding(i: int, severity: Severity, problem: str, action: str, line: int | None = None) -> Finding:
        name = panel.ids[i]
        return Finding(severity, problem, action, line, name, name if column == "" else column)

    found.add(
        np.flatnonzero(~enough),
        lambda i: finding(
            i,
            "error",
            f"The series has {_counted(int(panel.observed[i]), 'value', 'values')}; {LEAST_OBSERVED} are the fewest "
            "that can be forecast.",
            _LEFT_OUT,
        ),
    )
    found.add(
        np.flatnonzero(few),
        lambda i: finding(
            i,
            "warning",
            f"The series has {panel.observed[i]} values, few to tell what is usual for it.",
            "It is forecast; its intervals are kept from becoming narrower from step to step.",
        ),
    )
    _find_gaps(found, panel, np.flatnonzero(enough & (missing > 0)), empties, finding)
    with np.errstate(invalid="ignore"):
        least = np.fmin.reduceat(values, begins)
        most = np.fmax.reduceat(values, begins)
        negative = np.add.reduceat((values < 0).astype(np.int64), begins)
    found.add(
        np.flatnonzero(enough & (least == most)),
        lambda i: finding(i, "info", f"All values of the series are {least[i]:g}.", "It is forecast to stay there."),
    )
    found.add(
        np.flatnonzero(enough & (negative > 0) & (negative <= _RARE * panel.observed)),
        lambda i: finding(
            i,
            "warning",
            f"{_counted(int(negative[i]), 'value is', 'values are')} negative, the other "
            f"{panel.observed[i] - negative[i]} are not.",
            "They are kept, and forecasts may be negative too; those of a series that never was are not.",
        ),
    )
    _find_early_ends(found, panel, enough, finding)


def _find_gaps(
    found: Findings, panel: Panel, places: IntArray, empties: Empties | None, finding: Callable[..., Finding]
) -> None:
    def gap(i: int) -> Finding:
        steps = np.flatnonzero(np.isnan(panel.series(i)))
        at = [_label(panel, i, step) for step in steps[:_SHOWN_TIMES].tolist()]
        where = ", ".join(at) + (" and so on" if len(steps) > len(at) else "")
        empty = 0 if empties is None else min(int(empties.counts[i]), len(steps))
        kinds = [_counted(empty, "empty cell", "empty cells")] if empty else []
        if empties is not None and len(steps) > empty:
            kinds.append(_counted(len(steps) - empty, "time without a row", "times without a row"))
        told = f" ({' and '.join(kinds)})" if kinds else ""
        text = f"{_counted(len(steps), 'value', 'values')} of {panel.lengths[i]} missing{told}: {where}."
        severity = "warning" if len(steps) > _MANY * panel.lengths[i] else "info"
        line = None if empties is None or empties.lines[i] < 0 else int(empties.lines[i])
        action = "Missing values stay missing: nothing is made up for them, and the network is told which they are."
        return finding(i, severity, text, action, line)

    found.add(places, gap)


def _find_early_ends(found: Findings, panel: Panel, enough: NDArray[np.bool_], finding: Callable[..., Finding]) -> None:
    """Add series that end before others, and those that end with missing values."""
    lasts = panel.starts + panel.lengths - 1
    behind = lasts.max(initial=0) - lasts
    found.add(
        np.flatnonzero(enough & (behind > 0)),
        lambda i: finding(
            i,
            "warning",
            f"The series ends at {_label(panel, i, int(panel.lengths[i]) - 1)}, "
            f"{_counted(int(behind[i]), 'step', 'steps')} before the newest one.",
            "Its forecast begins at its own end.",
        ),
    )
    seen = np.where(np.isnan(panel.values), -1, np.arange(len(panel.values)))
    trailing = panel.offsets[1:] - 1 - np.maximum.reduceat(seen, panel.offsets[:-1])
    found.add(
        np.flatnonzero(enough & (trailing > 0)),
        lambda i: finding(
            i,
            "warning",
            f"The series ends with {_counted(int(trailing[i]), 'missing value', 'missing values')}.",
            "Its forecast begins after them, farther from what is known.",
        ),
    )


def _label(panel: Panel, i: int, step: int) -> str:
    return labels_of(panel.times(i)[step : step + 1], panel.frequency, panel.timezone)[0]


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"
