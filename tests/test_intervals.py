"""From quantiles to intervals: interpolation, calibration, nesting."""

from __future__ import annotations

import json
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.accuracy import coverage
from forecaster.dependence import Dependence, random_walk
from forecaster.errors import ModelFormatError
from forecaster.intervals import (
    LEVELS,
    Calibration,
    calibrate,
    calibration,
    intervals,
    least_spread,
    never_narrower,
    spreads,
    uncalibrated,
)
from tests.examples import Floats

HEAD = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
LEVEL = st.floats(0.001, 99.9999)


def stretched(factors: Floats) -> Calibration:
    """Return factors alone; the dependence between steps has no say in intervals."""
    return Calibration(factors, random_walk(factors.shape[1]))


DOUBLED = stretched(np.full((len(LEVELS), 1), 2.0))


def score(p: float) -> float:
    return NormalDist().inv_cdf(p)


def normal_quantiles(count: int, h: int, *, deviation: float = 1.0, probabilities: tuple[float, ...] = HEAD) -> Floats:
    """Return what a head would say that believes in N(0, deviation)."""
    z = np.array([score(p) for p in probabilities])
    return np.broadcast_to(deviation * z, (count, h, len(z))).copy()


def test_at_the_quantiles_of_the_head_intervals_are_its_own() -> None:
    quantiles = np.sort(np.random.default_rng(0).standard_normal((3, 2, 7)), axis=2)
    for place, level in enumerate((95, 80, 50)):
        down, up = spreads(quantiles, HEAD, level, np.zeros((3, 2)))
        assert_allclose(down, quantiles[..., 3] - quantiles[..., place])
        assert_allclose(up, quantiles[..., 6 - place] - quantiles[..., 3])


@given(LEVEL)
def test_between_and_beyond_them_they_follow_the_normal_distribution(level: float) -> None:
    for probabilities in (HEAD, (0.1, 0.5, 0.9), (0.5, 0.8)):
        down, up = spreads(normal_quantiles(1, 1, probabilities=probabilities), probabilities, level, np.zeros((1, 1)))
        assert_allclose([down.item(), up.item()], score(0.5 + level / 200), rtol=1e-9, atol=1e-12)


def test_a_head_without_quantiles_has_the_spread_of_a_random_walk() -> None:
    volatility = np.array([2.0, 1.0]) * (2 / np.pi) ** 0.5  # the mean size of steps of these deviations
    walk = least_spread(volatility, 4, (0.5,))
    assert_allclose(walk, [[2, 2 * 2**0.5, 2 * 3**0.5, 4], [1, 2**0.5, 3**0.5, 2]])
    assert_allclose(least_spread(volatility, 4, HEAD), 0.05 * walk)
    levels = (1e-9, 30.0, 80.0, 95.0)  # the narrowest is the median itself
    down, up = intervals(np.zeros((2, 4, 1)), (0.5,), levels, DOUBLED, volatility)
    scores = np.array([score(0.5 + level / 200) for level in levels])
    assert_allclose(down, 2 * scores[:, None] * walk[:, None])
    assert_allclose(up, down)


def test_the_head_is_not_believed_below_the_least_spread() -> None:
    certain = np.zeros((1, 2, 7))
    down, up = intervals(certain, HEAD, (80.0,), DOUBLED, np.array([3.0]))
    assert_allclose(down, [2 * score(0.9) * least_spread(np.array([3.0]), 2, HEAD)])
    assert_allclose(up, down)


@pytest.mark.parametrize("probabilities", [HEAD, (0.5,)])
def test_without_a_held_out_horizon_intervals_hold_the_error_of_the_last_value(
    probabilities: tuple[float, ...],
) -> None:
    walks = 0.7 * np.random.default_rng(0).standard_normal((4000, 5)).cumsum(axis=1)
    volatility = np.array([0.7 * (2 / np.pi) ** 0.5])  # the mean size of these steps
    certain = np.zeros((1, 5, len(probabilities)))
    down, up = intervals(certain, probabilities, LEVELS, uncalibrated(5), volatility)
    for row, level in enumerate(LEVELS[1:], start=1):
        assert coverage(walks, -down[:, row], up[:, row]) == pytest.approx(level / 100, abs=0.02)
    wide = 9 * normal_quantiles(1, 5, probabilities=HEAD)
    assert_allclose(intervals(wide, HEAD, LEVELS, uncalibrated(5), volatility)[0][0, 3], 9 * score(0.975))


