"""The slow twins, held against central differences, hand-worked values and numbers saved from torch.nn.LSTM."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from tests.reference import Array, dense, gru, losses, lstm, network, optimisers, rnn, sequences
from tests.reference.gradient import numerical_gradient
from tests.reference.torch_numbers import (
    CELL_CASES,
    LSTM_CASES,
    NETWORK_CASES,
    SEQUENCE_CASES,
    Case,
    torch_numbers,
    weights_of,
)

Shape = tuple[int, int, int, int]
Loss = Callable[[Array, Array, Array], tuple[float, Array]]

SHAPES: list[Shape] = [(5, 3, 2, 4), (1, 1, 1, 1), (4, 2, 3, 1)]  # T, B, I, H
CERTAIN = 1000.0
"""A bias that drives a gate to exactly 1, or with a minus to exactly 0."""


def normal(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def assert_gradient(loss_of: Callable[[], float], array: Array, gradient: Array) -> None:
    """The error of the central difference is about 1e-10 of values near 1; a wrong term would be far larger."""
    assert gradient.shape == array.shape
    assert_allclose(gradient, numerical_gradient(loss_of, array), rtol=1e-7, atol=1e-8)


def lstm_case(steps: int, rows: int, inputs: int, hidden: int) -> Case:
    return {
        "x": normal(steps, rows, inputs, seed=1),
        "weight_ih": 0.5 * normal(4 * hidden, inputs, seed=2),
        "weight_hh": 0.5 * normal(4 * hidden, hidden, seed=3),
        "bias": 0.5 * normal(4 * hidden, seed=4),
        "h0": normal(rows, hidden, seed=5),
        "c0": normal(rows, hidden, seed=6),
    }


# --- one LSTM layer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("with_last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_lstm_gradients(shape: Shape, with_last: bool) -> None:
    steps, rows, _, hidden = shape
    case = lstm_case(*shape)
    r = normal(steps, rows, hidden, seed=7)
    r_h, r_c = with_last * normal(rows, hidden, seed=8), with_last * normal(rows, hidden, seed=9)

    def loss() -> float:
        passed = lstm.forward(**case)
        return float((r * passed.h).sum() + (r_h * passed.h[-1]).sum() + (r_c * passed.c[-1]).sum())

    last = {"d_h_last": r_h, "d_c_last": r_c} if with_last else {}
    gradients = lstm.backward(r, lstm.forward(**case), case["weight_ih"], case["weight_hh"], **last)
    for name, array in case.items():
        assert_gradient(loss, array, getattr(gradients, f"d_{name}"))


def test_lstm_in_one_pass_or_step_by_step_or_row_by_row() -> None:
    case = lstm_case(6, 3, 2, 4)
    weights = {name: case[name] for name in ("weight_ih", "weight_hh", "bias")}
    whole = lstm.forward(**case)
    h, c = case["h0"], case["c0"]
    for t in range(6):
        step = lstm.forward(case["x"][t : t + 1], **weights, h0=h, c0=c)
        h, c = step.h[0], step.c[0]
        assert_allclose(h, whole.h[t], rtol=1e-14)
        assert_allclose(c, whole.c[t], rtol=1e-14)
    for b in range(3):
        one = slice(b, b + 1)
        row = lstm.forward(case["x"][:, one], **weights, h0=case["h0"][one], c0=case["c0"][one])
        assert_allclose(row.h, whole.h[:, one], rtol=1e-14)


def test_lstm_backward_may_be_cut_in_two_and_joined_by_the_states() -> None:
    case = lstm_case(6, 3, 2, 4)
    weights = {name: case[name] for name in ("weight_ih", "weight_hh", "bias")}
    d_h = normal(6, 3, 4, seed=7)
    whole = lstm.backward(d_h, lstm.forward(**case), case["weight_ih"], case["weight_hh"])
    early = lstm.forward(case["x"][:2], **weights, h0=case["h0"], c0=case["c0"])
    late = lstm.forward(case["x"][2:], **weights, h0=early.h[-1], c0=early.c[-1])
    after = lstm.backward(d_h[2:], late, case["weight_ih"], case["weight_hh"])
    before = lstm.backward(
        d_h[:2], early, case["weight_ih"], case["weight_hh"], d_h_last=after.d_h0, d_c_last=after.d_c0
    )
    assert_allclose(before.d_weight_hh + after.d_weight_hh, whole.d_weight_hh, rtol=1e-12)
    assert_allclose(before.d_c0, whole.d_c0, rtol=1e-12)


def test_lstm_starts_from_zeros_unless_told() -> None:
    case = lstm_case(2, 3, 2, 4)
    del case["h0"], case["c0"]
    given = lstm.forward(**case, h0=np.zeros((3, 4)), c0=np.zeros((3, 4)))
    assert_array_equal(lstm.forward(**case).h, given.h)


@pytest.mark.parametrize(
    ("forget_bias", "input_bias", "expected"),
    [(0.0, 0.0, [2.0, 2.5, 3.0]), (-CERTAIN, 0.0, [0.0, 0.0, 0.0]), (CERTAIN, -CERTAIN, [4.0, 5.0, 6.0])],
    ids=["a gate of halves", "a gate of zeros forgets all", "ones, and an input gate of zeros, pass all"],
)
def test_forget_gate(forget_bias: float, input_bias: float, expected: list[float]) -> None:
    # The candidate is tanh(0) = 0 unless the input gate is shut, where a candidate of 1 shows that it is.
    candidate_bias = CERTAIN if input_bias else 0.0
    bias = np.repeat([input_bias, forget_bias, candidate_bias, 0.0], 3)
    passed = lstm.forward(
        np.ones((1, 1, 4)), np.zeros((12, 4)), np.zeros((12, 3)), bias, c0=np.array([[4.0, 5.0, 6.0]])
    )
    assert_allclose(passed.c[0, 0], expected, rtol=1e-15)


def test_gates_are_packed_input_forget_candidate_output() -> None:
    bias = np.repeat([-CERTAIN, CERTAIN, CERTAIN, -CERTAIN], 2)
    passed = lstm.forward(np.zeros((1, 1, 1)), np.zeros((8, 1)), np.zeros((8, 2)), bias)
    assert_array_equal(passed.gates[0, 0], [0, 0, 1, 1, 1, 1, 0, 0])


# --- one layer of the other cells --------------------------------------------------------------------------------

OTHERS: dict[str, tuple[Any, int, int]] = {"gru": (gru, 3, 4), "rnn": (rnn, 1, 1)}  # twin, blocks of weights, of bias
each_other = pytest.mark.parametrize("cell", OTHERS)


def other_case(cell: str, steps: int, rows: int, inputs: int, hidden: int) -> tuple[Any, Case]:
    twin, blocks, of_bias = OTHERS[cell]
    return twin, {
        "x": normal(steps, rows, inputs, seed=1),
        "weight_ih": 0.5 * normal(blocks * hidden, inputs, seed=2),
        "weight_hh": 0.5 * normal(blocks * hidden, hidden, seed=3),
        "bias": 0.5 * normal(of_bias * hidden, seed=4),
        "h0": normal(rows, hidden, seed=5),
    }


@pytest.mark.parametrize("with_last", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
@each_other
def test_gradients_of_other_cells(cell: str, shape: Shape, with_last: bool) -> None:
    steps, rows, _, hidden = shape
    twin, case = other_case(cell, *shape)
    r, r_h = normal(steps, rows, hidden, seed=7), with_last * normal(rows, hidden, seed=8)

    def loss() -> float:
        passed = twin.forward(**case)
        return float((r * passed.h).sum() + (r_h * passed.h[-1]).sum())

    last = {"d_h_last": r_h} if with_last else {}
    gradients = twin.backward(r, twin.forward(**case), case["weight_ih"], case["weight_hh"], **last)
    for name, array in case.items():
        assert_gradient(loss, array, getattr(gradients, f"d_{name}"))


@each_other
def test_other_cells_in_one_pass_or_step_by_step(cell: str) -> None:
    twin, case = other_case(cell, 6, 3, 2, 4)
    weights = {name: case[name] for name in ("weight_ih", "weight_hh", "bias")}
    whole, h = twin.forward(**case), case["h0"]
    for t in range(6):
        h = twin.forward(case["x"][t : t + 1], **weights, h0=h).h[0]
        assert_allclose(h, whole.h[t], rtol=1e-14)
    del case["h0"]
    given = twin.forward(**case, h0=np.zeros((3, 4)))
    assert_array_equal(twin.forward(**case).h, given.h)


@pytest.mark.parametrize(
    ("reset_bias", "update_bias", "expected"),
    [
        (0.0, CERTAIN, [4.0, 5.0, 6.0]),
        (0.0, -CERTAIN, [1.0, 1.0, 1.0]),
        (-CERTAIN, -CERTAIN, [0.0, 0.0, 0.0]),
    ],
    ids=[
        "an update gate of ones keeps all",
        "of zeros, all is the candidate's",
        "a reset gate of zeros shuts memory out",
    ],
)
def test_gates_of_a_gru(reset_bias: float, update_bias: float, expected: list[float]) -> None:
    # The candidate is what the memory proposes, tanh(1000) = 1, as far as the reset gate lets it.
    bias = np.repeat([reset_bias, update_bias, 0.0, CERTAIN], 3)
    passed = gru.forward(np.ones((1, 1, 4)), np.zeros((9, 4)), np.zeros((9, 3)), bias, h0=np.array([[4.0, 5.0, 6.0]]))
    assert_allclose(passed.h[0, 0], expected, rtol=1e-15)


def test_a_plain_layer_by_hand() -> None:
    passed = rnn.forward(np.array([[[2.0]], [[0.0]]]), np.array([[0.25]]), np.array([[3.0]]), np.array([-0.5]))
    assert_allclose(passed.h[:, 0, 0], [0.0, np.tanh(-0.5)], rtol=1e-15)


# --- dense -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tanh", [False, True])
@pytest.mark.parametrize("lead", [(), (3,), (4, 2)], ids=str)
def test_dense_gradients(lead: tuple[int, ...], tanh: bool) -> None:
    x, weight, bias, r = normal(*lead, 3), normal(5, 3), normal(5), normal(*lead, 5)

    def loss() -> float:
        return float((r * dense.forward(x, weight, bias, tanh=tanh)).sum())

    gradients = dense.backward(r, x, dense.forward(x, weight, bias, tanh=tanh), weight, tanh=tanh)
    for array, gradient in zip((x, weight, bias), gradients, strict=True):
        assert_gradient(loss, array, gradient)


def test_dense_by_hand() -> None:
    x, weight, bias = np.array([1.0, 2.0]), np.array([[3.0, 4.0], [0.0, -1.0]]), np.array([0.5, 2.0])
    assert_array_equal(dense.forward(x, weight, bias), [11.5, 0.0])
    assert_array_equal(dense.forward(x, weight, bias, tanh=True), np.tanh([11.5, 0.0]))


# --- losses ------------------------------------------------------------------------------------------------------

QUANTILES = np.array([0.1, 0.5, 0.9])
LOSSES: dict[str, Loss] = {
    "pinball": lambda output, target, weights: losses.pinball(output, target, weights, QUANTILES),
    "absolute": losses.absolute,
    "squared": losses.squared,
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_loss_gradients(loss: Loss) -> None:
    output, target = normal(4, 2, 3), normal(4, 2)  # errors far from the kinks at 0, compared with the step
    weights = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.25, 2.0]])
    assert_gradient(lambda: loss(output, target, weights)[0], output, loss(output, target, weights)[1])


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_missing_targets_play_no_part(loss: Loss) -> None:
    output, target, weights = normal(4, 2, 3), normal(4, 2), np.array([[1.0, 0.0]] * 4)
    value, gradient = loss(output, target, weights)
    seen_value, seen_gradient = loss(output[:, :1], target[:, :1], np.ones((4, 1)))
    assert value == pytest.approx(seen_value, rel=1e-14)
    assert_allclose(gradient[:, :1], seen_gradient, rtol=1e-14)
    assert not gradient[:, 1].any()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_nothing_observed_is_no_loss(loss: Loss) -> None:
    value, gradient = loss(normal(4, 2, 3), normal(4, 2), np.zeros((4, 2)))
    assert value == 0.0
    assert not gradient.any()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_an_exact_forecast_has_no_gradient(loss: Loss) -> None:
    value, gradient = loss(np.ones((4, 2, 3)), np.ones((4, 2)), np.ones((4, 2)))
    assert value == 0.0
    assert not gradient.any()


def test_losses_by_hand() -> None:
    output, target, one = np.array([[8.0, 12.0]]), np.array([10.0]), np.ones(1)  # errors 2 and -2
    value, gradient = losses.pinball(output, target, one, np.array([0.9, 0.9]))
    assert value == pytest.approx((1.8 + 0.2) / 2)
    assert_allclose(gradient, [[-0.45, 0.05]])
    value, gradient = losses.pinball(np.array([[8.0, 12.0]]), target, one, np.array([0.5, 0.75]))  # the one ten times
    assert value == pytest.approx((1.0 + 0.1 * 0.5) / 1.1)
    assert_allclose(gradient, [[-0.5 / 1.1, 0.025 / 1.1]])
    value, gradient = losses.absolute(output, target, one)
    assert value == 2.0
    assert_array_equal(gradient, [[-0.5, 0.5]])
    value, gradient = losses.squared(output, target, one)
    assert value == 4.0
    assert_array_equal(gradient, [[-2.0, 2.0]])


def test_pinball_is_least_at_the_quantile() -> None:
    sample = normal(401)
    candidates = np.sort(sample)
    for q in (0.1, 0.5, 0.9):
        at = [losses.pinball(np.full((401, 1), c), sample, np.ones(401), np.array([q]))[0] for c in candidates]
        assert candidates[int(np.argmin(at))] == pytest.approx(np.quantile(sample, q), abs=1e-12)


def test_pinball_at_the_median_is_half_the_absolute_error() -> None:
    output, target, weights = normal(4, 2, 1), normal(4, 2), np.ones((4, 2))
    half, _ = losses.pinball(output, target, weights, np.array([0.5]))
    assert 2 * half == pytest.approx(losses.absolute(output, target, weights)[0], rel=1e-14)


def test_cross_entropy_gradients() -> None:
    logits, weights = 3 * normal(4, 2, 3), np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0], [0.25, 2.0]])
    shares = np.exp(normal(4, 2, 3, seed=1))
    shares /= shares.sum(axis=-1, keepdims=True)
    loss = lambda: losses.categorical(logits, shares, weights)[0]  # noqa: E731 - the name of a test's subject
    assert_gradient(loss, logits, losses.categorical(logits, shares, weights)[1])
    one, yes = 3 * normal(4, 2, 1), shares[..., 0]
    assert_gradient(lambda: losses.binary(one, yes, weights)[0], one, losses.binary(one, yes, weights)[1])


def test_cross_entropies_by_hand() -> None:
    one = np.ones(1)
    value, gradient = losses.categorical(np.log([[1.0, 2.0, 5.0]]), np.array([[0.0, 1.0, 0.0]]), one)
    assert value == pytest.approx(np.log(4))
    assert_allclose(gradient, [[1 / 8, 2 / 8 - 1, 5 / 8]], rtol=1e-14)
    value, gradient = losses.binary(np.log([[[3.0]]]), np.array([[1.0]]), np.ones((1, 1)))
    assert value == pytest.approx(np.log(4 / 3))
    assert_allclose(gradient, [[[-0.25]]], rtol=1e-14)
    # Of two classes, both are the same: the logit of yes is that of the one less that of the other.
    two, yes = normal(5, 2), np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5], [0.2, 0.8], [0.0, 1.0]])
    said = losses.binary((two[:, 1] - two[:, 0])[:, None, None], yes[:, 1:], np.ones((5, 1)))[0]
    assert said == pytest.approx(losses.categorical(two, yes, np.ones(5))[0], rel=1e-14)


def test_cross_entropies_do_not_overflow() -> None:
    for huge in (1e4, -1e4):
        value, gradient = losses.binary(np.full((1, 1, 1), huge), np.ones((1, 1)), np.ones((1, 1)))
        assert value == pytest.approx(max(-huge, 0.0))
        assert gradient.item() == pytest.approx(0.0 if huge > 0 else -1.0)
    value, gradient = losses.categorical(np.array([[1e4, -1e4]]), np.array([[0.0, 1.0]]), np.ones(1))
    assert value == 2e4
    assert_allclose(gradient, [[1.0, -1.0]])


# --- optimiser ---------------------------------------------------------------------------------------------------


def test_first_adam_step_is_the_learning_rate_against_the_sign() -> None:
    # Bias correction makes m_hat = g and v_hat = g², whatever the size of g.
    step = optimisers.adam(np.zeros(3), np.array([1e-3, -5.0, 0.0]), np.zeros(3), np.zeros(3), 1, learning_rate=0.1)
    assert_allclose(step.weights, [-0.1, 0.1, 0.0], rtol=1e-4)
    assert_allclose(step.m, [1e-4, -0.5, 0.0])
    assert_allclose(step.v, [1e-9, 0.025, 0.0])


def test_second_adam_step_by_hand() -> None:
    first = optimisers.adam(np.zeros(1), np.array([1.0]), np.zeros(1), np.zeros(1), 1, learning_rate=0.1)
    second = optimisers.adam(first.weights, np.array([-1.0]), first.m, first.v, 2, learning_rate=0.1)
    m_hat, v_hat = (0.9 * 0.1 - 0.1) / (1 - 0.81), 1.0
    assert_allclose(second.weights, first.weights - 0.1 * m_hat / (np.sqrt(v_hat) + 1e-8), rtol=1e-12)


def test_adam_finds_the_bottom_of_a_bowl() -> None:
    w, m, v = np.array([3.0, -2.0]), np.zeros(2), np.zeros(2)
    for step in range(1, 1001):
        w, m, v = optimisers.adam(w, 2 * (w - [1.0, 5.0]) * [1.0, 100.0], m, v, step, learning_rate=0.05)
    assert_allclose(w, [1.0, 5.0], atol=1e-3)


def test_clipping_shortens_all_gradients_together() -> None:
    gradients = [np.array([3.0, 0.0]), np.array([[4.0]])]
    clipped, norm = optimisers.clip_by_global_norm(gradients, 1.0)
    assert norm == 5.0
    assert_allclose(clipped[0], [0.6, 0.0])
    assert_allclose(clipped[1], [[0.8]])


@pytest.mark.parametrize("max_norm", [5.0, 7.0])
def test_short_gradients_are_left_alone(max_norm: float) -> None:
    gradients = [np.array([3.0, 0.0]), np.array([[4.0]])]
    clipped, _ = optimisers.clip_by_global_norm(gradients, max_norm)
    for before, after in zip(gradients, clipped, strict=True):
        assert_array_equal(before, after)


def test_clipping_copes_with_gradients_of_zero() -> None:
    clipped, norm = optimisers.clip_by_global_norm([np.zeros(3)], 1.0)
    assert norm == 0.0
    assert_array_equal(clipped[0], np.zeros(3))


# --- network -----------------------------------------------------------------------------------------------------


def network_weights(inputs: int, hidden: int, layers: int, *, wide: int = 4, columns: int = 6) -> Case:
    weights = {}
    for k in range(layers):
        weights[f"weight_ih_l{k}"] = 0.5 * normal(4 * hidden, hidden if k else inputs, seed=10 + k)
        weights[f"weight_hh_l{k}"] = 0.5 * normal(4 * hidden, hidden, seed=20 + k)
        weights[f"bias_l{k}"] = 0.5 * normal(4 * hidden, seed=30 + k)
    weights |= {"weight_dense": normal(wide, hidden, seed=40), "bias_dense": normal(wide, seed=41)}
    return (
        weights
        | {"weight_head": normal(columns, wide, seed=42), "bias_head": normal(columns, seed=43)}
        | {"weight_skip": normal(columns, inputs, seed=44)}
    )


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_network_gradients(layers: int) -> None:
    x, weights, r = normal(4, 2, 3), network_weights(3, 2, layers), normal(4, 2, 6)

    def loss() -> float:
        return float((r * network.forward(x, weights).output).sum())

    d_x, d_weights = network.backward(r, network.forward(x, weights), weights)
    assert d_weights.keys() == weights.keys()
    assert_gradient(loss, x, d_x)
    for name, weight in weights.items():
        assert_gradient(loss, weight, d_weights[name])


def test_gradient_of_the_loss_through_the_network() -> None:
    x, weights, target = normal(4, 2, 3), network_weights(3, 2, 2), normal(4, 2, 2)
    observed = np.ones((4, 2, 2))
    observed[1, 0, 1] = 0.0

    def value_and_gradient(output: Array) -> tuple[float, Array]:
        return losses.pinball(output.reshape(4, 2, 2, 3), target, observed, QUANTILES)

    passed = network.forward(x, weights)
    _, d_output = value_and_gradient(passed.output)
    _, d_weights = network.backward(d_output.reshape(4, 2, 6), passed, weights)
    for name in ("weight_ih_l0", "bias_l1", "weight_head"):
        assert_gradient(
            lambda: value_and_gradient(network.forward(x, weights).output)[0], weights[name], d_weights[name]
        )


def test_a_silent_second_layer_leaves_the_first_as_it_is() -> None:
    weights = network_weights(3, 2, 2)
    silent = {name: np.zeros_like(weight) if name.endswith("_l1") else weight for name, weight in weights.items()}
    alone = {name: weight for name, weight in weights.items() if not name.endswith("_l1")}
    x = normal(4, 2, 3)
    assert_array_equal(network.forward(x, silent).output, network.forward(x, alone).output)


def test_no_position_sees_the_future() -> None:
    x, weights = normal(5, 2, 3), network_weights(3, 2, 2)
    before = network.forward(x, weights).output
    x[3] += 1.0
    after = network.forward(x, weights).output
    assert_array_equal(before[:3], after[:3])
    assert not np.isclose(before[3:], after[3:]).any()


# --- numbers saved from PyTorch (make_torch_numbers.py) ----------------------------------------------------------

TWINS: dict[str, Any] = {"lstm": lstm, "gru": gru, "rnn": rnn}
STACK_CASES = LSTM_CASES + [name for names in CELL_CASES.values() for name in names]


def test_every_saved_case_is_used() -> None:
    assert torch_numbers().keys() == {*STACK_CASES, *NETWORK_CASES, *SEQUENCE_CASES}


def states_of(case: Case) -> list[str]:
    return [name for name in ("h", "c") if f"{name}0" in case]


def stack_loss(name: str, case: Case, weights: Case) -> tuple[float, Case, list[Any]]:
    """Loss and gradients of a plain stack, as make_torch_numbers.py defines the loss."""
    twin, states = TWINS[name.split("_")[0]], states_of(case)
    layers: list[Any] = []
    x, n_layers = case["x"], len(case["h0"])
    for k in range(n_layers):
        w_ih, w_hh, bias = (weights[f"{kind}_l{k}"] for kind in ("weight_ih", "weight_hh", "bias"))
        layers.append(twin.forward(x, w_ih, w_hh, bias, *(case[f"{state}0"][k] for state in states)))
        x = layers[-1].h
    loss = (case["r"] * x).sum()
    gradients, d_h = {f"d_{state}0": np.zeros_like(case[f"{state}0"]) for state in states}, case["r"]
    for k in reversed(range(n_layers)):
        loss += sum((case[f"r_{state}"][k] * getattr(layers[k], state)[-1]).sum() for state in states)
        last = {f"d_{state}_last": case[f"r_{state}"][k] for state in states}
        layer = twin.backward(d_h, layers[k], weights[f"weight_ih_l{k}"], weights[f"weight_hh_l{k}"], **last)
        d_h = layer.d_x
        for state in states:
            gradients[f"d_{state}0"][k] = getattr(layer, f"d_{state}0")
        gradients |= {f"d_{kind}_l{k}": getattr(layer, f"d_{kind}") for kind in ("weight_ih", "weight_hh", "bias")}
    return loss, gradients | {"d_x": d_h}, layers


def network_loss(case: Case, weights: Case) -> tuple[float, Case, network.NetworkForward]:
    """Loss and gradients of the whole network."""
    passed = network.forward(case["x"], weights)
    output = passed.output.reshape(*case["target"].shape, len(case["quantiles"]))
    loss, d_output = losses.pinball(output, case["target"], case["weights"], case["quantiles"])
    d_x, d_weights = network.backward(d_output.reshape(passed.output.shape), passed, weights)
    return loss, {f"d_{name}": gradient for name, gradient in d_weights.items()} | {"d_x": d_x}, passed


def sequence_loss(name: str, case: Case, weights: Case) -> tuple[float, Case, sequences.SequencePass]:
    """Loss and gradients of a network that sees sequences."""
    kind, cell, _ = name.split("_")
    if kind == "next":
        symbols, classes = case["symbols"].astype(np.int64), np.eye(len(weights["bias_head"]))
        passed = sequences.forward(sequences.embed(symbols, weights["weight_embedding"]), weights, cell)
        targets = classes[case["targets"].astype(np.int64)]
        loss, d_output = losses.categorical(passed.output, targets, case["weights"])
    else:
        passed = sequences.forward(case["x"], weights, cell, case["ends"].astype(np.int64))
        ones = np.ones(len(case["ends"]))
        if kind == "binary":
            loss, d_output = losses.binary(passed.output[..., None], case["targets"], ones[:, None])
            d_output = d_output[..., 0]
        else:
            loss, d_output = losses.categorical(passed.output, case["targets"], ones)
    d_x, d_weights = sequences.backward(d_output, passed, weights, cell)
    gradients = {f"d_{key}": gradient for key, gradient in d_weights.items()}
    if kind == "next":
        table = sequences.embed_backward(d_x, symbols, weights["weight_embedding"])
        return loss, gradients | {"d_weight_embedding": table}, passed
    return loss, gradients | {"d_x": d_x}, passed


def loss_for(name: str) -> Callable[[Case, Case], tuple[float, Case, Any]]:
    if name in SEQUENCE_CASES:
        return partial(sequence_loss, name)
    return partial(stack_loss, name) if name in STACK_CASES else network_loss


@pytest.mark.parametrize("name", SEQUENCE_CASES)
def test_a_network_for_sequences_answers_as_that_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    _, _, passed = sequence_loss(name, case, weights_of(case))
    assert_allclose(passed.output, case["output"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("wide", [0, 3])
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_gradients_of_networks_for_sequences(cell: str, wide: int) -> None:
    blocks, of_bias = {"lstm": (4, 4), "gru": (3, 4), "rnn": (1, 1)}[cell]
    weights = {"weight_embedding": normal(5, 2, seed=1), "bias_head": normal(4, seed=2)}
    for k in range(2):
        weights[f"weight_ih_l{k}"] = 0.5 * normal(blocks * 3, 3 if k else 2, seed=10 + k)
        weights[f"weight_hh_l{k}"] = 0.5 * normal(blocks * 3, 3, seed=20 + k)
        weights[f"bias_l{k}"] = 0.5 * normal(of_bias * 3, seed=30 + k)
    weights["weight_head"] = normal(4, wide or 3, seed=3)
    if wide:
        weights |= {"weight_dense": normal(wide, 3, seed=4), "bias_dense": normal(wide, seed=5)}
    symbols = np.array([[0, 4, 2], [1, 1, -1], [4, 0, -1], [0, 0, 3]])
    for ends in (None, np.array([3, 0, 1])):
        r = normal(*(symbols.shape if ends is None else (3,)), 4, seed=6)

        def run(at: Any = ends) -> sequences.SequencePass:
            return sequences.forward(sequences.embed(symbols, weights["weight_embedding"]), weights, cell, at)

        d_x, d_weights = sequences.backward(r, run(), weights, cell)
        d_weights["weight_embedding"] = sequences.embed_backward(d_x, symbols, weights["weight_embedding"])
        assert d_weights.keys() == weights.keys()
        for name, weight in weights.items():
            assert_gradient(lambda r=r, run=run: float((r * run().output).sum()), weight, d_weights[name])


@pytest.mark.parametrize("name", STACK_CASES)
def test_a_stack_forward_is_that_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    _, _, layers = stack_loss(name, case, weights_of(case))
    assert_allclose(layers[-1].h, case["h"], rtol=1e-12, atol=1e-14)
    for state in states_of(case):
        ends = [getattr(layer, state)[-1] for layer in layers]
        assert_allclose(ends, case[f"{state}_last"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", NETWORK_CASES)
def test_network_forward_is_that_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    output = network.forward(case["x"], weights_of(case)).output
    assert_allclose(output, case["output"], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", STACK_CASES + NETWORK_CASES + SEQUENCE_CASES)
def test_loss_and_gradients_are_those_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    loss, gradients, _ = loss_for(name)(case, weights_of(case))
    assert_allclose(loss, case["loss"], rtol=1e-12)
    expected = weights_of(case, "d_") | {key: case[f"d_{key}"] for key in ("x", "h0", "c0") if f"d_{key}" in case}
    assert gradients.keys() == {f"d_{key}" for key in expected}
    for key, gradient in expected.items():
        assert_allclose(gradients[f"d_{key}"], gradient, rtol=1e-10, atol=1e-13, err_msg=key)


@pytest.mark.parametrize("name", STACK_CASES + NETWORK_CASES + SEQUENCE_CASES)
def test_three_clipped_adam_steps_are_those_of_torch(name: str) -> None:
    """torch divides by norm + 1e-6 where we divide by the norm: the weights may differ by about 1e-6 of a step."""
    case = torch_numbers()[name]
    weights, max_norm = weights_of(case), float(case["max_norm"])
    moments = {key: (np.zeros_like(weight), np.zeros_like(weight)) for key, weight in weights.items()}
    for step in (1, 2, 3):
        loss, gradients, _ = loss_for(name)(case, weights)
        clipped, norm = optimisers.clip_by_global_norm([gradients[f"d_{key}"] for key in weights], max_norm)
        assert norm > max_norm
        assert_allclose((loss, norm), (case["losses"][step - 1], case["norms"][step - 1]), rtol=1e-6)
        for (key, weight), gradient in zip(weights.items(), clipped, strict=True):
            m, v = moments[key]
            weights[key], m, v = optimisers.adam(weight, gradient, m, v, step, learning_rate=0.01)
            moments[key] = m, v
    for key, after in weights_of(case, "after_").items():
        assert_allclose(weights[key], after, rtol=0, atol=5e-7, err_msg=key)
