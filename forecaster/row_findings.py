"""What the rows of a table tell that the panel made of them no longer does: faults by line, order, empty cells."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.csvfile import CsvTable
from forecaster.errors import InputError
from forecaster.findings import LEFT_OUT, Empties, Finding, Findings, counted
from forecaster.frequency import Frequency
from forecaster.gate import shown
from forecaster.longtable import LongTable
from forecaster.panel import Panel

__all__ = ["find_faults", "find_in_rows"]

_FAULTS_OF_A_SERIES = 50
_ROWS_LOOKED_AT_AGAIN = 1_000_000
"""Rows that are read again, all series and times together, to find what else is wrong with those at fault."""


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
    listed, left = 0, _ROWS_LOOKED_AT_AGAIN
    for name, code in places.items():
        first = faults[name]
        if listed >= found.most:  # counted, not looked at
            found.total += (name, first.row) not in known
            continue
        rows = table.rows.of_series(code)
        most = min(_FAULTS_OF_A_SERIES, left // max(1, len(rows.codes)))
        errors = [table.in_words_of_the_user(error) for error in _all_faults(rows, most, frequency, timezone)]
        left -= min(len(errors) + 1, most) * len(rows.codes)
        is_part = len(errors) == most
        told = known | {(error.series, error.row) for error in errors}
        errors += [] if (name, first.row) in told else [first]
        found.add(errors, _of_fault)
        if is_part:
            text = "No more rows of the series were looked at; others may be at fault too."
            found.add_one(Finding("info", text, LEFT_OUT, None, name))
        listed += len(errors)


def _of_fault(error: InputError) -> Finding:
    return Finding("error", str(error), LEFT_OUT, error.row, error.series, error.column)


def _all_faults(rows: LongTable, most: int, frequency: Frequency | None, timezone: str | None) -> Iterable[InputError]:
    """Yield at most so many faults of a series: each is found by leaving out the rows of those before."""
    for _ in range(most):
        try:
            rows.panel(freq=frequency, timezone=timezone)
        except InputError as error:
            if error.row is None or rows.lines is None:
                return
            yield type(error)(str(error), series=rows.names[0], row=error.row, column=error.column)
            rows = rows.take(np.flatnonzero(rows.lines != error.row))
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
    text = f"{counted(len(back), 'row is', 'rows are')} of an earlier time than the row before, of the same series."
    if table.layout.is_wide:
        text = "The rows are not in the order of time."
    found.add_one(Finding("info", text, "The rows are sorted.", line, None, table.names.time_col))


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
            f"The series begins with {counted(int(leading[code]), 'row', 'rows')} without a value.",
            "It is taken to begin at its first value.",
            int(at[firsts[code]]) if rows.lines is not None else None,
            rows.names[code],
            _value_column(table, rows.names[code]),
        ),
    )
    return Empties(counts, lines)


def _value_column(table: CsvTable, series: str) -> str:
    return series if table.layout.is_wide else table.header[table.layout.targets[0]]
