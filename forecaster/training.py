"""The training loop: batches, optimiser steps, early stopping on the held-out horizon.

A batch is cut into shards of a few windows, so that forward and backward stay in the processor's cache. Shards are
dealt to a fixed number of lanes, each with its own gradient, and the lanes' gradients are summed in order: the same
seed gives the same bits with any number of threads.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from forecaster.config import TrainingConfig
from forecaster.executors import Executor
from forecaster.kernels.losses import absolute_loss, pinball_loss, squared_loss
from forecaster.kernels.optimisers import adam, sum_gradients
from forecaster.network import Array, Network, zeros
from forecaster.passes import SHARD_ROWS, Packed, Workspace, backward, forward
from forecaster.scaling import Integers, ScaledPanel
from forecaster.windows import Sampler, load_inputs, load_targets

logger = logging.getLogger(__name__)

LOSSES = {"pinball": pinball_loss, "absolute": absolute_loss, "squared": squared_loss}

_LANES = 4
_TILE_ROWS = 8
_VALIDATION_SERIES = 1024
"""Series looked at in validation at the most: enough to choose a step by, cheap beside the steps between two looks."""
_STEADIEST = 0.995
"""Quantile of the series beyond which being steady counts no more: one that hardly moves would have all the say."""
_NOTHING = 1e-12
"""Sum of differences from which on a series is one that moves: less is rounding, and its inverse may be infinite."""

_BETA1, _BETA2, _EPSILON = np.float32(0.9), np.float32(0.999), np.float32(1e-8)


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
    network: Network,
    panel: ScaledPanel,
    *,
    config: TrainingConfig,
    season: int,
    held_out: int,
    validation: Integers,
    rng: np.random.Generator,
    executor: Executor,
    adapting: bool = False,
    progress: Callable[[Progress], None] | None = None,
) -> History:
    """Train `network` in place on `panel`; its weights at the end are the best ones seen.

    Parameters
    ----------
    network : Network
        With the weights to start from.
    panel : ScaledPanel
        The series.
    config : TrainingConfig
        How long and how fast.
    season : int
        Steps of a season, for what an error is worth (`importances`).
    held_out : int
        Values at the end of each series that no gradient sees.
    validation : (V,) int64
        Series whose held-out values decide when to stop; with none all steps are made.
    rng : numpy.random.Generator
        Draws the windows.
    executor : Executor
        Runs the lanes.
    adapting : bool
        Whether the weights to start from have learned something: if no step does better, they are kept.
    progress : callable, optional
        Gets a `Progress` every ``validate_every`` steps.
    """
    began = time.perf_counter()
    if len(validation) > _VALIDATION_SERIES:
        validation = np.sort(rng.choice(validation, _VALIDATION_SERIES, replace=False))
    sampler = Sampler(panel, positions=network.config.positions, held_out=held_out, recent=config.recent)
    worth = importances(panel, season=season, held_out=held_out)
    size = min(config.batch_size, max(8, 4 * sampler.windows))
    batch = _Batch(network, panel, worth, held_out, size, executor)
    average = _Average(network, config)
    judge = _Judge(average.packed, panel, worth, validation, held_out, executor)
    optimiser = _Adam(network, config)
    history, best, best_loss, best_step, waited = History(), network.weights.copy(), np.inf, 0, 0
    losses: list[float] = []
    if adapting:
        start = judge.loss(batch.packed)
        best_loss = np.inf if start is None else start
    for step in range(1, config.steps + 1):
        losses.append(batch.gradient(_draw(sampler, rng, batch.size, config.mixed)))
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
    network.weights[:] = best if len(validation) else average.weights
    logger.info(
        "trained %d steps in %.1f s, clipped %d times", history.last.step, history.last.seconds, history.clipped
    )
    return history


class _Windows(NamedTuple):
    """Windows of a batch; each is mixed of two, of which the first has the share `shares`, 1 for one alone."""

    series: Integers
    ends: Integers
    others: Integers
    other_ends: Integers
    shares: Array

    def rows(self, shard: slice) -> _Windows:
        """Return those of one shard."""
        return _Windows(
            self.series[shard], self.ends[shard], self.others[shard], self.other_ends[shard], self.shares[shard]
        )


def _draw(sampler: Sampler, rng: np.random.Generator, size: int, mixed: float) -> _Windows:
    """Return windows, `mixed` of them of two series: there are far more such pairs than series to learn by heart.

    H. Zhang et al., mixup, 2018; the shares are Beta(1/2, 1/2), mostly near one of the two.
    """
    first, second = sampler.draw(rng, size), sampler.draw(rng, size)
    shares = np.where(rng.random(size) < mixed, rng.beta(0.5, 0.5, size), 1.0)
    return _Windows(*first, *second, shares.astype(np.float32))


class _Batch:
    """One batch: its lanes, and the gradient they give together."""

    def __init__(
        self, network: Network, panel: ScaledPanel, worth: Array, held_out: int, size: int, executor: Executor
    ) -> None:
        self.network, self.panel, self.held_out, self.size, self.executor = network, panel, held_out, size, executor
        self.worth = worth
        self.packed = Packed(network, backward=True)
        rows = _shard_rows(size)
        self.shards = [slice(at, min(at + rows, size)) for at in range(0, size, rows)]
        lanes = min(_LANES, len(self.shards))
        self.gradients = zeros(lanes, network.weights.size)
        self.total = zeros(network.weights.size)
        self.norm, self.weight = 0.0, 0.0
        self._spaces = [self._workspaces(lane, training=True) for lane in range(lanes)]
        self._mixing = [self._workspaces(lane, training=False) for lane in range(lanes)]

    def _workspaces(self, lane: int, *, training: bool) -> dict[int, Workspace]:
        steps = self.network.config.positions
        rows = {shard.stop - shard.start for shard in self.shards[lane :: len(self.gradients)]}
        return {
            count: Workspace(self.network, steps, count, first=0, training=training, judging=True) for count in rows
        }

    def gradient(self, windows: _Windows) -> float:
        """Compute the sum of the gradient over these windows into `total`; return the mean loss."""

        def run(lane: int) -> tuple[float, float]:
            return self._run_lane(lane, windows)

        sums = self.executor.map(run, range(len(self.gradients)))
        self.norm = float(sum_gradients(self.gradients, self.total))
        self.weight = sum(weight for _, weight in sums)
        return sum(loss for loss, _ in sums) / max(self.weight, 1.0)

    def _run_lane(self, lane: int, windows: _Windows) -> tuple[float, float]:
        gradient, loss, weight = self.gradients[lane], 0.0, 0.0
        gradient[:] = 0
        for shard in self.shards[lane :: len(self.gradients)]:
            rows = shard.stop - shard.start
            space = self._spaces[lane][rows]
            weight += self._load(space, self._mixing[lane][rows], windows.rows(shard))
            outputs = forward(self.packed, space)
            # The gradient of the sum; the mean is taken in the optimiser's step, when all shards' weights are known.
            loss += _loss(outputs, self.network, space)
            backward(self.packed, space, gradient)
        return loss, weight

    def _load(self, space: Workspace, other: Workspace, windows: _Windows) -> float:
        """Load inputs and targets into `space`, those to be mixed in into `other`; return the sum of the weights."""
        _load(self.panel, self.worth, windows.series, windows.ends, space, self.held_out)
        if (windows.shares < 1).any():
            _load(self.panel, self.worth, windows.others, windows.other_ends, other, self.held_out)
            _mix(space, other, windows.shares)
        return float(space.weights.sum(dtype=np.float64))


def _load(
    panel: ScaledPanel,
    worth: Array,
    series: Integers,
    ends: Integers,
    space: Workspace,
    held_out: int,
    *,
    judging: bool = False,
) -> None:
    """Load windows and their targets, the latter weighted by what an error of their series is worth."""
    load_inputs(panel, series, ends, space.lags, space)
    load_targets(panel, series, ends, space, held_out=held_out, judging=judging)
    _by_window(space, space.weights)[:] *= worth[series][:, None]


def _mix(space: Workspace, other: Workspace, shares: Array) -> None:
    """Mix the windows of `other` into those of `space`; targets that one of the two lacks are none."""
    rest = (1 - shares)[:, None]
    alone = rest == 0
    for into, of in ((space.x, other.x), (space.targets, other.targets)):
        mixed = _by_window(space, into)
        mixed *= shares[:, None]
        mixed += rest * _by_window(space, of)
    own, foreign = _by_window(space, space.weights), _by_window(space, other.weights)
    both = shares[:, None] * own + rest * foreign
    own[:] = np.where(alone | ((own > 0) & (foreign > 0)), both, 0)


def _by_window(space: Workspace, values: Array) -> Array:
    return values.reshape(-1, space.rows, values.shape[-1])


def _shard_rows(size: int) -> int:
    """Return the rows of a shard: a small batch is halved, so that two threads have work, in whole tiles of 8 rows."""
    return min(SHARD_ROWS, max(_TILE_ROWS, -(-size // 2 // _TILE_ROWS) * _TILE_ROWS))


class _Adam:
    """Adam with clipping by global norm and a one-cycle learning rate."""

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        self.network, self.config = network, config
        self.first = zeros(network.weights.size)
        self.second = zeros(network.weights.size)

    def step(self, batch: _Batch, step: int) -> bool:
        """Move the weights; return whether the gradient was shortened."""
        mean = 1.0 / max(batch.weight, 1.0)
        norm = batch.norm * mean
        clipped = norm > self.config.clip_norm
        factor = mean * (self.config.clip_norm / norm if clipped else 1.0)
        if not np.isfinite(norm):
            return True  # a batch that overflowed teaches nothing: it is left out, the weights stay as they are
        rate = np.float32(_one_cycle(step, self.config.steps) * self.config.learning_rate)
        adam(
            self.network.weights, batch.total, self.first, self.second,
            np.float32(factor), rate, _BETA1, _BETA2, _EPSILON, step,
        )  # fmt: skip
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

    def __init__(self, network: Network, config: TrainingConfig) -> None:
        self.weights = zeros(network.weights.size)
        self._network = Network(network.config, network.horizon)
        self.packed = Packed(self._network)
        self._sum = np.zeros(network.weights.size)
        self._keep, self._share = 1 - 1 / max(1.0, config.averaged * config.steps), 0.0

    def add(self, weights: Array) -> None:
        """Take one step's weights in."""
        self._sum *= self._keep
        self._sum += (1 - self._keep) * weights
        self._share = self._keep * self._share + (1 - self._keep)

    def show(self) -> None:
        """Bring `weights` and `packed` up to date."""
        np.divide(self._sum, self._share, out=self.weights, casting="same_kind")
        self._network.weights[:] = self.weights
        self.packed.refresh()


