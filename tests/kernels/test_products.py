"""Matrix products against NumPy, with canaries around everything that is written and NaN around all that is read."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llvmlite.binding import get_host_cpu_features
from numpy.testing import assert_array_equal

from forecaster.kernels.products import PANEL, add_outer, multiply, pack
from tests.kernels.arrays import Array32, draw, packed
from tests.reference import Array

CANARY = np.float32(-77.25)
NAN = np.float32(np.nan)
DEPTHS = [1, 2, 3, 16, 17, 48]
COLUMNS = [16, 32, 48, 64, 80, 112]
EPSILON = 2.0**-23


def embed(block: Array, at: int, stride: int, around: np.float32) -> Array32:
    """Lay rows `stride` apart, from `at` on, into a flat array that is `around` everywhere else."""
    flat = np.full(at + len(block) * stride + 3 * PANEL, around, np.float32)
    for r, row in enumerate(block):
        flat[at + r * stride : at + r * stride + len(row)] = row
    return flat


def assert_product(got: Array32, expected: Array32, exact: Array, bound: Array, at: int, stride: int) -> None:
    """Hold the block to its rounding bound, and all around it to what it was."""
    rows, columns = exact.shape
    for r in range(rows):
        place = slice(at + r * stride, at + r * stride + columns)
        assert (np.abs(got[place] - exact[r]) <= bound[r]).all(), (rows, columns, r)
        expected[place] = got[place]
    assert_array_equal(got, expected)


def check_multiply(rows: int, depth: int, columns: int, *, add: bool, seed: int = 0) -> None:
    a, b = draw(rows, depth, seed=seed), draw(depth, columns, seed=seed + 1)
    before = draw(rows, columns, seed=seed + 2)
    a_at, a_row, c_at, c_row = 5, depth + 3, 2 * PANEL, columns + PANEL
    c = embed(before, c_at, c_row, CANARY)
    expected = c.copy()
    right = np.concatenate([packed(b.astype(np.float32), transposed=False), np.full(4 * PANEL, NAN)])
    multiply(c, c_at, c_row, embed(a, a_at, a_row, NAN), a_at, a_row, rows, right, depth, columns, add)
    exact = a @ b + (before if add else 0.0)
    bound = (depth + 2) * EPSILON * (np.abs(a) @ np.abs(b) + np.abs(before))
    assert_product(c, expected, exact, bound, c_at, c_row)


def check_outer(depth: int, rows: int, columns: int, seed: int = 0) -> None:
    a, b, before = draw(depth, rows, seed=seed), draw(depth, columns, seed=seed + 1), draw(rows, columns, seed=seed + 2)
    a_at, a_row, b_at, b_row, c_at, c_row = 5, rows + 3, 7, columns + 1, 2 * PANEL, columns + PANEL
    c = embed(before, c_at, c_row, CANARY)
    expected = c.copy()
    left, right = embed(a, a_at, a_row, NAN), embed(b, b_at, b_row, NAN)
    add_outer(c, c_at, c_row, left, a_at, a_row, right, b_at, b_row, depth, rows, columns)
    bound = (depth + 2) * EPSILON * (np.abs(a).T @ np.abs(b) + np.abs(before))
    assert_product(c, expected, a.T @ b + before, bound, c_at, c_row)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("depth", DEPTHS)
def test_multiply(depth: int, columns: int) -> None:
    for rows in range(1, 21):
        check_multiply(rows, depth, columns, add=False)
        check_multiply(rows, depth, columns, add=True)


@pytest.mark.parametrize("columns", COLUMNS)
@pytest.mark.parametrize("rows", [16, 32, 64, 192])
def test_add_outer(rows: int, columns: int) -> None:
    for depth in [*range(1, 21), 31, 32]:
        check_outer(depth, rows, columns)


@given(st.integers(1, 70), st.integers(1, 100), st.integers(1, 9), st.booleans(), st.integers(0, 10**6))
@settings(deadline=None, max_examples=50)
def test_any_product(rows: int, depth: int, panels: int, add: bool, seed: int) -> None:
    check_multiply(rows, depth, PANEL * panels, add=add, seed=seed)
    check_outer(rows, PANEL * panels, 3 * PANEL, seed=seed)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 7, 8, 9, 31, 32])
@pytest.mark.parametrize("columns", [16, 48, 64, 112])
def test_a_row_has_the_same_bits_alone_and_among_others(rows: int, columns: int) -> None:
    a = draw(rows, 37).astype(np.float32)
    b = packed(draw(37, columns).astype(np.float32), transposed=False)
    together, alone = np.zeros((2, rows, columns), np.float32)
    multiply(together.reshape(-1), 0, columns, a.reshape(-1), 0, 37, rows, b, 37, columns, False)
    for r in range(rows):
        multiply(alone.reshape(-1), r * columns, columns, a.reshape(-1), r * 37, 37, 1, b, 37, columns, False)
    assert_array_equal(together, alone)


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_a_sum_over_nothing_is_zero(rows: int) -> None:
    c, nothing = np.ones(rows * 48, np.float32), np.zeros(0, np.float32)
    multiply(c, 0, 48, nothing, 0, 0, rows, nothing, 0, 48, True)
    assert_array_equal(c, np.ones_like(c))
    multiply(c, 0, 48, nothing, 0, 0, rows, nothing, 0, 48, False)
    assert_array_equal(c, np.zeros_like(c))


def test_one_row_that_is_not_a_number_stays_one_row() -> None:
    a = draw(9, 16).astype(np.float32)
    a[4, 7] = np.nan
    c = np.zeros((9, 48), np.float32)
    multiply(
        c.reshape(-1),
        0,
        48,
        a.reshape(-1),
        0,
        16,
        9,
        packed(np.ones((16, 48), np.float32), transposed=False),
        16,
        48,
        False,
    )
    assert_array_equal(np.isnan(c).all(axis=1), np.arange(9) == 4)
    assert np.isfinite(np.delete(c, 4, axis=0)).all()


@pytest.mark.parametrize("depth", [1, 5, 32])
@pytest.mark.parametrize("columns", [16, 48])
def test_pack(depth: int, columns: int) -> None:
    matrix = draw(depth, columns).astype(np.float32)
    flat = np.full(matrix.size + PANEL, CANARY)
    pack(matrix.reshape(-1), columns, 1, depth, columns, flat)
    assert_array_equal(flat[matrix.size :], np.full(PANEL, CANARY))
    panels = flat[: matrix.size].reshape(columns // PANEL, depth, PANEL)
    assert_array_equal(np.concatenate(list(panels), axis=1), matrix)
    swapped = np.empty_like(flat)
    pack(np.ascontiguousarray(matrix.T).reshape(-1), 1, depth, depth, columns, swapped)
    assert_array_equal(swapped[: matrix.size], flat[: matrix.size])


def check_some() -> None:
    """What other processors run, in a process of their own."""
    for rows in range(1, 13):
        for columns in (16, 32, 48, 112):
            check_multiply(rows, 5, columns, add=False)
            check_multiply(rows, 5, columns, add=True)
            check_outer(rows, 16, columns)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names x86 processors")
@pytest.mark.parametrize(("processor", "width"), [("x86-64-v2", 4), ("x86-64-v3", 8)])
def test_othervector_widths(processor: str, width: int) -> None:
    if processor == "x86-64-v3" and not get_host_cpu_features().get("avx2"):
        pytest.skip("this processor has no AVX2")
    script = (
        "from numba.core.registry import cpu_target\n"
        "from forecaster.kernels._vector import vector_width\n"
        "from tests.kernels.test_products import check_some\n"
        f"assert vector_width(cpu_target.target_context) == {width}\n"
        "check_some()\n"
    )
    # Both names must be set, else the features of this machine are added to those of the named processor.
    environment = os.environ | {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[2],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
