"""What forecasters of symbols learn: one long sequence, of which every step is followed by the next symbol.

It is cut into streams that lie beside each other in a batch. A batch holds the next steps of all streams, and begins
with the states that the one before left behind: so the network remembers what lies before a batch, though gradients end
at its first step (truncated backpropagation through time).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SequenceConfig
from forecaster.heads import Candidates, NextSymbols, symbols_learn, symbols_loss
from forecaster.network import Array, Network
from forecaster.rounds import Integers
from forecaster.tasks.dropout import draw_masks, part_of
from forecaster.trunk import SHARD_ROWS, Masks, Packed, new_states

_JUDGED_STEPS = 512
"""Steps of a stream of what is held out, at least: the first of them are guessed without knowing what was before."""


class Stretch(NamedTuple):
    """The next steps of all streams, (T + 1, B): each symbol is followed by the one below. And their dropout."""

    symbols: Integers
    masks: Masks | None
    candidates: Candidates | None


class StreamTask:
    """What a network learns from one long sequence of symbols; see `training.Task`.

    Parameters
    ----------
    network : Network
        Learns; its shape has a softmax.
    symbols : (N,) int64
        What it sees; at least two.
    config : SequenceConfig
        Dropout.
    streams, steps : int
        B and T of a batch; fewer where the sequence is short.
    held_out : (M,) int64
        Another sequence, that no gradient sees; with fewer than two symbols all steps are made.
    sampled : int
        Symbols that a batch chooses among beside those that follow in it, drawn anew for each; 0 for all symbols.
    """

    def __init__(
        self,
        network: Network,
        symbols: Integers,
        *,
        config: SequenceConfig,
        streams: int,
        steps: int,
        held_out: Integers,
        sampled: int = 0,
    ) -> None:
        self.network, self._symbols, self._config = network, symbols, config
        self.size = max(1, min(streams, (len(symbols) - 1) // steps))
        self._steps = min(steps, (len(symbols) - 1) // self.size)
        self._length = (len(symbols) - 1) // self.size  # steps of a stream
        self._states = new_states(network, self.size)
        self._next = self._length  # the end: the first batch begins anew
        self.held_out = _streams_of(held_out)
        self._sampling = Sampling(symbols, network.outputs, sampled, self.size * self._steps) if sampled else None

    def draw(self, rng: np.random.Generator) -> Stretch:
        """Return the next steps of all streams; at their end they begin anew, cut at other places."""
        if self._next + self._steps > self._length:
            self._states[:] = 0
            self._next = int(rng.integers(min(self._steps, self._length - self._steps + 1)))
        at = self._next + self._length * np.arange(self.size)
        self._next += self._steps
        symbols = self._symbols[at + np.arange(self._steps + 1)[:, None]]
        masks = draw_masks(self.network, self.size, self._config.dropout, rng)
        candidates = None if self._sampling is None else self._sampling.draw(symbols[1:], rng)
        return Stretch(symbols, masks, candidates)

    def space(self, rows: int) -> NextSymbols:
        """Return buffers for `rows` streams."""
        return NextSymbols(self.network, self._steps, rows, training=True, dropout=self._config.dropout > 0)

    def learn(
        self, packed: Packed[Network], space: NextSymbols, drawn: Stretch, shard: slice, gradient: Array
    ) -> tuple[float, float]:
        """Add the gradient of a shard's summed loss to `gradient`; return that loss and how many symbols were guessed.

        Only this thread touches the states of these streams.
        """
        states = self._states[:, :, shard]
        _load(drawn.symbols[:, shard], space)
        space.candidates = drawn.candidates
        if drawn.candidates is not None:
            space.targets[:] = np.searchsorted(drawn.candidates.symbols, space.targets)
        space.masks = part_of(drawn.masks, shard)
        space.begin(states)
        loss = symbols_learn(packed, space, gradient)
        space.end(states)
        return loss, float(space.weights.sum(dtype=np.float64))

    def judge(self, packed: Packed[Network], streams: Integers) -> tuple[float, float]:
        """Return the summed loss over streams (T, B) of what is held out, and how many symbols were guessed."""
        return stream_loss(packed, streams, self._steps)


class Sampling:
    """Which symbols the batches choose among: those that follow in a batch, and some that are drawn, each for itself.

    S. Jean, K. Cho, R. Memisevic and Y. Bengio, On using very large target vocabulary for neural machine translation,
    2015. Each symbol is drawn in proportion to the square root of how often it comes: the rare ones add little to the
    sum over all symbols, but there are many of them.
    """

    def __init__(self, symbols: Integers, size: int, count: int, guessed: int) -> None:
        counts = np.bincount(symbols, minlength=size)
        often, roots = counts / len(symbols), np.sqrt(np.maximum(counts, 1))  # what never comes has to be unlearned
        self._chances = np.minimum(1.0, roots * count / roots.sum())
        among = 1 - (1 - self._chances) * (1 - often) ** guessed  # drawn, or one of those that follow
        self._shift = -np.log(among).astype(np.float32)

    def draw(self, following: Integers, rng: np.random.Generator) -> Candidates:
        """Return the candidates of a batch in which these symbols follow."""
        chosen = rng.random(len(self._chances)) < self._chances
        chosen[following] = True
        symbols = np.flatnonzero(chosen)
        return Candidates(symbols, self._shift[symbols])


def stream_loss(packed: Packed[Network], streams: Integers, steps: int) -> tuple[float, float]:
    """Return the summed cross-entropy of all symbols of `streams` (T, B) but the first, and how many they are.

    Goes `steps` at a time. A symbol below 0 is none, and is not guessed.
    """
    states = new_states(packed.network, streams.shape[1])
    loss, count = 0.0, 0.0
    spaces: dict[int, NextSymbols] = {}
    for at in range(0, len(streams) - 1, steps):
        stretch = streams[at : at + steps + 1]
        length = len(stretch) - 1
        if length not in spaces:
            spaces[length] = NextSymbols(packed.network, length, streams.shape[1], training=False)
        space = spaces[length]
        _load(stretch, space)
        space.begin(states)
        loss += symbols_loss(packed, space)
        space.end(states)
        count += float(space.weights.sum(dtype=np.float64))
    return loss, count


def _load(symbols: NDArray[np.int64], space: NextSymbols) -> None:
    """Write a stretch (T + 1, B) into `space`: what comes in, and what follows it."""
    space.symbols[:], following = symbols[:-1], symbols[1:]
    space.targets[:] = np.maximum(following, 0)
    space.weights[:] = following >= 0


def _streams_of(symbols: Integers) -> list[Integers]:
    """Return a long sequence as streams (T, B), up to 2 * SHARD_ROWS of them, in pieces of SHARD_ROWS.

    Each begins with the symbol the one before ends with, so that every symbol but the first is guessed once.
    """
    guessed = len(symbols) - 1
    if guessed < 1:
        return []
    count = max(1, min(2 * SHARD_ROWS, guessed // _JUDGED_STEPS))
    length = -(-guessed // count)
    filled = np.full(count * length + 1, -1)
    filled[: len(symbols)] = symbols
    streams = filled[np.arange(length + 1)[:, None] + length * np.arange(count)]
    return [streams[:, at : at + SHARD_ROWS].copy() for at in range(0, count, SHARD_ROWS)]
