"""Errors as RFC 9457 problem details: one table from kind to status, one function that renders.

An answer goes to the client whose data they are, so it holds the library's message with all that this quotes. The log
goes to others: it has the kind of an error and its place in the code under the request id, and never a message. No
answer shows a traceback.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, NamedTuple

import pydantic_core
from flask import Flask, Response, g
from gunicorn.http.errors import ParseException
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from forecaster import ConfigError, ForecasterError, InputError, StoreError, TooLargeError
from service.logs import frames_of
from service.schemas.base import LONGEST_ID, FieldError, ProblemDetails

__all__ = [
    "KINDS",
    "KINDS_OF_ALL",
    "MAX_ERRORS",
    "PROBLEM_TYPE",
    "Problem",
    "field_error",
    "kind_of",
    "kind_of_fault",
    "kinds_table",
    "message_of",
    "problem_of_library",
    "problem_of_validation",
    "problem_text",
    "problem_type",
    "register_problems",
]

logger = logging.getLogger(__name__)

PROBLEM_TYPE = "application/problem+json"
MAX_ERRORS = 20
RETRIED = {429, 503}
RETRY_SECONDS = "5"
"""Retry-After of such a problem that names no other time."""
LONGEST_MESSAGE = 1_000  # an id of a CSV can be of any length


class Kind(NamedTuple):
    """One kind of problem: its status and what it means."""

    status: int
    title: str


KINDS = {
    "malformed-body": Kind(400, "The body is not text of the announced media type"),
    "untrusted-host": Kind(400, "The service does not answer to this host name"),
    "bad-request": Kind(400, "The request cannot be understood"),
    "no-key": Kind(401, "A key is needed"),
    "cross-site": Kind(403, "Requests from pages of other sites are refused"),
    "not-allowed": Kind(403, "The key has not the scope for this"),
    "unknown-path": Kind(404, "There is nothing at this path"),
    "unknown-version": Kind(404, "There is no such version of a model"),
    "unknown-job": Kind(404, "There is no such job"),
    "method-not-allowed": Kind(405, "The path does not take this method"),
    "not-acceptable": Kind(406, "No offered media type is accepted"),
    "too-slow": Kind(408, "The request did not arrive in time"),
    "conflict": Kind(409, "The request contradicts what there is"),
    "gone": Kind(410, "It was there and is no longer kept"),
    "too-large": Kind(413, "The body is too large"),
    "unsupported-media-type": Kind(415, "The body's media type is not supported"),
    "invalid-request": Kind(422, "The request is not valid"),
    "unknown-model": Kind(422, "There is no such model"),
    "limit-exceeded": Kind(422, "The request asks for more than this service allows"),
    "no-forecast": Kind(422, "No series could be forecast"),
    "too-many": Kind(429, "Too much at once for this key"),
    "internal-error": Kind(500, "The service failed"),
    "not-ready": Kind(503, "The service is not ready"),
    "busy": Kind(503, "The service has all the work it takes at once"),
    "unavailable": Kind(503, "Something that the service needs does not answer"),
    "out-of-time": Kind(504, "The work took longer than the service allows"),
}
KINDS_OF_ALL = ("untrusted-host", "bad-request", "internal-error")
"""What every route may answer; those that change something also refuse other sites."""
_KIND_OF_STATUS = {
    400: "bad-request",
    404: "unknown-path",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "unsupported-media-type",
}
_DETAIL_OF_STATUS = {
    404: "The paths are listed at /openapi.json.",
    405: "The Allow header lists the methods.",
    413: "Send fewer series or values in a request; docs/operations.md has the limits.",
}


class Problem(Exception):  # noqa: N818 - the RFC's word
    """Raised anywhere below a route; becomes the answer.

    Parameters
    ----------
    kind
        A key of `KINDS`.
    detail
        What is wrong with this request and what to do.
    errors
        Fields at fault.
    headers
        Further headers of the answer.
    """

    def __init__(
        self, kind: str, detail: str, *, errors: Iterable[FieldError] = (), headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.errors = list(errors)
        self.headers = headers or {}


def register_problems(app: Flask) -> None:
    """Answer every error of `app` with a problem."""
    app.register_error_handler(Problem, _answer_problem)
    app.register_error_handler(ForecasterError, _answer_library_error)
    app.register_error_handler(HTTPException, _answer_http_error)
    app.register_error_handler(ParseException, _answer_broken_body)
    app.register_error_handler(Exception, _answer_unexpected)


def problem_text(
    kind: str, detail: str, errors: Iterable[FieldError] = (), *, request_id: str, status: int | None = None
) -> str:
    """Return a problem as JSON; `status` if it is another than its kind's."""
    details = ProblemDetails(
        type=problem_type(kind),
        title=KINDS[kind].title,
        status=status or KINDS[kind].status,
        detail=detail,
        request_id=request_id,
        errors=list(errors),
    )
    return details.model_dump_json(exclude_none=True)


