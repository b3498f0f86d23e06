"""Hostile requests before the real service: each is refused cleanly, tells nothing back, and harms nobody else."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.keys import SCOPES, create_key
from tests.reliability.attacks import MARK, NONE, TEXTS, VALID, VALUES, Attack
from tests.reliability.attacks_framing import FRAMING
from tests.reliability.attacks_tables import FILES, QUERIES, QUOTED, TABLES, TYPES
from tests.reliability.sizes import size
from tests.service.processes import Running, running
from tests.service.test_tracing import Collector, collecting

ATTACKS = {**FRAMING, **TEXTS, **VALUES, **TABLES, **QUERIES, **TYPES, **FILES}
ROUNDS = size(1, 5)
AT_ONCE = size(4, 8)
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
            metrics = service.ask("GET", "/metrics", key=key).body.decode()
            assert service.api_workers() == stage.pids
            assert service.terminate() == 0
    assert not [line for line in service.complaints() if line["level"] != "WARNING"]
    assert collector.spans
    check_silence(key, log=service.text(), metrics=metrics, traces="".join(map(str, collector.spans)))


def check_silence(key: str, **texts: str) -> None:
    """Nothing that somebody sent can be read by whoever watches the service: not a value, a name, a path or a key."""
    _, key_id, secret = key.split("_", 2)
    for place, text in texts.items():
        found = re.search(f"{MARK.decode()}|{re.escape(secret[:12])}|unique_id", text, re.IGNORECASE)
        assert found is None, (place, text[max(0, found.start() - 200) : found.end() + 200])
    assert key_id in texts["log"]


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


def test_what_is_served_is_named_nowhere(stage: Stage) -> None:
    """Marks in ids, values, names, query and headers of requests that succeed: the fixture looks for them later."""
    head, rows = b"canary77_id,canary77_ds,canary77_y\n", (b"canary77,%d,77%d\n" % (day, day) for day in range(20))
    table = head + b"".join(rows)
    query = "id_col=canary77_id&time_col=canary77_ds&target_col=canary77_y&h=2"
    headers = {"Content-Type": "text/csv", "Cookie": "canary77", "User-Agent": "canary77", "Referer": "canary77"}
    for path, status in {"/v1/forecast": 200, "/v1/backtest": 200, "/v1/jobs": 202}.items():
        asked = f"{path}?{query}" + ("&kind=forecast" if status == 202 else "")
        answer = stage.service.ask("POST", asked, table, headers | {"Idempotency-Key": "canary77"}, key=stage.key)
        assert answer.status == status, answer.body
    looked = stage.service.ask("POST", "/v1/inspect?values=true", table + b"canary77,x,y\n", headers, key=stage.key)
    assert looked.json["findings_total"] == 2
    assert stage.service.ask("GET", "/v1/models?canary77=canary77", headers=headers, key=stage.key).status == 200


def test_cells_that_spreadsheets_calculate_come_back_as_text(stage: Stage) -> None:
    names = ["=1+1", "+canary77", "-2+3", "@SUM(A1)", "=cmd|' /C calc'!A0"]
    rows = [f"{name},{day},{day % 5}" for name in names for day in range(1, 20)]
    body = "\n".join(["unique_id,ds,y", *rows]).encode()
    answer = stage.service.ask("POST", "/v1/forecast?h=2", body, {"Content-Type": "text/csv"}, key=stage.key)
    assert answer.status == 200
    cells = {line.split(",")[0] for line in answer.body.decode().splitlines()[1:]}
    assert cells == {f"'{name}" for name in names}


HEAD = b"POST /v1/forecast HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/csv\r\n"
LARGE = HEAD + b"Content-Length: 500000\r\n\r\n" + MARK * 10_000
PARTS = {
    "half a head": (HEAD + b"canary77: 1\r\n", (408,)),
    "a head without its body": (HEAD + b"Content-Length: 77\r\n\r\n", (408,)),
    "half a small body": (HEAD + b"Content-Length: 77\r\n\r\ncanary77", (408,)),
    "half a large body": (LARGE, (408, 503)),
    "half a chunk": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n77\r\ncanary77", (408, 503)),
    "a wait for 100": (HEAD + b"Expect: 100-continue\r\nContent-Length: 500000\r\n\r\n", (408, 503)),
    "nothing": (b"", (NONE,)),
}


def linger(stage: Stage, name: str, faults: list[str]) -> None:
    """Send a part, and wait; the service ends it."""
    sent, statuses = PARTS[name]
    with stage.service.connect() as connection:
        connection.sendall(sent.replace(HEAD, HEAD + f"Authorization: Bearer {stage.key}\r\n".encode()))
        status = told_on(connection).status
    if status not in statuses:
        faults.append(f"{name}: {status}")


def vanish(stage: Stage, name: str, faults: list[str]) -> None:
    """Send a part, and break the connection off."""
    try:
        with stage.service.connect() as connection:
            connection.sendall(PARTS[name][0])
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if not stage.serves():
            faults.append(name)
    except OSError as error:
        faults.append(f"{name}: {error!r}")


def test_clients_that_never_finish_are_ended_and_keep_nobody_out(stage: Stage) -> None:
    faults: list[str] = []
    for _ in range(size(1, 5)):
        waiting = [(linger, stage, name, faults) for name in PARTS for _ in range(size(2, 5))]
        in_threads([*waiting, *((vanish, stage, name, faults) for name in PARTS)])
    assert not faults
    assert stage.serves()
