"""GRU and plain RNN layers against their twins, central differences, themselves in pieces, and numbers from PyTorch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels.gru import gru_backward, gru_forward
from forecaster.kernels.rnn import rnn_backward, rnn_forward
from forecaster.shape import BLOCKS, Cell
from tests.kernels.arrays import (
    HIDDEN,
    ROWS,
    Array32,
    assert_near,
    draw,
    packed,
    pad,
    pad_bias,
    pad_rows,
    padded,
    real,
    real_bias,
)
from tests.reference import Array, gru, rnn
from tests.reference.gradient import numerical_gradient
from tests.reference.torch_numbers import CELL_CASES, torch_numbers, weights_of

STEPS, INPUTS = 5, 4
CHAOTIC = 1e-5
"""Tolerance where weights are so large that a plain layer makes much of the last digit."""
Case = dict[str, Array]
TWINS: dict[Cell, Any] = {"gru": gru, "rnn": rnn}
each_cell = pytest.mark.parametrize("cell", TWINS)


class Passed(NamedTuple):
    """The buffers of a forward pass, padded."""

    x: Array32
    h: Array32  # (T + 1, B, H)
    gates: Array32  # of a plain RNN nothing is kept
    m: Array32


class Gradients(NamedTuple):
    """The buffers of a backward pass, padded."""

    d_h: Array32  # (T + 1, B, H)
    d_weight_ih: Array32
    d_weight_hh: Array32
    d_bias: Array32
    d_x: Array32


class Layer:
    """Weights of a layer, padded and packed, and its passes over fresh buffers that hold NaN where they are written."""

    def __init__(self, cell: Cell, weight_ih: Array, weight_hh: Array, bias: Array) -> None:
        self.cell, self.blocks = cell, BLOCKS[cell]
        self.hidden, self.inputs = weight_hh.shape[1], weight_ih.shape[1]
        self.weight_ih, self.weight_hh = (pad_rows(one, self.blocks.weights) for one in (weight_ih, weight_hh))
        self.bias = pad_bias(bias, self.blocks.bias)

    def forward(self, x: Array32, h0: Array32, *, keep: bool = True) -> Passed:
        steps, rows, units = len(x), len(h0), padded(self.hidden)
        h = np.full((steps + 1, rows, units), np.nan, np.float32)
        h[0] = h0
        kept = steps if keep else 1
        gates = np.full((kept, rows, self.blocks.weights * units), np.nan, np.float32)
        m = np.full((kept, rows, units), np.nan, np.float32)
        weights = packed(self.weight_ih, transposed=True), packed(self.weight_hh, transposed=True), self.bias
        if self.cell == "gru":
            gru_forward(x, *weights, h, gates, m)
        else:
            rnn_forward(x, *weights, h)
        return Passed(x, h, gates, m)

    def backward(self, passed: Passed, d_h: Array32, *, to_x: bool = True, start: float = 0.0) -> Gradients:
        x, h, gates, m = passed
        result = Gradients(
            d_h.copy(),
            np.full_like(self.weight_ih, start),
            np.full_like(self.weight_hh, start),
            np.full_like(self.bias, start),
            np.full_like(x if to_x else x[:0], start),
        )
        weights = packed(self.weight_ih, transposed=False), packed(self.weight_hh, transposed=False)
        d_h, *rest = result
        if self.cell == "gru":
            passed_on = np.full((h.shape[1], 3 * h.shape[2]), np.nan, np.float32)
            gru_backward(x, h, gates.copy(), m.copy(), d_h, passed_on, *weights, *rest)
        else:
            rnn_backward(x, h, np.full_like(h[1:], np.nan), d_h, *weights, *rest)
        return result


def draw_case(cell: Cell, steps: int, rows: int, inputs: int, hidden: int) -> Case:
    blocks = BLOCKS[cell]
    return {
        "x": draw(steps, rows, inputs, seed=1),
        "weight_ih": draw(blocks.weights * hidden, inputs, seed=2, scale=0.5),
        "weight_hh": draw(blocks.weights * hidden, hidden, seed=3, scale=hidden**-0.5),
        "bias": draw(blocks.bias * hidden, seed=4, scale=0.5),
        "h0": draw(rows, hidden, seed=5),
    }


def layer_of(cell: Cell, case: Case) -> Layer:
    return Layer(cell, case["weight_ih"], case["weight_hh"], case["bias"])


def run(cell: Cell, case: Case, *, keep: bool = True) -> Passed:
    return layer_of(cell, case).forward(pad(case["x"]), pad(case["h0"]), keep=keep)


def named(layer: Layer, got: Gradients) -> Case:
    """Return the gradients without their padding, by what they are gradients of."""
    blocks, hidden = layer.blocks, layer.hidden
    return {
        "x": got.d_x[..., : layer.inputs],
        "weight_ih": real(got.d_weight_ih, hidden, layer.inputs, blocks.weights),
        "weight_hh": real(got.d_weight_hh, hidden, hidden, blocks.weights),
        "bias": real_bias(got.d_bias, hidden, blocks.bias),
        "h0": got.d_h[0, :, :hidden],
    }


def assert_those_of_the_twin(cell: Cell, case: Case) -> None:
    steps, rows, hidden = *case["x"].shape[:2], case["h0"].shape[1]
    passed, twin = run(cell, case), TWINS[cell].forward(**case)
    assert_near(passed.h[1:, :, :hidden], twin.h)
    if cell == "gru":
        assert_near(passed.m[:, :, :hidden], twin.m)
        gates = passed.gates.reshape(steps, rows, 3, -1)[..., :hidden]
        assert_near(gates, twin.gates.reshape(steps, rows, 3, hidden))
    d_h = draw(steps + 1, rows, hidden, seed=7)  # row 0: by the initial state
    got = named(layer := layer_of(cell, case), layer.backward(passed, pad(d_h)))
    expected = TWINS[cell].backward(d_h[1:], twin, case["weight_ih"], case["weight_hh"])
    got["h0"] = got["h0"] - d_h[0]
    for name, gradient in got.items():
        assert_near(gradient, getattr(expected, f"d_{name}"))


# --- against the twin --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
@each_cell
def test_both_passes_are_those_of_the_twin(cell: Cell, hidden: int, rows: int) -> None:
    assert_those_of_the_twin(cell, draw_case(cell, STEPS, rows, INPUTS, hidden))


@pytest.mark.parametrize("inputs", [1, 15, 16, 33])
@each_cell
def test_any_number_of_inputs(cell: Cell, inputs: int) -> None:
    assert_those_of_the_twin(cell, draw_case(cell, 2, 5, inputs, 3))


@each_cell
def test_more_rows_than_one_outer_product_takes(cell: Cell) -> None:
    assert_those_of_the_twin(cell, draw_case(cell, 9, 40, INPUTS, 17))


# --- against central differences of its own loss -----------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 2, 3), (2, 5, 1, 2)])
@each_cell
def test_gradients_are_the_slopes_of_the_kernel(cell: Cell, shape: tuple[int, int, int, int]) -> None:
    """In float32 a step must be large, so that rounding does not drown the slope; hence the tolerance."""
    steps, rows, _, hidden = shape
    case = draw_case(cell, *shape)
    d_h = draw(steps + 1, rows, hidden, seed=7)
    d_h[0] = 0.0

    def loss() -> float:
        return float((d_h * run(cell, case).h[:, :, :hidden]).sum())

    layer = layer_of(cell, case)
    for name, gradient in named(layer, layer.backward(run(cell, case), pad(d_h))).items():
        assert_allclose(gradient, numerical_gradient(loss, case[name], 0.01), rtol=5e-3, atol=2e-3, err_msg=name)


# --- against itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
@each_cell
def test_a_row_has_the_same_bits_alone_and_among_others(cell: Cell, hidden: int, rows: int) -> None:
    case = draw_case(cell, 3, rows, INPUTS, hidden)
    d_h = pad(draw(4, rows, hidden, seed=7))
    layer, together = layer_of(cell, case), run(cell, case)
    back = layer.backward(together, d_h)
    for b in range(rows):
        one = slice(b, b + 1)
        alone = layer.forward(together.x[:, one].copy(), together.h[0, one])
        for mine, ours in zip(alone, together, strict=True):
            assert_array_equal(mine, ours[:, one])
        back_alone = layer.backward(alone, d_h[:, one])
        assert_array_equal(back_alone.d_x, back.d_x[:, one])
        assert_array_equal(back_alone.d_h, back.d_h[:, one])


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("cut", range(1, STEPS))
@each_cell
def test_two_runs_that_carry_the_state_are_one(cell: Cell, cut: int, rows: int) -> None:
    case = draw_case(cell, STEPS, rows, INPUTS, 17)
    layer, whole = layer_of(cell, case), run(cell, case)
    early = layer.forward(whole.x[:cut], whole.h[0])
    late = layer.forward(whole.x[cut:], early.h[-1])
    assert_array_equal(np.concatenate([early.h, late.h[1:]]), whole.h)


@pytest.mark.parametrize("rows", [1, 3, 9])
@each_cell
def test_step_by_step_is_one_run(cell: Cell, rows: int) -> None:
    case = draw_case(cell, STEPS, rows, INPUTS, 17)
    layer, whole = layer_of(cell, case), run(cell, case)
    h = whole.h[0]
    for t in range(STEPS):
        h = layer.forward(whole.x[t : t + 1], h).h[1]
        assert_array_equal(h, whole.h[t + 1])


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("steps", [1, 2, STEPS])
@each_cell
def test_scratch_of_one_step_gives_the_same_states(cell: Cell, steps: int, rows: int) -> None:
    case = draw_case(cell, steps, rows, INPUTS, 17)
    assert_array_equal(run(cell, case, keep=False).h, run(cell, case).h)


@pytest.mark.parametrize("cut", range(1, STEPS))
@each_cell
def test_backward_may_be_cut_in_two_and_joined_by_the_states(cell: Cell, cut: int) -> None:
    case = draw_case(cell, STEPS, 3, INPUTS, 17)
    d_h = pad(draw(STEPS + 1, 3, 17, seed=7))
    layer, passed = layer_of(cell, case), run(cell, case)
    whole = layer.backward(passed, d_h)
    early = layer.forward(passed.x[:cut], passed.h[0])
    late = layer.forward(passed.x[cut:], early.h[-1])
    after = layer.backward(late, d_h[cut:])
    before = layer.backward(early, np.concatenate([d_h[:cut], after.d_h[:1]]))
    assert_array_equal(np.concatenate([before.d_x, after.d_x]), whole.d_x)
    assert_array_equal(before.d_h[0], whole.d_h[0])
    for name in ("d_weight_ih", "d_weight_hh", "d_bias"):
        assert_near(getattr(before, name) + getattr(after, name), getattr(whole, name).astype(np.float64))


@each_cell
def test_backward_adds_to_what_is_there(cell: Cell) -> None:
    case = draw_case(cell, STEPS, 3, INPUTS, 17)
    d_h = pad(draw(STEPS + 1, 3, 17, seed=7))
    layer, passed = layer_of(cell, case), run(cell, case)
    fresh, onto = layer.backward(passed, d_h), layer.backward(passed, d_h, start=2.0)
    for name in ("d_weight_ih", "d_weight_hh", "d_bias", "d_x"):
        assert_near(getattr(onto, name), 2.0 + getattr(fresh, name).astype(np.float64))


@each_cell
def test_the_gradient_by_x_may_be_left_out(cell: Cell) -> None:
    case = draw_case(cell, STEPS, 3, INPUTS, 17)
    d_h = pad(draw(STEPS + 1, 3, 17, seed=7))
    layer, passed = layer_of(cell, case), run(cell, case)
    with_x, without = layer.backward(passed, d_h), layer.backward(passed, d_h, to_x=False)
    assert without.d_x.size == 0
    for ours, mine in zip(with_x[:-1], without[:-1], strict=True):
        assert_array_equal(ours, mine)


# --- padding, and what is not a number ---------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 5, 8])
@pytest.mark.parametrize("hidden", HIDDEN)
@each_cell
def test_padded_units_stay_exactly_zero(cell: Cell, hidden: int, rows: int) -> None:
    case = draw_case(cell, STEPS, rows, INPUTS, hidden)
    passed, layer = run(cell, case), layer_of(cell, case)
    assert not passed.h[..., hidden:].any()
    got = layer.backward(passed, pad(draw(STEPS + 1, rows, hidden, seed=7)))
    assert not got.d_h[..., hidden:].any()
    assert not got.d_x[..., INPUTS:].any()
    assert not got.d_bias.reshape(layer.blocks.bias, -1)[:, hidden:].any()
    for weight, columns in ((got.d_weight_ih, INPUTS), (got.d_weight_hh, hidden)):
        assert not weight[:, columns:].any()
        assert not weight.reshape(layer.blocks.weights, -1, weight.shape[1])[:, hidden:].any()


@each_cell
def test_what_is_not_a_number_is_seen_in_its_row_and_only_there(cell: Cell) -> None:
    case = draw_case(cell, STEPS, 9, INPUTS, 17)
    case["x"][2, 4, 1] = np.nan
    passed = run(cell, case)
    assert np.isfinite(passed.h[:3]).all()
    assert np.isnan(passed.h[3:, 4, :17]).all()
    assert np.isfinite(np.delete(passed.h, 4, axis=1)).all()


@each_cell
def test_huge_inputs_drive_the_units_to_their_ends(cell: Cell) -> None:
    case = draw_case(cell, STEPS, 3, INPUTS, 17)
    case["x"] *= 1e30
    passed = run(cell, case)
    assert np.isfinite(passed.h).all()
    assert np.isfinite(layer_of(cell, case).backward(passed, pad(draw(STEPS + 1, 3, 17, seed=7))).d_h).all()


# --- numbers saved from PyTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for names in CELL_CASES.values() for name in names])
def test_states_and_gradients_are_those_of_torch(name: str) -> None:
    case, cell = torch_numbers()[name], name[:3]
    weights, expected = weights_of(case), weights_of(case, "d_")
    steps, rows, hidden = case["h"].shape
    layers, passes, below = [], [], pad(case["x"])
    for k, h0 in enumerate(case["h0"]):
        layers.append(Layer(cell, *(weights[f"{kind}_l{k}"] for kind in ("weight_ih", "weight_hh", "bias"))))
        passes.append(layers[k].forward(below, pad(h0)))
        below = passes[k].h[1:]
    assert_near(below[..., :hidden], case["h"])
    assert_near(np.array([passed.h[-1, :, :hidden] for passed in passes]), case["h_last"])

    d_below = pad(case["r"])
    for k in reversed(range(len(layers))):
        d_h = np.concatenate([np.zeros((1, rows, padded(hidden)), np.float32), d_below])
        d_h[steps] += pad(case["r_h"][k])
        back = layers[k].backward(passes[k], d_h)
        d_below, got = back.d_x, named(layers[k], back)
        for kind in ("weight_ih", "weight_hh", "bias"):
            assert_near(got[kind], expected[f"{kind}_l{k}"], CHAOTIC)
        assert_near(got["h0"], case["d_h0"][k], CHAOTIC)
    assert_near(d_below[..., : case["x"].shape[2]], case["d_x"], CHAOTIC)
