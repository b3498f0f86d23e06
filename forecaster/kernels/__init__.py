"""Compiled code: arrays in, arrays out; no checks, no allocation that grows with the data.

Legend, valid in every file here::

    N  series             T  time steps            B  windows (rows) in a batch
    I  inputs a step      H  hidden units          L  layers
    F  forecast steps     Q  quantiles             R  rows of a matrix, T * B flattened
    V  symbols

Arrays are time-major, (T, B, .), float32 and C-contiguous. Loop indices are t, b, f, q, k and j (i is the input
gate). Weights are named and packed as in PyTorch: ``weight_ih_l0`` (4H, I), ``weight_hh_l0`` (4H, H), gates in the
order i, f, g, o; one bias a layer. Of a GRU they have three blocks, r, z, n, and the bias a fourth, b_hn; of a plain
layer one. Gradients are ``d_`` and the name. Row lengths (I, H, and so on) are multiples of 16 floats, see
``network.py``.

A kernel returns a value, or writes its last arguments and says so; what takes part in a sum is "added to". NaN never
gets here: missing values travel as a mask.
"""

from __future__ import annotations

from forecaster.kernels import _level

PANEL = 16
"""Columns in one panel of a packed matrix; the length of every row is a multiple of it."""

_level.settle()  # whichever file of this package is imported first, Numba is not yet
