"""How the errors of a forecast hang together from step to step, as far as sample paths need it.

An error is seen as a normal score: how far out it lies in the distribution that the forecast gave for its step. A
share of its variance lasts and is passed on from step to step, the rest is of the step alone. So the errors of a
random walk are told from noise about a level, whose correlation is as large over ten steps as over one, and from both
the errors of sums over the horizon come out right (docs/decisions/0011-sample-paths.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ModelFormatError

Floats = NDArray[np.float64]

NEIGHBOURS = 2
"""Steps on each side whose held-out scores a step shares: with few series one step alone has too few."""

PRIOR = 20.0
"""Scores worth of trust in what is believed before any was seen."""

_FARTHEST = 3.0
"""Size beyond which a normal score counts no more: one series gone astray is not to speak for all."""


@dataclass(frozen=True, slots=True, eq=False)
class Dependence:
    """Correlation of the normal scores of errors.

    Attributes
    ----------
    passed_on : (F - 1,) float64
        Correlation of what lasts of the errors at neighbouring steps, from 0 to 1.
    lasting : float
        Share of the variance that lasts, above 0 and up to 1.
    """

    passed_on: Floats
    lasting: float = 1.0

    def as_settings(self) -> dict[str, Any]:
        """Return what `dependence` reads, for JSON."""
        return {"passed_on": [float(one) for one in self.passed_on], "lasting": self.lasting}

    def ahead(self, h: int) -> Dependence:
        """Return the dependence over `h` steps.

        Beyond the last learned one errors hang together as those of a random walk: there the forecast's distances grow
        as errors that are added up, whatever they did before.
        """
        passed_on = random_walk(h).passed_on
        learned = min(len(passed_on), len(self.passed_on))
        passed_on[:learned] = self.passed_on[:learned]
        return Dependence(passed_on, self.lasting)

    def scores(self, rng: np.random.Generator, series: int, paths: int, h: int) -> Floats:
        """Draw normal scores (series, paths, h); those of the first series do not depend on how many follow."""
        passed_on = self.ahead(h).passed_on
        lasting, alone = np.moveaxis(rng.standard_normal((series, paths, 2, h)), 2, 0)
        for f, passed in enumerate(passed_on):
            lasting[..., f + 1] = passed * lasting[..., f] + np.sqrt(1 - passed * passed) * lasting[..., f + 1]
        drawn: Floats = np.sqrt(self.lasting) * lasting + np.sqrt(1 - self.lasting) * alone
        return drawn


def random_walk(h: int) -> Dependence:
    """Return the dependence of errors that are the sum of as many independent ones as there are steps."""
    steps = np.arange(1, h)
    return Dependence(np.sqrt(steps / (steps + 1)))


def dependence(settings: Mapping[str, Any], h: int) -> Dependence:
    """Return the dependence that `as_settings` wrote.

    Raises
    ------
    ModelFormatError
        It is not of that form.
    """
    try:
        passed_on, lasting = np.array(settings["passed_on"], np.float64), float(settings["lasting"])
        right = passed_on.shape == (h - 1,) and 0 < lasting <= 1
    except (KeyError, TypeError, ValueError, OverflowError):
        right = False
    if not right or not ((passed_on >= 0) & (passed_on <= 1)).all():
        raise ModelFormatError("the dependence between steps is not of the expected form; train the model anew.")
    return Dependence(passed_on, lasting)


def learn_dependence(scores: Floats, prior: Dependence | None = None) -> Dependence:
    """Return the dependence of held-out errors, given as normal scores (N, F), NaN where missing.

    Few of them move it little from the `prior`'s, by default a random walk's. Errors that turn around from step to step
    count as independent.
    """
    h = scores.shape[1]
    believed = (prior or random_walk(h)).ahead(h)
    if h == 1:
        return believed
    known = ~np.isnan(scores)
    scores = np.clip(np.where(known, scores, 0.0), -_FARTHEST, _FARTHEST)
    both = known[:, :-1] & known[:, 1:]
    early, late = scores[:, :-1] * both, scores[:, 1:] * both
    # Not about their mean: an error that all series have in common is one of the forecast, and lasts or not.
    products = (early * late).sum(axis=0)
    sizes = np.sqrt((early * early).sum(axis=0) * (late * late).sum(axis=0))
    before = believed.lasting * believed.passed_on
    nearby = before.copy()
    for f in range(h - 1):
        shared = slice(max(0, f - NEIGHBOURS), f + NEIGHBOURS + 1)
        nearby[f] += (products - before * sizes)[shared].sum() / (sizes[shared].sum() + PRIOR)
    nearby = np.clip(nearby, 0.0, 1.0)
    lasting = _lasting(nearby, scores, known, believed.lasting)
    return Dependence(np.minimum(nearby / lasting, 1.0), lasting)


def _lasting(nearby: Floats, scores: Floats, known: NDArray[np.bool_], believed: float) -> float:
    """Return the share under which the sums of errors vary as those of the held-out ones did.

    nearby (F - 1,) is the correlation of neighbours, which stays: the smaller the share, the slower what lasts fades,
    so steps far apart hang together more. Without it, by neighbours alone, the interval of the sum of 14 values that
    are noise about a level would be 0.6 times as wide as it has to be. Few scores leave it near the share `believed`.
    """
    deviations = np.sqrt((scores * scores).sum(axis=0) / np.maximum(known.sum(axis=0), 1))
    scores = scores / np.where(deviations > 0, deviations, 1.0)
    products = (scores.sum(axis=1) ** 2 - (scores * scores).sum(axis=1)).sum() / 2  # of all pairs of steps
    seen, h = known.sum(axis=1), known.shape[1]
    series = (seen * (seen - 1)).sum() / (h * (h - 1))
    shares = np.linspace(1.0, 0.01, 100)
    shares = shares[shares >= nearby.mean()]
    before, correlations = np.zeros_like(shares), np.zeros_like(shares)
    for one in nearby:
        before = np.minimum(one / shares, 1.0) * (before + 1)  # correlations of a step with all before it
        correlations += shares * before
    expected = correlations[np.argmin(np.abs(shares - believed))]
    wanted = (products + PRIOR * expected) / (series + PRIOR)
    return float(shares[np.argmin(np.abs(correlations - wanted))])
