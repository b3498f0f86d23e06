"""The steps of KServe's time series API: how long they are, and which frequency of ours a series of them has."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from forecaster import Frequency, InputError

__all__ = ["frequency_at", "time_after"]

_SEEN = 12
"""Steps from the start by which the frequency is told: enough for a year of months."""


class _Step(NamedTuple):
    alias: str
    length: timedelta = timedelta()
    months: int = 0


_STEPS = {
    "second": _Step("s", timedelta(seconds=1)),
    "minute": _Step("min", timedelta(minutes=1)),
    "hour": _Step("h", timedelta(hours=1)),
    "day": _Step("D", timedelta(days=1)),
    "week": _Step("W", timedelta(weeks=1)),
    "month": _Step("MS", months=1),
    "quarter": _Step("QS", months=3),
    "year": _Step("YS", months=12),
}
_SHORT = {"S": "second", "T": "minute", "H": "hour", "D": "day", "W": "week", "M": "month", "Q": "quarter", "Y": "year"}


def _step(name: str) -> _Step:
    return _STEPS[_SHORT.get(name, name)]


@lru_cache(maxsize=4096)
def frequency_at(name: str, start: str | None) -> Frequency:
    """Return the frequency of a series that begins at `start`: weeks from a Monday on are W-MON.

    Where no frequency fits, as for months from the 15th on, it is the nearest in length.

    Raises
    ------
    InputError
        The start is no timestamp, or too near the year 9999.
    """
    usual = Frequency.parse(_step(name).alias)
    if start is None or (_step(name).length < timedelta(weeks=1) and not _step(name).months):
        return usual
    times = [_later(_parsed(start), _step(name), count).replace(tzinfo=None) for count in range(_SEEN)]
    try:
        return Frequency.infer([np.array(times, "datetime64[us]")])
    except InputError:
        return usual


def time_after(name: str, start: str | None, count: int) -> str:
    """Return the time `count` steps after `start`, written as that is; nothing where there is no start.

    Months after the 31st are their last days.

    Raises
    ------
    InputError
        The start is no timestamp, or the time is beyond the year 9999.
    """
    if start is None:
        return ""
    time = _later(_parsed(start), _step(name), count)
    text = time.isoformat()
    if start.endswith(("Z", "z")):
        return text.removesuffix("+00:00") + "Z"
    is_date = len(start.strip()) <= len("2024-01-01") and text.endswith("T00:00:00")
    return text.partition("T")[0] if is_date else text


def _parsed(start: str) -> datetime:
    try:
        return datetime.fromisoformat(start.strip())
    except ValueError:
        raise InputError("expected a timestamp such as 2024-01-31T13:00:00Z.", column="start_timestamp") from None


def _later(time: datetime, step: _Step, count: int) -> datetime:
    try:
        if not step.months:
            return time + count * step.length
        years, month = divmod(time.month - 1 + count * step.months, 12)
        year = time.year + years
        return time.replace(year=year, month=month + 1, day=min(time.day, monthrange(year, month + 1)[1]))
    except (OverflowError, ValueError):
        raise InputError("the forecast would go beyond the year 9999.", column="start_timestamp") from None
