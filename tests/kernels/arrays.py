"""Arrays for the tests of kernels: drawn, padded, compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forecaster.kernels import PANEL
from forecaster.kernels.products import pack
from tests.reference import Array

Array32 = NDArray[np.float32]

ROWS = [1, 2, 3, 4, 5, 7, 8, 9, 31, 32]
"""Row counts around the heights of the tiles (1, 4, 8) and of a shard."""
HIDDEN = [3, 16, 17, 40]
"""Widths below, at, just above a panel, and with a panel left over after a pair of them."""


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Array:
    """Draw normal numbers that float32 holds exactly, as float64."""
    drawn = scale * np.random.default_rng([seed, *shape]).standard_normal(shape)
    return drawn.astype(np.float32).astype(np.float64)


def padded(count: int) -> int:
    """Round up to whole panels."""
    return -(-count // PANEL) * PANEL


def pad(array: Array) -> Array32:
    """Give the last axis zeros up to a whole panel."""
    wide = np.zeros((*array.shape[:-1], padded(array.shape[-1])), np.float32)
    wide[..., : array.shape[-1]] = array
    return wide


def pad_rows(matrix: Array, gates: int = 1) -> Array32:
    """Pad the columns of a weight matrix, and the rows of each of its gates."""
    rows = len(matrix) // gates
    tall = np.zeros((gates, padded(rows), matrix.shape[1]))
    tall[:, :rows] = matrix.reshape(gates, rows, -1)
    return pad(tall.reshape(gates * padded(rows), -1))


def pad_bias(bias: Array, gates: int = 1) -> Array32:
    """Pad each gate of a bias."""
    return pad(bias.reshape(gates, -1)).reshape(-1)


def real(array: Array32, rows: int, columns: int, gates: int = 1) -> Array32:
    """Take the padding off what `pad_rows` made."""
    return array.reshape(gates, -1, array.shape[1])[:, :rows, :columns].reshape(gates * rows, columns)


def real_bias(array: Array32, rows: int, gates: int = 1) -> Array32:
    """Take the padding off what `pad_bias` made."""
    return array.reshape(gates, -1)[:, :rows].reshape(-1)


def packed(matrix: Array32, *, transposed: bool) -> Array32:
    """Pack a padded matrix as a right-hand side, or its transpose (the forward pass: x W')."""
    rows, columns = matrix.shape
    result = np.full(matrix.size, np.nan, np.float32)
    if transposed:
        pack(matrix.reshape(-1), 1, columns, columns, rows, result)
    else:
        pack(matrix.reshape(-1), columns, 1, rows, columns, result)
    return result


def assert_near(got: NDArray[np.floating], exact: Array, tolerance: float = 3e-6) -> None:
    """Compare with `tolerance` relative to the largest element: float32 sums err by the size of their terms."""
    assert got.shape == exact.shape
    largest = np.abs(exact).max(initial=0.0)
    np.testing.assert_allclose(got, exact, rtol=0.0, atol=tolerance * largest + 1e-30)
