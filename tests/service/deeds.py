"""What processes of jobs do in tests, beside real work: a module of its own, since they import it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from service.jobs.files import written
from service.jobs.task import Done, Task
from service.problems import Problem

CANARY = "canary77"
PATIENCE = 600.0
"""Seconds that nothing in a test takes: a job that lingers is ended long before."""


def marker(state: Path, job_id: str) -> Path:
    """Return where a process of a job leaves word that it has begun: its process id."""
    return state / f"{job_id}.begun"


def _mark(task: Task) -> None:
    place = marker(task.settings.state_folder, task.assignment.id)
    place.with_suffix(".part").write_text(str(os.getpid()))
    place.with_suffix(".part").rename(place)


def write(task: Task) -> Done:
    """Write a result of a few bytes."""
    with written(task.place(".csv")) as file:
        file.write(b"done")
    task.place(".skipped.csv").write_bytes(b"unique_id,reason\n")
    result = {"file": task.place(".csv").name, "bytes": 4, "sha256": "0" * 64, "rows": 1, "skipped": 0}
    return Done(result, {"name": "base", "version": None}, {"percent": 100.0})


def linger(task: Task) -> Done:
    """Begin a result and never end."""
    task.place(".csv.part").write_bytes(b"half")
    task.report({"percent": 50.0})
    _mark(task)
    time.sleep(PATIENCE)
    return write(task)


def take_a_while(task: Task) -> Done:
    """Begin, and end a while after somebody has seen it."""
    _mark(task)
    place = marker(task.settings.state_folder, task.assignment.id)
    until = time.monotonic() + PATIENCE
    while place.exists() and time.monotonic() < until:
        time.sleep(0.02)
    return write(task)


def publish(task: Task) -> Done:
    """Ask whether it may publish, once somebody has seen it begin."""
    take_a_while(task)
    if not task.may_publish():
        raise Problem("conflict", "The job is no longer ours.")
    (task.settings.state_folder / "published").write_text("yes")
    return write(task)


def kill_itself(task: Task) -> Done:
    """Die as a process does that has taken all memory."""
    task.place(".csv.part").write_bytes(b"half")
    os.kill(os.getpid(), signal.SIGKILL)
    return write(task)


def leave(task: Task) -> Done:
    """End without a word."""
    os._exit(3)
    return write(task)


def fail(task: Task) -> Done:
    """Fail as nobody foresaw."""
    raise RuntimeError(CANARY + task.assignment.id)


def find_no_room(task: Task) -> Done:
    """Fail for want of room on the disk."""
    raise OSError(28, "No space left on device", str(task.place("")))
