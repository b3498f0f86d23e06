"""The whole network, assembled from its pieces: recurrent stack with residuals, dense tanh layer, linear head.

Weights are a dictionary by name: ``weight_ih_l0 (4H, I)``, ``weight_hh_l0 (4H, H)``, ``bias_l0 (4H,)``, then ``_l1``
and so on with H inputs; ``weight_dense (D, H)``, ``bias_dense (D,)``; ``weight_head (F*Q, D)``, ``bias_head (F*Q,)``;
``weight_skip (F*Q, I)``, which may be left out. Sizes are those of an LSTM; other cells have other blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tests.reference import Array, dense, gru, lstm, rnn

Weights = Mapping[str, Array]
CELLS: dict[str, ModuleType] = {"lstm": lstm, "gru": gru, "rnn": rnn}


class NetworkForward(NamedTuple):
    """What a forward pass computed, with all that the backward pass needs of it."""

    output: Array  # (T, B, F*Q); column f * Q + q is step f + 1, quantile q
    layers: list[Any]
    x: Array  # (T, B, I), what came in
    y: Array  # (T, B, H), out of the stack
    z: Array  # (T, B, D), out of the dense tanh layer


def n_layers(weights: Weights) -> int:
    """Count the recurrent layers."""
    return sum(name.startswith("weight_ih_l") for name in weights)


def forward(x: Array, weights: Weights, cell: str = "lstm") -> NetworkForward:
    """Run `x` (T, B, I) through the network, from zero states."""
    layers, y = [], x
    for index in range(n_layers(weights)):
        w_ih, w_hh, b = (weights[f"{kind}_l{index}"] for kind in ("weight_ih", "weight_hh", "bias"))
        layers.append(CELLS[cell].forward(y, w_ih, w_hh, b))
        y = layers[-1].h if index == 0 else y + layers[-1].h  # (22)
    z = dense.forward(y, weights["weight_dense"], weights["bias_dense"], tanh=True)  # (23)
    output = dense.forward(z, weights["weight_head"], weights["bias_head"])  # (24)
    if "weight_skip" in weights:
        output = output + x @ weights["weight_skip"].T  # (24)
    return NetworkForward(output, layers, x, y, z)


def backward(
    d_output: Array, passed: NetworkForward, weights: Weights, cell: str = "lstm"
) -> tuple[Array, dict[str, Array]]:
    """Carry `d_output` (T, B, F*Q) back; return `d_x` (T, B, I) and the gradients by the names of the weights."""
    head = dense.backward(d_output, passed.z, passed.output, weights["weight_head"])
    tanh = dense.backward(head.d_x, passed.y, passed.z, weights["weight_dense"], tanh=True)
    d_weights = {
        "weight_dense": tanh.d_weight,
        "bias_dense": tanh.d_bias,
        "weight_head": head.d_weight,
        "bias_head": head.d_bias,
    }
    d_y = tanh.d_x
    for index in reversed(range(n_layers(weights))):
        w_ih, w_hh = (weights[f"{kind}_l{index}"] for kind in ("weight_ih", "weight_hh"))
        layer = CELLS[cell].backward(d_y, passed.layers[index], w_ih, w_hh)
        d_weights[f"weight_ih_l{index}"] = layer.d_weight_ih
        d_weights[f"weight_hh_l{index}"] = layer.d_weight_hh
        d_weights[f"bias_l{index}"] = layer.d_bias
        d_y = layer.d_x if index == 0 else d_y + layer.d_x  # (29)
    if "weight_skip" in weights:
        d_weights["weight_skip"] = np.einsum("tbo,tbi->oi", d_output, passed.x)  # (27)
        d_y = d_y + d_output @ weights["weight_skip"]  # (26)
    return d_y, d_weights
