"""Rows of scattered series brought together on disk: each goes into a bucket that the hash of its id tells.

A bucket holds whole series, and few enough rows for a piece; one that holds more is scattered over buckets of its own.
"""

from __future__ import annotations

import json
import resource
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.batch.chunks import Chunk, Ids, compact, hashes, names_list
from forecaster.batch.parts import told_of_writing
from forecaster.batch.pieces import Piece, piece_of, too_long
from forecaster.batch.sizes import Sizes
from forecaster.errors import InputError
from forecaster.frequency import IntArray
from forecaster.parquetfile import need_pyarrow

_MOST = 256
"""Buckets at a time: each is an open file."""

_OTHER_FILES = 96
"""What a process has open beside the buckets, at the most: libraries, input and output, those within a bucket."""

_WITHIN = 16
"""Buckets that one with too many rows is scattered over."""

_FULL = 0.6
"""Part of a piece that a bucket is to fill: they differ in size."""

_LEVEL = np.uint64(0xA0761D6478BD642F)


def bucket_count(rows: int | None, sizes: Sizes) -> int:
    """Return over how many buckets so many rows are scattered."""
    most = _MOST
    open_files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if open_files != resource.RLIM_INFINITY:
        most = max(_WITHIN, min(_MOST, open_files - _OTHER_FILES))
    return most if rows is None else max(1, min(most, -(-rows // max(1, int(_FULL * sizes.rows)))))


def gathered(
    chunks: Iterable[Chunk],
    folder: Path,
    count: int,
    sizes: Sizes,
    word: str,
    *,
    skip: int = 0,
    seen: Callable[[int], None] = lambda _rows: None,
) -> Iterator[Piece]:
    """Scatter rows over `count` buckets in `folder`, and yield the pieces of all but the first `skip` of them.

    The last piece of bucket number n ends at mark ``{"bucket": n + 1}``, those before it at an empty one.
    """
    shutil.rmtree(folder, ignore_errors=True)
    buckets = _scatter(chunks, folder, count, level=0, skip=skip, seen=seen)
    for number, bucket in enumerate(buckets[skip:], skip):
        last = piece_of([], word, {})
        for piece in _pieces(bucket, sizes, word, level=1):
            if last.rows:
                yield last
            last = piece
        yield replace(last, end={"bucket": number + 1})
    shutil.rmtree(folder, ignore_errors=True)


@dataclass(slots=True)
class _Bucket:
    """Rows on disk.

    Attributes
    ----------
    path
        Arrow batches of columns id, time, value and line.
    rows
        How many.
    low, high
        Smallest and largest hash of an id: the same where all rows are of one series.
    utc
        As in `Chunk`.
    """

    path: Path
    rows: int = 0
    low: int = 2**64
    high: int = -1
    utc: bool = False
    _open: Any = None

    def add(self, batch: Any, hashed: NDArray[np.uint64]) -> None:
        """Write rows."""
        if self._open is None:
            sink = need_pyarrow().OSFile(str(self.path), "wb")
            self._open = (sink, need_pyarrow("pyarrow.ipc").new_stream(sink, batch.schema))
        self._open[1].write_batch(batch)
        self.rows += len(batch)
        self.low, self.high = min(self.low, int(hashed.min())), max(self.high, int(hashed.max()))

    def close(self) -> None:
        """Bring what was written into the file."""
        if self._open is not None:
            sink, writer = self._open
            self._open = None
            with told_of_writing(self.path), sink, writer:
                pass

    def add_faults(self, faults: Iterable[InputError]) -> None:
        """Write faults of series, beside the rows."""
        with self.path.with_suffix(".faults").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps([one.series, str(one), one.row, one.column]) + "\n" for one in faults)

    def faults(self) -> dict[str, InputError]:
        """Return the faults by id."""
        try:
            lines = self.path.with_suffix(".faults").read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return {}
        faults: dict[str, InputError] = {}
        for series, text, row, column in map(json.loads, lines):
            faults.setdefault(series, InputError(text, series=series, row=row, column=column))
        return faults

    def batches(self) -> Iterator[Any]:
        """Yield the rows again."""
        if self.rows:
            file = need_pyarrow().OSFile(str(self.path), "rb")
            with file, need_pyarrow("pyarrow.ipc").open_stream(file) as stream:
                yield from stream

    def chunk(self) -> Chunk:
        """Return all rows."""
        return _chunk(need_pyarrow().Table.from_batches(self.batches()), self.utc)

    def remove(self) -> None:
        """Give back its place on the disk."""
        self.path.unlink(missing_ok=True)
        self.path.with_suffix(".faults").unlink(missing_ok=True)


def _scatter(
    chunks: Iterable[Chunk], folder: Path, count: int, *, level: int, skip: int, seen: Callable[[int], None]
) -> list[_Bucket]:
    buckets = [_Bucket(folder / f"{number:03}") for number in range(count)]
    rows = 0
    with told_of_writing(folder):
        folder.mkdir(parents=True)
    with ExitStack() as opened:
        for bucket in buckets:
            opened.callback(bucket.close)
        for chunk in chunks:
            with told_of_writing(folder):
                _share_out(chunk, buckets, level, skip)
            rows += len(chunk)
            seen(rows)
    return buckets


def _share_out(chunk: Chunk, buckets: list[_Bucket], level: int, skip: int) -> None:
    """Write each row of a chunk to its bucket, but for those of the first `skip` buckets."""
    hashed = hashes(chunk.ids.names)
    with np.errstate(over="ignore"):  # each level by other bits: what came together in one bucket parts in the next
        mixed = (hashed ^ (np.uint64(level) * _LEVEL)) * _LEVEL
    places = ((mixed >> np.uint64(32)) % np.uint64(len(buckets))).astype(np.int64)
    of_rows = chunk.ids.spread(places)
    order = np.argsort(of_rows, kind="stable")
    ends = np.searchsorted(of_rows[order], np.arange(len(buckets) + 1))
    batch, hashed = _batch(chunk, order), chunk.ids.spread(hashed)[order]
    for number, bucket in enumerate(buckets[skip:], skip):
        begin, end = int(ends[number]), int(ends[number + 1])
        if begin < end:
            bucket.utc = chunk.utc
            bucket.add(batch.slice(begin, end - begin), hashed[begin:end])
    if chunk.faults:
        own = dict(zip(names_list(chunk.ids.names), places.tolist(), strict=True))
        for number in {own[name] for name in chunk.faults}:
            buckets[number].add_faults(fault for name, fault in chunk.faults.items() if own[name] == number)


def _pieces(bucket: _Bucket, sizes: Sizes, word: str, *, level: int) -> Iterator[Piece]:
    """Yield the series of a bucket, and remove it."""
    if bucket.rows <= sizes.longest:
        yield from _split(bucket, sizes, word)
    elif bucket.low == bucket.high:
        yield _left_out(bucket, sizes, word)
    else:
        folder = bucket.path.with_suffix(".parts")
        chunks = (_chunk(need_pyarrow().Table.from_batches([batch]), bucket.utc) for batch in bucket.batches())
        parts = _scatter(chunks, folder, _WITHIN, level=level, skip=0, seen=lambda _rows: None)
        faults = bucket.faults()
        for part in parts:
            for piece in _pieces(part, sizes, word, level=level + 1):
                yield replace(piece, faults=_of(piece.table.names, faults) | piece.faults)
        shutil.rmtree(folder, ignore_errors=True)
    bucket.remove()


def _split(bucket: _Bucket, sizes: Sizes, word: str) -> Iterator[Piece]:
    """Yield the series of a bucket in as many pieces as it takes for no piece to have too many."""
    if not bucket.rows:
        return
    faults, whole = bucket.faults(), piece_of([bucket.chunk()], word, {})
    count = len(whole.table.names)
    for at in range(0, count, sizes.series):
        table = whole.table if count <= sizes.series else whole.table.select(range(at, min(at + sizes.series, count)))
        yield Piece(table, len(table.values), _of(table.names, faults), {})


def _of(names: Sequence[str], faults: dict[str, InputError]) -> dict[str, InputError]:
    return {name: faults[name] for name in names if name in faults} if faults else {}


def _left_out(bucket: _Bucket, sizes: Sizes, word: str) -> Piece:
    """Return a piece without rows, and the fault of the series that has too many."""
    first = next(bucket.batches())
    series, line = str(first.column("id")[0].as_py()), int(first.column("line")[0].as_py())
    nothing = piece_of([], word, {})
    return replace(nothing, rows=bucket.rows, faults={series: too_long(series, bucket.rows, line, sizes.longest, word)})


def _batch(chunk: Chunk, order: IntArray) -> Any:
    """Return rows in this order as an Arrow batch."""
    arrow = need_pyarrow()
    times = arrow.array(chunk.times[order])
    if chunk.stamps is not None:
        times = arrow.array(chunk.stamps, "string").take(times)
    columns = {
        "id": chunk.ids.names.take(arrow.array(chunk.ids.codes[order])),
        "time": times,
        "value": arrow.array(chunk.values[order]),
        "line": arrow.array(chunk.lines[order]),
    }
    return arrow.RecordBatch.from_pydict(columns)


def _chunk(table: Any, utc: bool) -> Chunk:
    """Return rows of an Arrow table."""
    table = table.combine_chunks()
    ids, times, stamps = _numbered(table.column("id")), table.column("time"), None
    if need_pyarrow().types.is_string(times.type):
        found = _numbered(times)
        moments, stamps = found.codes, tuple(names_list(found.names))
    else:
        moments = times.to_numpy()
    return Chunk(ids, moments, table.column("value").to_numpy(), table.column("line").to_numpy(), {}, stamps, utc)


def _numbered(column: Any) -> Ids:
    encoded = column.combine_chunks().dictionary_encode()
    return compact(encoded.dictionary, encoded.indices.to_numpy())
