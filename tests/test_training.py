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
from forecaster.network import Network
from forecaster.panel import Panel
from forecaster.passes import Packed
from forecaster.scaling import Integers, scale_panel
from forecaster.training import History, Progress, importances, train
from tests.examples import BRIEF, TINY, H, last_replaced, numbered, weekly, with_values
from tests.reference import losses, windows
from tests.reference import network as twin

NONE = np.empty(0, np.int64)
SEASON = 7
UNAVERAGED = replace(BRIEF, averaged=0.0)  # the weights of the last step are what is judged and kept


def new_network(config: NetworkConfig = TINY) -> Network:
    network = Network(config, H)
    network.initialise(np.random.default_rng(1))
    return network


def run(
    panel: Panel,
    *,
    network: Network | None = None,
    config: TrainingConfig = BRIEF,
    held_out: int = H,
    validation: Integers | None = None,
    executor: Executor | None = None,
    seed: int = 0,
    **options: Any,
) -> tuple[Network, History]:
    """Train on a panel as `Forecaster.fit` does."""
    network = network or new_network()
    history = train(
        network,
        scale_panel(panel, held_out=held_out),
        config=config,
        season=SEASON,
        held_out=held_out,
        validation=np.arange(len(panel)) if validation is None else validation,
        rng=np.random.default_rng(seed),
        executor=executor or Serial(),
        **options,
    )
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
    network = Network(config, H)
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


def test_reports_say_where_training_is() -> None:
    reports: list[Progress] = []
    _, history = run(weekly(), progress=reports.append)
    assert reports == history.reports
    assert [report.steps for report in reports] == [8, 8]
    assert all(np.isfinite(report.loss) and report.loss > 0 for report in reports)
    assert 0 <= reports[0].seconds <= reports[1].seconds


def mixed() -> Panel:
    """Return series of every scale, all with a last horizon that can be replaced."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4, 30))
    return numbered(
        {"log": np.exp(0.1 * noise[0]), "zeros": np.abs(noise[1]).round(), "signs": noise[2], "flat": 0 * noise[3]}
    )


@pytest.mark.parametrize("planted", [1e9, -1e9, 0.0, 1e-9, np.nan])
def test_no_gradient_sees_the_held_out_values(planted: float) -> None:
    plain, _ = run(mixed(), validation=NONE)
    other, _ = run(last_replaced(mixed(), H, planted), validation=NONE)
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
    _, history = run(last_replaced(mixed(), H, planted), network=network)
    assert all(np.isfinite(report.validation_loss or np.nan) for report in history.reports)


def test_what_comes_before_is_seen() -> None:
    panel = weekly()
    values = panel.values.copy()
    values[panel.offsets[1:] - H - 1] *= 1.5
    assert (run(panel)[0].weights != run(with_values(panel, values))[0].weights).any()


def twin_loss(network: Network, panel: Panel) -> float:
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


def test_many_series_are_judged_by_a_sample_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_VALIDATION_SERIES", 3)
    seen: list[Integers] = []

    class Judge(training._Judge):
        def __init__(self, packed: Any, panel: Any, worth: Any, series: Integers, *rest: Any) -> None:
            seen.append(series)
            super().__init__(packed, panel, worth, series, *rest)

    monkeypatch.setattr(training, "_Judge", Judge)
    run(weekly(8), validation=np.array([0, 2, 3, 5, 7]))
    (series,) = seen
    assert len(series) == len(set(series.tolist())) == 3
    assert set(series.tolist()) < {0, 2, 3, 5, 7}
    assert (np.diff(series) > 0).all()


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
    assert optimiser.step(cast("training._Batch", batch), 1)
    assert_array_equal(network.weights, before)
    assert not optimiser.first.any()
    batch.norm, total[3] = 1.0, 1.0
    optimiser.step(cast("training._Batch", batch), 2)
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
