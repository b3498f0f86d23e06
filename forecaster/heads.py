"""Heads of networks that see sequences: one answer at the end of each, or the symbol that follows each step.

Both have the dense layer below them if the shape has one. The head of forecasts is in `passes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.kernels.dense import dense_backward, dense_forward
from forecaster.kernels.embedding import gather_rows, scatter_rows
from forecaster.kernels.losses import LOSSES
from forecaster.kernels.softmax import BLOCK, softmax_backward, softmax_loss
from forecaster.network import Array, Network, padded, zeros
from forecaster.rounds import Integers
from forecaster.trunk import Packed, Trunk, trunk_backward, trunk_forward

_NO_QUANTILES = np.full(1, 0.5, np.float32)


class _Dense:
    """Buffers of the dense layer for `rows` rows; without one it is what lies below that goes up."""

    def __init__(self, network: Network, rows: int, *, training: bool) -> None:
        self.there = network.shape.dense > 0
        width = padded(network.shape.dense)
        self.out = zeros(rows, width)
        self.d_out = zeros(rows if training else 0, width)

    def forward(self, packed: Packed[Network], below: Array) -> Array:
        """Return what goes up to the head."""
        if not self.there:
            return below
        dense_forward(below, 0, packed.forward["dense.weight"], packed.biases["dense.bias"], True, self.out)
        return self.out

    def gradient(self, d_below: Array) -> Array:
        """Return where the head adds the gradient of what it got, zeros."""
        d_up = self.d_out if self.there else d_below
        d_up[:] = 0
        return d_up

    def backward(self, packed: Packed[Network], below: Array, gradient: Array, d_below: Array) -> None:
        """Carry `d_out` down; adds to `gradient`, writes d_below."""
        if not self.there:
            return
        parts = packed.network.parts
        d_below[:] = 0
        dense_backward(
            below, 0, self.out, self.d_out, packed.backward["dense.weight"], True,
            parts["dense.weight"].stored(gradient), parts["dense.bias"].stored(gradient), d_below,
        )  # fmt: skip


class Readout(Trunk):
    """Buffers of one thread for sequences with one answer each, read at their last step.

    Sequences that are shorter than others end before them: what comes in after their end is never looked at.

    Parameters
    ----------
    network : Network
        Whose shapes count.
    steps, rows : int
        T, of the longest sequence, and B.
    training : bool
        Whether to keep what the backward pass needs.
    dropout : bool
        Whether there will be `masks`.

    Attributes
    ----------
    ends
        The last step of each sequence, (B,).
    targets, weights
        What the answers should be, and how much each counts, (B, outputs); see ``kernels/losses.py``.
    """

    def __init__(self, network: Network, steps: int, rows: int, *, training: bool, dropout: bool = False) -> None:
        super().__init__(network, steps, rows, training=training, dropout=dropout)
        hidden = padded(network.shape.hidden)
        self.ends = np.full(rows, steps - 1)
        self.read, self.dense = zeros(rows, hidden), _Dense(network, rows, training=training)
        self.outputs, self.d_outputs = zeros(rows, padded(network.outputs)), zeros(rows, padded(network.outputs))
        self.targets, self.weights = zeros(rows, network.outputs), zeros(rows, network.outputs)
        if training:
            self.d_read = zeros(rows, hidden)


def readout_forward(packed: Packed[Network], space: Readout) -> Array:
    """Run the network over what comes in; return the outputs (B, padded outputs), a buffer of `space`."""
    top = trunk_forward(packed, space)
    space.read[:] = top[space.ends, np.arange(space.rows)]  # (66)
    up = space.dense.forward(packed, space.read)
    dense_forward(up, 0, packed.forward["head.weight"], packed.biases["head.bias"], False, space.outputs)
    return space.outputs


def readout_loss(space: Readout, loss: str) -> float:
    """Return the summed loss, by its name, of the outputs; writes its gradient into ``space.d_outputs``."""
    one = np.float32(1.0)
    return float(LOSSES[loss](space.outputs, space.targets, space.weights, _NO_QUANTILES, one, space.d_outputs))


def readout_backward(packed: Packed[Network], space: Readout, gradient: Array) -> None:
    """Run backward from ``space.d_outputs``, after `readout_forward`; adds to `gradient`."""
    parts = packed.network.parts
    up, d_up = space.dense.out if space.dense.there else space.read, space.dense.gradient(space.d_read)
    dense_backward(
        up, 0, space.outputs, space.d_outputs, packed.backward["head.weight"], False,
        parts["head.weight"].stored(gradient), parts["head.bias"].stored(gradient), d_up,
    )  # fmt: skip
    space.dense.backward(packed, space.read, gradient, space.d_read)
    space.d_y[:] = 0
    space.d_y[space.ends, np.arange(space.rows)] = space.d_read
    trunk_backward(packed, space, gradient)


class Candidates(NamedTuple):
    """The symbols that a batch chooses among while training, instead of the whole vocabulary: (67).

    Attributes
    ----------
    symbols
        Which, (C,) int64, ascending.
    shift
        What is added to their logits, (C,): minus the logarithm of the chance that each had to be among them, so that
        the sum of their exponentials is, on the mean, that of all symbols.
    """

    symbols: Integers
    shift: Array


class _Head(NamedTuple):
    """The matrix of the head and its bias: of all symbols, or of the candidates."""

    weight: Array
    bias: Array
    symbols: int


class NextSymbols(Trunk):
    """Buffers of one thread for sequences of which every step is followed by a symbol that is to be guessed.

    Logits of a large vocabulary take more memory than all else, so there are only ever those of a block of rows.

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

    Attributes
    ----------
    targets, weights
        The symbol that follows each step and how much it counts, (T, B); views of what the head reads, in blocks.
    candidates
        What the next passes that learn choose among; then targets are places in it. None for all symbols.
    """

    def __init__(self, network: Network, steps: int, rows: int, *, training: bool, dropout: bool = False) -> None:
        super().__init__(network, steps, rows, training=training, dropout=dropout)
        count, width = steps * rows, padded(network.shape.top)
        block = min(BLOCK, padded(count))
        self.dense = _Dense(network, count, training=training)
        self._targets, self._weights = np.zeros(padded(count), np.int64), zeros(padded(count))
        self.targets = self._targets[:count].reshape(steps, rows)
        self.weights = self._weights[:count].reshape(steps, rows)
        self._packed, self._columns = zeros(block * width), zeros(3, block)
        self._logits = zeros(network.outputs * block)
        self._z, self._d_z = zeros(block, width), zeros(block, width)  # of a block that is not full
        self.candidates: Candidates | None = None
        self._few = zeros(2, 0, width)

    def loss(self, packed: Packed[Network], up: Array) -> float:
        """Return the summed loss of the head over all rows of `up`, among all symbols."""
        head = _head_of(packed)
        return sum(self._block_loss(head, up, at) for at in range(0, len(up), BLOCK))

    def learn(self, packed: Packed[Network], up: Array, d_up: Array, gradient: Array) -> float:
        """Return the same, or the loss among `candidates`, and add the gradients to `gradient` and to d_up."""
        parts, head = packed.network.parts, _head_of(packed)
        d_weight, d_bias = parts[packed.network.shape.head].stored(gradient), parts["head.bias"].stored(gradient)
        if self.candidates is None:
            return self._learn(head, up, d_up, d_weight, d_bias)
        chosen, shift = self.candidates
        few, d_few = self._room(len(chosen))
        gather_rows(head.weight, chosen[None], few[None])
        d_few[:], d_shift = 0, np.zeros_like(shift)
        loss = self._learn(_Head(few, head.bias[chosen] + shift, len(chosen)), up, d_up, d_few, d_shift)
        scatter_rows(d_few[None], chosen[None], d_weight)
        d_bias[chosen] += d_shift
        return loss

    def _learn(self, head: _Head, up: Array, d_up: Array, d_weight: Array, d_bias: Array) -> float:
        loss = 0.0
        for at in range(0, len(up), BLOCK):
            loss += self._block_loss(head, up, at)
            z, targets, weights, columns = self._block(up, at)
            full = len(z) == len(up[at : at + BLOCK])
            d_z = d_up[at : at + BLOCK] if full else self._d_z[: len(z)]
            if not full:
                d_z[:] = 0
            softmax_backward(
                z, head.weight, head.symbols, targets, weights, self._packed, columns, self._logits,
                d_weight, d_bias, d_z,
            )  # fmt: skip
            if not full:
                d_up[at:] += d_z[: len(up) - at]
        return loss

    def _block_loss(self, head: _Head, up: Array, at: int) -> float:
        z, targets, weights, columns = self._block(up, at)
        return float(softmax_loss(z, *head, targets, weights, self._packed, columns, self._logits))

    def _room(self, count: int) -> Array:
        """Return matrices for so many candidates, and for their gradient: (2, C, D)."""
        if count > self._few.shape[1]:
            self._few = zeros(2, padded(count + count // 8), self._few.shape[2])
        return self._few[:, :count]

    def _block(self, up: Array, at: int) -> tuple[Array, NDArray[np.int64], Array, Array]:
        """Return what the head reads of the rows from `at` on, filled up to whole registers, and scratch for them."""
        z = up[at : at + BLOCK]
        rows = padded(len(z))
        if rows > len(z):
            self._z[: len(z)] = z
            self._z[len(z) : rows] = 0
            z = self._z[:rows]
        columns = self._columns.reshape(-1)[: 3 * rows].reshape(3, rows)
        return z, self._targets[at : at + rows], self._weights[at : at + rows], columns


def _head_of(packed: Packed[Network]) -> _Head:
    network = packed.network
    weight = network.parts[network.shape.head].stored(network.memory)
    return _Head(weight, packed.biases["head.bias"], network.outputs)


def symbols_loss(packed: Packed[Network], space: NextSymbols) -> float:
    """Run the network over what comes in; return the summed cross-entropy of the symbols that follow."""
    trunk_forward(packed, space)
    return space.loss(packed, space.dense.forward(packed, space.top))


def symbols_learn(packed: Packed[Network], space: NextSymbols, gradient: Array) -> float:
    """Run forward and backward; return the summed cross-entropy, and add its gradient to `gradient`."""
    trunk_forward(packed, space)
    d_top = space.d_y.reshape(space.top.shape)
    up, d_up = space.dense.forward(packed, space.top), space.dense.gradient(d_top)
    loss = space.learn(packed, up, d_up, gradient)
    space.dense.backward(packed, space.top, gradient, d_top)
    trunk_backward(packed, space, gradient)
    return loss
