"""The training loop: batches, optimiser steps, early stopping on what is held out. What is learned is a task.

A batch is cut into shards of a few rows, so that forward and backward stay in the processor's cache. Shards are
dealt to a fixed number of lanes, each with its own gradient, and the lanes' gradients are summed in order: the same
seed gives the same bits with any number of threads.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from forecaster.config import TrainingConfig
from forecaster.executors import Executor, Serial
from forecaster.kernels.optimisers import adam, sum_gradients
from forecaster.network import Array, Network, zeros
from forecaster.trunk import SHARD_ROWS, Packed

logger = logging.getLogger(__name__)

_LANES = 4
_TILE_ROWS = 8
_PART = 2**21
"""Weights that one thread moves at a time: only networks with large vocabularies have more."""
_CACHED = 2**16
"""Weights whose running mean stays in the second-level cache from one operation to the next."""

_BETA1, _BETA2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)

Drawn = TypeVar("Drawn")
Space = TypeVar("Space")
Piece = TypeVar("Piece")


class Task(Protocol[Drawn, Space, Piece]):
    """What a network is to learn. Shards of a batch are learned from by several threads at once.

    Losses are sums, and come with the sum of the weights they are to be divided by: the loop takes the mean over a
    batch, or over all that is held out.

    Attributes
    ----------
    network
        Learns.
    size
        Rows of a batch.
    held_out
        Pieces of what decides when to stop; none for "when all steps are made".
    """

    @property
    def network(self) -> Network: ...  # noqa: D102 - described above, as are the next two

    @property
    def size(self) -> int: ...  # noqa: D102 - described above

    @property
    def held_out(self) -> Sequence[Piece]: ...  # noqa: D102 - described above

    def draw(self, rng: np.random.Generator) -> Drawn:
        """Return what the rows of a batch are."""
        ...

    def space(self, rows: int) -> Space:
        """Return buffers for a shard of so many rows; one thread at a time uses them."""
        ...

    # The packed weights are those of a network of the task's own kind.
    def learn(
        self, packed: Packed[Any], space: Space, drawn: Drawn, shard: slice, gradient: Array, /
    ) -> tuple[float, float]:
        """Add the gradient of a shard's summed loss to `gradient`; return that loss and the sum of its weights."""
        ...

    def judge(self, packed: Packed[Any], piece: Piece, /) -> tuple[float, float]:
        """Return the summed loss on a piece of what is held out, and the sum of its weights."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the training is.

    Attributes
    ----------
    step, steps
        Optimiser steps done, and to be done at the most.
    loss
        Mean training loss since the last report, on the network's scale.
    validation_loss
        Loss on the held-out horizon; None without one.
    best_step
        Step with the lowest validation loss so far.
    seconds
        Since the training began.
    """

    step: int
    steps: int
    loss: float
    validation_loss: float | None
    best_step: int | None
    seconds: float


@dataclass(slots=True)
class History:
    """What came of a training.

    Attributes
    ----------
    reports
        Every `Progress`, in order.
    clipped
        Steps whose gradient was shortened.
    """

    reports: list[Progress] = field(default_factory=list)
    clipped: int = 0

    @property
    def last(self) -> Progress:
        """The last report."""
        return self.reports[-1]

    @property
    def steps(self) -> int:
        """Steps that were made."""
        return self.last.step if self.reports else 0

    @property
    def best_step(self) -> int:
        """The step whose weights were kept; 0 for those at the start."""
        if not self.reports or self.last.best_step is None:
            return self.steps
        return self.last.best_step


