"""The training loop: what it learns from, when it stops, what it keeps."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import training
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.executors import Executor, Serial, Threads
from forecaster.network import ForecastNetwork
from forecaster.panel import Panel
from forecaster.scaling import Integers, scale_panel
from forecaster.tasks.forecasting import ForecastTask, importances
from forecaster.training import History, Progress, train
from forecaster.trunk import Packed
from tests.examples import BRIEF, TINY, H, every_scale, last_replaced, numbered, weekly, with_values
from tests.reference import losses, windows
from tests.reference import network as twin

NONE = np.empty(0, np.int64)
SEASON = 7
UNAVERAGED = replace(BRIEF, averaged=0.0)  # the weights of the last step are what is judged and kept


def new_network(config: NetworkConfig = TINY) -> ForecastNetwork:
    network = ForecastNetwork(config, H)
    network.initialise(np.random.default_rng(1))
    return network


def run(
    panel: Panel,
    *,
    network: ForecastNetwork | None = None,
    config: TrainingConfig = BRIEF,
    held_out: int = H,
    validation: Integers | None = None,
    executor: Executor | None = None,
    seed: int = 0,
    **options: Any,
) -> tuple[ForecastNetwork, History]:
    """Train on a panel as `Forecaster.fit` does."""
    network, rng = network or new_network(), np.random.default_rng(seed)
    task = ForecastTask(
        network,
        scale_panel(panel, held_out=held_out),
        config=config,
        season=SEASON,
        held_out=held_out,
        validation=np.arange(len(panel)) if validation is None else validation,
        rng=rng,
    )
    history = train(task, config=config, rng=rng, executor=executor or Serial(), **options)
    return network, history


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the held-out horizon say what a test wants it to say, look by look."""

    def script(*said: float) -> None:
        rest: Iterator[float] = iter(said)
        monkeypatch.setattr(training._Judge, "loss", lambda _: next(rest))

    return script


class Watcher:
    """Keeps the weights at each report."""

    def __init__(self) -> None:
        self.network, self.weights = new_network(), {}
        self.weights[0] = self.network.weights.copy()

    def __call__(self, progress: Progress) -> None:
        self.weights[progress.step] = self.network.weights.copy()


def test_the_rate_rises_over_a_tenth_of_the_steps_and_falls_to_zero() -> None:
    rates = np.array([training._one_cycle(step, 100) for step in range(1, 101)])
    assert_allclose(rates[:10], np.arange(1, 11) / 10)
    assert (np.diff(rates[9:]) < 0).all()
    assert rates[-1] == pytest.approx(0, abs=1e-12)
    assert rates[54] == pytest.approx(0.5)
    assert training._one_cycle(1, 1) == 1


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_same_bits_whatever_the_threads(threads: int) -> None:
    config = replace(BRIEF, steps=6, batch_size=150, validate_every=2)  # five shards, the last of them not full
    serial, _ = run(weekly(40), config=config)
    with Threads(threads) as executor:
        threaded, history = run(weekly(40), config=config, executor=executor)
    assert serial.weights.tobytes() == threaded.weights.tobytes()
    assert [report.validation_loss for report in history.reports] == [
        report.validation_loss for report in run(weekly(40), config=config)[1].reports
    ]


def test_another_seed_draws_other_windows() -> None:
    assert (run(weekly(), seed=0)[0].weights != run(weekly(), seed=1)[0].weights).any()


@pytest.mark.parametrize("loss", ["pinball", "absolute", "squared"])
def test_the_loss_falls(loss: Any) -> None:
    config = NetworkConfig(lags=7, positions=14, layers=1, hidden=4, dense=4, loss=loss)
    network = ForecastNetwork(config, H)
    network.initialise(np.random.default_rng(0))
    steps = replace(BRIEF, steps=60, batch_size=32, validate_every=20, learning_rate=0.02)
    _, history = run(weekly(), network=network, config=steps)
    assert history.last.loss < 0.7 * history.reports[0].loss
    judged = [report.validation_loss for report in history.reports]
    assert judged[0] is not None
    assert judged[-1] is not None
    assert judged[-1] < judged[0]


def test_the_best_weights_are_restored(judged: Any) -> None:
    judged(3.0, 1.0, 2.0, 1.5)
    watcher = Watcher()
    network, history = run(weekly(), network=watcher.network, config=UNAVERAGED, progress=watcher)
    assert [report.step for report in history.reports] == [4, 8]
    assert_array_equal(network.weights, watcher.weights[8])
    judged(1.0, 3.0)
    watcher = Watcher()
    network, history = run(weekly(), network=watcher.network, config=UNAVERAGED, progress=watcher)
    assert history.best_step == 4
    assert_array_equal(network.weights, watcher.weights[4])
    assert (network.weights != watcher.weights[8]).any()


