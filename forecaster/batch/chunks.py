"""Rows as they are read, some hundred thousand at a time: names in Arrow's memory, numbers in NumPy's."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import InputError
from forecaster.frequency import IntArray, TimeArray
from forecaster.gate import shown
from forecaster.longtable import LongTable
from forecaster.parquetfile import need_pyarrow

Mark = Mapping[str, Any]
"""Where a source can begin to read again, as JSON can say it: ``rows`` after a place that only the source knows."""

Integer = TypeVar("Integer", bound=np.integer[Any])

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_MIXERS = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64


@dataclass(frozen=True, slots=True, eq=False)
class Ids:
    """The ids of some rows, in their order, by runs of rows with one id: rows of a series are often together.

    Attributes
    ----------
    names : pyarrow array of strings
        The distinct ids, in the order in which they come; each of them occurs.
    of_runs : (runs,) int64
        Which of them each run has.
    begins : (runs,) int64
        Where each run begins.
    count : int
        Rows.
    """

    names: Any
    of_runs: IntArray
    begins: IntArray
    count: int

    @property
    def codes(self) -> IntArray:
        """Which of the names each row has, (count,)."""
        return self.spread(np.arange(len(self.names)))

    def spread(self, numbers: NDArray[Integer]) -> NDArray[Integer]:
        """Return for each row the number of its name, of one for each name."""
        return np.repeat(numbers[self.of_runs], np.diff(self.begins, append=self.count))

    def name(self, row: int) -> str:
        """Return the id of a row."""
        run = np.searchsorted(self.begins, row, "right") - 1
        return str(self.names[int(self.of_runs[run])].as_py())

    def rows(self, start: int, stop: int) -> Ids:
        """Return the ids of the rows from `start` to before `stop`."""
        first = np.searchsorted(self.begins, start, "right") - 1
        after = np.searchsorted(self.begins, stop)
        begins = np.maximum(self.begins[first:after] - start, 0)
        return _in_order(self.names, self.of_runs[first:after], begins, stop - start)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some rows of an input, in their order.

    Attributes
    ----------
    ids : Ids
        Whose they are.
    times, values, stamps, utc
        As in `LongTable`.
    lines : (rows,) int64
        Number of each row, through all files of the input.
    faults : dict of str to InputError
        By id, what was wrong with values on the way in; these stand as NaN.
    mark : Mark
        Where reading begins with this chunk.
    """

    ids: Ids
    times: TimeArray
    values: NDArray[np.float64]
    lines: IntArray
    mark: Mark
    stamps: tuple[str, ...] | None = None
    utc: bool = False
    faults: dict[str, InputError] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.values)

    def rows(self, start: int, stop: int) -> Chunk:
        """Return the rows from `start` to before `stop`; faults go with the row they are in."""
        if (start, stop) == (0, len(self)):
            return self
        lines = self.lines[start:stop]
        within = {name: fault for name, fault in self.faults.items() if lines[0] <= (fault.row or 0) <= lines[-1]}
        return replace(
            self,
            ids=self.ids.rows(start, stop),
            times=self.times[start:stop],
            values=self.values[start:stop],
            lines=lines,
            mark=self.mark_at(start),
            faults=within,
        )

    def mark_at(self, row: int) -> Mark:
        """Return where reading begins with this row of the chunk."""
        return {**self.mark, "rows": self.mark["rows"] + row}


class Source(Protocol):
    """What reads an input in chunks.

    Attributes
    ----------
    word
        What a number in ``Chunk.lines`` is called: a line or a row.
    timezone
        Time zone of the timestamps, if the format says it.
    rows
        How many there are, where that is known before they are read.
    together
        Whether all rows of a series are together, where that is known before they are read.
    """

    word: str
    timezone: str | None

    @property
    def rows(self) -> int | None:
        """How many there are, where that is known before they are read."""
        ...

    @property
    def together(self) -> bool | None:
        """Whether all rows of a series are together, where that is known before they are read."""
        ...

    def chunks(self, mark: Mark | None = None) -> Iterator[Chunk]:
        """Yield all rows, from a mark on."""
        ...

    def ids(self) -> Iterator[tuple[Ids, int]]:
        """Yield the ids of all rows, and the number of the first of them."""
        ...

    def file_of(self, line: int) -> tuple[str, int]:
        """Return the name of the file a number of `Chunk.lines` is in, and what it is there; once it has been read."""
        ...


