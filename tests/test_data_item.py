"""One data item's way: CSV, panel, scale, window, quantiles, units, calibration, CSV. Each station by a naive loop.

Nothing here calls the rooms between the panel and the forecast: the twins of ``tests/reference`` and plain Python stand
in for them, so a mistake in how the rooms are joined shows, not only one inside a room.
"""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose

from forecaster import Forecaster, NetworkConfig, TrainingConfig, forecast_csv, parse_csv
from tests.examples import weights_of
from tests.reference import Array, windows
from tests.reference import network as twin

HORIZON, AHEAD = 3, 7  # two and a third stretches
LEVELS = (60.0, 80.0, 95.0)
QUANTILES = (0.1, 0.3, 0.5, 0.9)  # not symmetrical on purpose
NETWORK = NetworkConfig(lags=5, positions=9, layers=2, hidden=6, dense=5, quantiles=QUANTILES)
LEARNED = (50.0, 80.0, 90.0, 95.0, 99.0)

Ends = dict[str, list[float]]


def table() -> str:
    """Return series on a logarithm, with zeros, with negative values, with a gap, and shorter than the window."""
    rng = np.random.default_rng(4)
    noise = rng.standard_normal((4, 40))
    series: dict[str, list[float | None]] = {
        "log": np.exp(2 + 0.3 * noise[0]).tolist(),
        "zeros": np.maximum(noise[1], 0).round(1).tolist(),
        "signs": noise[2].tolist(),
        "gap": [None if 33 <= k < 36 or k == 39 else 5 + value for k, value in enumerate(noise[3].tolist())],
        "short": [4.0, 6.0, 5.0],
    }
    lines = ["unique_id,ds,y"]
    for name, values in series.items():
        first = np.datetime64("2024-02-01")
        lines += [f"{name},{first + k},{'' if value is None else repr(value)}" for k, value in enumerate(values)]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def model() -> Forecaster:
    training = TrainingConfig(steps=30, batch_size=32, validate_every=10, learning_rate=0.01)
    return Forecaster(h=HORIZON, network=NETWORK, training=training, threads=1).fit(parse_csv(table().encode()))


