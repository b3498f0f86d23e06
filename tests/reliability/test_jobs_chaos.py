"""Jobs while their workers are killed: none lost, none finished twice, no result half-written, whatever clients do.

The seed of all that is random is printed; ``FORECASTER_SEED`` sets it.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from service.jobs.database import history as job_history
from service.jobs.database import open_database
from service.settings import Settings
from tests.service.processes import Running, running, wait_for

from .customers import Asker, Customer, Order, Outcome, expected_of
from .fleet import Monkey, fleet, start_worker, wait_until_gone
from .history import FINISHED, History, violations
from .sizes import size

JOBS, KILLS = size(20, 1_000), size(3, 60)
SHARED_JOBS = size(8, 300)
CUSTOMERS, WORKERS = 4, 3
LEASE, PAUSE = 1, 2.5
ATTEMPTS = 3
TABLES, HORIZONS = 6, (1, 2, 3)
SEED = int(os.environ.get("FORECASTER_SEED", "5"))
LIMITS = {
    "LEASE_SECONDS": str(LEASE),
    "JOB_ATTEMPTS": str(ATTEMPTS),
    "MAX_JOBS": "2000",
    "MAX_JOBS_PER_KEY": "2000",
    "RELOAD_SECONDS": "0",
}
PATIENCE = size(120, 1_800)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def settings_of(folder: Path, database_url: str) -> Settings:
    return Settings(state=folder / "state", database_url=database_url)


def orders_of(count: int, chance: random.Random) -> list[Order]:
    """Return what is wanted; a few files cannot be read."""
    numbers = [-1 if chance.random() < 0.05 else chance.randrange(TABLES) for _ in range(count)]
    return [Order(f"order-{place}", number, chance.choice(HORIZONS)) for place, number in enumerate(numbers)]


def customers_of(
    services: Sequence[Running], orders: list[Order], history: History, chance: random.Random, done: Any
) -> list[Customer]:
    made = []
    for place, service in zip(range(CUSTOMERS), itertools.cycle(services), strict=False):
        asker = Asker(f"customer {place}", service, history)
        made.append(Customer(asker, orders[place::CUSTOMERS], random.Random(chance.random()), done))  # noqa: S311 - play
    return made


def check_outcomes(outcomes: Sequence[Outcome], expected: dict[tuple[int, int], str]) -> Counter[str]:
    """Check what became of each order, and return how many of each outcome there are."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        order, status = outcome.order, outcome.job["status"]
        counts[status] += 1
        counts["begun again"] += outcome.job["attempts"] > 1
        counts["deleted"] += outcome.is_deleted
        if status == "succeeded":
            assert outcome.digest == outcome.job["result"]["sha256"] == expected[order.number, order.h]
        elif status == "failed":
            check_failure(outcome)
            counts["died too often"] += outcome.job["error"]["type"].endswith("internal-error")
    return counts


def check_failure(outcome: Outcome) -> None:
    fault = outcome.job["error"]
    if outcome.order.number < 0:
        assert fault["errors"] or "died" in fault["detail"], fault
    else:  # nothing is wrong with the file
        assert f"The process that worked on it died {ATTEMPTS} times" in fault["detail"], fault
        assert outcome.job["attempts"] == ATTEMPTS


def check_rows(settings: Settings) -> int:
    """Check what the database has noted of each job, and return how many there are."""
    engine = open_database(settings)
    with engine.connect() as connection:
        rows = connection.execute(select(job_history).order_by(job_history.c.number)).all()
    engine.dispose()
    rows.sort(key=lambda row: (row.job, row.number))
    jobs = {job: list(noted) for job, noted in itertools.groupby(rows, key=lambda row: row.job)}
    for noted in jobs.values():
        check_notes([row.status for row in noted], [row.token for row in noted if row.status == "running"])
    return len(jobs)


def check_notes(statuses: list[str], tokens: list[str]) -> None:
    assert statuses[0] == "queued"
    assert statuses[-1] in FINISHED
    assert sum(status in FINISHED for status in statuses) == 1
    for earlier, later in itertools.pairwise(statuses):
        assert later in {"queued": {"running", "cancelled"}, "running": {"queued", *FINISHED}}[earlier], statuses
    assert len(set(tokens)) == len(tokens)


