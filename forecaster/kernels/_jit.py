"""The one decorator of all kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
import numpy as np
from numpy.typing import NDArray

from forecaster.kernels._cache import KernelCache

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Numba ignores annotations; they are for readers and for the callers. Single numbers are float32 as well: a Python
# float would be a signature of its own, compiled anew, and slow (literals and sums would be float64).
Array = NDArray[np.float32]
Values = NDArray[np.float64]
Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]

KERNELS: list[Any] = []
"""Every kernel that was defined, in order; ``warm_up`` walks them."""


def kernel(function: Kernel) -> Kernel:
    """Compile `function` when it is first called, or load what an earlier process compiled.

    ``error_model="numpy"``: a check for division by zero on every element stops vectorisation (2.4 ns against 0.31 ns
    for one tanh). ``nogil``: parallelism is one level up, in Python threads. ``fastmath`` only allows to contract
    ``a * b + c`` and to reassociate sums; NaN and infinity keep their meaning, so a diverged training is seen.
    """
    compile_lazily = numba.njit(
        error_model="numpy", nogil=True, boundscheck=False, fastmath={"contract", "reassoc", "arcp"}
    )
    dispatcher: Any = compile_lazily(function)
    dispatcher._cache = KernelCache(function)
    KERNELS.append(dispatcher)
    return dispatcher  # type: ignore[no-any-return]  # it is called like the function it was made from
