"""From a panel to an engine that forecasts it: the networks trained each by itself, then judged together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from forecaster.config import TrainingConfig
from forecaster.engine import Engine
from forecaster.executors import Executor, Serial
from forecaster.holdout import Verdict, judge, judged_before, judges
from forecaster.intervals import Calibration
from forecaster.network import Array, ForecastNetwork
from forecaster.panel import Panel
from forecaster.scaling import Integers, scale_panel
from forecaster.tasks.forecasting import ForecastTask
from forecaster.training import History, Progress, train

BLIND_STEPS = 40
"""Optimiser steps when nothing can be held out: without a judge, longer training only learns the few values by
heart."""

REFIT_RATE = 0.5
"""Share of the learning rate with which training goes on with all values."""


Trained = list[tuple[Array, History]]
"""Weights of networks, and what came of their training."""

_FEW_JUDGES = 20
"""Held-out horizons of so many series are believed as much as the base weights (`_step_back`)."""

_CUTOFFS, _FORECASTS = 26, 16_384
"""Horizons that base weights are judged on at the most, and forecasts that this may take."""


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What came of learning from a panel.

    Attributes
    ----------
    engine : Engine
        Forecasts.
    verdict : Verdict
        What it is worth on the held-out horizon.
    histories : tuple of History
        Of each network's training, before it went on with all values.
    seconds : float
        All of it took.
    """

    engine: Engine
    verdict: Verdict
    histories: tuple[History, ...]
    seconds: float


