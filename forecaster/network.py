"""The network: its weights as one flat vector with named views. The passes are in rooms of their own.

Layers: recurrent layers with residual connections from the second on, a dense layer with tanh, a linear head. That of
forecasts gives all F steps and Q quantiles at every position, and beside it is a linear map of the inputs (skip), which
learns at once what is linear in them, such as "as a week ago". Rows are padded to multiples of 16 floats
(``kernels/products.py``). Padded units have zero weights, so they stay zero forward (sigmoid(0) * tanh(0) = 0), get no
gradient and are left alone by the optimiser; the named views show only what is real.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from forecaster.config import NetworkConfig
from forecaster.errors import ModelFormatError
from forecaster.kernels import PANEL
from forecaster.shape import BLOCKS, Shape

Array = NDArray[np.float32]

_LINE = 16
"""Floats in a cache line."""


def padded(count: int) -> int:
    """Return `count` rounded up to whole panels."""
    return -(-count // PANEL) * PANEL


def zeros(*shape: int) -> Array:
    """Return zeros that begin at a cache line.

    NumPy's own begin anywhere: every second vector then lies in two lines, and a layer over one row took 60 µs, not 40.
    """
    size = math.prod(shape)
    memory = np.zeros(size + _LINE, np.float32)
    begin = -memory.ctypes.data // memory.itemsize % _LINE
    return memory[begin : begin + size].reshape(shape)


class Part(NamedTuple):
    """One weight matrix or bias inside the flat vector."""

    name: str
    blocks: int  # of rows, each padded for itself: the gates of a cell; else 1
    rows: int
    columns: int  # 0 for a bias
    at: int

    @property
    def size(self) -> int:
        """Floats, padding included."""
        return self.blocks * padded(self.rows) * (padded(self.columns) if self.columns else 1)

    def stored(self, vector: Array) -> Array:
        """Return the padded matrix (rows, columns) or bias inside `vector`, a view."""
        block = vector[self.at : self.at + self.size]
        return block.reshape(self.blocks * padded(self.rows), -1) if self.columns else block

    def real(self, vector: Array) -> Array:
        """Return what is not padding, a view: (blocks, rows, columns) or (blocks, rows)."""
        block = vector[self.at : self.at + self.size]
        if self.columns:
            return block.reshape(self.blocks, padded(self.rows), -1)[:, : self.rows, : self.columns]
        return block.reshape(self.blocks, -1)[:, : self.rows]


class Network:
    """Shape and weights.

    Parameters
    ----------
    shape : Shape
        Its sizes.

    Attributes
    ----------
    weights
        The flat vector; read-only once the network is frozen.
    memory
        The same numbers, for kernels only: to them a read-only array is one of another type, compiled anew.
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.inputs, self.outputs = shape.inputs, shape.outputs
        self.parts = self._lay_out()
        self.memory = zeros(sum(part.size for part in self.parts.values()))
        self.weights = self.memory

    def _lay_out(self) -> dict[str, Part]:
        shape, cell, hidden = self.shape, self.shape.cell, self.shape.hidden
        blocks = BLOCKS[cell]
        sizes: list[tuple[str, int, int, int]] = []
        if shape.embedding:
            sizes.append(("embedding.weight", 1, shape.symbols, shape.embedding))
        for k in range(shape.layers):
            sizes.append((f"{cell}.weight_ih_l{k}", blocks.weights, hidden, hidden if k else self.inputs))
            sizes.append((f"{cell}.weight_hh_l{k}", blocks.weights, hidden, hidden))
            sizes.append((f"{cell}.bias_l{k}", blocks.bias, hidden, 0))
        if shape.dense:
            sizes += [("dense.weight", 1, shape.dense, hidden), ("dense.bias", 1, shape.dense, 0)]
        if not shape.tied:
            sizes.append(("head.weight", 1, self.outputs, shape.top))
        sizes.append(("head.bias", 1, self.outputs, 0))
        if shape.skip:
            sizes.append(("skip.weight", 1, self.outputs, self.inputs))
        parts: dict[str, Part] = {}
        at = 0
        for size in sizes:
            part = Part(*size, at)
            parts[part.name] = part
            at += part.size
        return parts

    def like(self) -> Self:
        """Return a network of the same shape with weights of zeros."""
        return type(self)(self.shape)

    @property
    def n_weights(self) -> int:
        """Number of weights, padding left out."""
        return sum(part.blocks * part.rows * max(part.columns, 1) for part in self.parts.values())

    def initialise(self, rng: np.random.Generator) -> None:
        """Draw the weights: uniform within 1 / sqrt(fan), forget biases 1.

        The head is small, so that the first forecast is near "no change", and the first classes are equally likely.
        """
        self.weights[:] = 0
        cell = self.shape.cell
        for part in self.parts.values():
            view = part.real(self.weights)
            if part.columns:
                bound = 1 / np.sqrt(self.shape.hidden if part.name.startswith(cell) else part.columns)
                view[:] = rng.uniform(-bound, bound, view.shape)
        if cell == "lstm":
            for k in range(self.shape.layers):
                self.parts[f"lstm.bias_l{k}"].real(self.weights)[1] = 1.0
        if not self.shape.tied:
            self.parts["head.weight"].real(self.weights)[:] *= 0.1
        if self.shape.skip:
            self.parts["skip.weight"].real(self.weights)[:] = 0

    def freeze(self) -> None:
        """Make the weights read-only: from now on threads share them."""
        self.weights = self.memory.view()
        self.weights.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process is made from: the numbers once, not the two views of them."""
        return {**self.__dict__, "memory": self.memory[:], "weights": None, "frozen": not self.weights.flags.writeable}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Lay the numbers out anew, where they may be written and begin at a cache line."""
        frozen, numbers = state.pop("frozen"), state.pop("memory")
        self.__dict__.update(state)
        self.weights = self.memory = zeros(numbers.size)
        self.memory[:] = numbers
        if frozen:
            self.freeze()

    def named_weights(self) -> dict[str, Array]:
        """Return copies by name in PyTorch's packing: ``lstm.weight_ih_l0`` (4H, I), gates in the order i, f, g, o."""
        named = {}
        for part in self.parts.values():
            shape = (part.blocks * part.rows, part.columns) if part.columns else (part.blocks * part.rows,)
            named[part.name] = part.real(self.weights).reshape(shape).copy()
        return named

    def set_weights(self, named: Mapping[str, NDArray[np.generic]]) -> None:
        """Take over what `named_weights` gave, or the same in half precision.

        Raises
        ------
        ModelFormatError
            Names, shapes or types differ from this network's, or a weight is not finite.
        """
        if set(named) != set(self.parts):
            raise ModelFormatError(f"expected the weights {sorted(self.parts)}, got {sorted(named)}.")
        for part in self.parts.values():
            given, view = named[part.name], part.real(self.weights)
            shape = (part.blocks * part.rows, part.columns) if part.columns else (part.blocks * part.rows,)
            if given.shape != shape or given.dtype not in (np.float32, np.float16):
                raise ModelFormatError(
                    f"{part.name}: expected float32 or float16 of shape {shape}, "
                    f"got {given.dtype} of shape {given.shape}."
                )
            if not np.isfinite(given).all():
                raise ModelFormatError(f"{part.name} holds values that are not finite.")
            view[:] = given.reshape(view.shape)


class ForecastNetwork(Network):
    """A network that forecasts.

    Parameters
    ----------
    config : NetworkConfig
        Its settings.
    horizon : int
        Steps ahead the head gives, F.
    """

    def __init__(self, config: NetworkConfig, horizon: int) -> None:
        super().__init__(config.shape(horizon))
        self.config, self.horizon = config, horizon

    def like(self) -> Self:
        """Return a network of the same shape and settings with weights of zeros."""
        return type(self)(self.config, self.horizon)
