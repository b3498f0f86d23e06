"""Train on M4 within a budget, or take the base weights, and write forecasts of all its series.

``python -m benchmarks.m4 --data DIR --budget-seconds 600 --threads 2 --output m4.parquet``

``python -m benchmarks.m4 --data DIR --base --result m4_base``

Each kind of series gets a share of the budget, and trains networks of its recipe (`forecaster.recipes`), one after the
other with other seeds and lags, as long as the next one fits; their forecasts are averaged. With ``--base`` nothing is
trained: the base weights of the package (`forecaster.pretrained`) forecast at once. With ``--validate`` the training
parts' own last horizon is forecast: that is what settings are chosen by. Base weights have learned that horizon too,
unless they were made without it (``benchmarks.base_weights --held-out``).
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.m4.data import KINDS, Floats, Kind, Series, folder_argument, read
from benchmarks.m4.score import Scores, means, naive2_scores, score
from benchmarks.machine import machine
from benchmarks.results import FOLDER, save_json
from forecaster import Forecaster, Panel
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.loading import LOADER
from forecaster.recipes import Recipe, recipe_of

_LAG_SHARES = (1.0, 0.75, 1.25, 0.9, 1.5)
"""Of the recipe's lags, in turn: networks that see less or more err differently."""

_PROBE_STEPS = 12
"""Optimiser steps by which the time of a step is measured."""

_FIXED_SHARE = 0.2
"""Part of a network's time that is not in its optimiser steps: scaling, judging, forecasting."""

_SINGLE = 200
"""Series that are forecast one at a time, for the time of one forecast."""

