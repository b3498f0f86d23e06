"""Pointwise parts of the layers, whole blocks of rows at a time. Equation numbers are those of docs/lstm.md.

Row lengths are multiples of 16 floats, so there is no remainder. Offsets count floats.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from forecaster.kernels._vector import FLOAT, Lanes, data_of, exponential, for_each, sigmoid, tanh, vector_width


class _Rows:
    """Arguments of a pointwise intrinsic: arrays with an offset each, then rows and units."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self.builder, self.width = builder, vector_width(context)
        self.pointers = []
        for at in range(0, len(args) - 2, 2):
            data = data_of(context, builder, signature.args[at], args[at])
            self.pointers.append(builder.gep(data, [args[at + 1]]))
        self.rows, self.units = args[-2], args[-1]

    def each(self, body: Callable[[Any, Any], None]) -> None:
        """Emit ``body(row, j)`` for every register of every row."""
        builder = self.builder

        def one_row(row: Any) -> None:
            for_each(builder, self.units, self.width, lambda j: body(row, j))

        for_each(builder, self.rows, 1, one_row)

    def place(self, which: int, row: Any, j: Any, blocks: int = 1, block: int = 0) -> Any:
        """Return the pointer to float j of a block in a row that holds `blocks` blocks of `units` floats."""
        builder, units = self.builder, self.units
        across = builder.mul(units, ir.Constant(units.type, block))
        start = builder.mul(builder.mul(row, ir.Constant(units.type, blocks)), units)
        return builder.gep(self.pointers[which], [builder.add(builder.add(start, across), j)])

    def load(self, pointer: Any) -> Lanes:
        """Return the register at `pointer`."""
        return Lanes.load(self.builder, pointer, self.width)


def _pointwise(count: int, emit: Callable[[_Rows], None]) -> Any:
    """Return the intrinsic of `count` arrays, each followed by its offset, then rows and units."""
    names = [f"{kind}{k}" for k in range(count) for kind in ("array", "at")] + ["rows", "units"]

    def typer(typingctx: Any, *kinds: Any) -> Any:
        del typingctx  # Numba hands it in; arrays are taken as they come, all else is a whole number
        whole = [types.intp if isinstance(kind, types.Integer) else kind for kind in kinds]
        return types.void(*whole), generate

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit(_Rows(context, builder, signature, args))
        return context.get_dummy_value()

    # Numba reads the number and the names of the arguments off the function's signature.
    parameters = [Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in ["typingctx", *names]]
    typer.__signature__ = Signature(parameters)  # type: ignore[attr-defined]  # functions may carry one
    return intrinsic(typer)


def _emit_forward(block: _Rows) -> None:
    """Gates, bias, c before, c, tanh c, h: (2) to (7)."""

    def body(row: Any, j: Any) -> None:
        zero = ir.Constant(row.type, 0)
        squash = (sigmoid, sigmoid, tanh, sigmoid)
        gates = []
        for gate in range(4):
            place = block.place(0, row, j, 4, gate)
            gates.append(squash[gate](block.load(place) + block.load(block.place(1, zero, j, 4, gate))))
            gates[-1].store(place)
        i, f, g, o = gates
        c = f.times_plus(block.load(block.place(2, row, j)), i * g)
        c.store(block.place(3, row, j))
        tanh_c = tanh(c)
        tanh_c.store(block.place(4, row, j))
        (o * tanh_c).store(block.place(5, row, j))

    block.each(body)


def _emit_backward(block: _Rows) -> None:
    """Gates (overwritten), c before, tanh c, d_h, d_c (overwritten): (10) to (16)."""

    def body(row: Any, j: Any) -> None:
        places = [block.place(0, row, j, 4, gate) for gate in range(4)]
        i, f, g, o = (block.load(place) for place in places)
        tanh_c, d_h = block.load(block.place(2, row, j)), block.load(block.place(3, row, j))
        at_c = block.place(4, row, j)
        d_c = (d_h * o).times_plus(1.0 - tanh_c * tanh_c, block.load(at_c))  # (10)
        (d_c * g * (i * (1.0 - i))).store(places[0])  # (12), (15)
        (d_c * block.load(block.place(1, row, j)) * (f * (1.0 - f))).store(places[1])  # (13), (15)
        (d_c * i * (1.0 - g * g)).store(places[2])  # (14), (15)
        (d_h * tanh_c * (o * (1.0 - o))).store(places[3])  # (11), (15)
        (d_c * f).store(at_c)  # (16)

    block.each(body)


