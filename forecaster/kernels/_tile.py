"""The inner tile of every matrix product, written in LLVM vector operations.

A loop nest in Numba reaches 55 to 90 GFLOP/s on one AVX-512 core, because each multiply-add also loads and stores a
piece of the result. Here a tile of the result stays in registers over the whole sum: ``rows`` times ``vectors``
accumulators.

Tile shapes follow from the registers: AVX-512 has 32 of 16 floats (8 x 2 accumulators, 16 independent sums hide the
latency of 4 at 2 a cycle), AVX2 16 of 8 floats (4 x 2), SSE 16 of 4 floats (2 x 4). The right-hand side is read in
panels of PANEL columns, so that one packed layout serves all of them.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from forecaster.kernels import PANEL
from forecaster.kernels._vector import data_of, vector_width


def _make_tile(rows: int, panels: int) -> Any:
    """Return the intrinsic for a tile of `rows` rows and `panels` panels."""

    @intrinsic
    def tile(
        typingctx: Any,  # noqa: ARG001 - Numba passes it
        c: Any,
        c_at: Any,
        c_row: Any,
        a: Any,
        a_at: Any,
        a_row: Any,
        a_column: Any,
        b: Any,
        b_at: Any,
        b_row: Any,
        b_panel: Any,
        depth: Any,
        add: Any,
    ) -> Any:
        """C[r, j] (+)= sum over k of A[r, k] B[k, j]; all offsets and strides in floats."""
        arguments = (c, c_at, c_row, a, a_at, a_row, a_column, b, b_at, b_row, b_panel, depth, add)
        integer = types.intp
        kinds = [integer if isinstance(kind, types.Integer) else kind for kind in arguments[:-1]]
        signature = types.void(*kinds, types.boolean)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            high, wide = _in_registers(vector_width(context), rows, panels)
            for row in range(0, rows, high):
                for panel in range(0, panels, wide):
                    _Tile(context, builder, signature, args, range(row, row + high), range(panel, panel + wide)).emit()
            return context.get_dummy_value()

        return signature, generate

    return tile


def _in_registers(width: int, rows: int, panels: int) -> tuple[int, int]:
    """Return how many rows and panels of a tile are summed at a time, so that the sums stay in registers."""
    if width == 16:
        return rows, panels
    sums = 8  # of 16 registers; the rest hold what is multiplied
    each = PANEL // width
    wide = 1 if rows > 1 else min(panels, sums // each)
    return min(rows, sums // (each * wide)), wide


class _Tile:
    """Emits the code of a tile, or of the part of it that is summed at a time."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any, rows: range, panels: range) -> None:
        self.builder, self.rows = builder, len(rows)
        self.float = ir.FloatType()
        self.width = vector_width(context)
        self.vector = ir.VectorType(self.float, self.width)
        self.index = args[1].type
        base = [data_of(context, builder, signature.args[i], args[i]) for i in (0, 3, 7)]
        c_at, self.c_row = args[1:3]
        a_at, self.a_row, self.a_column = args[4:7]
        b_at, self.b_row, b_panel = args[8:11]
        self.depth, self.add = args[11:]
        first = self._integer(rows.start)
        self.c = builder.gep(base[0], [builder.add(c_at, builder.mul(first, self.c_row))])
        self.a = builder.gep(base[1], [builder.add(a_at, builder.mul(first, self.a_row))])
        self.b = builder.gep(base[2], [b_at])
        each = PANEL // self.width
        # Columns of the result and floats from the start of row k of B, one for each vector of the tile.
        self.columns = [p * PANEL + v * self.width for p in panels for v in range(each)]
        self.offsets = [
            builder.add(builder.mul(b_panel, self._integer(p)), self._integer(v * self.width))
            for p in panels
            for v in range(each)
        ]

    def _integer(self, value: int) -> Any:
        return ir.Constant(self.index, value)

    def _load(self, pointer: Any) -> Any:
        return self.builder.load(self.builder.bitcast(pointer, ir.PointerType(self.vector)), align=4)

    def _store(self, value: Any, pointer: Any) -> None:
        self.builder.store(value, self.builder.bitcast(pointer, ir.PointerType(self.vector)), align=4)

    def _splat(self, scalar: Any) -> Any:
        lanes = ir.Constant(ir.VectorType(ir.IntType(32), self.width), [0] * self.width)
        empty = ir.Constant(self.vector, ir.Undefined)
        first = self.builder.insert_element(empty, scalar, ir.Constant(ir.IntType(32), 0))
        return self.builder.shuffle_vector(first, empty, lanes)

    def emit(self) -> None:
        """Emit the sum over k, then the write."""
        sums = self._sum()
        with self.builder.if_else(self.add) as (then, otherwise):
            with then:
                self._write(sums, add=True)
            with otherwise:
                self._write(sums, add=False)

    def _sum(self) -> list[list[Any]]:
        builder = self.builder
        before = builder.block
        body, after = builder.append_basic_block("tile.k"), builder.append_basic_block("tile.end")
        starts = [builder.gep(self.a, [builder.mul(self.a_row, self._integer(r))]) for r in range(self.rows)]
        zero = ir.Constant(self.vector, [0.0] * self.width)
        empty = builder.icmp_signed("<=", self.depth, self._integer(0))
        builder.cbranch(empty, after, body)

        builder.position_at_end(body)
        k = builder.phi(self.index)
        row_of_b = builder.phi(self.b.type)
        left = [builder.phi(self.a.type) for _ in range(self.rows)]
        sums = [[builder.phi(self.vector) for _ in self.columns] for _ in range(self.rows)]
        right = [self._load(builder.gep(row_of_b, [offset])) for offset in self.offsets]
        # fmuladd: one instruction where the processor has it, two where it has not
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        multiply_add = builder.module.declare_intrinsic(f"llvm.fmuladd.v{self.width}f32", (), kind)
        new = []
        for r in range(self.rows):
            scalar = self._splat(builder.load(left[r]))
            new.append([builder.call(multiply_add, (scalar, right[v], sums[r][v])) for v in range(len(right))])
        following = builder.add(k, self._integer(1))
        k.add_incoming(self._integer(0), before)
        k.add_incoming(following, body)
        row_of_b.add_incoming(self.b, before)
        row_of_b.add_incoming(builder.gep(row_of_b, [self.b_row]), body)
        for r in range(self.rows):
            left[r].add_incoming(starts[r], before)
            left[r].add_incoming(builder.gep(left[r], [self.a_column]), body)
            for v in range(len(right)):
                sums[r][v].add_incoming(zero, before)
                sums[r][v].add_incoming(new[r][v], body)
        builder.cbranch(builder.icmp_signed("<", following, self.depth), body, after)

        builder.position_at_end(after)
        result: list[list[Any]] = []
        for r in range(self.rows):
            result.append([])
            for v in range(len(right)):
                phi = builder.phi(self.vector)
                phi.add_incoming(zero, before)
                phi.add_incoming(new[r][v], body)
                result[r].append(phi)
        return result

    def _write(self, sums: list[list[Any]], *, add: bool) -> None:
        for r in range(self.rows):
            row = self.builder.gep(self.c, [self.builder.mul(self.c_row, self._integer(r))])
            for v, column in enumerate(self.columns):
                place = self.builder.gep(row, [self._integer(column)])
                value = self.builder.fadd(self._load(place), sums[r][v]) if add else sums[r][v]
                self._store(value, place)


tile_8x2 = _make_tile(8, 2)
tile_8x1 = _make_tile(8, 1)
tile_4x2 = _make_tile(4, 2)
tile_4x1 = _make_tile(4, 1)
tile_1x8 = _make_tile(1, 8)
tile_1x4 = _make_tile(1, 4)
tile_1x1 = _make_tile(1, 1)
