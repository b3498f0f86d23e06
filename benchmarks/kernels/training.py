"""A training step: forward, loss, backward, clipping, Adam; ours beside PyTorch's and the limit of the products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import exp, isclose, log

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels.clock import Products, Side, repeated, take_turns
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.shapes import CLIP_NORM, DENSE, HORIZON, LEARNING_RATE, QUANTILES, Cell
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.executors import Executor, Threads
from forecaster.network import Network, backward, forward
from forecaster.training import _Adam, _Batch, _loss
from forecaster.windows import Integers, ScaledPanel

Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Step:
    """What one cell took, in seconds; `peer` is None without PyTorch.

    Attributes
    ----------
    cell
        The shape.
    ours, peer
        Median of a step.
    limit
        Time of the step's products at the rate of large ones, measured between the same turns.
    """

    cell: Cell
    ours: float
    peer: float | None
    limit: float


class ReadyBatch(_Batch):
    """The library's batch with inputs and targets that are there already, as PyTorch gets its tensors.

    Copying them shard by shard into the workspace is part of the step; cutting windows out of series is not.
    """

    def __init__(self, network: Network, x: Array, targets: Array, executor: Executor) -> None:
        nothing = ScaledPanel(np.zeros(0), np.zeros(0, np.bool_), np.zeros(1, np.int64), None)  # type: ignore[arg-type]
        super().__init__(network, nothing, 0, x.shape[1], executor)
        self.x, self.targets = x, targets
        for spaces in self._spaces:
            for space in spaces.values():
                space.weights[:] = 1

    def _run_lane(self, lane: int, series: Integers, ends: Integers) -> tuple[float, float]:  # noqa: ARG002
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


def network_of(*, hidden: int, layers: int, inputs: int, steps: int) -> Network:
    """Return a network with random weights, for any number of inputs.

    The library always sees a lag and whether it was observed, at least two inputs; the kernels take any number.
    """
    config = NetworkConfig(
        lags=max(inputs - 1, 1), positions=steps, layers=layers, hidden=hidden, dense=DENSE, quantiles=QUANTILES
    )
    object.__setattr__(config, "lags", inputs - 1)
    network = Network(config, HORIZON)
    network.initialise(np.random.default_rng(0))
    return network


def batch_of(cell: Cell, executor: Executor) -> tuple[ReadyBatch, Callable[[], None]]:
    """Return a cell's batch with random data, and its training step."""
    network = network_of(hidden=cell.hidden, layers=cell.layers, inputs=cell.inputs, steps=cell.steps)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((cell.steps, cell.batch, cell.inputs), np.float32)
    targets = rng.standard_normal((cell.steps, cell.batch, HORIZON), np.float32)
    batch = ReadyBatch(network, x, targets, executor)
    adam = _Adam(network, TrainingConfig(steps=1_000_000, learning_rate=LEARNING_RATE, clip_norm=CLIP_NORM))
    nobody = np.zeros(0, np.int64)

    def step() -> None:
        batch.gradient(nobody, nobody)
        adam.step(batch, 1)

    return batch, step


def measure_cell(cell: Cell, peers: Peers, *, budget: float) -> Step:
    """Measure one cell, after a look at whether both sides compute the same."""
    nobody = np.zeros(0, np.int64)
    with Threads(cell.threads) as executor:
        batch, step = batch_of(cell, executor)
        products = Products(cell.threads)
        sides: dict[str, Side] = {"ours": repeated(step), "products": repeated(products)}
        if "torch" in peers.versions:
            path = peers.hand_over("cell", {**batch.network.named_weights(), "x": batch.x, "targets": batch.targets})
            facts = peers.ask("set_up", name="step", peer="torch", what="training", path=path, cell=asdict(cell))
            _compare(batch.gradient(nobody, nobody), batch.norm / batch.weight, facts, cell)
            sides["torch"] = lambda calls: peers.side("step", calls)
        took = take_turns(sides, budget=budget)
        peers.ask("forget")
    return Step(cell, took["ours"], took.get("torch"), cell.flops / products.rate(took["products"]))


def _compare(loss: float, norm: float, facts: dict[str, float], cell: Cell) -> None:
    if not (isclose(loss, facts["loss"], rel_tol=1e-3) and isclose(norm, facts["norm"], rel_tol=5e-3)):
        raise RuntimeError(f"{cell}: our loss and gradient are {loss}, {norm}; PyTorch's {facts}.")


def measure(cells: Sequence[Cell], peers: Peers, *, budget: float) -> list[Step]:
    """Measure all cells and print each."""
    print("Training step, ms: ours, PyTorch and how many times slower it is, limit and ours beside it")
    print("hidden batch steps layers inputs threads |     ours    torch   ratio |    limit   ratio")
    steps = []
    for cell in cells:
        step = measure_cell(cell, peers, budget=budget)
        steps.append(step)
        print(_line(step), flush=True)
    return steps


def _line(step: Step) -> str:
    sizes = (step.cell.hidden, step.cell.batch, step.cell.steps, step.cell.layers, step.cell.inputs, step.cell.threads)
    shape = "{:6d} {:5d} {:5d} {:6d} {:6d} {:7d}".format(*sizes)
    peer = "      -       -" if step.peer is None else f"{1e3 * step.peer:8.3f} {step.peer / step.ours:7.2f}"
    return f"{shape} | {1e3 * step.ours:8.3f} {peer} | {1e3 * step.limit:8.3f} {step.ours / step.limit:7.2f}"


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean, the one that fits ratios."""
    return exp(sum(map(log, values)) / len(values))
