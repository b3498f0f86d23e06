"""Answers that browsers show: their policy, their headers, with and without a body."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from service.assets import Assets

SCRIPT = f"/static/{Assets().version}/uplot.js"
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}


def policy_of(text: str) -> dict[str, str]:
    return dict(part.strip().partition(" ")[::2] for part in text.split(";"))  # type: ignore[misc]  # pairs


def test_every_page_has_a_policy_that_lets_nothing_else_in(client: FlaskClient) -> None:
    document: Any = client.get("/openapi.json").json
    pages = [
        path
        for path, methods in document["paths"].items()
        if "text/html" in methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    ]
    assert sorted(pages) == ["/", "/docs"]
    for path in pages:
        headers = client.get(path).headers
        policy = policy_of(headers["Content-Security-Policy"])
        assert policy.items() <= POLICY.items(), path
        assert {"default-src", "frame-ancestors", "base-uri", "form-action"} <= set(policy), path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "no-referrer", path
    assert policy_of(client.get("/").headers["Content-Security-Policy"]) == POLICY


@pytest.mark.parametrize("path", ["/", SCRIPT])
def test_head_is_get_without_the_body(client: FlaskClient, path: str) -> None:
    accept = {"Accept-Encoding": "gzip"}
    got, head = client.get(path, headers=accept), client.head(path, headers=accept)
    assert head.status_code == 200
    assert head.data == b""
    ours = {"X-Request-ID", "Date"}
    assert {name: value for name, value in head.headers if name not in ours} == {
        name: value for name, value in got.headers if name not in ours
    }
    assert int(head.headers["Content-Length"]) == len(got.data)


@pytest.mark.parametrize("path", ["/", "/docs", SCRIPT])
def test_pages_are_for_reading(client: FlaskClient, path: str) -> None:
    answer = client.post(path, data=b"x", content_type="text/csv")
    assert answer.status_code == 405
    assert {method.strip() for method in answer.headers["Allow"].split(",")} == {"GET", "HEAD", "OPTIONS"}


def test_files_are_not_of_another_type_than_they_say(client: FlaskClient) -> None:
    for name in Assets().files:
        headers = client.get(f"/static/current/{name}").headers
        assert headers["X-Content-Type-Options"] == "nosniff", name
