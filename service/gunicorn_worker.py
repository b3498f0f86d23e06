"""Gunicorn's worker, with problems instead of HTML for requests that are not HTTP and never reach the application."""

from __future__ import annotations

import contextlib
import logging
import uuid
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from service.guard import HEADERS
from service.logs import frames_of
from service.problems import PROBLEM_TYPE, problem_text

__all__ = ["Worker"]

logger = logging.getLogger("service.request")

_STATUS = {  # by name: not every release of gunicorn has all of these
    "ExpectationFailed": HTTPStatus.EXPECTATION_FAILED,
    "LimitRequestLine": HTTPStatus.REQUEST_URI_TOO_LONG,
    "LimitRequestHeaders": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "UnsupportedTransferCoding": HTTPStatus.NOT_IMPLEMENTED,
}


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker with threads."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's
        """Answer what gunicorn could not read, and log it; its own log line would repeat what was sent."""
        is_theirs = isinstance(exc, errors.ParseException)
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        if is_theirs:
            status = _STATUS.get(type(exc).__name__, HTTPStatus.BAD_REQUEST)
        request_id = uuid.uuid4().hex
        fields: dict[str, Any] = {"request_id": request_id, "method": "(other)", "route": "(none)"}
        fields |= {"status": status.value, "error": type(exc).__name__, "at": [] if is_theirs else frames_of(exc)}
        logger.log(logging.INFO if is_theirs else logging.ERROR, "request", extra={"fields": fields})
        with contextlib.suppress(OSError):  # the client has gone
            util.write_nonblock(client, _answer(status, request_id))


def _answer(status: HTTPStatus, request_id: str) -> bytes:
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        body = problem_text("internal-error", "The cause is in the service's log.", request_id=request_id)
    else:
        detail = f"{status.phrase}: the request line or a header is not HTTP/1.1 as the service reads it."
        body = problem_text("bad-request", detail, request_id=request_id, status=status)
    headers = {"Content-Type": PROBLEM_TYPE, **HEADERS, "X-Request-ID": request_id, "Connection": "close"}
    headers["Content-Length"] = str(len(body.encode()))
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()
