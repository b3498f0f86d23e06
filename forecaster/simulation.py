"""Sample paths: ways a series may go, each step distributed as its intervals say and hanging together with the others.

A normal copula (A. Sklar 1959): normal scores that hang together from step to step as held-out errors did
(`forecaster.dependence`), each turned into the quantile of the forecast that has its probability.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from forecaster.engine import Engine
from forecaster.forecast import SamplePaths
from forecaster.intervals import Calibration
from forecaster.panel import Panel
from forecaster.prediction import forecastable, look_ahead
from forecaster.scaling import Floats

_SPACING = 0.05
_KNOTS = 100
"""Quantiles are computed at so many normal scores on each side of the median, so far apart; those between are
interpolated. Of 1.7 million values one lies beyond the last, and is held there."""

_LEVELS = tuple(100 * (2 * NormalDist().cdf(_SPACING * k) - 1) for k in range(1, _KNOTS + 1))

_AT_ONCE = 500_000
"""Values in one piece of work, which bounds the memory beside that of the result."""


def simulate_panel(
    engine: Engine, by: Calibration, panel: Panel, h: int, n_paths: int, *, seed: int, threads: int | None
) -> SamplePaths:
    """Return sample paths, in their own units, of the series that can be forecast.

    Raises
    ------
    TooShortError
        There are none.
    """
    usable, skipped = forecastable(panel)
    outlook = look_ahead(engine, usable, h, threads)
    rng = np.random.default_rng(seed)
    values = np.empty((len(usable), n_paths, h))
    size = max(1, _AT_ONCE // (h * max(n_paths, len(_LEVELS))))
    for begin in range(0, len(usable), size):
        series = np.arange(begin, min(begin + size, len(usable)))
        point, lower, upper = outlook.select(series).ends(by, _LEVELS)
        knots = np.concatenate((lower[:, ::-1], point[:, None], upper), axis=1)
        values[series] = _quantiles(knots, by.dependence.scores(rng, len(series), n_paths, h))
    return SamplePaths(
        ids=usable.ids,
        times=usable.future_times(h),
        frequency=usable.frequency,
        values=values,
        skipped=skipped,
        timezone=usable.timezone,
        alias=engine.cell.upper(),
    )


def _quantiles(knots: Floats, scores: Floats) -> Floats:
    """Return the quantiles (N, n_paths, h) at normal `scores` of that shape, from those at knots (N, knots, h)."""
    last = knots.shape[1] - 1
    places = np.clip(scores / _SPACING + _KNOTS, 0, last)
    left = np.minimum(places.astype(np.int64), last - 1)
    weight = places - left
    below, above = (np.take_along_axis(knots, at, axis=1) for at in (left, left + 1))
    between: Floats = (1 - weight) * below + weight * above  # in this form nothing overflows
    return between
