"""What classifiers learn: sequences of any length with an answer each, through the one training loop."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from forecaster.config import SequenceConfig, TrainingConfig
from forecaster.executors import Serial, Threads
from forecaster.heads import Readout, readout_forward
from forecaster.network import Network
from forecaster.plain import enter, head, trunk
from forecaster.shape import CELLS, Cell
from forecaster.tasks.labelled import LabelTask, Sequences
from forecaster.training import train
from forecaster.trunk import Packed
from tests.sequences import config

STEPS = TrainingConfig(steps=60, batch_size=40, learning_rate=0.02, validate_every=10)
NONE = np.empty(0, np.int64)
CAT, MAT, RAT = range(3)


def sequences_of(rows: list[Any]) -> Sequences:
    """Lay rows of symbols, or of numbers, end to end."""
    arrays = [np.asarray(row) for row in rows]
    values = np.concatenate(arrays)
    values = values.astype(np.int64) if values.ndim == 1 else values.astype(np.float32)
    return Sequences(values, np.concatenate([[0], np.cumsum([len(row) for row in arrays])]))


def task_of(
    rows: list[Any], targets: Any, settings: SequenceConfig, *, held_out: Any = NONE, training: TrainingConfig = STEPS
) -> LabelTask:
    sequences, wanted = sequences_of(rows), np.asarray(targets, np.float32)
    kinds = {"symbols": 3} if sequences.values.ndim == 1 else {"numbers": sequences.values.shape[1]}
    network = Network(settings.shape(outputs=wanted.shape[1], **kinds))
    network.initialise(np.random.default_rng(0))
    weights = np.ones(len(rows), np.float32)
    return LabelTask(
        network, sequences, wanted, weights, config=settings, training=training, held_out=np.asarray(held_out)
    )


def answers(task: LabelTask, rows: list[Any]) -> np.ndarray:
    """What the network says of each, by the kernels."""
    space = sequences_of(rows).load(np.arange(len(rows)), Readout(task.network, 99, len(rows), training=False))
    return readout_forward(Packed(task.network), space)[:, : task.network.outputs].copy()


def test_the_notes_toy_set() -> None:
    rows, labels = [[CAT, MAT, RAT], [CAT, RAT, RAT], [MAT, MAT, CAT]], [[0], [0], [1]]
    task = task_of(rows, labels, SequenceConfig(hidden=8, embedding=0, loss="binary"))
    train(task, config=replace(STEPS, averaged=0.0), rng=np.random.default_rng(0), executor=Serial())
    assert_array_equal(answers(task, rows) > 0, np.array(labels) == 1)


def first_symbol(count: int, *, seed: int = 0) -> tuple[list[Any], np.ndarray]:
    """Sequences of 2 to 12 symbols, of the class of their first: to be remembered to the end."""
    rng = np.random.default_rng(seed)
    rows = [rng.integers(0, 3, rng.integers(2, 13)) for _ in range(count)]
    return rows, np.eye(3)[[row[0] for row in rows]]


@pytest.mark.parametrize(
    ("cell", "embedding"), [("lstm", 0), ("lstm", 4), ("gru", 0), ("gru", 4), ("rnn", 0)]
)  # a plain layer behind an embedding does not find it in so few steps
def test_what_came_first_is_remembered(cell: Cell, embedding: int) -> None:
    rows, targets = first_symbol(400)
    settings = SequenceConfig(cell=cell, hidden=16, embedding=embedding, dense=8)
    task = task_of(rows, targets, settings, held_out=np.arange(300, 400), training=replace(STEPS, steps=400))
    history = train(task, config=replace(STEPS, steps=400), rng=np.random.default_rng(0), executor=Serial())
    chance = np.log(3)
    assert history.reports[0].validation_loss is not None
    assert min(report.validation_loss or 9.0 for report in history.reports) < 0.5 * chance
    others, wanted = first_symbol(100, seed=1)
    assert (answers(task, others).argmax(1) == wanted.argmax(1)).mean() > 0.8


def test_numbers_with_a_number_for_an_answer() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.uniform(-1, 1, (rng.integers(2, 8), 2)) for _ in range(200)]
    targets = [[row[:, 0].sum()] for row in rows]
    task = task_of(rows, targets, SequenceConfig(hidden=16, loss="squared"), held_out=np.arange(50))
    history = train(task, config=replace(STEPS, steps=200), rng=rng, executor=Serial())
    assert history.last.validation_loss is not None
    assert history.last.validation_loss < 0.1 * np.var(targets)


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_the_same_bits_for_a_seed_with_any_number_of_threads(dropout: float) -> None:
    rows, targets = first_symbol(150)
    trained = []
    for threads in (1, 2, 3):
        with Threads(threads) as executor:
            settings = config(dropout=dropout)
            task = task_of(rows, targets, settings, held_out=np.arange(40), training=replace(STEPS, batch_size=100))
            train(task, config=replace(STEPS, steps=7), rng=np.random.default_rng(1), executor=executor)
        trained.append(task.network.weights.tobytes())
    assert len(set(trained)) == 1


def test_no_gradient_sees_what_is_held_out() -> None:
    rows, targets = first_symbol(60)
    trained = []
    for planted in (rows[:20], [np.array([RAT, RAT])] * 20):
        task = task_of([*planted, *rows[20:]], targets, config(), held_out=np.arange(20))
        train(task, config=replace(STEPS, steps=5, validate_every=5), rng=np.random.default_rng(1), executor=Serial())
        trained.append(task.network.weights.tobytes())
    assert trained[0] == trained[1]


def test_each_sequence_comes_once_a_round_and_those_of_a_shard_are_of_like_lengths() -> None:
    rows, targets = first_symbol(100)
    task = task_of(rows, targets, config(), held_out=np.arange(20))
    rng, lengths = np.random.default_rng(0), np.array([len(row) for row in rows])
    drawn = [task.draw(rng) for _ in range(2)]
    seen = np.concatenate([one.which for one in drawn])
    assert_array_equal(np.sort(seen), np.arange(20, 100))
    for one in drawn:
        assert (np.diff(lengths[one.which]) >= 0).all()
    assert sum(len(piece) for piece in task.held_out) == 20
    assert task_of(rows[:3], targets[:3], config()).size == 3


def test_of_very_many_held_out_some_of_every_length_and_class_judge() -> None:
    rows, targets = first_symbol(5000)
    order = np.argsort(targets.argmax(1), kind="stable")  # as data often come: one class after the other
    task = task_of([rows[one] for one in order], targets[order], config(), held_out=np.arange(10, 4990))
    judges = np.concatenate(task.held_out)
    assert len(judges) == len(np.unique(judges)) == 1024
    lengths = np.array([len(rows[one]) for one in order])
    for of_each in (targets[order].argmax(1), lengths):
        shares = np.bincount(of_each[judges]) / 1024 - np.bincount(of_each[10:4990]) / 4980
        assert np.abs(shares).max() < 0.02


def test_what_counts_more_teaches_more() -> None:
    rows, targets = first_symbol(8)
    task = task_of(rows, targets, config())
    packed, space, drawn = Packed(task.network, backward=True), task.space(8), task.draw(np.random.default_rng(0))
    plain, double = np.zeros((2, task.network.weights.size), np.float32)
    loss, weight = task.learn(packed, space, drawn, slice(0, 8), plain)
    task._weights = np.full(8, 2.0, np.float32)
    loss_2, weight_2 = task.learn(packed, space, drawn, slice(0, 8), double)
    assert (loss_2, weight_2) == (pytest.approx(2 * loss), 2 * weight) == (pytest.approx(2 * loss), 16.0)
    np.testing.assert_allclose(double, 2 * plain, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("dense", [0, 6])
@pytest.mark.parametrize("embedding", [0, 4])
@pytest.mark.parametrize("cell", CELLS)
def test_numpy_alone_answers_the_same(cell: Cell, embedding: int, dense: int) -> None:
    rows, targets = first_symbol(9)
    task = task_of(rows, targets, config(cell, embedding=embedding, dense=dense))
    said = answers(task, rows)
    for row, expected in zip(rows, said, strict=True):
        y, _ = trunk(task.network, enter(task.network, row[:, None]))
        np.testing.assert_allclose(head(task.network, y[-1])[0], expected, rtol=1e-5, atol=1e-6)
