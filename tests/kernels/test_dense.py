"""The dense layer against its twin, central differences and itself row by row."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels.dense import dense_backward, dense_forward, skip_backward, skip_forward
from tests.kernels.arrays import ROWS, Array32, assert_near, draw, packed, pad, pad_bias, pad_rows, real, real_bias
from tests.reference import Array, dense
from tests.reference.gradient import numerical_gradient

WIDTHS = [(3, 5), (16, 16), (17, 40), (40, 3), (1, 33)]  # D, O
BEFORE = 2
"""Rows above the first one that the layer looks at."""


class Gradients(NamedTuple):
    """The buffers of a backward pass, padded."""

    d_s: Array32  # (R, O), before activation
    d_x: Array32  # (BEFORE + R, D)
    d_weight: Array32
    d_bias: Array32


def draw_case(rows: int, inputs: int, outputs: int) -> dict[str, Array]:
    weight = draw(outputs, inputs, seed=2, scale=inputs**-0.5)
    return {"x": draw(rows, inputs, seed=1), "weight": weight, "bias": draw(outputs, seed=3, scale=0.5)}


def with_rows_before(x: Array, before: float) -> Array32:
    return np.concatenate([np.full((BEFORE, pad(x).shape[1]), before, np.float32), pad(x)])


def forward(x: Array, weight: Array, bias: Array, *, tanh: bool) -> Array32:
    right = packed(pad_rows(weight), transposed=True)
    y = np.full((len(x), len(pad_bias(bias))), np.nan, np.float32)
    dense_forward(with_rows_before(x, np.nan), BEFORE, right, pad_bias(bias), tanh, y)
    return y


def backward(d_y: Array, x: Array, y: Array32, weight: Array, *, tanh: bool, start: float = 0.0) -> Gradients:
    padded = pad_rows(weight)
    wide = with_rows_before(x, np.nan)
    result = Gradients(
        pad(d_y), np.full_like(wide, start), np.full_like(padded, start), np.full(len(padded), start, np.float32)
    )
    d_s, d_x, d_weight, d_bias = result
    dense_backward(wide, BEFORE, y, d_s, packed(padded, transposed=False), tanh, d_weight, d_bias, d_x)
    return result


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("rows", [*ROWS, 33, 64, 70])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_both_passes_are_those_of_the_twin(widths: tuple[int, int], rows: int, tanh: bool) -> None:
    inputs, outputs = widths
    case, d_y = draw_case(rows, *widths), draw(rows, outputs, seed=4)
    y, twin = forward(**case, tanh=tanh), dense.forward(**case, tanh=tanh)
    assert_near(y[:, :outputs], twin)
    got = backward(d_y, case["x"], y, case["weight"], tanh=tanh)
    expected = dense.backward(d_y, case["x"], twin, case["weight"], tanh=tanh)
    assert_near(got.d_x[BEFORE:, :inputs], expected.d_x)
    assert_near(real(got.d_weight, outputs, inputs), expected.d_weight)
    assert_near(real_bias(got.d_bias, outputs), expected.d_bias)
    assert not got.d_x[:BEFORE].any()

    # Padding stays exactly zero.
    assert not y[:, outputs:].any()
    assert not got.d_s[:, outputs:].any()
    assert not got.d_x[:, inputs:].any()
    assert not got.d_weight[:, inputs:].any()
    assert not got.d_weight[outputs:].any()
    assert not got.d_bias[outputs:].any()


@pytest.mark.parametrize("tanh", [False, True])
def test_gradients_are_the_slopes_of_the_kernel(tanh: bool) -> None:
    case, d_y = draw_case(5, 3, 4), draw(5, 4, seed=4)

    def loss() -> float:
        return float((d_y * forward(**case, tanh=tanh)[:, :4]).sum())

    got = backward(d_y, case["x"], forward(**case, tanh=tanh), case["weight"], tanh=tanh)
    gradients = {"x": got.d_x[BEFORE:, :3], "weight": real(got.d_weight, 4, 3), "bias": real_bias(got.d_bias, 4)}
    for name, gradient in gradients.items():
        assert_allclose(gradient, numerical_gradient(loss, case[name], 0.01), rtol=2e-3, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("rows", ROWS)
def test_a_row_has_the_same_bits_alone_and_among_others(rows: int) -> None:
    case, d_y = draw_case(rows, 17, 40), draw(rows, 40, seed=4)
    weights = {"weight": case["weight"], "bias": case["bias"]}
    together = forward(**case, tanh=True)
    back = backward(d_y, case["x"], together, case["weight"], tanh=True)
    for r in range(rows):
        one = slice(r, r + 1)
        alone = forward(case["x"][one], **weights, tanh=True)
        assert_array_equal(alone, together[one])
        back_alone = backward(d_y[one], case["x"][one], alone, case["weight"], tanh=True)
        assert_array_equal(back_alone.d_x[BEFORE:], back.d_x[BEFORE + r : BEFORE + r + 1])


def test_backward_adds_to_what_is_there() -> None:
    case, d_y = draw_case(33, 17, 40), draw(33, 40, seed=4)
    y = forward(**case, tanh=True)
    fresh = backward(d_y, case["x"], y, case["weight"], tanh=True)
    onto = backward(d_y, case["x"], y, case["weight"], tanh=True, start=2.0)
    assert_array_equal(onto.d_s, fresh.d_s)
    assert_array_equal(onto.d_x[:BEFORE], np.full_like(onto.d_x[:BEFORE], 2.0))
    assert_near(onto.d_x[BEFORE:], 2.0 + fresh.d_x[BEFORE:].astype(np.float64))
    for name in ("d_weight", "d_bias"):
        assert_near(getattr(onto, name), 2.0 + getattr(fresh, name).astype(np.float64))


@pytest.mark.parametrize("tanh", [False, True])
def test_what_is_not_a_number_is_seen_in_its_row_and_only_there(tanh: bool) -> None:
    case = draw_case(9, 17, 40)
    case["x"][4, 3] = np.nan
    y = forward(**case, tanh=tanh)
    assert np.isnan(y[4, :40]).all()
    assert np.isfinite(np.delete(y, 4, axis=0)).all()


# --- the product beside the head, of which only the weights have a gradient --------------------------------------


@pytest.mark.parametrize("rows", [*ROWS, 33, 70])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_skip_is_that_of_the_twin(widths: tuple[int, int], rows: int) -> None:
    inputs, outputs = widths
    x, weight, before, d_y = (
        draw(rows, inputs, seed=1),
        draw(outputs, inputs, seed=2),
        draw(rows, outputs, seed=3),
        draw(rows, outputs, seed=4),
    )
    wide, y, d_weight = with_rows_before(x, np.nan), pad(before), pad_rows(np.full_like(weight, 2.0))
    skip_forward(wide, BEFORE, packed(pad_rows(weight), transposed=True), y)
    assert_near(y[:, :outputs], before + dense.forward(x, weight, np.zeros(outputs)))
    skip_backward(wide, BEFORE, pad(d_y), d_weight)
    assert_near(real(d_weight, outputs, inputs), 2.0 + dense.backward(d_y, x, before, weight).d_weight)

    # Padding stays exactly zero.
    assert not y[:, outputs:].any()
    assert not d_weight[:, inputs:].any()
    assert not d_weight[outputs:].any()


@pytest.mark.parametrize("rows", ROWS)
def test_a_row_of_the_skip_has_the_same_bits_alone_and_among_others(rows: int) -> None:
    x, right = pad(draw(rows, 17)), packed(pad_rows(draw(40, 17)), transposed=True)
    together = pad(draw(rows, 40, seed=3))
    alone = together.copy()
    skip_forward(x, 0, right, together)
    for r in range(rows):
        skip_forward(x, r, right, alone[r : r + 1])
    assert_array_equal(alone, together)
