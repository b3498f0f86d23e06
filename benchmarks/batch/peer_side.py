"""The peers' processes, in their own interpreter: read a Parquet file, forecast, write one.

``python -m benchmarks.batch.peer_side versions``, ``… train MODEL SOURCE H SEASON FREQ``, or ``… forecast NAME SOURCE
OUTPUT SERIES H SEASON FREQ CORES MODEL``.
"""

from __future__ import annotations

import json
import logging
import sys
import warnings
from importlib import import_module
from typing import Any

STATSFORECAST = ("SeasonalNaive", "AutoETS")
NEURALFORECAST = "neuralforecast LSTM"
_LEVELS = [80, 95]
_TAUGHT = 50
"""Series that the network is trained on, for one step: only what its forecast costs is measured."""


def versions() -> dict[str, str]:
    """Return by name what is installed."""
    found = {}
    for name in ("statsforecast", "neuralforecast", "torch"):
        try:
            found[name] = str(import_module(name).__version__)
        except ImportError:
            continue
    return found


def read(source: str, series: int) -> Any:
    """Return the first series of a file as a data frame."""
    import pandas as pd
    import pyarrow.parquet as pq

    frames: list[Any] = []
    seen: set[str] = set()
    file = pq.ParquetFile(source)
    for group in range(file.num_row_groups):
        frames.append(file.read_row_group(group, columns=["unique_id", "ds", "y"]).to_pandas())
        frames[-1]["unique_id"] = frames[-1]["unique_id"].astype(str)
        seen.update(frames[-1]["unique_id"].unique())
        if len(seen) > series:
            break
    whole = pd.concat(frames, ignore_index=True)
    kept = whole["unique_id"].drop_duplicates()[:series]
    return whole if len(kept) == len(seen) else whole[whole["unique_id"].isin(set(kept))]


def train(model: str, source: str, h: int, freq: str | int) -> None:
    """Save a network of the shape that ours has."""
    from neuralforecast import NeuralForecast
    from neuralforecast.losses.pytorch import MQLoss
    from neuralforecast.models import LSTM

    _quiet()
    settings = dict.fromkeys(("logger", "enable_progress_bar", "enable_checkpointing", "enable_model_summary"), False)
    network = LSTM(
        h=h, input_size=48, encoder_n_layers=2, encoder_hidden_size=64, loss=MQLoss(level=_LEVELS), max_steps=1,
        accelerator="cpu", **settings,
    )  # fmt: skip
    forecaster = NeuralForecast(models=[network], freq=freq)
    forecaster.fit(read(source, _TAUGHT))
    forecaster.save(model, overwrite=True, save_dataset=False)


def forecast(
    name: str, source: str, output: str, series: int, h: int, season: int, freq: str | int, cores: int, model: str
) -> None:
    """Forecast the first series of a file to another."""
    _quiet()
    frame = read(source, series)
    if name == NEURALFORECAST:
        import torch
        from neuralforecast import NeuralForecast

        torch.set_num_threads(cores)
        made = NeuralForecast.load(model).predict(frame)
    else:
        from statsforecast import StatsForecast, models

        method = getattr(models, name)(season_length=season)
        made = StatsForecast(models=[method], freq=freq, n_jobs=cores).forecast(df=frame, h=h, level=_LEVELS)
    made.to_parquet(output)


def _quiet() -> None:
    warnings.filterwarnings("ignore")
    for name in ("pytorch_lightning", "lightning_fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _freq(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


if __name__ == "__main__":
    what, *given = sys.argv[1:]
    if what == "versions":
        print(json.dumps(versions()))
    elif what == "train":
        train(given[0], given[1], int(given[2]), _freq(given[3]))
    else:
        name, source, output, series, h, season, freq, cores, model = given
        forecast(name, source, output, int(series), int(h), int(season), _freq(freq), int(cores), model)
