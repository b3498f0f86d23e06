"""What is measured: cells of the grid, their sizes in floating-point operations. Imported by both processes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

HORIZON = 12
"""Steps ahead of the head, as for monthly series."""

DENSE = 32
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
SHARES = tuple((1.0 if q == 0.5 else 0.1) / 1.6 for q in QUANTILES)
"""What each quantile has to say in the loss, as in ``forecaster/kernels/losses.py``."""
CLIP_NORM = 1.0
LEARNING_RATE = 1e-5
"""Small: a cell's steps see one batch over and over, and the weights are to stay ordinary numbers."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One training step's shape.

    Attributes
    ----------
    hidden, batch, steps, layers, inputs
        H, B, T, L, I of the legend in ``forecaster/kernels/__init__.py``.
    threads
        Threads both sides may use.
    """

    hidden: int
    batch: int
    steps: int
    layers: int
    inputs: int
    threads: int

    @property
    def flops(self) -> int:
        """Floating-point operations of the matrix products of one step; additions and multiplications count alike.

        Each product of the forward pass has two in the backward pass, one for the weights and one for what came in;
        nothing needs the latter for the network's inputs.
        """
        gates, outputs = 4 * self.hidden, HORIZON * len(QUANTILES)
        first = gates * (2 * self.inputs + 3 * self.hidden)
        others = (self.layers - 1) * gates * 6 * self.hidden
        head = 3 * DENSE * (self.hidden + outputs) + 2 * self.inputs * outputs
        return 2 * self.batch * self.steps * (first + others + head)


def grid() -> list[Cell]:
    """Return every cell of the full run."""
    return [
        Cell(*sizes) for sizes in product((16, 32, 64, 128, 256), (1, 32, 256, 1024), (24, 96), (1, 2), (1, 24), (1, 2))
    ]


def quick_grid() -> list[Cell]:
    """Return a few cells that show the same: each hidden size, small and large batches."""
    cells = [Cell(hidden, batch, 24, 2, 24, 1) for hidden in (16, 32, 64, 128, 256) for batch in (1, 32, 256)]
    two = [Cell(hidden, 256, 24, 2, 24, 2) for hidden in (64, 256)]
    return [*cells, Cell(64, 32, 96, 1, 1, 1), *two]
