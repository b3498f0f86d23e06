"""What is worth knowing about series before they are forecast: each finding, and what will be done about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from forecaster.frequency import IntArray
from forecaster.panel import Panel
from forecaster.prediction import FEW_VALUES, LEAST_OBSERVED
from forecaster.timestamps import labels_of

__all__ = ["LEFT_OUT", "Empties", "Finding", "Findings", "counted", "find_in_panel"]

Severity = Literal["error", "warning", "info"]

LEFT_OUT = "The series is left out."
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


@dataclass(frozen=True, slots=True)
class Empties:
    """Rows without a value, of each of the N series: how many within it, and the line of the first, or -1."""

    counts: IntArray
    lines: IntArray


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
            f"The series has {counted(int(panel.observed[i]), 'value', 'values')}; {LEAST_OBSERVED} are the fewest "
            "that can be forecast.",
            LEFT_OUT,
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
        lambda i: finding(
            i,
            "info",
            f"All values of the series are {least[i]:g}.",
            "It is forecast; MASE, which counts by changes, leaves it out.",
        ),
    )
    found.add(
        np.flatnonzero(enough & (negative > 0) & (negative <= _RARE * panel.observed)),
        lambda i: finding(
            i,
            "warning",
            f"{counted(int(negative[i]), 'value is', 'values are')} negative, the other "
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
        kinds = [counted(empty, "empty cell", "empty cells")] if empty else []
        if empties is not None and len(steps) > empty:
            kinds.append(counted(len(steps) - empty, "time without a row", "times without a row"))
        told = f" ({' and '.join(kinds)})" if kinds else ""
        text = f"{counted(len(steps), 'value', 'values')} of {panel.lengths[i]} missing{told}: {where}."
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
            f"{counted(int(behind[i]), 'step', 'steps')} before the newest one.",
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
            f"The series ends with {counted(int(trailing[i]), 'missing value', 'missing values')}.",
            "Its forecast begins after them, farther from what is known.",
        ),
    )


def _label(panel: Panel, i: int, step: int) -> str:
    return labels_of(panel.times(i)[step : step + 1], panel.frequency, panel.timezone)[0]


def counted(count: int, one: str, several: str) -> str:
    """Return such as ``1 row`` or ``3 rows``."""
    return f"{count} {one if count == 1 else several}"
