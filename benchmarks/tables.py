"""Put the measured figures into README.md and docs/: ``python -m benchmarks.tables``; tests hold the two together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks import accuracy
from benchmarks.accuracy import Accuracy, accuracy_block
from benchmarks.batch.block import batch_block
from benchmarks.classification import classification_block
from benchmarks.image import image_block
from benchmarks.m4.report import RUNS, ladder_block, m4_block
from benchmarks.page import page_block
from benchmarks.results import Comparison, Comparisons, Report, duration, load, load_comparisons, load_json, shown
from benchmarks.scale import limits_block, sizing_block
from benchmarks.stages import stages_block
from benchmarks.symbols import symbols_block

README = Path(__file__).parents[1] / "README.md"
NOTES = Path(__file__).parents[1] / "docs" / "notes.md"
ARCHITECTURE = README.parent / "docs" / "architecture.md"
ACCURACY = README.parent / "docs" / "accuracy.md"
SCALE = README.parent / "docs" / "scale.md"
OPERATIONS = README.parent / "docs" / "operations.md"
FILES = README.parent / "docs" / "files.md"
BEGIN = "<!-- figures: written by python -m benchmarks.tables -->"
END = "<!-- end of figures -->"
PEERS_BEGIN = "<!-- peers: written by python -m benchmarks.tables -->"
PEERS_END = "<!-- end of peers -->"

STAGES_BEGIN = "<!-- stages: written by python -m benchmarks.tables -->"
STAGES_END = "<!-- end of stages -->"
LABELS_BEGIN = "<!-- labels: written by python -m benchmarks.tables -->"
LABELS_END = "<!-- end of labels -->"
WORDS_BEGIN = "<!-- words: written by python -m benchmarks.tables -->"
WORDS_END = "<!-- end of words -->"

LADDER_BEGIN = "<!-- ladder: written by python -m benchmarks.tables -->"
LADDER_END = "<!-- end of ladder -->"
M4_BEGIN = "<!-- m4: written by python -m benchmarks.tables -->"
M4_END = "<!-- end of m4 -->"
SETS_BEGIN = "<!-- sets: written by python -m benchmarks.tables -->"
SETS_END = "<!-- end of sets -->"

BATCH_BEGIN = "<!-- batch: written by python -m benchmarks.tables -->"
BATCH_END = "<!-- end of batch -->"
SERVICE_BEGIN = "<!-- service: written by python -m benchmarks.tables -->"
SERVICE_END = "<!-- end of service -->"
SIZING_BEGIN = "<!-- sizing: written by python -m benchmarks.tables -->"
SIZING_END = "<!-- end of sizing -->"
LIMITS_BEGIN = "<!-- limits: written by python -m benchmarks.tables -->"
LIMITS_END = "<!-- end of limits -->"
IMAGE_BEGIN = "<!-- image: written by python -m benchmarks.tables -->"
IMAGE_END = "<!-- end of image -->"
PAGE_BEGIN = "<!-- page: written by python -m benchmarks.tables -->"
PAGE_END = "<!-- end of page -->"

PEERS = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime", "neuralforecast": "NeuralForecast"}
PEERS_ROWS = ("step", "step_large", "one_network", "many_network", "one_forecast", "processes")
"""What of ``kernels.json`` the README shows; the first forecasts of a process come after these."""


def figures_block(report: Report | None) -> str:
    """Return what stands between the markers of our own figures."""
    if report is None:
        return "Not measured yet: `make bench`."
    rows = [f"| {figure.what} | {shown(figure)} |" for figure in report.figures]
    facts = report.machine
    machine = f"{facts['cpu']}, {facts['cores']} cores, Python {facts['python']}, Numba {facts['numba']}"
    return "\n".join(["| | median |", "|---|---|", *rows, "", f"Measured on {report.date}: {machine} (`make bench`)."])


def peers_block(report: Comparisons | None) -> str:
    """Return what stands between the markers of the peers."""
    if report is None:
        return "Not measured beside others yet: `python -m benchmarks.kernels`."
    by_key = {comparison.key: comparison for comparison in report.comparisons}
    rows = [_peers_row(by_key[key]) for key in PEERS_ROWS if key in by_key]
    first = [figure for figure in report.figures if figure.key.startswith("first_")]
    if first:
        times = ", ".join(f"{figure.key.removeprefix('first_')} {shown(figure)}" for figure in first)
        rows.append(f"| From exec to the first forecast, by state of the kernel cache | {times} | | |")
    facts = report.machine
    peers = ", ".join(f"{name} {facts[package]}" for package, name in PEERS.items())
    head = ["| | Forecaster | others | times as fast |", "|---|---|---|---|"]
    where = f"{facts['cpu']}, {facts['cores']} cores, Numba {facts['numba']}, {peers}"
    return "\n".join([*head, *rows, "", f"Measured on {report.date}: {where} (`python -m benchmarks.kernels`)."])


def _peers_row(one: Comparison) -> str:
    peers = ", ".join(f"{name} {duration(seconds)}" for name, seconds in one.peers.items()) or "not installed"
    ratio = "" if one.ratio is None else _times(one.ratio)
    if one.low is not None and one.high is not None:
        ratio += f" ({_times(one.low)} to {_times(one.high)})"
    what = f"{one.what}: {one.note}" if one.note else one.what
    return f"| {what} | {duration(one.ours)} | {peers} | {ratio} |"


def _times(ratio: float) -> str:
    return f"{ratio:.2f}" if ratio < 2 else f"{ratio:.1f}" if ratio < 10 else f"{ratio:.0f}"


def with_figures(text: str, report: Report | None) -> str:
    """Return a text with the block of our own figures made new."""
    return _with_block(text, BEGIN, END, figures_block(report))


def with_peers(text: str, report: Comparisons | None) -> str:
    """Return a text with the block of the peers made new."""
    return _with_block(text, PEERS_BEGIN, PEERS_END, peers_block(report))


def with_ladder(text: str, runs: Mapping[str, Any]) -> str:
    """Return a text with the short table of M4 made new."""
    return _with_block(text, LADDER_BEGIN, LADDER_END, ladder_block(runs))


def with_stages(text: str, report: Report | None) -> str:
    """Return a text with the block of a training step's stages made new."""
    block = "Not measured yet: `python -m benchmarks.stages`." if report is None else stages_block(report)
    return _with_block(text, STAGES_BEGIN, STAGES_END, block)


