"""Processes of the API killed, stopped and replaced while clients ask: who fails, and who does not."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from http.client import HTTPMessage
from pathlib import Path

import numpy as np
import pytest

from tests.examples import H
from tests.reliability.constants import VALUES, columnar, constant, write
from tests.reliability.load import Ask, Load
from tests.reliability.sizes import say, size
from tests.service.processes import PATIENCE, Running, alive, command_of, ports_of, running, wait_for

KILLS = size(2, 20)
PARENT_KILLS = size(1, 5)
STOPS = size(1, 10)
HANGUPS = size(1, 10)
ANSWERS = size(20, 50)
"""How many are waited for between two deeds."""
BOUND = size(PATIENCE, 15.0)
"""Seconds after which nothing may be left of a service whose parent was killed; no promise on a busy machine."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write(folder / "m", constant(1))
    return folder


@pytest.fixture
def service(models: Path, tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path, models=models, THREADS="4") as service:
        wait_for(lambda: len(service.api_workers()) == 2)
        yield service


def whole(count: int) -> Ask:
    """Return a request of so many series whose answer has to be whole."""

    def check(status: int, _: HTTPMessage, body: bytes) -> None:
        assert status == 200
        forecasts = json.loads(body)["forecasts"]
        assert [len(series["LSTM"]) for series in forecasts] == [H] * count

    return Ask(columnar(count), check, kept=True)


SMALL, LARGE = whole(1), whole(300)
EVERYBODY = [SMALL] * 4 + [SMALL._replace(kept=False)] * 4 + [LARGE, LARGE._replace(kept=False)]


def state_of(pid: int) -> str:
    """Return the letter by which the kernel tells what a process does."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_killing_a_worker_fails_only_what_it_was_at(service: Running) -> None:
    failed = 0
    with Load(service.port, EVERYBODY) as load:
        for number in range(KILLS):
            load.go_on(ANSWERS + 7 * number)
            wait_for(lambda: all(ports_of(pid, service.port) for pid in service.api_workers()))
            victim, before = service.api_workers()[number % 2], set(load.failures)
            os.kill(victim, signal.SIGSTOP)  # so that what it holds can be told
            wait_for(lambda pid=victim: state_of(pid) == "T")
            held = ports_of(victim, service.port)
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda pid=victim: len(service.api_workers()) == 2 and pid not in service.api_workers())
            load.go_on(ANSWERS)
            lost = [failure.port for failure in load.failures if failure not in before]
            assert set(lost) <= held
            assert len(lost) == len(set(lost))
            failed += len(lost)
        assert load.wrong == []
    assert service.terminate() == 0
    say(f"{KILLS} workers killed: {load.answered} requests answered, {failed} failed, all of these in flight there")


def left_of(folder: Path) -> dict[int, str]:
    """Return the processes of a service, which all know its folder of state."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if bytes(folder / "state") in (path / "environ").read_bytes() and alive(int(path.name)):
                found[int(path.name)] = command_of(int(path.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("which", ["gunicorn", "supervisor"])
@pytest.mark.parametrize("attempt", range(PARENT_KILLS))
def test_killing_a_parent_leaves_nothing_behind(which: str, attempt: int, models: Path, tmp_path: Path) -> None:
    with running(tmp_path, models=models, THREADS="4", JOB_WORKERS="1", GRACEFUL_TIMEOUT="5") as service:
        wait_for(lambda: '"job worker started"' in service.text())
        answer = service.ask("POST", "/v1/jobs?kind=train&name=t&h=3&freq=D&steps=5000", long_table(), CSV)
        assert answer.status == 202, answer.body
        wait_for(lambda: '"job begun"' in service.text())
        with Load(service.port, EVERYBODY) as load:
            load.go_on(ANSWERS * (attempt + 1))
            assert len(left_of(tmp_path)) >= 7  # supervisor, gunicorn, two workers; job worker, its server, the job
            os.kill(service.gunicorn() if which == "gunicorn" else service.process.pid, signal.SIGKILL)
            began = time.monotonic()
            code = service.wait()
            wait_for(lambda: not left_of(tmp_path), lambda: f"left: {left_of(tmp_path)}")
            took = time.monotonic() - began
        assert code == (128 + signal.SIGKILL if which == "gunicorn" else -signal.SIGKILL)
        assert took < BOUND
        assert load.wrong == []
    say(f"{which} killed: nothing left after {took:.1f} s; {load.answered} answered, {len(load.failures)} failed")


CSV = {"Content-Type": "text/csv"}


def long_table() -> bytes:
    days = np.datetime64("2010-01-01") + np.arange(3_000)
    return ("ds,y\n" + "".join(f"{day},{VALUES[step % 7]}\n" for step, day in enumerate(days))).encode()


@pytest.mark.parametrize("attempt", range(STOPS))
def test_stopping_fails_nobody_who_was_let_in(service: Running, attempt: int) -> None:
    with Load(service.port, EVERYBODY) as load:
        load.go_on(ANSWERS + 23 * attempt)
        assert service.terminate() == 0
        load.wait_until_turned_away()
    assert load.failures == []
    assert load.wrong == []
    assert not service.complaints()
    say(f"stopped: {load.answered} answered, none failed")


def test_draining_says_so_first_and_then_moves_kept_connections(models: Path, tmp_path: Path) -> None:
    with running(tmp_path, models=models, THREADS="4", DRAIN_SECONDS="600") as service:
        with Load(service.port, EVERYBODY) as load:
            load.go_on(ANSWERS)
            assert not sum(client.told_to_close for client in load.clients)
            service.send(signal.SIGTERM)
            wait_for(lambda: service.ask("GET", "/readyz").status == 503)
            load.go_on(ANSWERS)  # readiness has failed, and all else goes on
            assert service.ask("GET", "/livez").status == 200
            assert service.ask("GET", "/readyz").status == 503
            wait_for(lambda: all(client.told_to_close for client in load.clients if client.ask.kept))
            assert service.terminate() == 0  # a second signal does not wait for the rest of the ten minutes
            load.wait_until_turned_away()
        assert load.failures == []
        assert load.wrong == []


def test_replacing_all_workers_fails_nobody(service: Running) -> None:
    with Load(service.port, EVERYBODY) as load:
        for _ in range(HANGUPS):
            before = set(service.api_workers())
            service.send(signal.SIGHUP)
            wait_for(lambda old=before: len(service.api_workers()) == 2 and not old & set(service.api_workers()))
            load.go_on(ANSWERS)
    assert load.failures == []
    assert load.wrong == []
    assert service.terminate() == 0
    say(f"{HANGUPS} times all workers replaced: {load.answered} answered, none failed")
