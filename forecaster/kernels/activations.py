"""Sigmoid and tanh in float32, as plain arithmetic that LLVM vectorises.

Errors against float64 (``tests/kernels/test_activations.py`` holds them): sigmoid at most 3 ulp, tanh at most 5 ulp;
for inputs below 1e-35, where its numerator is subnormal, tanh is off by up to 2e-42. NaN gives NaN: a comparison with
NaN is false, so the clamps let it pass.

Coefficients: exp after Cephes ``expf`` (S. L. Moshier); tanh after the rational approximation of Eigen and XLA.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from forecaster.kernels._jit import Array, kernel

F = np.float32

_LOG2_E, _LN2_HIGH, _LN2_LOW = F(1.44269504088896341), F(0.693359375), F(-2.12194440e-4)
_E0, _E1, _E2 = F(1.9875691500e-4), F(1.3981999507e-3), F(8.3334519073e-3)
_E3, _E4, _E5 = F(4.1665795894e-2), F(1.6666665459e-1), F(5.0000001201e-1)
_EXP_MAX = F(87.0)  # exp(-87) is the smallest result that is not subnormal
_ONE, _HALF = F(1.0), F(0.5)

_TANH_MAX = F(7.90531110763549805)  # from here on tanh rounds to the approximation's value at the clamp
_A1, _A3, _A5, _A7 = F(4.89352455891786e-03), F(6.37261928875436e-04), F(1.48572235717979e-05), F(5.12229709037114e-08)
_A9, _A11, _A13 = F(-8.60467152213735e-11), F(2.00018790482477e-13), F(-2.76076847742355e-16)
_B0, _B2, _B4, _B6 = F(4.89352518554385e-03), F(2.26843463243900e-03), F(1.18534705686654e-04), F(1.19825839466702e-06)


@intrinsic
def _power_of_two(typingctx: Any, exponent: Any) -> Any:  # noqa: ARG001 - Numba passes them, and those below
    """2 ** exponent for a whole float32 between -126 and 127, by writing the exponent's bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:  # noqa: ARG001
        word = ir.IntType(32)
        biased = builder.add(builder.fptosi(args[0], word), ir.Constant(word, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(word, 23)), ir.FloatType())

    return types.float32(types.float32), generate


@kernel
def exponential(x: np.float32) -> np.float32:
    """exp(x) for float32 x, clamped to [-87, 87]."""
    x = min(max(x, -_EXP_MAX), _EXP_MAX)
    n = np.floor(x * _LOG2_E + _HALF)
    x = x - n * _LN2_HIGH
    x = x - n * _LN2_LOW
    p = ((((_E0 * x + _E1) * x + _E2) * x + _E3) * x + _E4) * x + _E5
    return (p * (x * x) + x + _ONE) * _power_of_two(n)  # type: ignore[call-arg]  # Numba adds the first


@kernel
def sigmoid(x: np.float32) -> np.float32:
    """1 / (1 + exp(-x)) for float32 x."""
    return _ONE / (_ONE + exponential(-x))


@kernel
def tanh(x: np.float32) -> np.float32:
    """Hyperbolic tangent for float32 x."""
    x = min(max(x, -_TANH_MAX), _TANH_MAX)
    s = x * x
    p = x * ((((((_A13 * s + _A11) * s + _A9) * s + _A7) * s + _A5) * s + _A3) * s + _A1)
    q = ((_B6 * s + _B4) * s + _B2) * s + _B0
    return p / q


@kernel
def sigmoid_row(row: Array) -> None:
    """Write sigmoid of each element over `row`."""
    for j in range(row.shape[0]):
        row[j] = sigmoid(row[j])


@kernel
def tanh_row(row: Array) -> None:
    """Write tanh of each element over `row`."""
    for j in range(row.shape[0]):
        row[j] = tanh(row[j])
