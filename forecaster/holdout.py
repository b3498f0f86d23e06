"""The held-out horizon: which series have one, and what a trained network is worth on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecaster import accuracy
from forecaster.engine import Engine
from forecaster.executors import Executor
from forecaster.intervals import Calibration, calibrate, least_spread, typical_spreads, uncalibrated
from forecaster.panel import Panel
from forecaster.prediction import can_teach, future_quantiles
from forecaster.scaling import Floats, Integers, ScaledPanel, scale_panel


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the held-out horizon says.

    Attributes
    ----------
    calibration : Calibration
        How far the intervals have to be stretched.
    accuracy : dict of str to float, or None
        Errors of the point forecasts; None when nothing was held out.
    spreads : (levels, F) float64, or None
        The distances from the median that were calibrated, of a typical series.
    """

    calibration: Calibration
    accuracy: dict[str, float] | None
    spreads: Floats | None = None


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
    scaled, quantiles, least = _before_held_out(engine, panel, executor)
    everyone = np.repeat(np.arange(len(panel)), h)
    target = scaled.scaling.scale(actual.ravel(), everyone).reshape(actual.shape)
    fitted = calibrate(quantiles, probabilities, target, least)
    point = scaled.scaling.restore(quantiles[..., probabilities.index(0.5)])
    spreads = typical_spreads(quantiles, probabilities, least)
    return Verdict(fitted, _errors(known, actual, point, season), spreads)


def judged_before(verdict: Verdict, engine: Engine, panel: Panel, executor: Executor) -> Verdict:
    """Return the verdict on networks that have since learned from the held-out values too, which say no more of them.

    Their distances from the median have changed; stretched, they are to be what they were when they were judged.
    """
    if verdict.spreads is None:
        return verdict
    _, quantiles, least = _before_held_out(engine, panel, executor)
    spreads = typical_spreads(quantiles, engine.probabilities, least)
    return replace(verdict, calibration=verdict.calibration.moved(verdict.spreads, spreads))


def _before_held_out(engine: Engine, panel: Panel, executor: Executor) -> tuple[ScaledPanel, Floats, Floats]:
    """Return what was known before the last horizon, the quantiles that follow it, and the least distances."""
    scaled = scale_panel(panel.head(engine.horizon), season=engine.season)
    quantiles = future_quantiles(engine, scaled, engine.horizon, executor)
    return scaled, quantiles, least_spread(scaled.volatility, engine.horizon, engine.probabilities)


@np.errstate(over="ignore")  # errors that float64 cannot hold are left out
def _errors(known: Panel, actual: NDArray[np.float64], point: NDArray[np.float64], season: int) -> dict[str, float]:
    scales = accuracy.seasonal_scales([known.series(i) for i in range(len(known))], season)
    errors = {
        "mae": accuracy.mae(actual, point),
        "rmse": accuracy.rmse(actual, point),
        "smape": accuracy.smape(actual, point),
        "mase": accuracy.mase(actual, point, scales),
    }
    return {name: value for name, value in errors.items() if np.isfinite(value)}
