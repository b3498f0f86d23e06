"""The season of a series: what returns every m steps, on the network's scale, where it adds.

Classical decomposition: each value minus the moving average over one season around it, averaged over equal phases. The
averages are noisy where few seasons were seen, so they are shrunk towards none, the less the more of the variance they
explain (James-Stein; for seasonal factors D. Miller and D. Williams, 2003). A series without a season gets none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Seasonality:
    """The seasons of N series.

    Attributes
    ----------
    profiles : (K, m) float64
        What each phase adds; sums to zero. The first, of zeros, is for all series too short to have one: there may be
        many of them, and a season may be long.
    rows : (N,) int64
        Which of the profiles each series has.
    phases : (N,) int64
        Phase of the first value of each series.
    """

    profiles: Floats
    rows: Integers
    phases: Integers

    def at(self, series: Integers, places: Integers) -> Floats:
        """Return what the season adds at `places` (0 is the first value) of `series`, shapes that broadcast."""
        added: Floats = self.profiles[self.rows[series], (self.phases[series] + places) % self.profiles.shape[1]]
        return added

    def later(self, steps: Integers) -> Seasonality:
        """Return the seasons of the same series without their first `steps` (N,) values."""
        return Seasonality(self.profiles, self.rows, (self.phases + steps) % self.profiles.shape[1])


def find_seasons(values: Floats, known: NDArray[np.bool_], offsets: Integers, season: int) -> Seasonality:
    """Return the seasons of `season` steps in series that lie one after the other.

    Parameters
    ----------
    values : (total,) float64
        The scaled series, without gaps.
    known : (total,) bool
        Which of them may have a say.
    offsets : (N + 1,) int64
        Where each series begins.
    season : int
        Steps of a season; 1 for none.
    """
    lengths = np.diff(offsets)
    count = len(lengths)
    nothing = np.zeros(count, np.int64)
    if season == 1 or not len(values):
        return Seasonality(np.zeros((1, season)), nothing, nothing)
    series = np.repeat(np.arange(count), lengths)
    places = np.arange(len(values)) - offsets[series]
    ends = np.zeros(count, np.int64)  # after the last value that is known: what follows is nobody's to look at
    np.maximum.at(ends, series[known], places[known] + 1)
    values = np.where(places < ends[series], values, 0.0)  # nor may it spoil the sums of the series after it
    long = ends >= 2 * season
    rows = np.where(long, np.cumsum(long), 0)
    half = season // 2
    inner = np.flatnonzero(long[series] & (places >= half) & (places < ends[series] - half))
    rest = values[inner] - _moving_average(values, inner, season)
    at, rest = inner[known[inner]], rest[known[inner]]
    row, phase = rows[series[at]], places[at] % season
    shape = (1 + int(long.sum()), season)
    cells = row * season + phase
    seen = np.bincount(cells, minlength=shape[0] * season).reshape(shape)
    sums = np.bincount(cells, rest, shape[0] * season).reshape(shape)
    means = sums / np.maximum(seen, 1)
    total = np.bincount(row, rest * rest, shape[0]).astype(np.float64)
    return Seasonality(_shrunk(means, seen, total), rows, nothing)


def _moving_average(values: Floats, at: Integers, season: int) -> Floats:
    """Return the mean over one season around each place; of an even one the two ends count half."""
    sums = _running_sums(values, season)
    half = season // 2
    if season % 2:
        return sums[at - half] / season
    return (sums[at - half] + 0.5 * (values[at + half] - values[at - half])) / season


def _running_sums(values: Floats, count: int) -> Floats:
    """Return the sum of the `count` values from each place on, as many as there are.

    Of sums of twice as many each time, and not as a difference of running totals: these would carry the rounding of
    all series that lie before, and the forecast of a series would depend on its neighbours in the last digits.
    """
    sums = np.zeros(max(0, len(values) - count + 1))
    doubled, width, begun = values, 1, 0  # `doubled` holds sums of `width` values, `sums` those of the first `begun`
    while width <= count:
        if count & width:
            sums += doubled[begun : begun + len(sums)]
            begun += width
        doubled = doubled[:-width] + doubled[width:]
        width *= 2
    return sums


def _shrunk(means: Floats, seen: Integers, total: Floats) -> Floats:
    """Return the profiles (K, m) from phase means, the number of values in each, and sums of squares (K,)."""
    season = seen.shape[1]
    observed = seen.sum(axis=1)
    explained = (seen * means * means).sum(axis=1)
    left = np.maximum(total - explained, 0.0) / np.maximum(observed - season, 1)
    share = explained / (season - 1)
    # 1 - 1/F, with F the ratio of the two variances, as in an analysis of variance with a factor of m phases.
    trust = np.where(share > left, 1 - left / np.where(share > 0, share, 1.0), 0.0)
    trust[(observed <= season) | (seen.min(axis=1) < 1)] = 0.0
    profiles: Floats = (means - means.mean(axis=1, keepdims=True)) * trust[:, None]
    return profiles
