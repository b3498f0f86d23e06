"""The real service on loopback for tests: started, waited for, asked, and ended by the ids of its processes.

    with running(tmp_path, models=models, WORKERS="2") as service:
        assert service.ask("GET", "/livez").status == 200
        os.kill(service.api_workers()[0], signal.SIGKILL)
        assert service.terminate() == 0
        assert not service.complaints()

Settings are given without ``FORECASTER_``; other variables in `environment`. Whatever a test does, nothing that it
started outlives the block: each process stands in a session of its own, and what is left of that is killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from http.client import HTTPConnection, HTTPMessage
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from flask import Flask
from werkzeug.serving import make_server

import service

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0
"""Seconds after which a test gives up on a process; far more than any of them takes, on a busy machine too."""

DEFAULTS = {"WORKERS": "2", "THREADS": "2", "JOB_WORKERS": "0"}
"""Settings of services, where a test says nothing of them."""

GUNICORN = ("-P", "-m", "gunicorn", "-c", str(Path(service.__file__).with_name("gunicorn.conf.py")))
SERVE = ("-P", "-m", "forecaster.cli", "serve")


class Answer(NamedTuple):
    """What came back."""

    status: int
    headers: HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Running:
    """A service in processes of its own; made by `running`."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self.log = log

    # --- asking

    def connect(self) -> socket.socket:
        """Return a connection, for what no HTTP client would send."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def ask(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, *, key: str = ""
    ) -> Answer:
        """Send one request on a connection of its own; a dictionary goes as JSON."""
        sent = dict(headers or {})
        if isinstance(body, dict):
            body, sent = json.dumps(body).encode(), {"Content-Type": "application/json"} | sent
        if key:
            sent["Authorization"] = f"Bearer {key}"
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, sent)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def wait_until_ready(self, path: str = "/readyz") -> None:
        """Return when `path` is answered 200; fail with the log if the process ends before."""

        def ready() -> bool:
            assert self.process.poll() is None, f"ended with {self.process.returncode}: {self.text()}"
            with contextlib.suppress(OSError):
                return self.ask("GET", path).status == 200
            return False

        wait_for(ready, lambda: f"not ready: {self.text()}")

    # --- processes

    def children(self) -> dict[int, str]:
        """Return the processes below the first one, however deep, with their command lines; oldest first."""
        found: dict[int, str] = {}
        below = [self.process.pid]
        while below:
            parent = below.pop(0)
            for child in children_of(parent):
                found[child] = command_of(child)
                below.append(child)
        return found

    def gunicorn(self) -> int:
        """Return the id of gunicorn's parent process."""
        if "gunicorn" in command_of(self.process.pid):
            return self.process.pid
        return next(pid for pid, command in self.children().items() if "gunicorn" in command)

    def api_workers(self) -> list[int]:
        """Return the ids of the processes that answer requests."""
        return [pid for pid in children_of(self.gunicorn()) if "gunicorn" in command_of(pid)]

    def job_workers(self, module: str = "service.jobs.worker") -> list[int]:
        """Return the ids of the job workers beside the API."""
        return [pid for pid in children_of(self.process.pid) if module in command_of(pid)]

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the first process, as a supervisor or a container runtime does."""
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return the exit code of the first process once it has ended."""
        return self.process.wait(timeout=PATIENCE)

    def terminate(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.send(signal.SIGTERM)
        return self.wait()

    # --- what was logged

    def text(self) -> str:
        """Return what all processes have written on standard error."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def lines(self) -> list[dict[str, Any]]:
        """Return the log, line by line; a line that is not a JSON object fails the test."""
        return [json.loads(line) for line in self.text().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Return the lines of requests."""
        return [line for line in self.lines() if line["logger"] == "service.request"]

    def complaints(self) -> list[dict[str, Any]]:
        """Return the lines that say that something went wrong."""
        return [line for line in self.lines() if line["level"] in {"WARNING", "ERROR", "CRITICAL"}]


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    models: Path,
    command: Sequence[str] = SERVE,
    before: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    ready: bool = True,
    **settings: str,
) -> Iterator[Running]:
    """Start a service, wait for it, and end it.

    Parameters
    ----------
    folder
        For its log, its state and its home.
    models
        Folder of models.
    command
        What this Python runs: `SERVE`, or `GUNICORN` for the API without a parent.
    before
        What stands before Python: a program that becomes it.
    environment
        Further variables; one with an empty value is as good as unset.
    ready
        False: do not wait for it.
    settings
        Settings without ``FORECASTER_``, beside `DEFAULTS`: two workers with two threads, no job worker.

    Yields
    ------
    Running
        The service.
    """
    port = free_port()
    given = {"MODELS": str(models), "PORT": str(port), "STATE": str(folder / "state")}
    given |= DEFAULTS | settings
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FORECASTER_")}
    variables |= {name: os.environ[name] for name in KEPT if name in os.environ}
    variables |= {f"FORECASTER_{name}": value for name, value in given.items()}
    variables |= {"PYTHONPATH": str(ROOT), **(environment or {})}
    log = folder / f"log-{port}"
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 - our own words
            [*before, sys.executable, *command], cwd=folder, env=variables,
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
    service = Running(process, int(given["PORT"]), log)
    try:
        if ready:
            service.wait_until_ready()
        yield service
    finally:
        _end(service)


KEPT = ("FORECASTER_CACHE_DIR", "FORECASTER_ENGINE", "FORECASTER_CPU_LEVEL")


def _end(service: Running) -> None:
    """Kill what is left, each by its id: children first, since those of a dead parent cannot be found any more."""
    for pid in [*service.children(), service.process.pid]:
        with contextlib.suppress(ProcessLookupError):
            if pid != service.process.pid or service.process.poll() is None:
                os.kill(pid, signal.SIGKILL)
    service.process.wait(timeout=PATIENCE)


@contextlib.contextmanager
def threaded(app: Flask) -> Iterator[str]:
    """Serve an application from a thread of this process, and give its URL."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def free_port() -> int:
    """Return a port of loopback that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def wait_for(condition: Callable[[], bool], complaint: Callable[[], str] = lambda: "it did not come about") -> None:
    """Return as soon as `condition` holds; fail the test if that takes too long."""
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            pytest.fail(complaint())
        time.sleep(0.02)


def children_of(pid: int) -> list[int]:
    """Return the ids of the children of a process, oldest first."""
    return sorted(int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat") if _parent_in(path) == pid)


def _parent_in(path: Path) -> int:
    try:
        return int(path.read_text().rpartition(") ")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def command_of(pid: int) -> str:
    """Return the command line of a process; empty once it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Return whether a process runs; one that waits to be reaped does not."""
    try:
        return ") Z" not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def ports_of(pid: int, port: int) -> set[int]:
    """Return from where the connections come that a process holds to this port of its own."""
    links = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()]
    inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ours = (row for row in rows if row[9] in inodes and int(row[1].split(":")[1], 16) == port)
    return {int(row[2].split(":")[1], 16) for row in ours} - {0}


def memory_of(pid: int) -> int:
    """Return the bytes of memory that are a process's own."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private_")) * 1024
