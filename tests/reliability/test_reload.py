"""Versions published, rolled back, trained and damaged while clients ask: no answer fails or mixes two of them."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from http.client import HTTPMessage
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from forecaster import open_store
from tests.examples import H
from tests.reliability.constants import (
    START,
    TOLERANCE,
    VALUES,
    Row,
    columnar,
    constant,
    expected,
    listed,
    put,
    row_of_csv,
    row_of_json,
    table,
    use,
    write,
)
from tests.reliability.load import Ask, Check, Load
from tests.reliability.sizes import say, size
from tests.service.processes import ROOT, Running, running, wait_for
from tests.stores import KEYS, URL, Storage

CHANGES = size(6, 100)
TRAININGS = size(1, 5)
DAMAGES = size(1, 5)
MANY = 700
"""Series of a request that is forecast in pieces."""


class Seen:
    """What was answered by which version; whoever looks at answers keeps them to one."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {}
        self._lock = threading.Lock()

    def asks(self) -> list[Ask]:
        """Return requests of all kinds, on connections that are kept and not."""
        csv = f"/v1/forecast?model=m&h={H}&freq=D"
        return [
            Ask(listed(1), self._json(1), kept=True),
            Ask(columnar(3), self._json(3), kept=False),
            Ask(columnar(MANY), self._json(MANY), kept=True),
            Ask(table(2), self._csv(2), kept=False, type="text/csv", path=csv),
            Ask(table(MANY), self._csv(MANY), kept=True, type="text/csv", path=csv),
        ]

    def _json(self, count: int) -> Check:
        def check(status: int, _: HTTPMessage, body: bytes) -> None:
            assert status == 200
            answer = json.loads(body)
            self._note(answer["version"], row_of_json(answer, count))

        return check

    def _csv(self, count: int) -> Check:
        def check(status: int, headers: HTTPMessage, body: bytes) -> None:
            assert status == 200
            self._note(headers["Forecast-Model-Version"], row_of_csv(body.decode(), count))

        return check

    def _note(self, version: str, row: Row) -> None:
        with self._lock:
            rows = self.rows.setdefault(version, [])
            if not any(np.allclose(row, other, rtol=TOLERANCE) for other in rows):
                rows.append(row)

    def check(self, models: Path) -> None:
        """Hold what was answered against what the library forecasts with each version."""
        for version, rows in self.rows.items():
            assert len(rows) == 1, version
            assert np.allclose(rows[0], expected(models, version), rtol=TOLERANCE), version
        points = sorted(rows[0][0] for rows in self.rows.values())
        assert all(after / before > 1 + 10 * TOLERANCE for before, after in pairwise(points))


