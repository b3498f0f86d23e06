"""Central differences: the gradient as its definition gives it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.reference import Array


def numerical_gradient(loss: Callable[[], float], array: Array, step: float = 1e-5) -> Array:
    """Return the gradient of `loss` by `array`, whose elements are moved in place and put back.

    The error is of the order of ``step ** 2`` from the curve and ``1e-16 / step`` from rounding: about 1e-10 at the
    default step.
    """
    gradient = np.zeros_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + step
        above = loss()
        array[place] = kept - step
        below = loss()
        array[place] = kept
        gradient[place] = (above - below) / (2.0 * step)
    return gradient
