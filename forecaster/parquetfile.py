"""Panels from Parquet files and back; pyarrow is an optional extra and imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np

from forecaster.columns import ColumnNames, Layout, choose_layout
from forecaster.csvrows import Limits
from forecaster.errors import InputError, MissingExtraError, TooLargeError
from forecaster.frames import Freq, assemble, text_times, whole_times
from forecaster.gate import shown
from forecaster.panel import Panel

__all__ = ["need_pyarrow", "parquet_head", "parquet_times", "read_parquet", "write_parquet"]


def need_pyarrow(module: str = "pyarrow") -> Any:
    """Return a module of pyarrow, or raise MissingExtraError that says how to install it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            'Parquet files need pyarrow, which is not installed: pip install "forecaster[parquet]", or use .csv.gz.'
        ) from error


def read_parquet(
    stream: BinaryIO, name: str, freq: Freq, names: ColumnNames, timezone: str | None, limits: Limits
) -> Panel:
    """Read series from a Parquet file; raises InputError as :func:`~forecaster.tables.read_panel` does."""
    parquet, arrow = need_pyarrow("pyarrow.parquet"), need_pyarrow()
    try:
        file = parquet.ParquetFile(stream)
        columns = list(file.schema_arrow.names)
        if len(columns) > limits.columns:
            raise TooLargeError(f"The file has {len(columns)} columns; at most {limits.columns} are read.")
        if limits.rows is not None and file.metadata.num_rows > limits.rows:
            raise TooLargeError(f"There are more than {limits.rows} rows. Send them in parts, by series.")
        layout = choose_layout(columns, names)
        wanted = [columns[i] for i in (layout.time, layout.id, *layout.targets) if i is not None]
        table = file.read(columns=wanted)
        return _panel_from_arrow(table, columns, layout, freq, names, timezone)
    except InputError as error:
        raise type(error)(f"{name}: {error}", series=error.series, row=error.row, column=error.column) from None
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{name} is not a Parquet file, or it is damaged ({str(error)[:100]}).") from error


def parquet_head(stream: BinaryIO, name: str, rows: int) -> tuple[list[str], list[list[str]]]:
    """Return the names of the columns and the first rows as text, empty where nothing is.

    Raises
    ------
    InputError
        It is no Parquet file.
    MissingExtraError
        pyarrow is not installed.
    """
    parquet, arrow = need_pyarrow("pyarrow.parquet"), need_pyarrow()
    try:
        file = parquet.ParquetFile(stream)
        first = next(file.iter_batches(batch_size=rows), None)
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{name} is not a Parquet file, or it is damaged ({str(error)[:100]}).") from error
    cells = [] if first is None else list(zip(*(column.to_pylist() for column in first.columns), strict=True))
    return list(file.schema_arrow.names), [["" if cell is None else str(cell) for cell in row] for row in cells]


def _panel_from_arrow(
    table: Any, columns: Sequence[str], layout: Layout, freq: Freq, names: ColumnNames, timezone: str | None
) -> Panel:
    times, zone, utc = _arrow_times(table.column(columns[layout.time]), names, timezone)
    ids = None
    if layout.id is not None:
        ids = np.array(without_bytes(table.column(columns[layout.id])).to_pylist(), dtype=object)
    targets = [(columns[i], _arrow_values(table.column(columns[i]), columns[i])) for i in layout.targets]
    return assemble(ids, times, targets, freq=freq, names=names, timezone=zone, utc=utc)


def without_bytes(names: Any) -> Any:
    """Return names as they are, or the texts they are if their writer did not say that they are texts.

    Raises
    ------
    InputError
        They are bytes, and no texts in UTF-8.
    """
    arrow = need_pyarrow()
    if not (arrow.types.is_binary(names.type) or arrow.types.is_large_binary(names.type)):
        return names
    try:
        return names.cast("string")
    except arrow.ArrowException as error:
        raise InputError("The series ids are bytes that are no text in UTF-8. Write them as text.") from error


def _arrow_values(column: Any, name: str) -> Any:
    types = need_pyarrow().types
    kind = column.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)):
        raise InputError(f"Column {shown(name)}: expected numbers, got {kind}.", column=name)
    return column.cast("float64").to_numpy()


def _arrow_times(column: Any, names: ColumnNames, timezone: str | None) -> tuple[Any, str | None, bool]:
    types = need_pyarrow().types
    kind = column.type
    if column.null_count:
        row = column.is_null().to_pylist().index(True) + 1
        raise InputError(f"Row {row}: the timestamp is missing. Fill it in.", row=row, column=names.time_col)
    if types.is_timestamp(kind):
        instants = column.cast(need_pyarrow().timestamp(kind.unit)).to_numpy()
        return instants, timezone or kind.tz, kind.tz is not None
    if types.is_date(kind):
        return column.cast("timestamp[ms]").to_numpy(), timezone, False
    if types.is_integer(kind):
        return whole_times(column.to_numpy()), timezone, False
    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        texts = column.to_pylist()
        if all(isinstance(text, str) for text in texts):
            return text_times(texts, names, timezone, word="Row")
    raise InputError(
        f"Column {shown(names.time_col)}: expected dates or whole numbers, got {kind}.", column=names.time_col
    )


def parquet_times(times: Any, timezone: str | None) -> Any:
    """Return timestamps as a pyarrow array; with a time zone they are UTC instants."""
    arrow = need_pyarrow()
    if times.dtype.kind != "M":
        return arrow.array(times)
    return arrow.array(times.astype("datetime64[us]"), type=arrow.timestamp("us", tz=timezone))


def write_parquet(columns: Mapping[str, Sequence[Any]], stream: BinaryIO) -> None:
    """Write a table given as columns."""
    parquet, arrow = need_pyarrow("pyarrow.parquet"), need_pyarrow()
    parquet.write_table(arrow.table({name: arrow.array(column) for name, column in columns.items()}), stream)
