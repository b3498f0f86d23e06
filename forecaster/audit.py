"""A look at data before anything is made of them: which column holds what, what series there are, what is odd."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from forecaster.columns import ColumnNames
from forecaster.csvfile import read_csv
from forecaster.csvrows import Limits
from forecaster.errors import InputError
from forecaster.findings import Finding, Findings, find_faults, find_in_panel, find_in_rows
from forecaster.frequency import Frequency
from forecaster.guessing import guess_csv
from forecaster.panel import Panel
from forecaster.timestamps import labels_of

__all__ = ["Audit", "AuditedSeries", "Column", "Finding", "audit_csv", "audit_panel"]

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
    findings: tuple[Finding, ...]
    findings_total: int

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
    roles = table.layout.roles(len(table.header))
    return Audit(
        columns=tuple(Column(name, role) for name, role in zip(table.header, roles, strict=True)),
        layout=table.layout.kind,
        names=names,
        rows=table.count,
        panel=panel,
        findings=found.first(),
        findings_total=found.total,
    )


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
        findings=found.first(),
        findings_total=found.total,
    )


def _series(panel: Panel) -> list[AuditedSeries]:
    phases = panel.phases if panel.phases is not None else 0
    starts, ends = (
        labels_of(panel.frequency.from_ordinals(at, phase=phases), panel.frequency, panel.timezone)
        for at in (panel.starts, panel.starts + panel.lengths - 1)
    )
    lengths, missing = panel.lengths.tolist(), (panel.lengths - panel.observed).tolist()
    return [AuditedSeries(*one) for one in zip(panel.ids, starts, ends, lengths, missing, strict=True)]
