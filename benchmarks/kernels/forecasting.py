"""A forecast in process, of one series and of a thousand: the network alone, and all that a user waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels.clock import Side, repeated, take_turns
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.shapes import HORIZON
from forecaster import Forecaster, Panel
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.executors import Threads
from forecaster.frequency import Frequency
from forecaster.network import ForecastNetwork
from forecaster.passes import Workspace, forward
from forecaster.recipes import recipe_for
from forecaster.scaling import scale_panel
from forecaster.trunk import Packed
from forecaster.windows import load_inputs, window_quantiles

MONTHS = 12
LENGTH = 144
SHAPES = {
    "2 layers of 64 over 48 steps": NetworkConfig(lags=24, positions=48, layers=2, hidden=64),
    "default network for months": recipe_for(Frequency.parse("MS"), MONTHS).networks[0],
}
ALL = "series in, labelled forecasts and intervals out"
FRAMES = "ours, data frames"
MANY = 1000


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What forecasts of `rows` series took on at most `threads` threads, seconds by side.

    A side that is not installed is missing.
    """

    what: str
    rows: int
    threads: int
    seconds: dict[str, float]


def measure(peers: Peers, *, budget: float, quick: bool) -> list[Forecasts]:
    """Measure every case, or when `quick` the smaller ones, and print it."""
    print("\nForecast in process, µs")
    shapes, sizes = list(SHAPES), [(1, 1), (MANY, 1), (MANY, 2)]
    if quick:
        shapes, sizes = shapes[:1], sizes[:2]
    cases = [(name, rows, threads) for name in shapes for rows, threads in sizes]
    measured = []
    for name, rows, threads in cases:
        measured.append(Forecasts(name, rows, threads, _network_alone(name, rows, threads, peers, budget)))
        print(_line(measured[-1]), flush=True)
    for rows in (1,) if quick else (1, MANY):
        measured.append(Forecasts(ALL, rows, 2, _everything(rows, peers, budget)))
        print(_line(measured[-1]), flush=True)
    return measured


def _line(one: Forecasts) -> str:
    sides = ", ".join(f"{side} {1e6 * seconds:,.0f}" for side, seconds in one.seconds.items())
    return f"{one.rows:5d} series, threads {one.threads}, {one.what}: {sides}"


def _network_alone(name: str, rows: int, threads: int, peers: Peers, budget: float) -> dict[str, float]:
    """Measure the same weights in each engine.

    The peers get their inputs ready. So do we for one series; for many our time has cutting them from the series in
    it, and sorting the quantiles, as ``window_quantiles`` of the library does it.
    """
    config = SHAPES[name]
    network = ForecastNetwork(config, HORIZON)
    network.initialise(np.random.default_rng(0))
    scaled, series = scale_panel(months(random_walks(rows))), np.arange(rows)
    ends, packed = scaled.offsets[1:] - 1, Packed(network)
    space = Workspace(network, config.positions, rows, first=config.positions - 1, training=False)
    load_inputs(scaled, series, ends, config.lags, space)
    x, expected = space.x[..., : network.inputs].copy(), forward(packed, space)[0, : network.outputs]
    with Threads(threads) as executor:

        def many() -> NDArray[np.float64]:
            return window_quantiles(packed, scaled, series, ends, executor)

        sides: dict[str, Side] = {"ours": repeated(_one(packed, x) if rows == 1 else many)}
        path = peers.hand_over({**network.named_weights(), "x": x})
        for peer in ("torch", "onnxruntime"):
            if peer in peers.versions:
                outputs = peers.set_up(peer, "forecasting", path=path, threads=threads)
                np.testing.assert_allclose(expected, outputs, rtol=1e-3, atol=1e-5, err_msg=peer)
                sides[peer] = peers.side(peer)
        seconds = take_turns(sides, budget=budget)
    peers.ask("forget")
    return seconds


def _one(packed: Packed[ForecastNetwork], x: NDArray[np.float32]) -> Callable[[], NDArray[np.float32]]:
    """Return a forecast from ready inputs: in, through the network, out."""
    network = packed.network
    space = Workspace(network, len(x), 1, first=len(x) - 1, training=False)

    def forecast() -> NDArray[np.float32]:
        space.x[..., : x.shape[2]] = x
        return forward(packed, space)[:, : network.outputs].copy()

    return forecast


def _everything(rows: int, peers: Peers, budget: float) -> dict[str, float]:
    """Measure the warm call of a user: ours from a panel and from a data frame, NeuralForecast's ``predict``."""
    import pandas as pd

    values = random_walks(rows)
    panel = months(values)
    model = Forecaster(h=HORIZON, training=TrainingConfig(steps=2)).fit(panel)
    dates = [time for _ in range(rows) for time in panel.times(0)]
    frame = pd.DataFrame({"unique_id": np.repeat(panel.ids, LENGTH), "ds": dates, "y": values.ravel()})
    sides = {"ours": repeated(lambda: model.forecast(panel)), FRAMES: repeated(lambda: model.predict(frame))}
    if "neuralforecast" in peers.versions:
        path = peers.hand_over({"values": values})
        given = peers.set_up("neuralforecast", "predicting", path=path, h=HORIZON)
        if given != rows * HORIZON:
            raise RuntimeError(f"NeuralForecast gave {given} rows, expected {rows * HORIZON}.")
        sides["neuralforecast"] = peers.side("neuralforecast")
    seconds = take_turns(sides, budget=budget)
    peers.ask("forget")
    return seconds


def random_walks(rows: int, length: int = LENGTH) -> NDArray[np.float64]:
    """Return series (rows, length) that look like sales: positive, with a season, wandering."""
    steps = 0.05 * np.random.default_rng(0).standard_normal((rows, length)).cumsum(axis=1)
    season = 0.2 * np.sin(np.arange(length) * 2 * np.pi / MONTHS)
    walks: NDArray[np.float64] = 100 * np.exp(steps + season)
    return walks


def months(values: NDArray[np.float64]) -> Panel:
    """Return monthly series as a panel."""
    rows, length = values.shape
    dates = (np.datetime64("2000-02") + np.arange(length)).astype("datetime64[D]") - 1  # ends of months
    ids = [f"series {n}" for n in range(rows) for _ in range(length)]
    return Panel.from_columns(ids, np.tile(dates, rows), values.ravel())
