"""Whole processes on the 144 months of air passengers: from a CSV file to a forecast of the last 12, held out."""

from __future__ import annotations

import csv
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.kernels.peers import ROOT, Peers, command, environment

HELD_OUT = 12
STEPS = (50, 75, 100, 150, 200, 400)
"""Steps of training NeuralForecast is tried with, until it is as accurate as we are."""

DEFAULT_STEPS = 1000
SEEDS = (1, 2, 3)


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from the first exec to the forecast on disk, and its error.

    Attributes
    ----------
    seconds, smape
        Medians over the seeds; sMAPE in per cent, from 0 to 200.
    steps
        Of training, where they were set.
    """

    seconds: float
    smape: float
    steps: int | None = None


@dataclass(frozen=True, slots=True)
class Processes:
    """Ours; NeuralForecast with the fewest steps that are as accurate, or its most accurate; and as it comes."""

    ours: Run
    peer: Run
    peer_default: Run | None


def measure(peers: Peers, *, with_default: bool = True) -> Processes | None:
    """Measure and print; None without NeuralForecast, which also brings the series."""
    if "neuralforecast" not in peers.versions:
        print("\nWhole processes: not measured, neuralforecast is not installed (it also brings the series)")
        return None
    print(f"\nWhole processes, 132 months to a forecast of the next 12; medians of seeds {SEEDS}")
    dates, values = peers.ask("call", peer="neuralforecast", what="air_passengers")
    actual = values[-HELD_OUT:]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "train.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("unique_id", "ds", "y"))
            writer.writerows(("air", *row) for row in zip(dates[:-HELD_OUT], values[:-HELD_OUT], strict=True))
        ours: list[Run] = []
        tried: list[Run] = []
        for steps in STEPS:
            theirs = []
            for seed in SEEDS:  # in turns
                ours.append(_ours(folder, actual, seed))
                theirs.append(_theirs(folder, actual, seed, steps))
            tried.append(_median(theirs, steps))
            print(f"  ours {_shown(_median(ours))}; neuralforecast {_shown(tried[-1])}", flush=True)
            if tried[-1].smape <= _median(ours).smape:
                break
        default = _median([_theirs(folder, actual, SEEDS[0], DEFAULT_STEPS)], DEFAULT_STEPS) if with_default else None
        if default is not None:
            print(f"  neuralforecast as it comes, one seed: {_shown(default)}", flush=True)
    return Processes(_median(ours), min(tried, key=lambda run: run.smape), default)


def _median(runs: Sequence[Run], steps: int | None = None) -> Run:
    seconds, errors = [run.seconds for run in runs], [run.smape for run in runs]
    return Run(statistics.median(seconds), statistics.median(errors), steps)


def _shown(run: Run) -> str:
    steps = f" with {run.steps} steps" if run.steps else ""
    return f"{run.seconds:.2f} s{steps}, sMAPE {run.smape:.2f} %"


def _ours(folder: Path, actual: Sequence[float], seed: int) -> Run:
    forecaster = [sys.executable, "-m", "forecaster.cli"]
    train = [*forecaster, "train", "train.csv", "--h", str(HELD_OUT), "--model", "model", "--seed", str(seed)]
    predict = [*forecaster, "predict", "model", "train.csv", "--output", "forecast.csv"]
    start = time.perf_counter()
    for arguments in (train, predict):
        subprocess.run(arguments, check=True, capture_output=True, cwd=folder)  # noqa: S603 - our own command
    return Run(time.perf_counter() - start, _error(folder / "forecast.csv", actual))


def _theirs(folder: Path, actual: Sequence[float], seed: int, steps: int) -> Run:
    files = [str(folder / name) for name in ("train.csv", "forecast.csv")]
    arguments = command("neural_side", *files, str(HELD_OUT), str(steps), str(seed))
    start = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True, cwd=ROOT, env=environment())  # noqa: S603 - our own
    return Run(time.perf_counter() - start, _error(folder / "forecast.csv", actual))


def _error(path: Path, actual: Sequence[float]) -> float:
    with path.open(newline="", encoding="utf-8") as file:
        forecast = [float(row["LSTM"]) for row in csv.DictReader(file)]
    return smape(actual, forecast)


def smape(actual: Sequence[float], forecast: Sequence[float]) -> float:
    """Return the symmetric mean absolute percentage error, from 0 to 200."""
    parts = [abs(y - p) / (abs(y) + abs(p)) for y, p in zip(actual, forecast, strict=True)]
    return 200 * statistics.mean(parts)
