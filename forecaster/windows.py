"""From a scaled panel to the arrays that kernels take, and through the network: windows cut by index."""

from __future__ import annotations

import numpy as np

from forecaster.executors import Executor
from forecaster.kernels.windows import gather_inputs, gather_targets
from forecaster.passes import SHARD_ROWS, Packed, Workspace, forward, traced_rows
from forecaster.scaling import Floats, Integers, ScaledPanel
from forecaster.traces import NetworkTrace

_LEAST_WINDOWS = 4096
"""Windows there should be to draw from: with fewer, the same ones come again before they have been learned from."""

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
    packed: Packed,
    panel: ScaledPanel,
    series: Integers,
    ends: Integers,
    executor: Executor,
    trace: NetworkTrace | None = None,
) -> Floats:
    """Return the scaled quantiles (B, F, Q), ascending, that follow position `ends` of each of `series` (both (B,)).

    Writes `trace`, if there is one; the quantiles are the same bits without it.
    """
    network = packed.network
    shape = (network.horizon, len(network.config.quantiles))
    results = np.empty((len(series), *shape))
    shard = SHARD_ROWS if trace is None else traced_rows(network)

    def run(begin: int) -> None:
        stop = min(begin + _TASK_ROWS, len(series))
        for at in range(begin, stop, shard):
            rows = slice(at, min(at + shard, stop))
            with packed.forecasting(rows.stop - rows.start, traced=trace is not None) as space:
                load_inputs(panel, series[rows], ends[rows], network.config.lags, space)
                outputs = forward(packed, space)[:, : network.outputs].astype(np.float64)
                results[rows] = space.levels[-1][:, None, None] + outputs.reshape(space.rows, *shape)
                if trace is not None:
                    trace.keep(rows, space.levels, space.x, space.states)

    executor.map(run, range(0, len(series), _TASK_ROWS))
    return np.sort(results, axis=2)


class Sampler:
    """Draws training windows: every series once a round, its end at random among the newest positions.

    Parameters
    ----------
    panel : ScaledPanel
        The series.
    positions : int
        Time steps of a window.
    held_out : int
        Values at the end of each series that are not to be seen.
    recent : int
        How many positions of each series windows end at, the newest; more where the series are few.
    """

    def __init__(self, panel: ScaledPanel, *, positions: int, held_out: int, recent: int) -> None:
        begins, ends = panel.offsets[:-1], panel.offsets[1:] - held_out
        usable = ends - 2 >= begins  # a position and a target
        if not usable.any():
            raise ValueError("no series has a window")
        recent = max(recent, -(-_LEAST_WINDOWS // int(usable.sum())))
        # The newest position that has a target, if not all of the horizon: without it the newest values teach nothing
        # (M4 quarterly, OWA .8963 for .9030). And the first whose window is full, or what comes near.
        self._last = ends - 2
        self._first = np.clip(begins + positions - 1, self._last - recent + 1, self._last)
        self._series = np.flatnonzero(usable)
        self._round = np.zeros(0, np.int64)
        lengths = (ends - begins)[usable]
        self.windows = int(np.sum(-(-(lengths - 1) // positions)))

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Integers, Integers]:
        """Return `count` series and the positions their windows end at."""
        while len(self._round) < count:
            self._round = np.concatenate((self._round, rng.permutation(self._series)))
        series, self._round = self._round[:count], self._round[count:]
        first, last = self._first[series], self._last[series]
        return series, first + rng.integers(last - first + 1)
