"""Windows of a panel, one series and one position at a time.

`filled` and `observed` (total,) hold the series end to end; `end` is the last position of a window of `steps` steps of
the series that begins at `begin`. Positions before the begin look like a series that has always stood at its first
value, unobserved.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tests.reference import Array

Flags = NDArray[np.bool_]


def inputs(filled: Array, observed: Flags, begin: int, end: int, lags: int, steps: int) -> tuple[Array, Array]:
    """Return x (T, lags + 1) and levels (T,)."""
    x, levels = np.zeros((steps, lags + 1)), np.full(steps, filled[begin])
    for t, position in enumerate(range(end - steps + 1, end + 1)):
        if position >= begin:
            past = [filled[max(at, begin)] for at in range(position - lags + 1, position + 1)]
            levels[t] = filled[position]
            x[t] = [*(past - levels[t]), observed[position]]
    return x, levels


def targets(
    filled: Array, observed: Flags, begin: int, end: int, floor: int, limit: int, levels: Array, horizon: int
) -> tuple[Array, Array]:
    """Return targets and weights (T, F): the next `horizon` values minus the level of the position.

    Those from `floor` on and before `limit` count, at positions where one of the `horizon` + 1 newest values was there.
    """
    result, weights = np.zeros((len(levels), horizon)), np.zeros((len(levels), horizon))
    for t, position in enumerate(range(end - len(levels) + 1, end + 1)):
        known = position >= begin and observed[max(begin, position - horizon) : position + 1].any()
        for f, at in enumerate(range(position + 1, position + 1 + horizon)):
            if known and floor <= at < limit and observed[at]:
                result[t, f], weights[t, f] = filled[at] - levels[t], 1.0
    return result, weights
