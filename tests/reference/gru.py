"""One GRU layer, forward and backward through time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tests.reference import Array
from tests.reference.lstm import sigmoid


class GruForward(NamedTuple):
    """What a forward pass computed, with all that the backward pass needs of it."""

    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    h: Array  # (T, B, H)
    gates: Array  # (T, B, 3H), after their squashing, in the order r, z, n
    m: Array  # (T, B, H), what the reset gate is multiplied with


class GruGradients(NamedTuple):
    """Gradients of the loss by everything that went into a forward pass."""

    d_x: Array  # (T, B, I)
    d_weight_ih: Array  # (3H, I)
    d_weight_hh: Array  # (3H, H)
    d_bias: Array  # (4H,)
    d_h0: Array  # (B, H)


def forward(x: Array, weight_ih: Array, weight_hh: Array, bias: Array, h0: Array | None = None) -> GruForward:
    """Run one layer over `x` (T, B, I); the state before the first step is zero unless given.

    `bias` holds b_r, b_z, b_n and b_hn, which stands inside of the product with the reset gate.
    """
    steps, rows, _ = x.shape
    hidden = weight_hh.shape[1]
    h0 = np.zeros((rows, hidden)) if h0 is None else h0
    h, m = np.zeros((2, steps, rows, hidden))
    gates = np.zeros((steps, rows, 3 * hidden))
    b_r, b_z, b_n, b_hn = np.split(bias, 4)
    h_before = h0
    for t in range(steps):
        x_r, x_z, x_n = np.split(x[t] @ weight_ih.T, 3, axis=1)
        h_r, h_z, h_n = np.split(h_before @ weight_hh.T, 3, axis=1)
        r = sigmoid(x_r + h_r + b_r)  # (48)
        z = sigmoid(x_z + h_z + b_z)  # (49)
        m[t] = h_n + b_hn  # (50)
        n = np.tanh(x_n + b_n + r * m[t])  # (51)
        h[t] = (1.0 - z) * n + z * h_before  # (52)
        gates[t] = np.concatenate([r, z, n], axis=1)
        h_before = h[t]
    return GruForward(x, h0, h, gates, m)


def backward(
    d_h: Array, passed: GruForward, weight_ih: Array, weight_hh: Array, *, d_h_last: Array | None = None
) -> GruGradients:
    """Carry `d_h` (T, B, H) back through time; `d_h_last` (B, H) arrives at the final state besides."""
    d_x = np.zeros_like(passed.x)
    d_weight_ih, d_weight_hh = np.zeros_like(weight_ih), np.zeros_like(weight_hh)
    d_bias = np.zeros(4 * weight_hh.shape[1])
    d_h_next = np.zeros_like(passed.h0) if d_h_last is None else d_h_last
    for t in reversed(range(len(d_h))):
        h_before = passed.h[t - 1] if t > 0 else passed.h0
        r, z, n = np.split(passed.gates[t], 3, axis=1)
        d_h_t = d_h[t] + d_h_next  # (9)
        d_n, d_z = d_h_t * (1.0 - z), d_h_t * (h_before - n)  # (53)
        d_a_n, d_a_z = d_n * (1.0 - n**2), d_z * z * (1.0 - z)  # (54)
        d_m = d_a_n * r  # (55)
        d_a_r = d_a_n * passed.m[t] * r * (1.0 - r)  # (56)
        d_of_x = np.concatenate([d_a_r, d_a_z, d_a_n], axis=1)
        d_of_h = np.concatenate([d_a_r, d_a_z, d_m], axis=1)
        d_x[t] = d_of_x @ weight_ih  # (57)
        d_h_next = d_h_t * z + d_of_h @ weight_hh  # (58)
        d_weight_ih += d_of_x.T @ passed.x[t]  # (59)
        d_weight_hh += d_of_h.T @ h_before  # (59)
        d_bias += np.concatenate([d_of_x, d_m], axis=1).sum(axis=0)  # (59)
    return GruGradients(d_x, d_weight_ih, d_weight_hh, d_bias, d_h_next)