def test_ends_are_never_nearer_than_at_a_step_before() -> None:
    point = np.array([[10.0, 4.0, 20.0]])
    lower = np.array([[[8.0, 4.0, 15.0], [6.0, 3.0, 10.0]]])
    upper = np.array([[[11.0, 4.0, 22.0], [13.0, 12.0, 22.0]]])
    down, up = never_narrower(point, lower, upper)
    assert_array_equal(down, [[[8.0, 2.0, 15.0], [6.0, 0.0, 10.0]]])
    assert_array_equal(up, [[[11.0, 5.0, 22.0], [13.0, 12.0, 28.0]]])
    huge = np.array([[-1.7e308, 1.7e308]])
    for end in never_narrower(huge, -abs(huge[:, None]), abs(huge[:, None])):
        assert np.isfinite(end).all()


@given(
    st.integers(0, 2**32),
    st.sets(LEVEL, min_size=1, max_size=6),
    st.sampled_from([HEAD, (0.1, 0.5, 0.9), (0.5,), (0.3, 0.5, 0.51), (0.5, 0.99)]),
    st.integers(1, 4),
)
def test_intervals_lie_inside_each_other_whatever_the_levels(
    seed: int, levels: set[float], probabilities: tuple[float, ...], h: int
) -> None:
    rng = np.random.default_rng(seed)
    quantiles = np.sort(rng.standard_normal((2, h, len(probabilities))), axis=2)
    by = stretched(rng.uniform(0.05, 20, (len(LEVELS), max(1, h - 1))))
    down, up = intervals(quantiles, probabilities, tuple(sorted(levels)), by, np.ones(2))
    assert down.shape == up.shape == (2, len(levels), h)
    for side in (down, up):
        assert (side >= 0).all()
        assert (np.diff(side, axis=1) >= 0).all()


def test_factors_between_levels_are_interpolated_and_beyond_the_ends_the_same() -> None:
    factors = np.arange(1.0, 6.0)[:, None] * np.array([1.0, 10.0])
    by = stretched(factors)
    for row, level in enumerate(LEVELS):
        assert_allclose(by.at(level, 2), factors[row])
    assert_allclose(by.at(1, 2), factors[0])
    assert_allclose(by.at(99.99, 2), factors[-1])
    assert_allclose(by.at(80, 5), [2, 20, 20, 20, 20])
    assert_allclose(by.at(80, 1), [2])
    weight = (score(0.925) - score(0.9)) / (score(0.95) - score(0.9))
    assert_allclose(by.at(85, 2), factors[1] + weight * (factors[2] - factors[1]))


def noise(count: int, h: int, seed: int) -> Floats:
    return np.random.default_rng(seed).standard_normal((count, h))


@pytest.mark.parametrize("deviation", [0.4, 1.0, 2.5])
@pytest.mark.parametrize("probabilities", [HEAD, (0.1, 0.5, 0.9), (0.5,)])
def test_calibrated_intervals_cover_what_they_say(deviation: float, probabilities: tuple[float, ...]) -> None:
    quantiles = normal_quantiles(400, 5, deviation=deviation, probabilities=probabilities)
    volatility = np.full(400, deviation)
    by = calibrate(quantiles, probabilities, noise(400, 5, 1), least_spread(volatility, 5, probabilities))
    levels = (20.0, *LEVELS)
    down, up = intervals(quantiles, probabilities, levels, by, volatility)
    fresh = noise(400, 5, 2)
    for row, level in enumerate(levels):
        assert coverage(fresh, -down[:, row], up[:, row]) == pytest.approx(level / 100, abs=0.03)