class _Judge:
    """Loss on the held-out values, forecast from every position that reaches them.

    One horizon of a few series is a small sample. The network forecasts from every position anyway, so the held-out
    values are judged from all of them: one to h steps ahead, as many cutoffs as the horizon has steps.
    """

    def __init__(
        self,
        packed: Packed,
        panel: ScaledPanel,
        worth: Array,
        series: Integers,
        held_out: int,
        executor: Executor,
    ) -> None:
        self.packed, self.panel, self.held_out, self.executor = packed, panel, held_out, executor
        self.worth = worth
        self.shards = [series[at : at + SHARD_ROWS] for at in range(0, len(series), SHARD_ROWS)]

    def loss(self, packed: Packed | None = None) -> float | None:
        """Return the mean loss with the averaged weights, or `packed` ones; None when nothing is held out."""
        if not self.shards:
            return None
        by = packed or self.packed
        sums = self.executor.map(lambda series: self._shard_loss(by, series), self.shards)
        return sum(loss for loss, _ in sums) / max(sum(weight for _, weight in sums), 1.0)

    def _shard_loss(self, packed: Packed, series: Integers) -> tuple[float, float]:
        network = packed.network
        steps = network.config.positions
        first = max(0, steps - 2 * self.held_out + 1)
        space = Workspace(network, steps, len(series), first=first, training=False, judging=True)
        ends = self.panel.offsets[series + 1] - 2
        _load(self.panel, self.worth, series, ends, space, self.held_out, judging=True)
        return _loss(forward(packed, space), network, space), float(space.weights.sum(dtype=np.float64))


