"""Timestamps as text and in time zones: NumPy only, time zones from the standard library's zoneinfo."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError, InputError
from forecaster.frequency import DAY, Frequency, IntArray, TimeArray

__all__ = ["check_years", "dates_of_numbers", "find_zone", "labels_of", "parse_timestamps", "to_instants", "to_wall"]

_SHAPE = re.compile(r"0000-00-00(?:[ T]00:00(?::00(?:[.]0{1,9})?)?(?P<offset>Z|[ ]?[+-]00(?::?00)?)?)?")
_DIGITS_TO_ZERO = str.maketrans("123456789", "000000000")
_FIXED_OFFSET = re.compile(r"(?:UTC)?([+-])(\d\d):?(\d\d)")
_SECOND = 1_000_000
_FIRST_YEAR, _LAST_YEAR = 1, 9999  # what datetime, and with it zoneinfo, can express
_EXPECTED = "Expected a date such as 2024-01-31, 2024-01-31 13:45:00 or 2024-01-31T13:45:00+01:00 (ISO 8601)"


def find_zone(name: str) -> tzinfo:
    """Return the time zone of an IANA name such as ``Europe/Berlin``, or of a fixed offset such as ``+02:00``.

    Raises
    ------
    ConfigError
        There is no such zone.
    """
    fixed = _FIXED_OFFSET.fullmatch(name)
    if fixed:
        minutes = int(fixed[2]) * 60 + int(fixed[3])
        if minutes < 24 * 60:
            return timezone(timedelta(minutes=-minutes if fixed[1] == "-" else minutes))
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigError(
            f"Unknown time zone {name[:60]!r}. Expected an IANA name such as 'Europe/Berlin', 'UTC', or a fixed offset "
            "such as '+02:00'.",
            column="timezone",
        ) from error


def parse_timestamps(texts: Sequence[str]) -> tuple[TimeArray, str | None, IntArray | None]:
    """Read texts as timestamps, or as whole numbers if they all are.

    Parameters
    ----------
    texts
        ISO 8601 dates, with or without time and UTC offset; or whole numbers. Numbers of eight digits that are all
        dates (20240131) are dates.

    Returns
    -------
    times
        datetime64[us] in the clock of the text, or int64.
    timezone
        The one UTC offset that all texts carry, as ``+02:00`` (``UTC`` for Z), or None.
    offsets
        Seconds east of UTC of every text if they carry differing offsets, else None.

    Raises
    ------
    InputError
        A text is neither; ``row`` is its 1-based position.
    """
    shapes = _shapes(texts)
    if all(map(_is_whole, shapes)) and shapes:
        return _parse_numbers(texts, shapes), None, None
    matches = {shape: _SHAPE.fullmatch(shape.replace("/", "-", 2)) for shape in shapes}
    if not all(matches.values()):
        raise _unreadable(texts, _odd_one(texts, {shape for shape, match in matches.items() if match}))
    suffixes = {shape: len(match["offset"] or "") for shape, match in matches.items() if match}
    if not any(suffixes.values()):
        return _parse_dates(texts), None, None
    if not all(suffixes.values()):
        raise InputError(
            "Some timestamps have a UTC offset and some have none. Write all of them with an offset, or none and give "
            "timezone=."
        )
    lengths = [suffixes[text.translate(_DIGITS_TO_ZERO)] for text in texts]
    times = _parse_dates([text[:-length] for text, length in zip(texts, lengths, strict=True)])
    tails = [text[-length:].strip() for text, length in zip(texts, lengths, strict=True)]
    seconds = {tail: _offset_seconds(tail) for tail in set(tails)}
    far = next((tail for tail, offset in seconds.items() if abs(offset) >= 86_400), None)
    if far is not None:
        raise _unreadable(texts, tails.index(far))
    if len(set(seconds.values())) == 1:
        return times, "UTC" if tails[0] == "Z" else _offset_text(seconds[tails[0]]), None
    return times, None, np.array([seconds[tail] for tail in tails], np.int64)


def to_wall(instants: TimeArray, zone: tzinfo) -> NDArray[np.datetime64]:
    """Return what a clock in the zone shows at these UTC instants (datetime64[us])."""
    instants = instants.astype("datetime64[us]")
    return (instants.view(np.int64) + _offsets(instants.view(np.int64), zone)).view("datetime64[us]")


def to_instants(
    wall: TimeArray, zone: tzinfo
) -> tuple[NDArray[np.datetime64], NDArray[np.bool_], NDArray[np.datetime64]]:
    """Return the UTC instants at which a clock in the zone shows these times.

    Returns
    -------
    instants
        The first such instant (datetime64[us]); NaT where the clock was put forward over the time.
    ambiguous
        Where the clock was put back, so that it shows the time twice.
    second
        The second such instant; the same as the first where there is only one.
    """
    counts = wall.astype("datetime64[us]").view(np.int64)
    before = counts - _offsets(counts - DAY, zone)
    after = counts - _offsets(counts + DAY, zone)
    before_holds = before + _offsets(before, zone) == counts
    after_holds = after + _offsets(after, zone) == counts
    missing = np.iinfo(np.int64).min  # NaT
    first = np.where(before_holds, before, np.where(after_holds, after, missing))
    second = np.where(after_holds, after, first)
    return first.view("datetime64[us]"), first != second, second.view("datetime64[us]")


def labels_of(times: TimeArray, frequency: Frequency, zone_name: str | None = None) -> list[str]:
    """Write timestamps as text: whole numbers, dates, or ISO 8601 with the UTC offset if there is a time zone.

    ``times`` are as :class:`~forecaster.panel.Panel` keeps them: UTC instants if the frequency is finer than daily
    and there is a zone, else the clock on the wall.
    """
    if times.dtype.kind != "M":
        return [str(number) for number in times.tolist()]
    micros = times.astype("datetime64[us]")
    counts = micros.view(np.int64)
    if frequency.is_daily_or_coarser and not (counts % DAY).any():
        return list(map(str, np.datetime_as_string(micros, unit="D").tolist()))
    suffixes = [""] * len(times)
    if zone_name is not None:
        zone = find_zone(zone_name)
        if frequency.is_daily_or_coarser:
            instants, _, _ = to_instants(micros, zone)
            offsets = np.where(np.isnat(instants), _offsets(counts, zone), counts - instants.view(np.int64))
        else:
            offsets = _offsets(counts, zone)
            micros = (counts + offsets).view("datetime64[us]")
        suffixes = [_offset_text(offset) for offset in (offsets // _SECOND).tolist()]
    unit = "us" if (counts % _SECOND).any() else "s"
    texts = np.datetime_as_string(micros.astype(f"datetime64[{unit}]")).tolist()
    return [text + suffix for text, suffix in zip(texts, suffixes, strict=True)]


def check_years(times: NDArray[np.datetime64]) -> None:
    """Raise InputError if a timestamp is outside the years that can be written; ``row`` is its position."""
    if not times.size:
        return
    counts = times.view(np.int64)  # the least of which stands for NaT; a third of the time of comparing dates
    ends = np.array([counts.min(), counts.max()]).view(times.dtype)
    if ((_years(ends) >= _FIRST_YEAR) & (_years(ends) <= _LAST_YEAR)).all():
        return
    years = _years(times)
    wrong = (years < _FIRST_YEAR) | (years > _LAST_YEAR)
    if wrong.any():
        raise InputError(
            f"Timestamp outside the years {_FIRST_YEAR} to {_LAST_YEAR}. Correct it.", row=int(np.argmax(wrong)) + 1
        )


def _years(times: NDArray[np.datetime64]) -> IntArray:
    return times.astype("datetime64[Y]").astype(np.int64) + 1970


def _shapes(texts: Sequence[str]) -> set[str]:
    """Return the distinct forms of the texts, every digit being 0: one translation instead of a million matches."""
    if any("\n" in text for text in texts):
        return {text.translate(_DIGITS_TO_ZERO) for text in texts}
    return set("\n".join(texts).translate(_DIGITS_TO_ZERO).split("\n")) if texts else set()


def _is_whole(shape: str) -> bool:
    return shape.isdecimal() or shape[1:].isdecimal()


def _odd_one(texts: Sequence[str], dates: set[str]) -> int:
    """Return the first text that is no date, or no whole number if more are these: it is what needs correcting."""
    shapes = [text.translate(_DIGITS_TO_ZERO) for text in texts]
    whole = sum(map(_is_whole, shapes))
    if whole > sum(shape in dates for shape in shapes):
        return next(row for row, shape in enumerate(shapes) if not _is_whole(shape))
    return next(row for row, shape in enumerate(shapes) if shape not in dates)


def dates_of_numbers(numbers: IntArray) -> NDArray[np.datetime64] | None:
    """Return whole numbers such as 20240131 as dates, if every one of them is a date from 1800 to 2200."""
    years, rest = np.divmod(numbers, 10_000)
    months, days = np.divmod(rest, 100)
    plausible = (years >= 1800) & (years <= 2200) & (months >= 1) & (months <= 12) & (days >= 1)
    if not numbers.size or not plausible.all():
        return None
    firsts = ((years - 1970) * 12 + months - 1).astype("datetime64[M]")
    dates = firsts.astype("datetime64[D]") + (days - 1).astype("timedelta64[D]")
    return dates.astype("datetime64[us]") if (dates.astype("datetime64[M]") == firsts).all() else None


def _parse_numbers(texts: Sequence[str], shapes: set[str]) -> TimeArray:
    for row, text in enumerate(texts):
        if len(text) > 18 or not text.isascii() or text[:1] not in "+-0123456789":
            raise _unreadable(texts, row)
    numbers = np.array([int(text) for text in texts], np.int64)
    dates = dates_of_numbers(numbers) if shapes == {"00000000"} else None
    return numbers if dates is None else dates


def _parse_dates(texts: Sequence[str]) -> NDArray[np.datetime64]:
    finer = next((row for row, text in enumerate(texts) if text[26:].strip("0")), None)
    if finer is not None:
        raise InputError("Timestamps finer than a microsecond are not supported. Round them.", row=finer + 1)
    try:
        return np.array([text.replace("/", "-")[:26] for text in texts], "datetime64[us]")
    except ValueError:
        raise _unreadable(texts, _first_impossible(texts)) from None


def _first_impossible(texts: Sequence[str]) -> int:
    for row, text in enumerate(texts):
        try:
            np.datetime64(text.replace("/", "-"))
        except ValueError:
            return row
    return 0


def _unreadable(texts: Sequence[str], row: int) -> InputError:
    text = texts[row]
    hint = ""
    if re.fullmatch(r"\d{1,2}[./-]\d{1,2}[./-]\d{2,4}.*", text):
        hint = " Day and month cannot be told apart in such dates: write the year first."
    elif re.fullmatch(r"\d+\.\d*", text):
        hint = " For integer time steps write whole numbers."
    shown = text if len(text) <= 40 else text[:40] + "…"
    return InputError(f"{_EXPECTED} or whole numbers throughout, got {shown!r}.{hint}", row=row + 1)


def _offset_seconds(tail: str) -> int:
    if tail == "Z":
        return 0
    minutes = int(tail[1:3]) * 60 + (int(tail[-2:]) if len(tail) > 3 else 0)
    return -60 * minutes if tail[0] == "-" else 60 * minutes


def _offset_text(seconds: int) -> str:
    hours, rest = divmod(abs(seconds), 3600)
    text = f"{'-' if seconds < 0 else '+'}{hours:02d}:{rest // 60:02d}"
    return f"{text}:{rest % 60:02d}" if rest % 60 else text  # local mean time, before the zones


def _offsets(instants: IntArray, zone: tzinfo) -> IntArray:
    """Return how far the zone's clock is ahead of UTC at these instants; all in microseconds.

    zoneinfo answers one instant at a time: it is asked at the edges of each day, and the change within a day is
    found by bisection.
    """
    instants = np.clip(instants, -62_135_510_400 * _SECOND, 253_402_214_400 * _SECOND)  # years 1 to 9999, a day less
    days, inverse = np.unique(instants // DAY, return_inverse=True)
    starts = np.empty(days.size, np.int64)
    changes = np.empty(days.size, np.int64)
    ends = np.empty(days.size, np.int64)
    for number, day in enumerate(days.tolist()):
        low, high = day * 86_400, (day + 1) * 86_400
        starts[number], ends[number] = _offset_at(low, zone), _offset_at(high, zone)
        while starts[number] != ends[number] and high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if _offset_at(middle, zone) == starts[number] else (low, middle)
        changes[number] = high
    offsets = np.where(instants < changes[inverse] * _SECOND, starts[inverse], ends[inverse])
    return np.asarray(offsets * _SECOND, np.int64)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _offset_at(seconds: int, zone: tzinfo) -> int:
    offset = (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0
