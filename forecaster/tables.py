"""Panels from files and data frames, forecasts back to them; the format follows from the file's name."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from forecaster.csvfile import MISSING, ColumnNames, Layout, Limits, Numbering, choose_layout, parse_csv, timestamps_of
from forecaster.errors import ConfigError, InputError, MissingExtraError, OutputError
from forecaster.forecast import Forecast
from forecaster.frequency import Frequency, IntArray
from forecaster.panel import Panel, shown
from forecaster.timestamps import find_zone

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ColumnNames",
    "Limits",
    "as_panel",
    "check_writable",
    "forecast_columns",
    "forecast_csv",
    "forecast_to_frame",
    "panel_from_frame",
    "parse_csv",
    "read_panel",
    "times_for_frame",
    "write_columns",
    "write_forecast",
]

Freq = str | int | Frequency | None
_EXTENSIONS = (".csv", ".csv.gz", ".parquet")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_ROWS_A_PIECE = 65_536


def read_panel(
    path: str | os.PathLike[str],
    *,
    freq: Freq = None,
    names: ColumnNames | None = None,
    timezone: str | None = None,
    limits: Limits | None = None,
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

    Raises
    ------
    InputError
        The file is missing, not of a known format, or not a table of series.
    MissingExtraError
        A Parquet file is given and pyarrow is not installed.
    """
    path = Path(path)
    extension = _extension(path)
    if extension is None:
        hint = " Save the sheet as CSV." if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise InputError(f"{path}: expected a file named {', '.join(_EXTENSIONS)}.{hint}")
    try:
        with path.open("rb") as stream:
            if extension == ".parquet":
                return _read_parquet(stream, str(path), freq, names or ColumnNames(), timezone, limits or Limits())
            unpacked = gzip.GzipFile(fileobj=stream, mode="rb") if extension == ".csv.gz" else stream
            source = cast("BinaryIO", unpacked)
            return parse_csv(source, freq=freq, names=names, timezone=timezone, limits=limits, name=str(path))
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder. Expected a file named {', '.join(_EXTENSIONS)}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error


def panel_from_frame(
    frame: Any, *, freq: Freq = None, names: ColumnNames | None = None, timezone: str | None = None
) -> Panel:
    """Build a panel from a pandas DataFrame (or one that looks like it), long or wide.

    Timestamps with a time zone keep it. Rows in messages are 1-based positions.

    Raises
    ------
    InputError
        A column is missing or holds something else than expected.
    """
    names = names or ColumnNames()
    if getattr(getattr(frame, "index", None), "name", None) in (names.id_col, names.time_col):
        frame = frame.reset_index()
    labels = list(frame.columns)
    layout = choose_layout([str(label) for label in labels], names)
    times, zone, utc = _frame_times(frame[labels[layout.time]], names, timezone)
    id_column = None if layout.id is None else frame[labels[layout.id]].to_numpy()
    targets = [(str(labels[i]), _frame_values(frame[labels[i]], str(labels[i]))) for i in layout.targets]
    return _assemble(id_column, times, targets, freq=freq, names=names, timezone=zone, utc=utc)


def as_panel(data: Any, *, freq: Freq = None, names: ColumnNames | None = None, timezone: str | None = None) -> Panel:
    """Build a panel from whatever a user may hold.

    Parameters
    ----------
    data
        A panel; a data frame, long or wide; a bare sequence of numbers; or a mapping of ids to sequences of numbers.
    freq, names, timezone
        As for :func:`panel_from_frame`; sequences without timestamps count 1, 2, 3 and have integer frequencies.

    Raises
    ------
    InputError
        The data are none of these, or faulty.
    """
    if isinstance(data, Panel):
        return data
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
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


def forecast_columns(forecast: Forecast, names: ColumnNames | None = None) -> dict[str, list[Any]]:
    """Return a forecast as columns of a long table, in their order.

    ``unique_id, ds, LSTM, LSTM-lo-95, LSTM-lo-80, LSTM-hi-80, LSTM-hi-95``; ids and dates are text, integer time
    steps are numbers.
    """
    names = names or ColumnNames()
    is_integer = forecast.frequency.is_integer
    labels = forecast.times.ravel().tolist() if is_integer else [text for row in forecast.labels for text in row]
    columns: dict[str, list[Any]] = {
        names.id_col: [name for name in forecast.ids for _ in range(forecast.h)],
        names.time_col: labels,
        forecast.alias: forecast.point.ravel().tolist(),
    }
    for side, ends, order in (("lo", forecast.lower, -1), ("hi", forecast.upper, 1)):
        for place, level in list(enumerate(forecast.levels))[::order]:
            columns[f"{forecast.alias}-{side}-{level:g}"] = ends[:, place].ravel().tolist()
    return columns


