"""Panels from data frames and back; pandas is imported only to make one."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from forecaster.columns import ColumnNames, choose_layout
from forecaster.errors import ConfigError, InputError
from forecaster.frequency import Frequency, IntArray
from forecaster.gate import shown
from forecaster.longtable import MISSING, Numbering, timestamps_of
from forecaster.otherframes import FrameKind, is_pandas, kind_of, wrapped
from forecaster.panel import Panel
from forecaster.timestamps import dates_of_numbers, find_zone

__all__ = ["assemble", "frame_kind", "panel_from_frame", "text_times", "times_for_frame", "whole_times", "zone_name"]

Freq = str | int | Frequency | None


def panel_from_frame(
    frame: Any, *, freq: Freq = None, names: ColumnNames | None = None, timezone: str | None = None
) -> Panel:
    """Build a panel from a DataFrame of pandas, or of another library that narwhals knows, long or wide.

    So is a Series of pandas indexed by dates, or a mapping of ids to such. Timestamps with a time zone keep it. Rows in
    messages are 1-based positions.

    Raises
    ------
    InputError
        A column is missing or holds something else than expected.
    MissingExtraError
        The frame is not of pandas, and narwhals is not installed.
    """
    names = names or ColumnNames()
    if not is_frame(frame):
        frame = _frame_of_dated(frame, names)
    elif not is_pandas(frame):
        frame = wrapped(frame)
    if getattr(getattr(frame, "index", None), "name", None) in (names.id_col, names.time_col):
        frame = frame.reset_index()
    labels = list(frame.columns)
    layout = choose_layout([str(label) for label in labels], names)
    times, zone, utc = _frame_times(frame[labels[layout.time]], names, timezone)
    id_column = None if layout.id is None else frame[labels[layout.id]].to_numpy()
    targets = [(str(labels[i]), _frame_values(frame[labels[i]], str(labels[i]))) for i in layout.targets]
    return assemble(id_column, times, targets, freq=freq, names=names, timezone=zone, utc=utc)


def is_frame(data: Any) -> bool:
    """Return whether `data` looks like a data frame."""
    kind = type(data)  # a frame that is only described would have to find out its columns
    return hasattr(kind, "columns") and hasattr(kind, "__getitem__")


def frame_kind(data: Any, names: ColumnNames) -> FrameKind | None:
    """Return what a data frame of another library than pandas is like; None for all else."""
    if not is_frame(data) or is_pandas(data):
        return None
    frame = wrapped(data)
    return kind_of(frame, frame.columns[choose_layout(frame.columns, names).time])


def is_dated(data: Any) -> bool:
    """Return whether `data` is a pandas Series indexed by dates, or a mapping that holds one."""
    if isinstance(data, Mapping):
        return any(is_dated(one) for one in data.values() if not isinstance(one, Mapping))
    return hasattr(data, "to_frame") and hasattr(getattr(data, "index", None), "year")


def _frame_of_dated(data: Any, names: ColumnNames) -> Any:
    """Return dated Series as a long data frame; what they and their indexes are called says nothing."""
    import pandas as pd

    series = data if isinstance(data, Mapping) else {names.target_col: data}
    undated = next((str(name) for name, one in series.items() if not is_dated(one)), None)
    if undated is not None:
        raise InputError(
            f"Series {shown(undated)} has no dates, others have. Give all of them an index of dates, or none.",
            series=undated,
        )
    long = pd.concat({str(name): one for name, one in series.items()}, names=[names.id_col, names.time_col])
    return long.rename(names.target_col).reset_index()


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


def assemble(
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
    zone = getattr(series.dtype, "tz", None)
    if zone is not None:
        return series.to_numpy(dtype=f"datetime64[{series.dtype.unit}]"), timezone or zone_name(zone), True
    zone = getattr(series.dtype, "time_zone", None)  # of narwhals, whose arrays are in UTC then
    if zone is not None:
        return series.to_numpy(), timezone or zone_name(zone), True
    times = series.to_numpy()
    if times.dtype.kind in "iu":
        return whole_times(times), timezone, False
    if times.dtype.kind == "M":
        return times, timezone, False
    if times.dtype.kind == "f" and np.isfinite(times).all() and (times == np.floor(times)).all():
        return whole_times(times.astype(np.int64)), timezone, False
    values = times.tolist()
    if times.dtype.kind in "OUT" and all(isinstance(value, str) for value in values):
        return text_times(values, names, timezone, word="Row")
    if times.dtype.kind == "O":
        return _object_times(values, names, timezone)
    raise InputError(
        f"Column {shown(names.time_col)}: expected dates or whole numbers, got {times.dtype}.", column=names.time_col
    )


def whole_times(numbers: Any) -> Any:
    """Return whole numbers as they are, or as dates if they are written like 20240131."""
    dates = dates_of_numbers(numbers.astype(np.int64))
    return numbers if dates is None else dates


def text_times(
    texts: Sequence[str], names: ColumnNames, timezone: str | None, *, word: str
) -> tuple[Any, str | None, bool]:
    """Read timestamps that are text, such as ``word`` 5 of them; returns what :func:`timestamps_of` returns."""
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
        return whole_times(np.array(values, np.int64)), timezone, False
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
    return np.array(instants, "datetime64[us]"), timezone or zone_name(next(iter(zones.values()))), True


def _plain(value: Any) -> Any:
    """Return a date, datetime or pandas Timestamp as what NumPy can read, without its time zone."""
    return value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value


def zone_name(zone: Any) -> str:
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
