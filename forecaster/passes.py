"""The compiled passes through the network's layers: packed weights, buffers, forward and backward."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from forecaster.kernels.dense import dense_backward, dense_forward, skip_backward, skip_forward
from forecaster.kernels.lstm import AT_ONCE_ROWS, lstm_backward, lstm_forward
from forecaster.kernels.products import pack
from forecaster.network import Array, Network, padded, zeros
from forecaster.traces import States

SHARD_ROWS = 32
"""Windows that go through the network together: their working set stays in the second-level cache."""

_KEPT_ROWS = (*range(1, 9), SHARD_ROWS)
"""Sizes of forecasts whose buffers are kept."""


_TRACED = 2**24
"""Floats that the buffers of a traced pass may have."""


class Packed:
    """Weights in the panel layout of the kernels; to be refreshed, or made anew, when they change.

    Parameters
    ----------
    network : Network
        Whose weights.
    backward : bool
        Whether to pack them for the backward pass as well.

    Attributes
    ----------
    forward
        By weight name: packed for ``x W'``.
    backward
        By weight name: packed for ``dY W``; empty unless asked for.
    biases
        By weight name: as the network has it, padded.
    """

    def __init__(self, network: Network, *, backward: bool = False) -> None:
        self.network = network
        self._spaces: dict[int, list[Workspace]] = {rows: [] for rows in _KEPT_ROWS}
        self.forward: dict[str, Array] = {}
        self.backward: dict[str, Array] = {}
        self.biases = {name: part.stored(network.memory) for name, part in network.parts.items() if not part.columns}
        for part in network.parts.values():
            if part.columns:
                self.forward[part.name] = zeros(part.size)
                if backward and part.name != "skip.weight":  # nothing below it has a gradient
                    self.backward[part.name] = zeros(part.size)
        self.refresh()

    def refresh(self) -> None:
        """Take over the network's weights as they are now."""
        for name, packed in self.forward.items():
            matrix = self.network.parts[name].stored(self.network.memory)
            rows, columns = matrix.shape
            pack(matrix.reshape(-1), 1, columns, columns, rows, packed)
        for name, packed in self.backward.items():
            matrix = self.network.parts[name].stored(self.network.memory)
            rows, columns = matrix.shape
            pack(matrix.reshape(-1), columns, 1, rows, columns, packed)

    @contextmanager
    def forecasting(self, rows: int, *, traced: bool = False) -> Iterator[Workspace]:
        """Lend a workspace for forecasts from the last position of `rows` windows, to one thread at a time.

        Those for a few windows and for a whole shard are kept: to allocate one takes as long as to forecast from it.
        One that is `traced` keeps the gates of all steps, and is not.
        """
        kept = [] if traced else self._spaces.get(rows, [])
        steps = self.network.config.positions
        try:
            space = kept.pop()
        except IndexError:  # none was kept, or another thread took the last one
            space = self._workspace(steps, rows, traced=traced)
        try:
            yield space
        finally:
            kept.append(space)

    def _workspace(self, steps: int, rows: int, *, traced: bool) -> Workspace:
        return Workspace(self.network, steps, rows, first=steps - 1, training=False, traced=traced)


class Workspace:
    """Buffers of one thread for windows of `steps` time steps and `rows` rows.

    Parameters
    ----------
    network : Network
        Whose shapes count.
    steps, rows : int
        T and B.
    first : int
        First step the head gives a forecast at.
    training : bool
        Whether to keep what the backward pass needs.
    judging : bool
        Whether there are targets to compute a loss from; in training there are.
    traced : bool
        Whether to keep the gates of all steps; no bit of the outputs depends on it.
    """

    def __init__(
        self,
        network: Network,
        steps: int,
        rows: int,
        *,
        first: int,
        training: bool,
        judging: bool = False,
        traced: bool = False,
    ) -> None:
        config = network.config
        hidden, outer = padded(config.hidden), (steps - first) * rows
        # With few rows the inputs of all steps make one product, whose result has to be kept (``lstm_forward``).
        kept = steps if training or traced or rows < AT_ONCE_ROWS else 1

        self.steps, self.rows, self.first, self.lags = steps, rows, first, config.lags
        self.x = zeros(steps, rows, padded(network.inputs))
        self.levels = np.zeros((steps, rows))
        self.h = [zeros(steps + 1, rows, hidden) for _ in range(config.layers)]
        self.c = [zeros(steps + 1, rows, hidden) for _ in range(config.layers)]
        self.gates = [zeros(kept, rows, 4 * hidden) for _ in range(config.layers)]
        self.tanh_c = [zeros(kept, rows, hidden) for _ in range(config.layers)]
        # What each layer hands upwards: the first its h, the others the sum of what they got and their h.
        self.y = [self.h[0][1:]] + [zeros(steps, rows, hidden) for _ in range(config.layers - 1)]
        self.dense = zeros(outer, padded(config.dense))
        self.outputs = zeros(outer, padded(network.outputs))
        if training or judging:
            self.targets, self.weights = zeros(outer, network.horizon), zeros(outer, network.horizon)
            self.d_outputs = zeros(*self.outputs.shape)
        if training:
            self.d_dense = zeros(*self.dense.shape)
            self.d_y, self.d_h = zeros(steps, rows, hidden), zeros(steps + 1, rows, hidden)
            self.d_c, self.no_d_x = zeros(rows, hidden), zeros(0, rows, padded(network.inputs))

    @property
    def states(self) -> list[States]:
        """What each layer computed in the last pass, if the gates of all steps are kept."""
        return [States(*layer) for layer in zip(self.h, self.c, self.gates, strict=True)]