def forecast_to_frame(forecast: Forecast, names: ColumnNames | None = None) -> pd.DataFrame:
    """Return a forecast as a pandas DataFrame; ``ds`` is of the kind the input had, with its time zone."""
    import pandas as pd

    names = names or ColumnNames()
    columns: dict[str, Any] = dict(forecast_columns(forecast, names))
    columns[names.time_col] = times_for_frame(forecast.times.ravel(), forecast.frequency, forecast.timezone)
    return pd.DataFrame(columns)


def times_for_frame(times: Any, frequency: Frequency, timezone: str | None) -> Any:
    """Return a panel's or forecast's timestamps as a pandas index of the kind the user's data had."""
    import pandas as pd

    if times.dtype.kind != "M":
        return pd.Index(times)
    # Before version 3 pandas counts in nanoseconds, and joins of unequal units are slow there.
    unit = "ns" if int(pd.__version__.split(".")[0]) < 3 else "us"
    nanoseconds_hold = np.abs(times.astype("datetime64[s]").astype(np.int64)).max(initial=0) < 2**63 // 10**9
    index = pd.DatetimeIndex(times.astype(f"datetime64[{unit if nanoseconds_hold else 'us'}]"))
    if timezone is None:
        return index
    zone = find_zone(timezone)
    if frequency.is_daily_or_coarser:
        first = np.ones(len(index), np.bool_)
        return index.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    return index.tz_localize("UTC").tz_convert(zone)


def forecast_csv(forecast: Forecast, names: ColumnNames | None = None) -> str:
    """Return a forecast as CSV text."""
    text = io.StringIO(newline="")
    _write_csv(forecast_columns(forecast, names), text)
    return text.getvalue()


def write_forecast(forecast: Forecast, path: str | os.PathLike[str], names: ColumnNames | None = None) -> None:
    """Write a forecast to a .csv, .csv.gz or .parquet file; the file appears whole or not at all.

    Raises
    ------
    OutputError
        The file cannot be written.
    MissingExtraError
        A Parquet file is asked for and pyarrow is not installed.
    """
    names = names or ColumnNames()
    columns: dict[str, Any] = dict(forecast_columns(forecast, names))
    if _extension(Path(path)) == ".parquet":
        # Days have no offset from UTC, so the zone goes only with instants.
        zone = None if forecast.frequency.is_daily_or_coarser else forecast.timezone
        columns[names.time_col] = _parquet_times(forecast.times.ravel(), zone)
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
    extension = _extension(path)
    if extension == ".parquet":
        _write_whole(path, lambda stream: _write_parquet(columns, stream))
    elif extension == ".csv.gz":
        _write_whole(path, lambda stream: _write_gzip(columns, stream))
    else:
        _write_whole(path, lambda stream: _write_csv_bytes(columns, stream))


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
    extension = _extension(path)
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Give the name of a file: {', '.join(_EXTENSIONS)}.")
    if extension is None and not _is_device(path):
        raise OutputError(f"{path}: the format follows from the name. Expected {', '.join(_EXTENSIONS)}.")
    if extension == ".parquet":
        _pyarrow("pyarrow.parquet")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {folder}. Create it first.")
    if not _is_device(path) and not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: the folder {folder} is not writable. Choose another.")


def _extension(path: Path) -> str | None:
    name = path.name.lower()
    return next((ending for ending in _EXTENSIONS if name.endswith(ending)), None)


