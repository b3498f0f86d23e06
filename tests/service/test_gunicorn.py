"""The service behind the real gunicorn, alone."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import GUNICORN, PATIENCE, ROOT, Running, ports_of, running, wait_for

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]
BODY: dict[str, Any] = {"series": [{"unique_id": "a", "ds": DAYS, "y": [10 + day % 7 for day in range(30)]}], "h": 5}
JSON = {"Content-Type": "application/json"}
CSV = {"Content-Type": "text/csv"}


@pytest.fixture
def server(models: Path, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, models=models, command=GUNICORN, MAX_BYTES="100000") as service:
        yield service


def test_gunicorn_serves_and_ends_cleanly(server: Running) -> None:
    body = json.dumps(BODY).encode()
    answer = server.ask("POST", "/v1/forecast", body, JSON | {"X-Request-ID": "mine"})
    assert answer.status == 200
    assert len(answer.json["forecasts"][0]["LSTM"]) == 5

    for length in (10, 100_000):
        chunks = iter([body[:length], body[length:]])  # sent in chunks, without a length
        again = server.ask("POST", "/v1/forecast", chunks, JSON)
        assert (again.status, again.body) == (200, answer.body)
    refused = server.ask("POST", "/v1/forecast", iter([b" " * 50_000] * 3), JSON)
    assert refused.status == 413, refused.body

    assert server.ask("GET", "/livez").status == 200
    assert server.terminate() == 0
    assert [line["status"] for line in server.requests() if line["request_id"] == "mine"] == [200]
    assert not server.complaints()


NOT_HTTP = {
    b"canary77 /v1/forecast?canary77\r\n\r\n": 400,
    b"GET /canary77 HTTP/7.7\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00canary77\r\n\r\n": 400,
    b"GET /" + b"canary77" * 600 + b" HTTP/1.1\r\n\r\n": 414,
    b"GET / HTTP/1.1\r\nHost: localhost\r\ncanary 77: 1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n" + b"".join(b"canary77-%d: 1\r\n" % n for n in range(200)) + b"\r\n": 431,
    b"POST / HTTP/1.1\r\nTransfer-Encoding: canary77\r\n\r\n": 501,
}


def test_what_is_not_http_is_answered_with_a_problem_and_not_logged(server: Running) -> None:
    ids = []
    for sent, status in NOT_HTTP.items():
        with server.connect() as connection:
            connection.sendall(sent)
            response = HTTPResponse(connection)
            response.begin()
            problem = json.loads(response.read())
        assert (response.status, problem["status"]) == (status, status), sent[:40]
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert problem["request_id"] == response.headers["X-Request-ID"]
        ids.append(problem["request_id"])
    assert server.ask("GET", "/livez").status == 200
    assert server.terminate() == 0
    logged = {line["request_id"]: line["status"] for line in server.requests()}
    assert [logged[request_id] for request_id in ids] == list(NOT_HTTP.values())
    assert not re.search("canary", server.text(), re.IGNORECASE)


def test_the_containers_health_check_asks_the_service(server: Running) -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^HEALTHCHECK.*\n\s+CMD (\[.*\])$", text, re.MULTILINE)
    arguments = [sys.executable, *json.loads(command)[1:]]

    def healthy() -> bool:
        environment = os.environ | {"FORECASTER_PORT": str(server.port)}
        run = subprocess.run(  # noqa: S603 - our own words
            arguments, env=environment, capture_output=True, timeout=PATIENCE, check=False
        )
        return run.returncode == 0

    assert healthy()
    assert server.terminate() == 0
    assert not healthy()


def head(media_type: str, length: int) -> bytes:
    lines = (
        "POST /v1/forecast HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {media_type}",
        f"Content-Length: {length}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def test_half_a_table_is_not_forecast(server: Running) -> None:
    body = b"unique_id,ds,y\n" + b"".join(b"a,%d,%d\n" % (day, day) for day in range(40))
    with server.connect() as connection:
        connection.sendall(head("text/csv", len(body)) + body[:200])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    chunks = iter([body, b"a,99,1\n" * 16_000])
    assert server.ask("POST", "/v1/forecast", chunks, CSV).status == 413
    assert server.ask("POST", "/v1/forecast", body, CSV).status == 200


def test_a_request_in_flight_at_sigterm_is_answered(server: Running) -> None:
    body = json.dumps(BODY).encode()
    with server.connect() as connection:
        connection.sendall(head("application/json", len(body)) + body[:20])
        port = connection.getsockname()[1]  # once a worker holds it, it reads the request
        wait_for(lambda: any(port in ports_of(pid, server.port) for pid in server.api_workers()))
        server.send(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[20:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert server.wait() == 0


def test_a_wrong_setting_stops_the_start_with_its_name(models: Path, tmp_path: Path) -> None:
    with running(tmp_path, models=models, command=GUNICORN, ready=False, THREADS="many") as server:
        assert server.wait() == 2
        assert server.text() == "error: FORECASTER_THREADS must be a whole number, not 'many'.\n"
