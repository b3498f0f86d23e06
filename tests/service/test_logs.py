"""The log: what a line holds, and that no request suffers from what becomes of it."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient

from service.auth import Caller
from service.logs import JsonFormatter, LineHandler, log_config

from .conftest import BODY
from .processes import ROOT


class Tally:
    def __init__(self) -> None:
        self.count = 0

    def inc(self) -> None:
        self.count += 1


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> Tally:
    tally = Tally()
    monkeypatch.setattr(LineHandler, "lost", tally)
    return tally


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def say(handler: LineHandler, text: str, *args: Any) -> None:
    handler.setFormatter(JsonFormatter())
    handler.handle(logging.LogRecord("x", logging.INFO, __file__, 1, text, args, None))


def test_a_record_is_one_line(pipe: tuple[int, int], lost: Tally) -> None:
    handler = LineHandler(pipe[1])
    say(handler, "first\nsecond")
    say(handler, "é \ud800")
    lines = os.read(pipe[0], 4096).decode().splitlines()
    assert [json.loads(line)["message"] for line in lines] == ["first\nsecond", "é \ud800"]
    assert lost.count == 0


def test_a_pipe_that_nobody_reads_holds_up_no_one(pipe: tuple[int, int], lost: Tally) -> None:
    os.set_blocking(pipe[1], False)
    while True:
        try:
            os.write(pipe[1], b"x" * 65_536)
        except BlockingIOError:
            break
    os.set_blocking(pipe[1], True)
    handler = LineHandler(pipe[1])
    for _ in range(100):  # waits for the first alone
        say(handler, "lost")
    assert lost.count == 100
    os.read(pipe[0], 2**20)
    say(handler, "heard")
    assert json.loads(os.read(pipe[0], 4096))["message"] == "heard"
    assert lost.count == 100


def test_a_full_disk_tears_no_line_but_its_own(tmp_path: Path, lost: Tally, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("wb") as file:
        handler = LineHandler(file.fileno())
        write = os.write
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda descriptor, line: write(descriptor, line[:9]))
            say(handler, "torn")
        say(handler, "whole")
    torn, whole = (tmp_path / "log").read_text().splitlines()
    assert len(torn) == 9
    assert json.loads(whole)["message"] == "whole"
    assert lost.count == 1


def test_the_device_that_is_always_full(lost: Tally) -> None:
    with Path("/dev/full").open("wb", buffering=0) as file:
        say(LineHandler(file.fileno()), "lost")
    assert lost.count == 1


def test_what_cannot_be_formatted_is_lost(pipe: tuple[int, int], lost: Tally) -> None:
    say(LineHandler(pipe[1]), "%d", "no number")
    assert lost.count == 1


CLOSED = """
import logging.config
from service.logs import log_config
from service.metrics.recorder import Metrics
metrics = Metrics()
first = open("/dev/null", "w")  # takes the number of standard error where that is closed
logging.config.dictConfig(log_config("INFO"))
logging.getLogger("service").info("lost")
print(metrics._lost._value.get())
"""


@pytest.mark.parametrize(("redirection", "count"), [("2>&-", "1.0"), ("2>/dev/full", "1.0"), ("2>/dev/null", "0.0")])
def test_standard_error_that_is_closed_or_full(redirection: str, count: str) -> None:
    command = ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirection}', sys.executable, CLOSED]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=True)  # noqa: S603 - our own code
    assert done.stdout.strip() == count


def test_a_reader_that_is_gone_is_no_failure(lost: Tally) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    say(LineHandler(writer), "lost")  # Python ignores SIGPIPE: the write fails with EPIPE
    os.close(writer)
    assert lost.count == 1


def logged(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    (record,) = [record for record in caplog.records if record.name == "service.request"]
    line: dict[str, Any] = json.loads(JsonFormatter().format(record))
    return line


def test_answer_problem_and_log_have_the_same_id(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    response = client.post("/v1/forecast", data=b"{", content_type="application/json")
    assert response.json is not None
    line = logged(caplog)
    assert line["request_id"] == response.headers["X-Request-ID"] == response.json["request_id"]
    assert line["problem"] == "malformed-body"


def test_the_key_is_logged_by_its_id(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    @app.before_request
    def know() -> None:
        g.caller = Caller("0a1b2c3d", frozenset({"forecast"}))

    with app.test_client() as client:
        client.post("/v1/forecast", json=BODY)
    assert logged(caplog)["key"] == "0a1b2c3d"


def test_without_keys_there_is_none_to_log(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    client.post("/v1/forecast", json=BODY)
    assert not {"key", "trace_id", "problem"} & set(logged(caplog))


def test_one_handler_serves_gunicorn_and_the_service() -> None:
    assert log_config("INFO")["handlers"]["stderr"]["()"] is LineHandler
