"""One LSTM layer, forward and backward through time. Equation numbers are those of docs/lstm.md."""

from __future__ import annotations

import numpy as np

from forecaster.kernels._jit import Array, kernel
from forecaster.kernels.activations import sigmoid, tanh
from forecaster.kernels.products import add_outer, multiply

_ONE = np.float32(1.0)


@kernel
def _cell(gates: Array, bias: Array, c_before: Array, c: Array, tanh_c: Array, h: Array) -> None:
    """One row of the cell. Writes gates (activated, in place), c, tanh_c and h."""
    units = h.shape[0]
    # Slices of one gate each: with one pointer and four offsets the loops did not vectorise.
    gate_i, gate_f = gates[:units], gates[units : 2 * units]
    gate_g, gate_o = gates[2 * units : 3 * units], gates[3 * units :]
    bias_i, bias_f = bias[:units], bias[units : 2 * units]
    bias_g, bias_o = bias[2 * units : 3 * units], bias[3 * units :]
    for j in range(units):
        gate_i[j] = sigmoid(gate_i[j] + bias_i[j])  # (2)
    for j in range(units):
        gate_f[j] = sigmoid(gate_f[j] + bias_f[j])  # (3)
    for j in range(units):
        gate_g[j] = tanh(gate_g[j] + bias_g[j])  # (4)
    for j in range(units):
        gate_o[j] = sigmoid(gate_o[j] + bias_o[j])  # (5)
    for j in range(units):
        c[j] = gate_f[j] * c_before[j] + gate_i[j] * gate_g[j]  # (6)
    for j in range(units):
        tanh_c[j] = tanh(c[j])
    for j in range(units):
        h[j] = gate_o[j] * tanh_c[j]  # (7)


@kernel
def lstm_forward(
    x: Array, packed_ih: Array, packed_hh: Array, bias: Array, h: Array, c: Array, gates: Array, tanh_c: Array
) -> None:
    """Run one layer over time.

    x (T, B, I); h and c (T + 1, B, H) with the initial state in their first row; gates (T or 1, B, 4H) and
    tanh_c (T or 1, B, H): with one row they are scratch, with T rows they are kept for `lstm_backward`.
    Writes h[1:], c[1:], gates, tanh_c.
    """
    steps, rows, inputs = x.shape
    units = h.shape[2]
    wide = 4 * units
    keep = gates.shape[0] > 1
    for t in range(steps):
        at = t if keep else 0
        # (1); the bias is added in the cell
        multiply(gates, at * rows * wide, wide, x, t * rows * inputs, inputs, rows, packed_ih, inputs, wide, False)
        multiply(gates, at * rows * wide, wide, h, t * rows * units, units, rows, packed_hh, units, wide, True)
        for b in range(rows):
            _cell(gates[at, b], bias, c[t, b], c[t + 1, b], tanh_c[at, b], h[t + 1, b])


@kernel
def _cell_backward(gates: Array, c_before: Array, tanh_c: Array, d_h: Array, d_c: Array) -> None:
    """One row of the cell, backward.

    Writes the gradients before activation over `gates`, each with its factor of (15), and d_c of the step before.
    """
    units = d_h.shape[0]
    gate_i, gate_f = gates[:units], gates[units : 2 * units]
    gate_g, gate_o = gates[2 * units : 3 * units], gates[3 * units :]
    for j in range(units):
        o, tanh_cj = gate_o[j], tanh_c[j]
        d_c[j] += d_h[j] * o * (_ONE - tanh_cj * tanh_cj)  # (10)
        gate_o[j] = d_h[j] * tanh_cj * o * (_ONE - o)  # (11)
    for j in range(units):
        i, g = gate_i[j], gate_g[j]
        gate_i[j] = d_c[j] * g * i * (_ONE - i)  # (12)
        gate_g[j] = d_c[j] * i * (_ONE - g * g)  # (14)
    for j in range(units):
        f = gate_f[j]
        gate_f[j] = d_c[j] * c_before[j] * f * (_ONE - f)  # (13)
        d_c[j] = d_c[j] * f  # (16)


@kernel
def _add_rows(block: Array, total: Array) -> None:
    """Add the sum of the rows of `block` to `total`."""
    for b in range(block.shape[0]):
        row = block[b]
        for j in range(total.shape[0]):
            total[j] += row[j]


@kernel
def lstm_backward(
    x: Array,
    h: Array,
    c: Array,
    gates: Array,
    tanh_c: Array,
    d_h: Array,
    d_c: Array,
    packed_ih: Array,
    packed_hh: Array,
    d_weight_ih: Array,
    d_weight_hh: Array,
    d_bias: Array,
    d_x: Array,
) -> None:
    """Run one layer backward through time.

    d_h (T + 1, B, H) comes in with the gradient of h from above (row 0: of the initial state), and goes out with the
    total gradient; d_c (B, H) comes in with the gradient of the last cell state and goes out with that of the first.
    The packed weights are those of ``dG W``, not of the forward pass. Overwrites gates with the gradients before
    activation; adds to d_weight_ih (4H, I), d_weight_hh (4H, H), d_bias (4H), d_x (T, B, I; with T = 0 it is left out).
    """
    steps, rows, inputs = x.shape
    units = h.shape[2]
    wide = 4 * units
    for t in range(steps - 1, -1, -1):
        here = t * rows * wide
        for b in range(rows):
            _cell_backward(gates[t, b], c[t, b], tanh_c[t, b], d_h[t + 1, b], d_c[b])
        multiply(d_h, t * rows * units, units, gates, here, wide, rows, packed_hh, wide, units, True)  # (9), (17)
        if d_x.shape[0] > 0:
            multiply(d_x, t * rows * inputs, inputs, gates, here, wide, rows, packed_ih, wide, inputs, True)  # (18)
        add_outer(d_weight_ih, 0, inputs, gates, here, wide, x, t * rows * inputs, inputs, rows, wide, inputs)  # (19)
        add_outer(d_weight_hh, 0, units, gates, here, wide, h, t * rows * units, units, rows, wide, units)  # (20)
        _add_rows(gates[t], d_bias)  # (21)
