"""The head over a vocabulary against its twin, central differences, itself, and with what is not a number."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels import softmax
from forecaster.kernels.softmax import softmax_backward, softmax_loss
from tests.kernels.arrays import Array32, assert_near, draw, pad, padded
from tests.reference import Array, dense, losses
from tests.reference.gradient import numerical_gradient

SYMBOLS = [1, 2, 15, 16, 17, 95, 96, 97, 200]  # below, at and above whole registers and whole chunks
ROWS = [16, 32, 48, 256]


class Case(NamedTuple):
    """What goes in; all rows are real."""

    z: Array  # (R, D)
    weight: Array  # (V, D)
    bias: Array  # (V,)
    targets: np.ndarray
    weights: Array  # (R,)


class Gradients(NamedTuple):
    """What comes out, without padding."""

    loss: float
    d_z: Array32
    d_weight: Array32
    d_bias: Array32


def draw_case(rows: int, depth: int, symbols: int) -> Case:
    rng = np.random.default_rng([rows, depth, symbols])
    weights = rng.choice([0.0, 0.25, 1.0], rows)
    weights[:2] = 1.0
    return Case(
        draw(rows, depth, seed=1),
        draw(symbols, depth, seed=2),
        draw(symbols, seed=3),
        rng.integers(0, symbols, rows),
        weights,
    )


def run(case: Case, *, start: float = 0.0) -> Gradients:
    """Both passes over fresh buffers, which hold NaN where they are written, or where nobody may look."""
    (rows, depth), symbols = case.z.shape, len(case.bias)
    z, d_z = pad(case.z), np.full((rows, padded(depth)), start, np.float32)
    weight = np.full((padded(symbols), padded(depth)), np.nan, np.float32)
    weight[:symbols] = pad(case.weight)
    bias = np.full(padded(symbols), np.nan, np.float32)
    bias[:symbols] = case.bias
    d_weight, d_bias = np.full_like(weight, start), np.full_like(bias, start)
    scratch = [np.full(size, np.nan, np.float32) for size in (rows * padded(depth), (3, rows), symbols * rows)]
    weights = case.weights.astype(np.float32)
    loss = softmax_loss(z, weight, bias, symbols, case.targets, weights, *scratch)
    softmax_backward(z, weight, symbols, case.targets, weights, *scratch, d_weight, d_bias, d_z)
    assert (d_weight[symbols:] == start).all()
    assert (d_bias[symbols:] == start).all()
    assert (d_weight[:, depth:] == start).all()
    assert (d_z[:, depth:] == start).all()
    return Gradients(loss, d_z[:, :depth], d_weight[:symbols, :depth], d_bias[:symbols])


def of_the_twin(case: Case) -> tuple[float, dense.DenseGradients]:
    """The weighted sum, and its gradients."""
    one_hot, total = np.eye(len(case.bias))[case.targets], case.weights.sum()
    logits = dense.forward(case.z, case.weight, case.bias)
    value, d_logits = losses.categorical(logits, one_hot, case.weights)
    return value * total, dense.backward(d_logits * total, case.z, logits, case.weight)


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("symbols", SYMBOLS)
@pytest.mark.parametrize("depth", [3, 16, 40])
def test_loss_and_gradients_are_those_of_the_twin(depth: int, symbols: int, rows: int) -> None:
    case = draw_case(rows, depth, symbols)
    got, (expected, gradients) = run(case), of_the_twin(case)
    assert got.loss == pytest.approx(expected, rel=3e-6, abs=3e-6)
    largest = max(np.abs(one).max() for one in gradients)
    for mine, theirs in zip(got[1:], gradients, strict=True):
        assert_allclose(mine, theirs, rtol=0, atol=3e-6 * largest + 1e-6)


def test_gradients_are_the_slopes_of_the_kernel() -> None:
    case = draw_case(16, 3, 5)
    got = run(case)
    for array, gradient in ((case.z, got.d_z), (case.weight, got.d_weight), (case.bias, got.d_bias)):
        slopes = numerical_gradient(lambda: run(case).loss, array, 0.01)
        assert_allclose(gradient, slopes, rtol=5e-3, atol=5e-3)


def test_chunks_do_not_matter() -> None:
    """Symbols of one chunk alone and among others: a vocabulary whose first symbols can hardly be."""
    case = draw_case(32, 16, 300)
    case.bias[:250] = -80.0
    few = Case(case.z, case.weight[250:], case.bias[250:], case.targets % 50, case.weights)
    got, expected = run(case._replace(targets=few.targets + 250)), run(few)
    assert got.loss == pytest.approx(expected.loss, rel=1e-6)
    assert_near(got.d_weight[250:], expected.d_weight.astype(np.float64))
    assert_allclose(got.d_weight[:250], 0, atol=1e-20)
    assert softmax._CHUNK < 250


def test_backward_adds_to_what_is_there() -> None:
    case = draw_case(32, 16, 20)
    fresh, onto = run(case), run(case, start=2.0)
    for mine, ours in zip(onto[1:], fresh[1:], strict=True):
        assert_near(mine, 2.0 + ours.astype(np.float64))


def test_rows_without_a_weight_play_no_part() -> None:
    case = draw_case(32, 16, 20)
    case.weights[5:] = 0.0
    few = Case(*(one[:16] if len(one) == 32 else one for one in case))
    got, expected = run(case), run(few)
    assert got.loss == expected.loss
    assert_near(got.d_weight, expected.d_weight.astype(np.float64))
    assert not got.d_z[5:].any()


def test_nothing_to_guess_is_no_loss() -> None:
    got = run(draw_case(16, 16, 20)._replace(weights=np.zeros(16)))
    assert got.loss == 0.0
    for gradient in got[1:]:
        assert not gradient.any()


def test_of_one_symbol_nothing_is_learned() -> None:
    got = run(draw_case(16, 16, 1))
    assert got.loss == pytest.approx(0.0, abs=1e-5)
    assert_allclose(got.d_bias, 0, atol=1e-5)


@pytest.mark.parametrize("scale", [1e3, 1e18])
def test_huge_logits_do_not_overflow(scale: float) -> None:
    case = draw_case(16, 16, 200)
    case.z[:] *= scale
    got = run(case)
    assert np.isfinite(got.loss)
    for gradient in got[1:]:
        assert np.isfinite(gradient).all()


def test_what_is_not_a_number_is_seen_in_its_row() -> None:
    case = draw_case(32, 16, 200)
    case.z[3, 4], case.weights[3] = np.nan, 1.0
    got = run(case)
    assert np.isnan(got.loss)
    assert np.isnan(got.d_z[3]).all()
    assert np.isfinite(np.delete(got.d_z, 3, axis=0)).all()


def test_the_same_bits_twice() -> None:
    case = draw_case(256, 40, 200)
    for one, other in zip(run(case), run(case), strict=True):
        assert_array_equal(one, other)
