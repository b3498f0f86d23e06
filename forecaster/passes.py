"""The compiled passes through the layers: packed weights, the trunk of recurrent layers, and the head of forecasts.

The trunk serves every network; other heads than that of forecasts are in `heads`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, NamedTuple, TypeVar

import numpy as np

from forecaster.kernels.dense import dense_backward, dense_forward, skip_backward, skip_forward
from forecaster.kernels.gru import gru_backward, gru_forward
from forecaster.kernels.lstm import lstm_backward, lstm_forward
from forecaster.kernels.products import AT_ONCE_ROWS, pack
from forecaster.kernels.rnn import rnn_backward, rnn_forward
from forecaster.network import Array, ForecastNetwork, Network, padded, zeros
from forecaster.shape import BLOCKS, Cell

SHARD_ROWS = 32
"""Windows that go through the network together: their working set stays in the second-level cache."""

_KEPT_ROWS = (*range(1, 9), SHARD_ROWS)
"""Sizes of forecasts whose buffers are kept."""

_Forward = tuple[Array, Array, Array]
_Backward = tuple[Array, Array, Array, Array, Array]
"""Arrays of one layer, in the order that its kernels take them."""

Kind = TypeVar("Kind", bound=Network, covariant=True)


class Packed(Generic[Kind]):
    """Weights in the panel layout of the kernels; to be refreshed, or made anew, when they change.

    Parameters
    ----------
    network : Network
        Whose weights.
    backward : bool
        Whether to pack them for the backward pass as well.

    Attributes
    ----------
    forward
        By weight name: packed for ``x W'``.
    backward
        By weight name: packed for ``dY W``; empty unless asked for.
    biases
        By weight name: as the network has it, padded.
    layers
        Of each recurrent layer what its forward pass takes: packed input and recurrent weights, and bias.
    """

    def __init__(self, network: Kind, *, backward: bool = False) -> None:
        self.network = network
        self._spaces: dict[int, list[Workspace]] = {rows: [] for rows in _KEPT_ROWS}
        self.forward: dict[str, Array] = {}
        self.backward: dict[str, Array] = {}
        self.biases = {name: part.stored(network.memory) for name, part in network.parts.items() if not part.columns}
        for part in network.parts.values():
            if part.columns:
                self.forward[part.name] = zeros(part.size)
                if backward and part.name != "skip.weight":  # nothing below it has a gradient
                    self.backward[part.name] = zeros(part.size)
        cell, layers = network.shape.cell, range(network.shape.layers)
        self.layers: list[_Forward] = [
            (
                self.forward[f"{cell}.weight_ih_l{k}"],
                self.forward[f"{cell}.weight_hh_l{k}"],
                self.biases[f"{cell}.bias_l{k}"],
            )
            for k in layers
        ]
        self.refresh()

    def refresh(self) -> None:
        """Take over the network's weights as they are now."""
        for name, packed in self.forward.items():
            matrix = self.network.parts[name].stored(self.network.memory)
            rows, columns = matrix.shape
            pack(matrix.reshape(-1), 1, columns, columns, rows, packed)
        for name, packed in self.backward.items():
            matrix = self.network.parts[name].stored(self.network.memory)
            rows, columns = matrix.shape
            pack(matrix.reshape(-1), columns, 1, rows, columns, packed)

    def layer_backward(self, k: int, gradient: Array) -> _Backward:
        """Return what the backward pass of recurrent layer `k` takes: packed weights, and its parts of `gradient`."""
        parts, cell = self.network.parts, self.network.shape.cell
        ih, hh, bias = (f"{cell}.{kind}_l{k}" for kind in ("weight_ih", "weight_hh", "bias"))
        d_ih, d_hh, d_bias = (parts[name].stored(gradient) for name in (ih, hh, bias))
        return self.backward[ih], self.backward[hh], d_ih, d_hh, d_bias

    @contextmanager
    def forecasting(self: Packed[ForecastNetwork], rows: int) -> Iterator[Workspace]:
        """Lend a workspace for forecasts from the last position of `rows` windows, to one thread at a time.

        Those for a few windows and for a whole shard are kept: to allocate one takes as long as to forecast from it.
        """
        kept = self._spaces.get(rows, [])
        steps = self.network.config.positions
        space = kept.pop() if kept else Workspace(self.network, steps, rows, first=steps - 1, training=False)
        try:
            yield space
        finally:
            kept.append(space)


