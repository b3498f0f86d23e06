"""Clocks that jump: leases do not depend on them, and no job is lost or done twice; only retention goes by them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import ROOT, Running, children_of, command_of, running, wait_for

from .customers import Asker, Order, expected_of
from .fleet import start_worker, wait_until_gone
from .history import History, violations
from .sizes import size

DATABASES = ["sqlite", "postgresql"][: size(1, 2)]
HOUR, YEAR = 3_600, 365 * 86_400
SHIFTS = (YEAR, -YEAR, HOUR, -HOUR)[: size(1, 4)]
LEASE = size(5, 8)
LOOKS = LEASE / 2 + 0.5  # seconds in which a worker has looked after the leases of others twice

SHIFTED = """
import os, time

def shifted(place=os.environ["SHIFT"], true=time.time):
    with open(place) as file:
        return true() + float(file.read())

time.time = shifted
"""


class Clock:
    """The wall clock of processes of a test."""

    def __init__(self, folder: Path) -> None:
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(SHIFTED)
        self._place = site / "shift"
        self.shift(0)
        self.environment = {"PYTHONPATH": f"{site}{os.pathsep}{ROOT}", "SHIFT": str(self._place)}

    def shift(self, seconds: float) -> None:
        """Let it jump to so many seconds from the true time."""
        fresh = self._place.with_suffix(".new")
        fresh.write_text(str(seconds))
        fresh.rename(self._place)


class Scene:
    """An API, and workers that come and go, with one clock."""

    def __init__(self, stack: ExitStack, clock: Clock, options: dict[str, Any]) -> None:
        self.clock = clock
        self.history = History()
        self._stack, self._options = stack, options
        self.api = stack.enter_context(running(**options))
        self.asker = Asker("customer", self.api, self.history)

    def hire(self) -> Running:
        """Start a worker, and return it when it is at work."""
        worker = self._stack.enter_context(start_worker(**self._options))
        wait_for(lambda: "job worker started" in worker.text(), worker.text)
        return worker

    def hand_in(self, key: str) -> str:
        return self.asker.hand_in(Order(key, 1, 2))

    def status(self, job: str) -> str:
        return str(self.asker.look(job).json["status"])

    def wait(self, job: str, status: str = "succeeded") -> None:
        wait_for(lambda: self.status(job) == status, lambda: str(self.asker.look(job).json))

    def check(self, *, at_the_end: bool = True) -> None:
        found = violations(self.history.events, attempts=3, at_the_end=at_the_end)
        assert not found, "\n".join(found)


@pytest.fixture
def scene(tmp_path: Path, database_url: str) -> Iterator[Callable[..., Any]]:
    @contextmanager
    def made() -> Iterator[Scene]:
        clock = Clock(tmp_path)
        (tmp_path / "models").mkdir()
        options = {"folder": tmp_path, "models": tmp_path / "models", "WORKERS": "1"}
        options |= {"LEASE_SECONDS": str(LEASE), "RETENTION_HOURS": "24"}
        with ExitStack() as stack:
            yield Scene(stack, clock, options | {"environment": clock.environment | {"DATABASE_URL": database_url}})

    yield made
    wait_until_gone(tmp_path / "state")


def stopped_child(worker: Running) -> int:
    """Stop the process of the worker's job as soon as there is one, and return it."""
    found: list[int] = []

    def stopped() -> bool:
        servers = [pid for pid in children_of(worker.process.pid) if "forkserver" in command_of(pid)]
        found[:] = [child for server in servers for child in children_of(server)]
        if found:
            os.kill(found[0], signal.SIGSTOP)
        return bool(found)

    wait_for(stopped)
    return found[0]


@pytest.mark.parametrize("database_url", DATABASES, indirect=True)
def test_leases_do_not_go_by_clocks(scene: Callable[..., Any]) -> None:
    with scene() as made:
        worker = made.hire()
        wait_for(lambda: "forkserver" in str(worker.children()))
        job = made.hand_in("long")
        child = stopped_child(worker)
        other = made.hire()
        for seconds in SHIFTS:
            made.clock.shift(seconds)
            made.wait(made.hand_in(f"at {seconds}"))  # the other one works, and sees how long the first has worked
        time.sleep(LOOKS)
        assert "job taken from a worker that is gone" not in other.text()
        assert made.asker.look(job).json["attempts"] == 1
        os.kill(worker.process.pid, signal.SIGKILL)
        os.kill(child, signal.SIGCONT)  # it ends by itself
        made.clock.shift(-YEAR)
        made.wait(job)
        assert made.asker.look(job).json["attempts"] == 2
        made.check()


@pytest.mark.parametrize("database_url", DATABASES, indirect=True)
def test_only_retention_goes_by_clocks(scene: Callable[..., Any]) -> None:
    with scene() as made:
        expected = expected_of(made.api, 1, 2)
        worker = made.hire()
        done = made.hand_in("done")
        made.wait(done)
        worker.terminate()
        waiting = made.hand_in("waiting")
        for seconds in SHIFTS[1:] or (-YEAR,):  # a worker sweeps as it starts
            made.clock.shift(seconds)
            made.hire().terminate()
            assert made.status(done) == "succeeded"
        made.clock.shift(YEAR)
        made.hire()
        made.wait(waiting)
        assert made.asker.asked("result", waiting, "GET", f"/v1/jobs/{waiting}/result").status == 200
        assert expected_of(made.api, 1, 2) == expected
        made.check()
        assert made.asker.look(done).status == 404  # its time is over, as far as the clock goes
