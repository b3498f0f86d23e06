"""The processes of ``forecaster serve``: started together, ended together, by any signal at any moment."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.service.processes import PATIENCE, ROOT, SERVE, Running, alive, free_port, memory_of, running, wait_for

STAND_IN = "import sys, time; from pathlib import Path; Path(sys.argv[1], 'ran').open('a').write('x'); time.sleep({})"
SUPERVISED = """
import sys
from service.supervisor import Supervisor
sys.exit(Supervisor(job_worker=("-c", sys.argv[1], sys.argv[2])).run())
"""
BODY = {"series": [{"unique_id": "a", "y": [5, 7, 9, 8] * 5}]}


def with_job_worker(folder: Path, code: str) -> tuple[str, ...]:
    return ("-P", "-c", SUPERVISED, code, str(folder))


def count(folder: Path) -> int:
    path = folder / "ran"
    return len(path.read_text()) if path.exists() else 0


def all_gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


@pytest.fixture
def service(models: Path, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, models=models) as service:
        wait_for(lambda: len(service.api_workers()) == 2)
        yield service


def test_serve_ends_cleanly_with_all_that_it_started(models: Path, tmp_path: Path) -> None:
    command = with_job_worker(tmp_path, STAND_IN.format(600))
    with running(tmp_path, models=models, command=command, JOB_WORKERS="2") as service:
        wait_for(lambda: count(tmp_path) == 2)
        pids = list(service.children())
        assert len(service.api_workers()) == 2
        assert len(service.job_workers("sleep")) == 2
        assert memory_of(service.process.pid) < 20 * 2**20
        assert service.terminate() == 0
        assert all_gone(pids)
        assert not service.complaints()


def test_a_job_worker_that_dies_is_started_again_and_the_api_goes_on(models: Path, tmp_path: Path) -> None:
    command = with_job_worker(tmp_path, STAND_IN.format(0))
    with running(tmp_path, models=models, command=command, JOB_WORKERS="1") as service:
        wait_for(lambda: count(tmp_path) >= 3)
        assert service.ask("POST", "/v1/forecast", BODY).status == 200
        assert len(service.api_workers()) == 2
        pauses = [line["seconds"] for line in service.complaints() if line["logger"] == "service.supervisor"]
        assert pauses[:2] == [1.0, 2.0]
        assert service.terminate() == 0


STUBBORN = (
    "import signal, sys, time; from pathlib import Path; signal.signal(15, signal.SIG_IGN); "
    "Path(sys.argv[1], 'ran').write_text('x'); time.sleep(600)"
)


def test_a_job_worker_that_does_not_end_is_killed(models: Path, tmp_path: Path) -> None:
    command = with_job_worker(tmp_path, STUBBORN)
    with running(tmp_path, models=models, command=command, JOB_WORKERS="1", GRACEFUL_TIMEOUT="1") as service:
        wait_for(lambda: count(tmp_path) == 1)
        pids = list(service.children())
        assert service.terminate() == 0
        assert all_gone(pids)


def test_where_no_state_can_be_kept_the_api_serves_alone(models: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    settings = {"STATE": str(tmp_path / "file" / "state"), "JOB_WORKERS": "1"}
    with running(
        tmp_path, models=models, command=with_job_worker(tmp_path, STAND_IN.format(600)), **settings
    ) as service:
        wait_for(lambda: "no job worker is started" in service.text())
        assert service.ask("GET", "/livez").status == 200
        assert service.terminate() == 0
        assert count(tmp_path) == 0


def test_killing_the_parent_leaves_no_orphan(models: Path, tmp_path: Path) -> None:
    command = with_job_worker(tmp_path, STAND_IN.format(600))
    with running(tmp_path, models=models, command=command, JOB_WORKERS="1") as service:
        wait_for(lambda: count(tmp_path) == 1)
        pids = list(service.children())
        assert len(pids) == 4
        service.process.kill()
        service.wait()
        wait_for(lambda: all_gone(pids))


def test_killing_gunicorn_ends_all_with_its_signal(service: Running) -> None:
    pids = list(service.children())
    os.kill(service.gunicorn(), signal.SIGKILL)
    assert service.wait() == 128 + signal.SIGKILL
    assert all_gone(pids)


def test_a_worker_that_is_killed_is_replaced(service: Running) -> None:
    before = service.api_workers()
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: len(set(service.api_workers()) - set(before)) == 1)
    for _ in range(20):
        assert service.ask("POST", "/v1/forecast", BODY).status == 200
    assert service.terminate() == 0


def test_what_gunicorn_refuses_is_the_exit_code(models: Path, tmp_path: Path) -> None:
    with running(tmp_path, models=models, ready=False, THREADS="many") as service:
        assert service.wait() == 2
        assert service.text() == "error: FORECASTER_THREADS must be a whole number, not 'many'.\n"
    with running(tmp_path, models=models, ready=False, HOST="0.0.0.0") as service:  # noqa: S104 - it is refused
        assert service.wait() == 2
        assert "forecaster keys create" in service.text()


def test_while_draining_only_readiness_fails(models: Path, tmp_path: Path) -> None:
    with running(tmp_path, models=models, DRAIN_SECONDS="600") as service:
        assert service.ask("GET", "/readyz").headers["Connection"] == "keep-alive"
        service.send(signal.SIGTERM)
        wait_for(lambda: service.ask("GET", "/readyz").status == 503)
        answer = service.ask("POST", "/v1/forecast", BODY)
        assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert service.ask("GET", "/livez").status == 200
        assert service.ask("GET", "/readyz").json["type"].endswith(":not-ready")
        assert service.terminate() == 0  # a second one does not wait for the rest of the ten minutes
        assert not service.complaints()


def test_further_signals_end_what_is_in_flight(models: Path, tmp_path: Path) -> None:
    begun = b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900\r\n\r\n{"
    patient = {"GRACEFUL_TIMEOUT": "600", "READ_SECONDS": "600"}
    with running(tmp_path, models=models, **patient) as service, service.connect() as connection:
        connection.sendall(begun)
        pids = list(service.children())
        for _ in range(4):
            time.sleep(0.3)
            service.send(signal.SIGTERM)
        assert service.wait() in {0, 128 + signal.SIGKILL}
        assert all_gone(pids)


def test_hanging_up_replaces_the_workers_and_drops_no_request(service: Running) -> None:
    before = set(service.api_workers())
    with Load(service.port) as load:
        service.send(signal.SIGHUP)
        wait_for(lambda: len(service.api_workers()) == 2 and not before & set(service.api_workers()))
        load.go_on(200)
    assert load.failed == []
    assert service.terminate() == 0


class Load:
    """Threads that ask on a new connection each time, until the service takes none any more."""

    def __init__(self, port: int, threads: int = 8) -> None:
        self._port = port
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        self._stop = threading.Event()
        self.answered = 0
        self.failed: list[str] = []

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        self.go_on(100)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=PATIENCE)

    def go_on(self, more: int) -> None:
        """Return when so many further requests have been answered."""
        enough = self.answered + more
        wait_for(lambda: self.answered >= enough or bool(self.failed))

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                sock = socket.create_connection(("127.0.0.1", self._port), timeout=PATIENCE)
            except ConnectionRefusedError:
                return  # it was never accepted: whoever stands before the service tries another
            try:
                with sock:
                    sock.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = sock.makefile("rb").readline()
                    assert answer == b"HTTP/1.1 200 OK\r\n", answer
                self.answered += 1
            except (OSError, AssertionError) as error:
                self.failed.append(repr(error))


@pytest.mark.parametrize("attempt", range(3))
def test_no_connection_that_was_accepted_fails_at_sigterm(service: Running, attempt: int) -> None:
    with Load(service.port) as load:
        load.go_on(500 + 100 * attempt)
        assert service.terminate() == 0
    assert load.failed == []
    assert load.answered > 600


def test_kept_connections_are_told_to_close_and_none_fails(service: Running) -> None:
    told: list[str] = []

    def ask() -> None:
        connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
        header = "keep-alive"
        while header == "keep-alive":
            connection.request("POST", "/v1/forecast", json.dumps(BODY), {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            header = f"{response.headers['Connection']}" if response.status == 200 else f"{response.status}"
        told.append(header)
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(service.requests()) > 100)
    assert service.terminate() == 0
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert told == ["close"] * 6


def test_control_c_on_a_terminal_ends_all_with_a_line(models: Path, tmp_path: Path) -> None:
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FORECASTER_")}
    given = {"MODELS": str(models), "PORT": str(port), "STATE": str(tmp_path), "JOB_WORKERS": "0", "LOG_LEVEL": "ERROR"}
    kept |= {f"FORECASTER_{name}": value for name, value in given.items()}
    kept |= {name: os.environ[name] for name in ("FORECASTER_CACHE_DIR",) if name in os.environ}
    master, slave = pty.openpty()
    process = subprocess.Popen(  # noqa: S603 - our own words
        [sys.executable, "-c", CONTROLLED, *SERVE], cwd=tmp_path, env=kept | {"PYTHONPATH": str(ROOT)},
        stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    service = Running(process, port, tmp_path / "none")
    try:
        wait_for(lambda: _answers(service) and len(service.children()) == 3)
        pids = list(service.children())
        os.write(master, b"\x03")
        assert service.wait() == 0
        assert os.read(master, 10_000).replace(b"\r", b"") == b"^C\nStopping. Ctrl-C again stops at once.\n"
        assert all_gone(pids)
    finally:
        os.close(master)
        for pid in [*service.children(), process.pid]:
            if process.poll() is None:
                os.kill(pid, signal.SIGKILL)
        process.wait(timeout=PATIENCE)


CONTROLLED = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def _answers(service: Running) -> bool:
    try:
        return service.ask("GET", "/readyz").status == 200
    except OSError:
        return False