def _is_device(path: Path) -> bool:
    """Whether the path is something like /dev/stdout or a pipe, which cannot be replaced by a new file."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _assemble(
    id_column: Any,
    times: Any,
    targets: Sequence[tuple[str, Any]],
    *,
    freq: Freq,
    names: ColumnNames,
    timezone: str | None,
    utc: bool,
) -> Panel:
    """Join the columns of a long or wide table into a panel; errors speak of the user's column names."""
    if id_column is not None:
        series, codes = _numbered(id_column, names.id_col)
        values = targets[0][1]
    else:
        series = tuple(name for name, _ in targets)
        codes = np.repeat(np.arange(len(series)), len(times))
        values = np.concatenate([column for _, column in targets])
        times = np.tile(times, len(series))
    lines = np.tile(np.arange(1, len(times) // len(series) + 1), len(series)) if id_column is None else None
    try:
        return Panel.from_codes(series, codes, times, values, freq=freq, timezone=timezone, lines=lines, utc=utc)
    except InputError as error:
        column = {"y": names.target_col, "ds": names.time_col}.get(error.column or "", error.column)
        raise type(error)(str(error), series=error.series, row=error.row, column=column) from None


def _numbered(ids: Any, column: str) -> tuple[tuple[str, ...], IntArray]:
    raw: dict[Any, int] = {}
    codes = np.fromiter((raw.setdefault(name, len(raw)) for name in ids.tolist()), np.int64, len(ids))
    for name, number in raw.items():
        if name is None or type(name).__name__ in ("NAType", "NaTType") or name == "" or name != name:
            row = int(np.argmax(codes == number)) + 1
            raise InputError(f"Row {row}: the series id is missing. Fill in {shown(column)}.", row=row, column=column)
    texts = Numbering()
    renumbered = texts.number([str(name) for name in raw])
    return tuple(texts), renumbered[codes] if len(raw) else codes


def _frame_values(series: Any, column: str) -> Any:
    """Return a column of numbers as it is; text in it is left for the panel's gate to name by its row."""
    values = series.to_numpy()
    if values.dtype.kind in "iuf":
        return values.astype(np.float64)
    if values.dtype.kind in "Mmc":
        raise InputError(f"Column {shown(column)}: expected numbers, got {values.dtype}.", column=column)
    floats = np.empty(len(values))
    for row, value in enumerate(values.tolist()):
        if value is None or type(value).__name__ in ("NAType", "NaTType"):
            floats[row] = np.nan
        elif isinstance(value, (str, bytes, bool)) or not hasattr(value, "__float__"):
            raise InputError(
                f"Row {row + 1}, column {shown(column)}: expected a number, got {shown(value)}. Convert the column "
                "with astype(float); missing values are NaN.",
                row=row + 1,
                column=column,
            )
        else:
            floats[row] = float(value)
    return floats


def _frame_times(series: Any, names: ColumnNames, timezone: str | None) -> tuple[Any, str | None, bool]:
    """Return timestamps, time zone and whether they are UTC instants."""
    zone = getattr(series.dtype, "tz", None) or getattr(series.dtype, "time_zone", None)
    if zone is not None:
        unit = getattr(series.dtype, "unit", "us")
        times = series.to_numpy(dtype=f"datetime64[{unit}]") if hasattr(series, "dt") else series.to_numpy()
        return times, timezone or _zone_name(zone), True
    times = series.to_numpy()
    if times.dtype.kind in "Miu":
        return times, timezone, False
    if times.dtype.kind == "f" and np.isfinite(times).all() and (times == np.floor(times)).all():
        return times.astype(np.int64), timezone, False
    values = times.tolist()
    if times.dtype.kind in "OUT" and all(isinstance(value, str) for value in values):
        return _text_times(values, names, timezone, word="Row")
    if times.dtype.kind == "O":
        return _object_times(values, names, timezone)
    raise InputError(
        f"Column {shown(names.time_col)}: expected dates or whole numbers, got {times.dtype}.", column=names.time_col
    )


def _text_times(
    texts: Sequence[str], names: ColumnNames, timezone: str | None, *, word: str
) -> tuple[Any, str | None, bool]:
    stamps = Numbering()
    codes = stamps.number(texts)
    try:
        return timestamps_of(list(stamps), codes, None, timezone, word=word)
    except InputError as error:
        raise InputError(str(error), row=error.row, column=names.time_col) from None


def _object_times(values: Sequence[Any], names: ColumnNames, timezone: str | None) -> tuple[Any, str | None, bool]:
    for row, value in enumerate(values, 1):
        if value is None or type(value).__name__ in ("NAType", "NaTType") or value != value or value in MISSING:
            raise InputError(f"Row {row}: the timestamp is missing. Fill it in.", row=row, column=names.time_col)
    for row, value in enumerate(values, 1):
        if hasattr(value, "to_timestamp"):
            raise InputError(
                f"Column {shown(names.time_col)} holds periods. Turn them into dates with .dt.to_timestamp().",
                column=names.time_col,
            )
        whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if (
            isinstance(value, bool)
            or not (whole or hasattr(value, "year"))
            or whole != isinstance(values[0], (int, float))
        ):
            raise InputError(
                f"Row {row}: expected dates or whole numbers throughout, got {shown(value)}.",
                row=row,
                column=names.time_col,
            )
    if isinstance(values[0], (int, float)):
        return np.array(values, np.int64), timezone, False
    zones = {str(getattr(value, "tzinfo", None)): getattr(value, "tzinfo", None) for value in values}
    if zones.keys() == {"None"}:
        return np.array([_plain(value) for value in values], "datetime64[us]"), timezone, False
    if timezone is None and len(zones) > 1:
        raise InputError(
            "The timestamps have different UTC offsets, or only some have one. Name their time zone with "
            "timezone='Europe/Berlin'.",
            column=names.time_col,
        )
    if "None" in zones:
        raise InputError(
            "Some timestamps have a UTC offset and some have none. Write all alike.", column=names.time_col
        )
    instants = [_plain(value - value.utcoffset()) for value in values]
    return np.array(instants, "datetime64[us]"), timezone or _zone_name(next(iter(zones.values()))), True


def _plain(value: Any) -> Any:
    """Return a date, datetime or pandas Timestamp as what NumPy can read, without its time zone."""
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value


def _zone_name(zone: Any) -> str:
    """Return the name under which zoneinfo knows a zone of zoneinfo, pytz or pandas."""
    text = str(getattr(zone, "key", None) or getattr(zone, "zone", None) or zone)
    with contextlib.suppress(ConfigError):
        find_zone(text)
        return text
    offset = zone.utcoffset(None) if hasattr(zone, "utcoffset") else None
    if offset is None:
        raise InputError(
            f"The time zone {shown(text)} of the timestamps has no IANA name. Convert them, such as with "
            ".dt.tz_convert('Europe/Berlin')."
        )
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def _joined(panels: Sequence[Panel]) -> Panel:
    """Join panels of one series each, all on the same integer grid."""
    lengths = np.concatenate([panel.lengths for panel in panels])
    ids = tuple(panel.ids[0] for panel in panels)
    if len(set(ids)) < len(ids):
        raise InputError("Two series have the same id once it is written as text. Rename one.")
    return Panel(
        ids=ids,
        values=np.concatenate([panel.values for panel in panels]),
        offsets=np.concatenate(([0], np.cumsum(lengths))),
        starts=np.concatenate([panel.starts for panel in panels]),
        frequency=panels[0].frequency,
        phases=np.concatenate([panel.frequency.phase_of(panel.times(0)[:1]) for panel in panels]),
    )


def _pyarrow(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            'Parquet files need pyarrow, which is not installed: pip install "forecaster[parquet]", or use .csv.gz.'
        ) from error


def _read_parquet(
    stream: BinaryIO, name: str, freq: Freq, names: ColumnNames, timezone: str | None, limits: Limits
) -> Panel:
    parquet, arrow = _pyarrow("pyarrow.parquet"), _pyarrow("pyarrow")
    try:
        file = parquet.ParquetFile(stream)
        columns = list(file.schema_arrow.names)
        if len(columns) > limits.columns:
            raise InputError(f"The file has {len(columns)} columns; at most {limits.columns} are read.")
        if limits.rows is not None and file.metadata.num_rows > limits.rows:
            raise InputError(f"There are more than {limits.rows} rows. Send them in parts, by series.")
        layout = choose_layout(columns, names)
        wanted = [columns[i] for i in (layout.time, layout.id, *layout.targets) if i is not None]
        table = file.read(columns=wanted)
        return _panel_from_arrow(table, columns, layout, freq, names, timezone)
    except InputError as error:
        raise type(error)(f"{name}: {error}", series=error.series, row=error.row, column=error.column) from None
    except (arrow.ArrowException, OSError) as error:
        raise InputError(f"{name} is not a Parquet file, or it is damaged ({str(error)[:100]}).") from error


def _panel_from_arrow(
    table: Any, columns: Sequence[str], layout: Layout, freq: Freq, names: ColumnNames, timezone: str | None
) -> Panel:
    times, zone, utc = _arrow_times(table.column(columns[layout.time]), names, timezone)
    ids = None
    if layout.id is not None:
        ids = np.array(table.column(columns[layout.id]).to_pylist(), dtype=object)
    targets = [(columns[i], _arrow_values(table.column(columns[i]), columns[i])) for i in layout.targets]
    return _assemble(ids, times, targets, freq=freq, names=names, timezone=zone, utc=utc)


def _arrow_values(column: Any, name: str) -> Any:
    types = _pyarrow("pyarrow").types
    kind = column.type
    if not (types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind)):
        raise InputError(f"Column {shown(name)}: expected numbers, got {kind}.", column=name)
    return column.cast("float64").to_numpy()


def _arrow_times(column: Any, names: ColumnNames, timezone: str | None) -> tuple[Any, str | None, bool]:
    types = _pyarrow("pyarrow").types
    kind = column.type
    if column.null_count:
        row = column.is_null().to_pylist().index(True) + 1
        raise InputError(f"Row {row}: the timestamp is missing. Fill it in.", row=row, column=names.time_col)
    if types.is_timestamp(kind):
        instants = column.cast(_pyarrow("pyarrow").timestamp(kind.unit)).to_numpy()
        return instants, timezone or kind.tz, kind.tz is not None
    if types.is_date(kind):
        return column.cast("timestamp[ms]").to_numpy(), timezone, False
    if types.is_integer(kind):
        return column.to_numpy().astype(np.int64), timezone, False
    if types.is_string(kind) or types.is_large_string(kind) or types.is_dictionary(kind):
        texts = column.to_pylist()
        if all(isinstance(text, str) for text in texts):
            return _text_times(texts, names, timezone, word="Row")
    raise InputError(
        f"Column {shown(names.time_col)}: expected dates or whole numbers, got {kind}.", column=names.time_col
    )


def _parquet_times(times: Any, timezone: str | None) -> Any:
    arrow = _pyarrow("pyarrow")
    if times.dtype.kind != "M":
        return arrow.array(times)
    return arrow.array(times.astype("datetime64[us]"), type=arrow.timestamp("us", tz=timezone))


def _write_parquet(columns: Mapping[str, Sequence[Any]], stream: BinaryIO) -> None:
    parquet, arrow = _pyarrow("pyarrow.parquet"), _pyarrow("pyarrow")
    parquet.write_table(arrow.table({name: arrow.array(column) for name, column in columns.items()}), stream)


def _write_gzip(columns: Mapping[str, Sequence[Any]], stream: BinaryIO) -> None:
    # No name and no time inside: equal forecasts give equal files.
    with gzip.GzipFile(filename="", fileobj=stream, mode="wb", mtime=0, compresslevel=6) as packed:
        _write_csv_bytes(columns, cast("BinaryIO", packed))


def _write_csv_bytes(columns: Mapping[str, Sequence[Any]], stream: BinaryIO) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="", write_through=False)
    _write_csv(columns, text)
    text.flush()
    text.detach()


