"""The dense layer, forward and backward. Equation numbers are those of docs/lstm.md."""

from __future__ import annotations

from forecaster.kernels._cells import add_bias, add_rows, bias_tanh, tanh_backward
from forecaster.kernels._jit import Array, kernel
from forecaster.kernels.products import add_outer, multiply

_BLOCK = 32  # rows of one outer product: both sides still lie in the first-level cache


@kernel
def dense_forward(x: Array, first: int, packed: Array, bias: Array, activate: bool, y: Array) -> None:
    """Compute y = x W' + b, through tanh when `activate`: (23), (24).

    x (rows before, D) is read from row `first` on; y (R, O). Writes y.
    """
    inputs, (rows, outputs) = x.shape[1], y.shape
    multiply(y, 0, outputs, x, first * inputs, inputs, rows, packed, inputs, outputs, False)
    if activate:
        bias_tanh(y, 0, bias, 0, rows, outputs)
    else:
        add_bias(y, 0, bias, 0, rows, outputs)


@kernel
def skip_forward(x: Array, first: int, packed: Array, y: Array) -> None:
    """Compute y += x W', the second product of (24); x is read from row `first` on. Adds to y (R, O)."""
    inputs, (rows, outputs) = x.shape[1], y.shape
    multiply(y, 0, outputs, x, first * inputs, inputs, rows, packed, inputs, outputs, True)


@kernel
def skip_backward(x: Array, first: int, d_y: Array, d_weight: Array) -> None:
    """Backward pass of a product for its weights: (27). Adds to d_weight (O, D)."""
    inputs, (rows, outputs) = x.shape[1], d_y.shape
    for r in range(0, rows, _BLOCK):
        depth, here = min(_BLOCK, rows - r), (first + r) * inputs
        add_outer(d_weight, 0, inputs, d_y, r * outputs, outputs, x, here, inputs, depth, outputs, inputs)


@kernel
def dense_backward(
    x: Array,
    first: int,
    y: Array,
    d_y: Array,
    packed: Array,
    activate: bool,
    d_weight: Array,
    d_bias: Array,
    d_x: Array,
) -> None:
    """Backward pass of `dense_forward`; `packed` is W packed for ``dY W``.

    Overwrites d_y (R, O) with the gradient before activation; adds to d_weight (O, D) and d_bias (O); adds to d_x
    (rows before, D) from row `first` on.
    """
    inputs, (rows, outputs) = x.shape[1], y.shape
    if activate:
        tanh_backward(d_y, 0, y, 0, rows, outputs)  # (25)
    add_rows(d_bias, 0, d_y, 0, rows, outputs)  # (28)
    multiply(d_x, first * inputs, inputs, d_y, 0, outputs, rows, packed, outputs, inputs, True)  # (26)
    skip_backward(x, first, d_y, d_weight)
