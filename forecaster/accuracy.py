"""Error measures, over the values that were observed.

A missing actual value counts nowhere; a forecast that is not a number makes the measure none, so that it is noticed.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def mae(actual: Floats, forecast: Floats) -> float:
    """Mean absolute error."""
    return _mean(np.abs(actual - forecast), actual)


def rmse(actual: Floats, forecast: Floats) -> float:
    """Root of the mean squared error."""
    errors = (actual - forecast)[~np.isnan(actual)]
    # hypot, since the square of 1e200 leaves float64
    return float(np.hypot.reduce(errors) / np.sqrt(errors.size)) if errors.size else float("nan")


def smape(actual: Floats, forecast: Floats) -> float:
    """Symmetric mean absolute percentage error, 0 to 200; two zeros count as no error (M4's definition)."""
    size = np.abs(actual) + np.abs(forecast)
    with np.errstate(invalid="ignore"):
        return _mean(np.where(size == 0, 0.0, 200 * np.abs(actual - forecast) / size), actual)


def seasonal_scale(values: Floats, season: int) -> float:
    """Mean absolute difference between values one season apart: what MASE divides by. NaN where there is none.

    A series shorter than that is measured by its neighbours; a constant one has no scale.
    """
    for lag in dict.fromkeys((season, 1)):
        steps = np.abs(values[lag:] - values[:-lag]) if len(values) > lag else np.empty(0)
        steps = steps[~np.isnan(steps)]
        if steps.size and steps.mean() > 0:
            return float(steps.mean())
    return float("nan")


def mase(actual: Floats, forecast: Floats, histories: Sequence[Floats], season: int) -> float:
    """Mean over series of the mean absolute error (of each row) divided by `seasonal_scale` of its history.

    Constant series have no scale and are left out; NaN when none is left.
    """
    rows = list(zip(actual, forecast, histories, strict=True))
    errors = np.array([mae(came, said) for came, said, _ in rows])
    scales = np.array([seasonal_scale(history, season) for *_, history in rows])
    seen = np.where(np.isnan(actual).all(axis=1), np.nan, scales)
    with np.errstate(invalid="ignore"):  # infinity by infinity, of a series near the largest float64
        return _mean(errors / scales, seen)


def pinball(actual: Floats, forecast: Floats, quantile: float) -> float:
    """Pinball (quantile) loss; at quantile 0.5 half the absolute error."""
    error = actual - forecast
    return _mean(np.maximum(quantile * error, (quantile - 1) * error), actual)


def coverage(actual: Floats, lower: Floats, upper: Floats) -> float:
    """Share of observed values inside the interval, 0 to 1."""
    inside = np.where(np.isnan(lower) | np.isnan(upper), np.nan, (actual >= lower) & (actual <= upper))
    return _mean(inside, actual)


def _mean(values: Floats, actual: Floats) -> float:
    """Return the mean of `values` where `actual` is known."""
    values = values[~np.isnan(actual)]
    return float(values.mean()) if values.size else float("nan")
