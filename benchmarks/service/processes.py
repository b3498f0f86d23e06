"""The service under gunicorn, a bare one beside it, and what their processes cost."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import service

CONFIG = Path(service.__file__).parent / "gunicorn.conf.py"
TICKS = os.sysconf("SC_CLK_TCK")
READY_WITHIN = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """A gunicorn that runs.

    Attributes
    ----------
    port
        Where it listens, on loopback.
    pid
        Of its parent process.
    """

    port: int
    pid: int

    @property
    def workers(self) -> list[int]:
        """Process ids of the workers."""
        found = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text(encoding="ascii")
        return [int(pid) for pid in found.split()]

    @property
    def processor_seconds(self) -> float:
        """Processor time that the workers have used."""
        stats = [
            Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split() for pid in self.workers
        ]
        return sum(int(stat[11]) + int(stat[12]) for stat in stats) / TICKS

    @property
    def memory(self) -> int:
        """Bytes of the largest worker, its share of what processes have in common counted in part."""
        return max(_proportional(pid) for pid in self.workers)


def _proportional(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))


@contextmanager
def gunicorn(app: str, environment: Mapping[str, str]) -> Iterator[Server]:
    """Run `app` under gunicorn with the settings of the service until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        port = free_port()
        given = {"FORECASTER_PORT": str(port), "FORECASTER_STATE": folder, "FORECASTER_MODELS": folder}
        command = [sys.executable, "-m", "gunicorn", "-c", str(CONFIG), app]
        given = {**os.environ, **given, **environment}
        with (
            Path(folder, "log").open("wb") as log,
            subprocess.Popen(command, env=given, stderr=log) as process,  # noqa: S603 - our own words
        ):
            try:
                wait(port, process)
                yield Server(port, process.pid)
            finally:
                process.terminate()


def wait(port: int, process: subprocess.Popen[bytes] | None = None) -> None:
    """Wait until /readyz answers 200, as long as `process` runs.

    Raises
    ------
    RuntimeError
        It ended, or took too long.
    """
    end = time.monotonic() + READY_WITHIN
    while time.monotonic() < end and (process is None or process.poll() is None):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
                if answer.status == 200:
                    return
        except OSError:  # nobody listens yet, or it is not ready
            pass
        time.sleep(0.005)
    raise RuntimeError("the service did not become ready")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
