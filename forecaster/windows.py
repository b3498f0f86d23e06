"""From a scaled panel to the arrays that kernels take, and through the network: windows cut by index."""

from __future__ import annotations

import numpy as np

from forecaster.executors import Executor
from forecaster.kernels.windows import gather_inputs, gather_targets
from forecaster.passes import SHARD_ROWS, Packed, Workspace, forward
from forecaster.scaling import Floats, Integers, ScaledPanel

_TASK_ROWS = 16 * SHARD_ROWS
"""Windows one task of an executor forecasts."""


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
) -> Floats:
    """Return the scaled quantiles (B, F, Q), ascending, that follow position `ends` of each of `series` (both (B,))."""
    network = packed.network
    shape = (network.horizon, len(network.config.quantiles))
    results = np.empty((len(series), *shape))

    def run(begin: int) -> None:
        for at in range(begin, min(begin + _TASK_ROWS, len(series)), SHARD_ROWS):
            rows = slice(at, min(at + SHARD_ROWS, len(series)))
            with packed.forecasting(rows.stop - rows.start) as space:
                load_inputs(panel, series[rows], ends[rows], network.config.lags, space)
                outputs = forward(packed, space)[:, : network.outputs].astype(np.float64)
                results[rows] = space.levels[-1][:, None, None] + outputs.reshape(space.rows, *shape)

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
