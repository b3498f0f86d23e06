"""From a request's body to a panel, and to the reasons of the series that cannot be part of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from werkzeug.datastructures import MultiDict

from forecaster import ColumnNames, ConfigError, Frequency, InputError, Panel, timestamps_of
from service.problems import MAX_ERRORS, Problem, field_error, message_of, problem_of_validation
from service.schemas.base import FieldError, Strict
from service.schemas.forecasts import CsvOptions, ForecastOptions, ForecastRequest, Series
from service.settings import Settings

__all__ = ["Intake", "check_limits", "frequency_of", "panel_of", "read_json", "read_options", "read_query"]

Query = TypeVar("Query", bound=Strict)

FREQUENCIES = "a pandas alias such as D, B, W-SUN, MS, h or 15min, or an integer step"


@dataclass(frozen=True, slots=True)
class Intake:
    """The series that make up the panel, why the others do not, and how the columns of a CSV are called."""

    panel: Panel
    skipped: dict[str, str]
    names: ColumnNames | None = None


def read_json(body: bytes, settings: Settings) -> ForecastRequest:
    """Validate a JSON body.

    Raises
    ------
    Problem
        It is not JSON, not of the documented shape, or larger than the settings allow.
    """
    # Elements of any JSON text are parted by commas, so this bounds the memory that parsing it takes.
    if body.count(b",") > 2 * settings.max_points + 10 * settings.max_series:
        raise _too_many("series", f"at most {settings.max_points} values in all")
    try:
        request = ForecastRequest.model_validate_json(body)
    except ValidationError as error:
        raise problem_of_validation(error) from None
    _refuse_duplicate_keys(body, request)
    _refuse_duplicate_ids(request.series)
    _check_sizes(request, settings)
    return request


def read_options(query: MultiDict[str, str]) -> CsvOptions:
    """Validate the options of a CSV request, which come in the query string."""
    return read_query(query, CsvOptions)


def read_query(query: MultiDict[str, str], shape: type[Query]) -> Query:
    """Validate a query string.

    Raises
    ------
    Problem
        An option is unknown, given twice, or not what it should be.
    """
    given: dict[str, Any] = query.to_dict()
    if len(given) < len(list(query.items(multi=True))):
        error = FieldError(field="query string", expected="each option once", got="one twice")
        raise Problem("invalid-request", "query string: expected each option once.", errors=[error])
    if "level" in given:
        given["level"] = [part.strip() for part in query["level"].split(",") if part.strip()]
    try:
        return shape.model_validate(given, strict=False)  # numbers come as text
    except ValidationError as error:
        raise problem_of_validation(error) from None


def _check_sizes(request: ForecastRequest, settings: Settings) -> None:
    if len(request.series) > settings.max_series:
        raise _too_many("series", f"at most {settings.max_series} series")
    if sum(len(item.y) for item in request.series) > settings.max_points:
        raise _too_many("series", f"at most {settings.max_points} values in all")


def check_limits(panel: Panel, options: ForecastOptions, h: int, settings: Settings) -> None:
    """Raise a problem if the panel, or the forecast of it, is larger than the settings allow."""
    if len(panel) > settings.max_series:
        raise _too_many("series", f"at most {settings.max_series} series")
    if len(panel.values) > settings.max_points:
        longest = int(panel.lengths.argmax())
        name, steps, values = panel.ids[longest], panel.lengths[longest], panel.observed[longest]
        raise _too_many(
            "series",
            f"at most {settings.max_points} values in all, gaps in time included; the longest series, {name!r}, has "
            f"{steps} steps for {values} values, look there for a wrong timestamp",
            series=name,
        )
    columns = 1 + 2 * len(options.level)
    longest = min(settings.max_horizon, max(1, settings.max_points // (columns * len(panel))))
    if h > longest:
        raise _too_many("h", f"at most {longest} steps for {len(panel)} series and {len(options.level)} levels")


def _too_many(field: str, expected: str, *, series: str | None = None) -> Problem:
    return Problem(
        "limit-exceeded",
        f"{field}: expected {expected}. Send several requests, or raise the limit (docs/operations.md).",
        errors=[FieldError(field=field, expected=expected, got="more", series=series)],
    )


def _refuse_duplicate_keys(body: bytes, request: ForecastRequest) -> None:
    """Raise if an object of the body has a key twice: parsers keep one of the two without a word.

    A key that was dropped leaves its colon behind, so counting colons shows that there was none; parsing again would
    take five times as long. Only a body with escapes, where a colon can hide, is parsed again.
    """
    if b"\\" not in body and body.count(b":") == sum(_colons(request)):
        return
    try:
        json.loads(body, object_pairs_hook=_object_without_duplicates)
    except InputError:
        raise Problem("malformed-body", "An object of the body has the same key twice. Remove one.") from None


def _colons(request: ForecastRequest) -> Iterator[int]:
    yield len(request.model_fields_set)
    yield from (text.count(":") for text in (request.freq, request.model) if isinstance(text, str))
    for series in request.series:
        yield len(series.model_fields_set) + series.unique_id.count(":")
        yield sum(text.count(":") for text in series.ds or () if isinstance(text, str))


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise InputError("the same key twice")


def _refuse_duplicate_ids(series: Sequence[Series]) -> None:
    seen: set[str] = set()
    for number, item in enumerate(series):
        if item.unique_id in seen:
            field = f"series[{number}].unique_id"
            error = FieldError(field=field, expected="an id that no other series has", got="one used before")
            raise Problem("invalid-request", f"{field}: expected {error.expected}.", errors=[error])
        seen.add(item.unique_id)


def panel_of(request: ForecastRequest) -> Intake:
    """Build the panel; a series that cannot be part of it is set aside with the reason.

    Raises
    ------
    Problem
        No series can be part of it, or there is no one frequency.
    """
    frequency = frequency_of(request)
    dated = [item.ds is not None for item in request.series]
    if any(dated) and not all(dated):
        field = f"series[{dated.index(False)}].ds"
        error = FieldError(field=field, expected="timestamps, as other series of the request have them", got="nothing")
        raise Problem("invalid-request", f"{field}: expected {error.expected}.", errors=[error])
    if not all(dated):
        frequency = frequency if frequency is not None and frequency.is_integer else Frequency.parse(1)
    return _Builder(request.series, frequency, request.timezone).build()


def frequency_of(options: ForecastOptions) -> Frequency | None:
    """Return the frequency asked for.

    Raises
    ------
    Problem
        There is no such frequency.
    """
    try:
        return None if options.freq is None else Frequency.parse(options.freq)
    except ConfigError:
        kind = "string" if isinstance(options.freq, str) else "number"
        error = FieldError(field="freq", expected=FREQUENCIES, got=f"another {kind}")
        raise Problem("invalid-request", f"freq: expected {FREQUENCIES}.", errors=[error]) from None


@dataclass(frozen=True, slots=True)
class _Columns:
    """A long table: rows of all series one after the other."""

    times: NDArray[Any]
    values: NDArray[np.float64]
    timezone: str | None
    utc: bool


class _Builder:
    """Builds the panel of all series at once; only if that fails looks at each series alone."""

    def __init__(self, series: Sequence[Series], frequency: Frequency | None, timezone: str | None) -> None:
        self._series = series
        self._frequency = frequency
        self._timezone = timezone
        self._faults: dict[int, InputError] = {}

    def build(self) -> Intake:
        try:
            return Intake(self._panel(self._series, self._frequency), {})
        except (InputError, ConfigError) as error:
            return self._build_without_bad(error)

    def _build_without_bad(self, first: InputError | ConfigError) -> Intake:
        good = [(number, item) for number, item in enumerate(self._series) if self._can_read(number, item)]
        try:
            frequency = self._frequency or self._infer([item for _, item in good])
            good = [(number, item) for number, item in good if self._fits(number, item, frequency)]
            panel = self._panel([item for _, item in good], frequency)
        except (InputError, ConfigError) as error:
            raise self._problem(error if good else first) from None
        faults = sorted(self._faults.items())
        return Intake(panel, {self._series[number].unique_id: message_of(fault) for number, fault in faults})

    def _can_read(self, number: int, item: Series) -> bool:
        try:
            _columns([item], self._timezone)
        except InputError as error:
            self._faults[number] = error
        return number not in self._faults

    def _fits(self, number: int, item: Series, frequency: Frequency | None) -> bool:
        try:
            self._panel([item], frequency)
        except InputError as error:
            self._faults[number] = error
        return number not in self._faults

    def _infer(self, series: Sequence[Series]) -> Frequency:
        ends = np.cumsum([len(item.y) for item in series])
        times = np.split(_columns(series, self._timezone).times, ends[:-1])
        return Frequency.infer(times, ids=[item.unique_id for item in series])

    def _panel(self, series: Sequence[Series], frequency: Frequency | None) -> Panel:
        columns = _columns(series, self._timezone)
        codes = np.repeat(np.arange(len(series)), [len(item.y) for item in series])
        names = [item.unique_id for item in series]
        return Panel.from_codes(
            names, codes, columns.times, columns.values, freq=frequency, timezone=columns.timezone, utc=columns.utc
        )

    def _problem(self, error: InputError | ConfigError) -> Problem:
        errors = [
            FieldError(
                field=self._place(number, fault),
                expected=message_of(fault),
                series=self._series[number].unique_id,
            )
            for number, fault in sorted(self._faults.items())[:MAX_ERRORS]
        ]
        return Problem("invalid-request", message_of(error), errors=errors or [field_error(error)])

    def _place(self, number: int, error: InputError) -> str:
        """Return the path of the value at fault."""
        if error.column not in {"ds", "y"} or error.row is None:
            return f"series[{number}]"
        return f"series[{number}].{error.column}[{error.row - 1}]"


def _columns(series: Sequence[Series], timezone: str | None) -> _Columns:
    """Return the rows of all series; without timestamps the steps of each count from 1."""
    if not series:
        raise InputError("There are no series.")
    for item in series:
        if item.ds is not None and len(item.ds) != len(item.y):
            raise InputError(
                f"{len(item.ds)} timestamps for {len(item.y)} values. Send one timestamp for each value.",
                series=item.unique_id,
            )
    values = np.array(list(chain.from_iterable(item.y for item in series)), np.float64)  # None becomes NaN
    if series[0].ds is None:
        steps = np.concatenate([np.arange(1, len(item.y) + 1) for item in series])
        return _Columns(steps, values, None, utc=False)
    return _dated(list(chain.from_iterable(item.ds or () for item in series)), values, timezone)


def _dated(stamps: list[str | int], values: NDArray[np.float64], timezone: str | None) -> _Columns:
    kinds = set(map(type, stamps))
    if kinds == {int}:
        return _Columns(_whole_numbers(stamps), values, timezone, utc=False)
    if kinds != {str}:
        row = 2 + [type(one) is type(other) for one, other in pairwise(stamps)].index(False)
        raise InputError("Timestamps are all strings or all whole numbers; these are mixed.", row=row, column="ds")
    # Series of one request often share their timestamps: each distinct one is read once.
    positions = {str(stamp): position for position, stamp in enumerate(dict.fromkeys(stamps))}
    codes = np.fromiter(map(positions.__getitem__, map(str, stamps)), np.int64, len(stamps))
    times, zone, utc = timestamps_of(list(positions), codes, None, timezone, word="Row")
    return _Columns(times, values, zone, utc)


def _whole_numbers(stamps: Sequence[str | int]) -> NDArray[np.int64]:
    try:
        return np.array(stamps, np.int64)
    except OverflowError:
        row = next(row for row, stamp in enumerate(stamps, start=1) if abs(int(stamp)) >= 2**63)
        raise InputError(
            "The time step is too large a number. Count from a smaller one.", row=row, column="ds"
        ) from None
