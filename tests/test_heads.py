"""Heads of networks that see sequences: against twins, central differences, themselves, and numbers from PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import plain
from forecaster.config import SequenceConfig
from forecaster.heads import (
    Candidates,
    NextSymbols,
    Readout,
    readout_backward,
    readout_forward,
    readout_loss,
    symbols_learn,
    symbols_loss,
)
from forecaster.kernels.optimisers import adam, sum_gradients
from forecaster.network import Network
from forecaster.shape import CELLS, Cell
from forecaster.trunk import Packed
from tests.kernels.arrays import assert_near, draw
from tests.reference import losses, sequences
from tests.reference.gradient import numerical_gradient
from tests.reference.torch_numbers import SEQUENCE_CASES, torch_numbers, weights_of
from tests.sequences import OUTPUTS, config, make_network, named_gradient, twin_weights

STEPS = 5
F = np.float32
each_cell = pytest.mark.parametrize("cell", CELLS)
SYMBOLS = 11


def codes(*shape: int, count: int = SYMBOLS, least: int = 0) -> np.ndarray:
    return np.random.default_rng(shape).integers(least, count, shape)


def encoded(symbols: np.ndarray, network: Network) -> Any:
    """What comes into the twin."""
    if network.shape.embedding:
        return sequences.embed(symbols, twin_weights(network)["weight_embedding"])
    return np.where((symbols >= 0)[..., None], np.eye(network.shape.symbols)[symbols], 0.0)


def assert_gradients(network: Network, gradient: np.ndarray, expected: dict[str, Any]) -> None:
    named = named_gradient(network, gradient)
    assert named.keys() == expected.keys()
    for name, each in expected.items():
        assert_near(named[name], each, 5e-6)


# --- one answer at the end ----------------------------------------------------------------------------------------


def readout(network: Network, x: np.ndarray, ends: np.ndarray, *, training: bool = True) -> Readout:
    space = Readout(network, *x.shape[:2], training=training)
    if network.shape.symbols:
        space.symbols[:] = x
    else:
        space.x[..., : x.shape[2]] = x
    space.ends[:] = ends
    return space


def answer(network: Network, space: Readout) -> np.ndarray:
    outputs = readout_forward(Packed(network), space)
    assert not outputs[:, OUTPUTS:].any()
    return outputs[:, :OUTPUTS].copy()


@pytest.mark.parametrize("rows", [1, 5, 9, 32])
@pytest.mark.parametrize("hidden", [5, 40])
@pytest.mark.parametrize("dense", [0, 6])
@each_cell
def test_an_answer_and_its_gradient_are_those_of_the_twin(cell: Cell, dense: int, hidden: int, rows: int) -> None:
    network = make_network(config(cell, hidden=hidden, dense=dense), numbers=3)
    x, ends = draw(STEPS, rows, 3), codes(rows, count=STEPS)
    twin = twin_weights(network)
    passed, space, packed = (
        sequences.forward(x, twin, cell, ends),
        readout(network, x, ends),
        Packed(network, backward=True),
    )
    assert_near(answer(network, space), passed.output)
    d_output = draw(rows, OUTPUTS, seed=1)
    readout_forward(packed, space)
    space.d_outputs[:, :OUTPUTS] = d_output
    gradient = np.zeros_like(network.weights)
    readout_backward(packed, space, gradient)
    assert_gradients(network, gradient, sequences.backward(d_output, passed, twin, cell)[1])


@pytest.mark.parametrize("embedding", [0, 3])
@each_cell
def test_answers_to_symbols(cell: Cell, embedding: int) -> None:
    network = make_network(config(cell, embedding=embedding), symbols=SYMBOLS)
    symbols, ends, twin = codes(STEPS, 9, least=-1), codes(9, count=STEPS), twin_weights(network)
    passed, space = sequences.forward(encoded(symbols, network), twin, cell, ends), readout(network, symbols, ends)
    assert_near(answer(network, space), passed.output)
    d_output, gradient = draw(9, OUTPUTS, seed=1), np.zeros_like(network.weights)
    space.d_outputs[:, :OUTPUTS] = d_output
    readout_backward(Packed(network, backward=True), space, gradient)
    d_x, expected = sequences.backward(d_output, passed, twin, cell)
    if embedding:
        expected["weight_embedding"] = sequences.embed_backward(d_x, symbols, twin["weight_embedding"])
    assert_gradients(network, gradient, expected)


@each_cell
def test_what_comes_after_the_end_is_never_looked_at(cell: Cell) -> None:
    network, x, ends = make_network(config(cell), numbers=3), draw(STEPS, 9, 3), codes(9, count=STEPS)
    before = answer(network, readout(network, x, ends))
    for b, end in enumerate(ends):
        x[end + 1 :, b] = 1e30
    assert_array_equal(answer(network, readout(network, x, ends)), before)
    alone = [answer(network, readout(network, x[: end + 1, b : b + 1], end)) for b, end in enumerate(ends.tolist())]
    assert_array_equal(np.concatenate(alone), before)


@each_cell
def test_the_buffers_of_longer_sequences_serve_shorter_ones(cell: Cell) -> None:
    network = make_network(config(cell), numbers=3)
    long, short = draw(STEPS, 9, 3), draw(3, 9, 3, seed=1)
    space, packed = readout(network, long, np.full(9, STEPS - 1)), Packed(network, backward=True)
    gradients = []
    for one in (space.cut(3), readout(network, short, np.full(9, 2))):
        one.x[..., :3] = short
        one.ends[:] = 2
        readout_forward(packed, one)
        one.d_outputs[:, :OUTPUTS] = 1
        gradients.append(np.zeros_like(network.weights))
        readout_backward(packed, one, gradients[-1])
        gradients[-1] = np.concatenate([gradients[-1], one.outputs.ravel()])
    assert_array_equal(*gradients)
    assert (space.steps, space.cut(3).steps) == (STEPS, 3)


@pytest.mark.parametrize("loss", ["binary", "categorical", "absolute", "squared"])
def test_the_gradient_of_a_loss_is_its_slope(loss: str) -> None:
    network, x, ends = make_network(config(dense=3), numbers=2), draw(3, 4, 2), np.array([2, 0, 1, 2])
    space, packed = readout(network, x, ends), Packed(network, backward=True)
    space.targets[:] = np.eye(OUTPUTS)
    space.weights[:] = np.array([[1.0], [0.5], [0.0], [2.0]])
    gradient = np.zeros_like(network.weights)
    readout_forward(packed, space)
    readout_loss(space, loss)
    readout_backward(packed, space, gradient)

    def value() -> float:
        readout_forward(Packed(network), space)
        return readout_loss(space, loss)

    for name in ("lstm.weight_ih_l0", "lstm.bias_l1", "dense.weight", "head.weight"):
        part = network.parts[name]
        slopes = numerical_gradient(value, part.real(network.weights), 0.01)
        assert_allclose(part.real(gradient), slopes, rtol=1e-2, atol=3e-3, err_msg=name)


# --- the symbol that follows --------------------------------------------------------------------------------------


def following(network: Network, symbols: np.ndarray, weights: np.ndarray, *, training: bool = True) -> NextSymbols:
    """The symbols (T + 1, B), each followed by the one below."""
    space = NextSymbols(network, len(symbols) - 1, symbols.shape[1], training=training)
    space.symbols[:], space.targets[:], space.weights[:] = symbols[:-1], symbols[1:], weights
    return space


# A block has 256 rows: fewer of them, not a multiple of 16, exactly one, one and a rest.
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (8, 32), (9, 32), (7, 75)], ids=str)
@pytest.mark.parametrize("dense", [0, 6])
@pytest.mark.parametrize("embedding", [0, 3])
@each_cell
def test_the_loss_of_what_follows_and_its_gradient(
    cell: Cell, embedding: int, dense: int, size: tuple[int, int]
) -> None:
    network = make_network(config(cell, embedding=embedding, dense=dense), symbols=SYMBOLS, softmax=True)
    symbols, twin = codes(size[0] + 1, size[1]), twin_weights(network)
    weights = np.random.default_rng(2).choice([0.0, 0.5, 1.0], size)
    weights[0, 0] = 1.0
    passed = sequences.forward(encoded(symbols[:-1], network), twin, cell)
    loss, d_output = losses.categorical(passed.output, np.eye(SYMBOLS)[symbols[1:]], weights)
    gradient, total = np.zeros_like(network.weights), weights.sum()
    space = following(network, symbols, weights)
    got = symbols_learn(Packed(network, backward=True), space, gradient)
    assert got == pytest.approx(loss * total, rel=1e-5)
    assert symbols_loss(Packed(network), following(network, symbols, weights, training=False)) == got
    d_x, expected = sequences.backward(d_output * total, passed, twin, cell)
    if embedding:
        expected["weight_embedding"] = sequences.embed_backward(d_x, symbols[:-1], twin["weight_embedding"])
    assert_gradients(network, gradient, expected)


@pytest.mark.parametrize("dense", [0, 6])
def test_tied_weights_learn_as_what_comes_in_and_as_what_goes_out(dense: int) -> None:
    wide = dense or 5
    network = make_network(config(dense=dense, embedding=wide, tied=True), symbols=SYMBOLS, softmax=True)
    assert "head.weight" not in network.parts
    symbols, twin = codes(6, 3), twin_weights(network)
    twin["weight_head"] = twin["weight_embedding"]
    passed = sequences.forward(encoded(symbols[:-1], network), twin, "lstm")
    loss, d_output = losses.categorical(passed.output, np.eye(SYMBOLS)[symbols[1:]], np.ones((5, 3)))
    gradient = np.zeros_like(network.weights)
    space = following(network, symbols, np.ones((5, 3)))
    assert symbols_learn(Packed(network, backward=True), space, gradient) == pytest.approx(15 * loss, rel=1e-5)
    d_x, expected = sequences.backward(15 * d_output, passed, twin, "lstm")
    table = sequences.embed_backward(d_x, symbols[:-1], twin["weight_embedding"])
    expected["weight_embedding"] = table + expected.pop("weight_head")
    assert_gradients(network, gradient, expected)
    y, _ = plain.trunk(network, plain.enter(network, symbols[:-1]))
    assert_near(plain.head(network, y), passed.output, 1e-5)


def test_a_symbol_that_is_none_comes_in_as_zeros_and_teaches_nothing() -> None:
    network = make_network(config(), symbols=SYMBOLS, softmax=True)
    symbols = np.full((5, 2), -1)
    symbols[:, 0] = codes(5)
    space = NextSymbols(network, 4, 2, training=True)
    space.symbols[:], space.targets[:], space.weights[:] = symbols[:-1], np.maximum(symbols[1:], 0), symbols[1:] >= 0
    both, alone = np.zeros((2, network.weights.size), np.float32)
    loss = symbols_learn(Packed(network, backward=True), space, both)
    one = following(network, symbols[:, :1], np.ones((4, 1)))
    assert symbols_learn(Packed(network, backward=True), one, alone) == pytest.approx(loss, rel=1e-6)
    assert_near(both, alone.astype(np.float64))


def test_learning_adds_to_the_gradient_and_can_be_done_again() -> None:
    network = make_network(config(dense=6), symbols=SYMBOLS, softmax=True)
    space, packed = following(network, codes(6, 3), np.ones((5, 3))), Packed(network, backward=True)
    once, twice = np.zeros((2, network.weights.size), np.float32)
    first = symbols_learn(packed, space, once)
    assert symbols_learn(packed, space, twice) == symbols_learn(packed, space, twice) == first
    assert_near(twice, 2.0 * once.astype(np.float64))


# One block, one and a rest; the second has more candidates than the buffers had room for.
@pytest.mark.parametrize("size", [(5, 3), (9, 32)], ids=str)
@pytest.mark.parametrize(("dense", "tied"), [(0, False), (6, False), (0, True)])
def test_the_loss_among_candidates_and_its_gradient(dense: int, tied: bool, size: tuple[int, int]) -> None:
    wide = 5 if tied else 3
    network = make_network(config(embedding=wide, dense=dense, tied=tied), symbols=SYMBOLS, softmax=True)
    twin, rng = twin_weights(network), np.random.default_rng(3)
    if tied:
        twin["weight_head"] = twin["weight_embedding"]
    space, packed = NextSymbols(network, *size, training=True), Packed(network, backward=True)
    for chosen in (np.array([1, 4, 10]), np.array([0, 2, 3, 4, 7, 8])):
        shift, count = rng.normal(size=len(chosen)), len(chosen)
        symbols, places, weights = codes(*size), rng.integers(0, count, size), rng.choice([0.5, 1.0], size)
        passed = sequences.forward(encoded(symbols, network), twin, "lstm")
        logits = passed.output[..., chosen] + shift  # (67)
        loss, d_logits = losses.categorical(logits, np.eye(count)[places], weights)
        space.symbols[:], space.targets[:], space.weights[:] = symbols, places, weights
        space.candidates = Candidates(chosen, shift.astype(F))
        gradient = np.zeros_like(network.weights)
        assert symbols_learn(packed, space, gradient) == pytest.approx(loss * weights.sum(), rel=1e-5)
        d_output = np.zeros_like(passed.output)
        d_output[..., chosen] = d_logits * weights.sum()
        d_x, expected = sequences.backward(d_output, passed, twin, "lstm")
        table = sequences.embed_backward(d_x, symbols, twin["weight_embedding"])
        expected["weight_embedding"] = table + expected.pop("weight_head") if tied else table
        assert_gradients(network, gradient, expected)


def test_the_gradient_among_candidates_is_the_slope_of_the_loss() -> None:
    network = make_network(config(embedding=5, tied=True), symbols=SYMBOLS, softmax=True)
    space = following(network, codes(6, 3), np.ones((5, 3)))
    space.targets[:] = codes(5, 3, count=4)
    space.candidates = Candidates(np.array([0, 3, 5, 9]), np.array([0.0, 0.3, 1.0, 2.0], F))
    gradient = np.zeros_like(network.weights)
    symbols_learn(Packed(network, backward=True), space, gradient)

    def value() -> float:
        return symbols_learn(Packed(network, backward=True), space, np.zeros_like(network.weights))

    for name in ("embedding.weight", "head.bias", "lstm.weight_hh_l1"):
        part = network.parts[name]
        slopes = numerical_gradient(value, part.real(network.weights), 0.01)
        assert_allclose(part.real(gradient), slopes, rtol=1e-2, atol=3e-3, err_msg=name)


def test_to_choose_among_all_symbols_is_to_have_no_candidates() -> None:
    network = make_network(config(), symbols=SYMBOLS, softmax=True)
    space, packed = following(network, codes(6, 3), np.ones((5, 3))), Packed(network, backward=True)
    without, among = np.zeros((2, network.weights.size), np.float32)
    loss = symbols_learn(packed, space, without)
    space.candidates = Candidates(np.arange(SYMBOLS), np.zeros(SYMBOLS, F))
    assert symbols_learn(packed, space, among) == loss
    assert_array_equal(among, without)
    space.candidates = Candidates(np.arange(3), np.zeros(3, F))
    assert symbols_loss(packed, space) == pytest.approx(loss, rel=1e-6)  # judged is among all


# --- numbers saved from PyTorch -----------------------------------------------------------------------------------


def of_torch(name: str) -> tuple[Network, Any]:
    """Return the network of a case, and what computes its mean loss and adds its gradient."""
    case, (kind, cell, dense) = torch_numbers()[name], name.split("_")
    weights = weights_of(case)
    width = weights["weight_ih_l0"].shape[1]
    settings = SequenceConfig(cell=cell, layers=2, hidden=5, dense=int(dense), embedding=width)
    outputs, softmax = len(weights["bias_head"]), kind == "next"
    symbols, numbers = (outputs, 0) if softmax else (0, width)
    network = Network(settings.shape(outputs=outputs, symbols=symbols, numbers=numbers, softmax=softmax))
    ours = {
        (f"{one.split('_')[1]}.{one.split('_')[0]}" if "_l" not in one else f"{cell}.{one}"): one for one in weights
    }
    network.set_weights({mine: weights[theirs].astype(np.float32) for mine, theirs in ours.items()})
    packed = Packed(network, backward=True)
    if softmax:
        inputs, targets = case["symbols"].astype(np.int64), case["targets"].astype(np.int64)
        space = NextSymbols(network, *inputs.shape, training=True)
        space.symbols[:], space.targets[:], space.weights[:] = inputs, targets, case["weights"]
        total = case["weights"].sum()
        return network, lambda gradient: (packed.refresh(), symbols_learn(packed, space, gradient) / total)[1]
    read = readout(network, case["x"], case["ends"].astype(np.int64))
    read.targets[:], read.weights[:] = case["targets"], 1

    def learn(gradient: np.ndarray) -> float:
        packed.refresh()
        readout_forward(packed, read)
        loss = readout_loss(read, kind)
        readout_backward(packed, read, gradient)
        return loss / read.rows

    return network, learn


@pytest.mark.parametrize("name", SEQUENCE_CASES)
def test_three_clipped_steps_are_those_of_torch(name: str) -> None:
    case = torch_numbers()[name]
    network, learn = of_torch(name)
    count = case["weights"].sum() if "weights" in case else len(case["ends"])
    gradient, first, second = np.zeros((3, network.weights.size), np.float32)
    for step in (1, 2, 3):
        lanes = np.zeros((1, network.weights.size), np.float32)
        loss = learn(lanes[0])
        norm = np.sqrt(sum_gradients(lanes, 0, gradient.size, gradient)) / count
        assert_allclose((loss, norm), (case["losses"][step - 1], case["norms"][step - 1]), rtol=1e-5)
        if step == 1:
            assert_gradients(network, gradient / F(count), weights_of(case, "d_"))
        factor = F(min(1.0, case["max_norm"] / norm) / count)
        adam(network.weights, gradient, first, second, factor, F(0.01), F(0.9), F(0.999), F(1e-8), step)
    named = named_gradient(network, network.weights)
    for key, expected in weights_of(case, "after_").items():
        assert_allclose(named[key], expected, rtol=0, atol=5e-6, err_msg=key)
