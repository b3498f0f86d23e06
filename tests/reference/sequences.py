"""Networks that see sequences, assembled from their pieces: what comes in, recurrent stack, dense layer, head.

Weights are a dictionary by name: ``weight_embedding (V, E)`` where symbols come in as rows of a table, then those of
`network`, without a skip; ``weight_dense`` and ``bias_dense`` may be left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tests.reference import Array, dense
from tests.reference.network import CELLS, Weights, n_layers

Symbols = NDArray[np.int64]


class SequencePass(NamedTuple):
    """What a forward pass computed, with all that the backward pass needs of it."""

    output: Array  # (T, B, O), or (B, O) of networks read at the end
    layers: list[Any]
    below: Array  # (T, B, H), out of the stack, or (B, H)
    above: Array  # the same, or (..., D) out of the dense layer
    ends: Symbols | None


def embed(symbols: Symbols, table: Array) -> Array:
    """Return the rows of `table` (V, E) that `symbols` (T, B) name, (64); zeros for those below 0."""
    return np.where((symbols >= 0)[..., None], table[np.maximum(symbols, 0)], 0.0)


def embed_backward(d_x: Array, symbols: Symbols, table: Array) -> Array:
    """Return the gradient by the table: (65)."""
    d_table = np.zeros_like(table)
    for place in np.ndindex(symbols.shape):
        if symbols[place] >= 0:
            d_table[symbols[place]] += d_x[place]
    return d_table


def forward(x: Array, weights: Weights, cell: str, ends: Symbols | None = None) -> SequencePass:
    """Run `x` (T, B, I) through the network, from zero states; read each row at its end, or every step."""
    layers, y = [], x
    for k in range(n_layers(weights)):
        w_ih, w_hh, bias = (weights[f"{kind}_l{k}"] for kind in ("weight_ih", "weight_hh", "bias"))
        layers.append(CELLS[cell].forward(y, w_ih, w_hh, bias))
        y = layers[-1].h if k == 0 else y + layers[-1].h  # (22)
    below = y if ends is None else y[ends, np.arange(len(ends))]  # (66)
    above = below
    if "weight_dense" in weights:
        above = dense.forward(below, weights["weight_dense"], weights["bias_dense"], tanh=True)  # (23)
    return SequencePass(
        dense.forward(above, weights["weight_head"], weights["bias_head"]), layers, below, above, ends
    )  # (24)


def backward(d_output: Array, passed: SequencePass, weights: Weights, cell: str) -> tuple[Array, dict[str, Array]]:
    """Carry `d_output` back; return `d_x` (T, B, I) and the gradients by the names of the weights."""
    head = dense.backward(d_output, passed.above, passed.output, weights["weight_head"])
    d_weights, d_below = {"weight_head": head.d_weight, "bias_head": head.d_bias}, head.d_x
    if "weight_dense" in weights:
        tanh = dense.backward(d_below, passed.below, passed.above, weights["weight_dense"], tanh=True)
        d_weights |= {"weight_dense": tanh.d_weight, "bias_dense": tanh.d_bias}
        d_below = tanh.d_x
    d_y = d_below
    if passed.ends is not None:
        d_y = np.zeros_like(passed.layers[0].h)
        d_y[passed.ends, np.arange(len(passed.ends))] = d_below
    for k in reversed(range(len(passed.layers))):
        w_ih, w_hh = (weights[f"{kind}_l{k}"] for kind in ("weight_ih", "weight_hh"))
        layer = CELLS[cell].backward(d_y, passed.layers[k], w_ih, w_hh)
        d_weights |= {f"{kind}_l{k}": getattr(layer, f"d_{kind}") for kind in ("weight_ih", "weight_hh", "bias")}
        d_y = layer.d_x if k == 0 else d_y + layer.d_x  # (29)
    return d_y, d_weights
