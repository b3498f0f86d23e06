"""One Adam step, and clipping by the global norm."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tests.reference import Array


class AdamStep(NamedTuple):
    """What one step leaves behind."""

    weights: Array
    m: Array
    v: Array


def adam(
    weights: Array,
    d_weights: Array,
    m: Array,
    v: Array,
    step: int,
    *,
    learning_rate: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    epsilon: float = 1e-8,
) -> AdamStep:
    """Return weights and moments after step number `step`, the first being 1; `m` and `v` start as zeros."""
    m = beta_1 * m + (1.0 - beta_1) * d_weights  # (40)
    v = beta_2 * v + (1.0 - beta_2) * d_weights**2  # (41)
    m_hat, v_hat = m / (1.0 - beta_1**step), v / (1.0 - beta_2**step)  # (42)
    return AdamStep(weights - learning_rate * m_hat / (np.sqrt(v_hat) + epsilon), m, v)  # (43)


def clip_by_global_norm(gradients: Sequence[Array], max_norm: float) -> tuple[list[Array], float]:
    """Return the gradients, shortened together to `max_norm` if they are longer, and the norm they had."""
    norm = float(np.sqrt(sum((gradient**2).sum() for gradient in gradients)))  # (38)
    scale = max_norm / norm if norm > max_norm else 1.0  # (39)
    return [scale * gradient for gradient in gradients], norm
