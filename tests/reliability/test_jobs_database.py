"""Databases of jobs that stop, freeze, are locked or damaged: forecasts go on, jobs wait, and nothing is lost."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from service.jobs.database import open_database
from service.settings import Settings
from tests.postgres import Cluster
from tests.service.processes import Answer, Running, running, wait_for

from .customers import CSV, Asker, Customer, Order, expected_of, table
from .history import History, violations
from .sizes import size

JOBS = size(4, 100)
PROBES = size(2, 50)
PATIENCE = size(120, 600)
SEED = 5
LIMITS = {"JOB_WORKERS": "1", "RELOAD_SECONDS": "0", "MAX_JOBS": "2000", "MAX_JOBS_PER_KEY": "2000", "WORKERS": "1"}
FORECAST_HEADERS = {"Content-Type": CSV, "Accept": CSV}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


@contextmanager
def stopped(postgres: Cluster, _state: Path) -> Iterator[None]:
    postgres.stop("immediate")
    try:
        yield
    finally:
        postgres.start()


@contextmanager
def frozen(postgres: Cluster, _state: Path) -> Iterator[None]:
    with postgres.frozen():
        yield


@contextmanager
def locked(_postgres: Cluster, state: Path) -> Iterator[None]:
    """Hold the lock of writers, as a backup by other means may."""
    connection = sqlite3.connect(state / "jobs.db", isolation_level=None, timeout=60)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()


TROUBLES: dict[str, tuple[str, Callable[[Cluster, Path], AbstractContextManager[None]]]] = {
    "PostgreSQL stopped": ("postgresql", stopped),
    "PostgreSQL frozen": ("postgresql", frozen),
    "SQLite locked": ("sqlite", locked),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_jobs_wait_for_their_database_and_forecasts_do_not(
    trouble: str, tmp_path: Path, models: Path, request: pytest.FixtureRequest
) -> None:
    database, make = TROUBLES[trouble]
    postgres = request.getfixturevalue("postgres") if database == "postgresql" else None
    environment = {"DATABASE_URL": postgres.new_database() if postgres is not None else ""}
    history = History()
    with running(tmp_path, models=models, environment=environment, **LIMITS) as service:
        expected = expected_of(service, 1, 2)
        half_way = threading.Event()
        orders = [Order(f"order-{place}", 1, 2) for place in range(JOBS)]
        asker, chance = Asker("customer", service, history), random.Random(SEED)  # noqa: S311 - play
        customer = Customer(asker, orders, chance, half_way.set, at_once=3)
        customer.start()
        assert half_way.wait(PATIENCE)
        with make(postgres, tmp_path / "state"):  # type: ignore[arg-type] - None where it is not asked
            refused = refused_jobs(service)
            for _ in range(PROBES):
                assert expected_of(service, 1, 2) == expected
            refused += refused_jobs(service)
        customer.join_well(PATIENCE)
    assert all(answer.headers["Retry-After"] == "5" for answer in refused)
    found = violations(history.events, attempts=3)
    assert not found, "\n".join(found)
    done = [outcome for outcome in customer.outcomes if outcome.job["status"] == "succeeded"]
    assert {outcome.digest for outcome in done} == {expected}
    assert all(outcome.job["status"] in {"succeeded", "cancelled"} for outcome in customer.outcomes)
    print(f"{trouble}: {len(done)} of {JOBS} jobs succeeded; {dict(asker.troubles)}")  # noqa: T201 - for make soak


def refused_jobs(service: Running) -> list[Answer]:
    """Hand in jobs until one is refused, and return the refusal."""
    answers: list[Answer] = []

    def refused() -> bool:
        with suppress(OSError, HTTPException):
            answers.append(service.ask("POST", "/v1/jobs?kind=forecast&h=2", table(1), {"Content-Type": CSV}))
        return bool(answers) and answers[-1].status == 503

    wait_for(refused)
    return answers[-1:]


# --- a file that is damaged

DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: content[:0],
    "cut short": lambda content: content[: len(content) // 2],
    "flipped bytes": lambda content: (
        content[:4096] + bytes(byte ^ 0xFF for byte in content[4096:4112]) + content[4112:]
    ),
    "a text": lambda content: (b"this is not a database\n" * 9_999)[: len(content)],
}


def test_a_damaged_file_is_left_as_it_is_and_the_service_is_up(tmp_path: Path, models: Path) -> None:
    settings = Settings(state=tmp_path / "state")
    open_database(settings).dispose()
    path = settings.state_folder / "jobs.db"
    good = path.read_bytes()
    path.write_bytes(DAMAGE["empty"](good))
    with running(tmp_path, models=models, **LIMITS) as service:
        expected = expected_of(service, 1, 2)
        for case, damage in DAMAGE.items():
            told = len(service.text())
            put_in_place(path, damage(good))
            wait_for(lambda told=told: is_refused(service, told))  # type: ignore[misc] - bound as it is now
            assert expected_of(service, 1, 2) == expected
            assert path.read_bytes() == damage(good), case
            assert service.ask("GET", "/readyz").status == 200
        put_in_place(path, good)
        wait_for(lambda: service.ask("GET", "/v1/jobs").status == 200)
        asker = Asker("customer", service, History())
        job = asker.hand_in(Order("order", 1, 2))
        wait_for(lambda: asker.look(job).json["status"] == "succeeded")


def put_in_place(path: Path, content: bytes) -> None:
    for beside in path.parent.glob("jobs.db-*"):
        beside.unlink()
    fresh = path.with_suffix(".new")
    fresh.write_bytes(content)
    fresh.rename(path)


def is_refused(service: Running, told: int) -> bool:
    """Ask for jobs, and return whether the log has said since what is wrong and what to do."""
    answer = service.ask("GET", "/v1/jobs")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    said: Any = service.text()[told:]
    return "jobs are not available" in said and "put a backup in its place" in said