def test_each_step_has_factors_of_its_own_shared_with_its_neighbours() -> None:
    h = 9
    growth = np.linspace(0.5, 3, h)
    quantiles = normal_quantiles(2000, h)
    by = calibrate(quantiles, HEAD, growth * noise(2000, h, 0), np.zeros((2000, h)) + 1e-9)
    factors = by.at(80, h)
    assert (np.diff(factors) > 0).all()
    assert_allclose(factors[2:-2], growth[2:-2], rtol=0.05)  # at the ends there are neighbours on one side only


def test_missing_values_have_no_say() -> None:
    quantiles, actual = normal_quantiles(50, 3), noise(50, 3, 0)
    least = np.full((50, 3), 1e-9)
    more = np.concatenate([actual, np.full((50, 3), np.nan)])
    plain = calibrate(quantiles, HEAD, actual, least)
    padded = calibrate(np.tile(quantiles, (2, 1, 1)), HEAD, more, np.tile(least, (2, 1)))
    assert_array_equal(plain.factors, padded.factors)
    assert_array_equal(calibrate(quantiles, HEAD, np.full((50, 3), np.nan), least).factors, np.ones((5, 3)))


def test_few_held_out_values_move_the_factors_little() -> None:
    far = 10.0  # ten times the head's distance
    distances = []
    for count in (1, 5, 50, 5000):
        actual = np.full((count, 1), far * score(0.9))
        by = calibrate(normal_quantiles(count, 1), HEAD, actual, np.full((count, 1), 1e-9))
        distances.append(float(by.at(80, 1)[0]))
    assert 1 < distances[0] < 1.2
    assert distances == sorted(distances)
    assert distances[-1] == pytest.approx(far, rel=0.02)


@pytest.mark.parametrize("actual", [1e300, -1e300, 0.0])
def test_factors_stay_within_reason_whatever_comes(actual: float) -> None:
    by = calibrate(np.zeros((500, 2, 7)), HEAD, np.full((500, 2), actual), np.full((500, 2), 1e-11))
    assert np.isfinite(by.factors).all()
    assert (by.factors >= 0.05).all()
    assert (by.factors <= 20).all()


def test_a_calibration_comes_back_from_json() -> None:
    rng = np.random.default_rng(0)
    by = Calibration(rng.uniform(0.1, 3, (len(LEVELS), 4)), Dependence(rng.uniform(0, 1, 3), 0.3))
    back = calibration(json.loads(json.dumps(by.as_settings())), 4, judged=True)
    assert_array_equal(back.factors, by.factors)
    assert_array_equal(back.dependence.passed_on, by.dependence.passed_on)
    assert back.dependence.lasting == by.dependence.lasting


RIGHT: dict[str, Any] = uncalibrated(2).as_settings()


@pytest.mark.parametrize(
    "settings",
    [
        {}, [], None, "x", {"levels": RIGHT["levels"]}, {"factors": RIGHT["factors"]}, {**RIGHT, "levels": [80, 95]},
        {key: RIGHT[key] for key in ("levels", "factors")}, {**RIGHT, "dependence": None},
        {**RIGHT, "levels": 80}, {**RIGHT, "factors": RIGHT["factors"][:4]}, {**RIGHT, "factors": [[1.0]] * 5},
        {**RIGHT, "factors": [[1.0, 0.0]] * 5}, {**RIGHT, "factors": [[1.0, -1.0]] * 5},
        {**RIGHT, "factors": [[1.0, float("nan")]] * 5}, {**RIGHT, "factors": [[1.0, float("inf")]] * 5},
        {**RIGHT, "factors": [[1.0, None]] * 5}, {**RIGHT, "factors": [[1.0, "x"]] * 5},
        {**RIGHT, "factors": [[1.0, 2.0], [1.0]]}, {**RIGHT, "factors": [[1.0, 10**400]] * 5},
    ],
)  # fmt: skip
def test_another_form_of_calibration_is_refused(settings: Any) -> None:
    with pytest.raises(ModelFormatError, match=r"calibration|dependence"):
        calibration(settings, 2, judged=True)
