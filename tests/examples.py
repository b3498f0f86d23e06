"""Small panels and networks for the tests: what they show does not need large ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster import Forecaster, NetworkConfig, Panel, SequenceConfig, SymbolForecaster, TrainingConfig
from forecaster.description import named_weights

Floats = NDArray[np.float64]

TINY = NetworkConfig(lags=4, positions=8, layers=2, hidden=5, dense=4, quantiles=(0.1, 0.5, 0.9))
BRIEF = TrainingConfig(
    steps=8, batch_size=16, validate_every=4, patience=8, recent=2, mixed=0.7, averaged=0.25, refit=0.5
)
H = 3


def numbered(series: Mapping[str, Sequence[float | None] | Floats]) -> Panel:
    """Return a panel of series without dates."""
    ids = [name for name, values in series.items() for _ in values]
    times = [step for values in series.values() for step in range(1, len(values) + 1)]
    flat = [np.nan if value is None else float(value) for values in series.values() for value in values]
    return Panel.from_columns(ids, np.array(times), np.array(flat), freq=1)


def weekly(count: int = 6, length: int = 50, *, seed: int = 0) -> Panel:
    """Return daily series with a weekly pattern: positive, at different levels, of different lengths."""
    rng = np.random.default_rng(seed)
    ids, days, values = [], [], []
    for i in range(count):
        steps = np.arange(length + i)
        ids += [f"s{i}"] * len(steps)
        days.append(np.datetime64("2024-01-01") + steps)
        values.append(10.0 ** (i % 3) * (5 + np.sin(2 * np.pi * steps / 7) + 0.2 * rng.standard_normal(len(steps))))
    return Panel.from_columns(ids, np.concatenate(days), np.concatenate(values), freq="D")


def every_scale() -> Panel:
    """Return series of every scale, all with a last horizon that can be replaced."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((4, 30))
    return numbered(
        {"log": np.exp(0.1 * noise[0]), "zeros": np.abs(noise[1]).round(), "signs": noise[2], "flat": 0 * noise[3]}
    )


def with_values(panel: Panel, values: Floats) -> Panel:
    """Return the panel with other values."""
    return Panel(panel.ids, values, panel.offsets, panel.starts, panel.frequency, phases=panel.phases)


def last_replaced(panel: Panel, count: int, value: float | Floats) -> Panel:
    """Return the panel with the last values of every series replaced: by one value, or each by its own."""
    values = panel.values.copy()
    for end in panel.offsets[1:]:
        values[end - count : end] = value
    return with_values(panel, values)


def tiny(**settings: Any) -> Forecaster:
    """Return an untrained forecaster that trains in a moment."""
    return Forecaster(**{"h": H, "network": TINY, "training": BRIEF, "threads": 1, **settings})


@cache
def trained() -> Forecaster:
    """Return a forecaster trained on `weekly`, the same for all tests: none may change it."""
    return tiny().fit(weekly())


@cache
def letters() -> SymbolForecaster:
    """Return a forecaster of words, the same for all tests."""
    network, training = SequenceConfig(hidden=16, embedding=16), {"steps": 100, "learning_rate": 0.02}
    model = SymbolForecaster(network=network, training=training, threads=1)
    return model.fit(["Thanks for reaching out.", "Thanks for waiting."] * 40)


def weights_of(model: Forecaster) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a trained forecaster by name."""
    fitted = model._fitted
    assert fitted is not None
    return named_weights(fitted.engine.networks)


def bits_of(model: Forecaster) -> bytes:
    """Return all weights of a trained forecaster as bytes."""
    return b"".join(array.tobytes() for array in weights_of(model).values())
