"""The benchmark of the service asks what it says, and its tables are those of its results."""

from __future__ import annotations

import json
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from benchmarks.image import image_block
from benchmarks.results import Figure, Report, load, load_json, shown
from benchmarks.service import load as loads
from benchmarks.service.__main__ import request_of
from benchmarks.tables import OPERATIONS, README, service_block, with_image, with_service

SAID = """Running 2s test @ http://127.0.0.1:1/v1/forecast
  1 threads and 16 connections
  1234 requests in 2.00s, 2.50MB read
  Socket errors: connect 1, read 2, write 0, timeout 3
  Non-2xx or 3xx responses: 4
Requests/sec:    617.25
"""


def test_what_wrk_says_is_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads.shutil, "which", lambda name: f"/usr/bin/{name}")

    def run(command: list[str], **_: Any) -> Any:
        script = Path(command[command.index("-s") + 1])
        assert script.with_name("body").read_bytes() == b"{}"
        assert command[-1] == "http://127.0.0.1:1/v1/forecast"
        return subprocess.CompletedProcess(command, 0, stdout=SAID)

    monkeypatch.setattr(loads.subprocess, "run", run)
    assert loads.hammer(1, b"{}", connections=16, seconds=2) == loads.Load(617.25, 1234, 10)


def test_without_wrk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loads.shutil, "which", lambda _: None)
    with pytest.raises(RuntimeError, match="apt-get install wrk"):
        loads.hammer(1, b"{}", connections=1, seconds=1)


def test_the_request_holds_as_many_series_as_asked_for() -> None:
    for count in (1, 7):
        asked = json.loads(request_of(count))
        assert len({series["unique_id"] for series in asked["series"]}) == count
        assert all(len(series["y"]) == len(set(series["ds"])) == 64 for series in asked["series"])


class Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def test_requests_at_a_rate_are_all_counted() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        found = loads.paced(server.server_port, b"{}", rate=40, seconds=1, connections=4)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert len(found) == 40
    assert min(found) > 0
    assert min(found) <= loads.percentile(found, 50) <= loads.percentile(found, 99) <= max(found)


def test_units_are_shown_as_readers_want_them() -> None:
    values = {"ms": (12.34, "12.3 ms"), "1/s": (1234.5, "1,234 /s"), "share": (0.4, "40%"), "times": (19.6, "20 times")}
    for unit, (value, text) in values.items():
        assert shown(Figure("key", "what", value, unit)) == text


def test_tables_are_those_of_the_results() -> None:
    report, image = load("service"), load_json("image")
    for place in (README, OPERATIONS):
        text = place.read_text(encoding="utf-8")
        assert with_service(text, report, image) == text, "run: python -m benchmarks.tables"
    text = OPERATIONS.read_text(encoding="utf-8")
    assert with_image(text, image) == text, "run: python -m benchmarks.tables"


def test_small_packages_are_added_up() -> None:
    packages = {"numpy": 60_000_000, "click": 300_000, "blinker": 100_000}
    block = image_block(
        {
            "date": "2026-01-01",
            "image": 600_000_000,
            "over_base": 380_000_000,
            "packages": packages,
            "ready": {"median": 0.9, "runs": [0.8, 0.9, 1.0]},
        }
    )
    assert "| numpy | 60.0 |" in block
    assert "| 2 more, less than a megabyte each | 0.4 |" in block
    assert "Ready 0.90 s" in block
    assert "Not measured" in image_block(None)


def test_the_table_of_a_report_has_a_row_for_each_figure() -> None:
    machine: dict[str, str | int] = {"cpu": "x", "cores": 2, "numba": "1", "gunicorn": "2"}
    block = service_block(Report("2026-01-01", machine, [Figure("a", "What", 2.0, "ms", note="so")]))
    assert "| What | 2.0 ms | so |" in block