def problem_type(kind: str) -> str:
    """Return the `type` of problems of this kind."""
    return f"urn:problem-type:forecaster:{kind}"


def _render(kind: str, detail: str, errors: Iterable[FieldError] = (), *, status: int | None = None) -> Response:
    g.setdefault("fields", {})["problem"] = kind  # for the log and the metrics
    body = problem_text(kind, detail, errors, request_id=g.get("request_id", ""), status=status)
    status = status or KINDS[kind].status
    headers = {"Retry-After": RETRY_SECONDS} if status in RETRIED else None
    return Response(body, status=status, content_type=PROBLEM_TYPE, headers=headers)


def _answer_problem(problem: Problem) -> Response:
    response = _render(problem.kind, problem.detail, problem.errors)
    response.headers.update(problem.headers)
    return response


def _answer_broken_body(_: ParseException) -> Response:
    """Answer what gunicorn raises where it is read: chunks that are none."""
    return _render("malformed-body", "The body is not in the chunks that Transfer-Encoding promises.")


def _answer_library_error(error: ForecasterError) -> Response:
    if isinstance(error, StoreError):
        logger.error("store of models", extra={"fields": {"request_id": g.get("request_id", ""), "reason": str(error)}})
        return _render("unavailable", "The store of models does not answer. Try again later.")
    problem = problem_of_library(error)
    return _answer_unexpected(error) if problem is None else _answer_problem(problem)


def problem_of_library(error: ForecasterError) -> Problem | None:
    """Turn what the library says of input or options into a problem; None if it is a fault of neither."""
    if not isinstance(error, InputError | ConfigError):
        return None
    fault = field_error(error)
    return Problem(kind_of_fault(error), fault.expected, errors=[fault])


def kind_of_fault(error: ForecasterError) -> str:
    """Return which kind of problem it is that the library says of input or options."""
    return "limit-exceeded" if isinstance(error, TooLargeError) else "invalid-request"


def field_error(error: ForecasterError) -> FieldError:
    """Describe an error of the library as an error of a field."""
    field = _name(error.column) or "series"
    return FieldError(field=field, expected=message_of(error), series=_name(error.series), row=error.row)


def _name(name: str | None) -> str | None:
    """Return a column or series of the client's, if it is no longer than a name is."""
    return name if name and len(name) <= LONGEST_ID else None


_COMMAND_LINE = re.compile(r" \([^()]*--[a-z][^()]*\)")


def message_of(fault: ForecasterError | str) -> str:
    """Return a message of the library as a client gets it: without hints for the command line, and not endless."""
    message = _COMMAND_LINE.sub("", str(fault))
    return message if len(message) <= LONGEST_MESSAGE else message[:LONGEST_MESSAGE] + "…"


def _answer_http_error(error: HTTPException) -> Response:
    status = error.code or 500
    if error.response is not None or status < HTTPStatus.BAD_REQUEST:  # a redirect, not an error
        return Response(error.get_response().get_data(), status=status, headers=error.get_headers())
    kind = _KIND_OF_STATUS.get(status, "bad-request" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "internal-error")
    detail = _DETAIL_OF_STATUS.get(status, f"{HTTPStatus(status).phrase}.")
    response = _render(kind, detail, status=status)
    for name, value in error.get_headers():  # Allow of a 405, Retry-After of a 429
        if name.lower() != "content-type":
            response.headers[name] = value
    return response