def _emit_gru_forward(block: _Rows) -> None:
    """Gates (overwritten), m (overwritten), bias, h before, h: (48) to (52)."""

    def body(row: Any, j: Any) -> None:
        zero = ir.Constant(row.type, 0)
        sums, biases = [], []
        for gate in range(3):
            sums.append(block.load(block.place(0, row, j, 3, gate)))
            biases.append(block.load(block.place(2, zero, j, 4, gate)))
        r, z = sigmoid(sums[0] + biases[0]), sigmoid(sums[1] + biases[1])
        m = block.load(block.place(1, row, j)) + block.load(block.place(2, zero, j, 4, 3))
        n = tanh(r.times_plus(m, sums[2] + biases[2]))
        for gate, value in enumerate((r, z, n)):
            value.store(block.place(0, row, j, 3, gate))
        m.store(block.place(1, row, j))
        z.times_plus(block.load(block.place(3, row, j)) - n, n).store(block.place(4, row, j))

    block.each(body)


def _emit_gru_backward(block: _Rows) -> None:
    """Gates, m (both overwritten), h before, d_h, d_h before (added to), and what goes on to h before: (53) to (56)."""

    def body(row: Any, j: Any) -> None:
        places = [block.place(0, row, j, 3, gate) for gate in range(3)]
        at_m, at_before = block.place(1, row, j), block.place(4, row, j)
        r, z, n = (block.load(place) for place in places)
        d_h = block.load(block.place(3, row, j))
        d_n = d_h * (1.0 - z) * (1.0 - n * n)  # (53), (54)
        d_z = d_h * (block.load(block.place(2, row, j)) - n) * (z * (1.0 - z))  # (53), (54)
        d_m = d_n * r  # (55)
        d_r = d_n * block.load(at_m) * (r * (1.0 - r))  # (56)
        for place, value in zip((*places, at_m), (d_r, d_z, d_n, d_m), strict=True):
            value.store(place)
        for gate, value in enumerate((d_r, d_z, d_m)):
            value.store(block.place(5, row, j, 3, gate))
        d_h.times_plus(z, block.load(at_before)).store(at_before)  # the first part of (58)

    block.each(body)


def _emit_add_rows(block: _Rows) -> None:
    """Total (one row) and block: the total plus the sum of the block's rows, (21), (28)."""

    def body(row: Any, j: Any) -> None:
        total = block.place(0, ir.Constant(row.type, 0), j)
        (block.load(total) + block.load(block.place(1, row, j))).store(total)

    block.each(body)


def _emit_add_bias(block: _Rows) -> None:
    """Rows (overwritten) and bias: row + bias, (24)."""

    def body(row: Any, j: Any) -> None:
        place = block.place(0, row, j)
        (block.load(place) + block.load(block.place(1, ir.Constant(row.type, 0), j))).store(place)

    block.each(body)


def _emit_bias_tanh(block: _Rows) -> None:
    """Rows (overwritten) and bias: tanh(row + bias), (23)."""

    def body(row: Any, j: Any) -> None:
        place = block.place(0, row, j)
        tanh(block.load(place) + block.load(block.place(1, ir.Constant(row.type, 0), j))).store(place)

    block.each(body)


def _emit_tanh_backward(block: _Rows) -> None:
    """Gradient (overwritten) and tanh: gradient * (1 - tanh²), (25)."""

    def body(row: Any, j: Any) -> None:
        place, out = block.place(0, row, j), block.load(block.place(1, row, j))
        (block.load(place) * (1.0 - out * out)).store(place)

    block.each(body)


