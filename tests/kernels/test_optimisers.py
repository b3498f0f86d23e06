"""Gradient sums and Adam against their twin. The steps saved from PyTorch are taken in tests/test_network.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels.optimisers import adam, sum_gradients
from tests.kernels.arrays import Array32, draw
from tests.reference import Array, optimisers

F = np.float32


def step_of(
    weights: Array32,
    gradient: Array32,
    first: Array32,
    second: Array32,
    step: int,
    rate: float = 0.01,
    factor: float = 1.0,
) -> None:
    adam(weights, gradient, first, second, F(factor), F(rate), F(0.9), F(0.999), F(1e-8), step)


@pytest.mark.parametrize("size", [1, 15, 16, 1000])
@pytest.mark.parametrize("lanes", [1, 2, 5])
def test_gradients_are_summed_in_order(lanes: int, size: int) -> None:
    each = draw(lanes, size).astype(np.float32)
    gradient = np.full(size, np.nan, np.float32)
    norm = np.sqrt(sum(sum_gradients(each, at, min(at + 64, size), gradient) for at in range(0, size, 64)))
    expected = each[0].copy()
    for lane in each[1:]:
        expected += lane
    assert_array_equal(gradient, expected)
    assert norm == pytest.approx(float(np.linalg.norm(gradient.astype(np.float64))), rel=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_shows_in_the_norm(bad: float) -> None:
    each = draw(3, 20).astype(np.float32)
    each[1, 7] = bad
    assert not np.isfinite(sum_gradients(each, 0, 20, np.zeros(20, np.float32)))


def test_the_norm_of_long_gradients_does_not_overflow() -> None:
    gradient = np.zeros(4, np.float32)
    assert sum_gradients(np.full((1, 4), 1e30, np.float32), 0, 4, gradient) == pytest.approx(4e60)


@pytest.mark.parametrize("max_norm", [0.5, 1e9])
def test_steps_are_those_of_the_twin(max_norm: float) -> None:
    weights = draw(37, seed=1)
    mine, first, second = weights.astype(np.float32), np.zeros(37, np.float32), np.zeros(37, np.float32)
    m, v = np.zeros(37), np.zeros(37)
    for step in range(1, 11):
        gradient = draw(37, seed=10 + step)
        [clipped], norm = optimisers.clip_by_global_norm([gradient], max_norm)
        weights, m, v = optimisers.adam(weights, clipped, m, v, step, learning_rate=0.01)
        factor = min(1.0, max_norm / norm)
        step_of(mine, gradient.astype(np.float32), first, second, step, factor=factor)
        # beta_2 in float32 is off by 5e-8 relative to 1 - beta_2 = 1e-3: 5e-5 in the second moment.
        assert_allclose(first, m, rtol=0, atol=1e-6 * np.abs(m).max())
        assert_allclose(second, v, rtol=1e-4)
        assert_allclose(mine, weights, rtol=0, atol=2e-6)


@given(st.floats(1e-3, 1e3), st.floats(1e-4, 0.1), st.sampled_from([-1.0, 1.0]))
@settings(deadline=None)
def test_first_step_is_the_rate_against_the_sign(size: float, rate: float, sign: float) -> None:
    weights, first, second = np.zeros((3, 5), np.float32)
    step_of(weights, np.full(5, sign * size, np.float32), first, second, 1, rate=rate)
    assert_allclose(weights, np.full(5, -sign * rate), rtol=1e-4)


def test_no_gradient_moves_nothing() -> None:
    """Padding counts on it: exact zeros, in weights and moments, for ever."""
    weights, first, second, gradient = np.zeros((4, 33), np.float32)
    for step in range(1, 6):
        step_of(weights, gradient, first, second, step)
    for array in (weights, first, second):
        assert not array.any()


def test_many_steps_lead_to_the_bottom_of_a_bowl() -> None:
    bottom: Array = np.array([1.0, 5.0])
    weights, first, second = np.array([3.0, -2.0], np.float32), np.zeros(2, np.float32), np.zeros(2, np.float32)
    for step in range(1, 1001):
        step_of(weights, (2 * (weights - bottom) * [1.0, 100.0]).astype(np.float32), first, second, step, rate=0.05)
    assert_allclose(weights, bottom, atol=1e-3)


def test_a_gradient_that_is_not_a_number_shows_in_its_weight() -> None:
    weights, first, second = np.zeros((3, 5), np.float32)
    gradient = np.array([1.0, np.nan, 1.0, 1.0, 1.0], np.float32)
    step_of(weights, gradient, first, second, 1)
    assert_array_equal(np.isnan(weights), np.isnan(gradient))