def test_training_stops_when_patience_ends(judged: Any) -> None:
    judged(5.0, 4.0, 4.0, 4.5, 1.0)
    watcher, config = Watcher(), replace(UNAVERAGED, steps=100, validate_every=2, patience=2)
    network, history = run(weekly(), network=watcher.network, config=config, progress=watcher)
    assert [report.step for report in history.reports] == [2, 4, 6, 8]
    assert [report.best_step for report in history.reports] == [2, 4, 4, 4]
    assert [report.validation_loss for report in history.reports] == [5.0, 4.0, 4.0, 4.5]
    assert_array_equal(network.weights, watcher.weights[4])


def test_steps_that_are_no_multiple_of_the_looks_end_with_one(judged: Any) -> None:
    judged(1.0, 2.0, 3.0)
    watcher, config = Watcher(), replace(UNAVERAGED, steps=7, validate_every=3)
    network, history = run(weekly(), network=watcher.network, config=config, progress=watcher)
    assert [report.step for report in history.reports] == [3, 6, 7]
    assert history.best_step == 3
    assert_array_equal(network.weights, watcher.weights[3])


def test_weights_that_cannot_be_judged_are_not_kept(judged: Any) -> None:
    judged(np.nan, np.inf)
    watcher = Watcher()
    network, history = run(weekly(), network=watcher.network, config=UNAVERAGED, progress=watcher)
    assert history.best_step == 0
    assert_array_equal(network.weights, watcher.weights[0])


def test_without_validation_the_last_weights_are_kept() -> None:
    watcher = Watcher()
    network, history = run(weekly(), network=watcher.network, config=UNAVERAGED, validation=NONE, progress=watcher)
    assert_array_equal(network.weights, watcher.weights[8])
    assert history.best_step == history.last.step == 8
    assert all(report.validation_loss is None and report.best_step is None for report in history.reports)


@pytest.mark.parametrize("averaged", [0.1, 0.5, 1.0])
def test_what_is_kept_is_the_running_mean_of_the_steps(averaged: float) -> None:
    watcher, config = Watcher(), replace(BRIEF, averaged=averaged, validate_every=1)
    network, _ = run(weekly(), network=watcher.network, config=config, validation=NONE, progress=watcher)
    assert_allclose(network.weights, mean_by_loop(list(watcher.weights.values())[1:], averaged * 8), rtol=1e-5)


def mean_by_loop(steps: list[Any], window: float) -> Any:
    """Return the mean of the steps, each counting (1 - 1 / window) times what the next one does."""
    shares = [(1 - 1 / max(1.0, window)) ** age for age in reversed(range(len(steps)))]
    return sum(share * weights for share, weights in zip(shares, steps, strict=True)) / sum(shares)


@pytest.mark.parametrize(("averaged", "steps"), [(0.0, 10), (0.1, 10), (0.4, 10), (1.0, 10), (0.2, 1)])
def test_a_running_mean_is_that_of_a_loop(averaged: float, steps: int) -> None:
    network = new_network()
    average = training._Average(network, replace(BRIEF, averaged=averaged, steps=steps))
    seen, rng = [], np.random.default_rng(0)
    for step in range(steps):
        seen.append(rng.standard_normal(network.weights.size).astype(np.float32))
        average.add(seen[-1])
        if step % 3 == 0 or step == steps - 1:
            average.show()
            assert_allclose(average.weights, mean_by_loop(seen, averaged * steps), rtol=1e-5, atol=1e-6)
            assert_array_equal(average.packed.network.weights, average.weights)
    if averaged * steps <= 1:
        assert_array_equal(average.weights, seen[-1])
    assert_array_equal(network.weights, new_network().weights)  # which go their own way


def test_the_running_mean_is_what_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[Any] = []

    def look(judge: training._Judge[Integers]) -> float:
        judged.append(judge.packed.network.weights.copy())
        return abs(len(judged) - 5)

    monkeypatch.setattr(training._Judge, "loss", look)
    watcher, config = Watcher(), replace(BRIEF, averaged=0.5, validate_every=1)
    network, _ = run(weekly(), network=watcher.network, config=config, progress=watcher)
    steps = list(watcher.weights.values())[1:]
    for at, weights in enumerate(judged):
        assert_allclose(weights, mean_by_loop(steps[: at + 1], 4), rtol=1e-5)
    assert_array_equal(network.weights, judged[4])  # none was better than the fifth


def test_reports_say_where_training_is() -> None:
    reports: list[Progress] = []
    _, history = run(weekly(), progress=reports.append)
    assert reports == history.reports
    assert [report.steps for report in reports] == [8, 8]
    assert all(np.isfinite(report.loss) and report.loss > 0 for report in reports)
    assert 0 <= reports[0].seconds <= reports[1].seconds


@pytest.mark.parametrize("planted", [1e9, -1e9, 0.0, 1e-9, np.nan])
def test_no_gradient_sees_the_held_out_values(planted: float) -> None:
    plain, _ = run(every_scale(), validation=NONE)
    other, _ = run(last_replaced(every_scale(), H, planted), validation=NONE)
    assert plain.weights.tobytes() == other.weights.tobytes()


