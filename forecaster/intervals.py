"""From the quantiles of the head to calibrated intervals of any level.

The head gives a few quantiles; a level between them is interpolated on the scale of the normal distribution, beyond
them carried on along it. The distances from the median are then stretched by a factor for each level and step that is
learned on the held-out horizon (split conformal prediction, V. Vovk et al. 2005; on quantiles, Y. Romano et al.
2019): the smallest factor with which the stated share of held-out values would have been inside. The same values tell
how errors hang together from step to step (`dependence`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.dependence import NEIGHBOURS, PRIOR, Dependence, dependence, learn_dependence, random_walk
from forecaster.errors import ModelFormatError

Floats = NDArray[np.float64]

LEVELS = (50.0, 80.0, 90.0, 95.0, 99.0)
"""Levels the factors are learned for; those between are interpolated."""

_CALM = 0.5
"""Trust in values that ask for narrower intervals than many other series needed: the calm may end. Daily departures
before the holidays asked for 80 % intervals that then held 66 %, with this 72 %.
"""

_USUAL = LEVELS.index(80.0)
"""The level whose distances errors are measured by, where one has to do for all."""

_LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """What held-out errors say of later ones.

    Attributes
    ----------
    factors : (levels, F) float64
        How far the distances from the median are stretched, for `LEVELS`.
    dependence : Dependence
        How errors hang together from step to step.
    judged : bool
        Whether a held-out horizon of the series that were learned from had a say.
    """

    factors: Floats
    dependence: Dependence
    judged: bool = True

    def as_settings(self) -> dict[str, Any]:
        """Return what `calibration` reads, for JSON."""
        return {
            "levels": list(LEVELS),
            "factors": [[float(f) for f in row] for row in self.factors],
            "dependence": self.dependence.as_settings(),
        }

    def moved(self, before: Floats, after: Floats) -> Calibration:
        """Return the calibration under which typical distances `after` (levels, F) come out as those `before` did."""
        return replace(self, factors=self.factors * before / after)

    def ahead(self, h: int) -> Calibration:
        """Return the calibration for a horizon of `h` steps; steps beyond the last learned one take its factor."""
        steps = np.minimum(np.arange(h), self.factors.shape[1] - 1)
        return replace(self, factors=self.factors[:, steps], dependence=self.dependence.ahead(h))

    def at(self, level: float, h: int) -> Floats:
        """Return the factor of each of `h` steps at `level`; steps beyond the last learned one take its factor."""
        right, weight = _between(tuple(0.5 + one / 200 for one in LEVELS), 0.5 + level / 200)
        weight = min(max(weight, 0.0), 1.0)  # beyond the learned levels the nearest one's factors hold
        factors: Floats = self.factors[right - 1] + weight * (self.factors[right] - self.factors[right - 1])
        steps: Floats = factors[np.minimum(np.arange(h), len(factors) - 1)]
        return steps


def uncalibrated(h: int) -> Calibration:
    """Return factors of 1, and the dependence of a random walk."""
    return Calibration(np.ones((len(LEVELS), h)), random_walk(h), judged=False)


def calibration(settings: Mapping[str, Any], h: int, *, judged: bool) -> Calibration:
    """Return the calibration that `as_settings` wrote.

    Raises
    ------
    ModelFormatError
        It is not of that form.
    """
    try:
        factors, steps = np.array(settings["factors"], np.float64), settings["dependence"]
        right = list(settings["levels"]) == list(LEVELS) and factors.shape == (len(LEVELS), h)
    except (KeyError, TypeError, ValueError, OverflowError):
        right = False
    if not right or not np.isfinite(factors).all() or (factors <= 0).any():
        raise ModelFormatError("the calibration of the intervals is not of the expected form; train the model anew.")
    return Calibration(factors, dependence(steps, h), judged)


def spreads(quantiles: Floats, probabilities: tuple[float, ...], level: float, least: Floats) -> tuple[Floats, Floats]:
    """Return the distances (N, h) from the median down and up to the ends of the interval, not calibrated.

    quantiles (N, h, Q) ascend along the last axis; least (N, h) comes from `least_spread`.
    """
    bound = NormalDist().inv_cdf(0.5 + level / 200) * least
    if len(probabilities) == 1:
        return bound, bound
    middle = quantiles[..., probabilities.index(0.5)]
    tail = (1 - level / 100) / 2
    down = middle - _quantile(quantiles, probabilities, tail)
    up = _quantile(quantiles, probabilities, 1 - tail) - middle
    return np.maximum(down, bound), np.maximum(up, bound)


def least_spread(volatility: Floats, h: int, probabilities: tuple[float, ...]) -> Floats:
    """Return the deviation (N, h) of the normal distribution below whose quantiles the head's are not believed.

    volatility (N,) is the mean size of a one-step change. A head with the median alone says nothing of its own; there
    that of a random walk takes its place.
    """
    walk = _walk(volatility, h)
    return walk if len(probabilities) == 1 else 0.05 * walk


def calibrate(
    quantiles: Floats,
    probabilities: tuple[float, ...],
    actual: Floats,
    least: Floats,
    prior: Calibration | None = None,
    *,
    worth: float = PRIOR,
    cautious: bool = False,
) -> Calibration:
    """Return the factors under which the intervals would have covered `actual` (N, F; NaN where missing).

    quantiles (N, F, Q) and actual are on one scale; least (N, F) comes from `least_spread`. The fewer values there are,
    the nearer the factors stay to those of the `prior`, which is `worth` so many scores; without one to 1, the head's
    own quantiles. If `cautious`, what asks for narrower intervals than the prior's is half believed.
    """
    h = actual.shape[1]
    factors = np.ones((len(LEVELS), h))
    known = factors if prior is None else prior.factors
    for row, level in enumerate(LEVELS):
        scores = np.abs(_errors(quantiles, probabilities, level, actual, least))
        for f in range(h):
            near = scores[:, max(0, f - NEIGHBOURS) : f + NEIGHBOURS + 1]
            factors[row, f] = _conformal_factor(near[~np.isnan(near)], level, known[row, f], worth)
    if cautious:
        factors = np.where(factors < known, factors**_CALM * known ** (1 - _CALM), factors)
    level = LEVELS[_USUAL]
    errors = _errors(quantiles, probabilities, level, actual, least) / factors[_USUAL]
    return Calibration(
        factors,
        learn_dependence(NormalDist().inv_cdf(0.5 + level / 200) * errors, None if prior is None else prior.dependence),
    )


def typical_spreads(quantiles: Floats, probabilities: tuple[float, ...], least: Floats) -> Floats:
    """Return the distances (levels, F) that `calibrate` stretches: geometric means over the series and both sides."""
    sides = (spreads(quantiles, probabilities, level, least) for level in LEVELS)
    typical: Floats = np.exp([np.log(both).mean(axis=(0, 1)) for both in sides])
    return typical


def intervals(
    quantiles: Floats, probabilities: tuple[float, ...], levels: tuple[float, ...], by: Calibration, volatility: Floats
) -> tuple[Floats, Floats]:
    """Return the calibrated distances (N, levels, h) down and up from the median; `levels` ascend.

    volatility (N,) is as for `least_spread`. Where nothing was held out, no distance is smaller than that of the last
    value as a forecast. A higher level never gets the smaller distance, so intervals lie inside each other.
    """
    count, h = quantiles.shape[:2]
    least = least_spread(volatility, h, probabilities)
    sides = np.empty((2, count, len(levels), h))
    for row, level in enumerate(levels):
        sides[:, :, row] = spreads(quantiles, probabilities, level, least)
        sides[:, :, row] *= by.at(level, h)
        if not by.judged:
            naive = NormalDist().inv_cdf(0.5 + level / 200) * _walk(volatility, h)
            sides[:, :, row] = np.maximum(sides[:, :, row], naive)
    down, up = np.maximum.accumulate(sides, axis=2)
    return down, up


def never_narrower(point: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
    """Return the ends (N, levels, h) of intervals, each as far from point (N, h) as the farthest of the steps before.

    For a head that no held-out value was held against, in the units of the series: what it learned from a handful of
    values may shrink from step to step, as no uncertainty does.
    """
    point = point[:, None]
    with np.errstate(over="ignore"):  # of a series near the largest float64; held there, finite
        down, up = (np.maximum.accumulate(side, axis=-1) for side in (point - lower, upper - point))
        return np.maximum(point - down, -_LARGEST), np.minimum(point + up, _LARGEST)


def _errors(quantiles: Floats, probabilities: tuple[float, ...], level: float, actual: Floats, least: Floats) -> Floats:
    """Return the errors (N, F) of the median as multiples of the distance at `level`, not calibrated, on their side."""
    down, up = spreads(quantiles, probabilities, level, least)
    errors = actual - quantiles[..., probabilities.index(0.5)]
    with np.errstate(over="ignore"):  # infinitely far outside is a score like others, see _conformal_factor
        multiples: Floats = errors / np.where(errors < 0, down, up)
    return multiples


def _walk(volatility: Floats, h: int) -> Floats:
    """Return the deviation (N, h) of the error of the last value as a forecast of a random walk.

    The mean size of its normal steps is `volatility`, sqrt(2 / pi) of their deviation.
    """
    deviation: Floats = np.sqrt(np.pi / 2) * volatility[:, None] * np.sqrt(np.arange(1, h + 1))
    return deviation


def _conformal_factor(scores: Floats, level: float, prior: float, worth: float) -> float:
    """Return the factor that held-out `scores` ask for; a few of them move it little from the `prior`."""
    count = scores.size
    if not count:
        return prior
    rank = int(np.ceil((count + 1) * level / 100))
    raw = float(np.sort(scores)[min(rank, count) - 1])
    trust = count / (count + worth)
    return float(np.exp(trust * np.log(np.clip(raw, 0.05, 20.0)) + (1 - trust) * np.log(prior)))


def _quantile(quantiles: Floats, probabilities: tuple[float, ...], p: float) -> Floats:
    """Return the quantile at `p`, linear in the normal score between and beyond the known ones."""
    right, weight = _between(probabilities, p)
    result: Floats = quantiles[..., right - 1] + weight * (quantiles[..., right] - quantiles[..., right - 1])
    return result


@lru_cache(maxsize=1024)
def _between(probabilities: tuple[float, ...], p: float) -> tuple[int, float]:
    """Return between which two of the known probabilities `p` lies, by the right one, and how far, in normal scores."""
    normal = NormalDist().inv_cdf
    right = min(max(bisect_left(probabilities, p), 1), len(probabilities) - 1)
    left_z, right_z = normal(probabilities[right - 1]), normal(probabilities[right])
    return right, (normal(p) - left_z) / (right_z - left_z)
