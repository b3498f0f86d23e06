"""Base weights: networks that have learned from many series of each kind, and forecast others at once.

They are in the package, one model folder for each kind of series (``forecaster/weights``), made by ``python -m
benchmarks.base_weights`` from the training parts of M4 and from series drawn at random. They serve any season: those
networks of a kind that see series without their season do not depend on its length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from forecaster.description import architecture, described
from forecaster.engine import Engine
from forecaster.errors import ModelFormatError
from forecaster.frequency import Frequency
from forecaster.intervals import Calibration
from forecaster.network import ForecastNetwork
from forecaster.recipes import RECIPES, Recipe, recipe_for, seasonless
from forecaster.storage import load_model

FOLDER = Path(__file__).parent / "weights"


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """Networks with base weights, for one season.

    Attributes
    ----------
    recipe : Recipe
        Of their kind.
    engine : Engine
        Forecasts with them.
    calibration : Calibration
        Of its intervals.
    info : dict
        What they say of themselves.
    """

    recipe: Recipe
    engine: Engine
    calibration: Calibration
    info: dict[str, Any]


def base_folders() -> dict[str, Path]:
    """Return the folder of the base weights for each kind of series; each of them is a model like others."""
    return {recipe.kind: FOLDER / recipe.kind for recipe in RECIPES}


def base_for(frequency: Frequency, season: int) -> Base:
    """Return the base weights for series of `frequency` with a season of `season` steps.

    Raises
    ------
    ModelFormatError
        The package is damaged: its files are missing or changed.
    """
    recipe = recipe_for(frequency, season)
    try:
        info, weights = load_model(base_folders()[recipe.kind])
        engine, _, calibration = described(info, weights)
    except ModelFormatError as error:
        raise ModelFormatError(
            f"the base weights in the package are damaged ({error}) Install forecaster again; init='random' does "
            "without them."
        ) from error
    info = {**info, "frequency": frequency.alias, "season": season, "base": recipe.kind}
    if season != recipe.season:
        networks = [_taking_out(engine.networks[k], season > 1) for k in seasonless(recipe)]
        engine = Engine(networks, season)
        info["architecture"] = architecture(networks)
    return Base(recipe, engine, calibration, info)


def _taking_out(network: ForecastNetwork, deseasonalise: bool) -> ForecastNetwork:
    """Return a copy of a network that sees no season, for series with one to take out or for others."""
    other = ForecastNetwork(replace(network.config, deseasonalise=deseasonalise), network.horizon)
    other.weights[:] = network.weights
    other.freeze()
    return other


def with_horizon(network: ForecastNetwork, h: int) -> ForecastNetwork:
    """Return a copy of `network` that gives the first `h` of its steps."""
    other = ForecastNetwork(network.config, h)
    named = network.named_weights()
    rows = h * len(network.config.quantiles)
    for name in ("head.weight", "head.bias", "skip.weight"):
        named[name] = named[name][:rows]
    other.set_weights(named)
    return other
