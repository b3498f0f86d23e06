"""One plain recurrent layer, forward and backward through time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tests.reference import Array


class RnnForward(NamedTuple):
    """What a forward pass computed, with all that the backward pass needs of it."""

    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    h: Array  # (T, B, H)


class RnnGradients(NamedTuple):
    """Gradients of the loss by everything that went into a forward pass."""

    d_x: Array  # (T, B, I)
    d_weight_ih: Array  # (H, I)
    d_weight_hh: Array  # (H, H)
    d_bias: Array  # (H,)
    d_h0: Array  # (B, H)


def forward(x: Array, weight_ih: Array, weight_hh: Array, bias: Array, h0: Array | None = None) -> RnnForward:
    """Run one layer over `x` (T, B, I); the state before the first step is zero unless given."""
    h0 = np.zeros((x.shape[1], len(weight_hh))) if h0 is None else h0
    h, h_before = np.zeros((len(x), *h0.shape)), h0
    for t in range(len(x)):
        h[t] = np.tanh(x[t] @ weight_ih.T + h_before @ weight_hh.T + bias)  # (44)
        h_before = h[t]
    return RnnForward(x, h0, h)


def backward(
    d_h: Array, passed: RnnForward, weight_ih: Array, weight_hh: Array, *, d_h_last: Array | None = None
) -> RnnGradients:
    """Carry `d_h` (T, B, H) back through time; `d_h_last` (B, H) arrives at the final state besides."""
    d_x = np.zeros_like(passed.x)
    d_weight_ih, d_weight_hh, d_bias = np.zeros_like(weight_ih), np.zeros_like(weight_hh), np.zeros(len(weight_hh))
    d_h_next = np.zeros_like(passed.h0) if d_h_last is None else d_h_last
    for t in reversed(range(len(d_h))):
        h_before = passed.h[t - 1] if t > 0 else passed.h0
        d_h_t = d_h[t] + d_h_next  # (45)
        d_a = d_h_t * (1.0 - passed.h[t] ** 2)  # (46)
        d_h_next = d_a @ weight_hh  # (47)
        d_x[t] = d_a @ weight_ih  # (18)
        d_weight_ih += d_a.T @ passed.x[t]  # (19)
        d_weight_hh += d_a.T @ h_before  # (20)
        d_bias += d_a.sum(axis=0)  # (21)
    return RnnGradients(d_x, d_weight_ih, d_weight_hh, d_bias, d_h_next)
