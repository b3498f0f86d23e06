"""Panels from files and data frames, forecasts back to them; the format follows from the file's name."""

from __future__ import annotations

import csv
import gzip
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from forecaster.columns import ColumnNames
from forecaster.csvfile import parse_csv
from forecaster.csvrows import Limits
from forecaster.errors import ConfigError, InputError
from forecaster.forecast import Forecast, NextSteps, SamplePaths
from forecaster.frames import Freq, frame_kind, is_dated, is_frame, panel_from_frame, times_for_frame
from forecaster.frequency import Frequency
from forecaster.outputs import check_output, extension_of, write_whole
from forecaster.panel import Panel
from forecaster.parquetfile import need_pyarrow, parquet_times, read_parquet, write_parquet

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "EXTENSIONS",
    "ColumnNames",
    "Limits",
    "as_panel",
    "check_writable",
    "csv_text",
    "forecast_columns",
    "forecast_csv",
    "forecast_to_frame",
    "frame_kind",
    "harmless",
    "has_times",
    "opened_table",
    "panel_from_frame",
    "parse_csv",
    "read_panel",
    "times_for_frame",
    "write_columns",
    "write_forecast",
]

EXTENSIONS = (".csv", ".csv.gz", ".parquet")
"""Endings of the names of tables, which tell the format."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ROWS_A_PIECE = 65_536


def read_panel(
    path: str | os.PathLike[str],
    *,
    freq: Freq = None,
    names: ColumnNames | None = None,
    timezone: str | None = None,
    limits: Limits | None = None,
    faults: dict[str, InputError] | None = None,
) -> Panel:
    """Read series from a .csv, .csv.gz or .parquet file, long (``unique_id, ds, y``) or wide.

    Parameters
    ----------
    path
        The file; its name tells the format.
    freq
        Frequency; inferred if not given.
    names
        Names of the columns of a long table.
    timezone
        IANA zone of the timestamps; needed if they carry differing UTC offsets.
    limits
        How much is read before a file is refused.
    faults
        As for :func:`parse_csv`: series of a CSV file with faults of their own are put here and left out.

    Raises
    ------
    InputError
        The file is missing, not of a known format, or not a table of series.
    MissingExtraError
        A Parquet file is given and pyarrow is not installed.
    """
    with opened_table(path) as (source, is_parquet):
        if is_parquet:
            return read_parquet(source, str(path), freq, names or ColumnNames(), timezone, limits or Limits())
        return parse_csv(
            source, freq=freq, names=names, timezone=timezone, limits=limits, name=str(path), faults=faults
        )


@contextmanager
def opened_table(path: str | os.PathLike[str]) -> Iterator[tuple[BinaryIO, bool]]:
    """Give the bytes of a .csv, .csv.gz or .parquet file, unpacked, and whether they are Parquet.

    Raises
    ------
    InputError
        The file is missing, not of a known format, or cannot be read.
    """
    path = Path(path)
    extension = extension_of(path, EXTENSIONS)
    if extension is None:
        hint = " Save the sheet as CSV." if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise InputError(f"{path}: expected a file named {', '.join(EXTENSIONS)}.{hint}")
    try:
        with path.open("rb") as stream:
            unpacked = gzip.GzipFile(fileobj=stream, mode="rb") if extension == ".csv.gz" else stream
            yield cast("BinaryIO", unpacked), extension == ".parquet"
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder. Expected a file named {', '.join(EXTENSIONS)}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def as_panel(data: Any, *, freq: Freq = None, names: ColumnNames | None = None, timezone: str | None = None) -> Panel:
    """Build a panel from whatever a user may hold.

    Parameters
    ----------
    data
        A panel; a data frame, long or wide; a bare sequence of numbers; or a mapping of ids to sequences of numbers.
        The index of a pandas Series gives its times if it holds dates.
    freq, names, timezone
        As for :func:`panel_from_frame`; sequences without timestamps count 1, 2, 3 and have integer frequencies.

    Raises
    ------
    InputError
        The data are none of these, or faulty.
    """
    if isinstance(data, Panel):
        if freq is not None and Frequency.parse(freq).alias != data.frequency.alias:
            raise InputError(
                f"Expected series of {Frequency.parse(freq).description}, the panel's are "
                f"{data.frequency.description}. Leave freq out, or build the panel with it."
            )
        return data
    if has_times(data):
        return panel_from_frame(data, freq=freq, names=names, timezone=timezone)
    frequency = 1 if freq is None else freq
    if isinstance(data, Mapping):
        if not data:
            raise InputError("There are no series: the mapping is empty.")
        panels = [Panel.from_values(values, freq=frequency, unique_id=str(name)) for name, values in data.items()]
        return _joined(panels)
    if isinstance(data, (str, bytes, os.PathLike)):
        raise InputError("Expected data, got text. Read a file with forecaster.read_panel(path).")
    if hasattr(data, "__iter__"):
        return Panel.from_values(data, freq=frequency)
    raise InputError(
        f"Expected a DataFrame, a sequence of numbers or a mapping of ids to sequences, got {type(data).__name__}."
    )


def has_times(data: Any) -> bool:
    """Return whether data bring their times along: a data frame, or pandas Series indexed by dates."""
    return is_frame(data) or is_dated(data)


def forecast_columns(forecast: Forecast | SamplePaths, names: ColumnNames | None = None) -> dict[str, list[Any]]:
    """Return a forecast, or sample paths, as columns of a long table, in their order.

    ``unique_id, ds, LSTM, LSTM-lo-95, LSTM-lo-80, LSTM-hi-80, LSTM-hi-95``, with quantiles ``unique_id, ds, LSTM,
    LSTM-q-10, LSTM-q-50, LSTM-q-90``, or ``unique_id, ds, path, LSTM``; ids and dates are text, integer time steps are
    numbers.

    Raises
    ------
    ConfigError
        A column of the result is called as that of the ids or times.
    """
    names = (names or ColumnNames()).written
    is_integer = forecast.frequency.is_integer
    labels = forecast.times.tolist() if is_integer else forecast.labels
    rows = range(_rows_a_step(forecast))
    columns: dict[str, list[Any]] = {
        names.id_col: [name for name in forecast.ids for _ in rows for _ in range(forecast.h)],
        names.time_col: [label for row in labels for _ in rows for label in row],
    }
    own = _columns_of_paths(forecast) if isinstance(forecast, SamplePaths) else _columns_of_intervals(forecast)
    for name in own:
        if name in columns:
            raise ConfigError(f"Column {name!r} of the ids or times would be lost: the result has one of that name.")
    return columns | own


def _rows_a_step(forecast: NextSteps) -> int:
    return forecast.values.shape[1] if isinstance(forecast, SamplePaths) else 1


def _columns_of_paths(paths: SamplePaths) -> dict[str, list[Any]]:
    count = paths.values.shape[1]
    return {
        "path": np.tile(np.repeat(np.arange(count), paths.h), len(paths)).tolist(),
        paths.alias: paths.values.ravel().tolist(),
    }


def _columns_of_intervals(forecast: Forecast) -> dict[str, list[Any]]:
    columns = {forecast.alias: forecast.point, **forecast.bounds}
    return {name: values.ravel().tolist() for name, values in columns.items()}


def _times_of_rows(forecast: NextSteps) -> Any:
    return np.repeat(forecast.times[:, None], _rows_a_step(forecast), axis=1).ravel()


def forecast_to_frame(forecast: Forecast | SamplePaths, names: ColumnNames | None = None) -> pd.DataFrame:
    """Return a forecast, or sample paths, as a pandas DataFrame; ``ds`` is of the kind the input had, with its zone."""
    import pandas as pd

    names = names or ColumnNames()
    columns: dict[str, Any] = dict(forecast_columns(forecast, names))
    columns[names.time_col] = times_for_frame(_times_of_rows(forecast), forecast.frequency, forecast.timezone)
    return pd.DataFrame(columns)


def forecast_csv(forecast: Forecast | SamplePaths, names: ColumnNames | None = None, *, header: bool = True) -> str:
    """Return a forecast, or sample paths, as CSV text; without its header to go on with a table."""
    return csv_text(forecast_columns(forecast, names), header=header)


def csv_text(columns: Mapping[str, Sequence[Any]], *, header: bool = True) -> str:
    """Return a table given as columns as the CSV text that :func:`write_columns` writes."""
    text = io.StringIO(newline="")
    _write_csv(columns, text, header=header)
    return text.getvalue()


def write_forecast(
    forecast: Forecast | SamplePaths, path: str | os.PathLike[str], names: ColumnNames | None = None
) -> None:
    """Write a forecast, or sample paths, to a .csv, .csv.gz or .parquet file, which appears whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    MissingExtraError
        A Parquet file is asked for and pyarrow is not installed.
    """
    names = names or ColumnNames()
    columns: dict[str, Any] = dict(forecast_columns(forecast, names))
    if extension_of(Path(path), EXTENSIONS) == ".parquet":
        # Days have no offset from UTC, so the zone goes only with instants.
        zone = None if forecast.frequency.is_daily_or_coarser else forecast.timezone
        columns[names.time_col] = parquet_times(_times_of_rows(forecast), zone)
    write_columns(columns, path)


def write_columns(columns: Mapping[str, Sequence[Any]], path: str | os.PathLike[str]) -> None:
    """Write a table given as columns to a .csv, .csv.gz or .parquet file, whole or not at all.

    In CSV, text that a spreadsheet would run as a formula gets an apostrophe in front; numbers are written with the
    fewest digits that give the same float64 back.

    Raises
    ------
    OutputError
        The file cannot be written.
    MissingExtraError
        A Parquet file is asked for and pyarrow is not installed.
    """
    path = Path(path)
    check_writable(path)
    extension = extension_of(path, EXTENSIONS)
    if extension == ".parquet":
        write_whole(path, lambda stream: write_parquet(columns, stream))
    elif extension == ".csv.gz":
        write_whole(path, lambda stream: _write_gzip(columns, stream))
    else:
        write_whole(path, lambda stream: _write_csv_bytes(columns, stream))


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check that a result can be written here, before work is spent on it.

    Raises
    ------
    OutputError
        The name has an unknown extension, is a folder, or its folder does not exist or is not writable.
    MissingExtraError
        A Parquet file is asked for and pyarrow is not installed.
    """
    path = Path(path)
    check_output(path, EXTENSIONS)
    if extension_of(path, EXTENSIONS) == ".parquet":
        need_pyarrow()


