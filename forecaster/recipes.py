"""What surrounds the cell, by frequency: one table, each entry chosen by an experiment.

The experiments are in docs/decisions/0010-what-surrounds-the-cell.md and 0012-base-weights.md: choices were made on the
last horizon of M4's training parts, never on its test parts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.frequency import Frequency

_TUNING = TrainingConfig(steps=150, batch_size=128, learning_rate=1e-3, validate_every=10, patience=5, refit=0.0)
"""From base weights little is left to learn, and more would unlearn them."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How series of one kind are learned.

    Attributes
    ----------
    kind : str
        Name of the kind, and of the folder of its base weights.
    days : float
        Length of a step.
    season : int
        Steps of a season.
    horizon : int
        Steps ahead that the base weights give.
    networks : tuple of NetworkConfig
        Their quantiles are averaged. Those that see no season serve other seasons too (`shapes`).
    training : TrainingConfig
        From random weights.
    tuning : TrainingConfig
        From the base weights.
    """

    kind: str
    days: float
    season: int
    horizon: int
    networks: tuple[NetworkConfig, ...]
    training: TrainingConfig
    tuning: TrainingConfig = _TUNING


def _recipe(
    kind: str,
    days: float,
    season: int,
    horizon: int,
    shape: NetworkConfig,
    lags: tuple[int, ...],
    training: TrainingConfig,
) -> Recipe:
    """Return a recipe with one network for each number of `lags`; a negative number is for one that sees no season."""
    networks = tuple(replace(shape, lags=abs(count), deseasonalise=count < 0) for count in lags)
    return Recipe(kind, days, season, horizon, networks, training)


RECIPES = (
    _recipe(
        # Newest 5 positions for 1: OWA .679 to .667; going on for half of the steps: .679 to .678.
        "yearly", 365.25, 1, 8, NetworkConfig(positions=12, hidden=48), (8, 6, 10),
        TrainingConfig(steps=700, batch_size=512, learning_rate=5e-3, recent=5, refit=0.5),
    ),
    _recipe(
        # Newest 4 positions for 1, with the season: .895 to .891; 8, and 24 positions: .890; both sorts: .879.
        "quarterly", 91.31, 4, 12, NetworkConfig(positions=20, hidden=64), (16, -10, -16),
        TrainingConfig(steps=1400, batch_size=512, learning_rate=5e-3, recent=8, refit=0.5),
    ),
    _recipe(
        # Newest 6 positions for 1: .890 to .878; 96 units for 64: .872; 36 positions: .879 to .872; both sorts: .859.
        "monthly", 30.44, 12, 24, NetworkConfig(positions=36, hidden=96), (24, -15, 36),
        TrainingConfig(steps=1500, batch_size=512, learning_rate=5e-3, recent=12, refit=0.5),
    ),
    _recipe(
        # Seven networks of 104 and 52 lags: .710. The newest 200 positions: there are only 359 series.
        "weekly", 7, 52, 26, NetworkConfig(positions=48, hidden=48), (104, -52, 52),
        TrainingConfig(steps=200, batch_size=256, learning_rate=5e-3, recent=200),
    ),
    _recipe(
        # Newest 100 positions for 10: 1.039 to 1.012; no season: 1.010; 500 steps at 5e-3: 1.009.
        "daily", 1, 7, 28, NetworkConfig(positions=28, hidden=48), (28, -14, -28),
        TrainingConfig(steps=500, batch_size=512, learning_rate=5e-3, recent=100),
    ),
    _recipe(
        # A week of lags, both sorts: .432 of two networks, .437 of one.
        "hourly", 1 / 24, 24, 48, NetworkConfig(positions=48, hidden=48), (168, -168, -48),
        TrainingConfig(steps=400, batch_size=256, learning_rate=5e-3, recent=300),
    ),
)  # fmt: skip
"""The table. Figures are OWA on the last horizon of M4's training parts, lower is better; decision 10 has the rest of
the experiments. Networks with different lags err differently, those that see a season and those that do not most.
"""


def recipe_of(kind: str) -> Recipe:
    """Return the recipe of a kind of series, such as "daily"."""
    return next(one for one in RECIPES if one.kind == kind)


def recipe_for(frequency: Frequency, season: int) -> Recipe:
    """Return the recipe whose steps are nearest in length to those of `frequency`.

    Steps without dates have no length: there it is the one whose season is nearest. Where there is no season either it
    is that of days, which expects no trend: of 10 to 30 values of flights it was nearer than the last value by 7 to 22
    per cent, and that of years farther by 17 to 41.
    """
    if frequency.is_integer:
        if season == 1:
            return recipe_of("daily")
        return min(RECIPES, key=lambda one: abs(math.log(one.season / season)))
    return min(RECIPES, key=lambda one: abs(math.log(one.days / frequency.days)))


def shapes(recipe: Recipe, season: int) -> tuple[NetworkConfig, ...]:
    """Return the networks of `recipe` that can serve a season of `season` steps: all, if it is the recipe's own.

    What returns in another rhythm is taken out of the series, before networks that know of none.
    """
    if season == recipe.season:
        return recipe.networks
    return tuple(replace(recipe.networks[k], deseasonalise=season > 1) for k in seasonless(recipe))


def seasonless(recipe: Recipe) -> list[int]:
    """Return which networks of `recipe` see no season, and so serve any."""
    return [k for k, one in enumerate(recipe.networks) if one.deseasonalise or recipe.season == 1]
