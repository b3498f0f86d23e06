"""Windows cut from a scaled panel by index, so that they never exist all at once."""

from __future__ import annotations

import numpy as np

from forecaster.kernels._jit import Array, Flags, Integers, Values, kernel

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel
def gather_inputs(
    filled: Values, observed: Flags, begins: Integers, ends: Integers, lags: int, x: Array, levels: Values
) -> None:
    """Gather the inputs of windows that end at position `ends` (B), inclusive, of series that begin at `begins` (B).

    filled (total): scaled values, the last one carried over gaps; observed (total): 1 where there was a value.
    Writes x (T, B, I >= lags + 1) and levels (T, B): at each step the last `lags` values minus the newest one (so that
    "no change" is zero at every level), then 1 where that value was observed. Before the begin of a series all is zero.
    """
    steps, rows, _ = x.shape
    x[:, :, :] = _ZERO
    for b in range(rows):
        begin = begins[b]
        for t in range(steps):
            position = ends[b] - (steps - 1 - t)
            if position < begin:
                levels[t, b] = filled[begin]
                continue
            level = filled[position]
            levels[t, b] = level
            step = x[t, b]
            for j in range(lags):
                step[j] = np.float32(filled[max(position - lags + 1 + j, begin)] - level)
            step[lags] = _ONE if observed[position] else _ZERO


@kernel
def _newest(observed: Flags, begin: int, position: int, age: int) -> bool:
    """Tell whether one of the values up to `position`, at most `age` steps old, was observed."""
    at = position
    while at >= max(begin, position - age) and not observed[at]:
        at -= 1
    return at >= max(begin, position - age)


@kernel
def gather_targets(
    filled: Values,
    observed: Flags,
    begins: Integers,
    ends: Integers,
    floors: Integers,
    limits: Integers,
    levels: Values,
    first: int,
    targets: Array,
    weights: Array,
) -> float:
    """Gather the targets of the positions from step `first` on: the next F values minus the level of the position.

    floors, limits (B): first position of each series that counts, and first that does not any more. Writes targets
    ((T - first) * B, F) and weights (0 where the target was not observed or does not count, and at positions before
    the series' begin or whose newest value is older than the horizon: what follows a long gap says nothing about what
    came before it); returns the sum of the weights.
    """
    steps, rows = levels.shape
    horizon = targets.shape[1]
    total = 0.0
    for t in range(first, steps):
        for b in range(rows):
            row = (t - first) * rows + b
            position = ends[b] - (steps - 1 - t)
            known = _newest(observed, begins[b], position, horizon)
            for f in range(horizon):
                at = position + 1 + f
                if not known or at < floors[b] or at >= limits[b] or not observed[at]:
                    targets[row, f] = _ZERO
                    weights[row, f] = _ZERO
                else:
                    targets[row, f] = np.float32(filled[at] - levels[t, b])
                    weights[row, f] = _ONE
                    total += 1.0
    return total