def _emit_rnn_backward(block: _Rows) -> None:
    """Gradient before the tanh (written), h, d_h: (46)."""

    def body(row: Any, j: Any) -> None:
        h = block.load(block.place(1, row, j))
        (block.load(block.place(2, row, j)) * (1.0 - h * h)).store(block.place(0, row, j))

    block.each(body)


def _emit_log_sum(block: _Rows) -> None:
    """Columns of logits (bias added), bias (one a row), and of each column the largest logit, the sum of exponentials.

    The last two so far (overwritten), and a row of scratch: (62).
    """
    builder, width = block.builder, block.width
    zero = ir.Constant(block.units.type, 0)

    def copy(j: Any) -> None:
        block.load(block.place(2, zero, j)).store(block.place(4, zero, j))

    def larger(row: Any, j: Any) -> None:
        place, top = block.place(0, row, j), block.place(2, zero, j)
        logits = block.load(place) + Lanes.spread(builder, builder.gep(block.pointers[1], [row]), width)
        logits.store(place)
        logits.largest(block.load(top)).store(top)

    def scale(j: Any) -> None:
        total, before = block.place(3, zero, j), block.load(block.place(4, zero, j))
        (block.load(total) * exponential(before - block.load(block.place(2, zero, j)))).store(total)

    def add(row: Any, j: Any) -> None:
        total, top = block.place(3, zero, j), block.load(block.place(2, zero, j))
        (block.load(total) + exponential(block.load(block.place(0, row, j)) - top)).store(total)

    for_each(builder, block.units, width, copy)
    block.each(larger)
    for_each(builder, block.units, width, scale)
    block.each(add)


def _emit_softmax(block: _Rows) -> None:
    """Columns of logits (overwritten), log of sum and weight (one a column), sums of rows (added to): (63)."""
    builder = block.builder
    lanes = ir.VectorType(FLOAT, block.width)
    with builder.goto_entry_block():
        place = builder.alloca(lanes)  # LLVM makes a register of it

    def one_row(row: Any) -> None:
        zero = ir.Constant(row.type, 0)
        builder.store(ir.Constant(lanes, [0.0] * block.width), place)

        def column(j: Any) -> None:
            at, log_sum = block.place(0, row, j), block.load(block.place(1, zero, j))
            shares = exponential(block.load(at) - log_sum) * block.load(block.place(2, zero, j))
            shares.store(at)
            builder.store((shares + shares.like(builder.load(place))).value, place)

        for_each(builder, block.units, block.width, column)
        total = builder.gep(block.pointers[3], [row])
        builder.store(builder.fadd(builder.load(total), Lanes(builder, builder.load(place)).total()), total)

    for_each(builder, block.rows, 1, one_row)


def _emit_function(function: Callable[[Lanes], Lanes]) -> Callable[[_Rows], None]:
    def emit(block: _Rows) -> None:
        def body(row: Any, j: Any) -> None:
            place = block.place(0, row, j)
            function(block.load(place)).store(place)

        block.each(body)

    return emit


cell_forward = _pointwise(6, _emit_forward)
cell_backward = _pointwise(5, _emit_backward)
gru_cell_forward = _pointwise(5, _emit_gru_forward)
gru_cell_backward = _pointwise(6, _emit_gru_backward)
rnn_cell_backward = _pointwise(3, _emit_rnn_backward)
add_rows = _pointwise(2, _emit_add_rows)
add_bias = _pointwise(2, _emit_add_bias)
bias_tanh = _pointwise(2, _emit_bias_tanh)
tanh_backward = _pointwise(2, _emit_tanh_backward)
log_sum_columns = _pointwise(5, _emit_log_sum)
softmax_columns = _pointwise(4, _emit_softmax)
exponential_rows = _pointwise(1, _emit_function(exponential))
sigmoid_rows = _pointwise(1, _emit_function(sigmoid))
tanh_rows = _pointwise(1, _emit_function(tanh))
