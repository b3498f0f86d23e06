"""Through the recurrent layers, compiled: packed weights, the buffers of one thread, forward and backward.

What stands on them is in `passes` (forecasts) and `heads` (one answer a sequence, the symbol that follows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from typing import Any, Generic, NamedTuple, Self, TypeVar

import numpy as np

from forecaster.kernels.embedding import gather_rows, one_hot, scatter_rows
from forecaster.kernels.gru import gru_backward, gru_forward
from forecaster.kernels.lstm import lstm_backward, lstm_forward
from forecaster.kernels.products import AT_ONCE_ROWS, pack
from forecaster.kernels.rnn import rnn_backward, rnn_forward
from forecaster.network import Array, Network, Part, padded, zeros
from forecaster.shape import BLOCKS, Cell

SHARD_ROWS = 32
"""Sequences that go through the network together: their working set stays in the second-level cache."""

Space = TypeVar("Space")

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
        self._kept: dict[int, list[Any]] = {}
        self.forward: dict[str, Array] = {}
        self.backward: dict[str, Array] = {}
        self.biases = {name: part.stored(network.memory) for name, part in network.parts.items() if not part.columns}
        as_they_are = {"embedding.weight", network.shape.head if network.shape.softmax else ""}
        for part in network.parts.values():
            if part.columns and part.name not in as_they_are:
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
        self._back = [self._backward_of(k) for k in layers] if backward else []
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

    def _backward_of(self, k: int) -> tuple[Array, Array, Part, Part, Part]:
        parts, cell = self.network.parts, self.network.shape.cell
        ih, hh, bias = (f"{cell}.{kind}_l{k}" for kind in ("weight_ih", "weight_hh", "bias"))
        return self.backward[ih], self.backward[hh], parts[ih], parts[hh], parts[bias]

    def layer_backward(self, k: int, gradient: Array) -> _Backward:
        """Return what the backward pass of recurrent layer `k` takes: packed weights, and its parts of `gradient`."""
        packed_ih, packed_hh, ih, hh, bias = self._back[k]
        return packed_ih, packed_hh, ih.stored(gradient), hh.stored(gradient), bias.stored(gradient)

    @contextmanager
    def lending(self, rows: int, make: Callable[[], Space], *, keep: bool) -> Iterator[Space]:
        """Lend buffers for so many rows to one thread at a time: those that were `made` before, or new ones."""
        kept = self._kept.setdefault(rows, [])
        try:
            space: Space = kept.pop()
        except IndexError:  # there is none, or another thread was quicker
            space = make()
        try:
            yield space
        finally:
            if keep:
                kept.append(space)


class Masks(NamedTuple):
    """Dropout: what each unit is multiplied with at every step of a sequence, 0 or 1 over the share that is kept.

    Attributes
    ----------
    inputs
        For what comes in of symbols, (B, I); numbers are left as they are.
    layers
        For what each layer adds, (L, B, H).
    """

    inputs: Array
    layers: Array


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
    dropout : bool
        Whether there will be `masks`.
    traced : bool
        Whether to keep the gates of all steps although there is no way back.

    Attributes
    ----------
    symbols
        What comes in where symbols do, (T, B) int64; below 0 where there is none.
    x
        What comes in, (T, B, I); of symbols it is made in the pass.
    h, c
        States of each layer, (T + 1, B, H): those before the first step, zeros unless somebody writes them, then those
        after each. Of the cells here only the LSTM has a c.
    gates, tanh_c, m
        What else a layer keeps for its way back: gates, as many blocks of H as the cell has; of an LSTM tanh c, of a
        GRU m (50), both (T, B, H).
    y
        What each layer hands upwards, (T, B, H): the first its h, the others the sum of what they got and their h.
    masks
        Dropout of the next passes.
    """

    def __init__(
        self, network: Network, steps: int, rows: int, *, training: bool, dropout: bool = False, traced: bool = False
    ) -> None:
        shape = network.shape
        cell, hidden, inputs = shape.cell, padded(shape.hidden), padded(shape.inputs)
        # With few rows the inputs of all steps make one product, whose result has to be kept (``lstm_forward``).
        kept = steps if training or traced or rows < AT_ONCE_ROWS else 1

        def for_layers(count: int, *, width: int = hidden) -> list[Array]:
            return [zeros(count, rows, width) for _ in range(shape.layers)]

        self.steps, self.rows = steps, rows
        self.symbols = np.full((steps if shape.symbols else 0, rows), -1)
        self.x = zeros(steps, rows, inputs)
        self.h = for_layers(steps + 1)
        self.c = for_layers(steps + 1) if cell == "lstm" else []
        self.gates = for_layers(kept, width=BLOCKS[cell].weights * hidden)
        self.tanh_c = for_layers(kept) if cell == "lstm" else []
        self.m = for_layers(kept) if cell == "gru" else []
        own = [zeros(steps, rows, hidden) for _ in range(shape.layers - (not dropout))]
        self.y = own if dropout else [self.h[0][1:], *own]
        self.masks: Masks | None = None
        if training:
            self.d_y, self.d_h = zeros(steps, rows, hidden), zeros(steps + 1, rows, hidden)
            # Of the last cell state; of what a GRU hands to the step before.
            self.d_c, self.passed_on = zeros(rows, hidden), zeros(rows, 3 * hidden if cell == "gru" else 0)
            self.d_x = zeros(steps if shape.embedding else 0, rows, inputs)  # nothing else below learns

    @property
    def top(self) -> Array:
        """What the last layer hands upwards, (T * B, H)."""
        return self.y[-1].reshape(-1, self.y[-1].shape[2])

    def cut(self, steps: int) -> Self:
        """Return the buffers of the first `steps` time steps: the same memory, for sequences that are shorter."""
        other = copy(self)
        other.steps, other.symbols, other.x = steps, self.symbols[:steps], self.x[:steps]
        other.h, other.c = ([one[: steps + 1] for one in kind] for kind in (self.h, self.c))
        other.gates, other.tanh_c, other.m, other.y = (
            [one[:steps] for one in kind] for kind in (self.gates, self.tanh_c, self.m, self.y)
        )
        if hasattr(self, "d_y"):
            other.d_y, other.d_h, other.d_x = self.d_y[:steps], self.d_h[: steps + 1], self.d_x[:steps]
        return other

    def begin(self, states: Array) -> None:
        """Take over the `states` (L, S, B, H) before the first step: h of each layer, and c of an LSTM."""
        for k in range(len(self.h)):
            self.h[k][0] = states[k, 0]
            if self.c:
                self.c[k][0] = states[k, 1]

    def end(self, states: Array) -> None:
        """Write the states after the last step into `states`."""
        for k in range(len(self.h)):
            states[k, 0] = self.h[k][-1]
            if self.c:
                states[k, 1] = self.c[k][-1]


