"""The next steps, as many as are asked for, of the series that can be forecast: quantiles, and from them a forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from forecaster.engine import Engine
from forecaster.errors import TooShortError
from forecaster.executors import Executor, Threads
from forecaster.forecast import Forecast
from forecaster.intervals import Calibration, intervals, never_narrower
from forecaster.panel import Panel
from forecaster.scaling import Floats, Integers, ScaledPanel, Scaling, scale_panel

LEAST_OBSERVED = 2
"""Values without which a series is not forecast."""

FEW_VALUES = 10
"""With fewer beside two seasons a series gets intervals that are never narrower than those of the steps before."""

_FEW_SERIES = 64
"""Up to as many series are forecast by the calling thread: handing them to others costs more than it saves."""


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What networks say of the next h steps of N series, and what it takes to bring it into the series' own units.

    Attributes
    ----------
    quantiles : (N, h, Q) float64
        On the networks' scale, ascending.
    probabilities : tuple of float
        Which quantiles they are.
    volatility : (N,) float64
        Mean size of a one-step change, on that scale.
    scaling : Scaling
        The way back.
    brief : (N,) bool
        Which series are too brief to say that what is farther ahead is more certain.
    """

    quantiles: Floats
    probabilities: tuple[float, ...]
    volatility: Floats
    scaling: Scaling
    brief: NDArray[np.bool_]

    def select(self, indices: Integers) -> Outlook:
        """Return the outlook of these series."""
        return Outlook(
            self.quantiles[indices],
            self.probabilities,
            self.volatility[indices],
            self.scaling.select(indices),
            self.brief[indices],
        )

    def ends(self, by: Calibration, levels: tuple[float, ...]) -> tuple[Floats, Floats, Floats]:
        """Return the median (N, h) and the calibrated ends (N, levels, h) of the intervals, in the series' own units.

        `levels` ascend.
        """
        down, up = intervals(self.quantiles, self.probabilities, levels, by, self.volatility)
        middle = self.quantiles[..., None, :, self.probabilities.index(0.5)]
        ends = np.concatenate((middle, middle - down, middle + up), axis=1)
        values = self.scaling.restore(ends)
        point, lower, upper = values[:, 0], values[:, 1 : 1 + len(levels)], values[:, 1 + len(levels) :]
        unsure = self.brief if by.judged else np.ones(len(point), np.bool_)
        if unsure.any():
            lower[unsure], upper[unsure] = never_narrower(point[unsure], lower[unsure], upper[unsure])
            lower[unsure] = np.maximum(lower[unsure], self.scaling.floor[unsure, None, None])
        return point, lower, upper


def forecast_panel(
    engine: Engine, by: Calibration, panel: Panel, h: int, levels: tuple[float, ...], threads: int | None
) -> Forecast:
    """Return the median and the intervals, calibrated and in their own units, of the series that can be forecast.

    Raises
    ------
    TooShortError
        There are none.
    """
    usable, skipped = forecastable(panel)
    point, lower, upper = look_ahead(engine, usable, h, threads).ends(by, levels)
    return Forecast(
        ids=usable.ids,
        times=usable.future_times(h),
        frequency=usable.frequency,
        point=point,
        levels=levels,
        lower=lower,
        upper=upper,
        skipped=skipped,
        timezone=usable.timezone,
        alias=engine.cell.upper(),
    )


def look_ahead(engine: Engine, panel: Panel, h: int, threads: int | None) -> Outlook:
    """Return the outlook on the next `h` steps of series that can be forecast."""
    scaled = scale_panel(panel, season=engine.season)
    with executor_for(panel, threads) as executor:
        quantiles = future_quantiles(engine, scaled, h, executor)
    brief = panel.observed < 2 * engine.season + FEW_VALUES
    return Outlook(quantiles, engine.probabilities, scaled.volatility, scaled.scaling, brief)


