"""Sigmoid, tanh and exp against float64, over a net of all float32 numbers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from forecaster.kernels.activations import exponential_row, sigmoid_row, tanh_row
from tests.kernels.arrays import Array32
from tests.reference import Array
from tests.reference.lstm import sigmoid as exact_sigmoid

Row = Callable[[Array32], None]

SMALLEST = 2.0**-126  # the smallest number that is not subnormal
TANH_MAX = np.float32(7.90531110763549805)
finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


def net(largest: float) -> Array32:
    """Every 4001st float32 number from -largest to largest."""
    positive = np.arange(0, np.float32(largest).view(np.uint32) + 1, 4001, dtype=np.uint32).view(np.float32)
    return np.concatenate([-positive[::-1], positive, [np.float32(largest)]])


def run(row: Row, x: Array32) -> Array32:
    """Run over `x`, filled up to whole panels."""
    y = np.zeros(-(-len(x) // 16) * 16, np.float32)
    y[: len(x)] = x
    row(y)
    return y[: len(x)]


def exponential(x: np.float32) -> np.float32:
    return run(exponential_row, np.array([x]))[0]


def sigmoid(x: np.float32) -> np.float32:
    return run(sigmoid_row, np.array([x]))[0]


def tanh(x: np.float32) -> np.float32:
    return run(tanh_row, np.array([x]))[0]


def ulps(got: Array32, exact: Array) -> Array:
    """Error in units of the last place of the exact result."""
    return np.abs(got - exact) / np.spacing(np.abs(exact).astype(np.float32))


def stable_sigmoid(x: Array32) -> Array:
    """The twin's sigmoid loses its relative precision in the far left; this one keeps it."""
    return 1.0 / (1.0 + np.exp(-x.astype(np.float64)))


def test_sigmoid_is_within_3_ulp() -> None:
    x = net(87.0)
    assert ulps(run(sigmoid_row, x), stable_sigmoid(x)).max() <= 3.0


def test_sigmoid_is_that_of_the_twin() -> None:
    x = net(3e38)
    np.testing.assert_allclose(run(sigmoid_row, x), exact_sigmoid(x.astype(np.float64)), rtol=0, atol=1.2e-7)


def test_tanh_is_within_5_ulp() -> None:
    x = net(3e38)
    y, exact = run(tanh_row, x), np.tanh(x.astype(np.float64))
    # Below 1e-35 the numerator of the approximation is subnormal: its error is no longer relative, but below 1e-40.
    small = np.abs(x) < 1e-35
    assert ulps(y[~small], exact[~small]).max() <= 5.0
    assert np.abs(y[small] - exact[small]).max() < 2e-42


def test_exponential_is_within_2_ulp() -> None:
    for x in np.linspace(-87, 87, 2001, dtype=np.float32):
        assert ulps(np.array(exponential(x), np.float32), np.exp(np.float64(x))) <= 2.0


@pytest.mark.parametrize("x", [87.0, 88.0, 1e30, np.inf])
def test_ends_of_sigmoid_and_exponential(x: float) -> None:
    x = np.float32(x)
    assert exponential(x) == exponential(np.float32(87.0))
    assert exponential(-x) == exponential(np.float32(-87.0)) >= SMALLEST
    assert sigmoid(x) == 1.0
    assert SMALLEST <= sigmoid(-x) < 2e-38  # not subnormal, which would be slow


@pytest.mark.parametrize("x", [TANH_MAX, 8.0, 1e30, np.inf])
def test_ends_of_tanh(x: float) -> None:
    assert tanh(np.float32(x)) == tanh(TANH_MAX) == pytest.approx(1.0, abs=3e-7)
    assert tanh(np.float32(-x)) == tanh(-TANH_MAX)


def test_sigmoid_never_falls() -> None:
    assert (np.diff(run(sigmoid_row, net(3e38))) >= 0.0).all()


def test_tanh_falls_by_no_more_than_its_error() -> None:
    y = run(tanh_row, net(3e38))
    assert (np.diff(y) >= -6 * 2.0**-24).all()


@pytest.mark.parametrize("row", [sigmoid_row, tanh_row])
def test_what_is_not_a_number_stays_so_and_infinity_is_one(row: Row) -> None:
    """A training that has diverged must be seen: the clamps may not turn NaN into a number."""
    for length in (1, 3, 16, 37):
        assert np.isnan(run(row, np.full(length, np.nan, np.float32))).all()
        assert np.isfinite(run(row, np.full(length, np.inf, np.float32))).all()
        assert np.isfinite(run(row, np.full(length, -np.inf, np.float32))).all()


@pytest.mark.parametrize("function", [exponential, sigmoid, tanh])
def test_one_number_that_is_not_one(function: Callable[[np.float32], float]) -> None:
    assert np.isnan(function(np.float32(np.nan)))


@pytest.mark.parametrize(("row", "one"), [(sigmoid_row, sigmoid), (tanh_row, tanh)])
def test_every_lane_has_the_bits_of_single_numbers(row: Row, one: Callable[[np.float32], float]) -> None:
    x = np.random.default_rng(0).normal(0, 5, 67).astype(np.float32)
    alone = np.array([one(value) for value in x], np.float32)
    for length in range(1, 68):
        assert_array_equal(run(row, x[:length]), alone[:length])


def test_values_at_zero() -> None:
    """Padded units rely on tanh(0) = 0: they stay exactly zero."""
    assert sigmoid(np.float32(0.0)) == 0.5
    assert tanh(np.float32(0.0)) == 0.0
    assert exponential(np.float32(0.0)) == 1.0


@given(finite)
def test_bounds_and_symmetry(x: float) -> None:
    value = np.float32(x)
    assert 0.0 < sigmoid(value) <= 1.0
    assert abs(sigmoid(value) + sigmoid(-value) - 1.0) <= 3 * 2.0**-24
    assert -1.0 <= tanh(value) <= 1.0  # beyond, 1 - tanh², a factor of gradients, would be negative
    assert tanh(-value) == -tanh(value)
