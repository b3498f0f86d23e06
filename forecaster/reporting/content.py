"""What a report tells: the forecast, how good forecasts of these series were before, and how far intervals held."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from forecaster import accuracy
from forecaster.audit import Audit
from forecaster.backtest import Backtest, Fold, Model, rolling_backtest
from forecaster.errors import TooShortError
from forecaster.forecast import Forecast
from forecaster.intervals import LEVELS
from forecaster.model import Forecaster
from forecaster.panel import Panel
from forecaster.prediction import LEAST_OBSERVED
from forecaster.reporting.sources import Source

__all__ = ["Content", "Held", "Method", "Plan", "make_content"]

_TOLD_LEVELS = (*LEVELS, 60.0, 70.0)
"""Levels that the calibration is told for, beside those asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for.

    Attributes
    ----------
    h
        Steps ahead.
    levels
        Of the intervals, in per cent, ascending.
    windows
        Cutoffs of the backtest.
    """

    h: int
    levels: tuple[float, ...]
    windows: int = 3


@dataclass(frozen=True, slots=True)
class Method:
    """How good the forecasts of one method were: `measures` are those of `Backtest.table`."""

    name: str
    measures: Mapping[str, float]
    errors: NDArray[np.float64]
    """Mean absolute error on each series; NaN where nothing came."""


@dataclass(frozen=True, slots=True)
class Held:
    """Which share of the values that came lay inside the intervals of a level."""

    level: float
    share: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Content:
    """All numbers of a report.

    Attributes
    ----------
    plan, audit, panel, forecast
        What was asked, what was found in the data, the series, and what comes.
    season
        Steps of a season, of the simple methods.
    backtest
        None where no series is long enough; `no_backtest` says why.
    windows
        Cutoffs that were forecast from: fewer than asked for where the series are short.
    methods
        The model first, then the simple ones.
    held, came
        How far intervals held, and how many values that rests on.
    """

    plan: Plan
    season: int
    audit: Audit
    panel: Panel
    forecast: Forecast
    backtest: Backtest | None
    no_backtest: str
    windows: int
    methods: Sequence[Method]
    held: Sequence[Held]
    came: int


def make_content(audit: Audit, source: Source, plan: Plan) -> tuple[Content, Forecaster]:
    """Forecast the series that were audited, and hold earlier forecasts of them against what came.

    Parameters
    ----------
    audit
        Of the data.
    source
        Gives what forecasts.
    plan
        What is asked for.

    Returns
    -------
    content, forecaster
        All numbers, and what forecast.

    Raises
    ------
    InputError
        No series can be read.
    TooShortError
        None is long enough to be forecast.
    """
    panel = audit.readable()
    forecaster, fit = source.ready(panel)
    forecast = forecaster.forecast(panel, h=plan.h, level=plan.levels)
    season = forecaster.season or panel.frequency.season
    full, windows, reason = _backtest(panel, fit, plan, season)
    content = Content(
        plan=plan,
        season=season,
        audit=audit,
        panel=panel,
        forecast=forecast,
        backtest=None if full is None else _with_levels(full, plan.levels),
        no_backtest=reason,
        windows=windows,
        methods=() if full is None else _methods(_with_levels(full, plan.levels), season),
        held=() if full is None else _held(full),
        came=0 if full is None else sum(int(np.count_nonzero(~np.isnan(fold.actual))) for fold in full.folds),
    )
    return content, forecaster


def _backtest(panel: Panel, fit: Callable[[Panel], Model], plan: Plan, season: int) -> tuple[Backtest | None, int, str]:
    """Return the backtest from as many cutoffs as the series allow, with all levels that are told; else why not."""
    windows = max(1, min(plan.windows, _most_windows(panel, plan.h)))
    levels = tuple(sorted({*plan.levels, *_TOLD_LEVELS}))
    try:
        return rolling_backtest(panel, fit, h=plan.h, season=season, n_windows=windows, level=levels), windows, ""
    except TooShortError as error:
        return None, 0, str(error)


def _most_windows(panel: Panel, h: int) -> int:
    """Return from how many cutoffs a series can be forecast: before the oldest one it has enough observed values."""
    known = np.cumsum(~np.isnan(panel.values))
    before = known[panel.offsets[:-1]] - ~np.isnan(panel.values[panel.offsets[:-1]])
    enough = np.searchsorted(known, before + LEAST_OBSERVED)  # where each has its last value that is needed
    ahead = panel.offsets[1:] - 1 - enough
    return int((ahead[panel.observed >= LEAST_OBSERVED] // h).max(initial=0))


def _with_levels(backtest: Backtest, levels: tuple[float, ...]) -> Backtest:
    """Return the backtest with some of its levels."""

    def of(forecast: Forecast) -> Forecast:
        kept = [forecast.levels.index(level) for level in levels]
        return replace(forecast, levels=levels, lower=forecast.lower[:, kept], upper=forecast.upper[:, kept])

    folds = [
        Fold(fold.known, fold.actual, {name: of(one) for name, one in fold.forecasts.items()})
        for fold in backtest.folds
    ]
    return replace(backtest, folds=folds)


def _methods(backtest: Backtest, season: int) -> list[Method]:
    """Return the model and the simple methods; without a season the last one is the last value."""
    return [
        Method(
            row["model"],
            {name: value for name, value in row.items() if name != "model"},
            _errors(backtest, row["model"]),
        )
        for row in backtest.table
        if season > 1 or row["model"] != "SeasonalNaive"
    ]


def _errors(backtest: Backtest, name: str) -> NDArray[np.float64]:
    """Return the mean absolute error of a method on each series."""
    errors = np.concatenate([np.abs(fold.actual - fold.forecasts[name].point) for fold in backtest.folds], axis=1)
    came = ~np.isnan(errors)
    sums, counts = np.where(came, errors, 0.0).sum(axis=1), came.sum(axis=1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _held(backtest: Backtest) -> list[Held]:
    actual = np.concatenate([fold.actual for fold in backtest.folds])
    own = [next(iter(fold.forecasts.values())) for fold in backtest.folds]
    shares = []
    for k, level in enumerate(own[0].levels):
        sides = [(one.lower[:, k], one.upper[:, k]) for one in own]
        lower, upper = (np.concatenate(ends) for ends in zip(*sides, strict=True))
        shares.append(Held(level, accuracy.coverage(actual, lower, upper)))
    return shares
