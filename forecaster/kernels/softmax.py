"""The head over a vocabulary: logits, softmax, cross-entropy and gradients of a block of rows at a time.

The logits of a block stand on their heads, (V, rows): one symbol a row. So the matrix of the head, the one thing here
that is large, is the left side of its products and needs no packing, and the softmax runs down columns, one register of
rows beside the other. Symbols are worked through in chunks whose logits and weights stay in the second-level cache.
With 20,000 symbols and 256 units a block's three products reach three quarters of the peak of the tiles.
Equation numbers are those of docs/lstm.md.
"""

from __future__ import annotations

import numpy as np

from forecaster.kernels._cells import log_sum_columns, softmax_columns
from forecaster.kernels._jit import Array, Integers, kernel
from forecaster.kernels.products import add_outer, multiply, pack

BLOCK = 256
"""Rows of a block: the matrix is fetched, and its gradient stored, once a block. With 128 rows all took 8 % longer."""

_CHUNK = 96

_LEAST = np.float32(-1e30)


@kernel
def softmax_loss(
    z: Array,
    weight: Array,
    bias: Array,
    symbols: int,
    targets: Integers,
    weights: Array,
    packed: Array,
    columns: Array,
    logits: Array,
) -> float:
    """Return the weighted sum of the cross-entropy of a block of rows: (24) without a skip, then (62).

    z (R, D), R a multiple of 16; weight (>= V, D) and bias, of which the first `symbols` rows count; targets (R) and
    weights (R), 0 for rows without a target. Scratch, some of it for `softmax_backward`: packed (R * D), columns
    (3, R), logits (V * R). Writes logits (V, R) and in columns[0] the logarithm of the sum of their exponentials.
    """
    rows, depth = z.shape
    top, total, scratch = columns[0], columns[1], columns[2]
    top[:] = _LEAST
    total[:] = np.float32(0.0)
    pack(z.reshape(-1), 1, depth, depth, rows, packed)
    for first in range(0, symbols, _CHUNK):
        count, at = min(_CHUNK, symbols - first), first * rows
        multiply(logits, at, rows, weight, first * depth, depth, count, packed, depth, rows, False)
        log_sum_columns(logits, at, bias, first, top, 0, total, 0, scratch, 0, count, rows)
    loss = 0.0
    for r in range(rows):
        log_sum = np.float64(top[r]) + np.log(np.float64(total[r]))
        top[r] = np.float32(log_sum)
        if weights[r] != np.float32(0.0):
            loss += np.float64(weights[r]) * (log_sum - np.float64(logits[targets[r] * rows + r]))
    return loss


@kernel
def softmax_backward(
    z: Array,
    weight: Array,
    symbols: int,
    targets: Integers,
    weights: Array,
    packed: Array,
    columns: Array,
    logits: Array,
    d_weight: Array,
    d_bias: Array,
    d_z: Array,
) -> None:
    """Backward pass of `softmax_loss`, after it, with its scratch: (63), (26) to (28).

    Overwrites logits with their gradient; adds to d_weight (>= V, D), d_bias (>= V) and d_z (R, D).
    """
    rows, depth = z.shape
    pack(z.reshape(-1), depth, 1, rows, depth, packed)
    for first in range(0, symbols, _CHUNK):
        count, at = min(_CHUNK, symbols - first), first * rows
        softmax_columns(logits, at, columns, 0, weights, 0, d_bias, first, count, rows)
        for r in range(rows):
            target = targets[r]
            if first <= target < first + count:
                logits[target * rows + r] -= weights[r]
                d_bias[target] -= weights[r]
        multiply(d_weight, first * depth, depth, logits, at, rows, count, packed, rows, depth, True)
        add_outer(d_z, 0, depth, logits, at, rows, weight, first * depth, depth, count, rows, depth)
