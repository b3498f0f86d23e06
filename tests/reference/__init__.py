"""Slow, obvious twins of the kernels: plain NumPy, float64, one line per equation of docs/lstm.md.

They exist to be read and trusted, so that the kernels can be tested against them. They check nothing and reuse no
memory. Shapes use the letters of ``forecaster/kernels/__init__.py``: T time steps, B windows, I inputs, H hidden units,
F forecast steps, Q quantiles. Numbers in brackets are equations of docs/lstm.md.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
