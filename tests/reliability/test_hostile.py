"""Hostile requests before the real service: each is refused cleanly, tells nothing back, and harms nobody else."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.keys import SCOPES, create_key
from tests.reliability.attacks import MARK, NONE, TEXTS, VALID, VALUES, Attack
from tests.reliability.attacks_framing import FRAMING
from tests.reliability.attacks_tables import FILES, QUERIES, QUOTED, TABLES, TYPES
from tests.reliability.sizes import size
from tests.service.processes import Running, running, wait_for
from tests.service.test_tracing import Collector, collecting

ATTACKS = {**FRAMING, **TEXTS, **VALUES, **TABLES, **QUERIES, **TYPES, **FILES}
ROUNDS = size(1, 10)
AT_ONCE = size(2, 8)
SECONDS_OF_WAITING = 0.2
LONGEST_PROBLEM = 20_000
PLAIN = {"Content-Type": "application/json"}


class Stage(NamedTuple):
    """A service with keys, the one who uses it, and who gets its traces."""

    service: Running
    key: str
    collector: Collector
    pids: list[int]

    def serves(self) -> bool:
        return self.service.ask("POST", "/v1/forecast", VALID, PLAIN, key=self.key).status == 200


@pytest.fixture(scope="module")
def stage(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("hostile")
    _, key = create_key(folder / "state" / "keys.json", "tests", list(SCOPES))
    with collecting() as collector:
        traces = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}"}
        settings = {"READ_SECONDS": "2", "THREADS": "6", "MAX_JOB_BYTES": str(64 << 20)}
        with running(folder, models=models, environment=traces, **settings) as service:
            stage = Stage(service, key, collector, service.api_workers())
            yield stage
            assert stage.serves()
            assert service.api_workers() == stage.pids
            assert service.terminate() == 0


class Told(NamedTuple):
    """What came back on a connection; status `NONE` if it was closed without a word."""

    status: int
    headers: HTTPMessage
    body: bytes


def exchange(service: Running, sent: bytes) -> Told:
    """Send bytes, read one answer, and send no more if there is none in a while."""
    with service.connect() as connection:
        with suppress(OSError):  # refused before all of it was there
            connection.sendall(sent)
        if not select.select([connection], [], [], SECONDS_OF_WAITING)[0]:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        return told_on(connection)


def told_on(connection: socket.socket) -> Told:
    response = HTTPResponse(connection)
    try:
        response.begin()
        return Told(response.status, response.headers, response.read())
    except (OSError, HTTPException):
        return Told(NONE, HTTPMessage(), b"")
    finally:
        response.close()


def check(name: str, attack: Attack, told: Told, key: str) -> None:
    """The answer is one of those expected; a refusal is a problem that repeats nothing of what was sent."""
    assert told.status in attack.statuses, (name, told)
    if told.status == NONE:
        return
    everything = bytes(told.headers) + told.body
    assert key.encode() not in everything, name
    assert b"Traceback" not in everything, name
    if told.status >= 400:
        problem = json.loads(told.body)
        assert told.headers["Content-Type"] == "application/problem+json", name
        assert problem["status"] == told.status, name
        assert problem["request_id"] == told.headers["X-Request-ID"], name
        assert problem["detail"], name
        assert len(told.body) < LONGEST_PROBLEM, name
        assert everything.lower().count(MARK) <= (3 if name in QUOTED else 0), (name, told)


def attack_all(stage: Stage, names: list[str], faults: list[str]) -> None:
    """Send what is named, each time followed by a request that has to be served."""
    for name in names:
        try:
            check(name, ATTACKS[name], exchange(stage.service, ATTACKS[name].bytes(stage.key)), stage.key)
            assert stage.serves(), name
        except Exception as error:  # noqa: BLE001 - a thread's fault is the test's
            faults.append(f"{name}: {error!r}")


def in_threads(tasks: list[tuple[Any, ...]]) -> None:
    threads = [threading.Thread(target=task, args=arguments) for task, *arguments in tasks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_each_is_refused_and_the_next_request_is_served(stage: Stage) -> None:
    faults: list[str] = []
    shares = [list(ATTACKS)[share::AT_ONCE] for share in range(AT_ONCE)]
    for _ in range(ROUNDS):
        in_threads([(attack_all, stage, share, faults) for share in shares])
        assert not faults, "\n".join(faults)
    statuses = Counter(line["status"] for line in stage.service.requests())
    print(f"{len(ATTACKS)} attacks, {ROUNDS} rounds, answers by status: {dict(statuses)}")  # noqa: T201 - for -s
