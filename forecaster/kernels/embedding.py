"""Symbols on their way in: as rows of a learned table, or as one-hot vectors. Equation numbers are of docs/lstm.md.

A symbol below 0 is none, such as what stands after the end of a sequence that is shorter than others: it comes in as
zeros, and nothing is learned from it.
"""

from __future__ import annotations

import numpy as np

from forecaster.kernels._jit import Array, Integers, kernel

_ZERO, _ONE = np.float32(0.0), np.float32(1.0)


@kernel
def gather_rows(table: Array, symbols: Integers, x: Array) -> None:
    """Write into x (T, B, I) the rows of `table` (>= V, I) that `symbols` (T, B) name: (64)."""
    steps, rows, width = x.shape
    for t in range(steps):
        for b in range(rows):
            symbol, into = symbols[t, b], x[t, b]
            if symbol < 0:
                into[:] = _ZERO
                continue
            row = table[symbol]
            for j in range(width):
                into[j] = row[j]


@kernel
def scatter_rows(d_x: Array, symbols: Integers, d_table: Array) -> None:
    """Add d_x (T, B, I) to the rows of d_table (>= V, I) that `symbols` (T, B) name, in order: (65)."""
    steps, rows, width = d_x.shape
    for t in range(steps):
        for b in range(rows):
            symbol, of = symbols[t, b], d_x[t, b]
            if symbol < 0:
                continue
            row = d_table[symbol]
            for j in range(width):
                row[j] += of[j]


@kernel
def one_hot(symbols: Integers, x: Array) -> None:
    """Write into x (T, B, >= V) a 1 in the column that each of `symbols` (T, B) names, and zeros."""
    steps, rows, _ = x.shape
    x[:, :, :] = _ZERO
    for t in range(steps):
        for b in range(rows):
            if symbols[t, b] >= 0:
                x[t, b, symbols[t, b]] = _ONE
