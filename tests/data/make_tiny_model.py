"""Makes the tiny model and its golden forecast, which ``tests/test_model.py`` holds later versions to.

From the root of the project::

    python -m tests.data.make_tiny_model

Writes, beside this file, ``tiny_series.csv`` (three daily series: on a logarithmic scale, with zeros and a gap, with
negative values), ``tiny_model/`` (two networks trained on them, one of them without their season) and
``tiny_forecast.csv`` (what that model says of them, further ahead than it was trained for). Run it again only when
forecasts change on purpose, such as with a new format; say so in the changelog, since every model that is in use
changes with it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from forecaster import Forecaster, NetworkConfig, TrainingConfig, read_panel, write_forecast

DATA = Path(__file__).parent
SERIES, MODEL, FORECAST = DATA / "tiny_series.csv", DATA / "tiny_model", DATA / "tiny_forecast.csv"
AHEAD, LEVELS = 8, (80.0, 95.0)


def write_series() -> None:
    """Write the series: formulas, so that nothing depends on a generator of random numbers."""
    steps = np.arange(45)
    wave = np.sin(2 * np.pi * steps / 7) + 0.3 * np.sin(steps**2)
    series = {
        "growing": np.round(100 * np.exp(0.01 * steps + 0.1 * wave), 2),
        "sparse": np.round(np.maximum(3 * wave, 0)),
        "signs": np.round(2 * wave - 0.5, 3),
    }
    lines = ["unique_id,ds,y"]
    for name, values in series.items():
        for step, value in zip(steps, values, strict=True):
            gap = name == "sparse" and 20 <= step < 23
            lines.append(f"{name},{np.datetime64('2024-01-20') + step},{'' if gap else value}")
    SERIES.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Write all three."""
    write_series()
    one = NetworkConfig(lags=7, positions=10, layers=2, hidden=4, dense=4, quantiles=(0.1, 0.5, 0.9))
    other = replace(one, lags=5, layers=1, deseasonalise=True)
    training = TrainingConfig(steps=60, batch_size=32, validate_every=10, learning_rate=0.01)
    panel = read_panel(SERIES)
    Forecaster(h=4, network=[one, other], training=training, threads=1).fit(panel).save(MODEL)
    write_forecast(Forecaster.load(MODEL).forecast(panel, h=AHEAD, level=LEVELS), FORECAST)


if __name__ == "__main__":
    main()
