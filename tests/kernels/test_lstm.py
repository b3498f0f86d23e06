"""One LSTM layer against its twin, central differences, itself in pieces, and numbers saved from PyTorch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.kernels.lstm import lstm_backward, lstm_forward
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
from tests.reference import Array, lstm
from tests.reference.gradient import numerical_gradient
from tests.reference.torch_numbers import LSTM_CASES, torch_numbers, weights_of

STEPS, INPUTS = 5, 4
Case = dict[str, Array]


class Passed(NamedTuple):
    """The buffers of a forward pass, padded."""

    x: Array32
    h: Array32  # (T + 1, B, H)
    c: Array32
    gates: Array32
    tanh_c: Array32


class Gradients(NamedTuple):
    """The buffers of a backward pass, padded."""

    d_h: Array32  # (T + 1, B, H)
    d_c: Array32  # (B, H)
    d_weight_ih: Array32
    d_weight_hh: Array32
    d_bias: Array32
    d_x: Array32


class Layer:
    """Weights of a layer, padded and packed, and its passes over fresh buffers that hold NaN where they are written."""

    def __init__(self, weight_ih: Array, weight_hh: Array, bias: Array) -> None:
        self.hidden, self.inputs = weight_hh.shape[1], weight_ih.shape[1]
        self.weight_ih, self.weight_hh = pad_rows(weight_ih, 4), pad_rows(weight_hh, 4)
        self.bias = pad_bias(bias, 4)

    def forward(self, x: Array32, h0: Array32, c0: Array32, *, keep: bool = True) -> Passed:
        steps, rows, units = len(x), len(h0), padded(self.hidden)
        h, c = np.full((2, steps + 1, rows, units), np.nan, np.float32)
        h[0], c[0] = h0, c0
        kept = steps if keep else 1
        gates = np.full((kept, rows, 4 * units), np.nan, np.float32)
        tanh_c = np.full((kept, rows, units), np.nan, np.float32)
        packed_ih, packed_hh = packed(self.weight_ih, transposed=True), packed(self.weight_hh, transposed=True)
        lstm_forward(x, packed_ih, packed_hh, self.bias, h, c, gates, tanh_c)
        return Passed(x, h, c, gates, tanh_c)

    def backward(
        self, passed: Passed, d_h: Array32, d_c: Array32, *, to_x: bool = True, start: float = 0.0
    ) -> Gradients:
        x, h, c, gates, tanh_c = passed
        result = Gradients(
            d_h.copy(),
            d_c.copy(),
            np.full_like(self.weight_ih, start),
            np.full_like(self.weight_hh, start),
            np.full_like(self.bias, start),
            np.full_like(x if to_x else x[:0], start),
        )
        packed_ih, packed_hh = packed(self.weight_ih, transposed=False), packed(self.weight_hh, transposed=False)
        d_h, d_c, *rest = result
        lstm_backward(x, h, c, gates.copy(), tanh_c, d_h, d_c, packed_ih, packed_hh, *rest)
        return result


def draw_case(steps: int, rows: int, inputs: int, hidden: int) -> Case:
    return {
        "x": draw(steps, rows, inputs, seed=1),
        "weight_ih": draw(4 * hidden, inputs, seed=2, scale=0.5),
        "weight_hh": draw(4 * hidden, hidden, seed=3, scale=hidden**-0.5),
        "bias": draw(4 * hidden, seed=4, scale=0.5),
        "h0": draw(rows, hidden, seed=5),
        "c0": draw(rows, hidden, seed=6),
    }


def layer_of(case: Case) -> Layer:
    return Layer(case["weight_ih"], case["weight_hh"], case["bias"])


def run(case: Case, *, keep: bool = True) -> Passed:
    return layer_of(case).forward(pad(case["x"]), pad(case["h0"]), pad(case["c0"]), keep=keep)


def gradients_from_above(steps: int, rows: int, hidden: int) -> tuple[Array, Array]:
    """By h, with row 0 for the initial state, and by the last c."""
    return draw(steps + 1, rows, hidden, seed=7), draw(rows, hidden, seed=8)


# --- against the twin --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_forward_is_that_of_the_twin(hidden: int, rows: int) -> None:
    case = draw_case(STEPS, rows, INPUTS, hidden)
    passed, twin = run(case), lstm.forward(**case)
    assert_near(passed.h[1:, :, :hidden], twin.h)
    assert_near(passed.c[1:, :, :hidden], twin.c)
    assert_near(passed.tanh_c[:, :, :hidden], np.tanh(twin.c))
    gates = passed.gates.reshape(STEPS, rows, 4, -1)[..., :hidden]
    assert_near(gates, twin.gates.reshape(STEPS, rows, 4, hidden))


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_backward_is_that_of_the_twin(hidden: int, rows: int) -> None:
    case = draw_case(STEPS, rows, INPUTS, hidden)
    d_h, d_c = gradients_from_above(STEPS, rows, hidden)
    got = layer_of(case).backward(run(case), pad(d_h), pad(d_c))
    twin = lstm.backward(d_h[1:], lstm.forward(**case), case["weight_ih"], case["weight_hh"], d_c_last=d_c)
    assert_near(got.d_x[..., :INPUTS], twin.d_x)
    assert_near(real(got.d_weight_ih, hidden, INPUTS, 4), twin.d_weight_ih)
    assert_near(real(got.d_weight_hh, hidden, hidden, 4), twin.d_weight_hh)
    assert_near(real_bias(got.d_bias, hidden, 4), twin.d_bias)
    assert_near(got.d_h[0, :, :hidden], d_h[0] + twin.d_h0)
    assert_near(got.d_c[:, :hidden], twin.d_c0)


@pytest.mark.parametrize("inputs", [1, 15, 16, 33])
def test_any_number_of_inputs(inputs: int) -> None:
    case = draw_case(2, 5, inputs, 3)
    d_h, d_c = gradients_from_above(2, 5, 3)
    twin = lstm.forward(**case)
    assert_near(run(case).h[1:, :, :3], twin.h)
    got = layer_of(case).backward(run(case), pad(d_h), pad(d_c))
    expected = lstm.backward(d_h[1:], twin, case["weight_ih"], case["weight_hh"], d_c_last=d_c)
    assert_near(got.d_x[..., :inputs], expected.d_x)
    assert_near(real(got.d_weight_ih, 3, inputs, 4), expected.d_weight_ih)


# --- against central differences of its own loss -----------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 2, 3), (2, 5, 1, 2)])
def test_gradients_are_the_slopes_of_the_kernel(shape: tuple[int, int, int, int]) -> None:
    """In float32 a step must be large, so that rounding does not drown the slope; hence the tolerance."""
    steps, rows, _, hidden = shape
    case = draw_case(*shape)
    d_h, d_c = gradients_from_above(steps, rows, hidden)
    d_h[0] = 0.0

    def loss() -> float:
        passed = run(case)
        return float((d_h * passed.h[:, :, :hidden]).sum() + (d_c * passed.c[-1, :, :hidden]).sum())

    got = layer_of(case).backward(run(case), pad(d_h), pad(d_c))
    gradients = {
        "x": got.d_x[..., : shape[2]],
        "weight_ih": real(got.d_weight_ih, hidden, shape[2], 4),
        "weight_hh": real(got.d_weight_hh, hidden, hidden, 4),
        "bias": real_bias(got.d_bias, hidden, 4),
        "h0": got.d_h[0, :, :hidden],
        "c0": got.d_c[:, :hidden],
    }
    for name, gradient in gradients.items():
        assert_allclose(gradient, numerical_gradient(loss, case[name], 0.01), rtol=5e-3, atol=2e-3, err_msg=name)


# --- against itself ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", ROWS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_a_row_has_the_same_bits_alone_and_among_others(hidden: int, rows: int) -> None:
    case = draw_case(3, rows, INPUTS, hidden)
    d_h, d_c = (pad(each) for each in gradients_from_above(3, rows, hidden))
    layer, together = layer_of(case), run(case)
    back = layer.backward(together, d_h, d_c)
    for b in range(rows):
        one = slice(b, b + 1)
        alone = layer.forward(together.x[:, one].copy(), together.h[0, one], together.c[0, one])
        for mine, ours in zip(alone, together, strict=True):
            assert_array_equal(mine, ours[:, one])
        back_alone = layer.backward(alone, d_h[:, one], d_c[one])
        assert_array_equal(back_alone.d_x, back.d_x[:, one])
        assert_array_equal(back_alone.d_h, back.d_h[:, one])
        assert_array_equal(back_alone.d_c, back.d_c[one])


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("cut", range(1, STEPS))
def test_two_runs_that_carry_the_state_are_one(cut: int, rows: int) -> None:
    case = draw_case(STEPS, rows, INPUTS, 17)
    layer, whole = layer_of(case), run(case)
    early = layer.forward(whole.x[:cut], whole.h[0], whole.c[0])
    late = layer.forward(whole.x[cut:], early.h[-1], early.c[-1])
    assert_array_equal(np.concatenate([early.h, late.h[1:]]), whole.h)
    assert_array_equal(np.concatenate([early.c, late.c[1:]]), whole.c)


@pytest.mark.parametrize("rows", [1, 3, 9])
def test_step_by_step_is_one_run(rows: int) -> None:
    case = draw_case(STEPS, rows, INPUTS, 17)
    layer, whole = layer_of(case), run(case)
    h, c = whole.h[0], whole.c[0]
    for t in range(STEPS):
        step = layer.forward(whole.x[t : t + 1], h, c)
        h, c = step.h[1], step.c[1]
        assert_array_equal(h, whole.h[t + 1])
        assert_array_equal(c, whole.c[t + 1])


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("steps", [1, 2, STEPS])
def test_scratch_of_one_step_gives_the_same_states(steps: int, rows: int) -> None:
    case = draw_case(steps, rows, INPUTS, 17)
    kept, scratch = run(case), run(case, keep=False)
    assert len(scratch.gates) == 1
    assert_array_equal(scratch.h, kept.h)
    assert_array_equal(scratch.c, kept.c)


@pytest.mark.parametrize("cut", range(1, STEPS))
def test_backward_may_be_cut_in_two_and_joined_by_the_states(cut: int) -> None:
    case = draw_case(STEPS, 3, INPUTS, 17)
    d_h, d_c = (pad(each) for each in gradients_from_above(STEPS, 3, 17))
    layer, passed = layer_of(case), run(case)
    whole = layer.backward(passed, d_h, d_c)
    early = layer.forward(passed.x[:cut], passed.h[0], passed.c[0])
    late = layer.forward(passed.x[cut:], early.h[-1], early.c[-1])
    after = layer.backward(late, d_h[cut:], d_c)
    before = layer.backward(early, np.concatenate([d_h[:cut], after.d_h[:1]]), after.d_c)
    assert_array_equal(np.concatenate([before.d_x, after.d_x]), whole.d_x)
    assert_array_equal(before.d_h[0], whole.d_h[0])
    assert_array_equal(before.d_c, whole.d_c)
    for name in ("d_weight_ih", "d_weight_hh", "d_bias"):
        assert_near(getattr(before, name) + getattr(after, name), getattr(whole, name).astype(np.float64))


def test_backward_adds_to_what_is_there() -> None:
    case = draw_case(STEPS, 3, INPUTS, 17)
    d_h, d_c = (pad(each) for each in gradients_from_above(STEPS, 3, 17))
    layer, passed = layer_of(case), run(case)
    fresh, onto = layer.backward(passed, d_h, d_c), layer.backward(passed, d_h, d_c, start=2.0)
    for name in ("d_weight_ih", "d_weight_hh", "d_bias", "d_x"):
        assert_near(getattr(onto, name), 2.0 + getattr(fresh, name).astype(np.float64))


def test_the_gradient_by_x_may_be_left_out() -> None:
    case = draw_case(STEPS, 3, INPUTS, 17)
    d_h, d_c = (pad(each) for each in gradients_from_above(STEPS, 3, 17))
    layer, passed = layer_of(case), run(case)
    with_x, without = layer.backward(passed, d_h, d_c), layer.backward(passed, d_h, d_c, to_x=False)
    assert without.d_x.size == 0
    for ours, mine in zip(with_x[:-1], without[:-1], strict=True):
        assert_array_equal(ours, mine)


# --- padding, and what is not a number ---------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 5, 8])
@pytest.mark.parametrize("hidden", HIDDEN)
def test_padded_units_stay_exactly_zero(hidden: int, rows: int) -> None:
    case = draw_case(STEPS, rows, INPUTS, hidden)
    d_h, d_c = (pad(each) for each in gradients_from_above(STEPS, rows, hidden))
    passed = run(case)
    for name in ("h", "c", "tanh_c"):
        assert not getattr(passed, name)[..., hidden:].any(), name
    got = layer_of(case).backward(passed, d_h, d_c)
    assert not got.d_h[..., hidden:].any()
    assert not got.d_c[..., hidden:].any()
    assert not got.d_x[..., INPUTS:].any()
    assert not got.d_bias.reshape(4, -1)[:, hidden:].any()
    for weight, columns in ((got.d_weight_ih, INPUTS), (got.d_weight_hh, hidden)):
        assert not weight[:, columns:].any()
        assert not weight.reshape(4, -1, weight.shape[1])[:, hidden:].any()


def test_what_is_not_a_number_is_seen_in_its_row_and_only_there() -> None:
    case = draw_case(STEPS, 9, INPUTS, 17)
    case["x"][2, 4, 1] = np.nan
    passed = run(case)
    assert np.isfinite(passed.h[:3]).all()
    assert np.isnan(passed.h[3:, 4, :17]).all()
    assert np.isfinite(np.delete(passed.h, 4, axis=1)).all()


def test_huge_inputs_drive_the_gates_to_their_ends() -> None:
    case = draw_case(STEPS, 3, INPUTS, 17)
    case["x"] *= 1e30
    passed = run(case)
    for buffer in passed:
        assert np.isfinite(buffer).all()
    d_h, d_c = (pad(each) for each in gradients_from_above(STEPS, 3, 17))
    for buffer in layer_of(case).backward(passed, d_h, d_c)[:2]:
        assert np.isfinite(buffer).all()


# --- numbers saved from PyTorch ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LSTM_CASES)
def test_states_and_gradients_are_those_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    weights, expected = weights_of(case), weights_of(case, "d_")
    steps, rows, hidden = case["h"].shape
    layers, passes, below = [], [], pad(case["x"])
    for k, (h0, c0) in enumerate(zip(case["h0"], case["c0"], strict=True)):
        layers.append(Layer(weights[f"weight_ih_l{k}"], weights[f"weight_hh_l{k}"], weights[f"bias_l{k}"]))
        passes.append(layers[k].forward(below, pad(h0), pad(c0)))
        below = passes[k].h[1:]
    assert_near(below[..., :hidden], case["h"])
    assert_near(np.array([passed.h[-1, :, :hidden] for passed in passes]), case["h_last"])
    assert_near(np.array([passed.c[-1, :, :hidden] for passed in passes]), case["c_last"])

    d_below = pad(case["r"])
    for k in reversed(range(len(layers))):
        d_h = np.concatenate([np.zeros((1, rows, padded(hidden)), np.float32), d_below])
        d_h[steps] += pad(case["r_h"][k])
        got = layers[k].backward(passes[k], d_h, pad(case["r_c"][k]))
        d_below, inputs = got.d_x, layers[k].inputs
        assert_near(real(got.d_weight_ih, hidden, inputs, 4), expected[f"weight_ih_l{k}"])
        assert_near(real(got.d_weight_hh, hidden, hidden, 4), expected[f"weight_hh_l{k}"])
        assert_near(real_bias(got.d_bias, hidden, 4), expected[f"bias_l{k}"])
        assert_near(got.d_h[0, :, :hidden], case["d_h0"][k])
        assert_near(got.d_c[:, :hidden], case["d_c0"][k])
    assert_near(d_below[..., : case["x"].shape[2]], case["d_x"])