def command(*words: str) -> None:
    """Run ``forecaster`` as a user does."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    made = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-P", "-m", "forecaster.cli", *words], env=environment, capture_output=True, check=False
    )
    assert made.returncode == 0, made.stderr.decode()


class Changes:
    """Changes of one model, one after the other."""

    def __init__(self, service: Running, models: Path, folder: Path) -> None:
        self._service, self._models, self._folder = service, models, folder
        self._store = open_store(models, cache=models)
        self._made = 1
        self._random = random.Random(1)  # noqa: S311 - no secret is made

    def publish(self) -> None:
        self._made += 1
        folder = write(self._folder / f"made-{self._made}", constant(self._made))
        command("publish", str(folder), "m", "--models", str(self._models))

    def roll_back(self) -> None:
        versions = self._store.versions("m")
        is_oldest = versions[-1] == self._store.current("m")
        command("rollback", "m", *versions[: int(is_oldest)], "--models", str(self._models))

    def choose(self) -> None:
        version = self._random.choice(self._store.versions("m"))
        answer = self._service.ask("PUT", "/v1/models/m/current", {"version": version})
        assert (answer.status, answer.json["version"]) == (200, version)

    def train(self) -> None:
        path = f"/v1/jobs?kind=train&name=m&h={H}&freq=D&steps=2&init=random&seed={self._made}"
        rows = (f"{np.datetime64(START) + step},{VALUES[step % 7] + step}\n" for step in range(90))
        answer = self._service.ask("POST", path, "ds,y\n" + "".join(rows), {"Content-Type": "text/csv"})
        assert answer.status == 202, answer.body
        self._made += 1
        job = answer.headers["Location"]
        wait_for(lambda: self._service.ask("GET", job).json["status"] not in {"queued", "running"})
        assert self._service.ask("GET", job).json["status"] == "succeeded"

    def damage(self) -> None:
        """Put a damaged version into use, and the one before when all workers have seen that."""
        before = self._store.current("m")
        assert before is not None
        version = put(self._models / "m", {**constant(0), "weights.safetensors": b"damaged"})
        wait_for(lambda: len(left_out(self._service, version)) == 2)
        assert all(line["fault"] == "damaged" for line in left_out(self._service, version))
        assert value_of(self._service, "forecaster_model_reload_failed") == 1
        told = self._service.ask("GET", "/v1/models/m").json
        assert (told["status"], told["fault"]) == ("ready", "damaged")
        assert told["version"] != version
        use(self._models / "m", before)
        shutil.rmtree(self._models / "m" / version)  # else it is the one to roll back to
        wait_for(lambda: value_of(self._service, "forecaster_model_reload_failed") == 0)


def left_out(service: Running, version: str) -> list[dict[str, object]]:
    return [line for line in service.lines() if line["message"] == "model left out" and line["version"] == version]


def value_of(service: Running, metric: str) -> float:
    text = service.ask("GET", "/metrics").body.decode()
    return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{metric} "))


@pytest.fixture
def models(tmp_path: Path) -> Path:
    put(tmp_path / "models" / "m", constant(1))
    return tmp_path / "models"


def test_no_answer_fails_or_mixes_versions_while_they_change(models: Path, tmp_path: Path) -> None:
    settings = {"RELOAD_SECONDS": "1", "THREADS": "4", "JOB_WORKERS": "1", "DEFAULT_MODEL": "m"}
    with running(tmp_path, models=models, **settings) as service:
        changes, seen = Changes(service, models, tmp_path), Seen()
        usual = [changes.publish, changes.roll_back, changes.choose]
        rare = {
            **{(number + 1) * CHANGES // (TRAININGS + 1): changes.train for number in range(TRAININGS)},
            **{(number + 1) * CHANGES // (DAMAGES + 1) - 2: changes.damage for number in range(DAMAGES)},
        }
        with Load(service.port, seen.asks()) as load:
            for number in range(CHANGES):
                rare.get(number, usual[number % 3])()
                load.go_on(5)
            last = open_store(models, cache=models).current("m")
            wait_for(lambda: {served_by(service) for _ in range(10)} == {last})
        assert load.failures == []
        assert load.wrong == []
        assert service.terminate() == 0
    seen.check(models)
    assert {line["message"] for line in service.complaints()} == {"model left out"}
    assert len(seen.rows) > CHANGES // 5
    say(f"{CHANGES} changes: {load.answered} answers of {len(seen.rows)} versions, none mixed, none failed")


def served_by(service: Running) -> str:
    version: str = service.ask("POST", "/v1/forecast", columnar(1), {"Content-Type": "application/json"}).json[
        "version"
    ]
    return version


# --- two services on one store


@pytest.fixture(params=["folder", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store of models for several services."""
    if request.param == "folder":
        yield str(tmp_path / "models")
        return
    storage = Storage()
    storage.clear()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": storage.endpoint}.items():
        monkeypatch.setenv(name, value)
    yield URL
    storage.stop()


def test_two_services_on_one_store_come_to_the_same(shared: str, tmp_path: Path) -> None:
    store = open_store(shared, cache=tmp_path / "copies")
    versions = [f"202601{number + 1:02}T000000Z-00000000" for number in range(3)]
    for number, version in enumerate(versions):
        store.add("m", version, write(tmp_path / version, constant(number)))
    store.set_current("m", versions[0])
    with ExitStack() as stack:
        services = [stack.enter_context(started(tmp_path / name, shared)) for name in ("one", "other")]
        seen = Seen()
        loads = [stack.enter_context(Load(service.port, seen.asks()[: size(2, 5)])) for service in services]
        for number in range(1, size(3, 30)):
            version = versions[number % 3]
            began = time.monotonic()
            if number % 2:
                assert services[number % 4 // 2].ask("PUT", "/v1/models/m/current", {"version": version}).status == 200
            else:
                store.set_current("m", version)
            wait_for(lambda now=version: all({served_by(one) for _ in range(10)} == {now} for one in services))
            say(f"{shared}: both services have changed after {time.monotonic() - began:.1f} s")
    assert [load.failures + load.wrong for load in loads] == [[], []]
    assert all(not service.complaints() for service in services)
    assert {version: len(rows) for version, rows in seen.rows.items()} == dict.fromkeys(versions, 1)


def started(folder: Path, store: str) -> AbstractContextManager[Running]:
    folder.mkdir()
    environment = {"MODEL_STORE": store} if "://" in store else {}
    settings = {"RELOAD_SECONDS": "1", "THREADS": "4", "DEFAULT_MODEL": "m"}
    models = folder if environment else Path(store)
    return running(folder, models=models, environment=environment, **settings)
