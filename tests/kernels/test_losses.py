"""The losses against their twins, central differences and hand-worked values."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels.losses import absolute_loss, pinball_loss, squared_loss
from tests.kernels.arrays import Array32, assert_near, draw, pad
from tests.reference import Array, losses
from tests.reference.gradient import numerical_gradient

Kernel = Callable[[Array32, Array32, Array32, Array32, np.float32, Array32], float]
Twin = Callable[[Array, Array, Array, Array], tuple[float, Array]]

QUANTILES, MEDIAN = np.array([0.125, 0.5, 0.875]), np.array([0.5])


class Loss(NamedTuple):
    """A kernel, its twin, and the quantiles it is tried with."""

    kernel: Kernel
    twin: Twin
    quantiles: Array = MEDIAN


PINBALL = Loss(pinball_loss, losses.pinball, QUANTILES)
ABSOLUTE = Loss(absolute_loss, lambda output, target, weights, _: losses.absolute(output, target, weights))
SQUARED = Loss(squared_loss, lambda output, target, weights, _: losses.squared(output, target, weights))
LOSSES = {
    "pinball": PINBALL,
    "pinball of the median": PINBALL._replace(quantiles=MEDIAN),
    "absolute": ABSOLUTE,
    "squared": SQUARED,
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def run(loss: Loss, outputs: Array, targets: Array, weights: Array, scale: float = 1.0) -> tuple[float, Array32]:
    """Weighted sum, and its gradient by outputs (R, F, Q); the padding of both must play no part and come out zero."""
    rows, steps = targets.shape
    wide = pad(outputs.reshape(rows, -1))
    columns = steps * len(loss.quantiles)
    wide[:, columns:] = np.nan
    d_wide = np.full_like(wide, np.nan)
    numbers = [array.astype(np.float32) for array in (targets, weights, loss.quantiles)]
    total = loss.kernel(wide, *numbers, np.float32(scale), d_wide)
    assert isinstance(total, float)
    assert not d_wide[:, columns:].any()
    return total, d_wide[:, :columns].reshape(rows, steps, -1)


@each_loss
@pytest.mark.parametrize("rows", [1, 2, 7, 32])
@pytest.mark.parametrize("steps", [1, 5, 16, 17])
def test_loss_and_gradient_are_those_of_the_twin(loss: Loss, rows: int, steps: int) -> None:
    outputs, targets = draw(rows, steps, len(loss.quantiles), seed=1), draw(rows, steps, seed=2)
    weights = np.random.default_rng(3).choice([0.0, 0.25, 1.0], (rows, steps))
    weights[0, 0] = 1.0
    scale = 1.0 / weights.sum()
    total, gradient = run(loss, outputs, targets, weights, scale)
    expected, expected_gradient = loss.twin(outputs, targets, weights, loss.quantiles)
    assert total * scale == pytest.approx(expected, rel=1e-6)
    assert_near(gradient, expected_gradient, 1e-6)


@each_loss
def test_gradients_are_the_slopes_of_the_kernel(loss: Loss) -> None:
    outputs, targets = draw(4, 2, len(loss.quantiles), seed=1), draw(4, 2, seed=2)
    assert np.abs(targets[..., None] - outputs).min() > 0.006  # no kink within a step
    weights = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.25, 2.0]])
    _, gradient = run(loss, outputs, targets, weights)
    slopes = numerical_gradient(lambda: run(loss, outputs, targets, weights)[0], outputs, 0.005)
    assert_allclose(gradient, slopes, rtol=1e-3, atol=1e-3)


@each_loss
def test_an_exact_hit_has_no_gradient(loss: Loss) -> None:
    total, gradient = run(loss, np.ones((4, 2, len(loss.quantiles))), np.ones((4, 2)), np.ones((4, 2)))
    assert total == 0.0
    assert not gradient.any()


@each_loss
def test_missing_targets_play_no_part_whatever_stands_there(loss: Loss) -> None:
    outputs, targets, weights = draw(4, 2, len(loss.quantiles), seed=1), draw(4, 2, seed=2), np.array([[1.0, 0.0]] * 4)
    total, gradient = run(loss, outputs, targets, weights)
    targets[:, 1] = np.nan
    outputs[:, 1] = np.inf
    total_again, gradient_again = run(loss, outputs, targets, weights)
    assert total_again == total
    assert_array_equal(gradient_again, gradient)
    assert not gradient[:, 1].any()


@each_loss
def test_nothing_observed_is_no_loss(loss: Loss) -> None:
    total, gradient = run(loss, draw(4, 2, len(loss.quantiles)), draw(4, 2), np.zeros((4, 2)))
    assert total == 0.0
    assert not gradient.any()


@each_loss
def test_an_output_that_is_not_a_number_is_seen(loss: Loss) -> None:
    outputs = draw(4, 2, len(loss.quantiles))
    outputs[2, 1] = np.nan
    total, _ = run(loss, outputs, draw(4, 2), np.ones((4, 2)))
    assert np.isnan(total)


def test_by_hand() -> None:
    outputs, target, one = np.array([[[8.0, 12.0]]]), np.array([[10.0]]), np.ones((1, 1))  # errors 2 and -2
    total, gradient = run(PINBALL._replace(quantiles=np.array([0.9, 0.9])), outputs, target, one)
    assert total == pytest.approx((1.8 + 0.2) / 2)
    assert_allclose(gradient, [[[-0.45, 0.05]]], rtol=1e-6)
    outputs = np.array([[[8.0, 12.0, 12.0]]])  # the median counts ten times
    total, gradient = run(PINBALL._replace(quantiles=np.array([0.25, 0.5, 0.75])), outputs, target, one)
    assert total == pytest.approx((0.1 * 0.5 + 1.0 + 0.1 * 0.5) / 1.2)
    assert_allclose(gradient, [[[-0.025 / 1.2, 0.5 / 1.2, 0.025 / 1.2]]], rtol=1e-6)
    for output, slope in ((8.0, -1.0), (12.0, 1.0)):
        total, gradient = run(ABSOLUTE, np.full((1, 1, 1), output), target, one)
        assert (total, gradient.item()) == (2.0, slope)
        total, gradient = run(SQUARED, np.full((1, 1, 1), output), target, one)
        assert (total, gradient.item()) == (4.0, 4.0 * slope)


# Quarters are exact in float32, so that sums are, and hits on the kink are common.
quarters = st.integers(-40, 40).map(lambda n: n / 4)


@given(arrays(np.float64, (3, 2, 3), elements=quarters), arrays(np.float64, (3, 2), elements=quarters))
@settings(deadline=None)
def test_pinball_is_exact_on_quarters(outputs: Array, targets: Array) -> None:
    weights = np.array([[1.0, 0.0], [1.0, 1.0], [0.5, 2.0]])
    total, gradient = run(PINBALL, outputs, targets, weights, 1.0 / weights.sum())
    expected, expected_gradient = losses.pinball(outputs, targets, weights, QUANTILES)
    assert total / weights.sum() == pytest.approx(expected, rel=1e-14)
    assert total >= 0.0
    assert_allclose(gradient, expected_gradient, rtol=1e-6)
