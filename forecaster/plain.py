"""A forecast in NumPy alone: what answers while the compiled kernels are not there yet.

The same network as `passes.forward` computes, for the last position of each window only, so that neither Numba nor
compiled code is needed. What networks that see sequences answer is made of the same pieces: `enter`, `trunk`, `head`.
The float32 sums run in another order than the kernels': results differ from theirs in the last digits, by less than
1e-5 of the largest (``tests/test_plain.py``). Equation numbers are those of docs/lstm.md.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from forecaster.network import Array, ForecastNetwork, Network
from forecaster.scaling import Floats, Integers, ScaledPanel
from forecaster.shape import BLOCKS, Cell
from forecaster.traces import NetworkTrace, States

_SMALL = 2**18
"""Multiply-adds up to which OpenBLAS stays on the calling thread. Its own threads would wait, spinning, for those that
compile the kernels meanwhile: products took five times as long."""


_FEWEST = 64


def plain_quantiles(
    network: ForecastNetwork, panel: ScaledPanel, series: Integers, ends: Integers, trace: NetworkTrace | None = None
) -> Floats:
    """Return the scaled quantiles (B, F, Q) ascending, that follow position `ends` of each of `series`.

    Writes `trace`, if there is one; the quantiles are the same bits without it.
    """
    rows = rows_at_once(network)
    results = np.empty((len(series), network.horizon, len(network.config.quantiles)))
    with np.errstate(over="ignore", invalid="ignore"):  # what leaves float32 is not finite in the kernels either
        for at in range(0, len(series), rows):
            block = slice(at, at + rows)
            x, levels = inputs(network, panel, series[block], ends[block])
            made: list[States] | None = None if trace is None else []
            outputs = forward(network, x, made).astype(np.float64)
            results[block] = levels[-1][:, None, None] + outputs.reshape(-1, *results.shape[1:])
            if trace is not None and made is not None:
                trace.keep(block, levels, x, made)
    return np.sort(results, axis=2)


def rows_at_once(network: Network) -> int:
    """Return how many windows or sequences should go together, so that no product of a step has threads of its own."""
    hidden = network.shape.hidden
    return min(max(_SMALL // (4 * hidden * max(hidden, network.inputs)), 4), 32)


def inputs(network: ForecastNetwork, panel: ScaledPanel, series: Integers, ends: Integers) -> tuple[Array, Floats]:
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


def forward(network: ForecastNetwork, x: Array, made: list[States] | None = None) -> Array:
    """Run the network over x (T, B, I); return the outputs of the last position (B, F * Q).

    Adds what each layer computed to `made`, if asked to keep it.
    """
    skip: Array = x[-1] @ _matrix(network, "skip.weight").T
    return head(network, trunk(network, x, made=made)[0][-1]) + skip  # (24)


def head(network: Network, y: Array) -> Array:
    """Return what the head gives (..., outputs) where the last layer hands up y (..., H): (23), (24)."""
    if network.shape.dense:
        y = np.tanh(_linear(network, "dense", y))
    logits: Array = _products(y, _matrix(network, network.shape.head), apart=network.shape.softmax)
    return logits + _bias(network, "head.bias")


def _products(y: Array, matrix: Array, *, apart: bool) -> Array:
    """Return y (..., H) times each row of `matrix`; `apart`, so many of them at once as stay on the calling thread.

    A suggestion from 20,000 words beside other work took 64 ms and 8 ms of processor time at once, 22 and 2 apart.
    """
    rows = max(_FEWEST, _SMALL // y.size) if apart else len(matrix)
    return np.concatenate([y @ matrix[at : at + rows].T for at in range(0, len(matrix), rows)], axis=-1)


def enter(network: Network, symbols: NDArray[np.int64]) -> Array:
    """Return what comes in of symbols (T, B): rows of the embedding, or one-hot vectors; zeros of those below 0."""
    if network.shape.embedding:
        table: Array = network.parts["embedding.weight"].real(network.weights)[0]
    else:
        table = np.eye(network.shape.symbols, dtype=np.float32)
    x = table[symbols]  # (64)
    x[np.less(symbols, 0)] = 0
    return x


def trunk(
    network: Network, x: Array, states: Array | None = None, *, made: list[States] | None = None
) -> tuple[Array, Array]:
    """Run the recurrent layers over x (T, B, I), T at least 1.

    Returns what the last hands upwards (T, B, H), and the states after the last step (L, S, B, H): h, of an LSTM also
    c. From such `states` it goes on; without them from zeros. Adds what each layer computed to `made`, if asked to
    keep it.
    """
    shape, y = network.shape, x
    if states is None:
        states = np.zeros((shape.layers, BLOCKS[shape.cell].states, x.shape[1], shape.hidden), np.float32)
    layer, after = _CELLS[shape.cell], np.empty_like(states)
    for k in range(shape.layers):
        computed = layer(network, k, y, states[k])
        after[k] = [one[-1] for one in (computed.h, computed.c)[: len(after[k])]]
        y = computed.h[1:] + y if k else computed.h[1:]  # (22)
        if made is not None:
            made.append(computed)
    return y, after


def _lstm(network: Network, k: int, x: Array, before: Array) -> States:
    """Run layer `k` over x (T, B, I) from the states `before` (S, B, H)."""
    (steps, rows, _), units = x.shape, network.shape.hidden
    # sigmoid(x) is tanh(x / 2) / 2 + 1 / 2, so that one call of tanh serves the gates i, f, g, o and cannot overflow.
    factor = np.repeat(np.array([0.5, 0.5, 1, 0.5], np.float32), units)
    shift = 1 - factor
    weight_ih = (factor[:, None] * _matrix(network, f"lstm.weight_ih_l{k}")).T
    weight_hh = (factor[:, None] * _matrix(network, f"lstm.weight_hh_l{k}")).T
    gates = x @ weight_ih + factor * _bias(network, f"lstm.bias_l{k}")  # the part of (1) that needs no h
    h, c = np.empty((2, steps + 1, rows, units), np.float32)
    h[0], c[0] = before
    for t in range(steps):
        gate = gates[t]
        gate += h[t] @ weight_hh  # (1)
        np.tanh(gate, out=gate)
        gate *= factor
        gate += shift  # (2) to (5)
        np.multiply(c[t], gate[:, units : 2 * units], out=c[t + 1])
        c[t + 1] += gate[:, :units] * gate[:, 2 * units : 3 * units]  # (6)
        np.multiply(gate[:, 3 * units :], np.tanh(c[t + 1]), out=h[t + 1])  # (7)
    return States(h, c, gates)


def _gru(network: Network, k: int, x: Array, before: Array) -> States:
    """As `_lstm`; keeps no gates."""
    (steps, rows, _), units = x.shape, network.shape.hidden
    bias = _bias(network, f"gru.bias_l{k}")
    weight_hh = _matrix(network, f"gru.weight_hh_l{k}").T
    sums = x @ _matrix(network, f"gru.weight_ih_l{k}").T + bias[: 3 * units]
    h = np.empty((steps + 1, rows, units), np.float32)
    h[0] = before[0]
    for t in range(steps):
        of_h = h[t] @ weight_hh
        gates = 0.5 * np.tanh(0.5 * (sums[t, :, : 2 * units] + of_h[:, : 2 * units])) + np.float32(0.5)
        reset, update = gates[:, :units], gates[:, units:]  # (48), (49)
        m = of_h[:, 2 * units :] + bias[3 * units :]  # (50)
        candidate = np.tanh(sums[t, :, 2 * units :] + reset * m)  # (51)
        h[t + 1] = candidate + update * (h[t] - candidate)  # (52)
    return States(h)


def _rnn(network: Network, k: int, x: Array, before: Array) -> States:
    """As `_gru`."""
    (steps, rows, _), units = x.shape, network.shape.hidden
    weight_hh = _matrix(network, f"rnn.weight_hh_l{k}").T
    sums = x @ _matrix(network, f"rnn.weight_ih_l{k}").T + _bias(network, f"rnn.bias_l{k}")
    h = np.empty((steps + 1, rows, units), np.float32)
    h[0] = before[0]
    for t in range(steps):
        np.tanh(sums[t] + h[t] @ weight_hh, out=h[t + 1])  # (44)
    return States(h)


_CELLS: dict[Cell, Callable[[Network, int, Array, Array], States]] = {"lstm": _lstm, "gru": _gru, "rnn": _rnn}


def _linear(network: Network, name: str, x: Array) -> Array:
    product: Array = x @ _matrix(network, f"{name}.weight").T
    return product + _bias(network, f"{name}.bias")


def _matrix(network: Network, name: str) -> Array:
    """Return a weight matrix without its padding, the gates' rows below each other."""
    real = network.parts[name].real(network.weights)
    return real.reshape(-1, real.shape[2])


def _bias(network: Network, name: str) -> Array:
    return network.parts[name].real(network.weights).reshape(-1)