def new_states(network: Network, rows: int) -> Array:
    """Return states of zeros (L, S, B, H) for `Trunk.begin`."""
    shape = network.shape
    return zeros(shape.layers, BLOCKS[shape.cell].states, rows, padded(shape.hidden))


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


def trunk_forward(packed: Packed[Network], trunk: Trunk, first: int = 0) -> Array:
    """Run the recurrent layers over what comes in; return what the last hands upwards (T, B, H), a buffer of `trunk`.

    The states before the first step are left as they are. What the last layer hands upwards is of use from step `first`
    on.
    """
    shape = packed.network.shape
    if shape.symbols:
        _enter(packed.network, trunk)
    layer, masks, below = _CELLS[shape.cell].forward, trunk.masks, trunk.x
    for k in range(shape.layers):
        layer(packed, trunk, k, below)
        if masks is not None:
            np.multiply(trunk.h[k][1:], masks.layers[k], out=trunk.y[k])
            if k:
                trunk.y[k] += below
        elif k:
            since = first if k == shape.layers - 1 else 0
            np.add(below[since:], trunk.h[k][1 + since :], out=trunk.y[k][since:])  # (22)
        below = trunk.y[k]
    return below


def _enter(network: Network, trunk: Trunk) -> None:
    """Make the inputs of the symbols."""
    if network.shape.embedding:
        gather_rows(network.parts["embedding.weight"].stored(network.memory), trunk.symbols, trunk.x)
    else:
        one_hot(trunk.symbols, trunk.x)
    if trunk.masks is not None:
        trunk.x *= trunk.masks.inputs


def trunk_backward(packed: Packed[Network], trunk: Trunk, gradient: Array) -> None:
    """Run backward from ``trunk.d_y``, after `trunk_forward`; adds to `gradient`, a flat vector like the weights."""
    network, masks = packed.network, trunk.masks
    layer = _CELLS[network.shape.cell].backward
    if network.shape.embedding:
        trunk.d_x[:] = 0
    for k in reversed(range(network.shape.layers)):
        trunk.d_h[0] = 0
        if masks is None:
            trunk.d_h[1:] = trunk.d_y
        else:
            np.multiply(trunk.d_y, masks.layers[k], out=trunk.d_h[1:])
        below, d_below = (trunk.y[k - 1], trunk.d_y) if k else (trunk.x, trunk.d_x)
        # d_y keeps the gradient that passes by the layer, to which its own d_x is added: (29).
        layer(trunk, k, below, packed.layer_backward(k, gradient), d_below)
    if network.shape.embedding:
        if masks is not None:
            trunk.d_x *= masks.inputs
        scatter_rows(trunk.d_x, trunk.symbols, network.parts["embedding.weight"].stored(gradient))
