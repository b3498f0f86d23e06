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
from forecaster.network import ForecastNetwork
from forecaster.passes import Workspace, backward, forward
from forecaster.tasks.forecasting import summed_loss
from forecaster.training import _Adam, _Batch
from forecaster.trunk import Packed

Array = NDArray[np.float32]
Batch = _Batch[None, Workspace]


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


class ReadyTask:
    """A task whose inputs and targets are there already, as PyTorch gets its tensors.

    Copying them shard by shard into the workspace is part of the step; cutting windows out of series is not.
    """

    def __init__(self, network: ForecastNetwork, x: Array, targets: Array) -> None:
        self.network, self.x, self.targets = network, x, targets
        self.size = x.shape[1]
        self.held_out: tuple[None, ...] = ()

    def draw(self, rng: np.random.Generator) -> None:
        """Draw nothing: the rows are there."""

    def space(self, rows: int) -> Workspace:
        """Return buffers for a shard, all of whose targets count."""
        space = Workspace(self.network, len(self.x), rows, first=0, training=True)
        space.weights[:] = 1
        return space

    def learn(
        self, packed: Packed[ForecastNetwork], space: Workspace, _: None, shard: slice, gradient: Array
    ) -> tuple[float, float]:
        """Forward, loss, backward."""
        space.x[..., : self.x.shape[2]] = self.x[:, shard]
        space.targets.reshape(space.steps, space.rows, -1)[:] = self.targets[:, shard]
        loss = summed_loss(forward(packed, space), self.network, space)
        backward(packed, space, gradient)
        return loss, space.targets.size

    def judge(self, packed: Packed[ForecastNetwork], piece: None) -> tuple[float, float]:
        """Judge nothing: nothing is held out."""
        raise NotImplementedError


def network_of(cell: Cell) -> ForecastNetwork:
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
    network = ForecastNetwork(config, HORIZON)
    network.initialise(np.random.default_rng(0))
    return network


def task_of(cell: Cell) -> ReadyTask:
    """Return a cell's task, with random data."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((cell.steps, cell.batch, cell.inputs), np.float32)
    targets = rng.standard_normal((cell.steps, cell.batch, HORIZON), np.float32)
    return ReadyTask(network_of(cell), x, targets)


def batch_of(task: ReadyTask, executor: Executor) -> tuple[Batch, Callable[[], None]]:
    """Return a batch of a task, and its training step."""
    batch: Batch = _Batch(task, executor)
    adam = _Adam(task.network, TrainingConfig(steps=10, learning_rate=LEARNING_RATE, clip_norm=CLIP_NORM))

    def step() -> None:
        batch.gradient(None)
        adam.step(batch, 1)  # of ten steps the first has the full rate

    return batch, step


def measure_cell(cell: Cell, peers: Peers, *, budget: float) -> Step:
    """Measure one cell, after a look at whether both sides compute the same."""
    products = Products(cell.threads)
    with Threads(cell.threads) as executor:
        task = task_of(cell)
        batch, step = batch_of(task, executor)
        sides: dict[str, Side] = {"ours": repeated(step)}
        if "torch" in peers.versions:
            path = peers.hand_over({**task.network.named_weights(), "x": task.x, "targets": task.targets})
            facts = peers.set_up("torch", "training", path=path, cell=asdict(cell))
            _compare(batch.gradient(None), batch.norm / batch.weight, facts, cell)
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
