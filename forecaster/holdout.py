"""The held-out horizon: which series have one, and what a trained network is worth on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster import accuracy
from forecaster.engine import Engine
from forecaster.executors import Executor
from forecaster.intervals import Calibration, calibrate, least_spread, uncalibrated
from forecaster.panel import Panel
from forecaster.prediction import can_teach, future_quantiles
from forecaster.scaling import Integers, scale_panel


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the held-out horizon says.

    Attributes
    ----------
    calibration : Calibration
        How far the intervals have to be stretched.
    accuracy : dict of str to float, or None
        Errors of the point forecasts; None when nothing was held out.
    """

    calibration: Calibration
    accuracy: dict[str, float] | None


def judges(panel: Panel, h: int) -> Integers:
    """Return the series that can spare their last `h` values and still be learned from.

    Before the held-out values at least as many must have been observed, and of those held out at least one. None can
    if what is left of all series would not teach the whole horizon any more.
    """
    tails = panel.tail_values(h)
    seen_late = np.count_nonzero(~np.isnan(tails), axis=1)
    seen_before = panel.observed - seen_late
    able = np.flatnonzero((seen_late > 0) & (seen_before >= max(h, 4)))
    return able if can_teach(panel.head(h), h) else able[:0]


def judge(engine: Engine, panel: Panel, season: int, executor: Executor) -> Verdict:
    """Forecast the last horizon of `panel` from what came before, and compare."""
    h, probabilities = engine.horizon, engine.probabilities
    if not len(panel):
        return Verdict(uncalibrated(h), None)
    known, actual = panel.head(h), panel.tail_values(h)
    scaled = scale_panel(known, season=engine.season)
    quantiles = future_quantiles(engine, scaled, h, executor)
    everyone = np.repeat(np.arange(len(panel)), h)
    target = scaled.scaling.scale(actual.ravel(), everyone).reshape(actual.shape)
    fitted = calibrate(quantiles, probabilities, target, least_spread(scaled.volatility, h, probabilities))
    point = scaled.scaling.restore(quantiles[..., probabilities.index(0.5)])
    return Verdict(fitted, _errors(known, actual, point, season))


@np.errstate(over="ignore")  # errors that float64 cannot hold are left out
def _errors(known: Panel, actual: NDArray[np.float64], point: NDArray[np.float64], season: int) -> dict[str, float]:
    errors = {
        "mae": accuracy.mae(actual, point),
        "rmse": accuracy.rmse(actual, point),
        "smape": accuracy.smape(actual, point),
        "mase": accuracy.mase(actual, point, [known.series(i) for i in range(len(known))], season),
    }
    return {name: value for name, value in errors.items() if np.isfinite(value)}
