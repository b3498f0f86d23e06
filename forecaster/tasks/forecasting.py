"""What forecasts learn: windows of a panel, some mixed of two, and the held-out horizon they are judged by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forecaster.config import TrainingConfig
from forecaster.kernels.losses import LOSSES
from forecaster.network import Array, ForecastNetwork
from forecaster.passes import Workspace, backward, forward
from forecaster.scaling import Integers, ScaledPanel
from forecaster.trunk import SHARD_ROWS, Packed
from forecaster.windows import Sampler, load_inputs, load_targets

_VALIDATION_SERIES = 1024
"""Series looked at in validation at the most: enough to choose a step by, cheap beside the steps between two looks."""
_STEADIEST = 0.995
"""Quantile of the series beyond which being steady counts no more: one that hardly moves would have all the say."""
_NOTHING = 1e-12
"""Sum of differences from which on a series is one that moves: less is rounding, and its inverse may be infinite."""


class Windows(NamedTuple):
    """Windows of a batch; each is mixed of two, of which the first has the share `shares`, 1 for one alone."""

    series: Integers
    ends: Integers
    others: Integers
    other_ends: Integers
    shares: Array

    def rows(self, shard: slice) -> Windows:
        """Return those of one shard."""
        return Windows(
            self.series[shard], self.ends[shard], self.others[shard], self.other_ends[shard], self.shares[shard]
        )


def draw(sampler: Sampler, rng: np.random.Generator, size: int, mixed: float) -> Windows:
    """Return windows, `mixed` of them of two series: there are far more such pairs than series to learn by heart.

    H. Zhang et al., mixup, 2018; the shares are Beta(1/2, 1/2), mostly near one of the two.
    """
    first, second = sampler.draw(rng, size), sampler.draw(rng, size)
    shares = np.where(rng.random(size) < mixed, rng.beta(0.5, 0.5, size), 1.0)
    return Windows(*first, *second, shares.astype(np.float32))


class Spaces(NamedTuple):
    """Buffers for the windows of a shard, and for those to be mixed in."""

    own: Workspace
    other: Workspace


class ForecastTask:
    """What a network learns from a panel; see `training.Task`.

    Parameters
    ----------
    network : ForecastNetwork
        Learns.
    panel : ScaledPanel
        The series.
    config : TrainingConfig
        How many windows a batch has, where they end, and which share of them is mixed.
    season : int
        Steps of a season, for what an error is worth (`importances`).
    held_out : int
        Values at the end of each series that no gradient sees.
    validation : (V,) int64
        Series whose held-out values decide when to stop; with none all steps are made.
    rng : numpy.random.Generator
        Chooses among very many of them.
    """

    def __init__(
        self,
        network: ForecastNetwork,
        panel: ScaledPanel,
        *,
        config: TrainingConfig,
        season: int,
        held_out: int,
        validation: Integers,
        rng: np.random.Generator,
    ) -> None:
        if len(validation) > _VALIDATION_SERIES:
            validation = np.sort(rng.choice(validation, _VALIDATION_SERIES, replace=False))
        self.network, self.panel = network, panel
        self._kept_back, self._mixed = held_out, config.mixed
        self._sampler = Sampler(panel, positions=network.config.positions, held_out=held_out, recent=config.recent)
        self._worth = importances(panel, season=season, held_out=held_out)
        self.size = min(config.batch_size, max(8, 4 * self._sampler.windows))
        self.held_out = [validation[at : at + SHARD_ROWS] for at in range(0, len(validation), SHARD_ROWS)]

    def draw(self, rng: np.random.Generator) -> Windows:
        """Return the windows of a batch."""
        return draw(self._sampler, rng, self.size, self._mixed)

    def space(self, rows: int) -> Spaces:
        """Return buffers for a shard of `rows` windows."""
        return Spaces(*(self._space(rows, first=0, training=training) for training in (True, False)))

    def _space(self, rows: int, *, first: int, training: bool) -> Workspace:
        steps = self.network.config.positions
        return Workspace(self.network, steps, rows, first=first, training=training, judging=True)

    def learn(
        self, packed: Packed[ForecastNetwork], spaces: Spaces, drawn: Windows, shard: slice, gradient: Array
    ) -> tuple[float, float]:
        """Add the gradient of a shard's summed loss to `gradient`; return that loss and the sum of its weights."""
        weight = self._load_mixed(spaces, drawn.rows(shard))
        loss = summed_loss(forward(packed, spaces.own), self.network, spaces.own)
        backward(packed, spaces.own, gradient)
        return loss, weight

    def _load_mixed(self, spaces: Spaces, windows: Windows) -> float:
        """Load inputs and targets, those to be mixed in as well; return the sum of the weights."""
        space, other = spaces
        self._load(windows.series, windows.ends, space)
        if (windows.shares < 1).any():
            self._load(windows.others, windows.other_ends, other)
            mix(space, other, windows.shares)
        return float(space.weights.sum(dtype=np.float64))

    def judge(self, packed: Packed[ForecastNetwork], series: Integers) -> tuple[float, float]:
        """Return the summed loss on the held-out values of some series, and the sum of its weights.

        One horizon of a few series is a small sample. The network forecasts from every position anyway, so the
        held-out values are judged from all that reach them: one to h steps ahead, as many cutoffs as the horizon has
        steps.
        """
        network = packed.network
        first = max(0, network.config.positions - 2 * self._kept_back + 1)
        space = self._space(len(series), first=first, training=False)
        self._load(series, self.panel.offsets[series + 1] - 2, space, judging=True)
        return summed_loss(forward(packed, space), network, space), float(space.weights.sum(dtype=np.float64))

    def _load(self, series: Integers, ends: Integers, space: Workspace, *, judging: bool = False) -> None:
        """Load windows and their targets, the latter weighted by what an error of their series is worth."""
        load_inputs(self.panel, series, ends, space.lags, space)
        load_targets(self.panel, series, ends, space, held_out=self._kept_back, judging=judging)
        _by_window(space, space.weights)[:] *= self._worth[series][:, None]


def mix(space: Workspace, other: Workspace, shares: Array) -> None:
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


def summed_loss(outputs: Array, network: ForecastNetwork, space: Workspace) -> float:
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
