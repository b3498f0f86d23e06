"""The network: weights as one flat vector with named views, and the passes through its layers.

Layers: LSTM layers with residual connections from the second on, a dense layer with tanh, a linear head that gives all
F steps and Q quantiles at every position, and beside it a linear map of the inputs (skip), which learns at once what is
linear in them, such as "as a week ago". Rows are padded to multiples of 16 floats (``kernels/products.py``). Padded
units have zero weights, so they stay zero forward (sigmoid(0) * tanh(0) = 0), get no gradient and are left alone by the
optimiser; the named views show only what is real.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.config import NetworkConfig
from forecaster.errors import ModelFormatError
from forecaster.kernels.dense import dense_backward, dense_forward, skip_backward, skip_forward
from forecaster.kernels.lstm import AT_ONCE_ROWS, lstm_backward, lstm_forward
from forecaster.kernels.products import PANEL, pack

Array = NDArray[np.float32]

SHARD_ROWS = 32
"""Windows that go through the network together: their working set stays in the second-level cache."""


def padded(count: int) -> int:
    """Return `count` rounded up to whole panels."""
    return -(-count // PANEL) * PANEL


class Part(NamedTuple):
    """One weight matrix or bias inside the flat vector."""

    name: str
    gates: int  # 4 for the LSTM's, whose units are padded gate by gate; else 1
    rows: int
    columns: int  # 0 for a bias
    at: int

    @property
    def size(self) -> int:
        """Floats, padding included."""
        return self.gates * padded(self.rows) * (padded(self.columns) if self.columns else 1)

    def stored(self, vector: Array) -> Array:
        """Return the padded matrix (rows, columns) or bias inside `vector`, a view."""
        block = vector[self.at : self.at + self.size]
        return block.reshape(self.gates * padded(self.rows), -1) if self.columns else block

    def real(self, vector: Array) -> Array:
        """Return what is not padding, a view: (gates, rows, columns) or (gates, rows)."""
        block = vector[self.at : self.at + self.size]
        if self.columns:
            return block.reshape(self.gates, padded(self.rows), -1)[:, : self.rows, : self.columns]
        return block.reshape(self.gates, -1)[:, : self.rows]


class Network:
    """Weights and passes.

    Parameters
    ----------
    config : NetworkConfig
        The shape.
    horizon : int
        Steps ahead the head gives, F.
    """

    def __init__(self, config: NetworkConfig, horizon: int) -> None:
        self.config, self.horizon = config, horizon
        self.inputs = config.lags + 1  # the lags, and whether the newest of them was observed
        self.outputs = horizon * len(config.quantiles)
        self.parts = self._lay_out()
        self.weights: Array = np.zeros(sum(part.size for part in self.parts.values()), np.float32)

    def _lay_out(self) -> dict[str, Part]:
        hidden, dense = self.config.hidden, self.config.dense
        shapes: list[tuple[str, int, int, int]] = []
        for k in range(self.config.layers):
            shapes.append((f"lstm.weight_ih_l{k}", 4, hidden, hidden if k else self.inputs))
            shapes.append((f"lstm.weight_hh_l{k}", 4, hidden, hidden))
            shapes.append((f"lstm.bias_l{k}", 4, hidden, 0))
        shapes += [("dense.weight", 1, dense, hidden), ("dense.bias", 1, dense, 0)]
        shapes += [("head.weight", 1, self.outputs, dense), ("head.bias", 1, self.outputs, 0)]
        shapes.append(("skip.weight", 1, self.outputs, self.inputs))
        parts: dict[str, Part] = {}
        at = 0
        for shape in shapes:
            part = Part(*shape, at)
            parts[part.name] = part
            at += part.size
        return parts

    @property
    def n_weights(self) -> int:
        """Number of weights, padding left out."""
        return sum(part.gates * part.rows * max(part.columns, 1) for part in self.parts.values())

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the weights: uniform within 1 / sqrt(fan), forget biases 1.

        The head is small, so that the first forecast is near "no change".
        """
        self.weights[:] = 0
        for part in self.parts.values():
            view = part.real(self.weights)
            if part.columns:
                bound = 1 / np.sqrt(self.config.hidden if part.gates == 4 else part.columns)
                view[:] = rng.uniform(-bound, bound, view.shape)
        for k in range(self.config.layers):
            self.parts[f"lstm.bias_l{k}"].real(self.weights)[1] = 1.0
        self.parts["head.weight"].real(self.weights)[:] *= 0.1
        self.parts["skip.weight"].real(self.weights)[:] = 0

    def named_weights(self) -> dict[str, Array]:
        """Return copies by name in PyTorch's packing: ``weight_ih`` (4H, I) with gates in the order i, f, g, o."""
        named = {}
        for part in self.parts.values():
            shape = (part.gates * part.rows, part.columns) if part.columns else (part.gates * part.rows,)
            named[part.name] = part.real(self.weights).reshape(shape).copy()
        return named

    def set_weights(self, named: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `named_weights` gave.

        Raises
        ------
        ModelFormatError
            Names, shapes or types differ from this network's, or a weight is not finite.
        """
        if set(named) != set(self.parts):
            raise ModelFormatError(f"expected the weights {sorted(self.parts)}, got {sorted(named)}.")
        for part in self.parts.values():
            given, view = named[part.name], part.real(self.weights)
            shape = (part.gates * part.rows, part.columns) if part.columns else (part.gates * part.rows,)
            if given.shape != shape or given.dtype != np.float32:
                raise ModelFormatError(
                    f"{part.name}: expected float32 of shape {shape}, got {given.dtype} of shape {given.shape}."
                )
            if not np.isfinite(given).all():
                raise ModelFormatError(f"{part.name} holds values that are not finite.")
            view[:] = given.reshape(view.shape)

    def packed(self, *, backward: bool = False) -> Packed:
        """Return the weights laid out for the passes; to be made anew when they change."""
        return Packed(self, backward=backward)


class Packed:
    """Weights in the panel layout of the kernels.

    Attributes
    ----------
    forward
        By weight name: packed for ``x W'``.
    backward
        By weight name: packed for ``dY W``; empty unless asked for.
    """

    def __init__(self, network: Network, *, backward: bool) -> None:
        self.network = network
        self.forward: dict[str, Array] = {}
        self.backward: dict[str, Array] = {}
        for part in network.parts.values():
            if part.columns:
                self.forward[part.name] = np.empty(part.size, np.float32)
                if backward and part.name != "skip.weight":  # nothing below it has a gradient
                    self.backward[part.name] = np.empty(part.size, np.float32)
        self.refresh()

    def refresh(self) -> None:
        """Take over the network's weights as they are now."""
        for name, packed in self.forward.items():
            matrix = self.network.parts[name].stored(self.network.weights)
            rows, columns = matrix.shape
            pack(matrix.reshape(-1), 1, columns, columns, rows, packed)
        for name, packed in self.backward.items():
            matrix = self.network.parts[name].stored(self.network.weights)
            rows, columns = matrix.shape
            pack(matrix.reshape(-1), columns, 1, rows, columns, packed)

    def bias(self, name: str) -> Array:
        """Return a bias, padded."""
        return self.network.parts[name].stored(self.network.weights)


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
    """

    def __init__(
        self, network: Network, steps: int, rows: int, *, first: int, training: bool, judging: bool = False
    ) -> None:
        config = network.config
        hidden, outer = padded(config.hidden), (steps - first) * rows
        # With few rows the inputs of all steps make one product, whose result has to be kept (``lstm_forward``).
        kept = steps if training or rows < AT_ONCE_ROWS else 1

        def zeros(*shape: int) -> Array:
            return np.zeros(shape, np.float32)

        self.steps, self.rows, self.first = steps, rows, first
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
            self.d_outputs = np.zeros_like(self.outputs)
        if training:
            self.d_dense = np.zeros_like(self.dense)
            self.d_y, self.d_h = zeros(steps, rows, hidden), zeros(steps + 1, rows, hidden)
            self.d_c, self.no_d_x = zeros(rows, hidden), zeros(0, rows, padded(network.inputs))


def forward(packed: Packed, space: Workspace) -> Array:
    """Run the network over ``space.x``; return the outputs ((T - first) * B, padded F * Q), a buffer of `space`."""
    below = space.x
    for k in range(packed.network.config.layers):
        lstm_forward(
            below,
            packed.forward[f"lstm.weight_ih_l{k}"],
            packed.forward[f"lstm.weight_hh_l{k}"],
            packed.bias(f"lstm.bias_l{k}"),
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
    dense_forward(top, from_row, packed.forward["dense.weight"], packed.bias("dense.bias"), True, space.dense)
    dense_forward(space.dense, 0, packed.forward["head.weight"], packed.bias("head.bias"), False, space.outputs)
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
