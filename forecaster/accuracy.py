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


def wape(actual: Floats, forecast: Floats) -> float:
    """Sum of the absolute errors divided by that of the absolute values; NaN where all values are zero."""
    size = _mean(np.abs(actual), actual)
    return mae(actual, forecast) / size if size > 0 else float("nan")


def seasonal_scale(values: Floats, season: int) -> float:
    """Mean absolute difference between values one season apart: what MASE and MSIS divide by. NaN where there is none.

    A series shorter than that is measured by its neighbours; a constant one has no scale.
    """
    for lag in dict.fromkeys((season, 1)):
        steps = np.abs(values[lag:] - values[:-lag]) if len(values) > lag else np.empty(0)
        steps = steps[~np.isnan(steps)]
        if steps.size and steps.mean() > 0:
            return float(steps.mean())
    return float("nan")


def seasonal_scales(histories: Sequence[Floats], season: int) -> Floats:
    """Return `seasonal_scale` of each series."""
    return np.array([seasonal_scale(history, season) for history in histories])


def mase(actual: Floats, forecast: Floats, scales: Floats) -> float:
    """Mean over series of the mean absolute error (of each row) divided by its scale, see `seasonal_scale`.

    Constant series have no scale and are left out; NaN when none is left.
    """
    return _scaled(np.abs(actual - forecast), actual, scales)


def msis(actual: Floats, lower: Floats, upper: Floats, level: float, scales: Floats) -> float:
    """Mean over series of the interval score (of each row) divided by its scale (M4's definition).

    The score of an interval is its width, and where the value lies outside, 2 / (1 - level / 100) times how far. Series
    without a scale are left out, as in `mase`.
    """
    outside = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    return _scaled(upper - lower + 2 / (1 - level / 100) * outside, actual, scales)


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


def _scaled(errors: Floats, actual: Floats, scales: Floats) -> float:
    """Return the mean over rows of the mean error divided by the scale; rows without value or scale are left out."""
    rows = zip(errors, actual, scales, strict=True)
    with np.errstate(invalid="ignore"):  # infinity by infinity, of a series near the largest float64
        ratios = np.array([_mean(error, came) / scale for error, came, scale in rows])
    return _mean(ratios, np.where(np.isnan(actual).all(axis=1), np.nan, scales))
