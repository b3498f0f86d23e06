"""The recurrent layers by themselves: states that are carried, sequences cut short, dropout."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.network import Network
from forecaster.shape import BLOCKS, CELLS, Cell
from forecaster.tasks.dropout import draw_masks, part_of
from forecaster.trunk import Masks, Packed, Trunk, new_states, trunk_backward, trunk_forward
from tests.kernels.arrays import draw
from tests.reference.gradient import numerical_gradient
from tests.sequences import config, make_network

STEPS, ROWS = 6, 9
each_cell = pytest.mark.parametrize("cell", CELLS)


def filled(network: Network, x: np.ndarray, *, dropout: bool = False) -> Trunk:
    trunk = Trunk(network, *x.shape[:2], training=True, dropout=dropout)
    if network.shape.symbols:
        trunk.symbols[:] = x
    else:
        trunk.x[..., : x.shape[2]] = x
    return trunk


@pytest.mark.parametrize("cut", range(1, STEPS))
@each_cell
def test_two_stretches_that_carry_the_states_are_one(cell: Cell, cut: int) -> None:
    network, x = make_network(config(cell), numbers=3), draw(STEPS, ROWS, 3)
    packed, states = Packed(network), new_states(network, ROWS)
    assert states.shape[:3] == (2, BLOCKS[cell].states, ROWS)
    whole = trunk_forward(packed, filled(network, x))
    early, late = filled(network, x[:cut]), filled(network, x[cut:])
    early.begin(states)
    said = [trunk_forward(packed, early).copy()]
    early.end(states)
    assert states.any()
    late.begin(states)
    said.append(trunk_forward(packed, late))
    assert_array_equal(np.concatenate(said), whole)


@each_cell
def test_a_cut_is_the_same_memory(cell: Cell) -> None:
    network, x = make_network(config(cell), numbers=3), draw(STEPS, ROWS, 3)
    packed, trunk = Packed(network), filled(network, x)
    whole = trunk_forward(packed, trunk).copy()
    part = trunk.cut(4)
    assert_array_equal(trunk_forward(packed, part), whole[:4])
    assert part.x.base is not None
    states = new_states(network, ROWS)
    part.end(states)
    assert_array_equal(states[0, 0], trunk.h[0][4])
    assert_array_equal(trunk_forward(packed, trunk), whole)


def loss_through(network: Network, trunk: Trunk, r: np.ndarray) -> float:
    return float((r * trunk_forward(Packed(network), trunk)[..., : r.shape[2]]).sum())


@pytest.mark.parametrize("layers", [1, 2])
@each_cell
def test_gradients_through_dropout_are_slopes(cell: Cell, layers: int) -> None:
    network = make_network(config(cell, layers=layers, hidden=3), symbols=5)
    symbols = np.random.default_rng(0).integers(0, 5, (3, 4))
    trunk, r = filled(network, symbols, dropout=True), draw(3, 4, 3)
    trunk.masks = draw_masks(network, 4, 0.4, np.random.default_rng(1))
    gradient = np.zeros_like(network.weights)
    trunk_forward(Packed(network), trunk)
    trunk.d_y[:] = 0
    trunk.d_y[..., :3] = r
    trunk_backward(Packed(network, backward=True), trunk, gradient)
    for part in network.parts.values():
        if part.name.startswith("head"):
            continue
        slopes = numerical_gradient(lambda: loss_through(network, trunk, r), part.real(network.weights), 0.01)
        assert_allclose(part.real(gradient), slopes, rtol=5e-3, atol=2e-3, err_msg=part.name)


@each_cell
def test_what_is_dropped_is_not_seen(cell: Cell) -> None:
    network, x = make_network(config(cell), symbols=5), np.random.default_rng(0).integers(0, 5, (STEPS, ROWS))
    trunk, hidden = filled(network, x, dropout=True), network.shape.hidden
    ones = Masks(np.ones((ROWS, 16), np.float32), np.ones((2, ROWS, 16), np.float32))
    trunk.masks = ones
    plain = trunk_forward(Packed(network), filled(network, x)).copy()
    assert_array_equal(trunk_forward(Packed(network), trunk), plain)
    ones.layers[:] = 0
    assert not trunk_forward(Packed(network), trunk).any()
    assert trunk.h[0][1:, :, :hidden].any()  # what goes from step to step is left alone
    ones.layers[0], ones.inputs[:] = 1, 0
    first = trunk_forward(Packed(network), trunk)
    assert (first == first[:, :1]).all()  # nothing came in, so that all rows are alike


def test_masks_leave_out_a_share_and_stretch_the_rest() -> None:
    network = make_network(config(hidden=64), symbols=5)
    masks = draw_masks(network, 1000, 0.25, np.random.default_rng(0))
    assert masks is not None
    for one in masks:
        assert one.dtype == np.float32
        assert set(np.unique(one).tolist()) == {0.0, float(np.float32(1 / 0.75))}
        assert (one == 0).mean() == pytest.approx(0.25, abs=0.02)
    part = part_of(masks, slice(3, 7))
    assert part is not None
    assert_array_equal(part.layers, masks.layers[:, 3:7])
    assert draw_masks(network, 1000, 0.0, np.random.default_rng(0)) is part_of(None, slice(3)) is None
