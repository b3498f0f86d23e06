"""Put the measured figures into README.md: ``python -m benchmarks.tables``; tests hold the two together."""

from __future__ import annotations

from pathlib import Path

from benchmarks.results import Report, load, shown

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- figures: written by python -m benchmarks.tables -->"
END = "<!-- end of figures -->"


def figures_block(report: Report | None) -> str:
    """Return what stands between the markers."""
    if report is None:
        return "Not measured yet: `make bench`."
    rows = [f"| {figure.what} | {shown(figure)} |" for figure in report.figures]
    facts = report.machine
    machine = f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, Numba {facts['numba']}"
    return "\n".join(["| | median |", "|---|---|", *rows, "", f"Measured on {report.date}: {machine} (`make bench`)."])


def with_figures(text: str, report: Report | None) -> str:
    """Return a text with the block between its markers made new."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        raise ValueError(f"{README} has lost the markers {BEGIN} and {END}; put them back.")
    return f"{before}{BEGIN}\n{figures_block(report)}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_figures(README.read_text(encoding="utf-8"), load("demo")), encoding="utf-8")
