"""What classifiers learn: sequences of any length, each with one answer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.config import SequenceConfig, TrainingConfig
from forecaster.heads import Readout, readout_backward, readout_forward, readout_loss
from forecaster.network import Array, Network
from forecaster.rounds import Integers, Rounds
from forecaster.tasks.dropout import draw_masks, part_of
from forecaster.trunk import SHARD_ROWS, Masks, Packed

_MOST_JUDGES = 1024
"""Sequences looked at in validation at the most: 4,000 would take as long as the steps between two looks."""


class Sequences(NamedTuple):
    """Sequences of any lengths, end to end.

    Attributes
    ----------
    values
        Symbols, (total,) int64, or numbers, (total, I) float32.
    offsets
        Where each begins, and where the last one ends, (N + 1,); none is empty.
    """

    values: NDArray[np.int64] | Array
    offsets: Integers

    def load(self, which: Integers, space: Readout) -> Readout:
        """Write some sequences into `space`; return its buffers up to the end of the longest of them."""
        lengths = self.offsets[which + 1] - self.offsets[which]
        space = space.cut(int(lengths.max()))
        space.ends[:] = lengths - 1
        into = space.symbols if self.values.ndim == 1 else space.x[..., : self.values.shape[1]]
        into[:] = -1 if self.values.ndim == 1 else 0
        for b, one in enumerate(which.tolist()):
            into[: lengths[b], b] = self.values[self.offsets[one] : self.offsets[one + 1]]
        return space


class Labelled(NamedTuple):
    """The sequences of a batch, and the dropout of each."""

    which: Integers
    masks: Masks | None


class LabelTask:
    """What a network learns from sequences with an answer each; see `training.Task`.

    Parameters
    ----------
    network : Network
        Learns.
    sequences : Sequences
        What it sees.
    targets : (N, outputs) float32
        What the answer to each should be: probabilities of classes, or numbers.
    weights : (N,) float32
        How much each counts.
    config : SequenceConfig
        Loss and dropout.
    training : TrainingConfig
        How many sequences a batch has.
    held_out : (V,) int64
        Sequences that no gradient sees; up to 1,024 of them decide when to stop. With none all steps are made.
    """

    def __init__(
        self,
        network: Network,
        sequences: Sequences,
        targets: Array,
        weights: Array,
        *,
        config: SequenceConfig,
        training: TrainingConfig,
        held_out: Integers,
    ) -> None:
        self.network, self._sequences, self._config = network, sequences, config
        self._targets, self._weights = targets, weights
        self._lengths = np.diff(sequences.offsets)
        seen = np.setdiff1d(np.arange(len(self._lengths)), held_out)
        self._rounds = Rounds(seen)
        self.size = min(training.batch_size, len(seen))
        judges = self._by_length(held_out)
        if len(judges) > _MOST_JUDGES:  # of all lengths, and of all classes as many as there are
            judges = judges[np.linspace(0, len(judges) - 1, _MOST_JUDGES).astype(np.int64)]
        self.held_out = [judges[at : at + SHARD_ROWS] for at in range(0, len(judges), SHARD_ROWS)]

    def _by_length(self, which: Integers) -> Integers:
        """Return sequences in the order of their lengths: those that go together are to be of one length, nearly."""
        return which[np.argsort(self._lengths[which], kind="stable")]

    def draw(self, rng: np.random.Generator) -> Labelled:
        """Return the sequences of a batch."""
        which = self._by_length(self._rounds.draw(rng, self.size))
        return Labelled(which, draw_masks(self.network, self.size, self._config.dropout, rng))

    def space(self, rows: int) -> Readout:
        """Return buffers for `rows` sequences."""
        return self._space(rows, int(self._lengths.max()), training=True)

    def _space(self, rows: int, steps: int, *, training: bool) -> Readout:
        dropout = training and self._config.dropout > 0
        return Readout(self.network, steps, rows, training=training, dropout=dropout)

    def learn(
        self, packed: Packed[Network], space: Readout, drawn: Labelled, shard: slice, gradient: Array
    ) -> tuple[float, float]:
        """Add the gradient of a shard's summed loss to `gradient`; return that loss and the sum of its weights."""
        space = self._load(drawn.which[shard], space)
        space.masks = part_of(drawn.masks, shard)
        readout_forward(packed, space)
        loss = readout_loss(space, self._config.loss)
        readout_backward(packed, space, gradient)
        return loss, self._weight(space)

    def judge(self, packed: Packed[Network], which: Integers) -> tuple[float, float]:
        """Return the summed loss on some of the sequences held out, and the sum of its weights."""
        space = self._load(which, self._space(len(which), int(self._lengths[which].max()), training=False))
        readout_forward(packed, space)
        return readout_loss(space, self._config.loss), self._weight(space)

    def _load(self, which: Integers, space: Readout) -> Readout:
        space = self._sequences.load(which, space)
        space.targets[:] = self._targets[which]
        space.weights[:] = self._weights[which][:, None]
        return space

    @staticmethod
    def _weight(space: Readout) -> float:
        return float(space.weights[:, 0].sum(dtype=np.float64))
