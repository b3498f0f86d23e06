"""Chunks from CSV files: blocks of plain lines go through Arrow's parser, all others through that of `csvfile`.

The two agree where a block is plain: whole lines, and quotation marks only around whole fields. Where Arrow refuses
such a block, `csvfile` reads it and tells what is wrong, or reads it after all. From a block that is not plain on,
`csvfile` reads the rest of the file.
"""

from __future__ import annotations

import io
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from forecaster.batch.chunks import Chunk, Ids, Mark, chunk_of, compact, names_list, refuse_empty, runs_of
from forecaster.batch.inputs import Input, InputFile
from forecaster.columns import ColumnNames, Layout, choose_layout
from forecaster.csvfile import CsvColumns
from forecaster.csvrows import CsvRows, Limits, refuse_other_formats, told_of
from forecaster.errors import InputError
from forecaster.longtable import MISSING
from forecaster.parquetfile import need_pyarrow
from forecaster.tables import opened_table

_BYTES_A_ROW = 32
"""About as many, to cut what Arrow does not read into chunks of the like size."""

_READ_BYTES = 1 << 18
_QUOTE = ord('"')


@dataclass(frozen=True, slots=True)
class _Head:
    """What the header of a file says; its `text`, up to byte `end`, is one plain line, or it is empty."""

    text: bytes
    end: int
    lines: int
    delimiter: str
    columns: tuple[str, ...]
    layout: Layout


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the input a chunk begins: a file, the lines of the files before it, a byte and a line in it."""

    file: int
    begin: int
    at: int
    line: int
    rows: int = 0
    """Rows from there on that come before the chunk: not every row has a byte it is known to begin at."""

    def mark(self) -> Mark:
        """Return the place as JSON can say it."""
        return {"file": self.file, "begin": self.begin, "at": self.at, "line": self.line, "rows": self.rows}


class CsvSource:
    """Reads CSV files in chunks of `size` bytes.

    Parameters
    ----------
    given : Input
        The files.
    names, limits
        As for `parse_csv`.
    size : int
        Bytes of a chunk, unpacked.

    Raises
    ------
    InputError
        A file is no table of series, or has other columns than the first.
    """

    word = "line"
    timezone: str | None = None

    def __init__(self, given: Input, names: ColumnNames, limits: Limits, size: int) -> None:
        self._given, self._names, self._limits, self._size = given, names, limits, size
        self._begins: list[int] = []  # lines of the files before each
        self._rows: int | None = None
        self._heads = [self._head(file) for file in given.files]
        first = self._heads[0]
        for file, head in zip(given.files, self._heads, strict=True):
            if head.columns != first.columns:
                raise InputError(
                    f"{file.path}: its columns are {', '.join(head.columns)}, those of {given.files[0].name} are "
                    f"{', '.join(first.columns)}. Files of a folder need the same columns.",
                )

    @property
    def rows(self) -> int | None:
        """How many rows there are, once all ids have been read."""
        return self._rows

    @property
    def together(self) -> bool | None:
        """Whether all rows of a series are together, where the columns tell: each of a wide table is a series."""
        layout = self._heads[0].layout
        return len(layout.targets) == 1 if layout.id is None else None

    def file_of(self, line: int) -> tuple[str, int]:
        """Return the name of the file that line `line` of all lines is in, and which line of it."""
        place = bisect_left(self._begins, line) - 1
        return self._given.files[place].name, line - self._begins[place]

    def chunks(self, mark: Mark | None = None) -> Iterator[Chunk]:
        """Yield all rows, from a mark on."""
        place = _Place(0, 0, 0, 1) if mark is None else _Place(**mark)
        self._begins = [-1] * place.file  # nobody asks for what lies before the mark
        yield from self._chunks(place, ids_alone=False)

    def ids(self) -> Iterator[tuple[Ids, int]]:
        """Yield the ids of all rows, and the line of the first of them."""
        rows, self._begins = 0, []
        for chunk in self._chunks(_Place(0, 0, 0, 1), ids_alone=True):
            rows += chunk.ids.count
            yield chunk.ids, int(chunk.lines[0])
        if not rows:
            raise InputError(f"{self._given.path}: there is a header but no row below it. Expected one for each value.")
        self._rows = rows

    def _chunks(self, place: _Place, *, ids_alone: bool) -> Iterator[Chunk]:
        while place.file < len(self._given.files):
            self._begins.append(place.begin)
            file, lines = self._given.files[place.file], 0
            with self._opened(file) as stream:
                for read, chunk in self._read(stream, place, ids_alone=ids_alone):
                    lines = read
                    if chunk is not None:
                        yield chunk
            place = _Place(place.file + 1, place.begin + lines, 0, 1)

    @contextmanager
    def _opened(self, file: InputFile) -> Iterator[Any]:
        """Open a file; whatever is wrong with its bytes is told as what is wrong with the file."""
        with opened_table(file.path) as (stream, _), told_of(stream, str(file.path)):
            yield stream

    def _head(self, file: InputFile) -> _Head:
        with self._opened(file) as stream:
            refuse_other_formats(stream)
            reader = self._reader(stream, 0)
            stream.seek(0)
            lines = [stream.readline(self._limits.line_characters * 4) for _ in range(reader.line)]
            text = lines[-1]
            plain = reader.line == reader.skipped + 1 and text.endswith(b"\n") and b"\r" not in text[:-2]
            end = sum(map(len, lines)) if plain else 0
            columns = tuple(reader.header)
            layout = choose_layout(columns, self._names)
            return _Head(text if plain else b"", end, reader.line, reader.delimiter, columns, layout)

    def _reader(self, stream: IO[bytes], before: int) -> CsvRows:
        buffered = io.BufferedReader(_Unclosed(stream), _READ_BYTES)
        text = io.TextIOWrapper(buffered, encoding="utf-8-sig", newline="")
        return CsvRows(text, self._limits, before=before)

    def _read(self, stream: Any, place: _Place, *, ids_alone: bool) -> Iterator[tuple[int, Chunk | None]]:
        """Yield the chunks of a file, from a place on, and with each the number of lines that have been read."""
        head = self._heads[place.file]
        if not head.text:
            yield from self._rest(stream, place, head)
            return
        if not place.at:
            place = replace(place, at=head.end, line=head.lines + 1)
        stream.seek(place.at)
        yield place.line - 1, None
        for text, begun in _whole_lines(stream, self._size, self._limits.line_characters * 4):
            if not _is_plain(text, head.delimiter):
                yield from self._rest(_chain(head.text + text + begun, stream), place, head)
                return
            lines, skipped = text.count(b"\n"), place.rows
            chunk = self._block(text, lines, replace(place, rows=0), head, ids_alone=ids_alone)
            rows = 0 if chunk is None else len(chunk)
            place = replace(place, at=place.at + len(text), line=place.line + lines, rows=max(0, skipped - rows))
            yield place.line - 1, _without(chunk, skipped)

    def _block(self, text: bytes, lines: int, place: _Place, head: _Head, *, ids_alone: bool) -> Chunk | None:
        """Return the rows of a block of plain lines; None if there are none."""
        table = self._arrow(text, head, ids_alone=ids_alone)
        if table is not None and len(table) == lines:  # else there are empty lines
            return self._chunk(table, place, head, ids_alone=ids_alone)
        faults: dict[str, InputError] = {}
        reader = self._reader(io.BytesIO(head.text + text), place.line - 2)
        for long in self._columns(reader, place, faults).tables(lines):
            found = replace(long, lines=None if long.lines is None else long.lines + place.begin)
            return chunk_of(found, place.mark(), self._placed(faults, place.begin))
        return None

    def _rest(self, stream: IO[bytes], place: _Place, head: _Head) -> Iterator[tuple[int, Chunk | None]]:
        """Yield what `csvfile` reads of the rest of a file; a plain header is read once more where it stands first."""
        faults: dict[str, InputError] = {}
        reader = self._reader(stream, place.line - 2 if head.text else 0)
        passed = 0
        for table in self._columns(reader, place, faults).tables(
            max(1, self._size // _BYTES_A_ROW // len(head.layout.targets))
        ):
            rows = len(table.values)
            if table.lines is not None:
                found, at = replace(table, lines=table.lines + place.begin), replace(place, rows=passed)
                chunk = chunk_of(found, at.mark(), self._placed(faults, place.begin))
                yield reader.line, _without(chunk, place.rows - passed)
            faults.clear()
            passed += rows
        yield reader.line, None

    def _columns(self, rows: CsvRows, place: _Place, faults: dict[str, InputError]) -> CsvColumns:
        return CsvColumns(rows, self._names, str(self._given.files[place.file].path), faults)

    def _placed(self, faults: dict[str, InputError], begin: int) -> dict[str, InputError]:
        """Return faults with the number of their line through all files."""
        return {
            name: InputError(str(fault), series=name, row=(fault.row or 0) + begin, column=fault.column)
            for name, fault in faults.items()
        }

    def _arrow(self, text: bytes, head: _Head, *, ids_alone: bool) -> Any:
        """Return what Arrow makes of plain lines, or None if it refuses them."""
        arrow, csv = need_pyarrow(), need_pyarrow("pyarrow.csv")
        layout, names = head.layout, [f"c{place}" for place in range(len(head.columns))]
        texts = arrow.dictionary(arrow.int32(), arrow.string())
        types = {} if layout.id is None else {names[layout.id]: texts}
        if not ids_alone or layout.id is None:
            types |= {names[layout.time]: texts} | {names[place]: arrow.float64() for place in layout.targets}
        try:
            return csv.read_csv(
                arrow.BufferReader(text),
                csv.ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
                csv.ParseOptions(delimiter=head.delimiter),
                csv.ConvertOptions(
                    column_types=types,
                    include_columns=list(types),
                    null_values=sorted(MISSING),
                    strings_can_be_null=False,
                ),
            ).combine_chunks()
        except arrow.ArrowException:
            return None

    def _chunk(self, table: Any, place: _Place, head: _Head, *, ids_alone: bool) -> Chunk:
        layout, count = head.layout, len(table)
        lines = np.arange(place.line, place.line + count) + place.begin
        if layout.id is None:
            names = need_pyarrow().array([head.columns[at] for at in layout.targets], "string")
            ids = runs_of(names, count)
        else:
            ids = _numbered(table.column(f"c{layout.id}"))
            refuse_empty(ids, int(lines[0]), self.word, self._names.id_col)
        if ids_alone:
            return Chunk(ids, lines, np.zeros(0), lines, place.mark())
        stamps = _numbered(table.column(f"c{layout.time}"))
        targets = [table.column(f"c{at}").to_numpy() for at in layout.targets]
        times, lines = np.tile(stamps.codes, len(targets)), np.tile(lines, len(targets))
        return Chunk(ids, times, np.concatenate(targets), lines, place.mark(), stamps=tuple(names_list(stamps.names)))


def _numbered(column: Any) -> Ids:
    encoded = column.chunk(0) if column.num_chunks else column.combine_chunks()
    return compact(encoded.dictionary, encoded.indices.to_numpy())


def _without(chunk: Chunk | None, rows: int) -> Chunk | None:
    """Return a chunk without its first rows; None if there are no others."""
    if chunk is None or rows <= 0:
        return chunk
    return None if rows >= len(chunk) else chunk.rows(rows, len(chunk))


def _whole_lines(stream: Any, size: int, longest: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield a file in blocks of about `size` bytes that end where a line does, and what has been read beyond each."""
    rest = b""
    while block := stream.read(size):
        text = rest + block
        end = text.rfind(b"\n") + 1
        rest = text[end:]
        if end:
            yield text[:end], rest
        elif len(rest) > longest:  # no line of a table: `csvfile` says so
            yield rest, b""
            return
    if rest:
        yield rest + b"\n", b""


