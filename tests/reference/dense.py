"""A dense layer, linear or with tanh, over any number of leading axes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tests.reference import Array


class DenseGradients(NamedTuple):
    """Gradients of the loss by everything that went into a dense layer."""

    d_x: Array  # (..., I)
    d_weight: Array  # (O, I)
    d_bias: Array  # (O,)


def forward(x: Array, weight: Array, bias: Array, *, tanh: bool = False) -> Array:
    """Return ``x W' + b``, with `tanh` its tanh: (..., I) to (..., O)."""
    a = x @ weight.T + bias  # (24), or the sum inside (23)
    return np.tanh(a) if tanh else a


def backward(d_y: Array, x: Array, y: Array, weight: Array, *, tanh: bool = False) -> DenseGradients:
    """Carry `d_y` (..., O) back; `y` is what `forward` returned for `x`."""
    d_a = d_y * (1.0 - y**2) if tanh else d_y  # (25)
    rows_of_d_a, rows_of_x = d_a.reshape(-1, d_a.shape[-1]), x.reshape(-1, x.shape[-1])
    return DenseGradients(
        d_x=d_a @ weight,  # (26)
        d_weight=rows_of_d_a.T @ rows_of_x,  # (27)
        d_bias=rows_of_d_a.sum(axis=0),  # (28)
    )