def names_list(names: Any) -> list[str]:
    """Return an array of strings as a list."""
    found: list[str] = names.to_numpy(zero_copy_only=False).tolist()
    return found


def compact(names: Any, codes: NDArray[np.integer[Any]], as_texts: Callable[[Any], Any] = lambda values: values) -> Ids:
    """Return ids each of which occurs, once, in the order in which they come: what files hold promises none of it.

    `as_texts` makes strings of those of the `names` that occur; there may be many more.
    """
    begins = np.flatnonzero(codes[1:] != codes[:-1]) + 1
    begins = np.concatenate((np.zeros(min(1, len(codes)), np.int64), begins))
    ids = _in_order(names, codes[begins].astype(np.int64), begins, len(codes))
    texts = as_texts(ids.names)
    if len(need_pyarrow("pyarrow.compute").unique(texts)) == len(texts):
        return replace(ids, names=texts)
    once = texts.dictionary_encode()
    of_runs = once.indices.to_numpy().astype(np.int64)[ids.of_runs]
    begin = np.diff(of_runs, prepend=-1) != 0
    return Ids(once.dictionary, of_runs[begin], begins[begin], len(codes))


def runs_of(names: Any, each: int) -> Ids:
    """Return the ids of a table in which each of some names has `each` rows, one after the other."""
    numbers = np.arange(len(names))
    return Ids(names, numbers, each * numbers, each * len(names))


def _in_order(names: Any, of_runs: IntArray, begins: IntArray, count: int) -> Ids:
    """Return ids with those of some distinct `names` that runs have, in the order in which they come."""
    arrow = need_pyarrow()
    steps = np.diff(of_runs)
    if len(of_runs) and (steps == 1).all():
        return Ids(names.slice(of_runs[0], len(of_runs)), np.arange(len(of_runs)), begins, count)
    used, firsts, of_runs = np.unique(of_runs, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    places = np.empty(len(used), np.int64)
    places[order] = np.arange(len(used))
    return Ids(names.take(arrow.array(used[order])), places[of_runs], begins, count)


def hashes(names: Any) -> NDArray[np.uint64]:
    """Return a number of 64 bits for each string, the same in every process; no string is made an object for it.

    A polynomial in the bytes, mixed as splitmix64 does: equal numbers of unequal strings are as rare as chance has it.
    """
    offsets = np.frombuffer(names.buffers()[1], np.int32)[names.offset : names.offset + len(names) + 1].astype(np.int64)
    data = names.buffers()[2]
    text = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]] if data is not None else np.zeros(0, np.uint8)
    lengths = np.diff(offsets)
    places = np.arange(len(text)) - np.repeat(offsets[:-1] - offsets[0], lengths)
    with np.errstate(over="ignore"):
        powers = np.cumprod(np.full(int(lengths.max(initial=0)) + 1, _FACTOR))
        terms = (text.astype(np.uint64) + np.uint64(1)) * powers[places]
        sums = np.append(np.cumsum(terms), np.uint64(0))  # wraps around, and so do differences
        ends = (offsets - offsets[0])[1:] - 1
        found: NDArray[np.uint64] = sums[ends] - sums[ends - lengths]
        for shift, mixer in zip((30, 27), _MIXERS, strict=True):
            found = (found ^ (found >> np.uint64(shift))) * mixer
    return found ^ (found >> np.uint64(31))


def refuse_empty(ids: Ids, first: int, word: str, column: str) -> None:
    """Raise InputError if an id is an empty text; `first` is the number of the first row."""
    empty = need_pyarrow("pyarrow.compute").index(ids.names, "").as_py()
    if empty >= 0:
        raise no_id(first + int(ids.begins[np.argmax(ids.of_runs == empty)]), word, column)


def no_id(row: int, word: str, column: str) -> InputError:
    """Return the error for a row without an id."""
    text = f"{word.capitalize()} {row}: the series id is empty. Fill in the column {shown(column)}."
    return InputError(text, row=row, column=column)


def chunk_of(table: LongTable, mark: Mark, faults: dict[str, InputError]) -> Chunk:
    """Return the rows of a table, which has lines, as a chunk."""
    if table.lines is None:
        raise ValueError("the rows have no numbers")
    return Chunk(
        compact(need_pyarrow().array(table.names, "string"), table.codes),
        table.times,
        table.values,
        table.lines,
        mark,
        stamps=None if table.stamps is None else tuple(table.stamps),
        utc=table.utc,
        faults=faults,
    )
