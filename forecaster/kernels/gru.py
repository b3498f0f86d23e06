"""One GRU layer, forward and backward through time. Equation numbers are those of docs/lstm.md."""

from __future__ import annotations

from forecaster.kernels._cells import add_rows, gru_cell_backward, gru_cell_forward
from forecaster.kernels._jit import Array, kernel
from forecaster.kernels.products import AT_ONCE_ROWS, OUTER_DEPTH, add_outer, multiply


@kernel
def gru_forward(x: Array, packed_ih: Array, packed_hh: Array, bias: Array, h: Array, gates: Array, m: Array) -> None:
    """Run one layer over time.

    x (T, B, I); h (T + 1, B, H) with the initial state in its first row; bias (4H), the last block of which is b_hn;
    gates (T or 1, B, 3H) and m (T or 1, B, H): with one row they are scratch, with T rows they are kept for
    `gru_backward`. Writes h[1:], gates, m.
    """
    steps, rows, inputs = x.shape
    units = h.shape[2]
    wide, state = 3 * units, rows * units
    keep = gates.shape[0] > 1
    at_once = keep and rows < AT_ONCE_ROWS
    candidate = packed_hh[2 * units * units :]  # panels of the candidate's columns; those of the gates come before
    if at_once:
        multiply(gates, 0, wide, x, 0, inputs, steps * rows, packed_ih, inputs, wide, False)
    for t in range(steps):
        at = t if keep else 0
        here, there = at * rows * wide, at * state
        if not at_once:
            multiply(gates, here, wide, x, t * rows * inputs, inputs, rows, packed_ih, inputs, wide, False)
        multiply(gates, here, wide, h, t * state, units, rows, packed_hh, units, 2 * units, True)  # (48), (49)
        multiply(m, there, units, h, t * state, units, rows, candidate, units, units, False)  # (50)
        gru_cell_forward(gates, here, m, there, bias, 0, h, t * state, h, (t + 1) * state, rows, units)


@kernel
def gru_backward(
    x: Array,
    h: Array,
    gates: Array,
    m: Array,
    d_h: Array,
    passed_on: Array,
    packed_ih: Array,
    packed_hh: Array,
    d_weight_ih: Array,
    d_weight_hh: Array,
    d_bias: Array,
    d_x: Array,
) -> None:
    """Run one layer backward through time.

    d_h (T + 1, B, H) comes in with the gradient of h from above (row 0: of the initial state), and goes out with the
    total gradient; passed_on (B, 3H) is scratch. The packed weights are those of ``dG W``, not of the forward pass.
    Overwrites gates and m with the gradients before activation; adds to d_weight_ih (3H, I), d_weight_hh (3H, H),
    d_bias (4H), d_x (T, B, I; with T = 0 it is left out).
    """
    steps, rows, inputs = x.shape
    units = h.shape[2]
    wide, state = 3 * units, rows * units
    together = max(1, OUTER_DEPTH // rows)  # time steps whose rows make one outer product
    for t in range(steps - 1, -1, -1):
        here, there = t * rows * wide, t * state
        gru_cell_backward(
            gates, here, m, there, h, t * state, d_h, (t + 1) * state, d_h, t * state, passed_on, 0, rows, units
        )
        multiply(d_h, t * state, units, passed_on, 0, wide, rows, packed_hh, wide, units, True)  # (58)
        if d_x.shape[0] > 0:
            multiply(d_x, t * rows * inputs, inputs, gates, here, wide, rows, packed_ih, wide, inputs, True)  # (57)
        if t % together == 0:
            depth, old = min(together, steps - t) * rows, t * state
            add_outer(d_weight_ih, 0, inputs, gates, here, wide, x, t * rows * inputs, inputs, depth, wide, inputs)
            add_outer(d_weight_hh, 0, units, gates, here, wide, h, old, units, depth, 2 * units, units)
            add_outer(d_weight_hh, 2 * units * units, units, m, there, units, h, old, units, depth, units, units)
            add_rows(d_bias, 0, gates, here, depth, wide)
            add_rows(d_bias, wide, m, there, depth, units)  # (59)
