"""The table of recipes: which one serves which series, and with which networks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster.config import MAX_HORIZON
from forecaster.frequency import Frequency
from forecaster.recipes import RECIPES, Recipe, recipe_for, shapes

KINDS = {recipe.kind: recipe for recipe in RECIPES}


@pytest.mark.parametrize(
    ("alias", "kind"),
    [
        ("YS", "yearly"), ("YE-JUN", "yearly"), ("5YS", "yearly"), ("2QS", "quarterly"), ("QS", "quarterly"),
        ("2MS", "quarterly"), ("MS", "monthly"), ("ME", "monthly"), ("4W", "monthly"), ("2W", "weekly"),
        ("W-MON", "weekly"), ("5D", "weekly"), ("2D", "daily"), ("D", "daily"), ("B", "daily"), ("12h", "daily"),
        ("h", "hourly"), ("2h", "hourly"), ("15min", "hourly"), ("s", "hourly"), ("us", "hourly"),
    ],
)  # fmt: skip
def test_the_recipe_is_that_of_the_nearest_length_of_a_step(alias: str, kind: str) -> None:
    frequency = Frequency.parse(alias)
    for season in (frequency.season, 5):
        assert recipe_for(frequency, season).kind == kind


@pytest.mark.parametrize(
    ("season", "kind"),
    [
        (1, "daily"), (2, "yearly"), (3, "quarterly"), (4, "quarterly"), (5, "quarterly"), (7, "daily"),
        (11, "monthly"), (12, "monthly"), (24, "hourly"), (52, "weekly"), (365, "weekly"),
    ],
)  # fmt: skip
def test_without_dates_it_is_that_of_the_nearest_season_and_of_days_where_there_is_none(season: int, kind: str) -> None:
    assert recipe_for(Frequency.parse(1), season).kind == kind
    assert recipe_for(Frequency.parse(10), season).kind == kind


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.kind)
def test_the_recipe_of_a_kind_is_its_own(recipe: Recipe) -> None:
    if recipe.season > 1:
        assert recipe_for(Frequency.parse(1), recipe.season) is recipe
    assert shapes(recipe, recipe.season) == recipe.networks


@given(st.sampled_from(sorted(KINDS)), st.integers(1, MAX_HORIZON))
def test_every_kind_has_networks_for_every_season(kind: str, season: int) -> None:
    recipe = KINDS[kind]
    networks = shapes(recipe, season)
    assert networks
    assert len({one.quantiles for one in networks}) == 1
    if season != recipe.season:
        assert {one.deseasonalise for one in networks} == {season > 1}
