"""Quantiles of the next steps, as many as are asked for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.executors import Executor
from forecaster.network import Packed
from forecaster.windows import ScaledPanel, window_quantiles

Floats = NDArray[np.float64]


def future_quantiles(packed: Packed, panel: ScaledPanel, h: int, executor: Executor) -> Floats:
    """Return the scaled quantiles (N, h, Q), ascending, of the `h` steps after the end of each series.

    A horizon longer than the network's is reached by letting its medians stand for observed values. What is uncertain
    at the last step of one stretch stays so in the next: the distances from the median add up as independent errors
    do.
    """
    config = packed.network.config
    middle = config.quantiles.index(0.5)
    panel = panel.tail(config.positions + config.lags)
    everyone = np.arange(len(panel))
    pieces: list[Floats] = []
    done = 0
    while done < h:
        quantiles = window_quantiles(packed, panel, everyone, panel.offsets[1:] - 1, executor)
        medians = quantiles[..., middle : middle + 1]
        if pieces:
            before = pieces[-1][:, -1:] - pieces[-1][:, -1:, middle : middle + 1]
            # The side is a matter of the quantile: one that equals the median still keeps the distance it came with.
            side = np.sign(np.arange(quantiles.shape[2]) - middle)
            distances = side * np.hypot(quantiles - medians, before)
            quantiles = medians + distances
        pieces.append(quantiles)
        done += quantiles.shape[1]
        if done < h:
            panel = panel.extended(medians[..., 0]).tail(config.positions + config.lags)
    return np.concatenate(pieces, axis=1)[:, :h]