class Trunk:
    """Buffers of one thread for `rows` sequences of `steps` time steps on their way through the recurrent layers.

    Parameters
    ----------
    network : Network
        Whose shapes count.
    steps, rows : int
        T and B.
    training : bool
        Whether to keep what the backward pass needs.

    Attributes
    ----------
    x
        What comes in, (T, B, I).
    h, c
        States of each layer, (T + 1, B, H): those before the first step, zeros unless somebody writes them, then those
        after each. Of the cells here only the LSTM has a c.
    gates, tanh_c, m
        What else a layer keeps for its way back: gates, as many blocks of H as the cell has; of an LSTM tanh c, of a
        GRU m (50), both (T, B, H).
    y
        What each layer hands upwards, (T, B, H): the first its h, the others the sum of what they got and their h.
    """

    def __init__(self, network: Network, steps: int, rows: int, *, training: bool) -> None:
        shape = network.shape
        cell, hidden = shape.cell, padded(shape.hidden)
        # With few rows the inputs of all steps make one product, whose result has to be kept (``lstm_forward``).
        kept = steps if training or rows < AT_ONCE_ROWS else 1

        def for_layers(count: int, *, width: int = hidden) -> list[Array]:
            return [zeros(count, rows, width) for _ in range(shape.layers)]

        self.steps, self.rows = steps, rows
        self.x = zeros(steps, rows, padded(shape.inputs))
        self.h = for_layers(steps + 1)
        self.c = for_layers(steps + 1) if cell == "lstm" else []
        self.gates = for_layers(kept, width=BLOCKS[cell].weights * hidden)
        self.tanh_c = for_layers(kept) if cell == "lstm" else []
        self.m = for_layers(kept) if cell == "gru" else []
        self.y = [self.h[0][1:], *(zeros(steps, rows, hidden) for _ in range(shape.layers - 1))]
        if training:
            self.d_y, self.d_h = zeros(steps, rows, hidden), zeros(steps + 1, rows, hidden)
            # Of the last cell state; of what a GRU hands to the step before.
            self.d_c, self.passed_on = zeros(rows, hidden), zeros(rows, 3 * hidden if cell == "gru" else 0)
            self.no_d_x = zeros(0, rows, padded(shape.inputs))

    @property
    def top(self) -> Array:
        """What the last layer hands upwards, (T * B, H)."""
        return self.y[-1].reshape(-1, self.y[-1].shape[2])


def _lstm_layer(packed: Packed[Network], trunk: Trunk, k: int, below: Array) -> None:
    lstm_forward(below, *packed.layers[k], trunk.h[k], trunk.c[k], trunk.gates[k], trunk.tanh_c[k])


def _lstm_layer_backward(trunk: Trunk, k: int, below: Array, weights: _Backward, d_below: Array) -> None:
    trunk.d_c[:] = 0
    lstm_backward(
        below, trunk.h[k], trunk.c[k], trunk.gates[k], trunk.tanh_c[k], trunk.d_h, trunk.d_c, *weights, d_below
    )


def _gru_layer(packed: Packed[Network], trunk: Trunk, k: int, below: Array) -> None:
    gru_forward(below, *packed.layers[k], trunk.h[k], trunk.gates[k], trunk.m[k])


def _gru_layer_backward(trunk: Trunk, k: int, below: Array, weights: _Backward, d_below: Array) -> None:
    gru_backward(below, trunk.h[k], trunk.gates[k], trunk.m[k], trunk.d_h, trunk.passed_on, *weights, d_below)


def _rnn_layer(packed: Packed[Network], trunk: Trunk, k: int, below: Array) -> None:
    rnn_forward(below, *packed.layers[k], trunk.h[k])


def _rnn_layer_backward(trunk: Trunk, k: int, below: Array, weights: _Backward, d_below: Array) -> None:
    rnn_backward(below, trunk.h[k], trunk.gates[k], trunk.d_h, *weights, d_below)


class _CellPasses(NamedTuple):
    """The passes of a layer.

    Attributes
    ----------
    forward : callable
        Of layer `k` over what lies below it; writes its states and what the way back needs into the trunk.
    backward : callable
        From ``trunk.d_h``; adds to the gradients of its weights, and to that of what lies below unless it is empty.
    """

    forward: Callable[[Packed[Network], Trunk, int, Array], None]
    backward: Callable[[Trunk, int, Array, _Backward, Array], None]