def with_labels(text: str, report: Report | None) -> str:
    """Return a text with the block of classified series made new."""
    block = (
        "Not measured yet: `python -m benchmarks.classification`." if report is None else classification_block(report)
    )
    return _with_block(text, LABELS_BEGIN, LABELS_END, block)


def with_words(text: str, report: Report | None) -> str:
    """Return a text with the block of the next word made new."""
    block = "Not measured yet: `python -m benchmarks.symbols`." if report is None else symbols_block(report)
    return _with_block(text, WORDS_BEGIN, WORDS_END, block)


def with_accuracy(text: str, runs: Mapping[str, Any], report: Accuracy | None) -> str:
    """Return a text with the blocks of M4 and of the small sets made new."""
    sets = "Not measured yet: `python -m benchmarks.accuracy`." if report is None else accuracy_block(report)
    return _with_block(_with_block(text, M4_BEGIN, M4_END, m4_block(runs)), SETS_BEGIN, SETS_END, sets)


def with_service(text: str, report: Report | None, image: Any = None) -> str:
    """Return a text with the block of the service under load made new."""
    block = "Not measured yet: `python -m benchmarks.service`." if report is None else service_block(report, image)
    return _with_block(text, SERVICE_BEGIN, SERVICE_END, block)


def service_block(report: Report, image: Any = None) -> str:
    """Return what stands between the markers of the service under load."""
    rows = [f"| {figure.what} | {shown(figure)} | {figure.note} |" for figure in report.figures]
    if image is not None:
        rows.append(f"| Container image over its base | {image['over_base'] / 1e6:.0f} MB | |")
        rows.append(f"| Start of the container to ready | {image['ready']['median']:.2f} s | |")
    facts = report.machine
    machine = f"{facts['cpu']}, {facts['cores']} cores, Numba {facts['numba']}, gunicorn {facts['gunicorn']}"
    note = "Load and service share the cores."
    where = f"Measured on {report.date}: {machine}. {note} (`python -m benchmarks.service`)"
    return "\n".join(["| | | |", "|---|---:|---|", *rows, "", where])


def with_image(text: str, report: Any) -> str:
    """Return a text with the block of what the image weighs made new."""
    return _with_block(text, IMAGE_BEGIN, IMAGE_END, image_block(report))


def with_scale(text: str, report: Report | None, batch: Report | None) -> str:
    """Return a text with the blocks of what many series take, and of what sets a limit, made new."""
    nothing = "Not measured yet: `python -m benchmarks.scale`."
    sizing, limits = (nothing, nothing) if report is None else (sizing_block(report, batch), limits_block(report))
    return _with_block(_with_block(text, SIZING_BEGIN, SIZING_END, sizing), LIMITS_BEGIN, LIMITS_END, limits)


def with_batch(text: str, report: Report | None) -> str:
    """Return a text with the block of large files made new."""
    block = "Not measured yet: `python -m benchmarks.batch`." if report is None else batch_block(report)
    return _with_block(text, BATCH_BEGIN, BATCH_END, block)


def with_page(text: str, report: Any) -> str:
    """Return a text with the block of how soon the page shows a forecast made new."""
    return _with_block(text, PAGE_BEGIN, PAGE_END, page_block(report))


def m4_runs() -> dict[str, Any]:
    """Return the results of M4 by name, None for those that are not there."""
    return {name: load_json(name) for name in RUNS}


def _with_block(text: str, begin: str, end: str, block: str) -> str:
    before, _, rest = text.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the document has lost the markers {begin} and {end}; put them back.")
    return f"{before}{begin}\n{block}\n{end}{after}"


if __name__ == "__main__":
    written = with_figures(README.read_text(encoding="utf-8"), load("demo"))
    written = with_peers(written, load_comparisons("kernels"))
    written = with_service(written, load("service"), load_json("image"))
    README.write_text(with_ladder(written, m4_runs()), encoding="utf-8")
    operated = with_service(OPERATIONS.read_text(encoding="utf-8"), load("service"), load_json("image"))
    operated = with_page(with_image(operated, load_json("image")), load_json("page"))
    OPERATIONS.write_text(operated, encoding="utf-8")
    noted = with_labels(NOTES.read_text(encoding="utf-8"), load("classification"))
    NOTES.write_text(with_words(noted, load("symbols")), encoding="utf-8")
    ARCHITECTURE.write_text(with_stages(ARCHITECTURE.read_text(encoding="utf-8"), load("stages")), encoding="utf-8")
    told = with_accuracy(ACCURACY.read_text(encoding="utf-8"), m4_runs(), accuracy.load())
    ACCURACY.write_text(told, encoding="utf-8")
    SCALE.write_text(with_scale(SCALE.read_text(encoding="utf-8"), load("scale"), load("batch")), encoding="utf-8")
    FILES.write_text(with_batch(FILES.read_text(encoding="utf-8"), load("batch")), encoding="utf-8")
