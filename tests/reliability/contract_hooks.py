"""What schemathesis cannot know of the service, and a check of its own; named in schemathesis.toml."""

from __future__ import annotations

import gzip
import json
from typing import Any

import schemathesis


def table(series: int, days: int) -> str:
    rows = [f"s{name},2024-01-{day:02},{name * day % 7}" for name in range(series) for day in range(1, days + 1)]
    return "\n".join(["unique_id,ds,y", *rows, ""])


TABLES = [table(1, 28), table(3, 20), table(2, 9), table(1, 1)]
LIKELY = {"h", "level", "windows", "step", "details", "values"}
"""Options that numbers at random often fit."""


def as_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


@schemathesis.serializer("text/csv")
def encode(context: Any, value: Any) -> bytes:
    """Return a table as it is sent; packed here, since a body that is no text would pass for a wrong one."""
    is_packed = (context.case.headers or {}).get("Content-Encoding") == "gzip"
    return gzip.compress(as_bytes(value)) if is_packed else as_bytes(value)


@schemathesis.hook
def filter_case(context: Any, case: Any) -> bool:  # noqa: ARG001 - schemathesis' signature
    """Leave out a text that is to be of another type: whatever it is, it is sent as text."""
    return case.media_type != "text/csv" or isinstance(case.body, str | bytes)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:  # noqa: ARG001 - schemathesis' signature
    """Let some requests through to the work, which no description can tell how.

    Options of a table are left out where JSON is sent; and half of the texts become tables, with likely options.
    """
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.media_type == "application/json":
        case.query = {}
    chance = len(f"{case.query}{case.body}") % 8
    if case.path == "/v1/inspect":  # it takes nothing but tables, and of one row it cannot tell the frequency
        chance %= len(TABLES) - 1
    if case.media_type == "text/csv" and chance < len(TABLES):
        case.body = TABLES[chance]
        case.query = {name: value for name, value in (case.query or {}).items() if name in LIKELY}
        case.query |= {"kind": "forecast"} if case.path == "/v1/jobs" else {}


@schemathesis.check
def problems_are_whole(context: Any, response: Any, case: Any) -> None:  # noqa: ARG001 - schemathesis' signature
    """Every refusal is a problem with the id of the request, and one that asks to wait says how long."""
    sent_id = response.headers["x-request-id"][0]
    if response.status_code >= 400 and case.method.upper() != "HEAD":
        problem = json.loads(response.content)
        assert response.headers["content-type"] == ["application/problem+json"]
        assert (problem["status"], problem["request_id"]) == (response.status_code, sent_id)
        assert len(response.content) < 20_000, "the problem repeats what was sent"
    assert response.status_code not in {429, 503} or int(response.headers["retry-after"][0]) > 0
