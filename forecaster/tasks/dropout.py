"""Dropout: units left out of a sequence while training, the same ones at all of its steps.

Y. Gal and Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural networks, 2016. What goes
from step to step is left alone; what comes in of symbols, and what each layer adds to the stack, is thinned.
"""

from __future__ import annotations

import numpy as np

from forecaster.network import Array, Network, padded
from forecaster.trunk import Masks


def draw_masks(network: Network, rows: int, dropout: float, rng: np.random.Generator) -> Masks | None:
    """Return masks for `rows` sequences; None without dropout."""
    if not dropout:
        return None
    shape = network.shape

    def mask(*size: int) -> Array:
        kept: Array = (rng.random(size, np.float32) >= dropout).astype(np.float32)
        return kept / np.float32(1 - dropout)

    return Masks(mask(rows, padded(shape.inputs)), mask(shape.layers, rows, padded(shape.hidden)))


def part_of(masks: Masks | None, shard: slice) -> Masks | None:
    """Return the masks of a shard."""
    return None if masks is None else Masks(masks.inputs[shard], masks.layers[:, shard])
