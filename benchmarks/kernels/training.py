"""A training step: forward, loss, backward, clipping, Adam; ours beside PyTorch's and the limit of the products."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import exp, isclose, log

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels.clock import Products, Side, repeated, take_turns
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.shapes import CLIP_NORM, DENSE, HORIZON, LEARNING_RATE, QUANTILES, Cell
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.executors import Executor, Threads
from forecaster.network import Network
from forecaster.passes import backward, forward
from forecaster.scaling import ScaledPanel
from forecaster.training import _Adam, _Batch, _loss, _Windows

Array = NDArray[np.float32]

_NONE = np.zeros(0, np.int64)
NOBODY = _Windows(_NONE, _NONE, _NONE, _NONE, np.zeros(0, np.float32))
"""No windows: a `ReadyBatch` has its own."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one cell took, in seconds.

    Attributes
    ----------
    cell
        The shape.
    ours, torch
        Median of a step; None without PyTorch.
    limit
        Time of the step's products at the rate of large ones, measured between the same turns.
    """

    cell: Cell
    ours: float
    torch: float | None
    limit: float


class ReadyBatch(_Batch):
    """The library's batch with inputs and targets that are there already, as PyTorch gets its tensors.

    Copying them shard by shard into the workspace is part of the step; cutting windows out of series is not.
    """

    def __init__(self, network: Network, x: Array, targets: Array, executor: Executor) -> None:
        nothing = ScaledPanel(np.zeros(0), np.zeros(0, np.bool_), np.zeros(1, np.int64), None)  # type: ignore[arg-type]  # a panel without series
        super().__init__(network, nothing, np.ones(0, np.float32), 0, x.shape[1], executor)
        self.x, self.targets = x, targets
        for spaces in self._spaces:
            for space in spaces.values():
                space.weights[:] = 1

    def _run_lane(self, lane: int, windows: _Windows) -> tuple[float, float]:  # noqa: ARG002
        gradient, loss, weight = self.gradients[lane], 0.0, 0.0
        gradient[:] = 0
        for shard in self.shards[lane :: len(self.gradients)]:
            space = self._spaces[lane][shard.stop - shard.start]
            space.x[..., : self.x.shape[2]] = self.x[:, shard]
            space.targets.reshape(space.steps, space.rows, -1)[:] = self.targets[:, shard]
            weight += space.targets.size
            outputs = forward(self.packed, space)
            loss += _loss(outputs, self.network, space)
            backward(self.packed, space, gradient)
        return loss, weight


def network_of(cell: Cell) -> Network:
    """Return a network with random weights, for any number of inputs.

    The library always sees a lag and whether it was observed, at least two inputs; the kernels take any number.
    """
    lags = cell.inputs - 1
    config = NetworkConfig(
        lags=max(lags, 1),
        positions=cell.steps,
        layers=cell.layers,
        hidden=cell.hidden,
        dense=DENSE,
        quantiles=QUANTILES,
    )
    object.__setattr__(config, "lags", lags)
    network = Network(config, HORIZON)
    network.initialise(np.random.default_rng(0))
    return network


def batch_of(cell: Cell, executor: Executor) -> tuple[ReadyBatch, Callable[[], None]]:
    """Return a cell's batch with random data, and its training step."""
    network, rng = network_of(cell), np.random.default_rng(1)
    x = rng.standard_normal((cell.steps, cell.batch, cell.inputs), np.float32)
    targets = rng.standard_normal((cell.steps, cell.batch, HORIZON), np.float32)
    batch = ReadyBatch(network, x, targets, executor)
    adam = _Adam(network, TrainingConfig(steps=10, learning_rate=LEARNING_RATE, clip_norm=CLIP_NORM))

    def step() -> None:
        batch.gradient(NOBODY)
        adam.step(batch, 1)  # of ten steps the first has the full rate

    return batch, step


def measure_cell(cell: Cell, peers: Peers, *, budget: float) -> Step:
    """Measure one cell, after a look at whether both sides compute the same."""
    products = Products(cell.threads)
    with Threads(cell.threads) as executor:
        batch, step = batch_of(cell, executor)
        sides: dict[str, Side] = {"ours": repeated(step)}
        if "torch" in peers.versions:
            path = peers.hand_over({**batch.network.named_weights(), "x": batch.x, "targets": batch.targets})
            facts = peers.set_up("torch", "training", path=path, cell=asdict(cell))
            _compare(batch.gradient(NOBODY), batch.norm / batch.weight, facts, cell)
            sides["torch"] = peers.side("torch")
        took = take_turns({**sides, "products": repeated(products)}, budget=budget)
    products.close()
    peers.ask("forget")
    return Step(cell, took["ours"], took.get("torch"), cell.flops / products.rate(took["products"]))


def _compare(loss: float, norm: float, facts: dict[str, float], cell: Cell) -> None:
    if not (isclose(loss, facts["loss"], rel_tol=1e-3) and isclose(norm, facts["norm"], rel_tol=5e-3)):
        raise RuntimeError(f"{cell}: our loss and gradient are {loss}, {norm}; PyTorch's {facts}.")


def measure(cells: Sequence[Cell], peers: Peers, *, budget: float) -> list[Step]:
    """Measure all cells and print each; those that were disturbed once more."""
    print("Training step, ms: ours, PyTorch's and how many times slower it is; the limit, and ours beside it")
    print("hidden batch steps layers inputs threads |     ours    torch   ratio |    limit   ratio")
    steps: dict[Cell, Step] = {}
    for cell in cells:
        steps[cell] = measure_cell(cell, peers, budget=budget)
        print(_line(steps[cell]), flush=True)
    for cell in [cell for cell in cells if _disturbed(cell, steps)]:
        again = measure_cell(cell, peers, budget=2 * budget)
        if (again.torch or 0.0) < (steps[cell].torch or 0.0):
            steps[cell] = again
            print(_line(again) + "  again", flush=True)
    return list(steps.values())


def _disturbed(cell: Cell, steps: Mapping[Cell, Step]) -> bool:
    """Tell whether PyTorch took longer on two threads than on one.

    Its threads wait for each other in a loop, so that anything else that runs on the machine costs it many times over.
    """
    alone = steps.get(replace(cell, threads=1))
    torch = steps[cell].torch
    if torch is None or cell.threads == 1 or alone is None or alone.torch is None:
        return False
    return torch > 1.2 * alone.torch


def _line(step: Step) -> str:
    sizes = "{hidden:6d} {batch:5d} {steps:5d} {layers:6d} {inputs:6d} {threads:7d}".format(**asdict(step.cell))
    peer = "       -       -" if step.torch is None else f"{1e3 * step.torch:8.3f} {step.torch / step.ours:7.2f}"
    return f"{sizes} | {1e3 * step.ours:8.3f} {peer} | {1e3 * step.limit:8.3f} {step.ours / step.limit:7.2f}"


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean, the one that fits ratios."""
    return exp(sum(map(log, values)) / len(values))
