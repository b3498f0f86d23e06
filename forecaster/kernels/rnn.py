"""One plain recurrent layer, forward and backward through time. Equation numbers are those of docs/lstm.md."""

from __future__ import annotations

from forecaster.kernels._cells import add_rows, bias_tanh, rnn_cell_backward
from forecaster.kernels._jit import Array, kernel
from forecaster.kernels.products import AT_ONCE_ROWS, OUTER_DEPTH, add_outer, multiply


@kernel
def rnn_forward(x: Array, packed_ih: Array, packed_hh: Array, bias: Array, h: Array) -> None:
    """Run one layer over time: (44).

    x (T, B, I); h (T + 1, B, H) with the initial state in its first row. Writes h[1:].
    """
    steps, rows, inputs = x.shape
    units = h.shape[2]
    state = rows * units
    at_once = rows < AT_ONCE_ROWS
    if at_once:
        multiply(h, state, units, x, 0, inputs, steps * rows, packed_ih, inputs, units, False)
    for t in range(steps):
        following = (t + 1) * state
        if not at_once:
            multiply(h, following, units, x, t * rows * inputs, inputs, rows, packed_ih, inputs, units, False)
        multiply(h, following, units, h, t * state, units, rows, packed_hh, units, units, True)
        bias_tanh(h, following, bias, 0, rows, units)


@kernel
def rnn_backward(
    x: Array,
    h: Array,
    d_a: Array,
    d_h: Array,
    packed_ih: Array,
    packed_hh: Array,
    d_weight_ih: Array,
    d_weight_hh: Array,
    d_bias: Array,
    d_x: Array,
) -> None:
    """Run one layer backward through time.

    d_h (T + 1, B, H) comes in with the gradient of h from above (row 0: of the initial state), and goes out with the
    total gradient. The packed weights are those of ``dA W``, not of the forward pass. Writes d_a (T, B, H), the
    gradients before activation; adds to d_weight_ih (H, I), d_weight_hh (H, H), d_bias (H), d_x (T, B, I; with T = 0 it
    is left out).
    """
    steps, rows, inputs = x.shape
    units = h.shape[2]
    state = rows * units
    together = max(1, OUTER_DEPTH // rows)  # time steps whose rows make one outer product
    for t in range(steps - 1, -1, -1):
        here = t * state
        rnn_cell_backward(d_a, here, h, (t + 1) * state, d_h, (t + 1) * state, rows, units)
        multiply(d_h, here, units, d_a, here, units, rows, packed_hh, units, units, True)  # (45), (47)
        if d_x.shape[0] > 0:
            multiply(d_x, t * rows * inputs, inputs, d_a, here, units, rows, packed_ih, units, inputs, True)  # (18)
        if t % together == 0:
            depth = min(together, steps - t) * rows
            add_outer(d_weight_ih, 0, inputs, d_a, here, units, x, t * rows * inputs, inputs, depth, units, inputs)
            add_outer(d_weight_hh, 0, units, d_a, here, units, h, here, units, depth, units, units)
            add_rows(d_bias, 0, d_a, here, depth, units)  # (19) to (21)
