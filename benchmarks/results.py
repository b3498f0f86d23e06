"""Figures as files: ``benchmarks/results/*.json`` are written here and never by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    key
        Name in the file.
    what
        What was measured, in words.
    value
        The median, or the figure itself; None if it could not be measured.
    unit
        "s", "µs" or "bytes".
    runs
        Times it was measured.
    low, high
        Tenth and ninetieth percentile of the runs.
    note
        Why there is no value, or what to know about it.
    """

    key: str
    what: str
    value: float | None
    unit: str
    runs: int = 1
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Figures of one run, and the machine they hold for."""

    date: str
    machine: dict[str, str | int]
    figures: list[Figure] = field(default_factory=list)


def save(name: str, report: Report) -> Path:
    """Write a report and return its place."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(asdict(report), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(name: str) -> Report | None:
    """Return a report, or None if it was never written."""
    path = FOLDER / f"{name}.json"
    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return Report(content["date"], content["machine"], [Figure(**figure) for figure in content["figures"]])


def shown(figure: Figure) -> str:
    """Return the figure as a reader wants it."""
    if figure.value is None:
        return f"not measured: {figure.note}"
    if figure.unit == "bytes":
        return f"{figure.value / 1e6:,.0f} MB"
    if figure.unit == "µs":
        return f"{figure.value:,.0f} µs" if figure.value < 10_000 else f"{figure.value / 1000:,.0f} ms"
    return f"{figure.value:.2g} s" if figure.value < 1 else f"{figure.value:.1f} s"


def text_table(report: Report) -> str:
    """Return the figures for a terminal."""
    width = max(len(figure.what) for figure in report.figures)
    lines = [f"{figure.what.ljust(width)}  {shown(figure)}" for figure in report.figures]
    facts = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return "\n".join([*lines, "", facts])
