"""Matrix products over padded matrices.

Row lengths are multiples of PANEL (see ``network.py``: units added by padding have zero weights and stay zero through
forward, backward and optimiser), so no product has a ragged edge in its columns. Offsets and strides count floats.
"""

from __future__ import annotations

from forecaster.kernels import PANEL, _tile
from forecaster.kernels._jit import Array, kernel

# Numba resolves names of the module, not attributes of another module's objects.
tile_8x2, tile_8x1, tile_4x2 = _tile.tile_8x2, _tile.tile_8x1, _tile.tile_4x2
tile_4x1, tile_1x8 = _tile.tile_4x1, _tile.tile_1x8
tile_1x4, tile_1x1 = _tile.tile_1x4, _tile.tile_1x1

AT_ONCE_ROWS = 8
"""Fewer rows make thin products: there the inputs of all time steps, if kept, go through one product together."""

OUTER_DEPTH = 128
"""Rows of one outer product, some time steps together: it pays for fetching and storing the sums."""


@kernel
def pack(matrix: Array, row: int, column: int, depth: int, columns: int, packed: Array) -> None:
    """Lay out a right-hand side (depth, columns) panel by panel.

    Element (k, j) is read at ``matrix[k * row + j * column]``, so swapping the strides packs the transposed matrix.
    Writes `packed`: panel p holds columns 16 p to 16 p + 15 of every row k, one row after the other.
    """
    for first in range(0, columns, PANEL):
        at = first * depth
        for k in range(depth):
            for j in range(PANEL):
                packed[at + k * PANEL + j] = matrix[k * row + (first + j) * column]


@kernel
def multiply(
    c: Array,
    c_at: int,
    c_row: int,
    a: Array,
    a_at: int,
    a_row: int,
    rows: int,
    packed: Array,
    depth: int,
    columns: int,
    add: bool,
) -> None:
    """C = A B, or C += A B when `add`; B (depth, columns) is packed.

    A's rows lie `a_row` floats apart, C's `c_row`. Writes, or adds to, `c`.
    """
    panel = PANEL * depth
    if rows < 4:  # a single forecast: wide tiles, so that enough sums are under way to hide the latency
        _multiply_thin(c, c_at, c_row, a, a_at, a_row, rows, packed, depth, columns, add)
        return
    j = 0
    while j + 2 * PANEL <= columns:
        b_at, r = j * depth, 0
        while r < rows:
            to, of = c_at + r * c_row + j, a_at + r * a_row
            if r + 8 <= rows:
                tile_8x2(c, to, c_row, a, of, a_row, 1, packed, b_at, PANEL, panel, depth, add)
                r += 8
            elif r + 4 <= rows:
                tile_4x2(c, to, c_row, a, of, a_row, 1, packed, b_at, PANEL, panel, depth, add)
                r += 4
            else:
                _row_of_panels(c, to, a, of, packed, b_at, panel, depth, 2, add)
                r += 1
        j += 2 * PANEL
    if j < columns:
        b_at, r = j * depth, 0
        while r < rows:
            to, of = c_at + r * c_row + j, a_at + r * a_row
            if r + 8 <= rows:
                tile_8x1(c, to, c_row, a, of, a_row, 1, packed, b_at, PANEL, panel, depth, add)
                r += 8
            elif r + 4 <= rows:
                tile_4x1(c, to, c_row, a, of, a_row, 1, packed, b_at, PANEL, panel, depth, add)
                r += 4
            else:
                tile_1x1(c, to, c_row, a, of, a_row, 1, packed, b_at, PANEL, panel, depth, add)
                r += 1


@kernel
def _row_of_panels(
    c: Array,
    c_at: int,
    a: Array,
    a_at: int,
    packed: Array,
    packed_at: int,
    panel: int,
    depth: int,
    panels: int,
    add: bool,
) -> None:
    for p in range(panels):
        tile_1x1(c, c_at + p * PANEL, 0, a, a_at, 0, 1, packed, packed_at + p * panel, PANEL, panel, depth, add)


@kernel
def _multiply_thin(
    c: Array,
    c_at: int,
    c_row: int,
    a: Array,
    a_at: int,
    a_row: int,
    rows: int,
    packed: Array,
    depth: int,
    columns: int,
    add: bool,
) -> None:
    panel = PANEL * depth
    for r in range(rows):
        to, of = c_at + r * c_row, a_at + r * a_row
        j = 0
        while j + 8 * PANEL <= columns:
            tile_1x8(c, to + j, c_row, a, of, a_row, 1, packed, j * depth, PANEL, panel, depth, add)
            j += 8 * PANEL
        while j + 4 * PANEL <= columns:
            tile_1x4(c, to + j, c_row, a, of, a_row, 1, packed, j * depth, PANEL, panel, depth, add)
            j += 4 * PANEL
        while j < columns:
            tile_1x1(c, to + j, c_row, a, of, a_row, 1, packed, j * depth, PANEL, panel, depth, add)
            j += PANEL


@kernel
def add_outer(
    c: Array,
    c_at: int,
    c_row: int,
    a: Array,
    a_at: int,
    a_row: int,
    b: Array,
    b_at: int,
    b_row: int,
    depth: int,
    rows: int,
    columns: int,
) -> None:
    """C += A' B over `depth` rows of A (depth, rows) and B (depth, columns): the gradient of a weight matrix.

    Not packed: both sides were written a moment ago and lie in the first-level cache. Adds to `c`.
    """
    j = 0
    while j < columns:
        wide = j + 2 * PANEL <= columns
        for r in range(0, rows, 8):
            to = c_at + r * c_row + j
            if wide:
                tile_8x2(c, to, c_row, a, a_at + r, 1, a_row, b, b_at + j, b_row, PANEL, depth, True)
            else:
                tile_8x1(c, to, c_row, a, a_at + r, 1, a_row, b, b_at + j, b_row, PANEL, depth, True)
        j += 2 * PANEL if wide else PANEL
