"""A forecast in NumPy alone: what answers while the compiled kernels are not there yet.

The same network as `passes.forward` computes, for the last position of each window only, so that neither Numba nor
compiled code is needed. Its float32 sums run in another order than the kernels': results differ from theirs in the
last digits, by less than 1e-5 of the largest (``tests/test_plain.py``). Equation numbers are those of docs/lstm.md.
"""

from __future__ import annotations

import numpy as np

from forecaster.network import Array, Network
from forecaster.scaling import Floats, Integers, ScaledPanel
from forecaster.traces import NetworkTrace, States

_SMALL = 2**18
"""Multiply-adds up to which OpenBLAS stays on the calling thread. Its own threads would wait, spinning, for those that
compile the kernels meanwhile: products took five times as long."""


def plain_quantiles(
    network: Network, panel: ScaledPanel, series: Integers, ends: Integers, trace: NetworkTrace | None = None
) -> Floats:
    """Return the scaled quantiles (B, F, Q) ascending, that follow position `ends` of each of `series`.

    Writes `trace`, if there is one; the quantiles are the same bits without it.
    """
    hidden = network.config.hidden
    rows = min(max(_SMALL // (4 * hidden * max(hidden, network.inputs)), 4), 32)
    results = np.empty((len(series), network.horizon, len(network.config.quantiles)))
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is not finite in the kernels either
        for at in range(0, len(series), rows):
            block = slice(at, at + rows)
            x, levels = inputs(network, panel, series[block], ends[block])
            states: list[States] | None = None if trace is None else []
            outputs = forward(network, x, states).astype(np.float64)
            results[block] = levels[-1][:, None, None] + outputs.reshape(-1, *results.shape[1:])
            if trace is not None and states is not None:
                trace.keep(block, levels, x, states)
    return np.sort(results, axis=2)


def inputs(network: Network, panel: ScaledPanel, series: Integers, ends: Integers) -> tuple[Array, Floats]:
    """Return the inputs (T, B, I) of windows and their levels (T, B); as `kernels.windows.gather_inputs`."""
    lags, steps = network.config.lags, network.config.positions
    begins = panel.offsets[series]
    positions = ends - np.arange(steps)[::-1, None]
    places = np.maximum(positions[..., None] + np.arange(1 - lags, 1), begins[:, None])
    values = panel.filled[places]
    x = np.empty((steps, len(series), network.inputs), np.float32)
    x[..., :lags] = values - values[..., -1:]
    x[..., lags] = panel.observed[places[..., -1]] & (positions >= begins)
    return x, values[..., -1]


def forward(network: Network, x: Array, states: list[States] | None = None) -> Array:
    """Run the network over x (T, B, I); return the outputs of the last position (B, F * Q).

    Adds what each layer computed to `states`, if asked to keep it.
    """
    y = x
    for k in range(network.config.layers):
        made = _lstm(network, k, y)
        y = made.h[1:] + y if k else made.h[1:]  # (22)
        if states is not None:
            states.append(made)
    hidden = np.tanh(_linear(network, "dense", y[-1]))  # (23)
    skip: Array = x[-1] @ _matrix(network, "skip.weight").T
    return _linear(network, "head", hidden) + skip  # (24)


def _lstm(network: Network, k: int, x: Array) -> States:
    """Run layer `k` over x (T, B, I) from states of zeros."""
    (steps, rows, _), units = x.shape, network.config.hidden
    # sigmoid(x) is tanh(x / 2) / 2 + 1 / 2, so that one call of tanh serves the gates i, f, g, o and cannot overflow.
    factor = np.repeat(np.array([0.5, 0.5, 1, 0.5], np.float32), units)
    shift = 1 - factor
    weight_ih = (factor[:, None] * _matrix(network, f"lstm.weight_ih_l{k}")).T
    weight_hh = (factor[:, None] * _matrix(network, f"lstm.weight_hh_l{k}")).T
    gates = x @ weight_ih + factor * _bias(network, f"lstm.bias_l{k}")  # the part of (1) that needs no h
    h = np.zeros((steps + 1, rows, units), np.float32)
    c = np.zeros((steps + 1, rows, units), np.float32)
    after = c[0]
    for t in range(steps):
        gate = gates[t]
        gate += h[t] @ weight_hh  # (1)
        np.tanh(gate, out=gate)
        gate *= factor
        gate += shift  # (2) to (5)
        before, after = after, c[t + 1]
        np.multiply(before, gate[:, units : 2 * units], out=after)
        after += gate[:, :units] * gate[:, 2 * units : 3 * units]  # (6)
        np.multiply(gate[:, 3 * units :], np.tanh(after), out=h[t + 1])  # (7)
    return States(h, c, gates)


def _linear(network: Network, name: str, x: Array) -> Array:
    product: Array = x @ _matrix(network, f"{name}.weight").T
    return product + _bias(network, f"{name}.bias")


def _matrix(network: Network, name: str) -> Array:
    """Return a weight matrix without its padding, the gates' rows below each other."""
    real = network.parts[name].real(network.weights)
    return real.reshape(-1, real.shape[2])


def _bias(network: Network, name: str) -> Array:
    return network.parts[name].real(network.weights).reshape(-1)
