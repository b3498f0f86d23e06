"""Quantiles of the next steps, as many as are asked for, of the series that can be forecast."""

from __future__ import annotations

import numpy as np

from forecaster.engine import Engine
from forecaster.errors import TooShortError
from forecaster.executors import Executor
from forecaster.panel import Panel
from forecaster.scaling import Floats, ScaledPanel

LEAST_OBSERVED = 2
"""Values without which a series is not forecast."""


def future_quantiles(engine: Engine, panel: ScaledPanel, h: int, executor: Executor) -> Floats:
    """Return the scaled quantiles (N, h, Q), ascending, of the `h` steps after the end of each series.

    A horizon longer than the network's is reached by letting its medians stand for observed values. What is uncertain
    at the last step of one stretch stays so in the next: the distances from the median add up as independent errors
    do.
    """
    config = engine.network.config
    middle = config.quantiles.index(0.5)
    panel = panel.tail(config.positions + config.lags)
    everyone = np.arange(len(panel))
    pieces: list[Floats] = []
    done = 0
    while done < h:
        quantiles = engine.quantiles(panel, everyone, panel.offsets[1:] - 1, executor)
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


def forecastable(panel: Panel, *, learning: int | None = None) -> tuple[Panel, dict[str, str]]:
    """Return the series with enough observed values, and for each of the others the reason.

    Parameters
    ----------
    panel : Panel
        The series.
    learning : int, optional
        The horizon that is to be learned from them, for the advice in the error.

    Raises
    ------
    TooShortError
        There is none with enough.
    """
    if not len(panel):
        raise TooShortError("There are no series. Give at least one.")
    observed = panel.observed
    enough = observed >= LEAST_OBSERVED
    skipped = {
        panel.ids[i]: f"has {observed[i]} observed values; at least {LEAST_OBSERVED} are needed"
        for i in np.flatnonzero(~enough)
    }
    if not enough.any():
        name, reason = next(iter(skipped.items()))
        advised = "" if learning is None else f" For a horizon of {learning}, {2 * learning + 4} or more are advised."
        raise TooShortError(f"No series is long enough. Series {name!r} {reason}.{advised}", series=name)
    return (panel if enough.all() else panel.select(np.flatnonzero(enough))), skipped