def train(
    task: Task[Drawn, Space, Piece],
    *,
    config: TrainingConfig,
    rng: np.random.Generator,
    executor: Executor,
    adapting: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> History:
    """Train the task's network in place; its weights at the end are the best ones seen.

    Parameters
    ----------
    task : Task
        What is to be learned, and by which network.
    config : TrainingConfig
        How long and how fast.
    rng : numpy.random.Generator
        Draws the batches.
    executor : Executor
        Runs the lanes.
    adapting : bool
        Whether the weights to start from have learned something: if no step does better, they are kept.
    progress : callable, optional
        Gets a `Progress` every ``validate_every`` steps.
    """
    began = time.perf_counter()
    network = task.network
    batch = _Batch(task, executor)
    average = _Average(network, config, executor)
    judge = _Judge(task, average.packed, executor)
    optimiser = _Adam(network, config, executor)
    history, best, best_loss, best_step, waited = History(), network.weights.copy(), np.inf, 0, 0
    losses: list[float] = []
    if adapting:
        start = judge.loss(batch.packed)
        best_loss = np.inf if start is None else start
    for step in range(1, config.steps + 1):
        losses.append(batch.gradient(task.draw(rng)))
        history.clipped += optimiser.step(batch, step)
        average.add(network.weights)
        if step % config.validate_every and step != config.steps:
            continue
        average.show()
        held_out_loss = judge.loss()
        if held_out_loss is not None:
            waited += 1
            if held_out_loss < best_loss:
                best, best_loss, best_step, waited = average.weights.copy(), held_out_loss, step, 0
        kept = None if held_out_loss is None else best_step
        seconds = time.perf_counter() - began
        report = Progress(step, config.steps, float(np.mean(losses)), held_out_loss, kept, seconds)
        history.reports.append(report)
        losses.clear()
        if progress is not None:
            progress(report)
        if waited >= config.patience:
            break
    network.weights[:] = best if task.held_out else average.weights
    logger.info(
        "trained %d steps in %.1f s, clipped %d times", history.last.step, history.last.seconds, history.clipped
    )
    return history


class _Batch(Generic[Drawn, Space]):
    """One batch: its lanes, and the gradient they give together."""

    def __init__(self, task: Task[Drawn, Space, Any], executor: Executor) -> None:
        self.task, self.executor = task, executor
        self.packed = Packed(task.network, backward=True)
        size, rows = task.size, _shard_rows(task.size)
        self.shards = [slice(at, min(at + rows, size)) for at in range(0, size, rows)]
        lanes = min(_LANES, len(self.shards))
        self.gradients = zeros(lanes, task.network.weights.size)
        self.total = zeros(task.network.weights.size)
        self.norm, self.weight = 0.0, 0.0
        self._parts = _parts(self.total.size)
        self._spaces = [{count: task.space(count) for count in self._counts(lane)} for lane in range(lanes)]

    def _counts(self, lane: int) -> set[int]:
        """Return how many rows the shards of a lane have."""
        return {shard.stop - shard.start for shard in self.shards[lane :: len(self.gradients)]}

    def gradient(self, drawn: Drawn) -> float:
        """Compute the sum of the gradient over a batch into `total`; return the mean loss."""

        def run(lane: int) -> tuple[float, float]:
            return self._run_lane(lane, drawn)

        def add(part: slice) -> float:
            return float(sum_gradients(self.gradients, part.start, part.stop, self.total))

        sums = self.executor.map(run, range(len(self.gradients)))
        self.norm = math.sqrt(sum(self.executor.map(add, self._parts)))
        self.weight = sum(weight for _, weight in sums)
        return sum(loss for loss, _ in sums) / max(self.weight, 1.0)

    def _run_lane(self, lane: int, drawn: Drawn) -> tuple[float, float]:
        gradient, loss, weight = self.gradients[lane], 0.0, 0.0
        gradient[:] = 0
        for shard in self.shards[lane :: len(self.gradients)]:
            space = self._spaces[lane][shard.stop - shard.start]
            # The gradient of the sum; the mean is taken in the optimiser's step, when all shards' weights are known.
            lost, counted = self.task.learn(self.packed, space, drawn, shard, gradient)
            loss += lost
            weight += counted
        return loss, weight


def _parts(size: int) -> list[slice]:
    """Cut a flat vector into parts: always the same ones, so that sums over them have the same bits."""
    return [slice(at, min(at + _PART, size)) for at in range(0, size, _PART)]


def _shard_rows(size: int) -> int:
    """Return the rows of a shard: a small batch is halved, so that two threads have work, in whole tiles of 8 rows."""
    return min(SHARD_ROWS, max(_TILE_ROWS, -(-size // 2 // _TILE_ROWS) * _TILE_ROWS))


class _Adam:
    """Adam with clipping by global norm and a one-cycle learning rate."""

    def __init__(self, network: Network, config: TrainingConfig, executor: Executor | None = None) -> None:
        self.network, self.config, self.executor = network, config, executor or Serial()
        self.first = zeros(network.weights.size)
        self.second = zeros(network.weights.size)
        self._parts = _parts(network.weights.size)

    def step(self, batch: _Batch[Any, Any], step: int) -> bool:
        """Move the weights; return whether the gradient was shortened."""
        mean = 1.0 / max(batch.weight, 1.0)
        norm = batch.norm * mean
        clipped = norm > self.config.clip_norm
        factor = mean * (self.config.clip_norm / norm if clipped else 1.0)
        if not np.isfinite(norm):
            return True  # a batch that overflowed teaches nothing: it is left out, the weights stay as they are
        rate = np.float32(_one_cycle(step, self.config.steps) * self.config.learning_rate)

        def move(part: slice) -> None:
            adam(
                self.network.weights[part], batch.total[part], self.first[part], self.second[part],
                np.float32(factor), rate, _BETA1, _BETA2, _EPSILON, step,
            )  # fmt: skip

        self.executor.map(move, self._parts)
        batch.packed.refresh()
        return bool(clipped)


def _one_cycle(step: int, steps: int) -> float:
    """Share of the highest rate: a linear rise over the first tenth of the steps, then half a cosine to zero."""
    rise = max(1, steps // 10)
    if step <= rise:
        return step / rise
    return 0.5 * (1 + float(np.cos(np.pi * (step - rise) / max(1, steps - rise))))


class _Average:
    """A running mean of the weights over the last steps: steadier than any of them, and what is judged and kept."""

    def __init__(self, network: Network, config: TrainingConfig, executor: Executor | None = None) -> None:
        self.weights, self.executor = zeros(network.weights.size), executor or Serial()
        self._network = network.like()
        self.packed = Packed(self._network)
        self._sum, self._parts = np.zeros(network.weights.size), _parts(network.weights.size)
        self._keep, self._share = 1 - 1 / max(1.0, config.averaged * config.steps), 0.0

    def add(self, weights: Array) -> None:
        """Take one step's weights in."""

        def add(part: slice) -> None:
            for at in range(part.start, part.stop, _CACHED):
                here = slice(at, min(at + _CACHED, part.stop))
                self._sum[here] *= self._keep
                self._sum[here] += (1 - self._keep) * weights[here]

        self.executor.map(add, self._parts)
        self._share = self._keep * self._share + (1 - self._keep)

    def show(self) -> None:
        """Bring `weights` and `packed` up to date."""
        np.divide(self._sum, self._share, out=self.weights, casting="same_kind")
        self._network.weights[:] = self.weights
        self.packed.refresh()


class _Judge(Generic[Piece]):
    """Loss on what is held out."""

    def __init__(self, task: Task[Any, Any, Piece], packed: Packed[Network], executor: Executor) -> None:
        self.task, self.packed, self.executor = task, packed, executor

    def loss(self, packed: Packed[Network] | None = None) -> float | None:
        """Return the mean loss with the averaged weights, or `packed` ones; None when nothing is held out."""
        if not self.task.held_out:
            return None
        by = packed or self.packed
        sums = self.executor.map(lambda piece: self.task.judge(by, piece), self.task.held_out)
        return sum(loss for loss, _ in sums) / max(sum(weight for _, weight in sums), 1.0)
