"""What a network has to beat: counts of pairs and triples of symbols, interpolated (modified Kneser-Ney).

The chance of a symbol after the n - 1 before it is its discounted share of what followed these, and what the discounts
left over is dealt out by the chance after the n - 2 before it, and so on down to "all are equally likely". Below the
highest order what counts is not how often a symbol came, but after how many different ones: "Francisco" is frequent,
yet unlikely after anything but "San". The discounts are those of Chen and Goodman (1998).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import InputError
from forecaster.rounds import Integers

NAMES = ("unigram", "bigram", "trigram")
"""By order."""

Floats = NDArray[np.float64]


class _Level(NamedTuple):
    """All n-grams of one length, as numbers in base V, ascending; and all their contexts."""

    grams: Integers
    counts: Integers
    contexts: Integers
    totals: Floats
    left: Floats
    discounts: Floats


class NGrams:
    """Chances of the next symbol after the `order` - 1 before it.

    Parameters
    ----------
    symbols : (N,) int64
        What is counted; at least `order`.
    size : int
        How many different symbols there are: they are below it.
    order : int
        1 for the symbol alone, 2 for pairs, 3 for triples.
    """

    def __init__(self, symbols: Integers, size: int, order: int = 3) -> None:
        if len(symbols) < order:
            raise InputError(f"expected {order} symbols or more to count, got {len(symbols)}.")
        if size**order >= 2**63:
            raise InputError(f"{size} symbols are too many for n-grams of {order}.")
        self.size, self.order = size, order
        grams, counts = np.unique(_grams(symbols, size, order), return_counts=True)
        levels = [_level(grams, counts, size)]
        for shorter in range(order - 1, 0, -1):
            grams, counts = np.unique(grams % size**shorter, return_counts=True)  # after how many different ones
            levels.append(_level(grams, counts, size))
        self._levels = levels[::-1]

    def probabilities(self, symbols: Integers) -> Floats:
        """Return the chance of each of `symbols` but the first, given those before it."""
        chances = [
            self._chances(_grams(symbols[:length], self.size, length), length)  # fewer before them than are looked at
            for length in range(2, min(self.order, len(symbols) + 1))
        ]
        begin = 1 if self.order == 1 else 0
        if len(symbols) - begin >= max(self.order, 1):
            chances.append(self._chances(_grams(symbols[begin:], self.size, self.order), self.order))
        return np.concatenate(chances) if chances else np.empty(0)

    def perplexity(self, symbols: Integers) -> float:
        """Return e to the mean surprise at each of `symbols` but the first."""
        return float(np.exp(-np.log(self.probabilities(symbols)).mean()))

    def _chances(self, grams: Integers, order: int) -> Floats:
        """Return the chance of the last symbol of each of `grams` after the others."""
        chances = np.full(len(grams), 1 / self.size)
        for length, level in enumerate(self._levels[:order], 1):
            own = grams % self.size**length
            found, place = _find(level.contexts, own // self.size)
            total, left = level.totals[place], level.left[place]
            known, at = _find(level.grams, own)
            count = np.where(known, level.counts[at], 0)
            share = np.maximum(count - level.discounts[np.minimum(count, 3)], 0) / total
            chances = np.where(found, share + left * chances, chances)
        return chances


def _grams(symbols: Integers, size: int, order: int) -> Integers:
    """Return all runs of `order` symbols, each as one number in base `size`."""
    count = len(symbols) - order + 1
    grams = np.zeros(count, np.int64)
    for k in range(order):
        grams = grams * size + symbols[k : k + count]
    return grams


def _level(grams: Integers, counts: Integers, size: int) -> _Level:
    discounts = _discounts(counts)
    contexts, place = np.unique(grams // size, return_inverse=True)
    totals = np.bincount(place, counts).astype(np.float64)
    left = np.bincount(place, discounts[np.minimum(counts, 3)]) / totals
    return _Level(grams, counts, contexts, totals, left, discounts)


def _discounts(counts: Integers) -> Floats:
    """Return what is taken off counts of 0, 1, 2, and 3 or more."""
    n1, n2, n3, n4 = (float(np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
    if not (n1 and n2):
        return np.array([0, 0.5, 0.5, 0.5])
    y = n1 / (n1 + 2 * n2)
    two = 2 - 3 * y * n3 / n2
    three = 3 - 4 * y * n4 / n3 if n3 else two
    return np.clip([0, 1 - 2 * y * n2 / n1, two, three], 0, [0, 0.95, 1.95, 2.95])


def _find(sorted_keys: Integers, keys: Integers) -> tuple[NDArray[np.bool_], Integers]:
    """Return whether each key is among the sorted ones, and where; any place if not."""
    place = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return sorted_keys[place] == keys, place
