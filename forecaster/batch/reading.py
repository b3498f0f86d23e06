"""An input as pieces of whole series, from its beginning or from where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from forecaster.batch.chunks import Chunk, Source
from forecaster.batch.inputs import Input
from forecaster.batch.parts import Part
from forecaster.batch.pieces import Piece, piece_of, whole_series
from forecaster.batch.progress import Watch
from forecaster.batch.sizes import Sizes
from forecaster.columns import ColumnNames
from forecaster.csvfile import read_csv
from forecaster.csvrows import Limits, told_of
from forecaster.errors import InputError
from forecaster.longtable import LongTable
from forecaster.tables import opened_table

_LITTLE = 8 * 2**20
"""Bytes of CSV up to which the standard library reads it, in a second or less; to import pyarrow takes a quarter."""

Pieces = Generator[Piece, None, None]

SMALL, TOGETHER, SCATTERED = "small", "together", "scattered"


@dataclass(frozen=True, slots=True)
class Plan:
    """How an input is read.

    Attributes
    ----------
    kind : str
        `SMALL`: all at once. `TOGETHER`: in its order, since all rows of each series are together. `SCATTERED`: in
        buckets on disk.
    rows : int or None
        How many there are, if that is known.
    buckets : int
        How many.
    """

    kind: str
    rows: int | None
    buckets: int = 0

    def as_settings(self) -> dict[str, Any]:
        """Return the plan as JSON can say it."""
        return asdict(self)


class Reading:
    """One input, as it is read.

    Parameters
    ----------
    given : Input
        The files.
    names : ColumnNames
        Names of the columns of a long table.
    sizes : Sizes
        How much is read at a time.
    """

    def __init__(self, given: Input, names: ColumnNames, sizes: Sizes) -> None:
        self._given, self._names, self._sizes = given, names, sizes
        self._source: Source | None = None if _is_little(given) else _source(given, names, sizes)

    @property
    def is_small(self) -> bool:
        """Whether it is read at once."""
        if self._source is None:
            return True
        rows = self._source.rows
        return rows is not None and rows <= self._sizes.rows

    @property
    def timezone(self) -> str | None:
        """Time zone of the timestamps, if the format says it."""
        return None if self._source is None else self._source.timezone

    def plan(self, seen: Callable[[int], None]) -> Plan:
        """Look at what there is, and return how it is read."""
        if self._source is None:
            return Plan(SMALL, None)
        if self.is_small:
            return Plan(SMALL, self._source.rows)
        from forecaster.batch.buckets import bucket_count
        from forecaster.batch.survey import are_together

        if are_together(self._source, seen):
            return Plan(TOGETHER, self._source.rows)
        return Plan(SCATTERED, self._source.rows, bucket_count(self._source.rows, self._sizes))

    def pieces(self, plan: Plan, done: Sequence[Part], scratch: Path, watch: Watch) -> Pieces:
        """Yield the pieces that come after those of parts that are `done`; `scratch` is a folder for the buckets."""
        if self._source is None:
            yield from _split(_read_csv(self._given, self._names), self._sizes)
        elif plan.kind == SMALL:
            yield from _split(piece_of(list(self._source.chunks()), self._source.word, {}), self._sizes)
        elif plan.kind == TOGETHER:
            if not done or done[-1].end:
                chunks = _watched(self._source.chunks(done[-1].end if done else None), watch)
                yield from whole_series(chunks, self._sizes.shared_out(plan.rows), self._source.word)
        else:
            from forecaster.batch.buckets import gathered

            skip = done[-1].end["bucket"] if done else 0
            if skip < plan.buckets:
                yield from gathered(
                    self._source.chunks(), scratch, plan.buckets, self._sizes, self._source.word, skip=skip,
                    seen=watch.rows,
                )  # fmt: skip

    def place_of(self, row: int) -> tuple[str, int]:
        """Return the name of the file that a row or line, counted through all files, is in, and which one of it."""
        return (self._given.files[0].name, row) if self._source is None else self._source.file_of(row)


def parts_to_keep(plan: Mapping[str, Any], done: Sequence[Part]) -> int:
    """Return how many parts of an earlier run can be gone on from: none of a small one, whole buckets of others."""
    if plan["kind"] == SMALL:
        return 0
    if plan["kind"] == TOGETHER:
        return len(done)
    return max((number for number, part in enumerate(done, 1) if "bucket" in part.end), default=0)


def _watched(chunks: Iterator[Chunk], watch: Watch) -> Iterator[Chunk]:
    for chunk in chunks:
        watch.check()
        yield chunk


def _source(given: Input, names: ColumnNames, sizes: Sizes) -> Source:
    if given.extension == ".parquet":
        from forecaster.batch.parquet_chunks import ParquetSource

        return ParquetSource(given, names, Limits(), sizes.chunk)
    from forecaster.batch.csv_chunks import CsvSource

    return CsvSource(given, names, Limits(), 32 * sizes.chunk)


def _is_little(given: Input) -> bool:
    """Whether the standard library reads a file; it must where pyarrow is not installed, however large the file."""
    if given.extension == ".parquet" or len(given.files) > 1:
        return False
    if find_spec("pyarrow") is None:
        return True
    if given.extension == ".csv" or given.size > _LITTLE:
        return given.size <= _LITTLE
    path, size = given.files[0].path, 0
    with opened_table(path) as (unpacked, _), told_of(unpacked, str(path)):
        while size <= _LITTLE and (block := unpacked.read(2**20)):
            size += len(block)
    return size <= _LITTLE


def _read_csv(given: Input, names: ColumnNames) -> Piece:
    path, faults = given.files[0].path, dict[str, InputError]()
    with opened_table(path) as (stream, _):
        table = read_csv(stream, names=names, name=str(path), faults=faults).rows
    return Piece(table, len(table.values), faults, {})


def _split(piece: Piece, sizes: Sizes) -> Pieces:
    """Yield a piece as several if it has too many series."""
    table, count = piece.table, len(piece.table.names)
    if count <= sizes.series:
        yield piece
        return
    of_rows = np.sort(table.codes)
    for at in range(0, count, sizes.series):
        some = range(at, min(at + sizes.series, count))
        rows = int(np.searchsorted(of_rows, some.stop) - np.searchsorted(of_rows, some.start))
        part: LongTable = table.select(some)
        own = {name: piece.faults[name] for name in part.names if name in piece.faults} if piece.faults else {}
        yield Piece(part, rows, own, {})
