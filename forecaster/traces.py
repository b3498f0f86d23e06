"""What a network goes through on its way to a forecast: gates and states of every layer at every time step.

Nothing is computed here. A pass, compiled or in NumPy, hands over the buffers it has just filled, and what is asked for
is copied out of them, without padding. The names are those of docs/lstm.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.network import Array, Network

__all__ = ["STATES", "LayerTrace", "NetworkTrace", "States", "numbers_of", "trace_for"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

STATES = ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state")
"""What a layer shows of each unit at each step, in the order of the equations."""


class States(NamedTuple):
    """What one layer computed for B windows; units may be padded.

    Attributes
    ----------
    h, c : (T + 1, B, H)
        Hidden and cell state, those before the first step in front.
    gates : (T, B, 4H)
        Input gate, forget gate, candidate and output gate, side by side.
    """

    h: Array
    c: Array
    gates: Array


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class LayerTrace:
    """One LSTM layer over N series and T time steps.

    Before the first step both states are zero.

    Attributes
    ----------
    layer : int
        Which one, from 0 upwards.
    input_gate, forget_gate, candidate, output_gate, cell_state, hidden_state : (N, T, H) float32
        As (2) to (7) in docs/lstm.md: ``cell_state[t] = forget_gate[t] * cell_state[t - 1] + input_gate[t] *
        candidate[t]`` and ``hidden_state = output_gate * tanh(cell_state)``.
    """

    layer: int
    input_gate: Array
    forget_gate: Array
    candidate: Array
    output_gate: Array
    cell_state: Array
    hidden_state: Array

    @property
    def units(self) -> int:
        """Units of the layer, H."""
        return int(self.cell_state.shape[2])

    def keep(self, windows: slice, states: States) -> None:
        """Copy what the layer computed for some of the windows."""
        units, (steps, rows, _) = self.units, states.gates.shape
        gates = states.gates.reshape(steps, rows, 4, -1)
        for place, name in enumerate(STATES[:4]):
            getattr(self, name)[windows] = gates[:, :, place, :units].swapaxes(0, 1)
        self.cell_state[windows] = states.c[1:, :, :units].swapaxes(0, 1)
        self.hidden_state[windows] = states.h[1:, :, :units].swapaxes(0, 1)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NetworkTrace:
    """One network over N series: what came in, what its layers did, and what it said.

    Attributes
    ----------
    network : int
        Which one, from 0 upwards.
    horizon : int
        Steps ahead it gives, F.
    season_removed : bool
        Whether it sees series without their season, which is put back after it.
    padding : (N,) int64
        Steps at the begin of each series' arrays that lie before the series begins. The network runs over them, with
        inputs of zeros.
    inputs : (N, T) float64
        The value at each step on the network's scale: its logarithm or a share of the series' mean size, without the
        season if that is removed; over a gap the last one is carried on.
    x : (N, T, I) float32
        What the first layer takes at each step: the last ``lags`` values, each minus the newest of them, and whether
        that was observed.
    layers : tuple of LayerTrace
        Those that were asked for.
    quantiles : (N, F, Q) float64
        What it said of the steps after the last, on its scale, ascending. With `season` added, their mean over all
        networks is the forecast before calibration.
    season : (N, F) float64
        What the season adds to that; zeros where it is not removed.
    """

    network: int
    horizon: int
    season_removed: bool
    padding: Integers
    inputs: Floats
    x: Array
    layers: tuple[LayerTrace, ...]
    quantiles: Floats
    season: Floats

    @property
    def steps(self) -> int:
        """Time steps the network runs over, T; the last of them is the newest value."""
        return int(self.inputs.shape[1])

    def keep(self, windows: slice, levels: Floats, x: Array, states: Sequence[States]) -> None:
        """Copy what went in, levels (T, B) and x (T, B, I), and what all layers computed, for some of the windows."""
        self.inputs[windows] = levels.T
        self.x[windows] = x[..., : self.x.shape[2]].swapaxes(0, 1)
        for layer in self.layers:
            layer.keep(windows, states[layer.layer])


def trace_for(network: Network, number: int, layers: Sequence[int], lengths: Integers) -> NetworkTrace:
    """Return a trace to be filled, of series with these `lengths` (N,) and of these layers of a network."""
    config, count, steps = network.config, len(lengths), network.config.positions
    return NetworkTrace(
        network=number,
        horizon=network.horizon,
        season_removed=config.deseasonalise,
        padding=np.maximum(steps - lengths, 0),
        inputs=np.zeros((count, steps)),
        x=np.zeros((count, steps, network.inputs), np.float32),
        layers=tuple(_layer_for(k, (count, steps, config.hidden)) for k in layers),
        quantiles=np.zeros((count, network.horizon, len(config.quantiles))),
        season=np.zeros((count, network.horizon)),
    )


def _layer_for(number: int, shape: tuple[int, int, int]) -> LayerTrace:
    return LayerTrace(layer=number, **{name: np.zeros(shape, np.float32) for name in STATES})


def numbers_of(network: Network, layers: int, count: int) -> int:
    """Return how many numbers the trace of so many layers and series holds."""
    config = network.config
    return count * config.positions * (len(STATES) * config.hidden * layers + network.inputs + 1)