_CELLS: dict[Cell, _CellPasses] = {
    "lstm": _CellPasses(_lstm_layer, _lstm_layer_backward),
    "gru": _CellPasses(_gru_layer, _gru_layer_backward),
    "rnn": _CellPasses(_rnn_layer, _rnn_layer_backward),
}


def trunk_forward(packed: Packed[Network], trunk: Trunk) -> Array:
    """Run the recurrent layers over ``trunk.x``; return what the last hands upwards (T, B, H), a buffer of `trunk`."""
    shape = packed.network.shape
    layer, below = _CELLS[shape.cell].forward, trunk.x
    for k in range(shape.layers):
        layer(packed, trunk, k, below)
        if k:
            np.add(below, trunk.h[k][1:], out=trunk.y[k])  # (22)
        below = trunk.y[k]
    return below


def trunk_backward(packed: Packed[Network], trunk: Trunk, gradient: Array) -> None:
    """Run backward from ``trunk.d_y``, after `trunk_forward`; adds to `gradient`, a flat vector like the weights."""
    shape = packed.network.shape
    layer = _CELLS[shape.cell].backward
    for k in reversed(range(shape.layers)):
        trunk.d_h[0] = 0
        trunk.d_h[1:] = trunk.d_y
        below, d_below = (trunk.y[k - 1], trunk.d_y) if k else (trunk.x, trunk.no_d_x)
        # d_y keeps the gradient that passes by the layer, to which its own d_x is added: (29).
        layer(trunk, k, below, packed.layer_backward(k, gradient), d_below)


class Workspace(Trunk):
    """Buffers of one thread for forecasts from windows of `steps` time steps and `rows` rows.

    Parameters
    ----------
    network : ForecastNetwork
        Whose shapes count.
    steps, rows : int
        T and B.
    first : int
        First step the head gives a forecast at.
    training : bool
        Whether to keep what the backward pass needs.
    judging : bool
        Whether there are targets to compute a loss from; in training there are.
    """

    def __init__(
        self, network: ForecastNetwork, steps: int, rows: int, *, first: int, training: bool, judging: bool = False
    ) -> None:
        super().__init__(network, steps, rows, training=training)
        outer = (steps - first) * rows
        self.first, self.lags = first, network.config.lags
        self.levels = np.zeros((steps, rows))
        self.dense = zeros(outer, padded(network.config.dense))
        self.outputs = zeros(outer, padded(network.outputs))
        if training or judging:
            self.targets, self.weights = zeros(outer, network.horizon), zeros(outer, network.horizon)
            self.d_outputs = zeros(*self.outputs.shape)
        if training:
            self.d_dense = zeros(*self.dense.shape)


def forward(packed: Packed[ForecastNetwork], space: Workspace) -> Array:
    """Run the network over ``space.x``; return the outputs ((T - first) * B, padded F * Q), a buffer of `space`."""
    trunk_forward(packed, space)
    from_row = space.first * space.rows
    dense_forward(space.top, from_row, packed.forward["dense.weight"], packed.biases["dense.bias"], True, space.dense)
    dense_forward(space.dense, 0, packed.forward["head.weight"], packed.biases["head.bias"], False, space.outputs)
    inputs = space.x.reshape(-1, space.x.shape[2])
    skip_forward(inputs, from_row, packed.forward["skip.weight"], space.outputs)
    return space.outputs


def backward(packed: Packed[ForecastNetwork], space: Workspace, gradient: Array) -> None:
    """Run backward from ``space.d_outputs``, after `forward`; adds to `gradient`, a flat vector like the weights."""
    parts = packed.network.parts

    def d(name: str) -> Array:
        return parts[name].stored(gradient)

    space.d_dense[:] = 0
    space.d_y[:] = 0
    from_row = space.first * space.rows
    skip_backward(space.x.reshape(-1, space.x.shape[2]), from_row, space.d_outputs, d("skip.weight"))
    dense_backward(
        space.dense, 0, space.outputs, space.d_outputs, packed.backward["head.weight"], False,
        d("head.weight"), d("head.bias"), space.d_dense,
    )  # fmt: skip
    dense_backward(
        space.top, from_row, space.dense, space.d_dense, packed.backward["dense.weight"], True,
        d("dense.weight"), d("dense.bias"), space.d_y.reshape(space.top.shape),
    )  # fmt: skip
    trunk_backward(packed, space, gradient)
