"""Clients that send byte by byte, never read, or send what is not HTTP, before the real gunicorn."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import GUNICORN, PATIENCE, Running, running, wait_for

BODY = json.dumps({"series": [{"unique_id": "a", "y": [5, 7, 9, 8] * 5}]}).encode()
READ_SECONDS = 2
CANARY = b"canary77"


@pytest.fixture(scope="module")
def server(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("server")
    settings = {"READ_SECONDS": str(READ_SECONDS), "THREADS": "8", "MAX_BYTES": str(2**20)}
    with running(folder, models=models, command=GUNICORN, **settings) as service:
        yield service
        assert service.terminate() == 0
        assert not service.complaints()
        assert not re.search("canary", service.text(), re.IGNORECASE)


def head(*more: str, length: int | None = len(BODY), method: str = "POST", path: str = "/v1/forecast") -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *more]
    return "\r\n".join([*lines, *([] if length is None else [f"Content-Length: {length}"]), "", ""]).encode()


def answer_on(connection: socket.socket) -> tuple[int, Any]:
    """Read one answer and return its status and JSON; (0, None) if there is none."""
    response = HTTPResponse(connection)
    try:
        response.begin()
        body = response.read()
    except (OSError, HTTPException):
        return 0, None
    assert response.headers["X-Request-ID"]
    return response.status, json.loads(body) if body else None


SLOW = (
    head() + BODY[:2],
    head(length=500_000) + b" " * 1_000,
    head("Transfer-Encoding: chunked", length=None) + b"5\r\n     \r\n",
    head("Expect: 100-continue", length=500_000),
)


def trickle(connections: list[tuple[socket.socket, bytes]], stop: threading.Event) -> None:
    """Send a byte on each connection again and again: enough for any server that waits for silence."""
    sent = [20] * len(connections)
    while not stop.wait(0.1):
        for number, (connection, data) in enumerate(connections):
            try:
                connection.send(data[sent[number] : sent[number] + 1] or b" ")
            except OSError:
                continue
            sent[number] += 1


def test_slow_clients_keep_nobody_out_and_are_ended(server: Running) -> None:
    with ExitStack() as stack:
        slow: list[tuple[socket.socket, bytes]] = []
        for number in range(60):
            connection = stack.enter_context(server.connect())
            is_head = number % 2 == 0
            connection.sendall(head()[:20] if is_head else SLOW[number // 2 % len(SLOW)])
            slow.append((connection, head() if is_head else b""))
        stop = threading.Event()
        sender = threading.Thread(target=trickle, args=(slow, stop))
        sender.start()
        try:
            for _ in range(20):
                assert server.ask("POST", "/v1/forecast", BODY, {"Content-Type": "application/json"}).status == 200
            ended = [answer_on(connection)[0] for connection, _ in slow]
        finally:
            stop.set()
            sender.join()
    assert set(ended) <= {408, 503, 0}, ended
    assert ended.count(408) > 30
    assert server.ask("GET", "/readyz").status == 200
    wait_for(lambda: not [line for line in server.requests() if line["status"] == 500])


def test_large_bodies_leave_threads_for_small_requests(server: Running) -> None:
    """Whoever sends large bodies slowly can keep out only others that send large ones."""
    with ExitStack() as stack:
        for _ in range(40):
            connection = stack.enter_context(server.connect())
            connection.sendall(head(length=500_000) + b" " * 100_000)
        for _ in range(10):
            assert server.ask("POST", "/v1/forecast", BODY, {"Content-Type": "application/json"}).status == 200


def test_a_client_that_keeps_the_pace_is_served(server: Running) -> None:
    """300 KB in pieces for longer than a request may take beyond the pace."""
    padded = BODY[:-1] + b" " * (300_000 - len(BODY)) + b"}"
    with server.connect() as connection:
        connection.sendall(head(length=len(padded)))
        for start in range(0, len(padded), 50_000):
            time.sleep(READ_SECONDS / 5)
            connection.sendall(padded[start : start + 50_000])
        assert answer_on(connection)[0] == 200


def test_silent_connections_are_closed_without_a_word(server: Running) -> None:
    with server.connect() as connection:
        assert connection.recv(100) == b""
    with server.connect() as connection:
        connection.sendall(head(method="GET", path="/livez", length=None))
        assert answer_on(connection)[0] == 200
        assert connection.recv(100) == b""  # idle for as long as connections are kept


def test_connections_are_kept_and_requests_may_come_together(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall((head() + BODY) * 3 + head("Connection: close", method="GET", path="/livez", length=None))
        assert connection.makefile("rb").read().count(b"HTTP/1.1 200 OK\r\n") == 4
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
    for body in (BODY, iter([BODY[:9], BODY[9:]]), BODY[:-1] + b" " * 100_000 + b"}"):
        connection.request("POST", "/v1/forecast", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        assert (response.status, response.headers["Connection"]) == (200, "keep-alive")
        response.read()
    connection.close()


def test_a_refused_body_is_not_waited_for_and_the_answer_arrives(server: Running) -> None:
    """413 comes at once though the client goes on sending, and the connection is not used again."""
    with server.connect() as connection:
        connection.sendall(head(length=3 * 2**20) + b" " * 2**20)
        assert answer_on(connection)[0] == 413


def test_clients_that_never_read_their_answers_are_let_go(server: Running) -> None:
    series = [{"unique_id": str(number), "y": [5, 7, 9, 8] * 3} for number in range(2_000)]
    body = json.dumps({"series": series, "h": 40}).encode()  # 8 MB to read
    with ExitStack() as stack:
        for _ in range(4):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.connect(("127.0.0.1", server.port))
            connection.sendall(head(length=len(body)) + body)
        wait_for(lambda: sum(line.get("series") == 2_000 for line in server.requests()) == 4)
        assert server.ask("POST", "/v1/forecast", BODY, {"Content-Type": "application/json"}).status == 200
        # After READ_SECONDS their threads are free: large requests are read again.
        wait_for(
            lambda: server.ask("POST", "/v1/forecast", iter([BODY]), {"Content-Type": "application/json"}).status == 200
        )


def test_a_target_with_the_same_host_is_served(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(b"GET http://localhost/livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_on(connection)[0] == 200


def test_a_client_that_waits_for_100_gets_it(server: Running) -> None:
    with server.connect() as connection:
        connection.sendall(head("Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert answer_on(connection)[0] == 200


def test_no_answer_tells_a_version_of_the_server(server: Running) -> None:
    assert not re.search(r"\d", server.ask("GET", "/livez").headers.get("Server", ""))
