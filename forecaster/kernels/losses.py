"""Losses over the outputs of the head, with their gradients. Equation numbers are those of docs/lstm.md.

Each takes outputs (R, >= F * Q; quantile index fastest), targets (R, F), weights (R, F; 0 where the target is missing)
and writes d_outputs, the gradient of the weighted sum times `scale`; each returns the weighted sum of the loss, not
scaled. With a `scale` of 1 over the sum of the weights, both make the mean of (31). The cross-entropies take logits
for outputs and probabilities for targets, 0 and 1 where a class is known. The one over a whole vocabulary is in
``softmax.py``.

Columns of d_outputs that hold no quantile (padding) and rows of missing targets are set to zero.
Sums are float64, over rows in order: the same bits whatever runs beside.
"""

from __future__ import annotations

import numpy as np

from forecaster.kernels._jit import Array, kernel

_ZERO, _ONE, _MEDIAN = np.float32(0.0), np.float32(1.0), np.float32(0.5)

OTHERS = 0.1
"""Weight of a quantile beside the median's 1. The point forecast shapes the layers that all share (with equal weights
M4 quarterly was 1.0 % worse); the head's own rows learn as fast, since Adam takes no notice of a gradient's size.
"""


@kernel
def pinball_loss(
    outputs: Array, targets: Array, weights: Array, quantiles: Array, scale: np.float32, d_outputs: Array
) -> float:
    """Pinball loss, weighted mean over the Q quantiles, most of it the median's. An exact hit has no gradient."""
    rows, steps = targets.shape
    count = quantiles.shape[0]
    columns = steps * count
    whole = 0.0
    for q in range(count):
        whole += 1.0 if quantiles[q] == _MEDIAN else OTHERS
    # One row of scratch, a column for each output: with these the loop over a row has no branch and is vectorised.
    level, share = np.empty(columns, np.float32), np.empty(columns)
    target, weight = np.empty(columns, np.float32), np.empty(columns, np.float32)
    for j in range(columns):
        level[j] = quantiles[j % count]
        share[j] = (1.0 if quantiles[j % count] == _MEDIAN else OTHERS) / whole
    sums = np.zeros(columns)
    d_outputs[:, columns:] = _ZERO
    for r in range(rows):
        for f in range(steps):
            for q in range(count):
                target[f * count + q] = targets[r, f]
                weight[f * count + q] = weights[r, f]
        row, d_row = outputs[r], d_outputs[r]
        for j in range(columns):
            error = target[j] - row[j]  # (30)
            slope = level[j] - (_ONE if error < _ZERO else _ZERO)
            # Chosen, not multiplied: what is missing counts nothing even if the output is not finite.
            slope = _ZERO if error == _ZERO or weight[j] == _ZERO else slope * weight[j]
            sums[j] += np.float64(_ZERO if slope == _ZERO else slope * error) * share[j]  # (32)
            d_row[j] = -slope * scale * np.float32(share[j])  # (33)
    return float(sums.sum())


@kernel
def absolute_loss(
    outputs: Array,
    targets: Array,
    weights: Array,
    quantiles: Array,  # noqa: ARG001 - all losses are called alike
    scale: np.float32,
    d_outputs: Array,
) -> float:
    """Absolute error; `quantiles` has one element and is not used. An exact hit has no gradient."""
    rows, steps = targets.shape
    total = 0.0
    d_outputs[:, :] = _ZERO
    for r in range(rows):
        for f in range(steps):
            weight = weights[r, f]
            if weight == _ZERO:
                continue
            error = targets[r, f] - outputs[r, f]  # (30)
            total += np.float64(abs(error) * weight)  # (34)
            d_outputs[r, f] = -np.sign(error) * weight * scale  # (35)
    return total


@kernel
def squared_loss(
    outputs: Array,
    targets: Array,
    weights: Array,
    quantiles: Array,  # noqa: ARG001 - all losses are called alike
    scale: np.float32,
    d_outputs: Array,
) -> float:
    """Squared error; `quantiles` has one element and is not used."""
    rows, steps = targets.shape
    total = 0.0
    d_outputs[:, :] = _ZERO
    for r in range(rows):
        for f in range(steps):
            weight = weights[r, f]
            if weight == _ZERO:
                continue
            error = targets[r, f] - outputs[r, f]  # (30)
            total += np.float64(error * error * weight)  # (36)
            d_outputs[r, f] = np.float32(-2.0) * error * weight * scale  # (37)
    return total


@kernel
def binary_loss(
    outputs: Array,
    targets: Array,
    weights: Array,
    quantiles: Array,  # noqa: ARG001 - all losses are called alike
    scale: np.float32,
    d_outputs: Array,
) -> float:
    """Cross-entropy of yes and no, from the logit of yes; the target is its probability. `quantiles` is not used."""
    rows, columns = targets.shape
    total = 0.0
    d_outputs[:, :] = _ZERO
    for r in range(rows):
        for f in range(columns):
            weight = np.float64(weights[r, f])
            if weight == 0.0:
                continue
            logit, target = np.float64(outputs[r, f]), np.float64(targets[r, f])
            less = np.exp(-abs(logit))  # at most 1: neither this nor what is made of it overflows
            total += weight * (max(logit, 0.0) + np.log1p(less) - target * logit)  # (60)
            yes = (1.0 if logit >= 0.0 else less) / (1.0 + less)
            d_outputs[r, f] = np.float32(weight * (yes - target)) * scale  # (61)
    return total


@kernel
def categorical_loss(
    outputs: Array,
    targets: Array,
    weights: Array,
    quantiles: Array,  # noqa: ARG001 - all losses are called alike
    scale: np.float32,
    d_outputs: Array,
) -> float:
    """Cross-entropy of one class among F, from their logits; targets are the classes' probabilities.

    The weight of a row is the one in its first column. `quantiles` is not used.
    """
    rows, columns = targets.shape
    total = 0.0
    d_outputs[:, :] = _ZERO
    for r in range(rows):
        weight = np.float64(weights[r, 0])
        if weight == 0.0:
            continue
        top = np.float64(outputs[r, 0])
        for f in range(1, columns):
            top = max(top, np.float64(outputs[r, f]))
        sum_of_powers, mass = 0.0, 0.0
        for f in range(columns):
            sum_of_powers += np.exp(np.float64(outputs[r, f]) - top)
            mass += np.float64(targets[r, f])
        log_sum = top + np.log(sum_of_powers)
        for f in range(columns):
            logit, target = np.float64(outputs[r, f]), np.float64(targets[r, f])
            if target != 0.0:
                total += weight * target * (log_sum - logit)  # (62)
            d_outputs[r, f] = np.float32(weight * (mass * np.exp(logit - log_sum) - target)) * scale  # (63)
    return total


LOSSES = {
    "pinball": pinball_loss,
    "absolute": absolute_loss,
    "squared": squared_loss,
    "binary": binary_loss,
    "categorical": categorical_loss,
}
"""By the names they have in configurations."""
