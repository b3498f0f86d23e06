"""From numbers of symbols to a network that has learned which follows: its shape, how long, and how good it is."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SequenceConfig, TrainingConfig
from forecaster.executors import Threads
from forecaster.network import Network
from forecaster.ngrams import NAMES, NGrams
from forecaster.rounds import Integers
from forecaster.shape import Cell, Units

if TYPE_CHECKING:
    from forecaster.training import History, Progress

__all__ = ["LearnedSymbols", "held_out_places", "learn_symbols", "perplexity_of", "usual_network", "usual_training"]

_STEPS = 32
"""Steps that gradients go back."""
_STREAMS = 32
_EPOCHS, _MOST_STEPS = 6, 20_000
"""Times through all symbols, as long as these are not more steps: about half an hour on two processors."""
_MOST_EPOCHS, _FEW_STEPS = 15, 1500
"""Times through them as long as these are not more steps."""
_LEAST_STEPS = 300
_WORDS = ((600_000, 384, 0.4), (200_000, 256, 0.4), (60_000, 192, 0.5), (30_000, 128, 0.3), (0, 64, 0.2))
"""Words of a text, from so many on: units and dropout.

King James Bible, 896,000 words: 256 units and dropout .2 gave a perplexity of 28.2 in 358 CPU seconds, .3 and twice the
steps 27.9, 384 units and .4 27.5 in 854; with random words in place of a tenth of those that come in 29.9. Of 100,000
words: 128 units and .2 48.5 in 18 CPU seconds, .4 50.9, 192 and .5 with twice the steps 44.5 in 58, 256 44.0 in 98. Of
30,000 words 128 units are as good as 256.
"""
_MANY, _DRAWN = 3000, 1000
"""Of so many symbols a batch chooses among so many that are drawn, and those that follow in it."""
_JUDGED = 1000
"""Symbols a sequence must have for its end to be held out; what fewer would say is chance."""
_MOST_JUDGED = 50_000
_MOST_LOSS = 700.0
"""Of a training that went astray; more is no perplexity that a float can hold, or a description."""
_PIECES, _PIECE = 20, 500
"""What is held out comes from so many places at the most, so many symbols from each at the least.

Where one ends and the next begins, a symbol is followed by what may never follow it.
"""


@dataclass(frozen=True, slots=True, eq=False)
class LearnedSymbols:
    """What training came to.

    Attributes
    ----------
    network
        The trained network, frozen.
    history
        The training, look by look.
    accuracy
        Perplexity on what was held out, of the network and of counted symbols, pairs and triples; None if nothing was.
        That of the network is the best of all looks, by which its weights were chosen.
    seconds
        How long it took.
    """

    network: Network
    history: History
    accuracy: dict[str, float] | None
    seconds: float


def learn_symbols(
    known: Integers,
    held_out: Integers,
    size: int,
    config: SequenceConfig,
    training: TrainingConfig,
    *,
    seed: int,
    threads: int | None,
    progress: Callable[[Progress], None] | None = None,
) -> LearnedSymbols:
    """Train a network to tell which of `size` symbols follows, on `known` (N,), judged on what is `held_out` (M,)."""
    from forecaster.tasks.streams import StreamTask  # Numba: a suggestion needs none
    from forecaster.training import train

    began = time.perf_counter()
    rng = np.random.default_rng(seed)
    network = Network(config.shape(outputs=size, symbols=size, softmax=True))
    network.initialise(rng)
    _begin_as_often(network, known)
    task = StreamTask(
        network, known, config=config, streams=training.batch_size, steps=_STEPS, held_out=held_out,
        sampled=_DRAWN if size >= _MANY else 0,
    )  # fmt: skip
    with Threads(threads) as executor:
        history = train(task, config=training, rng=rng, executor=executor, progress=progress)
    network.freeze()
    seconds = time.perf_counter() - began
    return LearnedSymbols(network, history, _accuracy(history, known, held_out, size), seconds)


def held_out_places(count: int) -> NDArray[np.bool_]:
    """Return which of `count` symbols are held out, (N,): a twentieth, the end of each of up to twenty parts.

    Texts change on their way. The last twentieth of the Bible, the Revelation, is like no other: a network that had a
    perplexity of 53 on pages from everywhere had 101 on it.
    """
    held_out = np.zeros(count, bool)
    if count >= _JUDGED:
        share = min(count // 20, _MOST_JUDGED)
        pieces = max(1, min(_PIECES, share // _PIECE))
        ends = np.linspace(0, count, pieces + 1)[1:].astype(np.int64)
        held_out[(ends[:, None] - np.arange(1, share // pieces + 1)).ravel()] = True
    return held_out


def _begin_as_often(network: Network, symbols: Integers) -> None:
    """Let a network begin by saying each symbol as often as it comes: it takes hundreds of steps to learn that."""
    often = 1 + np.bincount(symbols, minlength=network.outputs)
    network.parts["head.bias"].real(network.weights)[:] = np.log(often / often.sum())


def usual_network(units: Units, size: int, count: int, cell: Cell) -> SequenceConfig:
    """Return a shape for so many symbols to learn from, of `size` different ones."""
    if units != "words" and size <= 256:  # few symbols: one-hot vectors say it all
        hidden = 256 if count >= 300_000 else 128 if count >= 30_000 else 64
        return SequenceConfig(cell=cell, hidden=hidden, embedding=0, dropout=0.1 if count >= _JUDGED else 0.0)
    _, hidden, dropout = next(row for row in _WORDS if count >= row[0])
    return SequenceConfig(cell=cell, hidden=hidden, embedding=hidden, tied=True, dropout=dropout)


def usual_training(count: int) -> TrainingConfig:
    """Return how long to train: several times through all symbols, more often through few, through many once."""
    through = count // (_STREAMS * _STEPS)
    few, many = min(_MOST_EPOCHS * through, _FEW_STEPS), min(_EPOCHS * through, _MOST_STEPS)
    steps = max(_LEAST_STEPS, few, many, through)
    return TrainingConfig(
        steps=steps,
        batch_size=_STREAMS,
        learning_rate=4e-3 if count >= 30_000 else 1e-2,
        validate_every=max(10, steps // 20),
        patience=4,
        averaged=0.1,
    )


def _accuracy(history: History, known: Integers, held_out: Integers, size: int) -> dict[str, float] | None:
    """Return the perplexity on what was held out, beside that of counting."""
    losses = [report.validation_loss for report in history.reports if report.validation_loss is not None]
    if not losses:
        return None
    counted = {name: NGrams(known, size, order).perplexity(held_out) for order, name in enumerate(NAMES, 1)}
    return {"perplexity": perplexity_of(min(losses)), **counted}


def perplexity_of(loss: float) -> float:
    """Return the perplexity of a mean surprise in nats."""
    return math.exp(min(loss, _MOST_LOSS))
