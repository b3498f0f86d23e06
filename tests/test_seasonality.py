"""The season of a series: found where there is one, taken out, put back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.panel import Panel
from forecaster.scaling import ScaledPanel, fit_scaling, scale_panel
from forecaster.seasonality import Seasonality, find_seasons
from tests.examples import Floats, last_replaced, numbered, weekly, with_values

NAN = np.nan


def profile(season: int, seed: int = 0) -> Floats:
    """Return what a season adds: anything that sums to zero."""
    drawn: Floats = np.random.default_rng([seed, season]).standard_normal(season)
    return drawn - drawn.mean()


def found(*series: Any, season: int, known: list[int] | None = None) -> Seasonality:
    """Return the seasons of series of which the first `known` values may have a say, all by default."""
    lengths = [len(values) for values in series]
    flags = [np.arange(length) < (length if known is None else known[i]) for i, length in enumerate(lengths)]
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    return find_seasons(np.concatenate(series).astype(np.float64), np.concatenate(flags), offsets, season)


def profiles(of: Seasonality | None) -> Floats:
    """Return the season of each series, (N, m)."""
    assert of is not None
    return of.profiles[of.rows]


def by_loop(values: list[float], season: int) -> list[float]:
    """Return the season of one series, all of it known, one value after the other."""
    half = season // 2
    rests: list[list[float]] = [[] for _ in range(season)]
    for t in range(half, len(values) - half):
        around = values[t - half : t + half + 1]
        shares = [1.0] * len(around)
        if season % 2 == 0:
            shares[0] = shares[-1] = 0.5
        average = sum(share * value for share, value in zip(shares, around, strict=True)) / season
        rests[t % season].append(values[t] - average)
    count = sum(map(len, rests))
    if count <= season or not all(rests):
        return [0.0] * season
    means = [sum(rest) / len(rest) for rest in rests]
    between = sum(len(rest) * mean**2 for rest, mean in zip(rests, means, strict=True)) / (season - 1)
    within = sum((one - mean) ** 2 for rest, mean in zip(rests, means, strict=True) for one in rest) / (count - season)
    trust = max(0.0, 1 - within / between)
    return [trust * (mean - sum(means) / season) for mean in means]


@pytest.mark.parametrize("season", [2, 4, 7, 12, 24])
@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_a_pure_season_is_found_whatever_the_level_and_slope(season: int, slope: float) -> None:
    steps = np.arange(5 * season + 3)
    values = 40 + slope * steps + profile(season)[steps % season]
    seasons = found(values, season=season)
    assert_allclose(profiles(seasons)[0], profile(season), rtol=0.03, atol=0.03)
    assert_array_equal(seasons.phases, [0])
    assert_allclose(profiles(seasons).sum(axis=1), 0, atol=1e-9)


def test_a_season_in_noise_is_found_nearly() -> None:
    steps = np.arange(12 * 12)
    values = profile(12)[steps % 12] + 0.2 * np.random.default_rng(0).standard_normal(len(steps))
    said = profiles(found(values, season=12))[0]
    assert np.corrcoef(said, profile(12))[0, 1] > 0.99


def test_noise_has_nearly_no_season() -> None:
    noise = np.random.default_rng(0).standard_normal((200, 60))
    said = profiles(found(*noise, season=12))
    # Means of five values have a variance of 0.2 of their own; what is left of it is a small part, in most series none.
    assert (said**2).mean() < 0.15 * 0.2
    assert (said == 0).all(axis=1).mean() > 0.4


@pytest.mark.parametrize("season", [4, 5, 12])
def test_fewer_than_two_seasons_show_none(season: int) -> None:
    for length in range(1, 2 * season):
        assert not profiles(found(profile(season)[np.arange(length) % season], season=season)).any()


def test_many_short_series_take_no_room_whatever_the_season() -> None:
    short = [np.arange(3.0)] * 1000
    steps = np.arange(2 * 5000 + 1)
    seasons = found(*short, np.sin(steps), *short, season=5000)
    assert seasons.profiles.shape == (2, 5000)
    assert seasons.rows.tolist() == [0] * 1000 + [1] + [0] * 1000
    assert not seasons.profiles[0].any()


def test_a_season_of_one_step_and_a_panel_without_series_have_none() -> None:
    none = found([1.0, 5.0, 2.0], [3.0], season=1)
    assert_array_equal(profiles(none), np.zeros((2, 1)))
    assert_array_equal(none.at(np.array([0, 1]), np.array([5, 7])), [0, 0])
    empty = find_seasons(np.zeros(0), np.zeros(0, np.bool_), np.zeros(1, np.int64), 7)
    assert profiles(empty).shape == (0, 7)


@pytest.mark.parametrize("value", [5.0, 0.0, -3.0])
def test_a_constant_series_has_none(value: float) -> None:
    assert_allclose(profiles(found([value] * 30, season=7)), 0, atol=1e-12)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.sampled_from([2, 3, 4, 7]), st.integers(0, 99))
def test_all_at_once_is_as_each_alone_and_as_a_loop(lengths: list[int], season: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    series = [profile(season)[np.arange(length) % season] + rng.standard_normal(length) for length in lengths]
    together = profiles(found(*series, season=season))
    for i, values in enumerate(series):
        assert_allclose(together[i], profiles(found(values, season=season))[0], atol=1e-9)
        assert_allclose(together[i], by_loop(values.tolist(), season), atol=1e-9)


@pytest.mark.parametrize("later", [1e15, -1e15, 0.0, 7.0])
def test_what_follows_the_known_values_has_no_say_in_any_series(later: float) -> None:
    rng = np.random.default_rng(0)
    series = rng.standard_normal((3, 30)) + profile(7)[np.arange(30) % 7]
    planted = series.copy()
    planted[:, 25:] = later
    plain, other = (profiles(found(*rows, season=7, known=[25, 25, 25])) for rows in (series, planted))
    assert plain.any(axis=1).all()
    assert plain.tobytes() == other.tobytes()
    assert_allclose(plain, profiles(found(*series[:, :25], season=7)), atol=1e-12)


def test_a_value_that_is_not_known_counts_in_no_phase() -> None:
    steps = np.arange(60)
    values = 3 + profile(4)[steps % 4]
    known = np.ones(60, np.bool_)
    known[[10, 21, 33]] = False
    seasons = find_seasons(values, known, np.array([0, 60]), 4)
    assert_allclose(profiles(seasons)[0], profile(4), atol=1e-9)
    known[steps % 4 == 2] = False  # a phase that was never seen: nothing is said of it, nor of the others
    assert not profiles(find_seasons(values, known, np.array([0, 60]), 4)).any()


# On a panel


def seasonal() -> Panel:
    """Return series of different lengths: with a season, with a gap in it, and too short for one."""
    steps = np.arange(45)
    wave = profile(7)[steps % 7]
    gap = 20 + wave[:40]
    gap[12:15] = NAN
    return numbered({"signs": 3 * wave, "gap": gap, "short": wave[:9] - 5, "one": [4.0]})


def test_what_is_taken_out_is_what_is_put_back() -> None:
    panel = scale_panel(seasonal(), season=7)
    without = panel.without_season()
    assert_array_equal(without.observed, panel.observed)
    assert_array_equal(without.offsets, panel.offsets)
    everyone = np.arange(len(panel))
    for back in (1, 4, 8):
        lengths = np.diff(panel.offsets)
        series = everyone[lengths > back]
        ends = panel.offsets[series + 1] - 1 - back
        places = ends[:, None] + np.arange(1, back + 1)
        restored = without.filled[places] + panel.season_after(series, ends, back)
        assert_allclose(restored, panel.filled[places], rtol=1e-12, atol=1e-12)
    begin, end = panel.offsets[:2]
    assert np.ptp(panel.filled[begin:end]) > 1
    assert np.ptp(without.filled[begin:end]) < 1e-9
    assert_array_equal(without.filled[panel.offsets[2] :], panel.filled[panel.offsets[2] :])  # those without a season


def test_a_panel_without_seasons_stays_as_it_is() -> None:
    panel = scale_panel(seasonal())
    assert_array_equal(panel.without_season().filled, panel.filled)
    bare = ScaledPanel(panel.filled, panel.observed, panel.offsets, panel.scaling)
    assert bare.without_season() is bare
    assert_array_equal(bare.season_after(np.array([0, 2]), bare.offsets[[1, 3]] - 1, 5), np.zeros((2, 5)))
    assert bare.tail(3).seasonality is None


@pytest.mark.parametrize("count", [1, 5, 7, 12, 100])
def test_tails_and_extensions_keep_the_phases(count: int) -> None:
    panel = scale_panel(seasonal(), season=7)
    everyone, h = np.arange(len(panel)), 9
    expected = panel.season_after(everyone, panel.offsets[1:] - 1, h)
    assert expected[:2].any(axis=1).all()
    tail = panel.tail(count)
    assert_allclose(tail.season_after(everyone, tail.offsets[1:] - 1, h), expected)
    assert_allclose(tail.without_season().filled, panel.without_season().tail(count).filled)
    longer = tail.extended(np.zeros((len(panel), 4)))
    assert_allclose(longer.season_after(everyone, longer.offsets[1:] - 1, h - 4), expected[:, 4:])
    again = longer.tail(3)
    assert_allclose(again.season_after(everyone, again.offsets[1:] - 1, h - 4), expected[:, 4:])


@pytest.mark.parametrize("planted", [1e9, -1e9, 0.0, NAN])
def test_seasons_of_a_panel_know_nothing_of_the_held_out_values(planted: float) -> None:
    panel = with_values(weekly(), weekly().values - 6)  # some on a logarithm, some not
    plain, other = (
        profiles(scale_panel(one, season=7, held_out=3).seasonality)
        for one in (panel, last_replaced(panel, 3, planted))
    )
    assert plain.any(axis=1).all()
    assert plain.tobytes() == other.tobytes()


def test_a_season_that_multiplies_is_found_on_the_logarithm() -> None:
    steps = np.arange(70)
    panel = numbered({"a": 50 * np.exp(0.02 * steps + 0.2 * profile(7)[steps % 7])})
    assert fit_scaling(panel).logarithm.all()
    seasons = scale_panel(panel, season=7).seasonality
    assert_allclose(profiles(seasons)[0], 0.2 * profile(7), atol=0.002)