def _loss(outputs: Array, network: Network, space: Workspace) -> float:
    """Return the summed loss of `outputs` and write its gradient into ``space.d_outputs``."""
    quantiles = np.array(network.config.quantiles, np.float32)
    loss = LOSSES[network.config.loss]
    return float(loss(outputs, space.targets, space.weights, quantiles, np.float32(1.0), space.d_outputs))


def importances(panel: ScaledPanel, *, season: int, held_out: int) -> Array:
    """Return what an error on the network's scale is worth in each series, (N,), 1 on average.

    Half of it is the same for all: on a logarithm that is a relative error, as in sMAPE. The other half goes by the
    mean difference between values one season apart, as in MASE: the steadier a series, the more an error is worth.
    """
    lengths = np.diff(panel.offsets)
    series = np.repeat(np.arange(len(lengths)), lengths)
    places = np.arange(len(series)) - panel.offsets[series]
    lags = np.where(lengths - held_out > season, season, 1)[series]
    inside = (places >= lags) & (places < (lengths - held_out)[series])
    at = np.flatnonzero(inside)
    sums = np.bincount(series[at], np.abs(panel.filled[at] - panel.filled[at - lags[at]]), len(lengths))
    counts = np.bincount(series[at], minlength=len(lengths))
    steady = np.zeros(len(lengths))
    np.divide(counts, sums, out=steady, where=sums > _NOTHING)
    steady = np.minimum(steady, np.quantile(steady, _STEADIEST))
    mean = steady.mean()
    worth = np.ones(len(lengths)) if mean == 0 else 0.5 + 0.5 * steady / mean
    return worth.astype(np.float32)
