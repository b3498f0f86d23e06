"""The compiled passes of a forecast: what stands on the recurrent layers, forward and backward."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from functools import partial

import numpy as np

from forecaster.kernels.dense import dense_backward, dense_forward, skip_backward, skip_forward
from forecaster.network import Array, ForecastNetwork, padded, zeros
from forecaster.traces import States
from forecaster.trunk import SHARD_ROWS, Packed, Trunk, trunk_backward, trunk_forward

_KEPT_ROWS = (*range(1, 9), SHARD_ROWS)
"""Sizes of forecasts whose buffers are kept: to allocate them takes as long as to forecast from them."""

_TRACED = 2**24
"""Floats that the buffers of a traced pass may have."""


class Workspace(Trunk):
    """Buffers of one thread for forecasts from windows of `steps` time steps and `rows` rows.

    Parameters
    ----------
    network : ForecastNetwork
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
        network: ForecastNetwork,
        steps: int,
        rows: int,
        *,
        first: int,
        training: bool,
        judging: bool = False,
        traced: bool = False,
    ) -> None:
        super().__init__(network, steps, rows, training=training, traced=traced)
        outer = (steps - first) * rows
        self.first, self.lags = first, network.config.lags
        self.levels = np.zeros((steps, rows))
        self.dense = zeros(outer, padded(network.config.dense))
        self.outputs = zeros(outer, padded(network.outputs))
        if training or judging:
            self.targets, self.weights = zeros(outer, network.horizon), zeros(outer, network.horizon)
            self.d_outputs = zeros(*self.outputs.shape)
        if training:
            self.d_dense = zeros(*self.dense.shape)

    @property
    def states(self) -> list[States]:
        """What each layer computed in the last pass of an LSTM, if the gates of all steps are kept."""
        return [States(*layer) for layer in zip(self.h, self.c, self.gates, strict=True)]


def traced_rows(network: ForecastNetwork) -> int:
    """Return how many windows of a traced pass go together: a shard, or as many as 64 MB have room for."""
    config = network.config
    return max(1, min(SHARD_ROWS, _TRACED // (8 * config.layers * config.positions * padded(config.hidden))))


def forecasting(
    packed: Packed[ForecastNetwork], rows: int, *, traced: bool = False
) -> AbstractContextManager[Workspace]:
    """Lend a workspace for forecasts from the last position of `rows` windows, to one thread at a time.

    One that is `traced` keeps the gates of all steps, and is not kept itself.
    """
    network, steps = packed.network, packed.network.config.positions
    make = partial(Workspace, network, steps, rows, first=steps - 1, training=False, traced=traced)
    if traced:
        return nullcontext(make())
    return packed.lending(rows, make, keep=rows in _KEPT_ROWS)


def forward(packed: Packed[ForecastNetwork], space: Workspace) -> Array:
    """Run the network over ``space.x``; return the outputs ((T - first) * B, padded F * Q), a buffer of `space`."""
    trunk_forward(packed, space, space.first)
    from_row = space.first * space.rows
    dense_forward(space.top, from_row, packed.forward["dense.weight"], packed.biases["dense.bias"], True, space.dense)
    dense_forward(space.dense, 0, packed.forward["head.weight"], packed.biases["head.bias"], False, space.outputs)
    inputs = space.x.reshape(-1, space.x.shape[2])
    skip_forward(inputs, from_row, packed.forward["skip.weight"], space.outputs)
    return space.outputs


def backward(packed: Packed[ForecastNetwork], space: Workspace, gradient: Array) -> None:
    """Run backward from ``space.d_outputs``, after `forward`; adds to `gradient`, a flat vector like the weights."""
    parts = packed.network.parts

    def d(name: str) -> Array:
        return parts[name].stored(gradient)

    space.d_dense[:] = 0
    space.d_y[:] = 0
    from_row = space.first * space.rows
    skip_backward(space.x.reshape(-1, space.x.shape[2]), from_row, space.d_outputs, d("skip.weight"))
    dense_backward(
        space.dense, 0, space.outputs, space.d_outputs, packed.backward["head.weight"], False,
        d("head.weight"), d("head.bias"), space.d_dense,
    )  # fmt: skip
    dense_backward(
        space.top, from_row, space.dense, space.d_dense, packed.backward["dense.weight"], True,
        d("dense.weight"), d("dense.bias"), space.d_y.reshape(space.top.shape),
    )  # fmt: skip
    trunk_backward(packed, space, gradient)
