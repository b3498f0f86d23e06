"""Job workers that are killed, stopped for a while and started again, each in a session of its own."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.service.processes import Running, alive, running, wait_for

__all__ = ["WORKER", "Fleet", "Monkey", "fleet", "left_behind", "start_worker"]

WORKER = ("-P", "-m", "service.jobs.worker")


@contextmanager
def start_worker(folder: Path, models: Path, **options: Any) -> Iterator[Running]:
    """Give one job worker on its own, at work on the jobs of the state folder in `folder`."""
    with running(folder, models=models, command=WORKER, ready=False, **options) as worker:
        yield worker


class Fleet:
    """So many workers at any time."""

    def __init__(self, start: Callable[[], AbstractContextManager[Running]], count: int) -> None:
        self._start = start
        self._stacks: list[ExitStack] = []
        self.workers: list[Running] = []
        for _ in range(count):
            self._stacks.append(ExitStack())
            self.workers.append(self._stacks[-1].enter_context(start()))

    def mend(self) -> None:
        """Start a new worker for each that has ended."""
        for place, worker in enumerate(self.workers):
            if worker.process.poll() is not None:
                self._stacks[place].close()
                self.workers[place] = self._stacks[place].enter_context(self._start())

    def close(self) -> None:
        """End all of them."""
        for stack in self._stacks:
            stack.close()


@contextmanager
def fleet(start: Callable[[], AbstractContextManager[Running]], count: int) -> Iterator[Fleet]:
    """Give workers, which are ended with the block."""
    made = Fleet(start, count)
    try:
        yield made
    finally:
        made.close()


class Monkey(threading.Thread):
    """Does harm at random moments, one deed each time that `done` has grown by its share.

    Parameters
    ----------
    workers, api
        Whom it harms.
    done
        How much is done of `total`.
    kills
        Of processes of jobs, with SIGKILL; other harm comes on top of it.
    pause
        Seconds that a worker is stopped: longer than its lease.
    chance
        Of everything that is random.
    """

    def __init__(
        self,
        workers: Fleet,
        api: Running,
        done: Callable[[], int],
        *,
        total: int,
        kills: int,
        pause: float,
        chance: random.Random,
    ) -> None:
        super().__init__(daemon=True)
        self.deeds: Counter[str] = Counter()
        self._fleet, self._api, self._done = workers, api, done
        self._total, self._kills, self._pause, self._chance = total, kills, pause, chance
        self._asleep: list[tuple[float, int]] = []
        self._over = threading.Event()

    @property
    def killed(self) -> int:
        """Processes of jobs that were killed."""
        return self.deeds["kill -9 of a worker"] + self.deeds["kill -9 of a child"]

    @property
    def is_behind(self) -> bool:
        """Whether more is done of `total` than of the kills: some jobs are sooner done than one comes by."""
        return self.killed * self._total < self._done() * self._kills

    def stop(self) -> None:
        """Let it end, with nobody left asleep."""
        self._over.set()
        self.join()

    def run(self) -> None:
        """Harm until stopped."""
        while not self._over.wait(self._chance.uniform(0, 0.3)):
            self._wake(time.monotonic())
            self._fleet.mend()
            if self.killed < self._kills and self.killed * self._total <= self._done() * self._kills:
                self._harm()
        self._wake(float("inf"))
        self._fleet.mend()

    def _harm(self) -> None:
        worker = self._chance.choice(self._fleet.workers)
        deed = self._chance.choices(list(_DEEDS), weights=[deed[0] for deed in _DEEDS.values()])[0]
        victims = _DEEDS[deed][1](worker, self._api)
        if not victims:
            return
        victim, number = self._chance.choice(victims), _DEEDS[deed][2]
        with suppress(ProcessLookupError):
            os.kill(victim, number)
            self.deeds[deed] += 1
            if number == signal.SIGSTOP:
                self._asleep.append((time.monotonic() + self._pause, victim))
        if victim == worker.process.pid and number == signal.SIGKILL:
            worker.process.wait()

    def _wake(self, now: float) -> None:
        for moment, pid in self._asleep:
            if moment <= now:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
        self._asleep = [sleeper for sleeper in self._asleep if sleeper[0] > now]


def _itself(worker: Running, _api: Running) -> list[int]:
    return [worker.process.pid] if worker.process.poll() is None else []


def _children(worker: Running, _api: Running) -> list[int]:
    return list(worker.children()) if worker.process.poll() is None else []


def _of_the_api(_worker: Running, api: Running) -> list[int]:
    with suppress(StopIteration):
        return api.api_workers()
    return []


_DEEDS: dict[str, tuple[int, Callable[[Running, Running], list[int]], signal.Signals]] = {
    "kill -9 of a worker": (4, _itself, signal.SIGKILL),
    "kill -9 of a child": (6, _children, signal.SIGKILL),
    "SIGTERM of a worker": (1, _itself, signal.SIGTERM),
    "SIGSTOP of a worker": (2, _itself, signal.SIGSTOP),
    "kill -9 of an API worker": (1, _of_the_api, signal.SIGKILL),
}


def left_behind(state: Path) -> list[int]:
    """Return the processes that work on a state folder; those of a worker that was killed end by themselves."""
    name = f"FORECASTER_STATE={state}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if name in path.read_bytes().split(b"\0") and alive(int(path.parent.name)):
                found.append(int(path.parent.name))
    return found


def wait_until_gone(state: Path) -> None:
    """Return when no process works on a state folder."""
    wait_for(lambda: not left_behind(state), lambda: f"processes are left: {left_behind(state)}")
