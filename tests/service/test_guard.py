"""What stands around every request."""

from __future__ import annotations

import json
import logging.config
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder
from werkzeug.wrappers import Request

from service.logs import JsonFormatter, log_config
from service.settings import Settings

from .conftest import BODY, make_app, model_folder

EVERYWHERE = "0.0.0.0"  # noqa: S104 - only a setting here
PATHS = ["/", "/livez", "/readyz", "/v1/models", "/openapi.json", "/nowhere", "/v1/forecast"]


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_security_headers_and_an_id(client: FlaskClient, path: str) -> None:
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"
    assert len(headers["X-Request-ID"]) == 32


def test_the_page_has_no_inline_script_and_needs_no_other_site(client: FlaskClient) -> None:
    response = client.get("/")
    assert response.headers["Content-Security-Policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self';"
    )
    assert "unsafe" not in response.headers["Content-Security-Policy"]
    assert not re.findall(r"<script(?![^>]* src=\"/static/)", response.text)
    assert not re.findall(r"(?:href|src)=\"(?!/|#)[^\"]*", response.text)
    assert " style=" not in response.text
    for path in re.findall(r"(?:href|src)=\"(/[^\"]*)", response.text):
        assert client.get(path).status_code == 200, path


@pytest.mark.parametrize("given", ["abc-123", "A.b_c", "x" * 64])
def test_a_request_may_bring_its_id(client: FlaskClient, given: str) -> None:
    assert client.get("/livez", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a\tb", '{"a": 1}', "é"])
def test_an_id_that_could_forge_a_log_line_is_replaced(client: FlaskClient, given: str) -> None:
    assert len(client.get("/livez", headers={"X-Request-ID": given}).headers["X-Request-ID"]) == 32


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1234"},
    {"Origin": "http://[broken"},
    {"Origin": "http://localhost", "Host": "localhost:8000"},
    {"Origin": "http://localhost:80", "Host": "localhost:8000"},
    {"Origin": "http://[::1]:8000", "Host": "localhost:8000"},
    {"Origin": "file://"},
    {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_sites_cannot_post(client: FlaskClient, headers: dict[str, str]) -> None:
    response = client.post("/v1/forecast", json=BODY, headers=headers)
    assert response.status_code == 403
    assert response.content_type == "application/problem+json"


OWN = [
    {"Origin": "http://localhost"},
    {"Origin": "https://localhost"},
    {"Origin": "http://localhost:8000", "Host": "LOCALHOST:8000"},
    {"Origin": "http://[::1]:8000", "Host": "[::1]:8000"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none"},
]


@pytest.mark.parametrize("headers", OWN)
def test_the_services_own_page_can_post(client: FlaskClient, headers: dict[str, str]) -> None:
    assert client.post("/v1/forecast", json=BODY, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "a b",
        "10.0.0.1",
        "::1",
        "[::2]",
        "localhost@evil",
        "localhost.",
        "[::1]evil",
        ":8000",
    ],
)
def test_on_loopback_other_host_names_are_refused(client: FlaskClient, host: str) -> None:
    response = client.get("/v1/models", headers={"Host": host})
    assert response.status_code == 400
    assert response.content_type == "application/problem+json"
    assert "evil" not in response.text


@pytest.mark.parametrize(("protocol", "status"), [("HTTP/1.1", 400), ("HTTP/1.0", 200)])
def test_a_host_is_named_where_the_protocol_demands_it(client: FlaskClient, protocol: str, status: int) -> None:
    environment = {"SERVER_PROTOCOL": protocol, "HTTP_HOST": None}
    builder = EnvironBuilder(path="/livez", environ_overrides=environment)
    asked = {name: value for name, value in builder.get_environ().items() if value is not None}
    assert client.open(Request(asked)).status_code == status


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_loopback_names_are_admitted(client: FlaskClient, host: str) -> None:
    assert client.get("/v1/models", headers={"Host": host}).status_code == 200


def test_trusted_hosts_are_a_setting(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    settings = Settings(host=EVERYWHERE, trusted_hosts=("forecast.example", ".example.org"))
    client = make_app(tmp_path, settings).test_client()
    for host, status in {"forecast.example": 200, "a.example.org": 200, "127.0.0.1": 200, "evil.example": 400}.items():
        assert client.get("/livez", headers={"Host": host}).status_code == status
    anywhere = make_app(tmp_path, Settings(host=EVERYWHERE)).test_client()
    assert anywhere.get("/livez", headers={"Host": "any.example"}).status_code == 200


def logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    line = JsonFormatter().format(caplog.records[-1])
    assert "\n" not in line
    fields: dict[str, Any] = json.loads(line)
    return fields


def test_a_request_is_one_line_without_values(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    body = {"series": [{"unique_id": "canary77", "y": [77001, 77002, 77003]}], "h": 2}
    response = client.post("/v1/forecast", json=body)
    line = logged(caplog)
    assert len(caplog.records) == 1
    assert line["request_id"] == response.headers["X-Request-ID"]
    assert line["route"] == "/v1/forecast"
    assert line["status"] == 200
    assert line["series"] == 1
    assert line["h"] == 2
    assert "77" not in json.dumps({name: line[name] for name in ("route", "model", "message", "method")})
    assert "canary77" not in json.dumps(line)


def test_paths_and_methods_that_are_not_ours_are_not_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    client.open("/canary77?canary77", method="CANARY77")
    line = logged(caplog)
    assert (line["route"], line["method"], line["status"]) == ("(none)", "(other)", 404)
    assert "canary77" not in json.dumps(line).lower()


def test_probes_that_succeed_are_quiet(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.get("/livez")
    client.get("/readyz")
    assert not caplog.records


def test_errors_are_logged_as_type_and_place() -> None:
    try:
        float("canary77")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it %s", ("failed",), (ValueError, error, None))
    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "it failed"
    assert line["error"] == "ValueError"
    assert any("test_guard.py" in place for place in line["at"])
    assert "canary77" not in json.dumps(line)


def test_the_log_configuration_is_one_that_logging_takes() -> None:
    config = log_config("WARNING")
    assert config["loggers"]["service"]["level"] == "WARNING"
    logging.config.DictConfigurator(config)
