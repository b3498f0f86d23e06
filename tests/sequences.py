"""Networks that see sequences, for the tests of their rooms."""

from __future__ import annotations

from typing import Any

import numpy as np

from forecaster.config import SequenceConfig
from forecaster.network import Network
from forecaster.shape import Cell
from tests.kernels.arrays import Array32, draw
from tests.reference import Array

OUTPUTS = 4
"""Outputs of networks that are read at the end."""


def make_network(config: SequenceConfig, *, symbols: int = 0, numbers: int = 0, softmax: bool = False) -> Network:
    """Return a network all of whose weights count."""
    outputs = symbols if softmax else OUTPUTS
    network = Network(config.shape(outputs=outputs, symbols=symbols, numbers=numbers, softmax=softmax))
    network.initialise(np.random.default_rng(0))
    for k, part in enumerate(network.parts.values()):
        view = part.real(network.weights)
        view += draw(*view.shape, seed=k, scale=0.3 / np.sqrt(max(part.columns, 4)))
    return network


def config(cell: Cell = "lstm", **settings: Any) -> SequenceConfig:
    """Return a small shape of two layers."""
    return SequenceConfig(**{"cell": cell, "layers": 2, "hidden": 5, "embedding": 3, **settings})


def twin_name(name: str) -> str:
    """The twins say weight_head and bias_l0 where the network says head.weight and lstm.bias_l0."""
    where, kind = name.split(".")
    return f"{kind}_{where}" if where in {"embedding", "dense", "head"} else kind


def twin_weights(network: Network) -> dict[str, Array]:
    """Return the weights as the twins take them."""
    return {twin_name(name): array.astype(np.float64) for name, array in network.named_weights().items()}


def named_gradient(network: Network, gradient: Array32) -> dict[str, Array32]:
    """Return the parts of a gradient by the names of the twins, and check that padding has none."""
    stripped, named = gradient.copy(), {}
    for part in network.parts.values():
        part.real(stripped)[:] = 0
        view = part.real(gradient)
        named[twin_name(part.name)] = view.reshape(-1, part.columns) if part.columns else view.reshape(-1)
    assert not stripped.any()
    return named
