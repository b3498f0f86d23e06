"""A look at data before anything is made of them: which column holds what, what series there are, what is odd."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

from forecaster.columns import ColumnNames, Layout, choose_layout
from forecaster.csvfile import read_csv
from forecaster.csvrows import Limits
from forecaster.errors import InputError
from forecaster.findings import Finding, Findings, find_in_panel
from forecaster.frequency import Frequency
from forecaster.guessing import SAMPLE, guess_columns, guess_csv
from forecaster.panel import Panel
from forecaster.parquetfile import parquet_head
from forecaster.row_findings import find_faults, find_in_rows
from forecaster.tables import opened_table, read_panel
from forecaster.timestamps import labels_of

__all__ = ["Audit", "AuditedSeries", "Column", "Finding", "audit_csv", "audit_file", "audit_panel"]

MOST_FINDINGS = 200
"""Findings that are told; others are counted."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `role` is ``id``, ``time``, ``target``, ``series`` (of a wide table) or ``unused``."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class AuditedSeries:
    """A series that can be read: its first and last time, its steps, and how many of them have no value."""

    unique_id: str
    start: str
    end: str
    length: int
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What a table holds.

    Attributes
    ----------
    columns
        The columns of the table, and what they are; none of a panel.
    layout
        ``long`` (ids in a column), ``single`` (one series) or ``wide`` (each column a series).
    names
        What the columns are called, for whoever reads the table.
    rows
        Rows of the table; of a panel, values that are not missing.
    panel
        The series that can be read; None if there is none.
    skipped
        Those that cannot: id and reason.
    findings
        What was found, the gravest first, at most `MOST_FINDINGS`.
    findings_total
        How many there are.
    """

    columns: tuple[Column, ...]
    layout: str
    names: ColumnNames
    rows: int
    panel: Panel | None
    skipped: dict[str, str]
    findings: tuple[Finding, ...]
    findings_total: int

    def readable(self) -> Panel:
        """Return the series that can be read.

        Raises
        ------
        InputError
            There is none.
        """
        if self.panel is None:
            first = self.findings[0]
            text = f"No series can be read. {first.problem}"
            raise InputError(text, series=first.series, row=first.line, column=first.column)
        return self.panel

    @property
    def series(self) -> list[AuditedSeries]:
        """The series that can be read, in their order."""
        return [] if self.panel is None else _series(self.panel)


def audit_csv(
    source: bytes | str | BinaryIO,
    *,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
    freq: str | int | Frequency | None = None,
    timezone: str | None = None,
    limits: Limits | None = None,
    name: str = "CSV",
    most: int = MOST_FINDINGS,
) -> Audit:
    """Look at a CSV: its columns, its series, and what is wrong or odd about them.

    Parameters
    ----------
    source
        The text, its bytes, or a binary stream that can seek.
    id_col, time_col, target_col
        Names of the columns; those that are None are guessed, see `forecaster.guessing.guess_columns`.
    freq, timezone, limits, name
        As `parse_csv` takes them.
    most
        Findings that are told.

    Raises
    ------
    InputError
        The text is not a table of series as a whole, or its columns cannot be told. Faults of single series are
        findings, even where no series is without.
    ConfigError
        The frequency or the time zone is unknown.
    """
    names = guess_csv(source, id_col=id_col, time_col=time_col, target_col=target_col, limits=limits, name=name)
    if not isinstance(source, (bytes, str)):
        source.seek(0)
    faults: dict[str, InputError] = {}
    table = read_csv(source, names=names, limits=limits, name=name, faults=faults)
    panel: Panel | None = None
    try:
        panel = table.panel(freq=freq, timezone=timezone, faults=faults)
    except InputError:
        if len(faults) < len(table.rows.names):  # a fault of the table as a whole
            raise
    found = Findings(most)
    frequency = panel.frequency if panel is not None else None if freq is None else Frequency.parse(freq)
    if faults:
        find_faults(found, table, faults, frequency, timezone)
    if panel is not None:
        empties = find_in_rows(found, table, panel, timezone)
        column = "" if table.layout.is_wide else table.header[table.layout.targets[0]]
        find_in_panel(found, panel, empties, column)
    return Audit(
        columns=_columns(table.header, table.layout),
        layout=table.layout.kind,
        names=names,
        rows=table.count,
        panel=panel,
        skipped={unique_id: str(fault) for unique_id, fault in faults.items()},
        findings=found.first(),
        findings_total=found.total,
    )


def audit_file(
    path: str | os.PathLike[str],
    *,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
    freq: str | int | Frequency | None = None,
    timezone: str | None = None,
    limits: Limits | None = None,
) -> Audit:
    """Look at a .csv, .csv.gz or .parquet file as `audit_csv` does; of Parquet, every fault is raised.

    Raises
    ------
    InputError, ConfigError
        As `audit_csv`; or there is no such file, or it is of no known format.
    MissingExtraError
        A Parquet file is given and pyarrow is not installed.
    """
    with opened_table(path) as (source, is_parquet):
        if not is_parquet:
            return audit_csv(
                source,
                id_col=id_col,
                time_col=time_col,
                target_col=target_col,
                freq=freq,
                timezone=timezone,
                limits=limits,
                name=str(path),
            )
        header, rows = parquet_head(source, str(path), SAMPLE)
        names = guess_columns(header, rows, id_col=id_col, time_col=time_col, target_col=target_col)
    panel = read_panel(path, freq=freq, names=names, timezone=timezone, limits=limits)
    layout = choose_layout(header, names)
    return replace(audit_panel(panel, names=names), columns=_columns(header, layout), layout=layout.kind)


def audit_panel(panel: Panel, *, names: ColumnNames | None = None, most: int = MOST_FINDINGS) -> Audit:
    """Look at series that have been read: gaps, series that are too short, constant, and so on."""
    found = Findings(most)
    find_in_panel(found, panel)
    return Audit(
        columns=(),
        layout="single" if len(panel) == 1 else "long",
        names=names or ColumnNames(),
        rows=int(panel.observed.sum()),
        panel=panel,
        skipped={},
        findings=found.first(),
        findings_total=found.total,
    )


def _columns(header: Sequence[str], layout: Layout) -> tuple[Column, ...]:
    return tuple(Column(name, role) for name, role in zip(header, layout.roles(len(header)), strict=True))


def _series(panel: Panel) -> list[AuditedSeries]:
    phases = panel.phases if panel.phases is not None else 0
    starts, ends = (
        labels_of(panel.frequency.from_ordinals(at, phase=phases), panel.frequency, panel.timezone)
        for at in (panel.starts, panel.starts + panel.lengths - 1)
    )
    lengths, missing = panel.lengths.tolist(), (panel.lengths - panel.observed).tolist()
    return [AuditedSeries(*one) for one in zip(panel.ids, starts, ends, lengths, missing, strict=True)]