def _is_plain(text: bytes, delimiter: str) -> bool:
    """Whether lines end in line feeds, and quotation marks stand only around whole fields, not within them."""
    if b"\0" in text or not text.endswith(b"\n") or text.count(b"\r") != text.count(b"\r\n"):
        return False
    if b'"' not in text:
        return True
    letters = np.frombuffer(b"\n" + text, np.uint8)
    quotes = np.flatnonzero(letters == _QUOTE)
    opening, closing = quotes[::2], quotes[1::2]
    if len(opening) != len(closing):
        return False
    before, after = letters[opening - 1], letters[np.minimum(closing + 1, len(letters) - 1)]
    fits = _one_of(before, f"\n{delimiter}") & _one_of(after, f"\r\n{delimiter}")
    return bool(fits.all()) and not _breaks_within(letters, opening, closing)


def _breaks_within(letters: NDArray[np.uint8], opening: NDArray[np.int64], closing: NDArray[np.int64]) -> bool:
    """Whether a line ends between two quotation marks."""
    breaks = np.flatnonzero(letters == ord("\n"))
    return bool((np.searchsorted(breaks, opening) != np.searchsorted(breaks, closing)).any())


def _one_of(letters: NDArray[np.uint8], allowed: str) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = np.isin(letters, np.frombuffer(allowed.encode(), np.uint8))
    return found


class _Unclosed(io.RawIOBase):
    """A stream that is read through this, and not closed with it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer and return how much."""
        text = self._stream.read(len(buffer))
        buffer[: len(text)] = text
        return len(text)


class _Chain:
    """Some bytes, and then a stream."""

    def __init__(self, text: bytes, stream: IO[bytes]) -> None:
        self._first, self._then = io.BytesIO(text), stream

    def read(self, size: int) -> bytes:
        """Return the next bytes, up to so many."""
        return self._first.read(size) or self._then.read(size)


def _chain(text: bytes, stream: Any) -> IO[bytes]:
    return cast("IO[bytes]", _Chain(text, stream))
