"""What comes next in a real text, beside counting and beside PyTorch: ``python -m benchmarks.symbols TEXT``.

TEXT is a file with a sequence a line. Every 20th block of 100 lines is held out. Counts and networks see the same
symbols. ``FORECASTER_PEERS_PYTHON`` names an interpreter that has PyTorch: the same network is trained there for as
long as ours took, with as many steps as that gives.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import machine
from benchmarks.results import Figure, Report, save
from forecaster import SymbolForecaster, usable_cpus
from forecaster.ngrams import NAMES, NGrams
from forecaster.textfile import read_texts

BLOCK, EVERY, FIRST = 100, 20, 10
SUGGESTIONS = 200
INTERPRETER = "FORECASTER_PEERS_PYTHON"


def parted(texts: list[str]) -> tuple[list[str], list[str]]:
    """Return the texts to learn from, and those held out, which are spread over all of them."""
    held_out = [number // BLOCK % EVERY == FIRST for number in range(len(texts))]
    return (
        [text for text, out in zip(texts, held_out, strict=True) if not out],
        [text for text, out in zip(texts, held_out, strict=True) if out],
    )


def measure(texts: list[str], steps: int | None = None) -> Report:
    """Train on most of `texts` and return how well the others are guessed."""
    known, held_out = parted(texts)
    training = None if steps is None else {"steps": steps}
    model = SymbolForecaster(training=training).fit(known, progress=lambda report: print(report, flush=True))
    seen, asked, size = model.numbers(known), model.numbers(held_out), len(model.vocabulary)
    counted = [
        Figure(name, f"Perplexity, {name}s counted", NGrams(seen, size, order).perplexity(asked), "symbols")
        for order, name in enumerate(NAMES, 1)
    ]
    figures = [
        Figure("symbols", "Symbols learned from", float(len(seen)), "symbols"),
        Figure("vocabulary", "Symbols known", float(size), "symbols"),
        *counted,
        Figure("perplexity", "Perplexity, network", model.perplexity(held_out), "symbols"),
        Figure("seconds", "Training", model.info["training"]["seconds"], "s"),
        _suggestion(model, held_out),
        *_peer(model, seen, asked),
    ]
    return Report(datetime.now(UTC).date().isoformat(), machine(), figures)


def _suggestion(model: SymbolForecaster, held_out: list[str]) -> Figure:
    """Return how long a suggestion takes after 20 words."""
    contexts = [" ".join(text.split()[:20]) for text in held_out[:SUGGESTIONS]]
    seconds = []
    for context in contexts:
        began = time.perf_counter()
        model.next(context)
        seconds.append(1000 * (time.perf_counter() - began))
    low, high = np.percentile(seconds, [10, 90])
    what = "A suggestion after up to 20 words"
    return Figure("suggestion", what, statistics.median(seconds), "ms", len(seconds), float(low), float(high))


def _peer(model: SymbolForecaster, seen: Any, asked: Any) -> list[Figure]:
    interpreter = os.environ.get(INTERPRETER)
    if not interpreter:
        return [Figure("torch_seconds", "Training, PyTorch", None, "s", note=f"{INTERPRETER} is not set")]
    info = model.info
    network, training = info["architecture"]["networks"][0], info["training"]["settings"]
    settings = {
        "size": len(model.vocabulary),
        "threads": usable_cpus(),
        "seconds": info["training"]["seconds"],
        "streams": training["batch_size"],
        "window": 32,
        "learning_rate": training["learning_rate"],
    } | {name: network[name] for name in ("hidden", "layers", "dropout")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "asked.npz"
        np.savez(path, known=seen, held_out=asked, settings=json.dumps(settings))
        command = [interpreter, str(Path(__file__).with_name("symbols_peer.py")), str(path)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own command
    told = json.loads(done.stdout)
    what = f"Perplexity, the same network in PyTorch, among all words, {told['steps']:,} steps in the same time"
    rate = info["training"]["steps"] / info["training"]["seconds"] * told["seconds"] / told["steps"]
    return [
        Figure("torch_perplexity", what, told["perplexity"], "symbols"),
        Figure("torch_seconds", "Training, PyTorch", told["seconds"], "s"),
        Figure("torch_steps", "Steps a second against PyTorch", rate, "ratio"),
    ]


def symbols_block(report: Report) -> str:
    """Return the table for docs/notes.md."""
    by_key = {figure.key: figure for figure in report.figures}
    rows = [
        f"| {_row_of(figure)} | {figure.value:.1f} | {_seconds(by_key.get(trained))} |"
        for key, trained in (*((name, "") for name in NAMES), ("perplexity", "seconds"), _TORCH)
        if (figure := by_key.get(key)) is not None and figure.value is not None
    ]
    symbols, known = by_key["symbols"].value, by_key["vocabulary"].value
    told = f"Learned from {symbols:,.0f} words, marks and ends of verses; {known:,.0f} different ones are known."
    suggestion = by_key["suggestion"]
    told += f" {suggestion.what}: {suggestion.value:.1f} ms ({suggestion.low:.1f} to {suggestion.high:.1f})."
    facts = report.machine
    where = f"Measured on {report.date}: {facts['cpu']}, {facts['cores']} cores (`python -m benchmarks.symbols`)."
    head = ["| | perplexity on held-out text | training |", "|---|---:|---:|"]
    return "\n".join([*head, *rows, "", told, where])


_TORCH = ("torch_perplexity", "torch_seconds")


def _row_of(figure: Figure) -> str:
    return figure.what.removeprefix("Perplexity, ")


def _seconds(figure: Figure | None) -> str:
    return "" if figure is None or figure.value is None else f"{figure.value:,.0f} s"


def main() -> None:
    """Measure, print and write ``benchmarks/results/symbols.json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("--steps", type=int)
    given = parser.parse_args()
    report = measure(read_texts(given.text, "lines"), given.steps)
    for figure in report.figures:
        print(figure)
    if given.steps is None:
        print(f"Written to {save('symbols', report)}")


if __name__ == "__main__":
    main()
