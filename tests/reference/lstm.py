"""One LSTM layer, forward and backward through time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tests.reference import Array


class LstmForward(NamedTuple):
    """What a forward pass computed, with all that the backward pass needs of it."""

    x: Array  # (T, B, I)
    h0: Array  # (B, H)
    c0: Array  # (B, H)
    h: Array  # (T, B, H)
    c: Array  # (T, B, H)
    gates: Array  # (T, B, 4H), after their squashing, in the order i, f, g, o


class LstmGradients(NamedTuple):
    """Gradients of the loss by everything that went into a forward pass."""

    d_x: Array  # (T, B, I)
    d_weight_ih: Array  # (4H, I)
    d_weight_hh: Array  # (4H, H)
    d_bias: Array  # (4H,)
    d_h0: Array  # (B, H)
    d_c0: Array  # (B, H)


def sigmoid(a: Array) -> Array:
    """1 / (1 + exp(-a)), written so that no large `a` overflows."""
    return 0.5 * (1.0 + np.tanh(0.5 * a))


def forward(
    x: Array, weight_ih: Array, weight_hh: Array, bias: Array, h0: Array | None = None, c0: Array | None = None
) -> LstmForward:
    """Run one layer over `x` (T, B, I); the states before the first step are zero unless given."""
    steps, rows, _ = x.shape
    hidden = weight_hh.shape[1]
    h0 = np.zeros((rows, hidden)) if h0 is None else h0
    c0 = np.zeros((rows, hidden)) if c0 is None else c0
    h, c, gates = np.zeros((steps, rows, hidden)), np.zeros((steps, rows, hidden)), np.zeros((steps, rows, 4 * hidden))
    h_before, c_before = h0, c0
    for t in range(steps):
        a = x[t] @ weight_ih.T + h_before @ weight_hh.T + bias  # (1)
        a_i, a_f, a_g, a_o = np.split(a, 4, axis=1)
        i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)  # (2) to (5)
        c[t] = f * c_before + i * g  # (6)
        h[t] = o * np.tanh(c[t])  # (7)
        gates[t] = np.concatenate([i, f, g, o], axis=1)
        h_before, c_before = h[t], c[t]
    return LstmForward(x, h0, c0, h, c, gates)


def backward(
    d_h: Array,
    passed: LstmForward,
    weight_ih: Array,
    weight_hh: Array,
    *,
    d_h_last: Array | None = None,
    d_c_last: Array | None = None,
) -> LstmGradients:
    """Carry `d_h` (T, B, H) back through time; `d_h_last`, `d_c_last` (B, H) arrive at the final states besides."""
    d_x = np.zeros_like(passed.x)
    d_weight_ih, d_weight_hh, d_bias = np.zeros_like(weight_ih), np.zeros_like(weight_hh), np.zeros(len(weight_ih))
    d_h_next = np.zeros_like(passed.h0) if d_h_last is None else d_h_last
    d_c_next = np.zeros_like(passed.c0) if d_c_last is None else d_c_last
    for t in reversed(range(len(d_h))):
        h_before = passed.h[t - 1] if t > 0 else passed.h0
        c_before = passed.c[t - 1] if t > 0 else passed.c0
        i, f, g, o = np.split(passed.gates[t], 4, axis=1)
        tanh_c = np.tanh(passed.c[t])
        d_h_t = d_h[t] + d_h_next  # (9)
        d_c_t = d_c_next + d_h_t * o * (1.0 - tanh_c**2)  # (10)
        d_o = d_h_t * tanh_c  # (11)
        d_i, d_f, d_g = d_c_t * g, d_c_t * c_before, d_c_t * i  # (12) to (14)
        d_a = np.concatenate(
            [d_i * i * (1.0 - i), d_f * f * (1.0 - f), d_g * (1.0 - g**2), d_o * o * (1.0 - o)], axis=1
        )  # (15)
        d_c_next = d_c_t * f  # (16)
        d_h_next = d_a @ weight_hh  # (17)
        d_x[t] = d_a @ weight_ih  # (18)
        d_weight_ih += d_a.T @ passed.x[t]  # (19)
        d_weight_hh += d_a.T @ h_before  # (20)
        d_bias += d_a.sum(axis=0)  # (21)
    return LstmGradients(d_x, d_weight_ih, d_weight_hh, d_bias, d_h_next, d_c_next)
