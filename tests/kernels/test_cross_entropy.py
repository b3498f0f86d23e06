"""Cross-entropies from logits against their twins, central differences and hand-worked values."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels.losses import binary_loss, categorical_loss
from tests.kernels.arrays import Array32, assert_near, draw, pad
from tests.reference import Array, losses
from tests.reference.gradient import numerical_gradient

NO_QUANTILES = np.full(1, 0.5, np.float32)
KERNELS = {"binary": binary_loss, "categorical": categorical_loss}
each_loss = pytest.mark.parametrize("name", KERNELS)


def run(name: str, logits: Array, targets: Array, weights: Array, scale: float = 1.0) -> tuple[float, Array32]:
    """Weighted sum, and its gradient by the logits (R, C); their padding must play no part and come out zero."""
    columns = targets.shape[1]
    wide = pad(logits)
    wide[:, columns:] = np.nan
    d_wide = np.full_like(wide, np.nan)
    numbers = [array.astype(np.float32) for array in (targets, weights)]
    total = KERNELS[name](wide, *numbers, NO_QUANTILES, np.float32(scale), d_wide)
    assert isinstance(total, float)
    assert not d_wide[:, columns:].any()
    return total, d_wide[:, :columns]


def case(rows: int, columns: int) -> tuple[Array, Array, Array]:
    """Logits, probabilities and weights; the weights of a row are alike."""
    rng = np.random.default_rng([rows, columns])
    targets = rng.random((rows, columns))
    targets /= targets.sum(axis=1, keepdims=True)
    weights = rng.choice([0.0, 0.25, 1.0], (rows, 1)) + np.zeros((rows, columns))
    weights[0] = 1.0
    return draw(rows, columns, seed=1, scale=3.0), targets.astype(np.float32).astype(np.float64), weights


def of_the_twin(name: str, logits: Array, targets: Array, weights: Array) -> tuple[float, Array]:
    """The weighted sum and its gradient."""
    if name == "binary":
        value, gradient = losses.binary(logits[..., None], targets, weights)
        return value * weights.sum(), gradient[..., 0] * weights.sum()
    value, gradient = losses.categorical(logits, targets, weights[:, 0])
    return value * weights[:, 0].sum(), gradient * weights[:, 0].sum()


@each_loss
@pytest.mark.parametrize("rows", [1, 2, 7, 32])
@pytest.mark.parametrize("columns", [1, 2, 5, 16, 17])
def test_loss_and_gradient_are_those_of_the_twin(name: str, rows: int, columns: int) -> None:
    logits, targets, weights = case(rows, columns)
    total, gradient = run(name, logits, targets, weights, 0.5)
    expected, expected_gradient = of_the_twin(name, logits, targets, weights)
    assert total == pytest.approx(expected, rel=1e-6, abs=1e-6)
    assert_near(gradient, 0.5 * expected_gradient, 1e-6)


@each_loss
def test_gradients_are_the_slopes_of_the_kernel(name: str) -> None:
    logits, targets, weights = case(4, 3)
    _, gradient = run(name, logits, targets, weights)
    slopes = numerical_gradient(lambda: run(name, logits, targets, weights)[0], logits, 0.005)
    assert_allclose(gradient, slopes, rtol=1e-3, atol=1e-3)


@each_loss
def test_rows_without_a_weight_play_no_part_whatever_stands_there(name: str) -> None:
    logits, targets, weights = case(4, 3)
    weights[2] = 0.0
    total, gradient = run(name, logits, targets, weights)
    logits[2], targets[2] = np.inf, np.nan
    again, gradient_again = run(name, logits, targets, weights)
    assert again == total
    assert_array_equal(gradient_again, gradient)
    assert not gradient[2].any()


@each_loss
def test_what_is_not_a_number_is_seen(name: str) -> None:
    for column in range(3):
        logits, targets, weights = case(4, 3)
        logits[0, column] = np.nan
        assert np.isnan(run(name, logits, targets, weights)[0])


@each_loss
def test_huge_logits_do_not_overflow(name: str) -> None:
    logits = np.array([[1e30, -1e30], [-3e38, 3e38], [0.0, 500.0]])
    total, gradient = run(name, logits, np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]), np.ones((3, 2)))
    assert total == pytest.approx(0.0 if name == "categorical" else np.log(2))  # a logit of 0 is undecided
    assert np.isfinite(gradient).all()
    total, gradient = run(name, logits[:1], np.array([[0.0, 1.0]]), np.ones((1, 2)))
    assert total == pytest.approx(2e30)
    assert_array_equal(gradient, [[1.0, -1.0]])


def test_by_hand() -> None:
    total, gradient = run("categorical", np.log([[1.0, 2.0, 5.0]]), np.array([[0.0, 1.0, 0.0]]), np.ones((1, 3)))
    assert total == pytest.approx(np.log(4), rel=1e-6)
    assert_allclose(gradient, [[1 / 8, 2 / 8 - 1, 5 / 8]], rtol=1e-6)
    total, gradient = run("binary", np.log([[3.0]]), np.ones((1, 1)), np.ones((1, 1)))
    assert total == pytest.approx(np.log(4 / 3), rel=1e-6)
    assert gradient.item() == pytest.approx(-0.25)
