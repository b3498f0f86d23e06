"""Rows drawn for training: at random, but each once before any comes again."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Rounds:
    """Draws whole numbers, round after round, each round in another order.

    Parameters
    ----------
    numbers : (N,) int64
        What is drawn; at least one.
    """

    def __init__(self, numbers: Integers) -> None:
        self._numbers, self._rest = numbers, np.zeros(0, np.int64)

    def draw(self, rng: np.random.Generator, count: int) -> Integers:
        """Return the next `count` of them."""
        while len(self._rest) < count:
            self._rest = np.concatenate((self._rest, rng.permutation(self._numbers)))
        drawn, self._rest = self._rest[:count], self._rest[count:]
        return drawn
