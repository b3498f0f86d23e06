"""The figures of a run as the table in docs/files.md."""

from __future__ import annotations

from benchmarks.results import Figure, Report, shown

_HEAD = ["| | series a second | by core | of the kernels alone | most memory |", "|---|---:|---:|---:|---:|"]


def batch_block(report: Report) -> str:
    """Return what stands between the markers of large files."""
    found = {figure.key: figure for figure in report.figures}
    rates = [figure for figure in report.figures if figure.key.startswith(("rate_", "peer_"))]
    rows = [_row(figure, found) for figure in rates if figure.value is not None]
    facts = report.machine
    peers = ", ".join(f"{name} {facts[name]}" for name in ("statsforecast", "neuralforecast") if name in facts)
    where = f"{facts['cpu']}, {facts['workers']} cores, Numba {facts['numba']}" + (f", {peers}" if peers else "")
    notes = (
        "Whole processes, from exec to the end, Parquet to Parquet, with intervals of 80 and 95 %: two layers of 64 "
        "over 48 steps, 100 days in and 14 out; the same file and cores for all. Ours are medians of runs in turns "
        "with the kernels alone."
    )
    return "\n".join([*_HEAD, *rows, "", f"{notes} Measured on {report.date}: {where} (`python -m benchmarks.batch`)."])


def _row(figure: Figure, found: dict[str, Figure]) -> str:
    kind, _, rest = figure.key.partition("_")
    beside = (f"core_{rest}", f"share_{rest}", f"peak_{rest}" if kind == "rate" else f"peak_peer_{rest}")
    cells = [shown(found[key]) if key in found else "" for key in beside]
    part = f" ({figure.note.split(' series, ')[0]})" if figure.note.startswith("of the first") else ""
    return f"| {figure.what.removesuffix(', file to file')}{part} | {shown(figure)} | {' | '.join(cells)} |"
