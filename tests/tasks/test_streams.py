"""What forecasters of symbols learn: one long sequence, through the one training loop."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import training
from forecaster.config import SequenceConfig, TrainingConfig
from forecaster.executors import Serial, Threads
from forecaster.network import Network
from forecaster.plain import enter, head, trunk
from forecaster.shape import CELLS, Cell
from forecaster.tasks.streams import Sampling, StreamTask, stream_loss
from forecaster.training import train
from forecaster.trunk import Packed
from tests.sequences import config

STEPS = TrainingConfig(steps=400, learning_rate=0.02, validate_every=20)
NONE = np.empty(0, np.int64)
RULE = np.array([0, 1, 0, 2, 0, 3])
"""After 0 comes what came last and one more: more than one symbol has to be remembered."""


def network_of(settings: SequenceConfig, count: int = 4) -> Network:
    network = Network(settings.shape(outputs=count, symbols=count, softmax=True))
    network.initialise(np.random.default_rng(0))
    return network


def task_of(
    symbols: Any,
    settings: SequenceConfig,
    *,
    count: int = 4,
    streams: int = 16,
    steps: int = 8,
    held_out: np.ndarray = NONE,
    sampled: int = 0,
) -> StreamTask:
    return StreamTask(
        network_of(settings, count), np.asarray(symbols), config=settings, streams=streams, steps=steps,
        held_out=held_out, sampled=sampled,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("cell", "embedding"), [("lstm", 0), ("lstm", 4), ("gru", 0), ("gru", 4), ("rnn", 0)]
)  # a plain layer behind an embedding does not find it in so few steps
def test_what_follows_is_learned(cell: Cell, embedding: int) -> None:
    text = np.tile(RULE, 400)
    task = task_of(text, SequenceConfig(cell=cell, hidden=16, embedding=embedding), held_out=text[:600])
    history = train(task, config=STEPS, rng=np.random.default_rng(0), executor=Serial())
    assert history.reports[0].loss < 1.1 * np.log(4)
    assert history.last.validation_loss is not None
    assert history.last.validation_loss < 0.1
    assert history.last.loss == pytest.approx(history.last.validation_loss, abs=0.1)


@pytest.mark.parametrize(("dropout", "sampled"), [(0.0, 0), (0.3, 0), (0.0, 2)])
def test_the_same_bits_for_a_seed_with_any_number_of_threads(dropout: float, sampled: int) -> None:
    text, trained = np.random.default_rng(0).integers(0, 4, 3000), []
    for threads in (1, 2, 3):
        task = task_of(text, config(dropout=dropout), streams=100, held_out=text[:200], sampled=sampled)
        with Threads(threads) as executor:
            train(task, config=replace(STEPS, steps=7), rng=np.random.default_rng(1), executor=executor)
        trained.append(task.network.weights.tobytes())
    assert len(set(trained)) == 1


def test_large_networks_are_moved_in_parts_to_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    text, trained = np.random.default_rng(0).integers(0, 4, 3000), []
    for part in (2**21, 2**10):
        monkeypatch.setattr(training, "_PART", part)
        monkeypatch.setattr(training, "_CACHED", part // 8)
        task = task_of(text, config(), streams=64)
        with Threads(2) as executor:
            history = train(task, config=replace(STEPS, steps=7), rng=np.random.default_rng(1), executor=executor)
        assert task.network.weights.size > 2**10
        assert history.clipped == 0  # the norm alone may differ in its last bit
        trained.append(task.network.weights.tobytes())
    assert trained[0] == trained[1]


def test_a_batch_goes_on_where_the_one_before_ended() -> None:
    text = np.arange(1000)
    task, rng = task_of(text, config(), count=1000, streams=4, steps=8), np.random.default_rng(0)
    before = task.draw(rng).symbols
    assert before.shape == (9, 4)
    for _ in range(20):
        after = task.draw(rng).symbols
        assert_array_equal(after[0], before[-1])
        assert (np.diff(after, axis=0) == 1).all()
        before = after
    assert_array_equal(np.diff(before[0]), [249] * 3)


def test_at_the_end_of_the_streams_all_begins_anew() -> None:
    task, rng = task_of(np.arange(200), config(), count=200, streams=4, steps=8), np.random.default_rng(0)
    task._states[:] = 1
    begins = []
    for _ in range(60):
        task._next, was = task._next, task._next
        symbols = task.draw(rng).symbols
        if task._next <= was:
            begins.append(int(symbols[0, 0]))
            assert not task._states.any()
        task._states[:] = 1
        assert symbols.max() < 200
    assert len(set(begins)) > 3
    assert set(begins) <= set(range(8))


def skewed(size: int, count: int = 300) -> np.ndarray:
    """A few symbols that come often, many that come seldom."""
    return np.minimum(np.random.default_rng(0).pareto(0.7, size), count - 1).astype(np.int64)


def test_what_follows_is_always_among_the_candidates() -> None:
    text = skewed(20_000)
    task, rng = task_of(text, config(), count=300, sampled=20), np.random.default_rng(1)
    for _ in range(50):
        drawn = task.draw(rng)
        assert drawn.candidates is not None
        chosen, shift = drawn.candidates
        assert np.isin(drawn.symbols[1:], chosen).all()
        assert (np.diff(chosen) > 0).all()
        assert len(np.unique(drawn.symbols[1:])) <= len(chosen) < 150
        assert (shift >= 0).all()


def test_sums_over_candidates_are_on_the_mean_those_over_all_symbols() -> None:
    text, rng = skewed(20_000), np.random.default_rng(1)
    raised = np.exp(rng.normal(size=300))
    sampling = Sampling(text, 300, 20, 128)
    sums = []
    for _ in range(4000):
        chosen, shift = sampling.draw(rng.choice(text, 128), rng)
        sums.append((raised[chosen] * np.exp(shift)).sum())
    assert np.mean(sums) == pytest.approx(raised.sum(), rel=0.02)


def test_learning_among_candidates_is_as_good_as_among_all() -> None:
    rng = np.random.default_rng(0)
    follow, text, losses = rng.integers(0, 200, (200, 2)), [0], []
    for side in rng.integers(0, 2, 30_000):
        text.append(int(follow[text[-1], side]))  # one of two, which depend on the last: log 2 is the best there is
    for sampled in (0, 20):
        settings, held_out = SequenceConfig(hidden=32), np.array(text[:3000])
        task = task_of(text, settings, count=200, steps=4, held_out=held_out, sampled=sampled)
        history = train(task, config=STEPS, rng=np.random.default_rng(0), executor=Serial())
        losses.append(history.last.validation_loss)
    assert losses[0] < np.log(4)
    assert losses[1] < 1.05 * losses[0]  # it was 18 % less


def test_states_are_carried_from_batch_to_batch() -> None:
    """Stretch by stretch the losses are those of all steps at once."""
    text = np.random.default_rng(0).integers(0, 4, 4 * 48 + 1)
    task = task_of(text, config(), streams=4, steps=8)
    task._next = 0  # from the beginning
    packed, space = Packed(task.network, backward=True), task.space(4)
    gradient, rng, sums = np.zeros_like(task.network.weights), np.random.default_rng(0), []
    sums += [task.learn(packed, space, task.draw(rng), slice(0, 4), gradient) for _ in range(6)]
    streams = text[np.arange(49)[:, None] + 48 * np.arange(4)]
    loss, count = stream_loss(packed, streams, 48)
    assert count == sum(weight for _, weight in sums) == 4 * 48
    assert loss == pytest.approx(sum(lost for lost, _ in sums), rel=1e-6)
    assert stream_loss(packed, streams, 7) == (pytest.approx(loss, rel=1e-6), count)


@pytest.mark.parametrize("size", [2, 3, 500, 1025, 1026, 40_000])
def test_every_symbol_held_out_but_the_first_is_guessed_once(size: int) -> None:
    text = np.random.default_rng(0).integers(0, 4, size)
    task = task_of(np.arange(100) % 4, config(), held_out=text)
    packed = Packed(task.network)
    sums = [task.judge(packed, piece) for piece in task.held_out]
    assert sum(count for _, count in sums) == size - 1
    one = stream_loss(packed, text[:, None], 64)
    assert sum(loss for loss, _ in sums) == pytest.approx(one[0], rel=0.02)  # but for what lies before a stream


@pytest.mark.parametrize("size", [0, 1])
def test_too_little_to_judge_by_is_nothing(size: int) -> None:
    assert task_of(np.arange(100) % 4, config(), held_out=np.zeros(size, np.int64)).held_out == []


@pytest.mark.parametrize("size", [2, 3, 9, 10, 50])
def test_short_sequences_have_fewer_streams_and_steps(size: int) -> None:
    task = task_of(np.arange(size) % 4, config())
    train(task, config=replace(STEPS, steps=5), rng=np.random.default_rng(0), executor=Serial())
    assert np.isfinite(task.network.weights).all()


@pytest.mark.parametrize("cell", CELLS)
def test_numpy_alone_guesses_the_same_step_by_step(cell: Cell) -> None:
    text = np.random.default_rng(0).integers(0, 4, 60)
    network = network_of(config(cell, dense=6))
    states, loss = None, 0.0
    for before, after in pairwise(text):
        y, states = trunk(network, enter(network, np.array([[before]])), states)
        logits = head(network, y[0])[0].astype(np.float64)
        loss += float(np.log(np.exp(logits).sum()) - logits[after])
    assert_allclose(loss, stream_loss(Packed(network), text[:, None], 20)[0], rtol=1e-5)
