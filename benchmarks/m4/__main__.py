"""Train on M4 within a budget and write forecasts of all its series.

``python -m benchmarks.m4 --data DIR --budget-seconds 600 --threads 2 --output m4.parquet``

Each kind of series gets a share of the budget, and trains networks of its recipe (`forecaster.recipes`), one after the
other with other seeds and lags, as long as the next one fits; their forecasts are averaged. With ``--validate`` the
training parts' own last horizon is forecast: that is what settings are chosen by.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import numpy as np

from benchmarks.m4.data import KINDS, Floats, Kind, Series, folder_argument, read
from benchmarks.m4.score import Scores, means, naive2_scores, score
from benchmarks.machine import machine
from benchmarks.results import FOLDER, save_json
from forecaster import Forecaster, Panel
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.recipes import RECIPES, Recipe

_LAG_SHARES = (1.0, 0.75, 1.25, 0.9, 1.5)
"""Of the recipe's lags, in turn: networks that see less or more err differently."""

_PROBE_STEPS = 12
"""Optimiser steps by which the time of a step is measured."""

_FIXED_SHARE = 0.2
"""Part of a network's time that is not in its optimiser steps: scaling, judging, forecasting."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The forecasts of one kind of series, and what they took."""

    point: Floats
    lower: Floats
    upper: Floats
    networks: int
    seconds: float


def main() -> None:
    """Train, forecast, score, write."""
    asked = _arguments()
    began = time.perf_counter()
    kinds = [kind for kind in KINDS if not asked.kinds or kind.name in asked.kinds]
    left = sum(kind.share for kind in kinds)
    scores: dict[str, Scores] = {}
    naive: dict[str, Scores] = {}
    rows, tables = [], []
    watched = 0.0  # reading test parts and scoring is the referee's time, not the player's
    for kind in kinds:
        series = read(asked.data, kind, validation=asked.validate)
        spent = time.perf_counter() - began - watched
        made = forecast_kind(series, (asked.budget_seconds - spent) * kind.share / left, asked.threads)
        left -= kind.share
        pause = time.perf_counter()
        scores[kind.name] = score(series, made.point, made.lower, made.upper)
        naive[kind.name] = naive2_scores(series)
        row = {"kind": kind.name, "series": len(series.panel), "networks": made.networks, "seconds": made.seconds}
        rows.append(row | means([scores[kind.name]], [naive[kind.name]]))
        print(_line(rows[-1]), flush=True)
        tables.append(_columns(series, made))
        watched += time.perf_counter() - pause
    seconds = time.perf_counter() - began - watched
    total = {"kind": "total", "series": sum(row["series"] for row in rows), "seconds": seconds}
    total["networks"] = sum(row["networks"] for row in rows)
    rows.append(total | means(list(scores.values()), list(naive.values())))
    print(_line(rows[-1]))
    if asked.output:
        _write(asked.output, tables)
        print(f"{asked.output}: {sum(len(one['step']) for one in tables):,} rows")
    if asked.result:
        part = "validation" if asked.validate else "test"
        facts = {"part": part, "budget_seconds": asked.budget_seconds, "threads": asked.threads, "machine": machine()}
        print(f"Written to {save_json(asked.result, facts | {'rows': rows})}")


def forecast_kind(series: Series, budget: float, threads: int) -> Made:
    """Train networks on the known values for `budget` seconds, and return the mean of what they forecast."""
    began = time.perf_counter()
    recipe = next(one for one in RECIPES if one.kind == series.kind.name)
    total: Floats | None = None
    longest = 0.0
    done = 0
    for seed, config in members(recipe):
        passed = time.perf_counter() - began
        if done and passed + longest > budget:
            break
        training = recipe.training
        if not done:
            training = _within(series, config, training, budget, threads)
        made = _forecast(series, config, training, seed, threads)
        total = made if total is None else total + made
        done += 1
        longest = max(longest, time.perf_counter() - began - passed)
    assert total is not None
    point, lower, upper = total / done
    return Made(point, lower, upper, done, time.perf_counter() - began)


def members(recipe: Recipe) -> Iterator[tuple[int, NetworkConfig]]:
    """Yield seeds and shapes without end: the recipe's networks, and then the same with less or more lags."""
    for turn in count():
        share = _LAG_SHARES[turn % len(_LAG_SHARES)]
        for k, config in enumerate(recipe.networks):
            yield turn * len(recipe.networks) + k, replace(config, lags=max(2, round(config.lags * share)))


def _within(
    series: Series, config: NetworkConfig, training: TrainingConfig, budget: float, threads: int
) -> TrainingConfig:
    """Return the training with as few steps as the budget takes, if it does not take all of them."""
    probe = replace(training, steps=_PROBE_STEPS, validate_every=_PROBE_STEPS, refit=0.0)
    few = Series(series.kind, _some(series.panel), series.actual)
    began = time.perf_counter()
    _fit(few, config, probe, 0, threads)
    a_step = (time.perf_counter() - began) / _PROBE_STEPS
    affordable = int(budget * (1 - _FIXED_SHARE) / a_step / (1 + training.refit))
    return replace(training, steps=max(_PROBE_STEPS, min(training.steps, affordable)))


def _some(panel: Panel, most: int = 2000) -> Panel:
    return panel.select(np.arange(min(most, len(panel))))


def _forecast(series: Series, config: NetworkConfig, training: TrainingConfig, seed: int, threads: int) -> Floats:
    """Return the point forecast and the ends of the 95 % interval, (3, N, h)."""
    forecast = _fit(series, config, training, seed, threads).forecast(series.panel, level=95)
    return np.stack((forecast.point, forecast.lower[:, 0], forecast.upper[:, 0]))


def _fit(series: Series, config: NetworkConfig, training: TrainingConfig, seed: int, threads: int) -> Forecaster:
    kind: Kind = series.kind
    return Forecaster(
        h=kind.horizon, season=kind.season, network=config, training=training, seed=seed, threads=threads
    ).fit(series.panel)


def _columns(series: Series, made: Made) -> dict[str, object]:
    """Return the columns of the scorer's table."""
    count, h = made.point.shape
    return {
        "unique_id": np.repeat(np.array(series.panel.ids), h),
        "step": np.tile(np.arange(1, h + 1, dtype=np.int32), count),
        "yhat": made.point.ravel(),
        "lo": made.lower.ravel(),
        "hi": made.upper.ravel(),
    }


def _write(path: Path, tables: list[dict[str, object]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables([pa.table(one) for one in tables]), path)


def _line(row: dict[str, float]) -> str:
    return (
        f"{row['kind']:9} {row['series']:6,} series  {row['networks']:3} networks  {row['seconds']:6.1f} s  "
        f"sMAPE {row['smape']:6.3f}  MASE {row['mase']:.3f}  OWA {row['owa']:.4f}  MSIS {row['msis']:6.2f}  "
        f"coverage {row['coverage']:.4f}"
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.m4", description=__doc__.split("\n\n")[0])
    folder_argument(parser)
    parser.add_argument("--budget-seconds", type=float, default=600, help="for all six kinds [600]")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="forecasts, .parquet: unique_id, step, yhat, lo, hi")
    parser.add_argument("--validate", action="store_true", help="forecast the last horizon of the training parts")
    parser.add_argument("--kinds", nargs="*", default=(), choices=[kind.name for kind in KINDS])
    parser.add_argument("--result", help=f"name of a file in {FOLDER.name}/ for the scores")
    return parser.parse_args()


if __name__ == "__main__":
    main()
