"""Gradient sums, clipping and Adam. Equation numbers are those of docs/lstm.md."""

from __future__ import annotations

import numpy as np

from forecaster.kernels._jit import Array, kernel

_ONE = np.float32(1.0)


@kernel
def sum_gradients(lanes: Array, begin: int, end: int, gradient: Array) -> float:
    """Sum `lanes` (n, W) in order, the weights from `begin` to `end`, and return the sum of the squares: (38).

    Writes gradient[begin:end] of `gradient` (W).
    """
    part, first = gradient[begin:end], lanes[0, begin:end]  # a loop from `begin` on took six times as long
    total = 0.0
    for j in range(part.shape[0]):
        part[j] = first[j]
    for lane in range(1, lanes.shape[0]):
        row = lanes[lane, begin:end]
        for j in range(part.shape[0]):
            part[j] += row[j]
    for j in range(part.shape[0]):
        total += np.float64(part[j]) * np.float64(part[j])
    return total


@kernel
def adam(
    weights: Array,
    gradient: Array,
    first: Array,
    second: Array,
    factor: np.float32,
    rate: np.float32,
    beta1: np.float32,
    beta2: np.float32,
    epsilon: np.float32,
    step: int,
) -> None:
    """One step of Adam, the first being 1, on `gradient` times `factor`, the clipping.

    Writes weights, first and second moment.
    """
    # Bias corrections and rate once, outside of the loop: (42), and a part of (43)
    correction1 = np.float32(1.0 - np.float64(beta1) ** step)
    correction2 = np.float32(1.0 / np.sqrt(1.0 - np.float64(beta2) ** step))
    pace = rate / correction1
    for j in range(weights.shape[0]):
        g = gradient[j] * factor  # (39)
        m = beta1 * first[j] + (_ONE - beta1) * g  # (40)
        v = beta2 * second[j] + (_ONE - beta2) * g * g  # (41)
        first[j] = m
        second[j] = v
        weights[j] -= pace * m / (np.sqrt(v) * correction2 + epsilon)  # (43)
