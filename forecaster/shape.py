"""The shape of a network: what goes in, which cell, how many layers, what comes out. It needs no Numba."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

Cell = Literal["lstm", "gru", "rnn"]
CELLS: tuple[Cell, ...] = get_args(Cell)

Units = Literal["words", "characters", "symbols"]
"""What the symbols are that come in: `vocabulary.Vocabulary`."""
UNITS: tuple[Units, ...] = get_args(Units)


class Blocks(NamedTuple):
    """What a cell is made of, in blocks of H.

    Attributes
    ----------
    weights
        Blocks of H rows, one below the other, of the input and the recurrent weights.
    bias
        Blocks of the bias. The GRU's last one is b_hn, which stands inside of the product with the reset gate.
    states
        Vectors of H numbers that go from step to step.
    """

    weights: int
    bias: int
    states: int


BLOCKS: dict[Cell, Blocks] = {"lstm": Blocks(4, 4, 2), "gru": Blocks(3, 4, 1), "rnn": Blocks(1, 1, 1)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What the weights of a network are, by their sizes.

    Attributes
    ----------
    numbers
        Numbers that come in at each step; 0 where symbols do.
    symbols
        Symbols there are, one of which comes in at each step; 0 where numbers do.
    embedding
        Numbers that stand for a symbol, which are learned; 0 for one-hot vectors.
    cell
        What the recurrent layers are made of.
    layers
        Recurrent layers; from the second on each adds to what it gets.
    hidden
        Units of each of them, H.
    dense
        Units of the tanh layer above them; 0 for none.
    outputs
        Numbers that come out of the head.
    skip
        Whether a linear map leads from what comes in straight to what comes out.
    softmax
        Whether at every step the head gives the logits of the symbol that follows; its weights are then used as they
        are (``kernels/softmax.py``), not packed.
    tied
        Whether these weights are those of the embedding.
    """

    hidden: int
    outputs: int
    numbers: int = 0
    symbols: int = 0
    embedding: int = 0
    cell: Cell = "lstm"
    layers: int = 1
    dense: int = 0
    skip: bool = False
    softmax: bool = False
    tied: bool = False

    @property
    def inputs(self) -> int:
        """Width of what the first layer gets, I."""
        return self.numbers or self.embedding or self.symbols

    @property
    def head(self) -> str:
        """Name of the weights of the head."""
        return "embedding.weight" if self.tied else "head.weight"

    @property
    def top(self) -> int:
        """Width of what the head gets."""
        return self.dense or self.hidden
