"""Disks that fill up at every write: clean answers, nothing half-written, and on as soon as there is room again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster import Forecaster, OutputError, StoreError, new_version, open_store
from forecaster.cli import run
from service.jobs.database import DATABASE_ERRORS, open_database
from service.keys import create_key, read_keys, revoke_key
from service.settings import Settings
from tests.examples import H
from tests.reliability.constants import columnar, constant, put, table, write
from tests.reliability.disks import PAGE, Disk, small_disk
from tests.reliability.sizes import say, size
from tests.service.processes import Running, running, wait_for
from tests.stores import URL

JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}
DISK = 16 * 2**20
"""SQLite's write-ahead log alone may take four."""
FLOOR = DISK // 20
"""Bytes below which uploads are refused."""
SETTINGS = {"WORKERS": "1", "THREADS": "4", "RELOAD_SECONDS": "1", "DEFAULT_MODEL": "m"}


def levels(start: int, end: int, small: int) -> list[int]:
    """Return how much to leave: in the full size every number of pages, else a few."""
    pages = range(start // PAGE, end // PAGE + 1)
    return [page * PAGE for page in pages[:: size(max(1, len(pages) // small), 1)]]


@pytest.fixture
def models(tmp_path: Path) -> Path:
    put(tmp_path / "models" / "m", constant(1))
    return tmp_path / "models"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", DISK) as disk:
        yield disk


def forecasts(service: Running) -> bool:
    """Return whether forecasts are made."""
    return service.ask("POST", "/v1/forecast", columnar(2), JSON).status == 200


def hand_in(service: Running, body: bytes, *, h: int = H, **headers: str) -> str | None:
    """Hand in a job; return where it is, or None where that is refused as documented."""
    answer = service.ask("POST", f"/v1/jobs?kind=forecast&model=m&freq=D&h={h}", body, CSV | headers)
    if answer.status == 202:
        return answer.headers["Location"]
    assert (answer.status, answer.json["type"].rpartition(":")[2]) == (503, "unavailable"), answer.body
    assert int(answer.headers["Retry-After"]) > 0
    return None


def check_log(service: Running) -> None:
    assert "Traceback" not in service.text()
    service.lines()


# --- uploads and the database


def test_uploads_and_commits(disk: Disk, models: Path, tmp_path: Path) -> None:
    body = table(2_200)
    outcomes = {"taken": 0, "refused": 0}
    with running(tmp_path, models=models, STATE=str(disk.path / "state"), **SETTINGS) as service:
        end(service, again(service, body))
        walk = [*levels(0, FLOOR + 8 * PAGE, 3)[:: size(1, 8)], *levels(len(body) - 4 * PAGE, len(body) + 40 * PAGE, 6)]
        for number, leave in enumerate(walk):
            disk.fill(leave=leave)
            job = hand_in(service, body, **({"Idempotency-Key": f"k{number}"} if number % 2 else {}))
            outcomes["taken" if job else "refused"] += 1
            assert forecasts(service)
            check_uploads(disk.path / "state", len(body))
            disk.empty()
            for each in filter(None, (job, again(service, body))):
                end(service, each)
        assert service.terminate() == 0
        check_log(service)
    check_database(disk.path / "state" / "jobs.db")
    assert all(outcomes.values())
    say(f"uploads at {len(walk)} levels: {outcomes}; each time taken again with room")


def again(service: Running, body: bytes, *, h: int = H) -> str:
    """Hand a job in as soon as it is taken."""
    found: list[str] = []

    def taken() -> bool:
        found.extend(filter(None, [hand_in(service, body, h=h)]))
        return bool(found)

    wait_for(taken)
    return found[0]


def end(service: Running, job: str) -> None:
    """Cancel and remove a job, as soon as that is possible."""
    for method, path in (("POST", f"{job}/cancel"), ("DELETE", job)):
        answers = [service.ask(method, path)]
        while answers[-1].status == 503:
            answers.append(service.ask(method, path))
        assert answers[-1].status < 300, answers


def check_uploads(state: Path, length: int) -> None:
    for path in (state / "jobs" / "uploads").iterdir():
        assert path.suffix == ".csv", path
        assert path.stat().st_size == length


def check_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.parametrize("kind", ["bytes", "files"])
def test_making_the_database(kind: str, disk: Disk) -> None:
    made = 0
    for number in range(60) if kind == "bytes" else range(12):
        disk.fill(leave=number * PAGE) if kind == "bytes" else disk.use_files(leave=number)
        settings = Settings(state=disk.path / f"state-{number}")
        with contextlib.suppress(*DATABASE_ERRORS):
            open_database(settings).dispose()
            made += 1
        disk.empty()
        found = [path.name for path in settings.state_folder.iterdir()] if settings.state_folder.exists() else []
        assert set(found) <= {"jobs.db"}
        open_database(settings).dispose()
        check_database(settings.state_folder / "jobs.db")
        remove(settings.state_folder)
    assert made > 0


def remove(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


# --- results


def test_results(disk: Disk, models: Path, tmp_path: Path) -> None:
    body, h = table(12), 1_000
    settings = SETTINGS | {"JOB_WORKERS": "1", "STATE": str(disk.path / "state")}
    outcomes = {"succeeded": 0, "failed": 0}
    with running(tmp_path, models=models, **settings) as service:
        first = again(service, body, h=h)
        length = finished(service, first, disk)["result"]["bytes"]
        assert service.ask("DELETE", first).status == 204
        for leave in levels(FLOOR + 8 * PAGE, FLOOR + length + 24 * PAGE, 3)[:: size(1, 4)]:
            disk.fill(leave=leave)
            job = hand_in(service, body, h=h)
            if job is not None:
                found = finished(service, job, disk)
                outcomes[found["status"]] += 1
                check_result(service, job, found)
                service.ask("DELETE", job)
            assert not list((disk.path / "state" / "jobs").glob("*/*.part"))
            disk.empty()
        assert finished(service, again(service, body), disk)["status"] == "succeeded"
        assert service.terminate() == 0
        check_log(service)
    check_database(disk.path / "state" / "jobs.db")
    assert all(outcomes.values())
    say(f"results: {outcomes}")


def finished(service: Running, job: str, disk: Disk) -> dict[str, object]:
    """Return a finished job; what cannot be finished on the full disk is when there is room."""
    before = len(service.complaints())

    def over() -> bool:
        if len(service.complaints()) > before:
            disk.empty()
        answer = service.ask("GET", job)
        assert answer.status in {200, 503}
        return answer.status == 200 and answer.json["finished"] is not None

    wait_for(over)
    found: dict[str, object] = service.ask("GET", job).json
    return found


def check_result(service: Running, job: str, found: dict[str, object]) -> None:
    if found["status"] == "failed":
        assert str(found["error"]["type"]).endswith(":unavailable"), found
        return
    answer = service.ask("GET", f"{job}/result")
    assert (answer.status, len(answer.body)) == (200, found["result"]["bytes"])
    assert hashlib.sha256(answer.body).hexdigest() == found["result"]["sha256"]


# --- models


def test_publishing(disk: Disk, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    models = disk.path / "models"
    first = put(models / "m", constant(1))
    made = write(tmp_path / "made", constant(2))
    need = sum(path.stat().st_size for path in made.iterdir())
    codes = []
    with running(tmp_path, models=models, **SETTINGS) as service:
        walk = [*({"leave": leave} for leave in levels(0, need + 8 * PAGE, 12))]
        for how in [*((disk.fill, one["leave"]) for one in walk), *((disk.use_files, left) for left in range(10))]:
            how[0](leave=how[1])
            codes.append(run(["publish", str(made), "m", "--models", str(models)]))
            check_versions(models)
            disk.empty()
        assert forecasts(service)
        disk.fill(leave=0)
        answer = service.ask("PUT", "/v1/models/m/current", {"version": first})
        assert (answer.status, answer.json["type"].rpartition(":")[2]) == (503, "unavailable")
        assert forecasts(service)
        disk.empty()
        assert service.ask("PUT", "/v1/models/m/current", {"version": first}).status == 200
        assert service.terminate() == 0
        check_log(service)
    assert {bool(code) for code in codes} == {False, True}
    assert "Traceback" not in capfd.readouterr().err
    say(f"published at {len(codes)} levels: {codes.count(0)} times, refused {len(codes) - codes.count(0)} times")


def check_versions(models: Path) -> None:
    """Raise unless each version is whole, and the pointer names one."""
    store = open_store(models, cache=models)
    versions = store.versions("m")
    for version in versions:
        Forecaster.load(store.folder("m", version))
    assert store.current("m") in versions
    assert {path.name for path in (models / "m").iterdir()} == {"current", *versions}
    for version in versions[1:-1]:  # there is not room for many
        for path in [*(models / "m" / version).iterdir(), models / "m" / version]:
            path.unlink() if path.is_file() else path.rmdir()


@pytest.mark.usefixtures("object_storage")
def test_pulling_from_object_storage(disk: Disk, tmp_path: Path) -> None:
    made = write(tmp_path / "made", constant(2))
    need = sum(path.stat().st_size for path in made.iterdir())
    store, version, pulled = open_store(URL, cache=tmp_path / "elsewhere"), new_version(), 0
    store.add("m", version, made)
    store.set_current("m", version)
    walk = [*((disk.fill, leave) for leave in levels(0, 2 * need + 8 * PAGE, 12))]
    for number, (how, leave) in enumerate([*walk, *((disk.use_files, left) for left in range(12))]):
        how(leave=leave)
        cached = open_store(URL, cache=disk.path / f"cache-{number}")
        with contextlib.suppress(StoreError, OutputError):
            Forecaster.load(cached.folder("m", version))
            pulled += 1
        disk.empty()
        for folder in (disk.path / f"cache-{number}").glob("*/m/*"):
            Forecaster.load(folder)  # what has its name is whole
        Forecaster.load(cached.folder("m", version))
    assert 0 < pulled < len(walk) + 12


@pytest.mark.usefixtures("object_storage")
def test_a_service_without_room_for_its_models_takes_them_up_later(disk: Disk, tmp_path: Path) -> None:
    store, versions = open_store(URL, cache=tmp_path / "elsewhere"), [new_version(), new_version()]
    for number, version in enumerate(versions):
        store.add("m", version, write(tmp_path / version, constant(number)))
    store.set_current("m", versions[0])
    disk.fill(leave=PAGE)
    settings = SETTINGS | {"DEFAULT_MODEL": "base", "STATE": str(disk.path / "state")}
    with running(tmp_path, models=tmp_path, environment={"MODEL_STORE": URL}, **settings) as service:
        assert state_of(service) == ("failed", "unavailable", None)
        disk.empty()
        wait_for(lambda: state_of(service) == ("ready", None, versions[0]))
        disk.fill(leave=PAGE)
        store.set_current("m", versions[1])
        wait_for(lambda: state_of(service) == ("ready", "unavailable", versions[0]))
        assert forecasts(service)
        disk.empty()
        wait_for(lambda: state_of(service) == ("ready", None, versions[1]))
        assert service.terminate() == 0
        check_log(service)


def state_of(service: Running) -> tuple[str, str | None, str | None]:
    model = service.ask("GET", "/v1/models/m").json
    return model["status"], model["fault"], model["version"]


# --- keys


@pytest.mark.parametrize("kind", ["bytes", "files"])
def test_making_and_revoking_keys(kind: str, disk: Disk) -> None:
    path = disk.path / "keys.json"
    for number in range(30):
        create_key(path, f"n{number}", ["forecast"])
    need = path.stat().st_size + 3 * PAGE
    outcomes = {True: 0, False: 0}
    for left in range(need // PAGE + 1) if kind == "bytes" else range(5):
        for change in (
            lambda: create_key(path, "new", ["admin"]),
            lambda number=left: revoke_key(path, read_keys(path)[number].id),
        ):
            before = path.read_bytes()
            disk.fill(leave=left * PAGE) if kind == "bytes" else disk.use_files(leave=left)
            try:
                change()
                outcomes[True] += 1
            except OutputError:
                outcomes[False] += 1
                assert path.read_bytes() == before
            disk.empty()
            assert len(read_keys(path)) >= 30
            assert {each.name for each in disk.path.iterdir()} == {"keys.json", ".keys.json.lock"}
    assert all(outcomes.values()), outcomes


# --- folders for temporary files and metrics


@pytest.mark.parametrize("leave", [number * 64 * PAGE for number in range(size(1, 12))])
def test_metrics_without_room(leave: int, disk: Disk, models: Path, tmp_path: Path) -> None:
    disk.fill(leave=leave)
    place = {"PROMETHEUS_MULTIPROC_DIR": str(disk.path)}
    with running(tmp_path, models=models, environment=place, **SETTINGS | {"WORKERS": "2"}) as service:
        disk.fill(leave=0)
        for _ in range(2):
            for _ in range(10):
                assert forecasts(service)
                assert service.ask("GET", "/metrics").status == 200
            victim = service.api_workers()[0]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda pid=victim: len(service.api_workers()) == 2 and pid not in service.api_workers())
        service.wait_until_ready()
        assert service.terminate() == 0
        check_log(service)


@pytest.mark.parametrize("kind", ["bytes", "files"])
def test_no_room_for_temporary_files(kind: str, disk: Disk, models: Path, tmp_path: Path) -> None:
    disk.fill(leave=0) if kind == "bytes" else disk.use_files(leave=0)
    settings = SETTINGS | {"JOB_WORKERS": "1"}
    with running(tmp_path, models=models, environment={"TMPDIR": str(disk.path)}, **settings) as service:
        assert forecasts(service)
        job = hand_in(service, table(300))
        assert job is not None
        assert finished(service, job, disk)["status"] == "succeeded"
        assert service.terminate() == 0
        check_log(service)