def _write_csv(columns: Mapping[str, Sequence[Any]], text: IO[str]) -> None:
    # Before Python 3.13 csv leaves a carriage return unquoted, which would then end the row.
    odd = any(isinstance(cell, str) and "\r" in cell for column in columns.values() for cell in column)
    writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if odd else csv.QUOTE_MINIMAL)
    writer.writerow([_harmless(name) for name in columns])
    length = max(map(len, columns.values()), default=0)
    for start in range(0, length, _ROWS_A_PIECE):
        pieces = [column[start : start + _ROWS_A_PIECE] for column in columns.values()]
        cells = [_cells(piece) for piece in pieces]
        writer.writerows(zip(*cells, strict=True))


def _cells(column: Sequence[Any]) -> Iterator[Any]:
    values = column.tolist() if isinstance(column, np.ndarray) else column
    return (_harmless(value) if isinstance(value, str) else value for value in values)


def _harmless(text: str) -> str:
    """Put an apostrophe in front of text that a spreadsheet would take for a formula."""
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file beside its place and move it there, so that nobody ever sees half of it."""
    if _is_device(path):
        with path.open("wb") as stream:
            write(cast("BinaryIO", stream))
        return
    place = path.resolve()  # a link stays a link
    beside = place.with_name(f".{place.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("xb") as stream:
            write(cast("BinaryIO", stream))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(place)
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Nothing was written.") from error
    finally:
        beside.unlink(missing_ok=True)
