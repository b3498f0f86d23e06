"""The held-out horizon: which series have one, and what a trained network is worth on it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from forecaster import accuracy
from forecaster.baselines import seasonal_naive
from forecaster.engine import Engine
from forecaster.executors import Executor
from forecaster.intervals import Calibration, calibrate, least_spread, typical_spreads, uncalibrated
from forecaster.panel import Panel
from forecaster.prediction import can_teach, future_quantiles
from forecaster.scaling import Floats, Integers, scale_panel

BESIDE = "_seasonal_naive"
"""What the names of errors end in which are those of the seasonal naive on the same values."""

_WORTH = 500.0
"""Scores that many horizons of base weights are worth beside the one horizon of weights adapted to it: those of 100
series, which each share them with the steps beside.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What the held-out horizon says.

    Attributes
    ----------
    calibration : Calibration
        How far the intervals have to be stretched.
    accuracy : dict of str to float, or None
        Errors of the point forecasts, and those of the seasonal naive beside them (`mae_seasonal_naive`, …); None when
        nothing was held out.
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


def judge(
    engine: Engine,
    panel: Panel,
    season: int,
    executor: Executor,
    *,
    cutoffs: int = 1,
    prior: Verdict | None = None,
) -> Verdict:
    """Forecast the last horizon of `panel` from what came before, and compare.

    Parameters
    ----------
    engine : Engine
        Forecasts.
    panel : Panel
        Series that can spare their last horizon (`judges`).
    season : int
        Steps of a season, for MASE.
    executor : Executor
        Runs the batches.
    cutoffs : int
        How many horizons, going back from the end, the intervals are calibrated on: more than one is for an engine that
        has learned from none of them.
    prior : Verdict, optional
        What the intervals are known to need: from other series, or from what these series said of the engine before it
        learned from them, which then has spreads.
    """
    h, probabilities = engine.horizon, engine.probabilities
    if not len(panel):
        return Verdict(uncalibrated(h) if prior is None else replace(prior.calibration, judged=False), None)
    trials = [_Trial(engine, panel, executor)]
    for back in range(h, cutoffs * h, h):
        earlier = panel.select(np.flatnonzero(panel.lengths > back)).head(back)
        able = judges(earlier, h)
        if not len(able):
            break
        trials.append(_Trial(engine, earlier.select(able), executor))
    quantiles, target, least = (
        np.concatenate([getattr(one, name) for one in trials]) for name in ("quantiles", "target", "least")
    )
    newest = trials[0]
    point = newest.scaled.scaling.restore(newest.quantiles[..., probabilities.index(0.5)])
    spreads = typical_spreads(newest.quantiles, probabilities, newest.least)
    if prior is None:
        fitted = calibrate(quantiles, probabilities, target, least)
    elif prior.spreads is None:
        fitted = calibrate(quantiles, probabilities, target, least, prior.calibration, cautious=True)
    else:
        moved = prior.calibration.moved(prior.spreads, spreads)
        fitted = calibrate(quantiles, probabilities, target, least, moved, worth=_WORTH)
    return Verdict(fitted, _errors(newest.known, newest.actual, point, season), spreads)


def judged_before(verdict: Verdict, engine: Engine, panel: Panel, executor: Executor) -> Verdict:
    """Return the verdict on networks that have since learned more, also from the values that were held out.

    Their distances from the median have changed; stretched, they are to be what they were when they were judged.
    """
    if verdict.spreads is None:
        return verdict
    now = _Trial(engine, panel, executor)
    spreads = typical_spreads(now.quantiles, engine.probabilities, now.least)
    return replace(verdict, calibration=verdict.calibration.moved(verdict.spreads, spreads))


class _Trial:
    """What an engine says of the last horizon of a panel, from what came before it.

    Attributes
    ----------
    known, scaled : Panel, ScaledPanel
        What came before.
    actual, target : (N, h) float64
        What came then, and the same on the scale of the network.
    quantiles : (N, h, Q) float64
        What the engine said, on that scale.
    least : (N, h) float64
        The distance below which it is not believed.
    """

    def __init__(self, engine: Engine, panel: Panel, executor: Executor) -> None:
        h = engine.horizon
        self.known, self.actual = panel.head(h), panel.tail_values(h)
        self.scaled = scale_panel(self.known, season=engine.season)
        self.quantiles = future_quantiles(engine, self.scaled, h, executor)
        self.least = least_spread(self.scaled.volatility, h, engine.probabilities)
        everyone = np.repeat(np.arange(len(panel)), h)
        self.target = self.scaled.scaling.scale(self.actual.ravel(), everyone).reshape(self.actual.shape)


@np.errstate(over="ignore")  # errors that float64 cannot hold are left out
def _errors(known: Panel, actual: Floats, point: Floats, season: int) -> dict[str, float]:
    """Return the errors of the forecasts and, with a suffix to their names, those of the seasonal naive beside them."""
    histories = [known.series(i) for i in range(len(known))]
    scales = accuracy.seasonal_scales(histories, season)
    simple = np.array([seasonal_naive(history, season, actual.shape[1])[0] for history in histories])
    errors = _measures(actual, point, scales)
    errors |= {f"{name}{BESIDE}": value for name, value in _measures(actual, simple, scales).items()}
    return {name: value for name, value in errors.items() if np.isfinite(value)}


def _measures(actual: Floats, point: Floats, scales: Floats) -> dict[str, float]:
    return {
        "mae": accuracy.mae(actual, point),
        "rmse": accuracy.rmse(actual, point),
        "smape": accuracy.smape(actual, point),
        "mase": accuracy.mase(actual, point, scales),
    }
