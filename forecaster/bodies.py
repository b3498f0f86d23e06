"""From what a user holds to the body of a request, and from an answer back to a data frame."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.columns import ColumnNames, choose_layout
from forecaster.errors import InputError
from forecaster.frames import is_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["csv_of", "frame_of", "json_body", "series_of", "texts_of", "zone_of"]

Series = dict[str, Any]
ONLY = "y"
"""Id of a series that was given without one, as in a panel."""


def csv_of(data: Any) -> bytes | None:
    """Return the CSV in the file that `data` names; None if it is no name of a file.

    Raises
    ------
    InputError
        There is no such file, or it is no CSV.
    """
    if not isinstance(data, (str, os.PathLike)):
        return None
    path = Path(data)
    if not path.name.endswith((".csv", ".csv.gz")):
        raise InputError(f"{path}: expected a file named .csv or .csv.gz. Read others into a data frame.")
    try:
        body = path.read_bytes()
        return gzip.decompress(body) if path.suffix == ".gz" else body
    except (OSError, EOFError) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from None


def series_of(data: Any, names: ColumnNames) -> list[Series]:
    """Return the series of a request.

    Parameters
    ----------
    data
        A data frame, long or wide; a list of series as the service takes them (``unique_id``, ``y`` and maybe ``ds``);
        a mapping of ids to values; or the values of one series.
    names
        What the columns of a data frame are called.

    Raises
    ------
    InputError
        It is none of these.
    """
    if is_frame(data):
        return list(_of_frame(data, names))
    if isinstance(data, Mapping):
        return [{"unique_id": str(name), "y": _values(values)} for name, values in data.items()]
    if not hasattr(data, "__iter__"):
        expected = "a data frame, a list of series, a mapping of ids to values, or values"
        raise InputError(f"Expected {expected}, got {type(data).__name__}.")
    items = list(data)
    if items and all(isinstance(item, Mapping) for item in items):
        return [{**item, "y": _values(item["y"])} if "y" in item else dict(item) for item in items]
    return [{"unique_id": ONLY, "y": _values(items)}]


def _of_frame(frame: Any, names: ColumnNames) -> Iterator[Series]:
    labels = list(frame.columns)
    layout = choose_layout([str(label) for label in labels], names)
    time, targets = labels[layout.time], [labels[place] for place in layout.targets]
    if layout.id is None:
        stamps = _stamps(frame[time])
        yield from ({"unique_id": str(label), "ds": stamps, "y": _column(frame[label])} for label in targets)
        return
    if frame[labels[layout.id]].isna().any():
        raise InputError("A row has no id. Fill it in, or remove the row.", column=names.id_col)
    for name, part in frame.groupby(labels[layout.id], sort=False):
        yield {"unique_id": str(name), "ds": _stamps(part[time]), "y": _column(part[targets[0]])}


def _column(column: Any) -> list[Any]:
    try:
        return _values(column.to_numpy(dtype="float64", na_value=float("nan")))
    except (ValueError, TypeError):
        raise InputError(f"Column {str(column.name)!r} holds something else than numbers.") from None


def _values(values: Iterable[Any]) -> list[Any]:
    """Return values as JSON has them: what is missing is null."""
    listed = values.tolist() if hasattr(values, "tolist") else values
    return [None if value is None or value != value else value for value in listed]  # NaN is not itself


def _stamps(column: Any) -> list[str | int]:
    if column.dtype.kind in "iu":
        return list(column.tolist())
    return [stamp.isoformat() if hasattr(stamp, "isoformat") else str(stamp) for stamp in column]


def zone_of(frame: Any, names: ColumnNames) -> str | None:
    """Return the IANA time zone of a data frame's timestamps, if they have one that has a name."""
    column = frame.get(names.time_col)
    zone = str(getattr(getattr(column, "dt", None), "tz", None) or "")
    return zone if "/" in zone or zone == "UTC" else None


def frame_of(forecasts: Iterable[Series], like: Any, names: ColumnNames) -> pd.DataFrame:
    """Return forecasts as a long data frame, with timestamps of the kind that `like` has."""
    import pandas as pd

    names, parts = names.written, []
    for forecast in forecasts:
        columns = {name: value for name, value in forecast.items() if name not in {"unique_id", "ds"}}
        own = {names.id_col: forecast["unique_id"], names.time_col: forecast["ds"]}
        parts.append(pd.DataFrame(own | columns))
    frame = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=[names.id_col, names.time_col])
    given = like[names.time_col].dtype if like is not None and names.time_col in like else None
    if given is not None and given.kind == "M":
        frame[names.time_col] = _times(frame[names.time_col], getattr(given, "tz", None))
    return frame


def _times(texts: Any, zone: Any) -> Any:
    """Return timestamps in a zone; those with an offset from UTC are instants, those without are days there."""
    import pandas as pd

    if zone is None:
        return pd.to_datetime(texts)
    if texts.astype(str).str.contains(r"(?:Z|[+-]\d\d:\d\d)$").any():
        return pd.to_datetime(texts, utc=True).dt.tz_convert(zone)
    first = np.ones(len(texts), np.bool_)
    return pd.to_datetime(texts).dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")


def json_body(body: Mapping[str, Any]) -> bytes:
    """Return a body as JSON.

    Raises
    ------
    InputError
        It holds what JSON has not.
    """
    try:
        return json.dumps(body, allow_nan=False, default=_plain).encode()
    except (ValueError, TypeError) as error:
        raise InputError(f"The request cannot be sent as JSON: {error}. Values are finite numbers.") from None


def _plain(value: Any) -> Any:
    """Return a number of NumPy as one of Python."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"a value is of type {type(value).__name__}")


def texts_of(options: Mapping[str, Any]) -> dict[str, str]:
    """Return options as a query string has them; None is left out."""
    return {name: _text(value) for name, value in options.items() if value is not None}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
