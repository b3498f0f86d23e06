"""Chunks from Parquet files: columns stay arrays from the file to the panel."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.batch.chunks import Chunk, Ids, Mark, compact, names_list, no_id, refuse_empty, runs_of
from forecaster.batch.inputs import Input, InputFile
from forecaster.columns import ColumnNames, Layout, choose_layout
from forecaster.csvrows import Limits
from forecaster.errors import InputError, TooLargeError
from forecaster.frequency import IntArray, TimeArray
from forecaster.gate import shown
from forecaster.parquetfile import need_pyarrow, without_bytes
from forecaster.timestamps import dates_of_numbers

_BUFFER = 1 << 20
"""Bytes of a column that are read at a time: a row group may be larger than the memory."""


class ParquetSource:
    """Reads Parquet files in chunks of `rows` rows.

    Parameters
    ----------
    given : Input
        The files.
    names : ColumnNames
        Names of the columns of a long table.
    limits : Limits
        How many columns are read.
    rows : int
        Rows of a chunk.

    Raises
    ------
    InputError
        A file is damaged, or its columns are not of the expected types, or not those of the first file.
    """

    word = "row"

    def __init__(self, given: Input, names: ColumnNames, limits: Limits, rows: int) -> None:
        self._given, self._names, self._rows = given, names, rows
        self._begins = [1]
        self._kinds: dict[str, Any] = {}
        for file in given.files:
            with self._opened(file) as parquet:
                self._look_at(file, parquet, limits)
        if not self.rows:
            raise InputError(f"{given.path}: there are no rows. Expected one row for each value.")
        kind = self._kinds.get(names.time_col)
        self.timezone: str | None = getattr(kind, "tz", None)
        self._dates: bool | None = None  # whether whole numbers are dates, such as 20240131

    @property
    def rows(self) -> int:
        """Rows of all files."""
        return self._begins[-1] - 1

    def file_of(self, line: int) -> tuple[str, int]:
        """Return the name of the file that row `line` of all rows is in, and which row of it."""
        place = bisect_right(self._begins, line) - 1
        return self._given.files[place].name, line - self._begins[place] + 1

    def chunks(self, mark: Mark | None = None) -> Iterator[Chunk]:
        """Yield all rows, from a mark on."""
        columns = [self._columns[place] for place in (self._layout.time, *self._layout.targets)]
        for number, row, batch in self._batches(columns if self._layout.id is None else None, mark):
            with self._told(self._given.files[number]):
                chunk = self._chunk(number, row, batch)
            yield chunk

    def ids(self) -> Iterator[tuple[Ids, int]]:
        """Yield the ids of all rows, and the number of the first of them; wide tables have none to read."""
        if self._layout.id is None:
            raise ValueError("a wide table has no column of ids")
        column = self._columns[self._layout.id]
        for number, row, batch in self._batches([column], None):
            first = self._begins[number] + row
            with self._told(self._given.files[number]):
                ids = self._ids_of(self._column(batch, number, column), first)
            yield ids, first

    @property
    def together(self) -> bool | None:
        """Whether all rows of a series are together, where the columns tell: each of a wide table is a series."""
        return len(self._layout.targets) == 1 if self._layout.id is None else None

    @contextmanager
    def _opened(self, file: InputFile, texts: Sequence[str] = ()) -> Iterator[Any]:
        """Open a file, to read `texts` as numbers into a dictionary."""
        parquet = need_pyarrow("pyarrow.parquet")
        with self._told(file):
            own = [name for name in texts if name in parquet.read_schema(file.path).names]
            opened = parquet.ParquetFile(file.path, read_dictionary=own, buffer_size=_BUFFER, pre_buffer=False)
            with opened:
                yield opened

    @contextmanager
    def _told(self, file: InputFile) -> Iterator[None]:
        """Have whatever is wrong with the bytes of a file told as what is wrong with the file."""
        arrow = need_pyarrow()
        try:
            yield
        except InputError as error:
            told = f"{file.path}: {error}"
            raise type(error)(told, series=error.series, row=error.row, column=error.column) from None
        except (arrow.ArrowException, OSError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise InputError(f"{file.path} cannot be read: {os.strerror(error.errno)}.") from error
            raise InputError(f"{file.path} is not a Parquet file, or it is damaged ({str(error)[:100]}).") from error

    def _look_at(self, file: InputFile, parquet: Any, limits: Limits) -> None:
        """Take over what the foot of a file says."""
        schema = parquet.schema_arrow
        columns = [*schema.names, *(name for name in file.constants if name not in schema.names)]
        if len(columns) > limits.columns:
            raise TooLargeError(f"The file has {len(columns)} columns; at most {limits.columns} are read.")
        layout = choose_layout(columns, self._names)
        wanted = [columns[place] for place in (layout.time, layout.id, *layout.targets) if place is not None]
        texts = need_pyarrow().string()
        kinds = {name: schema.field(name).type if name in schema.names else texts for name in wanted}
        if self._kinds and _plain(kinds) != _plain(self._kinds):
            raise InputError(
                f"its columns are {_said(kinds)}, those of {self._given.files[0].name} are {_said(self._kinds)}. Files "
                "of a folder need the same columns and types."
            )
        self._kinds, self._columns, self._layout = kinds, columns, layout
        self._check_types(layout)
        self._begins.append(self._begins[-1] + parquet.metadata.num_rows)

    def _check_types(self, layout: Layout) -> None:
        types = need_pyarrow().types
        time = self._columns[layout.time]
        kind = _value_type(self._kinds[time])
        if not any(test(kind) for test in (types.is_timestamp, types.is_date, types.is_integer, _is_text)):
            raise InputError(f"Column {shown(time)}: expected dates or whole numbers, got {kind}.", column=time)
        for name in (self._columns[place] for place in layout.targets):
            kind = self._kinds[name]
            if not any(test(kind) for test in (types.is_integer, types.is_floating, types.is_decimal, types.is_null)):
                raise InputError(f"Column {shown(name)}: expected numbers, got {kind}.", column=name)

    def _batches(self, columns: Sequence[str] | None, mark: Mark | None) -> Iterator[tuple[int, int, Any]]:
        """Yield batches of these columns, or all that are needed, with the number of the file and of the first row."""
        first, skipped = (0, 0) if mark is None else (mark["file"], mark["rows"])
        if mark is not None:
            self._dates = mark["dates"]
        wanted = list(self._kinds) if columns is None else columns
        texts = [name for name in wanted if _is_text(_value_type(self._kinds[name]))]
        for number, file in enumerate(self._given.files[first:], first):
            with self._opened(file, texts) as parquet:
                own = [name for name in wanted if name in parquet.schema_arrow.names]
                group, row = _group_of(parquet.metadata, skipped)
                groups = range(group, parquet.metadata.num_row_groups)
                for batch in parquet.iter_batches(self._rows, groups, own, use_threads=False):
                    late = min(max(skipped - row, 0), len(batch))
                    if late < len(batch):
                        yield number, row + late, batch.slice(late)
                    row += len(batch)
            skipped = 0

    def _column(self, batch: Any, number: int, name: str) -> Any:
        """Return a column of a batch; one that the names of folders say is the same in every row."""
        if name in batch.schema.names:
            return batch.column(name)
        arrow = need_pyarrow()
        codes = arrow.array(np.zeros(len(batch), np.int32))
        return arrow.DictionaryArray.from_arrays(codes, [self._given.files[number].constants[name]])

    def _chunk(self, number: int, row: int, batch: Any) -> Chunk:
        first, layout = self._begins[number] + row, self._layout
        lines = np.arange(first, first + len(batch))
        targets = [self._columns[place] for place in layout.targets]
        floats = [_floats(self._column(batch, number, name)) for name in targets]
        if layout.id is None:
            ids = runs_of(need_pyarrow().array(targets, "string"), len(batch))
        else:
            ids = self._ids_of(self._column(batch, number, self._columns[layout.id]), first)
        times, stamps, faulty = self._times(self._column(batch, number, self._columns[layout.time]))
        values = floats[0]
        if len(targets) > 1:
            values = np.concatenate(floats)
            times, faulty, lines = (np.tile(one, len(targets)) for one in (times, faulty, lines))
        faults = self._time_faults(np.flatnonzero(faulty), ids, lines)
        mark = {"file": number, "rows": row, "dates": self._dates}
        return Chunk(ids, times, values, lines, mark, stamps, utc=self.timezone is not None, faults=faults)

    def _ids_of(self, column: Any, first: int) -> Ids:
        if column.null_count:
            row = first + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise no_id(row, self.word, self._names.id_col)
        encoded = column if _is_dictionary(column.type) else column.dictionary_encode()
        ids = compact(encoded.dictionary, encoded.indices.to_numpy(), _texts)
        refuse_empty(ids, first, self.word, self._names.id_col)
        return ids

    def _times(self, column: Any) -> tuple[TimeArray, tuple[str, ...] | None, NDArray[np.bool_]]:
        """Return timestamps, the texts they are numbers of if they are, and which are at fault."""
        arrow, kind = need_pyarrow(), column.type
        types = arrow.types
        faulty = np.zeros(len(column), np.bool_)
        if types.is_timestamp(kind):
            return column.cast(arrow.timestamp(kind.unit)).to_numpy(zero_copy_only=False), None, faulty
        if types.is_date(kind):
            return column.cast("timestamp[ms]").to_numpy(zero_copy_only=False), None, faulty
        if types.is_integer(kind):
            missing = column.is_null().to_numpy(zero_copy_only=False)
            numbers = column.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
            return (*self._numbers(numbers, missing), missing)
        encoded = column if _is_dictionary(kind) else column.dictionary_encode()
        ids = compact(encoded.dictionary, encoded.indices.fill_null(0).to_numpy(), _texts)
        missing = encoded.indices.is_null().to_numpy(zero_copy_only=False)
        return ids.codes, tuple(names_list(ids.names)), missing

    def _numbers(self, numbers: IntArray, missing: NDArray[np.bool_]) -> tuple[TimeArray, None]:
        """Return whole numbers as they are, or as dates if they are written so; what the first ones are, all are."""
        known = numbers[~missing]
        dates = dates_of_numbers(known)
        if self._dates is None:
            self._dates = dates is not None
        if not self._dates:
            return numbers, None
        times = np.full(len(numbers), np.datetime64("NaT"), "datetime64[us]")
        if dates is not None:
            times[~missing] = dates
        return times, None

    def _time_faults(self, rows: IntArray, ids: Ids, lines: IntArray) -> dict[str, InputError]:
        if not rows.size:
            return {}
        column = self._names.time_col
        faults: dict[str, InputError] = {}
        for row in rows.tolist():
            name, line = ids.name(row), int(lines[row])
            text = f"Row {line}: the timestamp is missing. Fill it in."
            faults.setdefault(name, InputError(text, series=name, row=line, column=column))
        return faults


def _group_of(metadata: Any, row: int) -> tuple[int, int]:
    """Return the row group that a row of a file is in, and the first row of it."""
    begin = 0
    for group in range(metadata.num_row_groups):
        count = metadata.row_group(group).num_rows
        if row < begin + count:
            return group, begin
        begin += count
    return metadata.num_row_groups, begin


def _texts(names: Any) -> Any:
    """Return distinct ids of whatever type as an array of strings, as Python writes them."""
    arrow = need_pyarrow()
    names = without_bytes(names)
    if _is_text(names.type) or arrow.types.is_integer(names.type):
        texts = names.cast("string")
        texts.validate(full=True)  # whether it is UTF-8, which files do not see to
        return texts
    return arrow.array([str(name) for name in names.to_pylist()], "string")


def _floats(column: Any) -> NDArray[np.float64]:
    floats: NDArray[np.float64] = column.cast("float64", safe=False).to_numpy(zero_copy_only=False)
    return floats


def _value_type(kind: Any) -> Any:
    return kind.value_type if _is_dictionary(kind) else kind


def _is_dictionary(kind: Any) -> bool:
    return bool(need_pyarrow().types.is_dictionary(kind))


def _is_text(kind: Any) -> bool:
    types = need_pyarrow().types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def _plain(kinds: dict[str, Any]) -> dict[str, str]:
    """Return types by column, those that differ only in how much room they take as one."""
    types = need_pyarrow().types

    def plain(kind: Any) -> str:
        kind = _value_type(kind)
        if _is_text(kind):
            return "text"
        if types.is_integer(kind):
            return "whole numbers"
        return str(kind)

    return {name: plain(kind) for name, kind in kinds.items()}


def _said(kinds: dict[str, Any]) -> str:
    return ", ".join(f"{shown(name)} {_value_type(kind)}" for name, kind in kinds.items())