def read(text: str) -> dict[str, list[float]]:
    """Return the values of each series as they stand in the table."""
    series: dict[str, list[float]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        series.setdefault(row["unique_id"], []).append(float(row["y"] or "nan"))
    return series


class Scale:
    """What is taken out of a series, and put back."""

    def __init__(self, values: list[float]) -> None:
        seen = [value for value in values if not math.isnan(value)]
        self.lowest = 0.0 if min(seen) >= 0 else -math.inf
        self.logarithm = min(seen) > 0
        self.unit = sum(map(abs, seen)) / len(seen)

    def scale(self, value: float) -> float:
        return math.log(value) if self.logarithm else value / self.unit

    def restore(self, value: float) -> float:
        return max(math.exp(value) if self.logarithm else value * self.unit, self.lowest)


def fill(values: list[float], scale: Scale) -> tuple[Array, np.ndarray]:
    """Return the scaled values, the last one carried over gaps, and where there was one."""
    filled: list[float] = []
    for value in values:
        filled.append(filled[-1] if math.isnan(value) else scale.scale(value))
    return np.array(filled), np.array([not math.isnan(value) for value in values])


def stretch(filled: Array, observed: np.ndarray, weights: dict[str, Array]) -> list[list[float]]:
    """Return the quantiles of the next steps, from the last position of one window."""
    x, levels = windows.inputs(filled, observed, 0, len(filled) - 1, NETWORK.lags, NETWORK.positions)
    output = twin.forward(x[:, None], weights).output[-1, 0]
    rows = output.reshape(HORIZON, len(QUANTILES))
    return [sorted(levels[-1] + value for value in row) for row in rows.tolist()]


def quantiles_ahead(filled: Array, observed: np.ndarray, weights: dict[str, Array]) -> list[list[float]]:
    """Return the quantiles of as many steps as are asked for: medians become values, errors add up in squares."""
    middle = QUANTILES.index(0.5)
    ahead: list[list[float]] = []
    before = [0.0] * len(QUANTILES)
    while len(ahead) < AHEAD:
        own = stretch(filled, observed, weights)
        for row in own:
            sides = [math.hypot(value - row[middle], before[q]) for q, value in enumerate(row)]
            ahead.append([row[middle] + (side if q > middle else -side) for q, side in enumerate(sides)])
        before = [abs(value - ahead[-1][middle]) for value in ahead[-1]]
        filled = np.append(filled, [row[middle] for row in own])
        observed = np.append(observed, [True] * HORIZON)
    return ahead[:AHEAD]


def normal(p: float) -> float:
    return NormalDist().inv_cdf(p)


def interpolate(at: float, known: list[float], values: list[float], *, beyond: bool) -> float:
    """Return the line through the two known points around `at`; outside of all, that of the nearest two or its end."""
    right = next((k for k in range(1, len(known)) if known[k] >= at), len(known) - 1)
    share = (at - known[right - 1]) / (known[right] - known[right - 1])
    if not beyond:
        share = min(max(share, 0.0), 1.0)
    return values[right - 1] + share * (values[right] - values[right - 1])


def distances(
    row: list[float], step: int, level: float, factors: list[list[float]], change: float
) -> tuple[float, float]:
    """Return how far the calibrated interval reaches down and up from the median."""
    z, middle, z_level = [normal(q) for q in QUANTILES], row[QUANTILES.index(0.5)], normal(0.5 + level / 200)
    down, up = (abs(interpolate(at, z, row, beyond=True) - middle) for at in (-z_level, z_level))
    least = 0.05 * change * math.sqrt(step + 1)
    learned = [normal(0.5 + one / 200) for one in LEARNED]
    at_step = [row_of[min(step, HORIZON - 1)] for row_of in factors]
    factor = interpolate(z_level, learned, at_step, beyond=False)
    return max(down, least) * factor, max(up, least) * factor


def by_hand(model: Forecaster, text: str) -> dict[str, Ends]:
    """Return what the CSV of the forecast should say, column by column."""
    weights = {}
    for name, array in weights_of(model).items():
        _, room, kind = name.split(".")
        weights[kind if room == "lstm" else f"{kind}_{room}"] = array.astype(np.float64)
    factors = model.info["calibration"]["factors"]
    result: dict[str, Ends] = {}
    for name, values in read(text).items():
        scale = Scale(values)
        filled, observed = fill(values, scale)
        change = max(float(np.abs(np.diff(filled)).mean()), 1e-9)
        ends: Ends = {"LSTM": []}
        for step, row in enumerate(quantiles_ahead(filled, observed, weights)):
            middle = row[QUANTILES.index(0.5)]
            ends["LSTM"].append(scale.restore(middle))
            widest_down = widest_up = 0.0
            for level in LEVELS:
                down, up = distances(row, step, level, factors, change)
                widest_down, widest_up = max(widest_down, down), max(widest_up, up)
                ends.setdefault(f"LSTM-lo-{level:g}", []).append(scale.restore(middle - widest_down))
                ends.setdefault(f"LSTM-hi-{level:g}", []).append(scale.restore(middle + widest_up))
        if sum(value is not None and not math.isnan(value) for value in values) < 12:
            never_narrower(ends, floor=0.0 if np.nanmin(np.array(values, float)) >= 0 else -math.inf)
        result[name] = ends
    return result


def never_narrower(ends: Ends, *, floor: float) -> None:
    """Widen the intervals of a brief series to those of the steps before."""
    for column, values in ends.items():
        if column == "LSTM":
            continue
        sign = 1 if "-hi-" in column else -1
        widest = 0.0
        for step, (value, middle) in enumerate(zip(values, ends["LSTM"], strict=True)):
            widest = max(widest, sign * (value - middle))
            values[step] = max(middle + sign * widest, floor)


def test_a_data_item_from_csv_to_csv(model: Forecaster) -> None:
    panel = parse_csv(table().encode())
    text = forecast_csv(model.forecast(panel, h=AHEAD, level=LEVELS))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == [
        "unique_id", "ds", "LSTM", "LSTM-lo-95", "LSTM-lo-80", "LSTM-lo-60", "LSTM-hi-60", "LSTM-hi-80", "LSTM-hi-95",
    ]  # fmt: skip
    expected = by_hand(model, table())
    assert list(expected) == list(panel.ids)
    for name, ends in expected.items():
        own = [row for row in rows if row["unique_id"] == name]
        length = len(read(table())[name])
        assert [row["ds"] for row in own] == [
            str(np.datetime64("2024-02-01") + length + step) for step in range(AHEAD)
        ]  # fmt: skip
        size = max(1.0, float(np.nanmax(np.abs(read(table())[name]))))
        for column, values in ends.items():
            said = [float(row[column]) for row in own]
            assert_allclose(said, values, rtol=2e-4, atol=2e-4 * size, err_msg=f"{name} {column}")


def test_the_scales_of_the_example_are_of_both_kinds() -> None:
    kinds = {name: Scale(values).logarithm for name, values in read(table()).items()}
    assert kinds == {"log": True, "zeros": False, "signs": False, "gap": True, "short": True}


def test_a_saved_model_takes_the_same_way(model: Forecaster, tmp_path: Path) -> None:
    model.save(tmp_path / "m")
    panel = parse_csv(table().encode())
    said = forecast_csv(Forecaster.load(tmp_path / "m").forecast(panel, h=AHEAD, level=LEVELS))
    assert said == forecast_csv(model.forecast(panel, h=AHEAD, level=LEVELS))
