"""From a panel to the arrays that kernels take: scaled, filled, masked; windows cut by index."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.executors import Executor
from forecaster.kernels.windows import gather_inputs, gather_targets
from forecaster.network import SHARD_ROWS, Packed, Workspace, forward
from forecaster.panel import Panel
from forecaster.scaling import Scaling, fit_scaling

Integers = NDArray[np.int64]

_TASK_ROWS = 16 * SHARD_ROWS
"""Windows one task of an executor forecasts."""


@dataclass(frozen=True, slots=True, eq=False)
class ScaledPanel:
    """A panel on the network's scale, its scales beside it.

    Attributes
    ----------
    filled : (total,) float64
        Scaled values; over a gap the last one is carried on, so that "no change" is what the network sees there.
    observed : (total,) bool
        Where there was a value; the rest never counts as a target.
    offsets : (N + 1,) int64
        Where each series begins.
    scaling : Scaling
        How to come back.
    """

    filled: NDArray[np.float64]
    observed: NDArray[np.bool_]
    offsets: Integers
    scaling: Scaling

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.offsets) - 1

    @property
    def volatility(self) -> NDArray[np.float64]:
        """Mean size of a one-step change of each series, (N,); never quite zero."""
        steps = np.zeros_like(self.filled)
        np.abs(self.filled[1:] - self.filled[:-1], out=steps[1:])
        steps[self.offsets[:-1]] = 0.0
        sums = np.add.reduceat(steps, self.offsets[:-1])
        means: NDArray[np.float64] = sums / np.maximum(np.diff(self.offsets) - 1, 1)
        return np.maximum(means, 1e-9)

    def tail(self, count: int) -> ScaledPanel:
        """Return the last `count` values of every series, or all where there are fewer."""
        lengths = np.minimum(np.diff(self.offsets), count)
        places = np.repeat(self.offsets[1:] - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        return ScaledPanel(self.filled[places], self.observed[places], offsets, self.scaling)

    def extended(self, values: NDArray[np.float64]) -> ScaledPanel:
        """Return the panel with the scaled `values` (N, n) appended to the series, as if they had been observed."""
        count = values.shape[1]
        at = np.repeat(self.offsets[1:], count)
        return ScaledPanel(
            np.insert(self.filled, at, values.ravel()),
            np.insert(self.observed, at, True),
            self.offsets + count * np.arange(len(self.offsets)),
            self.scaling,
        )


def scale_panel(panel: Panel, *, held_out: int = 0) -> ScaledPanel:
    """Scale `panel`; every series must begin with an observed value, as `Panel` sees to.

    The last `held_out` values have no say in the scales, or training would know of them. One that its series' scale
    cannot show, such as the first zero of a series on a logarithm, counts as missing.
    """
    scaling = fit_scaling(panel, held_out=held_out)
    series = np.repeat(np.arange(len(panel)), panel.lengths)
    observed = ~np.isnan(panel.values) & scaling.shows(panel.values, series)
    places = np.where(observed, np.arange(len(observed)), 0)
    latest = np.maximum.accumulate(places) if len(places) else places
    return ScaledPanel(scaling.scale(panel.values[latest], series), observed, panel.offsets, scaling)


def load_inputs(panel: ScaledPanel, series: Integers, ends: Integers, lags: int, space: Workspace) -> None:
    """Write the inputs of windows that end at positions `ends`, inclusive, into `space`."""
    gather_inputs(panel.filled, panel.observed, panel.offsets[series], ends, lags, space.x, space.levels)


def load_targets(
    panel: ScaledPanel, series: Integers, ends: Integers, space: Workspace, *, held_out: int, judging: bool = False
) -> float:
    """Write targets and weights of the same windows: all but the last `held_out` values, or when `judging` those alone.

    Returns the number of targets.
    """
    begins, border, end = panel.offsets[series], panel.offsets[series + 1] - held_out, panel.offsets[series + 1]
    floors, limits = (border, end) if judging else (begins, border)
    return float(
        gather_targets(
            panel.filled, panel.observed, begins, ends, floors, limits,
            space.levels, space.first, space.targets, space.weights,
        )
    )  # fmt: skip


def window_quantiles(
    packed: Packed, panel: ScaledPanel, series: Integers, ends: Integers, executor: Executor
) -> NDArray[np.float64]:
    """Return the scaled quantiles (B, F, Q), ascending, that follow position `ends` of each of `series` (both (B,))."""
    network = packed.network
    positions, shape = network.config.positions, (network.horizon, len(network.config.quantiles))
    results = np.empty((len(series), *shape))

    def run(begin: int) -> None:
        space = Workspace(network, positions, min(SHARD_ROWS, len(series)), first=positions - 1, training=False)
        for at in range(begin, min(begin + _TASK_ROWS, len(series)), SHARD_ROWS):
            rows = slice(at, min(at + SHARD_ROWS, len(series)))
            count = rows.stop - rows.start
            if count != space.rows:
                space = Workspace(network, positions, count, first=positions - 1, training=False)
            load_inputs(panel, series[rows], ends[rows], network.config.lags, space)
            outputs = forward(packed, space)[:, : network.outputs].astype(np.float64)
            results[rows] = space.levels[-1][:, None, None] + outputs.reshape(count, *shape)

    executor.map(run, range(0, len(series), _TASK_ROWS))
    return np.sort(results, axis=2)


class Sampler:
    """Draws training windows: each series as often as it holds windows, the end of each at random.

    Parameters
    ----------
    panel : ScaledPanel
        The series.
    positions : int
        Time steps of a window.
    held_out : int
        Values at the end of each series that are not to be seen.
    """

    def __init__(self, panel: ScaledPanel, positions: int, held_out: int) -> None:
        # The last position that still has a target, and the first whose window is full (or as full as it gets).
        last = panel.offsets[1:] - held_out - 2
        self._first = np.minimum(panel.offsets[:-1] + positions - 1, last)
        self._count = last - self._first + 1
        usable = last >= panel.offsets[:-1]
        self.windows = np.where(usable, -(-(last - panel.offsets[:-1] + 1) // positions), 0)
        if not self.windows.any():
            raise ValueError("no series has a window")
        self._chances = np.cumsum(self.windows)

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        """Return `count` series and the positions their windows end at."""
        series = np.searchsorted(self._chances, rng.integers(self._chances[-1], size=count), side="right")
        return series, self._first[series] + rng.integers(self._count[series])