def learn(
    panel: Panel,
    networks: Sequence[ForecastNetwork],
    *,
    season: int,
    training: TrainingConfig,
    seed: int,
    executor: Executor,
    base: Calibration | None = None,
    progress: Callable[[Progress], None] | None = None,
    together: Executor | None = None,
) -> Learned:
    """Train `networks` in place on `panel`, all but the last horizon, and judge them together by that.

    Parameters
    ----------
    panel : Panel
        Series that can be forecast.
    networks : sequence of ForecastNetwork
        Of one horizon; they differ in their random numbers too.
    season : int
        Steps of a season.
    training : TrainingConfig
        How each is trained.
    seed : int
        The same one gives the same weights.
    executor : Executor
        Runs what can run at once.
    base : Calibration, optional
        Of the networks as they come, if they have learned from other series: these are adapted. Without it they begin
        with random weights.
    progress : callable, optional
        Gets a `Progress` over the steps of all networks.
    together : Executor, optional
        Trains the networks beside each other, where it has several workers; `progress` is then to be None.
    """
    began = time.perf_counter()
    h = networks[0].horizon
    judging = judges(panel, h)
    judged = panel.select(judging)
    held_out = h if len(judging) else 0
    engine = Engine(networks, season)
    engine.load()  # training would, nearly
    before = None
    if base is not None:
        cutoffs = max(1, min(_CUTOFFS, _FORECASTS // max(1, len(judged))))
        before = judge(engine, judged, season, executor, cutoffs=cutoffs, prior=Verdict(base, None))
    if not held_out:
        training = replace(training, steps=min(training.steps, BLIND_STEPS))
    begin = partial(
        _begin,
        judging=judging,
        held_out=held_out,
        season=season,
        removed=engine.season,
        training=training,
        seed=seed,
        base=base,
        progress=progress and partial(_over_all, progress, len(networks), began),
    )
    histories = _run(begin, list(enumerate(networks)), networks, panel, executor, together)
    engine = Engine(networks, season)  # the other has packed the weights as they were
    # Of earlier horizons only the base weights had not seen a thing: those were judged on many, these are on one.
    verdict = judge(engine, judged, season, executor, prior=before)
    if held_out and training.refit:
        more = partial(_go_on, season=season, removed=engine.season, training=training, seed=seed)
        numbered = list(zip(range(len(networks)), networks, histories, strict=True))
        _run(more, numbered, networks, panel, executor, together)
        engine = Engine(networks, season)
        verdict = judged_before(verdict, engine, judged, executor)
    return Learned(engine, verdict, tuple(histories), time.perf_counter() - began)


def _run(
    train: Callable[..., Trained],
    numbered: Sequence[Any],
    networks: Sequence[ForecastNetwork],
    panel: Panel,
    executor: Executor,
    together: Executor | None,
) -> list[History]:
    """Have networks trained here, or each as a piece of work of its own, and return what came of it."""
    if together is None or together.workers == 1 or len(numbered) == 1:
        done = train(numbered, panel, executor=executor)
    else:
        alone = partial(train, executor=Serial())
        done = [one for piece in together.map(alone, [[one] for one in numbered], shared=(panel,)) for one in piece]
    for network, (weights, _) in zip(networks, done, strict=True):
        network.weights[:] = weights
    return [history for _, history in done]


def _begin(
    numbered: Sequence[tuple[int, ForecastNetwork]],
    panel: Panel,
    *,
    judging: Integers,
    held_out: int,
    season: int,
    removed: int,
    training: TrainingConfig,
    seed: int,
    base: Calibration | None,
    progress: Callable[[int], Callable[[Progress], None]] | None,
    executor: Executor,
) -> Trained:
    """Train networks, each with the random numbers that its number gives."""
    scaled = scale_panel(panel, season=removed, held_out=held_out)
    seasonless = scaled.without_season()
    histories = []
    for k, network in numbered:
        if base is not None and not held_out:
            histories.append(History())  # nothing would say whether other weights are better ones
            continue
        rng = np.random.default_rng([seed, k] if k else seed)
        if base is None:
            network.initialise(rng)
        start = network.weights.copy()
        task = ForecastTask(
            network,
            seasonless if network.config.deseasonalise else scaled,
            config=training,
            season=season,
            held_out=held_out,
            validation=judging,
            rng=rng,
        )
        histories.append(
            train(
                task,
                config=training,
                rng=rng,
                executor=executor,
                adapting=base is not None,
                progress=progress and progress(k),
            )
        )
        if base is not None:
            _step_back(network, start, len(judging))
    return [(network.weights, history) for (_, network), history in zip(numbered, histories, strict=True)]


def _step_back(network: ForecastNetwork, start: Array, judges: int) -> None:
    """Bring the weights back towards those they started from, at most halfway.

    Where one held-out horizon of few series said when to stop, the weights between are the more robust ones (M.
    Wortsman et al., Robust fine-tuning, 2022).
    """
    share = max(0.5, judges / (judges + _FEW_JUDGES))
    network.weights[:] = start + np.float32(share) * (network.weights - start)


def _go_on(
    numbered: Sequence[tuple[int, ForecastNetwork, History]],
    panel: Panel,
    *,
    season: int,
    removed: int,
    training: TrainingConfig,
    seed: int,
    executor: Executor,
) -> Trained:
    """Train some steps more with all values: those held out, the newest, are the ones a forecast follows on."""
    scaled = scale_panel(panel, season=removed)
    seasonless = scaled.without_season()
    for k, network, history in numbered:
        steps = round(training.refit * history.best_step)
        if not steps:
            continue
        config = replace(training, steps=steps, learning_rate=training.learning_rate * REFIT_RATE)
        rng = np.random.default_rng([seed, k, 1])
        task = ForecastTask(
            network,
            seasonless if network.config.deseasonalise else scaled,
            config=config,
            season=season,
            held_out=0,
            validation=np.zeros(0, np.int64),
            rng=rng,
        )
        train(task, config=config, rng=rng, executor=executor)
    return [(network.weights, history) for _, network, history in numbered]


def _over_all(progress: Callable[[Progress], None], count: int, began: float, done: int) -> Callable[[Progress], None]:
    """Return what reports steps of the network after `done` others as part of those of all `count`."""

    def report(one: Progress) -> None:
        best = None if one.best_step is None else one.best_step + done * one.steps
        step, seconds = one.step + done * one.steps, time.perf_counter() - began
        progress(replace(one, step=step, steps=count * one.steps, best_step=best, seconds=seconds))

    return report
