"""Arithmetic on registers: formulas in Python operators that become LLVM vector instructions.

Loops over rows in plain Numba cost about 270 ns a row before the first number is computed (each slice of an array
counts a reference), and whether a loop with many pointers is vectorised is LLVM's guess. What is written here is
neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

FLOAT, WORD = ir.FloatType(), ir.IntType(32)
POINTER = ir.PointerType(FLOAT)


def vector_width(context: Any) -> int:
    """Floats in one register of the processor that is compiled for."""
    _, name, features = context.codegen().magic_tuple()
    if name == "x86-64-v4" or "+avx512f" in features:
        return 16
    if name == "x86-64-v3" or "+avx2" in features:
        return 8
    return 4


def data_of(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    """Return the pointer to the first float of an array argument."""
    array = context.make_array(kind)(context, builder, value)
    return builder.bitcast(array.data, POINTER)


class Lanes:
    """The floats of one register, with the arithmetic of numbers.

    Parameters
    ----------
    builder : llvmlite.ir.IRBuilder
        Where instructions go.
    value : llvmlite.ir.Value
        The register.
    """

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder, self.value = builder, value

    @classmethod
    def load(cls, builder: Any, pointer: Any, width: int) -> Lanes:
        """Return the `width` floats at `pointer`."""
        vector = ir.PointerType(ir.VectorType(FLOAT, width))
        return cls(builder, builder.load(builder.bitcast(pointer, vector), align=4))

    @classmethod
    def spread(cls, builder: Any, pointer: Any, width: int) -> Lanes:
        """Return the one float at `pointer` in every lane."""
        empty = ir.Constant(ir.VectorType(FLOAT, width), ir.Undefined)
        first = builder.insert_element(empty, builder.load(pointer), ir.Constant(WORD, 0))
        return cls(builder, builder.shuffle_vector(first, empty, ir.Constant(ir.VectorType(WORD, width), [0] * width)))

    def store(self, pointer: Any) -> None:
        """Write the floats at `pointer`."""
        vector = ir.PointerType(self.value.type)
        self.builder.store(self.value, self.builder.bitcast(pointer, vector), align=4)

    def like(self, value: Any) -> Lanes:
        """Return a register of the same builder."""
        return Lanes(self.builder, value)

    def constant(self, number: float) -> Lanes:
        """Return `number` in every lane."""
        return self.like(ir.Constant(self.value.type, [number] * self.value.type.count))

    def words(self, number: int) -> Any:
        """Return the whole `number` in every lane."""
        count = self.value.type.count
        return ir.Constant(ir.VectorType(WORD, count), [number] * count)

    def _other(self, other: Lanes | float) -> Any:
        return other.value if isinstance(other, Lanes) else self.constant(other).value

    def __add__(self, other: Lanes | float) -> Lanes:
        return self.like(self.builder.fadd(self.value, self._other(other)))

    def __sub__(self, other: Lanes | float) -> Lanes:
        return self.like(self.builder.fsub(self.value, self._other(other)))

    def __rsub__(self, other: float) -> Lanes:
        return self.like(self.builder.fsub(self._other(other), self.value))

    def __mul__(self, other: Lanes | float) -> Lanes:
        return self.like(self.builder.fmul(self.value, self._other(other)))

    def __truediv__(self, other: Lanes) -> Lanes:
        # arcp: an estimate and one step of Newton instead of a division, which alone would take as long as all the rest
        return self.like(self.builder.fdiv(self.value, other.value, flags=("arcp",)))

    def __neg__(self) -> Lanes:
        return 0.0 - self

    def times_plus(self, factor: Lanes | float, summand: Lanes | float) -> Lanes:
        """Return self * factor + summand, in one instruction where the processor has it."""
        kind = ir.FunctionType(self.value.type, [self.value.type] * 3)
        name = f"llvm.fmuladd.v{self.value.type.count}f32"
        function = self.builder.module.declare_intrinsic(name, (), kind)
        return self.like(self.builder.call(function, (self.value, self._other(factor), self._other(summand))))

    def clamped(self, least: float, most: float) -> Lanes:
        """Return each lane held between two numbers; NaN stays NaN, so that a diverged training is seen."""
        builder, low, high = self.builder, self.constant(least).value, self.constant(most).value
        held = builder.select(builder.fcmp_ordered("<", self.value, low), low, self.value)
        return self.like(builder.select(builder.fcmp_ordered(">", held, high), high, held))

    def largest(self, other: Lanes) -> Lanes:
        """Return the larger of two numbers in each lane."""
        above = self.builder.fcmp_ordered(">", self.value, other.value)
        return self.like(self.builder.select(above, self.value, other.value))

    def total(self) -> Any:
        """Return the sum of all lanes, a float."""
        builder = self.builder
        lanes = [builder.extract_element(self.value, ir.Constant(WORD, k)) for k in range(self.value.type.count)]
        while len(lanes) > 1:
            lanes = [builder.fadd(one, other) for one, other in zip(lanes[::2], lanes[1::2], strict=True)]
        return lanes[0]

    def polynomial(self, *coefficients: float) -> Lanes:
        """Return the polynomial with these coefficients, the highest power first."""
        result: Lanes | float = coefficients[0]
        for coefficient in coefficients[1:]:
            result = self.times_plus(result, coefficient)
        return result if isinstance(result, Lanes) else self.constant(result)


_LOG2_E, _LN2_HIGH, _LN2_LOW = 1.44269504088896341, 0.693359375, -2.12194440e-4
_ROUNDING = 12582912.0  # 1.5 * 2**23: adding it rounds to a whole number, which then stands in the lowest bits
_EXP_MAX = 87.0  # exp(-87) is the smallest result that is not subnormal


def exponential(x: Lanes) -> Lanes:
    """Return exp(x), x clamped to [-87, 87]; coefficients after Cephes ``expf`` (S. L. Moshier)."""
    builder, x = x.builder, x.clamped(-_EXP_MAX, _EXP_MAX)
    shifted = x.times_plus(_LOG2_E, _ROUNDING)
    n = shifted - _ROUNDING
    x = n.times_plus(-_LN2_LOW, n.times_plus(-_LN2_HIGH, x))
    p = x.polynomial(
        1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
    )
    p = p.times_plus(x * x, x) + 1.0
    bits = builder.bitcast(shifted.value, ir.VectorType(WORD, x.value.type.count))
    exponent = builder.shl(builder.add(bits, x.words(127)), x.words(23))
    return p * x.like(builder.bitcast(exponent, x.value.type))


def sigmoid(x: Lanes) -> Lanes:
    """Return 1 / (1 + exp(-x))."""
    return x.constant(1.0) / (exponential(-x) + 1.0)


def tanh(x: Lanes) -> Lanes:
    """Return the hyperbolic tangent; rational approximation of Eigen and XLA."""
    x = x.clamped(-7.90531110763549805, 7.90531110763549805)
    s = x * x
    p = s.polynomial(
        -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08,
        1.48572235717979e-05, 6.37261928875436e-04, 4.89352455891786e-03,
    )  # fmt: skip
    q = s.polynomial(1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
    return x * p / q


def for_each(builder: Any, count: Any, step: int, body: Callable[[Any], None]) -> None:
    """Emit ``for at in range(0, count, step): body(at)``; the loop is left out when count is 0."""
    index = count.type
    before, loop, after = builder.block, builder.append_basic_block("each"), builder.append_basic_block("done")
    builder.cbranch(builder.icmp_signed(">", count, ir.Constant(index, 0)), loop, after)
    builder.position_at_end(loop)
    at = builder.phi(index)
    at.add_incoming(ir.Constant(index, 0), before)
    body(at)
    following = builder.add(at, ir.Constant(index, step))
    at.add_incoming(following, builder.block)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
    builder.position_at_end(after)
