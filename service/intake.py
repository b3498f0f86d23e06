"""From the bytes of a request to what was asked for: validated, or refused with the path of each fault."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from werkzeug.datastructures import MultiDict

from forecaster import ConfigError, Frequency, InputError, intervals_asked
from service.problems import Problem, field_error, message_of, problem_of_validation
from service.schemas.base import FieldError
from service.schemas.forecasts import TimeOptions
from service.settings import Settings

__all__ = ["Spread", "frequency_of", "intervals_of", "invalid", "read_json", "read_options", "too_many"]

_NAME_ENDS = re.compile(rb'"[ \t\r\n]*:')
FREQUENCIES = "a pandas alias such as D, B, W-SUN, MS, h or 15min, or an integer step"

Request = TypeVar("Request", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Spread:
    """What is said beside the median: the levels of intervals, and the quantiles to show of them, if any."""

    levels: tuple[float, ...]
    quantiles: tuple[float, ...]

    @property
    def columns(self) -> int:
        """How many numbers an answer has for each step."""
        return 1 + (len(self.quantiles) or 2 * len(self.levels))


def read_json(shape: type[Request], body: bytes, settings: Settings) -> Request:
    """Validate a JSON body.

    Raises
    ------
    Problem
        It is not JSON, not of the documented shape, has a key twice, or is larger than the settings allow.
    """
    _check_size(body, settings)
    try:
        request = shape.model_validate_json(body)
    except ValidationError as error:
        raise problem_of_validation(error) from None
    _refuse_duplicate_keys(body, request)
    return request


def _check_size(body: bytes, settings: Settings) -> None:
    """Bound the memory and the time that reading a JSON text takes, before it is read.

    All elements are parted by commas. A name is dearer: each that is unknown becomes an error of its own.
    """
    if body.count(b",") > 2 * settings.max_points + 10 * settings.max_series:
        raise too_many("series", f"at most {settings.max_points} values in all")
    most = 1_000 + 10 * settings.max_series
    if body.count(b":") > most and sum(1 for _ in _NAME_ENDS.finditer(body)) > most:  # colons are in timestamps too
        raise too_many("body", f"at most {most} names of fields in all")


def read_options(shape: type[Request], query: MultiDict[str, str]) -> Request:
    """Validate the options of a CSV request, which come in the query string; several numbers are parted by commas.

    Raises
    ------
    Problem
        An option is unknown, given twice, or not what it should be.
    """
    given: dict[str, Any] = query.to_dict()
    if len(given) < len(list(query.items(multi=True))):
        error = FieldError(field="query string", expected="each option once", got="one twice")
        raise Problem("invalid-request", "query string: expected each option once.", errors=[error])
    for name in {"level", "quantiles"} & set(given):
        given[name] = [part.strip() for part in query[name].split(",") if part.strip()]
    try:
        return shape.model_validate(given, strict=False)  # numbers come as text
    except ValidationError as error:
        raise problem_of_validation(error) from None


def intervals_of(level: list[float] | None, quantiles: list[float] | None, *, field: str | None = None) -> Spread:
    """Return which intervals or quantiles are asked for, by a `field` of the request.

    Raises
    ------
    Problem
        Both are, or one is too near to an end of its range.
    """
    try:
        return Spread(*intervals_asked(level, quantiles))
    except ConfigError as error:
        fault = field_error(error)
        errors = [fault if field is None else fault.model_copy(update={"field": field})]
        raise Problem("invalid-request", message_of(error), errors=errors) from None


def frequency_of(options: TimeOptions) -> Frequency | None:
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


def too_many(field: str, expected: str, *, series: str | None = None) -> Problem:
    """Return the problem of a request that is larger than it may be."""
    return Problem(
        "limit-exceeded",
        f"{field}: expected {expected}. Send less at once, or raise the limit (docs/operations.md).",
        errors=[FieldError(field=field, expected=expected, got="more", series=series)],
    )


def _refuse_duplicate_keys(body: bytes, request: BaseModel) -> None:
    """Raise if an object of the body has a key twice: parsers keep one of the two without a word.

    A key that was dropped leaves its colon behind, so counting colons shows that there was none; parsing again would
    take five times as long. Only a body with escapes, where a colon can hide, or with fields that are not looked at is
    parsed again.
    """
    if b"\\" not in body and body.count(b":") == _colons(request):
        return
    try:
        json.loads(body, object_pairs_hook=_object_without_duplicates)
    except InputError:
        raise Problem("malformed-body", "An object of the body has the same key twice. Remove one.") from None


def _colons(value: Any) -> int:
    """Return how many colons the JSON of a valid value has at the least."""
    if isinstance(value, str):
        return value.count(":")
    if isinstance(value, BaseModel):
        fields = value.model_fields_set
        return len(fields) + sum(_colons(getattr(value, name)) for name in fields)
    if isinstance(value, list) and value and isinstance(value[0], BaseModel):
        return sum(map(_colons, value))
    kinds = set(map(type, value)) if isinstance(value, list) else set()
    if kinds == {str}:
        return "".join(value).count(":")
    return sum(one.count(":") for one in value if isinstance(one, str)) if str in kinds else 0


def _object_without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) != len(pairs):
        raise InputError("the same key twice")


def invalid(field: str, expected: str, *, got: str) -> Problem:
    """Return the problem of one field."""
    error = FieldError(field=field, expected=expected, got=got)
    return Problem("invalid-request", f"{field}: expected {expected}.", errors=[error])
