"""One LSTM layer, forward and backward through time. Equation numbers are those of docs/lstm.md."""

from __future__ import annotations

from forecaster.kernels._cells import add_rows, cell_backward, cell_forward
from forecaster.kernels._jit import Array, kernel
from forecaster.kernels.products import AT_ONCE_ROWS, OUTER_DEPTH, add_outer, multiply


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
    wide, state = 4 * units, rows * units
    keep = gates.shape[0] > 1
    at_once = keep and rows < AT_ONCE_ROWS
    if at_once:
        multiply(gates, 0, wide, x, 0, inputs, steps * rows, packed_ih, inputs, wide, False)
    for t in range(steps):
        at = t if keep else 0
        here = at * rows * wide
        if not at_once:
            multiply(gates, here, wide, x, t * rows * inputs, inputs, rows, packed_ih, inputs, wide, False)
        multiply(gates, here, wide, h, t * state, units, rows, packed_hh, units, wide, True)  # (1)
        cell_forward(
            gates, here, bias, 0, c, t * state, c, (t + 1) * state, tanh_c, at * state, h, (t + 1) * state, rows, units
        )


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
    wide, state = 4 * units, rows * units
    together = max(1, OUTER_DEPTH // rows)  # time steps whose rows make one outer product
    for t in range(steps - 1, -1, -1):
        here = t * rows * wide
        cell_backward(gates, here, c, t * state, tanh_c, t * state, d_h, (t + 1) * state, d_c, 0, rows, units)
        multiply(d_h, t * state, units, gates, here, wide, rows, packed_hh, wide, units, True)  # (9), (17)
        if d_x.shape[0] > 0:
            multiply(d_x, t * rows * inputs, inputs, gates, here, wide, rows, packed_ih, wide, inputs, True)  # (18)
        if t % together == 0:
            depth = min(together, steps - t) * rows
            add_outer(
                d_weight_ih, 0, inputs, gates, here, wide, x, t * rows * inputs, inputs, depth, wide, inputs
            )  # (19)
            add_outer(d_weight_hh, 0, units, gates, here, wide, h, t * state, units, depth, wide, units)  # (20)
            add_rows(d_bias, 0, gates, here, depth, wide)  # (21)
