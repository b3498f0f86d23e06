"""The same network, loss and optimiser in PyTorch, written as PyTorch is fastest at it. Runs in the peers' process.

Eager mode, as ``torch.nn.LSTM`` is used (on the processor its layers are oneDNN's, one call each; ``torch.compile``
is not tried), the fused Adam, and of four ways to write the pinball loss the fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.kernels.shapes import CLIP_NORM, HORIZON, LEARNING_RATE, QUANTILES, SHARES, Cell

Weights = dict[str, np.ndarray[Any, Any]]


class Network:
    """LSTM layers with residual connections, a tanh layer, a linear head and the skip: ``forecaster/network.py``."""

    def __init__(self, weights: Weights, *, last_only: bool) -> None:
        layers = range(sum(name.startswith("lstm.bias") for name in weights))
        names = ("lstm.weight_ih_l", "lstm.weight_hh_l", "lstm.bias_l")
        self.lstm = [_lstm(*(weights[f"{name}{k}"] for name in names)) for k in layers]
        self.dense = _linear(weights["dense.weight"], weights["dense.bias"])
        self.head = _linear(weights["head.weight"], weights["head.bias"])
        self.skip = _linear(weights["skip.weight"], None)
        modules = [*self.lstm, self.dense, self.head, self.skip]
        self.parameters = [parameter for module in modules for parameter in module.parameters()]
        self.last_only = last_only

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs (T or 1, B, F * Q) of inputs (T, B, I)."""
        y = x
        for k, layer in enumerate(self.lstm):
            h, _ = layer(y)
            y = y + h if k else h
        if self.last_only:
            x, y = x[-1:], y[-1:]
        result: torch.Tensor = self.head(torch.tanh(self.dense(y))) + self.skip(x)
        return result


def _lstm(weight_ih: np.ndarray[Any, Any], weight_hh: np.ndarray[Any, Any], bias: np.ndarray[Any, Any]) -> Any:
    layer = torch.nn.LSTM(weight_ih.shape[1], weight_hh.shape[1])
    _copy(layer.weight_ih_l0, weight_ih)
    _copy(layer.weight_hh_l0, weight_hh)
    _copy(layer.bias_ih_l0, bias)
    _copy(layer.bias_hh_l0, np.zeros_like(bias))  # PyTorch has two biases, we have one
    return layer


def _linear(weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any] | None) -> Any:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    _copy(layer.weight, weight)
    if bias is not None:
        _copy(layer.bias, bias)
    return layer


def _copy(parameter: torch.Tensor, values: np.ndarray[Any, Any]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def _load(path: str) -> tuple[Weights, Weights]:
    """Return weights and data that `Peers.hand_over` wrote."""
    with np.load(path) as file:
        arrays = dict(file)
    data = {name: arrays.pop(name) for name in ("x", "targets") if name in arrays}
    return arrays, data


def training(*, path: str, cell: dict[str, int]) -> tuple[Callable[[], object], dict[str, float]]:
    """Prepare a training step; return it, with the loss and the gradient's norm at the given weights."""
    torch.set_num_threads(Cell(**cell).threads)
    weights, data = _load(path)
    network = Network(weights, last_only=False)
    x, targets = torch.from_numpy(data["x"]), torch.from_numpy(data["targets"])[..., None]
    shares = torch.tensor(SHARES)
    quantiles = shares * torch.tensor(QUANTILES)
    optimiser = torch.optim.Adam(network.parameters, LEARNING_RATE, fused=True)

    def gradient() -> torch.Tensor:
        optimiser.zero_grad(set_to_none=True)
        errors = targets - network(x).view(*targets.shape[:2], HORIZON, len(QUANTILES))
        loss = (errors * (quantiles - shares * (errors.detach() < 0))).sum() / targets.numel()
        loss.backward()
        return loss

    def step() -> None:
        gradient()
        torch.nn.utils.clip_grad_norm_(network.parameters, CLIP_NORM)
        optimiser.step()

    loss = gradient().item()
    twice = {id(layer.bias_hh_l0) for layer in network.lstm}
    squares = [(p.grad**2).sum().item() for p in network.parameters if id(p) not in twice]
    return step, {"loss": loss, "norm": float(np.sqrt(sum(squares)))}


def forecasting(*, path: str, threads: int) -> tuple[Callable[[], object], list[float]]:
    """Prepare a forecast from the last step of inputs (T, B, I); return it, with the outputs of the first row."""
    torch.set_num_threads(threads)
    weights, data = _load(path)
    network = Network(weights, last_only=True)
    x = torch.from_numpy(data["x"])

    def forecast() -> torch.Tensor:
        with torch.inference_mode():
            return network(x)

    return forecast, forecast()[0, 0].tolist()
