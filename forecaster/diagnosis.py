"""How far back gradients reach: what a cell can learn from, measured on a task that needs a long memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from forecaster.config import (
    SequenceConfig,
    SequenceLoss,
    TrainingConfig,
    check_cell,
    check_horizon,
    check_seed,
    check_whole,
    training_config,
)
from forecaster.errors import ConfigError
from forecaster.executors import Threads
from forecaster.network import Network, zeros
from forecaster.shape import Cell

if TYPE_CHECKING:
    from forecaster.tasks.labelled import Sequences
    from forecaster.training import History, Progress

MemoryTask = Literal["adding", "copy"]
TASKS: tuple[MemoryTask, ...] = get_args(MemoryTask)

USUAL = TrainingConfig(steps=3000, batch_size=64, learning_rate=0.01, validate_every=100, patience=1000, averaged=0.05)

_LEARNED_FROM, _HELD_OUT, _MEASURED = 8192, 256, 64
_SYMBOLS = 8


@dataclass(frozen=True, slots=True, eq=False)
class GradientFlow:
    """The gradient that reaches each step from the loss at the last one.

    Attributes
    ----------
    cell, task, hidden
        What was measured.
    norms
        (T,) norm of the gradient by the hidden state after each step, the last one's being 1: below 1 it vanishes on
        the way back, above 1 it explodes.
    trained_norms
        The same after training; None without.
    loss, chance
        On sequences held out, after training: the mean squared error of "adding", the cross-entropy of "copy"; beside
        it that of whoever remembers nothing. The loss is None without training.
    history
        The training: its steps, and how many of their gradients were clipped; None without.
    """

    cell: Cell
    task: MemoryTask
    hidden: int
    norms: NDArray[np.float64]
    trained_norms: NDArray[np.float64] | None
    loss: float | None
    chance: float
    history: History | None


class _Problem(NamedTuple):
    sequences: Sequences
    targets: NDArray[np.float32]


def gradient_flow(
    cell: Cell = "lstm",
    *,
    steps: int = 100,
    hidden: int = 32,
    task: MemoryTask = "adding",
    training: TrainingConfig | Mapping[str, Any] | None = None,
    trained: bool = True,
    gain: float = 1.0,
    seed: int = 0,
    threads: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> GradientFlow:
    """Return the gradient that reaches each earlier step through one recurrent layer, before and after training.

    Parameters
    ----------
    cell : "lstm", "gru" or "rnn"
        What the layer is made of.
    steps : int
        Length of the sequences.
    hidden : int
        Units of the layer.
    task : "adding" or "copy"
        Adding: of as many numbers from 0 to 1 as there are steps, one in each half is marked; their sum is asked for.
        Copy: one of 8 symbols comes first, then nothing; it is asked for at the end.
    training : TrainingConfig or mapping, optional
        How the network is trained, or some of its settings by name.
    trained : bool
        Whether to train at all.
    gain : float
        What the first recurrent weights are multiplied with: large ones make gradients explode.
    seed : int
        The same seed gives the same figures.
    threads : int, optional
        Threads; by default one for each processor this process may use.
    progress : callable, optional
        Gets a `Progress` every ``validate_every`` steps.

    Returns
    -------
    GradientFlow
        Norms (T,), without a unit: shares of the last step's.

    Raises
    ------
    ConfigError
        A setting is wrong.

    Notes
    -----
    The gradient by h_t is `d_h_t` in docs/lstm.md, (9) and (45), over 64 sequences. Adding is a task of S. Hochreiter
    and J. Schmidhuber, Long Short-Term Memory, Neural Computation 9, 1997.

    Examples
    --------
    >>> from forecaster import gradient_flow
    >>> flow = gradient_flow("rnn", steps=20, hidden=8, trained=False)
    >>> flow.norms.shape, float(flow.norms[-1])
    ((20,), 1.0)
    """
    from forecaster.tasks.labelled import LabelTask
    from forecaster.training import train

    cell, asked = check_cell(cell), training_config(training, USUAL)
    steps, hidden = check_whole("steps", steps, 2, 10_000), check_whole("hidden", hidden, 1, 2048)
    if task not in TASKS:
        raise ConfigError(f"task must be one of {', '.join(TASKS)}, got {task!r}.", column="task")
    if isinstance(gain, bool) or not isinstance(gain, (int, float)) or not 0 < gain <= 1000:
        raise ConfigError(f"gain must be a number above 0, up to 1000, got {gain!r}.", column="gain")
    threads = None if threads is None else check_horizon(threads, name="threads")
    rng = np.random.default_rng(check_seed(seed))
    problem = _PROBLEMS[task](steps, rng)
    loss: SequenceLoss = "squared" if task == "adding" else "categorical"
    config = SequenceConfig(cell=cell, hidden=hidden, embedding=0, loss=loss)
    numbers, symbols = (2, 0) if task == "adding" else (0, _SYMBOLS + 1)
    network = Network(config.shape(outputs=problem.targets.shape[1], numbers=numbers, symbols=symbols))
    network.initialise(rng)
    network.parts[f"{cell}.weight_hh_l0"].real(network.weights)[:] *= np.float32(gain)
    before, chance = _norms(network, problem, loss), _chance(task)
    if not trained:
        return GradientFlow(cell, task, hidden, before, None, None, chance, None)
    judges = np.arange(_HELD_OUT)
    ones = np.ones(len(problem.targets), np.float32)
    learned = LabelTask(
        network, problem.sequences, problem.targets, ones, config=config, training=asked, held_out=judges
    )
    with Threads(threads) as executor:
        history = train(learned, config=asked, rng=rng, executor=executor, progress=progress)
    losses = [report.validation_loss for report in history.reports if report.step == history.best_step]
    return GradientFlow(cell, task, hidden, before, _norms(network, problem, loss), losses[0], chance, history)


def _adding(steps: int, rng: np.random.Generator) -> _Problem:
    count, half = _LEARNED_FROM + _HELD_OUT, steps // 2
    values = np.zeros((count, steps, 2), np.float32)
    values[..., 0] = rng.random((count, steps))
    rows, marked = np.arange(count), (rng.integers(0, half, count), rng.integers(half, steps, count))
    for one in marked:
        values[rows, one, 1] = 1
    targets = values[rows, marked[0], 0] + values[rows, marked[1], 0]
    return _Problem(_laid_out(values.reshape(-1, 2), count, steps), targets[:, None])


def _copy(steps: int, rng: np.random.Generator) -> _Problem:
    count = _LEARNED_FROM + _HELD_OUT
    symbols = np.full((count, steps), _SYMBOLS)
    symbols[:, 0] = rng.integers(0, _SYMBOLS, count)
    return _Problem(_laid_out(symbols.reshape(-1), count, steps), np.eye(_SYMBOLS, dtype=np.float32)[symbols[:, 0]])


_PROBLEMS: dict[MemoryTask, Callable[[int, np.random.Generator], _Problem]] = {"adding": _adding, "copy": _copy}


def _laid_out(values: Any, count: int, steps: int) -> Sequences:
    from forecaster.tasks.labelled import Sequences

    return Sequences(values, np.arange(count + 1) * steps)


def _chance(task: MemoryTask) -> float:
    """Return the loss of the best answer that is always the same: the variance of a sum of two, or the logarithm."""
    return 1 / 6 if task == "adding" else float(np.log(_SYMBOLS))


def _norms(network: Network, problem: _Problem, loss: str) -> NDArray[np.float64]:
    """Return the norm of the gradient by the hidden state after each step, over a few sequences held out."""
    from forecaster.heads import Readout, readout_backward, readout_forward, readout_loss
    from forecaster.trunk import Packed

    which, steps = np.arange(_MEASURED), int(problem.sequences.offsets[1])
    packed = Packed(network, backward=True)
    space = problem.sequences.load(which, Readout(network, steps, _MEASURED, training=True))
    space.targets[:], space.weights[:] = problem.targets[which], 1
    readout_forward(packed, space)
    readout_loss(space, loss)
    readout_backward(packed, space, zeros(network.weights.size))
    norms = np.sqrt((space.d_h[1:].astype(np.float64) ** 2).sum((1, 2)))
    return norms / norms[-1] if norms[-1] > 0 else norms  # type: ignore[no-any-return]  # of an array by a number
