"""Chunks of rows cut anew into pieces of whole series, which are what is worked on and written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from forecaster.batch.chunks import Chunk, Mark, names_list
from forecaster.batch.sizes import Sizes
from forecaster.errors import InputError
from forecaster.frequency import IntArray
from forecaster.gate import shown
from forecaster.longtable import LongTable, Numbering


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """Whole series.

    Attributes
    ----------
    table : LongTable
        Their rows; there may be none.
    rows : int
        Rows of the input that this piece is made of, those of series left out among them.
    faults : dict of str to InputError
        Series with faults that were found before, by id.
    end : Mark
        Where to go on after this piece.
    """

    table: LongTable
    rows: int
    faults: dict[str, InputError]
    end: Mark


def whole_series(chunks: Iterable[Chunk], sizes: Sizes, word: str) -> Iterator[Piece]:
    """Cut chunks, in which all rows of a series follow each other, into pieces.

    A series with more rows than ``sizes.longest`` is left out, with a fault.
    """
    gathered = _Gathered(sizes, word)
    for chunk in chunks:
        yield from gathered.take(chunk)
    yield from gathered.rest()


def piece_of(chunks: Sequence[Chunk], word: str, end: Mark, *, passed: int = 0) -> Piece:
    """Return all rows of some chunks as one piece, to which `passed` rows of series left out belong."""
    faults: dict[str, InputError] = {}
    for chunk in chunks:
        for name, fault in chunk.faults.items():
            faults.setdefault(name, fault)
    table = _table(chunks, word)
    return Piece(table, len(table.values) + passed, faults, end)


def too_long(series: str, rows: int, first: int, longest: int, word: str) -> InputError:
    """Return the fault of a series that has more rows than fit into the memory at once."""
    return InputError(
        f"Series {shown(series)}, {word} {first}: {rows:,} rows begin here, more than the {longest:,} that fit into "
        "the memory this run may take. Give it more (--memory), or keep only the newest values of the series.",
        series=series,
        row=first,
    )


@dataclass(slots=True)
class _Gathered:
    """Rows that wait for the end of their series.

    Attributes
    ----------
    parts
        What has come since the last piece, `rows` in all, of `series` series.
    open, opened, first
        The series that came last: which it is, after how many of the rows it begins, and the number of its first row.
    long
        How many rows that series has had, if it is being left out; 0 if it is not.
    passed
        Rows left out since the last piece.
    """

    sizes: Sizes
    word: str
    parts: list[Chunk] = field(default_factory=list)
    rows: int = 0
    series: int = 0
    open: str | None = None
    opened: int = 0
    first: int = 0
    long: int = 0
    passed: int = 0
    faults: dict[str, InputError] = field(default_factory=dict)

    def take(self, chunk: Chunk) -> Iterator[Piece]:
        """Take rows; yield the pieces that they complete."""
        begins, at = chunk.ids.begins, 0
        if chunk.ids.name(0) == self.open:
            begins = begins[1:]
            at = self._go_on(int(begins[0]) if begins.size else len(chunk))
        if self.long and at < len(chunk):
            self._blame()
        ends = np.append(begins[1:], len(chunk))
        for place in np.flatnonzero(ends - begins > self.sizes.longest).tolist():
            begin, end = int(begins[place]), int(ends[place])
            yield from self._gather(chunk, begins, at, begin)
            self.open, self.first = chunk.ids.name(begin), int(chunk.lines[begin])
            self.long, self.passed, at = end - begin, self.passed + end - begin, end
            if end < len(chunk):
                self._blame()
        yield from self._gather(chunk, begins, at, len(chunk))

    def rest(self) -> Iterator[Piece]:
        """Yield what is left."""
        if self.long:
            self._blame()
        if self.rows or self.passed:
            yield self._close({})

    def _go_on(self, stop: int) -> int:
        """Pass by the next `stop` rows if their series, which came last, is left out; return where to go on."""
        length = self.rows - self.opened
        if not self.long and length + stop > self.sizes.longest:
            self.parts, self.rows, self.series = self._before_open(), self.opened, self.series - 1
            self.long, self.passed = length, self.passed + length
        if not self.long:
            return 0
        self.long += stop
        self.passed += stop
        return stop

    def _gather(self, chunk: Chunk, begins: IntArray, at: int, stop: int) -> Iterator[Piece]:
        """Take the rows from `at` to before `stop`; yield the pieces that they complete."""
        begins = begins[begins < stop]
        while (cut := self._cut(begins, at)) is not None:
            self._add(chunk, begins, at, cut)
            yield self._close(chunk.mark_at(cut))
            at = cut
        self._add(chunk, begins, at, stop)

    def _cut(self, begins: IntArray, at: int) -> int | None:
        """Return the row, from `at` on, where a series begins that is to be the first of the next piece."""
        from_here = begins[np.searchsorted(begins, at, "left" if self.rows else "right") :]
        enough = int(np.searchsorted(from_here, self.sizes.rows - self.rows + at))
        begun = self.series if self.rows else 1  # a piece without rows begins here
        place = min(enough, max(0, self.sizes.series - begun))
        return int(from_here[place]) if place < len(from_here) else None

    def _add(self, chunk: Chunk, begins: IntArray, at: int, stop: int) -> None:
        if at >= stop:
            return
        begun = begins[np.searchsorted(begins, at) : np.searchsorted(begins, stop)]
        if begun.size:
            self.opened, self.first = self.rows + int(begun[-1]) - at, int(chunk.lines[begun[-1]])
        self.parts.append(chunk.rows(at, stop))
        self.rows += stop - at
        self.series += len(begun)
        self.open = chunk.ids.name(stop - 1)

    def _close(self, end: Mark) -> Piece:
        piece = piece_of(self.parts, self.word, end, passed=self.passed)
        piece.faults.update(self.faults)
        self.parts, self.faults = [], {}
        self.rows = self.series = self.opened = self.passed = 0
        return piece

    def _before_open(self) -> list[Chunk]:
        """Return the rows before those of the series that came last."""
        before: list[Chunk] = []
        left = self.opened
        for part in self.parts:
            if left:
                before.append(part.rows(0, min(left, len(part))))
                left -= len(before[-1])
        return before

    def _blame(self) -> None:
        name = str(self.open)
        self.faults[name] = too_long(name, self.long, self.first, self.sizes.longest, self.word)
        self.long = 0


def _table(chunks: Sequence[Chunk], word: str) -> LongTable:
    """Return the rows of some chunks as a table; series are numbered in the order in which they come."""
    if not chunks:
        nothing = np.zeros(0, np.int64)
        return LongTable((), nothing, nothing, np.zeros(0), lines=nothing, word=word)
    names = Numbering()
    codes = [chunk.ids.spread(names.number(names_list(chunk.ids.names))) for chunk in chunks]
    times, stamps = _times(chunks)
    return LongTable(
        tuple(names),
        np.concatenate(codes),
        times,
        np.concatenate([chunk.values for chunk in chunks]),
        stamps=stamps,
        lines=np.concatenate([chunk.lines for chunk in chunks]),
        utc=chunks[0].utc,
        word=word,
    )


def _times(chunks: Sequence[Chunk]) -> tuple[IntArray, list[str] | None]:
    """Return the times of all chunks, and the texts they are numbers of; texts that no row has are left out."""
    if chunks[0].stamps is None:
        return np.concatenate([chunk.times for chunk in chunks]), None
    texts = Numbering()
    times = np.concatenate([texts.number(chunk.stamps or ())[chunk.times] for chunk in chunks])
    used = np.bincount(times, minlength=len(texts)) > 0
    if used.all():
        return times, list(texts)
    return (np.cumsum(used) - 1)[times], [text for text, is_used in zip(texts, used.tolist(), strict=True) if is_used]
