"""Data frames of other libraries than pandas, in and out, by narwhals (extra ``polars``): polars, pyarrow and more."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecaster.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    import pandas as pd

_NANOSECONDS = np.array(["1678-01-01", "2262-01-01"], "datetime64[us]")
"""Between which a count of nanoseconds holds times."""


class FrameKind(NamedTuple):
    """What a user's frame was like, so that results are like it.

    Attributes
    ----------
    library : narwhals.Implementation
        Such as polars.
    time : narwhals.DType or None
        What its column of times holds.
    """

    library: Any
    time: Any


def is_pandas(frame: Any) -> bool:
    """Return whether `frame` is a data frame of pandas, which is not imported to find out."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(frame, pandas.DataFrame)


def wrapped(frame: Any) -> Any:
    """Return a frame of another library as narwhals shows it: columns by name, each of them as a NumPy array.

    Raises
    ------
    MissingExtraError
        narwhals is not installed.
    InputError
        It knows no such frame, or the frame lies elsewhere and is only described.
    """
    try:
        import narwhals
    except ImportError as error:
        raise MissingExtraError(
            f"A {_called(frame)} needs narwhals, which is not installed: pip install "
            '"forecaster[polars]", or give a pandas DataFrame.'
        ) from error
    try:
        return narwhals.from_native(frame, eager_only=True)
    except TypeError as error:
        raise InputError(
            f"Expected a data frame that is in memory, such as one of pandas, polars or pyarrow, got a "
            f"{_called(frame)}. Collect it first; for Spark, Dask and Ray Data see docs/scale.md."
        ) from error


def kind_of(frame: Any, time_col: str) -> FrameKind:
    """Return what a frame that narwhals shows is like."""
    return FrameKind(frame.implementation, frame.schema.get(time_col))


def as_kind(frame: pd.DataFrame, kind: FrameKind | None) -> Any:
    """Return a pandas frame as one of `kind`: times of the same type, in the zone they had; None leaves it as it is."""
    if kind is None:
        return frame
    import narwhals

    columns, zones = {}, {}
    for name in map(str, frame):
        values, zone = frame[name], getattr(frame[name].dtype, "tz", None)
        if zone is not None:
            zones[name] = str(getattr(zone, "key", None) or "UTC")
            values = values.dt.tz_convert("UTC").dt.tz_localize(None)
        array = values.to_numpy()
        columns[name] = array.astype("datetime64[us]") if array.dtype.kind == "M" else array
    texts = {name: array.tolist() if array.dtype.kind == "O" else array for name, array in columns.items()}
    made = narwhals.from_dict(texts, backend=kind.library)
    return made.with_columns(
        _as_times(made[name], array, kind.time, zones.get(name)) for name, array in columns.items()
    ).to_native()


def _as_times(column: Any, array: Any, wanted: Any, zone: str | None) -> Any:
    """Return a column as the user's times were, if it is one of times; other columns as they are."""
    import narwhals

    if array.dtype.kind != "M" or wanted is None:
        return column
    if wanted == narwhals.Date:
        return column.cast(narwhals.Date)
    if zone is not None:
        column = column.dt.replace_time_zone("UTC").dt.convert_time_zone(getattr(wanted, "time_zone", None) or zone)
    unit: Any = getattr(wanted, "time_unit", "us")
    holds = unit != "ns" or ((array > _NANOSECONDS[0]) & (array < _NANOSECONDS[1])).all()
    return column.cast(narwhals.Datetime(unit if holds else "us", zone and str(column.dtype.time_zone)))


def _called(frame: Any) -> str:
    return f"{type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