Row = dict[str, Any]
"""One kind, or the total, as in the file of the scores."""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """The forecasts of one kind of series, and what they took; for base weights also one forecast of one series."""

    point: Floats
    lower: Floats
    upper: Floats
    networks: int
    seconds: float
    milliseconds: float | None = None


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, forecast, score, write."""
    asked = _arguments(arguments)
    began = time.perf_counter()
    kinds = [kind for kind in KINDS if not asked.kinds or kind.name in asked.kinds]
    left = sum(kind.share for kind in kinds)
    scores: dict[str, Scores] = {}
    naive: dict[str, Scores] = {}
    rows: list[Row] = []
    tables: list[dict[str, Any]] = []
    watched = 0.0  # scoring is the referee's time, not the player's
    for kind in kinds:
        series = read(asked.data, kind, validation=asked.validate)
        if asked.base:
            made = forecast_with_base(series, asked.threads)
        else:
            spent = time.perf_counter() - began - watched
            made = forecast_kind(series, (asked.budget_seconds - spent) * kind.share / left, asked.threads)
        left -= kind.share
        pause = time.perf_counter()
        scores[kind.name] = score(series, made.point, made.lower, made.upper)
        naive[kind.name] = naive2_scores(series)
        row = {"kind": kind.name, "series": len(series.panel), "networks": made.networks, "seconds": made.seconds}
        if made.milliseconds is not None:
            row["milliseconds"] = made.milliseconds
        rows.append(row | means([scores[kind.name]], [naive[kind.name]]))
        print(_line(rows[-1]), flush=True)
        tables.append(_columns(series, made))
        watched += time.perf_counter() - pause
    seconds = time.perf_counter() - began - watched
    total: Row = {"kind": "total", "seconds": seconds}
    total |= {name: sum(row[name] for row in rows) for name in ("series", "networks")}
    if asked.base:
        total["seconds"] = sum(row["seconds"] for row in rows)  # without the forecasts one at a time
        total["milliseconds"] = statistics.median(row["milliseconds"] for row in rows)
    rows.append(total | means(list(scores.values()), list(naive.values())))
    print(_line(rows[-1]))
    if asked.output:
        _write(asked.output, tables)
        print(f"{asked.output}: {sum(len(one['step']) for one in tables):,} rows")
    if asked.result:
        facts = {
            "date": datetime.now(UTC).date().isoformat(),
            "part": "validation" if asked.validate else "test",
            "budget_seconds": None if asked.base else asked.budget_seconds,
            "threads": asked.threads,
            "machine": machine(),
        }
        print(f"Written to {save_json(asked.result, facts | {'rows': rows})}")


def forecast_kind(series: Series, budget: float, threads: int) -> Made:
    """Train networks on the known values for `budget` seconds, and return the mean of what they forecast."""
    began = time.perf_counter()
    recipe = recipe_of(series.kind.name)
    total = np.zeros((3, *series.actual.shape))
    longest = 0.0
    done = 0
    for seed, config in members(recipe):
        passed = time.perf_counter() - began
        if done and passed + longest > budget:
            break
        training = recipe.training
        if not done:
            training = _within(series, config, training, budget, threads)
        total += _ends(_fit(series, config, training, seed, threads), series)
        done += 1
        longest = max(longest, time.perf_counter() - began - passed)
    point, lower, upper = total / done
    return Made(point, lower, upper, done, time.perf_counter() - began)


def forecast_with_base(series: Series, threads: int) -> Made:
    """Return what the base weights of the package forecast."""
    LOADER.load()  # what a process does once is not the time of a forecast
    began = time.perf_counter()
    model = Forecaster.pretrained(series.kind.freq, threads=threads)
    point, lower, upper = _ends(model, series)
    seconds = time.perf_counter() - began
    networks = len(model.info["architecture"]["networks"])
    return Made(point, lower, upper, networks, seconds, _milliseconds(model, series))


def _milliseconds(model: Forecaster, series: Series) -> float:
    """Return the median time of one forecast of one series."""
    times = []
    for i in np.linspace(0, len(series.panel) - 1, _SINGLE).astype(int):
        one = series.panel.select([i])
        began = time.perf_counter()
        model.forecast(one, h=series.kind.horizon, level=95)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


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


def _ends(model: Forecaster, series: Series) -> Floats:
    """Return the point forecast and the ends of the 95 % interval, (3, N, h)."""
    forecast = model.forecast(series.panel, h=series.kind.horizon, level=95)
    return np.stack((forecast.point, forecast.lower[:, 0], forecast.upper[:, 0]))


def _fit(series: Series, config: NetworkConfig, training: TrainingConfig, seed: int, threads: int) -> Forecaster:
    kind: Kind = series.kind
    return Forecaster(
        h=kind.horizon, season=kind.season, network=config, training=training, seed=seed, threads=threads
    ).fit(series.panel)


def _columns(series: Series, made: Made) -> dict[str, Any]:
    """Return the columns of the scorer's table."""
    count, h = made.point.shape
    return {
        "unique_id": np.repeat(np.array(series.panel.ids), h),
        "step": np.tile(np.arange(1, h + 1, dtype=np.int32), count),
        "yhat": made.point.ravel(),
        "lo": made.lower.ravel(),
        "hi": made.upper.ravel(),
    }


def _write(path: Path, tables: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.concat_tables([pa.table(one) for one in tables]), path)


def _line(row: Mapping[str, Any]) -> str:
    one = f"  one in {row['milliseconds']:.2f} ms" if "milliseconds" in row else ""
    return (
        f"{row['kind']:9} {row['series']:6,} series  {row['networks']:3} networks  {row['seconds']:6.1f} s  "
        f"sMAPE {row['smape']:6.3f}  MASE {row['mase']:.3f}  OWA {row['owa']:.4f}  MSIS {row['msis']:6.2f}  "
        f"coverage {row['coverage']:.4f}{one}"
    )


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.m4", description=__doc__.split("\n\n")[0])
    folder_argument(parser)
    parser.add_argument("--budget-seconds", type=float, default=600, help="for all six kinds [600]")
    parser.add_argument("--base", action="store_true", help="forecast with the base weights, train nothing")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, help="forecasts, .parquet: unique_id, step, yhat, lo, hi")
    parser.add_argument("--validate", action="store_true", help="forecast the last horizon of the training parts")
    parser.add_argument("--kinds", nargs="*", default=(), choices=[kind.name for kind in KINDS])
    parser.add_argument("--result", help=f"name of a file in {FOLDER.name}/ for the scores")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
