"""Scales: chosen from a series' own values, and back without loss."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.scaling import Scaling, fit_scaling
from tests.examples import Floats, numbered

LARGEST = float(np.finfo(np.float64).max)
STEADY = [100.0, 103.0, 99.0, 101.0]


def scaling_of(*series: list[float], held_out: int = 0) -> Scaling:
    return fit_scaling(numbered({f"s{i}": values for i, values in enumerate(series)}), held_out=held_out)


def there_and_back(scaling: Scaling, values: Floats) -> Floats:
    return scaling.restore(scaling.scale(values, np.zeros(len(values), np.int64))[None])[0]


@pytest.mark.parametrize(
    ("values", "logarithm", "unit", "floor"),
    [
        (STEADY, True, 1.0, -np.inf), ([0.0, 1.0, 3.0, 4.0], False, 2.0, 0.0), ([-3.0, 1.0, 2.0], False, 2.0, -np.inf),
        ([1.0, 1e6, 1.0, 1e6], False, 500_000.5, 0.0), ([7.0, 7.0, 7.0], True, 1.0, 0.0), ([7.0], True, 1.0, 0.0),
        ([0.0, 0.0, 0.0], False, 1.0, 0.0), ([-5.0, -5.0], False, 5.0, -np.inf),
    ],
)  # fmt: skip
def test_the_scale_follows_from_the_values(values: list[float], logarithm: bool, unit: float, floor: float) -> None:
    scaling = scaling_of(values)
    assert scaling.logarithm.tolist() == [logarithm]
    assert scaling.unit.tolist() == pytest.approx([unit])
    assert scaling.floor[0] == (0.0 if min(values) >= 0 else floor)


def test_each_series_has_a_scale_of_its_own_and_gaps_have_no_say() -> None:
    scaling = scaling_of([5.0, np.nan, 5.0], [-1.0, np.nan, np.nan, 3.0], [0.0, np.nan])
    assert scaling.logarithm.tolist() == [True, False, False]
    assert scaling.unit.tolist() == [1.0, 2.0, 1.0]
    assert scaling.floor.tolist() == [0.0, -np.inf, 0.0]
    values = np.array([5.0, 3.0, -1.0, 2.0])
    assert_allclose(scaling.scale(values, np.array([0, 1, 1, 2])), [np.log(5), 1.5, -0.5, 2.0])
    picked = scaling.select(np.array([2, 0]))
    assert picked.logarithm.tolist() == [False, True]
    assert picked.floor.tolist() == [0.0, 0.0]
    assert picked.unit.tolist() == [1.0, 1.0]


def test_volatility_stays_in_the_scaled_values() -> None:
    for growth in (0.001, 0.3):
        values = np.exp(growth * np.arange(10))
        scaled = scaling_of(values.tolist()).scale(values, np.zeros(10, np.int64))
        assert_allclose(np.diff(scaled), growth)


numbers = st.floats(-1.79e308, 1.79e308) | st.sampled_from([-LARGEST, 5e-324, -5e-324])


@given(st.lists(numbers, min_size=1, max_size=8))
def test_all_finite_values_come_back(series: list[float]) -> None:
    scaling, values = scaling_of(series), np.array(series)
    # A subnormal number beside large ones is lost in the division, as in any other.
    assert_allclose(there_and_back(scaling, values), values, rtol=1e-12, atol=1e-300 * scaling.unit[0])


@pytest.mark.parametrize("value", [5e-324, 1e-310, 1e-300, 1e-5, 1.0, 1e300, LARGEST / 2])
def test_the_ends_of_float64_come_back_from_the_logarithm(value: float) -> None:
    scaling = scaling_of([value, value])
    assert scaling.logarithm.all()
    assert_allclose(there_and_back(scaling, np.array([value])), value, rtol=1e-12)


@given(
    st.lists(numbers, min_size=1, max_size=8),
    st.lists(st.floats(-1e9, 1e9) | st.sampled_from([-1e300, 1e300]), min_size=2, max_size=8),
)
def test_whatever_the_network_says_comes_back_finite_and_in_order(series: list[float], said: list[float]) -> None:
    scaling = scaling_of(series)
    restored = scaling.restore(np.sort(np.array(said))[None])
    assert np.isfinite(restored).all()
    assert (restored[:, 1:] >= restored[:, :-1]).all()
    assert (restored >= scaling.floor[:, None]).all()


def test_any_number_of_axes_is_restored() -> None:
    scaling = scaling_of(STEADY, [-1.0, 3.0])
    scaled = np.linspace(-1, 1, 24).reshape(2, 3, 4)
    restored = scaling.restore(scaled)
    assert_allclose(restored[0], np.exp(scaled[0]))
    assert_allclose(restored[1], 2 * scaled[1])


def test_forecasts_of_a_series_that_was_never_negative_are_not() -> None:
    scaling = scaling_of([0.0, 4.0], [-4.0, 4.0])
    assert_array_equal(scaling.restore(np.array([[-1.0, 1.0], [-1.0, 1.0]])), [[0.0, 2.0], [-4.0, 4.0]])


def test_a_zero_that_comes_later_is_finite_and_below_all_others() -> None:
    scaling = scaling_of(STEADY)
    later = np.array([0.0, -5.0, 1e-200])
    scaled = scaling.scale(later, np.zeros(3, np.int64))
    assert np.isfinite(scaled).all()
    assert scaled[0] == scaled[1] < scaled[2]
    assert scaling.shows(later, np.zeros(3, np.int64)).tolist() == [False, False, True]
    linear = scaling_of([0.0, 1.0])
    assert linear.shows(later, np.zeros(3, np.int64)).all()


@pytest.mark.parametrize("later", [1e300, -1e300, LARGEST])
def test_a_value_that_comes_later_can_still_be_squared_in_float32(later: float) -> None:
    for series in (STEADY, [0.0, 1e-300], [-5e-324]):
        scaled = scaling_of(series).scale(np.array([later]), np.zeros(1, np.int64))
        assert np.isfinite(np.square(scaled.astype(np.float32))).all()


@pytest.mark.parametrize("series", [STEADY, [0.0, 1.0, 5.0], [-3.0, 2.0, 8.0]])
@pytest.mark.parametrize("later", [1e9, -1e9, 0.0, np.nan])
def test_held_out_values_have_no_say(series: list[float], later: float) -> None:
    plain, planted = scaling_of(series), scaling_of([*series, later, later], held_out=2)
    assert_array_equal(plain.logarithm, planted.logarithm)
    assert_array_equal(plain.unit, planted.unit)
    assert_array_equal(plain.floor, planted.floor)


def test_a_series_that_is_held_out_as_a_whole_keeps_the_scale_of_its_first_value() -> None:
    scaling = scaling_of([-4.0, 100.0], held_out=5)
    assert scaling.unit.tolist() == [4.0]