def _joined(panels: Sequence[Panel]) -> Panel:
    """Join panels of one series each, all on the same integer grid."""
    ids = {panel.ids[0] for panel in panels}
    if len(ids) < len(panels):
        raise InputError("Two series have the same id once it is written as text. Rename one.")
    return Panel.joined(panels)


def _write_gzip(columns: Mapping[str, Sequence[Any]], stream: BinaryIO) -> None:
    # No name and no time inside: equal forecasts give equal files.
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0, compresslevel=6) as packed:
        _write_csv_bytes(columns, cast("BinaryIO", packed))


def _write_csv_bytes(columns: Mapping[str, Sequence[Any]], stream: BinaryIO) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
    _write_csv(columns, text)
    text.flush()
    text.detach()


def _write_csv(columns: Mapping[str, Sequence[Any]], text: IO[str], *, header: bool = True) -> None:
    # Before Python 3.13 csv leaves a carriage return unquoted, which would then end the row.
    odd = any(isinstance(cell, str) and "\r" in cell for column in (columns, *columns.values()) for cell in column)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL)
    if header:
        writer.writerow([harmless(name) for name in columns])
    length = max(map(len, columns.values()), default=0)
    for start in range(0, length, _ROWS_A_PIECE):
        pieces = [column[start : start + _ROWS_A_PIECE] for column in columns.values()]
        cells = [_cells(piece) for piece in pieces]
        writer.writerows(zip(*cells, strict=True))


def _cells(column: Sequence[Any]) -> Iterator[Any]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return (harmless(value) if isinstance(value, str) else value for value in values)


def harmless(text: str) -> str:
    """Put an apostrophe in front of text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
