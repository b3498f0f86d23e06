"""What stands around every request: its id, refusals that need no route, headers of the answer, the log line."""

from __future__ import annotations

import logging
import re
import time
import uuid
from functools import partial
from http import HTTPStatus

from flask import Flask, Request, Response, g, request

from service.auth import ANYONE, Doorman
from service.contract import operation_of
from service.problems import Problem
from service.settings import Settings

__all__ = ["method_of", "register_guard", "route_of"]

logger = logging.getLogger("service.request")

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
METHODS = {*SAFE_METHODS, "POST", "PUT", "PATCH", "DELETE"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
PROBES = {"/livez", "/readyz", "/v2/health/live", "/v2/health/ready"}
_PORT = re.compile(r":\d+$")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def register_guard(app: Flask, settings: Settings) -> None:
    """Put the guard around every request of `app`."""
    app.config["MAX_CONTENT_LENGTH"] = settings.max_bytes + 1  # one more than allowed, see bodies.read_body
    app.before_request(_start)
    app.before_request(partial(_refuse_other_hosts, settings.admitted_hosts))
    app.before_request(_refuse_other_targets)
    app.before_request(_refuse_other_sites)
    app.before_request(partial(_refuse_without_key, app, Doorman(settings)))
    app.after_request(_add_headers)
    app.after_request(_log)  # runs first: Flask calls these in reverse order


def _start() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    g.started = time.perf_counter()
    g.fields = {}
    g.caller = ANYONE


def _refuse_other_hosts(admitted: tuple[str, ...] | None) -> None:
    """Refuse names that are not ours; Flask's own TRUSTED_HOSTS cannot hold an IPv6 address."""
    if admitted is None:
        return
    name = _PORT.sub("", request.host.lower())
    if not any(name == host.lstrip(".") or (host.startswith(".") and name.endswith(host)) for host in admitted):
        raise Problem("untrusted-host", "Use localhost, or a name that FORECASTER_TRUSTED_HOSTS lists.")


def _refuse_other_targets() -> None:
    """Refuse a request that names no host, or another in its line than in the header: readers would take it for two."""
    if "HTTP_HOST" not in request.environ and request.environ.get("SERVER_PROTOCOL") == "HTTP/1.1":
        raise Problem("bad-request", "The Host header is missing, which HTTP/1.1 demands.")
    target = request.environ.get("RAW_URI", "/")
    if "://" in target.partition("?")[0] and not target.startswith("/"):
        authority = target.partition("://")[2].partition("/")[0].partition("?")[0]
        if authority.lower() != request.host.lower():
            raise Problem("bad-request", "The request line and the Host header name two hosts. Send one.")


def _refuse_other_sites() -> None:
    """Refuse a browser that acts for a page of another site: it can reach services on its own machine."""
    if request.method in SAFE_METHODS:
        return
    origin = request.headers.get("Origin")
    host = request.host.lower()  # with its port, as browsers write both; a proxy has to pass it on
    own = {None, f"http://{host}", f"https://{host}"}
    site = request.headers.get("Sec-Fetch-Site", "none")
    if (origin and origin.lower()) not in own or site not in {"none", "same-origin"}:
        raise Problem("cross-site", "Send the request from the service's own page, or from a program.")


def _refuse_without_key(app: Flask, doorman: Doorman) -> None:
    """Refuse whoever may not use the route, before anything of the body is read."""
    if request.url_rule is None:  # answered with 404 or 405
        return
    scope = operation_of(app, request.url_rule.endpoint).scope
    if scope is not None:
        g.caller = doorman.caller()
        g.caller.require(scope)


def _add_headers(response: Response) -> Response:
    theirs = {name.lower() for name in response.headers.keys()}  # noqa: SIM118 - headers are no dictionary
    missing = [(name, value) for name, value in HEADERS.items() if name.lower() not in theirs]
    response.headers.extend([*missing, ("X-Request-ID", g.get("request_id", ""))])  # at once: half the time
    return response


def route_of(asked: Request) -> str:
    """Return the rule of a request's route, for log and metrics; its path is the user's."""
    return asked.url_rule.rule if asked.url_rule else "(none)"


def method_of(asked: Request) -> str:
    """Return a request's method, for log and metrics; one that is none of HTTP's is the user's word."""
    return asked.method if asked.method in METHODS else "(other)"


def _log(response: Response) -> Response:
    caller = g.get("caller", ANYONE)
    fields = {
        "request_id": g.get("request_id", ""),
        "method": method_of(request),
        "route": route_of(request),
        "status": response.status_code,
        "milliseconds": round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 2),
        "bytes_in": request.content_length,
        "bytes_out": response.content_length,
        **({"key": caller.key_id} if caller.key_id else {}),
        **({"trace_id": g.trace_id} if "trace_id" in g else {}),
        **g.get("fields", {}),
    }
    probe = fields["route"] in PROBES and response.status_code == HTTPStatus.OK
    logger.log(logging.DEBUG if probe else logging.INFO, "request", extra={"fields": fields})
    return response
