"""NeuralForecast's LSTM with its default settings. Runs in the peers' process, and as a process of its own.

``python -m benchmarks.kernels.neural_side train.csv forecast.csv 12 100 1``: horizon, steps of training, seed.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from neuralforecast import NeuralForecast
from neuralforecast.models import LSTM

MONTHLY = "ME"


def predicting(*, path: str, h: int) -> tuple[Callable[[], object], int]:
    """Prepare a forecast of the series (N, n), after hardly any training; return it, with the rows it gives."""
    with np.load(path) as file:
        values = file["values"]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"series {n}" for n in range(len(values))], values.shape[1]),
            "ds": np.tile(pd.date_range("2000-01-31", periods=values.shape[1], freq=MONTHLY), len(values)),
            "y": values.ravel(),
        }
    )
    model = _trained(frame, h, steps=1, seed=1)

    def predict() -> Any:
        return model.predict(frame)

    return predict, len(predict())


def air_passengers() -> list[list[Any]]:
    """Return the series that ships with the package: months as text, values."""
    from neuralforecast.utils import AirPassengersDF as Series

    return [Series["ds"].dt.strftime("%Y-%m-%d").tolist(), Series["y"].astype(float).tolist()]


def _trained(frame: pd.DataFrame, h: int, *, steps: int, seed: int) -> NeuralForecast:
    """Train; what costs time beside training, such as progress bars and checkpoints, is off."""
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)
    settings = dict.fromkeys(("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    model = LSTM(h=h, max_steps=steps, random_seed=seed, accelerator="cpu", **settings)
    forecaster = NeuralForecast(models=[model], freq=MONTHLY)
    forecaster.fit(frame)
    return forecaster


def main(source: str, target: str, h: str, steps: str, seed: str) -> None:
    """Read, train, forecast, write."""
    frame = pd.read_csv(source, parse_dates=["ds"])
    model = _trained(frame, int(h), steps=int(steps), seed=int(seed))
    model.predict().to_csv(target, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
