"""What is asked of a run: by which model, how far ahead, in which words."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from forecaster import __version__
from forecaster.batch.encoding import columns_of
from forecaster.columns import ColumnNames
from forecaster.config import BASE, check_horizon, engine_choice, intervals_asked, is_base
from forecaster.errors import ConfigError
from forecaster.forecast import Forecast
from forecaster.frequency import Frequency
from forecaster.model import Forecaster

_USUAL_HORIZON, _USUAL_QUANTILES = 48, 9
"""At the most, of base weights that are not chosen yet."""


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """What is asked of the forecasts.

    Attributes
    ----------
    model : Forecaster or None
        What forecasts; None for the base weights of the package, which depend on the frequency.
    called : str
        What the model is called in messages.
    season, h, level, quantiles, frequency, timezone, names
        As `forecast_file` takes them.
    """

    model: Forecaster | None
    called: str
    season: int | None
    h: int | None
    level: float | Sequence[float] | None
    quantiles: Sequence[float] | None
    frequency: Frequency | None
    timezone: str | None
    names: ColumnNames

    def check(self) -> None:
        """Raise ConfigError for what is wrong whatever the input."""
        if self.h is not None:
            check_horizon(self.h)
        if self.season is not None:
            check_horizon(self.season, name="season")
        if self.season is not None and self.model is not None:
            raise ConfigError(
                f"--season is for {BASE} only: {self.called} was trained on seasons of {self.model.season} steps. "
                "Leave it out, or train another model with it.",
                column="season",
            )
        self.columns()

    def as_settings(self) -> dict[str, Any]:
        """Return, by name, what a run must have in common with one that it goes on with."""
        levels, shown = intervals_asked(self.level, self.quantiles)
        return {
            "model": [BASE, self.season] if self.model is None else self.model.fingerprint(),
            "version of this program": __version__,
            "engine": engine_choice(),
            "h": self.h,
            "level": list(levels),
            "quantiles": list(shown),
            "freq": None if self.frequency is None else self.frequency.alias,
            "timezone": self.timezone,
            "columns": [self.names.id_col, self.names.time_col, self.names.target_col],
        }

    def columns(self) -> list[str]:
        """Return what the columns of the result are called.

        Raises
        ------
        ConfigError
            Two of them are called the same, or level and quantiles are not such.
        """
        levels, shown = intervals_asked(self.level, self.quantiles)
        alias = "LSTM" if self.model is None else self.model.alias
        point, ends = np.zeros((0, 1)), np.zeros((0, len(levels), 1))
        times, step = np.zeros((0, 1), np.int64), Frequency.parse(1)
        nothing = Forecast(
            ids=(), times=times, frequency=step, point=point, levels=levels, lower=ends, upper=ends, quantiles=shown,
            alias=alias,
        )  # fmt: skip
        return columns_of(nothing, self.names)

    def width(self) -> int:
        """Return how many numbers a series gets on the way: quantiles of the networks, and what is made of them."""
        quantiles = _USUAL_QUANTILES if self.model is None else len(self.model.info["quantiles"])
        h = self.h or (_USUAL_HORIZON if self.model is None else self.model.h)
        return h * (quantiles + 1 + 2 * len(intervals_asked(self.level, self.quantiles)[0]))

    def usual_frequency(self) -> Frequency | None:
        """Return the frequency asked for, or else the model's, if there is one."""
        if self.frequency is not None or self.model is None:
            return self.frequency
        return Frequency.parse(self.model.info["frequency"])

    def forecaster(self, frequency: Frequency) -> Forecaster:
        """Return what forecasts series of this frequency.

        Raises
        ------
        InputError
            The model was trained on another.
        """
        if self.model is None:
            return Forecaster.pretrained(frequency.alias, season=self.season)
        self.model.check_frequency(frequency)
        return self.model


def model_of(model: Forecaster | str | os.PathLike[str]) -> Forecaster | None:
    """Return a model, or the one in a folder; None for the base weights."""
    if isinstance(model, Forecaster):
        return model
    return None if is_base(model) else Forecaster.load(model)


def with_threads(model: Forecaster, threads: int | None) -> Forecaster:
    """Return the same model, which takes so many threads for a forecast."""
    same = copy.copy(model)
    same.threads = threads
    return same