def _answer_unexpected(error: Exception) -> Response:
    # Not logger.exception: the message of an error may hold values of a series.
    fields = {"request_id": g.get("request_id", ""), "error": type(error).__name__, "at": frames_of(error)}
    logger.error("unexpected error", extra={"fields": fields})
    return _render("internal-error", "The cause is in the service's log, under the request id.")


def problem_of_validation(error: ValidationError) -> Problem:
    """Turn pydantic's account of what is wrong into a problem, without the values it holds."""
    found = _of_one_form(error.errors(include_url=False))
    if any(item["type"] == "json_invalid" for item in found):
        return Problem("malformed-body", f"The body is not JSON in UTF-8: {_json_fault(found[0])}.")
    fields: dict[str, FieldError] = {}
    for item in found:
        path = _path(item["loc"], known=item["type"] != "extra_forbidden")
        expected = _expected(item)
        if path in fields:  # both arms of a union
            others = fields[path].expected
            expected = others if expected in others else f"{others} or {expected}"
        elif len(fields) == MAX_ERRORS:
            break
        fields[path] = FieldError(field=path, expected=expected, got=_got(item))
    errors = list(fields.values())
    return Problem("invalid-request", f"{errors[0].field}: expected {errors[0].expected}.", errors=errors)


_FORMS = {"list[Series]", "Columns"}
"""What pydantic calls the forms of `service.schemas.forecasts.SeriesOfAnyForm` in the place of an error."""
_OTHER_KIND = {"list_type", "model_type"}


def _of_one_form(found: list[pydantic_core.ErrorDetails]) -> list[pydantic_core.ErrorDetails]:
    """Leave out that series are not of one form, if there are errors of the other: that is the one that was meant."""
    others = [item for item in found if not (_FORMS & set(item["loc"][-1:]) and item["type"] in _OTHER_KIND)]
    meant = any(_FORMS & set(item["loc"]) for item in others)
    return others if meant else found


def _json_fault(item: pydantic_core.ErrorDetails) -> str:
    return str(item.get("ctx", {}).get("error", "it cannot be read"))


def _path(location: tuple[int | str, ...], *, known: bool = True) -> str:
    """Write ``("series", "list[Series]", 0, "y", 3)`` as ``series[0].y[3]``; arms of unions are left out."""
    parts = [part for part in location if part not in _FORMS]
    if len(parts) > 1 and parts[-1] in {"str", "constrained-str", "int"}:
        parts.pop()
    if not known:
        parts[-1] = _printable(str(parts[-1]))
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".") or "body"


def _printable(name: str) -> str:
    """Return an unknown field's name if it looks like a mistyped one; anything else is payload."""
    return name if len(name) <= 24 and name.isascii() and name.isidentifier() else "(unknown)"


_EXPECTED = {
    "missing": "this field to be there",
    "extra_forbidden": "no field of this name",
    "model_type": "an object",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "float_parsing": "a number",
    "string_type": "a string",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "an array",
}


def _expected(item: pydantic_core.ErrorDetails) -> str:
    if item["type"] in _EXPECTED:
        return _EXPECTED[item["type"]]
    context = item.get("ctx", {})
    if "actual_length" in context:
        bound = "min_length" if "min_length" in context else "max_length"
        return f"{'at least' if bound == 'min_length' else 'at most'} {context[bound]} items"
    return item["msg"].removeprefix("Input should be ").removeprefix("String should have ")


def _got(item: pydantic_core.ErrorDetails) -> str:
    if item["type"] == "missing":
        return "nothing"
    if "actual_length" in item.get("ctx", {}):
        return f"{item['ctx']['actual_length']} items"
    return kind_of(item["input"])


def kind_of(value: Any) -> str:
    """Return JSON's word for the kind of `value`."""
    names = {type(None): "null", bool: "boolean", int: "number", float: "number", str: "string", list: "array"}
    return names.get(type(value), "object")


def kinds_table() -> str:
    """Return the table of problems for docs/http-api.md."""
    rows = ["| `type` ends in | Status | Meaning |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {kind.status} | {kind.title}. |" for name, kind in KINDS.items()]
    return "\n".join(rows)
