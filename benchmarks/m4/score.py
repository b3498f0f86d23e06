"""The competition's scores: sMAPE, MASE and, of the two against Naive2, OWA; MSIS and coverage of 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.m4.data import Floats, Series
from forecaster import Panel

_LEVEL = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """What one method gets on each of N series; a series that never changes has no MASE and no MSIS."""

    smape: Floats
    mase: Floats
    msis: Floats
    coverage: Floats


def score(series: Series, point: Floats, lower: Floats, upper: Floats) -> Scores:
    """Return the scores of forecasts (N, h)."""
    actual = series.actual
    scale = in_sample_scale(series.panel, series.kind.scored_season)
    smape = 200 * np.abs(actual - point) / np.maximum(np.abs(actual) + np.abs(point), 1e-300)
    outside = np.maximum(lower - actual, 0) + np.maximum(actual - upper, 0)
    interval = (upper - lower) + 2 / (1 - _LEVEL) * outside
    return Scores(
        smape.mean(axis=1),
        np.abs(actual - point).mean(axis=1) / scale,
        interval.mean(axis=1) / scale,
        ((actual >= lower) & (actual <= upper)).mean(axis=1),
    )


def naive2_scores(series: Series) -> Scores:
    """Return the scores of Naive2, whose intervals are none."""
    point = naive2(series.panel, series.kind.scored_season, series.kind.horizon)
    return score(series, point, point, point)


def means(scores: list[Scores], naive: list[Scores]) -> dict[str, float]:
    """Return the means over all series of several kinds: averages come first, then OWA, as in the competition."""

    def mean(which: list[Scores], name: str) -> float:
        return float(np.nanmean(np.concatenate([getattr(one, name) for one in which])))

    found = {name: mean(scores, name) for name in ("smape", "mase", "msis", "coverage")}
    owa = 0.5 * (found["smape"] / mean(naive, "smape") + found["mase"] / mean(naive, "mase"))
    return {"owa": owa, **found}


def in_sample_scale(panel: Panel, season: int) -> Floats:
    """Return the mean absolute difference of values one season apart, (N,); NaN where there is none."""
    lengths = panel.lengths
    series = np.repeat(np.arange(len(panel)), lengths)
    at = np.flatnonzero(np.arange(len(series)) - panel.offsets[series] >= season)
    sums = np.bincount(series[at], np.abs(panel.values[at] - panel.values[at - season]), len(panel))
    with np.errstate(invalid="ignore", divide="ignore"):
        scale = sums / np.maximum(lengths - season, 0)
    return np.where(scale > 0, scale, np.nan)


def naive2(panel: Panel, season: int, h: int) -> Floats:
    """Return forecasts (N, h) of Naive2: the last value, with a season where an autocorrelation test finds one.

    The test: the autocorrelation one season back beyond 1.645 of its standard error (M. S. Bartlett). The season:
    classical multiplicative decomposition.
    """
    forecasts = np.repeat(panel.values[panel.offsets[1:] - 1][:, None], h, axis=1)
    if season == 1:
        return forecasts
    weights = np.r_[0.5, np.ones(season - 1), 0.5] / season
    for i in range(len(panel)):
        values = panel.series(i)
        if len(values) < 3 * season or not _is_seasonal(values, season):
            continue
        trend = np.convolve(values, weights, "valid")
        ratios = np.full(-(-len(values) // season) * season, np.nan)
        half = season // 2
        ratios[half : half + len(trend)] = values[half : half + len(trend)] / trend
        factors = np.nanmean(ratios.reshape(-1, season), axis=0)
        factors /= factors.mean()
        phase = len(values) % season
        ahead = factors[(phase + np.arange(h)) % season]
        forecasts[i] = values[-1] / factors[phase - 1] * ahead
    return forecasts


def _is_seasonal(values: Floats, season: int) -> bool:
    centred = values - values.mean()
    total = float(centred @ centred)
    if total == 0:
        return False
    correlation = np.array([centred[k:] @ centred[:-k] for k in range(1, season + 1)]) / total
    limit = 1.645 * np.sqrt((1 + 2 * np.sum(correlation[:-1] ** 2)) / len(values))
    return bool(abs(correlation[-1]) > limit)
