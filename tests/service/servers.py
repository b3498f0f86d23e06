"""Processes and servers on loopback, for tests that need the real thing; bounded in time, ended by their id."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from flask import Flask
from werkzeug.serving import make_server

ROOT = Path(__file__).parents[2]
PATIENCE = 60


class Served(NamedTuple):
    """A service that runs."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    def get(self, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers=headers or {})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        port: int = trial.getsockname()[1]
        return port


@contextmanager
def gunicorn(folder: Path, **environment: str) -> Iterator[Served]:
    """Run the service in two workers, with the base weights alone, until it has been used."""
    port, log = free_port(), folder / "log"
    variables = {"PORT": str(port), "MODELS": str(folder / "models"), "STATE": str(folder), "WORKERS": "2"}
    variables = {f"FORECASTER_{name}": value for name, value in variables.items()} | {"FORECASTER_ENGINE": "plain"}
    settings = ROOT / "service" / "gunicorn.conf.py"
    command = [sys.executable, "-P", "-m", "gunicorn", "-c", str(settings), "service.wsgi:app"]
    with log.open("wb") as stderr:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command, cwd=ROOT, env=os.environ | variables | environment, stderr=stderr, stdout=subprocess.DEVNULL
        )
    served = Served(port, process, log)
    try:
        _wait_until_ready(served)
        yield served
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def _wait_until_ready(served: Served) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and served.process.poll() is None:
        try:
            if served.get("/readyz")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(served.log.read_text())


@contextmanager
def threaded(app: Flask) -> Iterator[str]:
    """Serve an application from a thread, and give its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
