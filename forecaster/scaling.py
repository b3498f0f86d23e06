"""What is taken out of a series before the network, and put back after it.

The network sees differences from the newest value (``kernels/windows.py``), so only the scale has to be settled here,
once for each series: the logarithm where changes are relative, or division by the mean size of the values where there
are zeros, negative values or jumps over orders of magnitude. Volatility is not divided out: the size of recent
changes is information (on M4 yearly, dividing by it made OWA .91 instead of .80).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.panel import Panel
from forecaster.seasonality import Seasonality, find_seasons

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

RULE = "level-anchored logarithm, or division by the mean size where values are not positive"
"""The rule in words: a model trained by another one cannot be read."""

_LARGEST_LOG_STEP = 1.5
"""Root mean square of the changes of the logarithm from which on a positive series is treated as linear."""

_SMALLEST = 5e-324
"""The smallest float64 above zero."""

_LOWEST_EXPONENT, _LARGEST_EXPONENT = -745.0, 709.7827
"""exp of less is zero, of more would leave float64; such a forecast is held there, finite."""

_LARGEST = float(np.finfo(np.float64).max)

_FARTHEST = 1e15
"""The largest scaled value of a linear series. Its own are no more than their number; one that comes later may be
anything, and its square has to stay within float32.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Scaling:
    """The scale of each of N series.

    Attributes
    ----------
    logarithm : (N,) bool
        Whether the series is seen through its logarithm.
    unit : (N,) float64
        What a linear series is divided by; 1 for the others.
    floor : (N,) float64
        What forecasts do not go below: 0 for a series that never did, else minus infinity.
    """

    logarithm: NDArray[np.bool_]
    unit: Floats
    floor: Floats

    def scale(self, values: Floats, series: NDArray[np.int64]) -> Floats:
        """Return `values` on the network's scale; `series` tells which one each belongs to."""
        if self.logarithm.all():  # most tables: half the time
            return np.log(np.maximum(values, _SMALLEST))
        logarithm = self.logarithm[series]
        with np.errstate(over="ignore"):
            scaled = np.clip(values / self.unit[series], -_FARTHEST, _FARTHEST)
        # A later value may be zero or negative where the known ones were not: far below all of them, but finite.
        scaled[logarithm] = np.log(np.maximum(values[logarithm], _SMALLEST))
        return scaled

    def restore(self, scaled: Floats) -> Floats:
        """Return values (N, ...) in the series' own units."""
        shape = (-1,) + (1,) * (scaled.ndim - 1)
        if self.logarithm.all():
            grown = np.clip(scaled, _LOWEST_EXPONENT, _LARGEST_EXPONENT)
            return np.maximum(np.exp(grown, out=grown), self.floor.reshape(shape), out=grown)
        logarithm = self.logarithm.reshape(shape)
        grown = np.exp(np.clip(np.where(logarithm, scaled, 0.0), _LOWEST_EXPONENT, _LARGEST_EXPONENT))
        with np.errstate(over="ignore"):  # of a series near the largest float64; held there, finite
            stretched = np.clip(scaled * self.unit.reshape(shape), -_LARGEST, _LARGEST)
        return np.maximum(np.where(logarithm, grown, stretched), self.floor.reshape(shape))

    def shows(self, values: Floats, series: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which of `values` the scale can show: all but zero and negative ones on a logarithm."""
        return ~self.logarithm[series] | (values > 0)

    def select(self, indices: NDArray[np.int64]) -> Scaling:
        """Return the scales of these series."""
        return Scaling(self.logarithm[indices], self.unit[indices], self.floor[indices])


def fit_scaling(panel: Panel, *, held_out: int = 0) -> Scaling:
    """Return the scale of each series, from its own values but the last `held_out`; its first one always counts."""
    if not len(panel):
        return Scaling(np.zeros(0, np.bool_), np.ones(0), np.zeros(0))
    values, counts = _known(panel, held_out)
    firsts = np.cumsum(counts) - counts
    least = np.minimum.reduceat(values, firsts)
    logarithm = least > 0
    # Changes of the logarithm between known values; the first of a series has none before it.
    steps = np.log(values if logarithm.all() else np.where(np.repeat(logarithm, counts), values, 1.0))
    np.subtract(steps[1:], steps[:-1], out=steps[1:])
    steps[firsts] = 0.0
    rough = np.sqrt(np.add.reduceat(np.square(steps, out=steps), firsts) / np.maximum(counts - 1, 1))
    logarithm &= rough < _LARGEST_LOG_STEP
    unit = np.ones(len(counts))
    if not logarithm.all():
        unit[~logarithm] = _sizes(values[np.repeat(~logarithm, counts)], counts[~logarithm])
    return Scaling(logarithm, unit, np.where(least >= 0, 0.0, -np.inf))


def _known(panel: Panel, held_out: int) -> tuple[Floats, Integers]:
    """Return the values that a scale is fitted to, one series after the other, and how many each series has."""
    known = ~np.isnan(panel.values)
    if held_out:
        ends = panel.offsets[:-1] + np.maximum(panel.lengths - held_out, 1)
        known &= np.arange(len(known)) < np.repeat(ends, panel.lengths)
    if known.all():
        return panel.values, panel.lengths
    return panel.values[known], np.add.reduceat(known, panel.offsets[:-1], dtype=np.int64)


def _sizes(values: Floats, counts: Integers) -> Floats:
    """Return the mean size of the values of each series, of which each has so many; 1 where all are zero."""
    firsts, series = np.cumsum(counts) - counts, np.repeat(np.arange(len(counts)), counts)
    # As a share of the largest: the sum of values near the largest float64 would be infinite.
    sizes = np.abs(values)
    largest = np.maximum.reduceat(sizes, firsts)
    shares = np.bincount(series, sizes / np.where(largest > 0, largest, 1.0)[series]) / counts
    size = np.where(largest * shares > 0, largest * shares, largest)
    return np.where(size == 0, 1.0, size)


@dataclass(frozen=True, slots=True, eq=False)
class ScaledPanel:
    """A panel on the network's scale, its scales beside it.

    Attributes
    ----------
    filled : (total,) float64
        Scaled values; over a gap the last one is carried on, so that "no change" is what the network sees there.
    observed : (total,) bool
        Where there was a value; the rest never counts as a target.
    offsets : (N + 1,) int64
        Where each series begins.
    scaling : Scaling
        How to come back.
    seasonality : Seasonality, optional
        The seasons of the series, for networks that see them without.
    """

    filled: Floats
    observed: NDArray[np.bool_]
    offsets: Integers
    scaling: Scaling
    seasonality: Seasonality | None = None

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.offsets) - 1

    @property
    def volatility(self) -> Floats:
        """Mean size of a one-step change of each series, (N,); never quite zero."""
        steps = np.zeros_like(self.filled)
        np.abs(self.filled[1:] - self.filled[:-1], out=steps[1:])
        steps[self.offsets[:-1]] = 0.0
        sums = np.add.reduceat(steps, self.offsets[:-1])
        means: Floats = sums / np.maximum(np.diff(self.offsets) - 1, 1)
        return np.maximum(means, 1e-9)

    def without_season(self) -> ScaledPanel:
        """Return the panel with what the seasons add taken out of it."""
        if self.seasonality is None:
            return self
        lengths = np.diff(self.offsets)
        series = np.repeat(np.arange(len(self)), lengths)
        filled = self.filled - self.seasonality.at(series, np.arange(len(series)) - self.offsets[series])
        return ScaledPanel(filled, self.observed, self.offsets, self.scaling)

    def season_after(self, series: Integers, ends: Integers, h: int) -> Floats:
        """Return what the seasons add to the `h` steps (B, h) after positions `ends` (B,) of `series` (B,)."""
        if self.seasonality is None:
            return np.zeros((len(series), h))
        return self.seasonality.at(series[:, None], (ends - self.offsets[series])[:, None] + np.arange(1, h + 1))

    def tail(self, count: int) -> ScaledPanel:
        """Return the last `count` values of every series, or all where there are fewer."""
        lengths = np.diff(self.offsets)
        if lengths.max(initial=0) <= count:
            return self
        lengths = np.minimum(lengths, count)
        places = np.repeat(self.offsets[1:] - np.cumsum(lengths), lengths) + np.arange(lengths.sum())
        offsets = np.concatenate(([0], np.cumsum(lengths)))
        later = None if self.seasonality is None else self.seasonality.later(np.diff(self.offsets) - lengths)
        return ScaledPanel(self.filled[places], self.observed[places], offsets, self.scaling, later)

    def extended(self, values: Floats) -> ScaledPanel:
        """Return the panel with the scaled `values` (N, n) appended to the series, as if they had been observed."""
        count = values.shape[1]
        at = np.repeat(self.offsets[1:], count)
        return ScaledPanel(
            np.insert(self.filled, at, values.ravel()),
            np.insert(self.observed, at, True),
            self.offsets + count * np.arange(len(self.offsets)),
            self.scaling,
            self.seasonality,
        )


def scale_panel(panel: Panel, *, season: int = 1, held_out: int = 0) -> ScaledPanel:
    """Scale `panel`; every series must begin with an observed value, as `Panel` sees to.

    The last `held_out` values have no say in the scales and seasons (of `season` steps), or training would know of
    them. One that its series' scale cannot show, such as the first zero of a series on a logarithm, counts as missing.
    """
    scaling = fit_scaling(panel, held_out=held_out)
    series = np.repeat(np.arange(len(panel)), panel.lengths)
    values, observed = panel.values, ~np.isnan(panel.values)
    if held_out:
        observed &= scaling.shows(values, series)
    if not observed.all():
        values = values[np.maximum.accumulate(np.where(observed, np.arange(len(observed)), 0))]
    filled = scaling.scale(values, series)
    known = observed
    if held_out:
        known = observed & (np.arange(len(series)) < panel.offsets[1:][series] - held_out)
    return ScaledPanel(filled, observed, panel.offsets, scaling, find_seasons(filled, known, panel.offsets, season))
