"""Losses over the observed targets, each as (value, gradient by `output`).

`output` is (..., F, Q), `target` and `weights` are (..., F). A weight of 0 marks a missing target, whose value (a
finite stand-in) then plays no part. The loss is the mean over quantiles (of the pinball loss a weighted one) and the
weighted mean over targets; with nothing observed it is 0, and so is the gradient.
"""

from __future__ import annotations

import numpy as np

from tests.reference import Array
from tests.reference.lstm import sigmoid


def pinball(output: Array, target: Array, weights: Array, quantiles: Array) -> tuple[float, Array]:
    """Pinball loss of `quantiles` (Q,), one for each last-axis column of `output`; the median counts ten times."""
    error = target[..., None] - output  # (30)
    each = np.maximum(quantiles * error, (quantiles - 1.0) * error)  # (32)
    d_each = np.where(error > 0.0, -quantiles, np.where(error < 0.0, 1.0 - quantiles, 0.0))  # (33)
    shares = np.where(quantiles == 0.5, 1.0, 0.1)
    shares = shares / shares.mean()
    return _weighted_mean(shares * each, shares * d_each, weights)


def absolute(output: Array, target: Array, weights: Array) -> tuple[float, Array]:
    """Absolute error of every column of `output`."""
    error = target[..., None] - output  # (30)
    return _weighted_mean(np.abs(error), -np.sign(error), weights)  # (34), (35)


def squared(output: Array, target: Array, weights: Array) -> tuple[float, Array]:
    """Squared error of every column of `output`."""
    error = target[..., None] - output  # (30)
    return _weighted_mean(error**2, -2.0 * error, weights)  # (36), (37)


def binary(output: Array, target: Array, weights: Array) -> tuple[float, Array]:
    """Cross-entropy of yes and no, from the logit of yes in every column; `target` is its probability."""
    each = np.logaddexp(0.0, output) - target[..., None] * output  # (60)
    return _weighted_mean(each, sigmoid(output) - target[..., None], weights)  # (61)


def categorical(output: Array, target: Array, weights: Array) -> tuple[float, Array]:
    """Cross-entropy of one class among the last axis of `output` (..., C), `target` (..., C); `weights` (...)."""
    log_sum = np.log(np.exp(output - output.max(axis=-1, keepdims=True)).sum(axis=-1, keepdims=True))
    log_shares = output - output.max(axis=-1, keepdims=True) - log_sum
    each, d_each = -(target * log_shares).sum(axis=-1), np.exp(log_shares) - target  # (62), (63)
    total = weights.sum()
    if total == 0.0:
        return 0.0, np.zeros_like(output)
    return float((weights * each).sum() / total), weights[..., None] / total * d_each  # (31)


def _weighted_mean(each: Array, d_each: Array, weights: Array) -> tuple[float, Array]:
    total = weights.sum()
    if total == 0.0:
        return 0.0, np.zeros_like(d_each)
    share = weights[..., None] / (total * each.shape[-1])
    return float((share * each).sum()), share * d_each  # (31)
