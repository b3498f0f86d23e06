"""Symbols coming in: rows of a table, their gradients, one-hot vectors."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from forecaster.kernels.embedding import gather_rows, one_hot, scatter_rows
from tests.kernels.arrays import assert_near, draw, padded

SHAPES = [(1, 1), (5, 3), (7, 32)]  # T, B
each_shape = pytest.mark.parametrize("shape", SHAPES)


def symbols_of(shape: tuple[int, int], count: int) -> np.ndarray:
    """Some are none."""
    return np.random.default_rng([*shape, count]).integers(-1, count, shape)


@each_shape
@pytest.mark.parametrize("width", [16, 48])
def test_rows_are_gathered_and_scattered_as_in_a_loop(shape: tuple[int, int], width: int) -> None:
    symbols, table = symbols_of(shape, 20), draw(32, width).astype(np.float32)
    x = np.full((*shape, width), np.nan, np.float32)
    gather_rows(table, symbols, x)
    d_table, d_x = np.full((32, width), 2.0, np.float32), draw(*shape, width, seed=1)
    scatter_rows(d_x.astype(np.float32), symbols, d_table)
    expected = np.full((32, width), 2.0)
    for place in np.ndindex(shape):
        if symbols[place] < 0:
            assert not x[place].any()
        else:
            assert_array_equal(x[place], table[symbols[place]])
            expected[symbols[place]] += d_x[place]
    assert_near(d_table, expected)


@each_shape
@pytest.mark.parametrize("count", [1, 3, 16, 17])
def test_one_hot_vectors(shape: tuple[int, int], count: int) -> None:
    symbols = symbols_of(shape, count)
    x = np.full((*shape, padded(count)), np.nan, np.float32)
    one_hot(symbols, x)
    expected = np.zeros_like(x)
    for place in np.ndindex(shape):
        if symbols[place] >= 0:
            expected[place][symbols[place]] = 1
    assert_array_equal(x, expected)


def test_the_notes_vocabulary() -> None:
    cat, mat, rat = range(3)
    x = np.zeros((3, 1, 16), np.float32)
    one_hot(np.array([[cat], [mat], [rat]]), x)
    assert_array_equal(x[:, 0, :3], np.eye(3))