def test_validation_decides_when_to_stop_and_nothing_else() -> None:
    one_look = replace(BRIEF, steps=5, validate_every=5)
    plain, history = run(weekly(), config=one_look)
    other, planted = run(last_replaced(weekly(), H, 1e4), config=one_look)
    assert history.last.validation_loss != planted.last.validation_loss
    assert plain.weights.tobytes() == other.weights.tobytes()


@pytest.mark.parametrize("loss", ["pinball", "squared"])
@pytest.mark.parametrize("planted", [1e300, -1e300, 0.0])
def test_whatever_was_held_out_it_can_be_judged(planted: float, loss: Any) -> None:
    network = new_network(NetworkConfig(lags=4, positions=8, layers=1, hidden=4, dense=4, loss=loss))
    _, history = run(last_replaced(every_scale(), H, planted), network=network)
    assert all(np.isfinite(report.validation_loss or np.nan) for report in history.reports)


def test_what_comes_before_is_seen() -> None:
    panel = weekly()
    values = panel.values.copy()
    values[panel.offsets[1:] - H - 1] *= 1.5
    assert (run(panel)[0].weights != run(with_values(panel, values))[0].weights).any()


def twin_loss(network: ForecastNetwork, panel: Panel) -> float:
    """Return the loss on the held-out values, judged from every position, the slow way."""
    scaled, steps, config = scale_panel(panel, held_out=H), network.config.positions, network.config
    named = network.named_weights()
    weights = {}
    for name, array in named.items():
        where, kind = name.split(".", 1)
        weights[kind if where == "lstm" else f"{kind}_{where}"] = array.astype(np.float64)
    worth = importances(scaled, season=SEASON, held_out=H)
    outputs, targets, counts = [], [], []
    for begin, end, weight in zip(scaled.offsets[:-1], scaled.offsets[1:], worth, strict=True):
        x, levels = windows.inputs(scaled.filled, scaled.observed, begin, end - 2, config.lags, steps)
        target, count = windows.targets(scaled.filled, scaled.observed, begin, end - 2, end - H, end, levels, H)
        outputs.append(twin.forward(x[:, None], weights).output[:, 0].reshape(steps, H, -1))
        targets.append(target)
        counts.append(weight * count)
    quantiles = np.array(config.quantiles)
    return losses.pinball(np.array(outputs), np.array(targets), np.array(counts), quantiles)[0]


def test_the_held_out_loss_is_that_of_the_twins_from_every_position() -> None:
    panel = weekly(40)  # more than a shard
    network, history = run(panel, config=replace(BRIEF, steps=1))
    assert history.last.validation_loss is not None
    assert history.last.validation_loss == pytest.approx(twin_loss(network, panel), rel=1e-4)


@pytest.mark.parametrize(("clip_norm", "clipped"), [(1e-6, 8), (1e6, 0)])
def test_clipped_steps_are_counted(clip_norm: float, clipped: int) -> None:
    config = replace(BRIEF, clip_norm=clip_norm)
    assert run(weekly(), config=config)[1].clipped == clipped


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_a_gradient_that_overflowed_is_left_out(value: float) -> None:
    network = new_network()
    before = network.weights.copy()
    total = np.zeros_like(before)
    total[3] = value
    batch = SimpleNamespace(norm=float(np.abs(value)), weight=4.0, total=total, packed=Packed(network))
    optimiser = training._Adam(network, BRIEF)
    assert optimiser.step(cast("training._Batch[Any, Any]", batch), 1)
    assert_array_equal(network.weights, before)
    assert not optimiser.first.any()
    batch.norm, total[3] = 1.0, 1.0
    optimiser.step(cast("training._Batch[Any, Any]", batch), 2)
    assert (network.weights != before).any()
    assert np.isfinite(network.weights).all()


def test_nothing_to_learn_leaves_the_weights_alone() -> None:
    # No target within the horizon of a value that was seen.
    panel = numbered({"a": [1.0, *[np.nan] * 10, 2.0]})
    network, history = run(panel, held_out=0, validation=NONE)
    assert history.last.loss == 0
    assert_array_equal(network.weights, new_network().weights)


@pytest.mark.parametrize("values", [[1.0, 2.0], [0.0, 0.0], [1.0, np.nan, 3.0]])
def test_two_values_can_be_learned_from(values: list[float]) -> None:
    network, _ = run(numbered({"a": values}), held_out=0, validation=NONE)
    assert np.isfinite(network.weights).all()


def test_the_log_says_how_long_it_took_and_nothing_of_the_values(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "forecaster"):
        run(last_replaced(weekly(), 20, 424242.0))
    (record,) = caplog.records
    assert record.name == "forecaster.training"
    assert record.getMessage().startswith("trained 8 steps in")
    assert "424242" not in caplog.text
