"""A forecast in process: of one series and of a thousand, the same weights in ours, PyTorch and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels.clock import Side, repeated, take_turns
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.shapes import HORIZON
from forecaster import Panel
from forecaster.config import NetworkConfig, default_network
from forecaster.executors import Threads
from forecaster.network import Network, Packed, Workspace, forward
from forecaster.tables import as_panel
from forecaster.windows import load_inputs, scale_panel, window_quantiles

MONTHS = 12
SHAPES = {
    "2 layers of 64 over 48 steps": NetworkConfig(lags=24, positions=48, layers=2, hidden=64),
    "the default network of monthly series": default_network(MONTHS),
}
MANY = 1000


@dataclass(frozen=True, slots=True)
class Forecasts:
    """What forecasts of `rows` series took on `threads` threads, seconds by side; a side that is not installed is
    missing.
    """

    shape: str
    rows: int
    threads: int
    seconds: dict[str, float]


def measure(peers: Peers, *, budget: float) -> list[Forecasts]:
    """Measure every shape, for one series and for many, and print each."""
    print("\nForecast with the same weights, µs")
    cases = [(name, rows, threads) for name in SHAPES for rows, threads in ((1, 1), (MANY, 1), (MANY, 2))]
    measured = []
    for name, rows, threads in cases:
        one = _measure(name, rows, threads, peers, budget)
        measured.append(one)
        sides = ", ".join(f"{side} {1e6 * seconds:,.0f}" for side, seconds in one.seconds.items())
        print(f"{rows:5d} series, {threads} threads, {name}: {sides}", flush=True)
    return measured


def _measure(name: str, rows: int, threads: int, peers: Peers, budget: float) -> Forecasts:
    config = SHAPES[name]
    network = Network(config, HORIZON)
    network.initialise(np.random.default_rng(0))
    panel = random_walks(rows, 144)
    scaled, series = scale_panel(panel), np.arange(rows)
    ends = scaled.offsets[1:] - 1
    packed = network.packed()
    space = Workspace(network, config.positions, rows, first=config.positions - 1, training=False)
    load_inputs(scaled, series, ends, config.lags, space)
    x = space.x[..., : network.inputs].copy()
    with Threads(threads) as executor:

        def many() -> NDArray[np.float64]:
            return window_quantiles(packed, scaled, series, ends, executor)

        ours = _one(packed, x) if rows == 1 else many
        expected = forward(packed, space)[0, : network.outputs]
        sides: dict[str, Side] = {"ours": repeated(ours)}
        path = peers.hand_over("forecast", {**network.named_weights(), "x": x})
        for peer in ("torch", "onnxruntime"):
            if peer in peers.versions:
                facts = peers.ask("set_up", name=peer, peer=peer, what="forecasting", path=path, threads=threads)
                np.testing.assert_allclose(expected, facts, rtol=1e-3, atol=1e-5, err_msg=peer)
                sides[peer] = _side(peers, peer)
        seconds = take_turns(sides, budget=budget)
        peers.ask("forget")
    return Forecasts(name, rows, threads, seconds)


def _side(peers: Peers, name: str) -> Side:
    return lambda calls: peers.side(name, calls)


def _one(packed: Packed, x: NDArray[np.float32]) -> Callable[[], NDArray[np.float32]]:
    """Return a forecast from ready inputs: in, through the network, out."""
    network = packed.network
    space = Workspace(network, len(x), 1, first=len(x) - 1, training=False)

    def forecast() -> NDArray[np.float32]:
        space.x[..., : x.shape[2]] = x
        return forward(packed, space)[:, : network.outputs].copy()

    return forecast


def random_walks(rows: int, length: int) -> Panel:
    """Return series that look like sales: positive, with a season, wandering."""
    rng = np.random.default_rng(0)
    steps = 0.05 * rng.standard_normal((rows, length)).cumsum(axis=1)
    season = 0.2 * np.sin(np.arange(length) * 2 * np.pi / MONTHS)
    values = 100 * np.exp(steps + season)
    return as_panel({f"series {n}": values[n] for n in range(rows)})