def executor_for(panel: Panel, threads: int | None) -> Threads:
    """Return where the passes of these series are to run."""
    return Threads(threads if len(panel) > _FEW_SERIES else 1)


def future_quantiles(engine: Engine, panel: ScaledPanel, h: int, executor: Executor) -> Floats:
    """Return the scaled quantiles (N, h, Q), ascending, of the `h` steps after the end of each series.

    A horizon longer than the network's is reached by letting its medians stand for observed values. What is uncertain
    at the last step of one stretch stays so in the next: the distances from the median add up as independent errors
    do.
    """
    middle = engine.probabilities.index(0.5)
    if h > engine.horizon or engine.season > 1:  # else the windows that are cut from it are all that is looked at
        panel = panel.tail(engine.reach)
    everyone = np.arange(len(panel))
    pieces: list[Floats] = []
    done = 0
    while done < h:
        quantiles = engine.quantiles(panel, everyone, panel.offsets[1:] - 1, executor)
        medians = quantiles[..., middle : middle + 1]
        if pieces:
            before = pieces[-1][:, -1:] - pieces[-1][:, -1:, middle : middle + 1]
            # The side is a matter of the quantile: one that equals the median still keeps the distance it came with.
            side = np.sign(np.arange(quantiles.shape[2]) - middle)
            distances = side * np.hypot(quantiles - medians, before)
            quantiles = medians + distances
        pieces.append(quantiles)
        done += quantiles.shape[1]
        if done < h:
            panel = panel.extended(medians[..., 0]).tail(engine.reach)
    return np.concatenate(pieces, axis=1)[:, :h]


def forecastable(panel: Panel, *, learning: int | None = None) -> tuple[Panel, dict[str, str]]:
    """Return the series with enough observed values, and for each of the others the reason.

    Parameters
    ----------
    panel : Panel
        The series.
    learning : int, optional
        The horizon that is to be learned from them.

    Raises
    ------
    TooShortError
        There is none with enough, or none that teaches the last step of the horizon.
    """
    if not len(panel):
        raise TooShortError("There are no series. Give at least one.")
    observed = panel.observed
    enough = observed >= LEAST_OBSERVED
    skipped = {
        panel.ids[i]: f"has {observed[i]} observed values; at least {LEAST_OBSERVED} are needed"
        for i in np.flatnonzero(~enough)
    }
    if not enough.any():
        name, reason = next(iter(skipped.items()))
        advised = "" if learning is None else f" For a horizon of {learning}, {2 * learning + 4} or more are advised."
        error = TooShortError(f"No series is long enough. Series {name!r} {reason}.{advised}", series=name)
        error.skipped = skipped
        raise error
    usable = panel if enough.all() else panel.select(np.flatnonzero(enough))
    if learning is not None and not can_teach(usable, learning):
        longest = int(np.argmax(usable.lengths))
        raise TooShortError(
            f"No series is long enough for a horizon of {learning}: none has two values {learning} steps apart. The "
            f"longest, {usable.ids[longest]!r}, has {usable.lengths[longest]} steps. Give a series of {learning + 1} "
            f"values, better {2 * learning + 4} or more, or choose a shorter horizon.",
            series=usable.ids[longest],
        )
    return usable, skipped


def can_teach(panel: Panel, h: int) -> bool:
    """Return whether a series of `panel` has two observed values at least `h` steps apart.

    Without one the last of `h` steps never has a target. One series is enough: the network is one for all, and the
    others teach the steps they have. A gap may swallow the target, and is let pass (seven values at both ends of a
    month still give a forecast of a week): such steps stay near "no change", and their intervals wide.
    """
    if not len(panel):
        return False
    places = np.where(np.isnan(panel.values), -1, np.arange(len(panel.values)))
    latest = np.maximum.reduceat(places, panel.offsets[:-1]) - panel.offsets[:-1]  # the first value is observed
    return bool((latest >= h).any())
