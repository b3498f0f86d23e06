"""Forecasts without a model, against which every backtest is held.

Intervals: the normal spread of the in-sample one-step errors, growing with the horizon as each method's own theory
has it (R. J. Hyndman, G. Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., table 5.2).
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from forecaster.forecast import Forecast
from forecaster.panel import Panel

Floats = NDArray[np.float64]
Method = Callable[[Floats, int, int], tuple[Floats, Floats]]


def naive(values: Floats, season: int, h: int) -> tuple[Floats, Floats]:
    """Return the last value for every step, and the standard deviation of each."""
    del season
    seen = values[~np.isnan(values)]
    return np.full(h, seen[-1]), _deviation(np.diff(values)) * np.sqrt(np.arange(1, h + 1))


def seasonal_naive(values: Floats, season: int, h: int) -> tuple[Floats, Floats]:
    """Return the value one season before for every step, and the standard deviation of each."""
    if len(values) <= season:
        return naive(values, season, h)
    last = values[len(values) - season :].copy()
    for back in range(len(values) - season - 1, -1, -1):  # where that value is missing, the one a season earlier
        if not np.isnan(last).any():
            break
        at = (back - (len(values) - season)) % season
        if np.isnan(last[at]):
            last[at] = values[back]
    last = np.where(np.isnan(last), values[~np.isnan(values)][-1], last)
    seasons_ahead = np.arange(h) // season + 1
    return np.tile(last, -(-h // season))[:h], _deviation(values[season:] - values[:-season]) * np.sqrt(seasons_ahead)


def drift(values: Floats, season: int, h: int) -> tuple[Floats, Floats]:
    """Return the line through the first and the last value, and the standard deviation of each step."""
    del season
    places = np.flatnonzero(~np.isnan(values))
    first, last = places[0], places[-1]
    span = max(last - first, 1)
    slope = (values[last] - values[first]) / span
    ahead = np.arange(1, h + 1) + (len(values) - 1 - last)
    deviation = _deviation(np.diff(values) - slope)
    return values[last] + slope * ahead, deviation * np.sqrt(ahead * (1 + ahead / span))


BASELINES: dict[str, Method] = {"Naive": naive, "SeasonalNaive": seasonal_naive, "Drift": drift}


def baseline_forecast(name: str, panel: Panel, *, h: int, levels: tuple[float, ...], season: int) -> Forecast:
    """Return the forecast of one of `BASELINES` for every series of `panel`."""
    method = BASELINES[name]
    z = np.array([NormalDist().inv_cdf(0.5 + level / 200) for level in levels])[:, None]
    points, spreads = np.empty((len(panel), h)), np.empty((len(panel), len(levels), h))
    for i in range(len(panel)):
        points[i], deviation = method(panel.series(i), season, h)
        spreads[i] = z * deviation
    return Forecast(
        ids=panel.ids,
        times=panel.future_times(h),
        frequency=panel.frequency,
        point=points,
        levels=levels,
        lower=points[:, None] - spreads,
        upper=points[:, None] + spreads,
        alias=name,
        timezone=panel.timezone,
    )


def _deviation(errors: Floats) -> float:
    errors = errors[~np.isnan(errors)]
    # hypot, since the square of 1e200 leaves float64
    return float(np.hypot.reduce(errors) / np.sqrt(errors.size)) if errors.size else 0.0
