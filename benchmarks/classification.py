"""Measure the classifier on real labelled series, beside simple baselines: ``python -m benchmarks.classification``.

The series are those that come with the PyPI package aeon (BSD-3-Clause), for measuring only: ``pip download --no-deps
aeon==1.6.0``, unpack the wheel, and name its ``aeon/datasets/data`` with ``--data`` or ``FORECASTER_AEON``. Training
and test parts are the archive's; settings were chosen within the training parts. Baselines: the most frequent class;
the class of the nearest training series, by their means, and by all their values stretched to one length.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from benchmarks.results import Figure, Report, save
from forecaster import SequenceClassifier

SETS = ("JapaneseVowels", "BasicMotions", "GunPoint", "ItalyPowerDemand")
CELLS = ("lstm", "gru")
SEEDS = 3
_STRETCHED = 32

Array = NDArray[np.float64]


class Labelled(NamedTuple):
    """Series (T, I), each with its label."""

    rows: list[Array]
    labels: list[str]


def read(path: Path) -> Labelled:
    """Return the series of a file of the form .ts: dimensions parted by colons, the label last."""
    rows, labels = [], []
    body = path.read_text(encoding="utf-8").lower().partition("@data")[2]
    for line in body.split("\n")[1:]:
        if line.strip():
            *dimensions, label = line.strip().split(":")
            rows.append(np.array([[float(value) for value in one.split(",")] for one in dimensions]).T)
            labels.append(label)
    return Labelled(rows, labels)


def majority(train: Labelled, test: Labelled) -> float:
    """Return the accuracy of the class that is most frequent in training."""
    names, counts = np.unique(train.labels, return_counts=True)
    return float(np.mean(np.array(test.labels) == names[counts.argmax()]))


def nearest(train: Labelled, test: Labelled, *, stretched: bool) -> float:
    """Return the accuracy of the class of the nearest training series."""
    known, asked = (np.array([_features(row, stretched=stretched) for row in one.rows]) for one in (train, test))
    middle, spread = known.mean(0), known.std(0) + 1e-12
    known, asked = (known - middle) / spread, (asked - middle) / spread
    chosen = [((known - one) ** 2).sum(1).argmin() for one in asked]
    return float(np.mean(np.array(train.labels)[chosen] == np.array(test.labels)))


def _features(row: Array, *, stretched: bool) -> Array:
    if not stretched:
        return row.mean(0)  # type: ignore[no-any-return]  # of an array along an axis
    places = np.linspace(0, len(row) - 1, _STRETCHED)
    return np.concatenate([np.interp(places, np.arange(len(row)), one) for one in row.T])


def measure(folder: Path, names: tuple[str, ...] = SETS, *, seeds: int = SEEDS) -> list[Figure]:
    """Return accuracies on the test parts."""
    figures = []
    for name in names:
        train, test = (read(folder / name / f"{name}_{part}.ts") for part in ("TRAIN", "TEST"))
        size = f"{len(train.rows)} to learn from, {len(test.rows)} to tell, {len(set(train.labels))} classes"
        figures += [
            Figure(f"{name}.majority", f"{name}: most frequent class", majority(train, test), "share", note=size),
            Figure(f"{name}.means", f"{name}: nearest by means", nearest(train, test, stretched=False), "share"),
            Figure(f"{name}.nearest", f"{name}: nearest by values", nearest(train, test, stretched=True), "share"),
        ]
        for cell in CELLS:
            began, scores = time.perf_counter(), []
            for seed in range(seeds):
                model = SequenceClassifier(network={"cell": cell}, seed=seed).fit(train.rows, train.labels)
                scores.append(model.score(test.rows, test.labels)["accuracy"])
            seconds = (time.perf_counter() - began) / seeds
            figures.append(
                Figure(
                    f"{name}.{cell}", f"{name}: {cell.upper()}", float(np.median(scores)), "share", seeds,
                    min(scores), max(scores), f"as it comes, {seconds:.1f} s a training",
                )
            )  # fmt: skip
        for figure in figures[-3 - len(CELLS) :]:
            print(f"{figure.what:36} {figure.value:.3f}  {figure.note}", flush=True)
    return figures


def classification_block(report: Report) -> str:
    """Return the table for docs/notes.md."""
    columns = ("majority", "means", "nearest", *CELLS)
    values = {figure.key: figure for figure in report.figures}
    rows = []
    for name in dict.fromkeys(key.partition(".")[0] for key in values):
        figures = [values[f"{name}.{column}"] for column in columns]
        cells = " | ".join("" if one.value is None else f"{100 * one.value:.1f} %" for one in figures)
        rows.append(f"| {name}: {figures[0].note} | {cells} |")
    head = ["", "most frequent class", "nearest by means", "nearest by values", *(cell.upper() for cell in CELLS)]
    told = f"Accuracy on the test parts; of networks the median of {SEEDS} seeds. Measured on {report.date}."
    return "\n".join([f"| {' | '.join(head)} |", f"|---|{'---:|' * len(columns)}", *rows, "", told])


def main() -> None:
    """Measure and write ``benchmarks/results/classification.json``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.classification", description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=os.environ.get("FORECASTER_AEON"), help="aeon/datasets/data")
    asked = parser.parse_args()
    if not asked.data:
        parser.error("say where the series are, with --data or FORECASTER_AEON")
    figures = measure(Path(asked.data))
    save("classification", Report(datetime.now(UTC).date().isoformat(), machine(), figures))


if __name__ == "__main__":
    main()