def lines_of(service: Running) -> list[dict[str, Any]]:
    """Return the log, without what the command line said before there was one."""
    return [json.loads(line) for line in service.text().splitlines() if line.startswith("{")]


@pytest.fixture
def instances(tmp_path: Path, models: Path, database_url: str) -> Iterator[dict[str, Any]]:
    """What services and workers on one state folder and one database are started with."""
    yield {"folder": tmp_path, "models": models, "environment": {"DATABASE_URL": database_url}, **LIMITS}
    wait_until_gone(tmp_path / "state")


def test_no_job_is_lost_and_none_is_done_twice(instances: dict[str, Any], database_url: str, tmp_path: Path) -> None:
    print(f"seed {SEED}")  # noqa: T201 - to be run again with
    chance, history, finished = random.Random(SEED), History(), Counter[str]()  # noqa: S311 - play
    with ExitStack() as stack:
        api = stack.enter_context(running(**instances))
        expected = {(number, h): expected_of(api, number, h) for number in range(TABLES) for h in HORIZONS}
        workers = stack.enter_context(fleet(partial(start_worker, **instances), WORKERS))

        def done() -> None:
            finished.update(jobs=1)
            wait_for(lambda: not monkey.is_behind)

        customers = customers_of([api], orders_of(JOBS, chance), history, chance, done)
        monkey = Monkey(workers, api, lambda: finished["jobs"], total=JOBS, kills=KILLS, pause=PAUSE, chance=chance)
        monkey.start()
        stack.callback(monkey.stop)
        for customer in customers:
            customer.start()
        for customer in customers:
            customer.join_well(PATIENCE)
    found = violations(history.events, attempts=ATTEMPTS)
    assert not found, "\n".join(found)
    outcomes = [outcome for customer in customers for outcome in customer.outcomes]
    counts = check_outcomes(outcomes, expected)
    assert len({outcome.id for outcome in outcomes}) == JOBS
    assert check_rows(settings_of(tmp_path, database_url)) == JOBS - counts["deleted"]
    assert monkey.killed >= KILLS
    troubles = sum((customer._asker.troubles for customer in customers), Counter[str]())
    print(f"{JOBS} jobs, {len(history.events)} requests: {dict(counts)}; {dict(monkey.deeds)}; heard {dict(troubles)}")  # noqa: T201 - for make soak


@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"][: size(1, 2)], indirect=True)
def test_two_instances_share_one_store(instances: dict[str, Any], database_url: str, tmp_path: Path) -> None:
    """Each with its own worker: what is handed in to one is seen by the other, and done once."""
    chance, history = random.Random(SEED), History()  # noqa: S311 - play
    with ExitStack() as stack:
        services = [stack.enter_context(running(**instances | {"JOB_WORKERS": "1"})) for _ in range(2)]
        for service in services:
            wait_for(lambda service=service: "job worker started" in service.text())  # type: ignore[misc] - bound as it is
        expected = {(number, h): expected_of(services[0], number, h) for number in range(TABLES) for h in HORIZONS}
        customers = customers_of(services, orders_of(SHARED_JOBS, chance), history, chance, lambda: None)
        stranger = Asker("stranger", services[1], history)
        for customer in customers:
            customer.start()
        for customer in customers:
            customer.join_well(PATIENCE)
        for outcome in customers[0].outcomes:  # which asked the first
            assert stranger.look(outcome.id).status == (404 if outcome.is_deleted else 200)
        begun = [line["job"] for service in services for line in lines_of(service) if line["message"] == "job begun"]
        assert all("job begun" in service.text() for service in services)
    found = violations(history.events, attempts=ATTEMPTS)
    assert not found, "\n".join(found)
    outcomes = [outcome for customer in customers for outcome in customer.outcomes]
    counts = check_outcomes(outcomes, expected)
    assert check_rows(settings_of(tmp_path, database_url)) == SHARED_JOBS - counts["deleted"]
    assert max(Counter(begun).values()) <= ATTEMPTS
    print(f"{SHARED_JOBS} jobs of two instances: {dict(counts)}, begun {len(begun)} times")  # noqa: T201 - for make soak
