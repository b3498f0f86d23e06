"""Figures as files: ``benchmarks/results/*.json`` are written here and never by hand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

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
        "s", "ms", "µs", "bytes", "1/s", "share" or "times".
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


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measured figure beside others'.

    Attributes
    ----------
    key, what
        Name in the file; what was measured, in words.
    ours, peers
        Medians in seconds; peers by name, those that were there.
    low, high
        Least and largest ratio, where this is a mean over many shapes.
    note
        What to know about it.
    """

    key: str
    what: str
    ours: float
    peers: dict[str, float]
    low: float | None = None
    high: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as long the fastest peer takes."""
        return min(self.peers.values()) / self.ours if self.peers else None


@dataclass(frozen=True, slots=True)
class Comparisons:
    """Comparisons of one run, figures without a peer, and the machine they hold for."""

    date: str
    machine: dict[str, str | int]
    comparisons: list[Comparison]
    figures: list[Figure]


def save(name: str, report: Report | Comparisons) -> Path:
    """Write a report and return its place."""
    return save_json(name, asdict(report))


def save_json(name: str, content: Any) -> Path:
    """Write what is no report, under a name of its own, and return its place."""
    FOLDER.mkdir(exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def load(name: str) -> Report | None:
    """Return a report, or None if it was never written."""
    content = load_json(name)
    if content is None:
        return None
    return Report(content["date"], content["machine"], [Figure(**figure) for figure in content["figures"]])


def load_comparisons(name: str) -> Comparisons | None:
    """Return a report with comparisons, or None if it was never written."""
    content = load_json(name)
    if content is None:
        return None
    comparisons = [Comparison(**comparison) for comparison in content["comparisons"]]
    figures = [Figure(**figure) for figure in content["figures"]]
    return Comparisons(content["date"], content["machine"], comparisons, figures)


def load_json(name: str) -> Any:
    """Return what `save_json` wrote, or None if it was never written."""
    path = FOLDER / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


_PATTERNS = {"ms": "{:.1f} ms", "1/s": "{:,.0f} /s", "share": "{:.0%}", "times": "{:.0f} times"}


def shown(figure: Figure) -> str:
    """Return the figure as a reader wants it."""
    if figure.value is None:
        return f"not measured: {figure.note}"
    if figure.unit == "bytes" and figure.value < 1e5:
        return f"{figure.value:,.0f} bytes"
    if figure.unit == "bytes":
        return f"{figure.value / 1e6:,.0f} MB"
    if figure.unit in _PATTERNS:
        return _PATTERNS[figure.unit].format(figure.value)
    if figure.unit == "µs":
        return f"{figure.value:,.0f} µs" if figure.value < 10_000 else f"{figure.value / 1000:,.0f} ms"
    return f"{figure.value:.2g} s" if figure.value < 1 else f"{figure.value:.1f} s"


def duration(seconds: float) -> str:
    """Return seconds as a reader wants them."""
    if seconds < 1e-3:
        return f"{1e6 * seconds:.0f} µs"
    if seconds < 0.1:
        return f"{1e3 * seconds:.2g} ms"
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


def text_table(report: Report) -> str:
    """Return the figures for a terminal."""
    width = max(len(figure.what) for figure in report.figures)
    lines = [f"{figure.what.ljust(width)}  {shown(figure)}" for figure in report.figures]
    facts = ", ".join(f"{key} {value}" for key, value in report.machine.items())
    return "\n".join([*lines, "", facts])