def traced_rows(network: Network) -> int:
    """Return how many windows of a traced pass go together: a shard, or as many as 64 MB have room for."""
    config = network.config
    return max(1, min(SHARD_ROWS, _TRACED // (8 * config.layers * config.positions * padded(config.hidden))))


def forward(packed: Packed, space: Workspace) -> Array:
    """Run the network over ``space.x``; return the outputs ((T - first) * B, padded F * Q), a buffer of `space`."""
    below = space.x
    for k in range(packed.network.config.layers):
        lstm_forward(
            below,
            packed.forward[f"lstm.weight_ih_l{k}"],
            packed.forward[f"lstm.weight_hh_l{k}"],
            packed.biases[f"lstm.bias_l{k}"],
            space.h[k],
            space.c[k],
            space.gates[k],
            space.tanh_c[k],
        )
        if k:
            np.add(below, space.h[k][1:], out=space.y[k])  # (22)
        below = space.y[k]
    top = below.reshape(-1, below.shape[2])
    from_row = space.first * space.rows
    dense_forward(top, from_row, packed.forward["dense.weight"], packed.biases["dense.bias"], True, space.dense)
    dense_forward(space.dense, 0, packed.forward["head.weight"], packed.biases["head.bias"], False, space.outputs)
    inputs = space.x.reshape(-1, space.x.shape[2])
    skip_forward(inputs, from_row, packed.forward["skip.weight"], space.outputs)
    return space.outputs


def backward(packed: Packed, space: Workspace, gradient: Array) -> None:
    """Run backward from ``space.d_outputs``, after `forward`; adds to `gradient`, a flat vector like the weights."""
    network = packed.network

    def d(name: str) -> Array:
        return network.parts[name].stored(gradient)

    space.d_dense[:] = 0
    space.d_y[:] = 0
    from_row = space.first * space.rows
    skip_backward(space.x.reshape(-1, space.x.shape[2]), from_row, space.d_outputs, d("skip.weight"))
    dense_backward(
        space.dense, 0, space.outputs, space.d_outputs, packed.backward["head.weight"], False,
        d("head.weight"), d("head.bias"), space.d_dense,
    )  # fmt: skip
    top = space.y[-1].reshape(-1, space.y[-1].shape[2])
    dense_backward(
        top, from_row, space.dense, space.d_dense, packed.backward["dense.weight"], True,
        d("dense.weight"), d("dense.bias"), space.d_y.reshape(top.shape),
    )  # fmt: skip
    for k in reversed(range(network.config.layers)):
        space.d_h[0] = 0
        space.d_h[1:] = space.d_y
        space.d_c[:] = 0
        # d_y keeps the gradient that passes by the layer, to which its own d_x is added: (29).
        lstm_backward(
            space.y[k - 1] if k else space.x, space.h[k], space.c[k], space.gates[k], space.tanh_c[k],
            space.d_h, space.d_c,
            packed.backward[f"lstm.weight_ih_l{k}"], packed.backward[f"lstm.weight_hh_l{k}"],
            d(f"lstm.weight_ih_l{k}"), d(f"lstm.weight_hh_l{k}"), d(f"lstm.bias_l{k}"),
            space.d_y if k else space.no_d_x,
        )  # fmt: skip
