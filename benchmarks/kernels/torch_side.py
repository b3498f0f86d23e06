"""The same network, loss and optimiser in PyTorch, written as PyTorch is fastest at it. Runs in the peers' process.

Eager mode, as `torch.nn.LSTM` is used (its kernels are oneDNN's; ``torch.compile`` does not reach into them), the fused
Adam, and of several ways to write the pinball loss the fastest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from benchmarks.kernels.shapes import CLIP_NORM, HORIZON, LEARNING_RATE, QUANTILES, Cell


class Network(torch.nn.Module):
    """LSTM layers with residual connections, a tanh layer, a linear head and the skip: ``forecaster/network.py``."""

    def __init__(self, weights: dict[str, np.ndarray[Any, Any]], *, last_only: bool) -> None:
        super().__init__()
        self.last_only = last_only
        layers = sum(name.startswith("lstm.bias") for name in weights)
        self.lstm = torch.nn.ModuleList()
        for k in range(layers):
            hidden, inputs = weights[f"lstm.weight_hh_l{k}"].shape[1], weights[f"lstm.weight_ih_l{k}"].shape[1]
            layer = torch.nn.LSTM(inputs, hidden)
            _copy(layer.weight_ih_l0, weights[f"lstm.weight_ih_l{k}"])
            _copy(layer.weight_hh_l0, weights[f"lstm.weight_hh_l{k}"])
            _copy(layer.bias_ih_l0, weights[f"lstm.bias_l{k}"])
            torch.nn.init.zeros_(layer.bias_hh_l0)
            self.lstm.append(layer)
        self.dense = _linear(weights["dense.weight"], weights["dense.bias"])
        self.head = _linear(weights["head.weight"], weights["head.bias"])
        self.skip = _linear(weights["skip.weight"], None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the outputs (T or 1, B, F * Q) of inputs (T, B, I)."""
        y = x
        for k, layer in enumerate(self.lstm):
            h, _ = layer(y)
            y = y + h if k else h
        if self.last_only:
            x, y = x[-1:], y[-1:]
        result: torch.Tensor = self.head(torch.tanh(self.dense(y))) + self.skip(x)
        return result


def _copy(parameter: torch.Tensor, values: np.ndarray[Any, Any]) -> None:
    with torch.no_grad():
        parameter.copy_(torch.from_numpy(values))


def _linear(weight: np.ndarray[Any, Any], bias: np.ndarray[Any, Any] | None) -> torch.nn.Linear:
    layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    _copy(layer.weight, weight)
    if bias is not None:
        _copy(layer.bias, bias)
    return layer


def _load(path: str) -> tuple[dict[str, np.ndarray[Any, Any]], dict[str, np.ndarray[Any, Any]]]:
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
    quantiles = torch.tensor(QUANTILES)
    optimiser = torch.optim.Adam(network.parameters(), LEARNING_RATE, fused=True)

    def gradient() -> torch.Tensor:
        optimiser.zero_grad(set_to_none=True)
        errors = targets - network(x).view(*targets.shape[:2], HORIZON, len(QUANTILES))
        loss = (errors * (quantiles - (errors.detach() < 0).float())).mean()
        loss.backward()
        return loss

    def step() -> None:
        gradient()
        torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP_NORM)
        optimiser.step()

    loss = gradient().item()
    squares = [(p.grad**2).sum().item() for name, p in network.named_parameters() if "bias_hh" not in name]
    return step, {"loss": loss, "norm": float(np.sqrt(sum(squares)))}


def forecasting(*, path: str, threads: int) -> tuple[Callable[[], object], list[float]]:
    """Prepare a forecast from the last step of inputs (T, B, I); return it, with the outputs of the first row."""
    torch.set_num_threads(threads)
    weights, data = _load(path)
    network = Network(weights, last_only=True).eval()
    x = torch.from_numpy(data["x"])

    def forecast() -> torch.Tensor:
        with torch.inference_mode():
            return network(x)

    return forecast, forecast()[0, 0].tolist()
