"""Forecasts as the bytes of a part; the text of a table is made by Arrow, letter by letter as `tables` writes it."""

from __future__ import annotations

import csv
import gzip
import io
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.columns import ColumnNames
from forecaster.errors import ConfigError
from forecaster.forecast import Forecast
from forecaster.frequency import DAY
from forecaster.parquetfile import need_pyarrow, parquet_times
from forecaster.tables import csv_text, forecast_columns, harmless
from forecaster.timestamps import labels_of

ARROW = "arrow"
"""A format for parts that become one Parquet file: quick to write and to read again."""

_SECOND = 1_000_000
_PLAIN_TEXT = re.compile(r"[^\",\r\n=+\-@\t ][^\",\r\n]*")


def encoded(forecast: Forecast, names: ColumnNames, form: str, *, header: bool, with_arrow: bool) -> bytes:
    """Return a forecast in one of the formats of `EXTENSIONS`, or `ARROW`; CSV with a header or without."""
    if form == ARROW:
        return _stream(arrow_table(forecast, names))
    if form == ".parquet":
        sink = io.BytesIO()
        write = need_pyarrow("pyarrow.parquet").write_table
        write(plain_ids(arrow_table(forecast, names)), sink, use_dictionary=dictionaries(names))
        return sink.getvalue()
    text = _text(forecast, names, header=header, with_arrow=with_arrow)
    return _packed(text) if form == ".csv.gz" else text


def header_text(columns: Sequence[str], form: str = ".csv") -> bytes:
    """Return the first line of a CSV, packed if it is to be."""
    text = csv_text(dict.fromkeys(columns, ())).encode()
    return _packed(text) if form == ".csv.gz" else text


def columns_of(forecast: Forecast, names: ColumnNames) -> list[str]:
    """Return what the columns of a forecast are called.

    Raises
    ------
    ConfigError
        One is called as that of the ids or times.
    """
    names, own = names.written, [forecast.alias, *forecast.bounds]
    for name in own:
        if name in (names.id_col, names.time_col):
            raise ConfigError(f"Column {name!r} of the ids or times would be lost: the result has one of that name.")
    return [names.id_col, names.time_col, *own]


def arrow_table(forecast: Forecast, names: ColumnNames) -> Any:
    """Return a forecast as an Arrow table, its ids numbers into a dictionary."""
    arrow = need_pyarrow()
    codes = arrow.array(np.repeat(np.arange(len(forecast), dtype=np.int32), forecast.h))
    zone = None if forecast.frequency.is_daily_or_coarser else forecast.timezone
    ids = arrow.DictionaryArray.from_arrays(codes, arrow.array(forecast.ids, "string"))
    values = [forecast.point, *forecast.bounds.values()]
    columns = [ids, parquet_times(forecast.times.ravel(), zone), *(arrow.array(one.ravel()) for one in values)]
    return arrow.table(dict(zip(columns_of(forecast, names), columns, strict=True)))


def plain_ids(table: Any) -> Any:
    """Return a table of `arrow_table` with ids that are texts, as `write_forecast` writes them."""
    return table.set_column(0, table.column_names[0], table.column(0).cast("string"))


def dictionaries(names: ColumnNames) -> list[str]:
    """Return the columns that Parquet is to write as dictionaries; numbers hardly ever come twice."""
    return [names.written.id_col, names.time_col]


def _packed(text: bytes) -> bytes:
    # No time inside: equal forecasts give equal files.
    return gzip.compress(text, compresslevel=6, mtime=0)


def _stream(table: Any) -> bytes:
    sink = need_pyarrow().BufferOutputStream()
    with need_pyarrow("pyarrow.ipc").new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _text(forecast: Forecast, names: ColumnNames, *, header: bool, with_arrow: bool) -> bytes:
    if not with_arrow or any("\r" in name for name in forecast.ids):
        columns = forecast_columns(forecast, names)
        if not forecast.frequency.is_integer:
            columns[names.time_col] = [label for row in labels(forecast) for label in row]
        return csv_text(columns, header=header).encode()
    head = header_text(columns_of(forecast, names)) if header else b""
    return head + _rows(forecast)


def _rows(forecast: Forecast) -> bytes:
    """Return the lines of a table, no text or number of which is an object of Python but what is out of the common."""
    arrow, compute = need_pyarrow(), need_pyarrow("pyarrow.compute")
    codes = arrow.array(np.repeat(np.arange(len(forecast), dtype=np.int32), forecast.h))
    ids = arrow.array([_cell(name) for name in forecast.ids], "string").take(codes)
    values = [_numbers(one.ravel()) for one in (forecast.point, *forecast.bounds.values())]
    lines = compute.binary_join_element_wise(ids, _times(forecast), *values, ",")
    whole = compute.binary_join_element_wise(lines, arrow.scalar(""), "\n")
    offsets = np.frombuffer(whole.buffers()[1], np.int32)[whole.offset : whole.offset + len(whole) + 1]
    return bytes(memoryview(whole.buffers()[2])[offsets[0] : offsets[-1]]) if len(whole) else b""


def _times(forecast: Forecast) -> Any:
    arrow = need_pyarrow()
    if forecast.frequency.is_integer:
        return arrow.array(forecast.times.ravel()).cast("string")
    return arrow.array([label for row in labels(forecast) for label in row], "string")


def _numbers(values: NDArray[np.float64]) -> Any:
    """Return numbers as Python writes them; Arrow's digits are the same, but for whole, large and small ones."""
    arrow, compute = need_pyarrow(), need_pyarrow("pyarrow.compute")
    texts, size = compute.cast(arrow.array(values), "string"), np.abs(values)
    odd = ~((size >= 1e-4) & (size < 1e10)) | (values == np.floor(values))
    if not odd.any():
        return texts
    return compute.replace_with_mask(texts, arrow.array(odd), arrow.array(list(map(repr, values[odd].tolist()))))


def _cell(text: str) -> str:
    """Return an id as it stands in CSV."""
    if _PLAIN_TEXT.fullmatch(text):
        return text
    cell = io.StringIO(newline="")
    csv.writer(cell, lineterminator="\n").writerow([harmless(text), 0])
    return cell.getvalue().removesuffix(",0\n")


def labels(forecast: Forecast) -> list[list[str]]:
    """Return the times of a forecast with dates as text.

    As ``Forecast.labels``, but how the times of a series are written does not depend on the others': in a daily table
    those with a time of day show it, and the others need not.
    """
    counts = forecast.times.astype("datetime64[us]").astype(np.int64)
    kinds = (counts % DAY != 0).any(axis=1) + 2 * (counts % _SECOND != 0).any(axis=1)
    texts: list[list[str]] = [[]] * len(forecast)
    for kind in set(kinds.tolist()):
        rows = np.flatnonzero(kinds == kind)
        flat = labels_of(forecast.times[rows].ravel(), forecast.frequency, forecast.timezone)
        for place, row in enumerate(rows.tolist()):
            texts[row] = flat[place * forecast.h : (place + 1) * forecast.h]
    return texts
