"""A root that cannot be written, as in a container with ``--read-only``: forecasts are made, and jobs refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.reliability.constants import columnar, constant, put, table
from tests.service.processes import Running, running, wait_for

JSON, CSV = {"Content-Type": "application/json"}, {"Content-Type": "text/csv"}
IN_PRIVATE = ("/usr/bin/env", "unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec")
READ_ONLY = 'mount -o remount,ro,bind / && for place in $WRITABLE; do mount -t tmpfs tmpfs "$place"; done; exec "$@"'
NO_MEMORY = f"mount -t tmpfs -o ro tmpfs /dev/shm && {READ_ONLY}"
FULL_MEMORY = f"mount -t tmpfs -o size=4k,nr_inodes=2 tmpfs /dev/shm && echo full >/dev/shm/file && {READ_ONLY}"
HOMELESS = {"HOME": "/nonexistent", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for name in ("disk", "shared", "temporary"):
        (tmp_path / name).mkdir()
    put(tmp_path / "models" / "m", constant(1))
    return tmp_path / "models"


@contextmanager
def confined(models: Path, script: str = READ_ONLY, *, writable: str = "", state: str = "") -> Iterator[Running]:
    """Run a service on a read-only root, with the named folders beside its models writable."""
    folder = models.parent
    words = [*IN_PRIVATE, script, "sh", "true"]
    trial = subprocess.run(words, capture_output=True, check=False)  # noqa: S603 - our own words
    if trial.returncode:
        pytest.skip(f"no root can be made read-only here: {trial.stderr.decode().strip()}")
    environment = places(folder, writable) | {"TMPDIR": str(folder / "temporary"), **HOMELESS}
    settings = {"STATE": state, "JOB_WORKERS": "1", "THREADS": "4", "RELOAD_SECONDS": "1", "DEFAULT_MODEL": "m"}
    with running(folder, models=models, before=(*IN_PRIVATE, script, "sh"), environment=environment,
                 **settings) as service:  # fmt: skip
        yield service
        assert service.terminate() == 0
        assert "Traceback" not in service.text()


def places(folder: Path, names: str) -> dict[str, str]:
    return {"WRITABLE": " ".join(str(folder / name) for name in names.split())}


def forecasts(service: Running) -> bool:
    return all(service.ask("POST", "/v1/forecast", columnar(300), JSON).status == 200 for _ in range(5))


def hand_in(service: Running) -> tuple[int, str]:
    """Hand in a job; return the status and where it is, or the kind of problem."""
    answer = service.ask("POST", "/v1/jobs?kind=forecast&model=m&freq=D&h=3", table(3), CSV)
    return answer.status, answer.headers.get("Location") or answer.json["type"].rpartition(":")[2]


def finished(service: Running, job: str) -> str:
    wait_for(lambda: service.ask("GET", job).json["finished"] is not None)
    status: str = service.ask("GET", job).json["status"]
    return status


@pytest.mark.parametrize("script", [READ_ONLY, NO_MEMORY, FULL_MEMORY], ids=["", "no shared memory", "full memory"])
def test_forecasts_need_no_place_to_write(script: str, models: Path) -> None:
    with confined(models, script, writable="" if script == READ_ONLY else "temporary") as service:
        assert forecasts(service)
        assert hand_in(service) == (503, "unavailable")
        assert service.ask("GET", "/v1/jobs").status == 503
        assert service.ask("GET", "/metrics").status == 200
        answer = service.ask("PUT", "/v1/models/m/current", {"version": version_of(service)})
        assert (answer.status, answer.json["type"].rpartition(":")[2]) == (503, "unavailable")
        assert forecasts(service)
        assert "no job worker is started" in service.text()


def version_of(service: Running) -> str:
    version: str = service.ask("GET", "/v1/models/m").json["version"]
    return version


def test_a_folder_for_temporary_files_and_one_for_state_are_enough(models: Path) -> None:
    with confined(models, writable="disk temporary", state=str(models.parent / "disk")) as service:
        assert forecasts(service)
        status, job = hand_in(service)
        assert status == 202
        assert finished(service, job) == "succeeded"
        assert service.ask("GET", f"{job}/result").status == 200


def test_without_a_folder_for_temporary_files_jobs_wait_and_forecasts_go_on(models: Path) -> None:
    with confined(models, writable="disk", state=str(models.parent / "disk")) as service:
        assert forecasts(service)
        status, job = hand_in(service)
        assert status == 202
        wait_for(lambda: "a job worker ended and is started again" in service.text())
        assert "give it a folder for temporary files" in service.text()
        assert service.ask("GET", job).json["status"] == "queued"
        assert forecasts(service)
