"""Compile or load every kernel before somebody waits for it."""

from __future__ import annotations

import time
from typing import Any, get_args

import numpy as np

from forecaster.config import Loss, NetworkConfig, TrainingConfig
from forecaster.kernels._cache import Counts, cache_folder
from forecaster.kernels._jit import KERNELS
from forecaster.model import Forecaster


def warm_up() -> dict[str, Any]:
    """Train and forecast a toy series with every loss, so that all kernels meet the types they are called with.

    Returns
    -------
    dict
        ``kernels`` in the library; signatures ``compiled``, ``loaded`` and ``stored`` by this process; ``seconds``;
        ``folder`` they are kept in.
    """
    began = time.perf_counter()
    values = 10 + np.sin(np.arange(24.0))
    for loss in get_args(Loss):
        network = NetworkConfig(lags=2, positions=4, layers=2, hidden=3, dense=2, quantiles=(0.1, 0.5, 0.9), loss=loss)
        model = Forecaster(h=2, network=network, training=TrainingConfig(steps=2, validate_every=1), threads=1)
        model.fit(values).forecast(h=3)
    return {
        "kernels": len(KERNELS),
        "compiled": Counts.compiled,
        "loaded": Counts.loaded,
        "stored": Counts.stored,
        "seconds": round(time.perf_counter() - began, 3),
        "folder": str(cache_folder()),
    }
