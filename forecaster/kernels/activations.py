"""exp, sigmoid and tanh in float32, by rows; the formulas are in ``_vector.py``.

Errors against float64 (``tests/kernels/test_activations.py`` holds them): sigmoid at most 3 ulp, tanh at most 5 ulp, or
1e-41 where the result is next to the smallest floats.
"""

from __future__ import annotations

from forecaster.kernels._cells import exponential_rows, sigmoid_rows, tanh_rows
from forecaster.kernels._jit import Array, kernel


@kernel
def exponential_row(row: Array) -> None:
    """Write exp of each element, held between -87 and 87, over `row`, whose length is a multiple of 16."""
    exponential_rows(row, 0, 1, row.shape[0])


@kernel
def sigmoid_row(row: Array) -> None:
    """Write sigmoid of each element over `row`, whose length is a multiple of 16."""
    sigmoid_rows(row, 0, 1, row.shape[0])


@kernel
def tanh_row(row: Array) -> None:
    """Write tanh of each element over `row`, whose length is a multiple of 16."""
    tanh_rows(row, 0, 1, row.shape[0])
