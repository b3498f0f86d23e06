"""Jobs in the database, the same on SQLite and PostgreSQL: what may follow what, and who may say so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from service.jobs.database import history, open_database
from service.jobs.job import Assignment, Draft, Job
from service.jobs.leases import Lease, Leases
from service.jobs.queue import Queue
from service.jobs.task import Done
from service.jobs.watch import Watch
from service.problems import Problem
from service.settings import Settings

DONE = Done(
    {"file": "x.csv", "bytes": 1, "sha256": "0", "rows": 1, "skipped": 0}, {"name": "base", "version": None}, {}
)
FAULT = {"type": "urn:problem-type:forecaster:invalid-request", "detail": "wrong", "errors": []}
KEPT = 100.0


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Board:
    """The queue from both sides."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self.queue = Queue(engine, most=5, most_of_one=4, kept_seconds=KEPT, clock=clock)
        self.leases = Leases(engine, attempts=3, kept_seconds=KEPT, clock=clock)
        self.made = 0

    def hand_in(self, owner: str = "", **given: Any) -> Job:
        self.made += 1
        values = {"id": f"{self.made:032x}", "kind": "forecast", "owner": owner, "options": {"h": 1}, "bytes": 9}
        return self.queue.submit(Draft(**{**values, "digest": "d", "idempotency": None, **given}))

    def claim(self) -> Assignment:
        claimed = self.leases.claim()
        assert claimed is not None
        return claimed

    def status(self, job: Job | Assignment) -> str:
        return self.queue.find(job.id, None).status

    def passed(self, job: Job) -> list[str]:
        with self.engine.connect() as connection:
            rows = connection.execute(
                select(history.c.status).where(history.c.job == job.id).order_by(history.c.number)
            )
            return list(rows.scalars())


@pytest.fixture
def board(tmp_path: Path, database_url: str) -> Iterator[Board]:
    engine = open_database(Settings(state=tmp_path, database_url=database_url))
    yield Board(engine, Clock())
    engine.dispose()


def test_a_job_waits_runs_and_succeeds(board: Board) -> None:
    job = board.hand_in()
    assert (job.status, job.attempts, job.started, job.expires) == ("queued", 0, None, None)
    claimed = board.claim()
    assert (claimed.id, claimed.attempt, claimed.options) == (job.id, 1, {"h": 1})
    assert board.leases.claim() is None
    assert board.leases.beat(claimed, {"percent": 40.0})
    assert board.queue.find(job.id, None).progress == {"percent": 40.0}
    board.clock.now += 7
    assert board.leases.succeed(claimed, DONE)
    found = board.queue.find(job.id, "")
    assert (found.status, found.result, found.model) == ("succeeded", DONE.result, DONE.model)
    assert (found.finished, found.expires) == (board.clock.now, board.clock.now + KEPT)
    assert board.passed(job) == ["queued", "running", "succeeded"]


def test_a_job_that_fails_says_why(board: Board) -> None:
    board.hand_in()
    claimed = board.claim()
    assert board.leases.fail(claimed, FAULT)
    assert board.queue.find(claimed.id, None).error == FAULT


def test_only_the_holder_of_the_token_may_report(board: Board) -> None:
    """A worker that was thought dead comes back while another works on its job."""
    job = board.hand_in()
    stale = board.claim()
    (lease,) = board.leases.leases()
    assert board.leases.died(lease, "it was still")
    fresh = board.claim()
    assert fresh.token != stale.token
    assert not board.leases.beat(stale, {})
    assert not board.leases.succeed(stale, DONE)
    assert not board.leases.fail(stale, FAULT)
    assert not board.leases.give_back(stale)
    assert not board.leases.died(stale, "signal 9")
    assert board.leases.succeed(fresh, DONE)
    assert board.passed(job) == ["queued", "running", "queued", "running", "succeeded"]


def test_who_has_finished_a_job_may_say_so_again_and_nobody_else(board: Board) -> None:
    """The answer to the first time may have been lost with the connection."""
    board.hand_in()
    claimed = board.claim()
    assert board.leases.succeed(claimed, DONE)
    assert board.leases.succeed(claimed, DONE)
    assert not board.leases.fail(claimed, FAULT)
    assert board.status(claimed) == "succeeded"


@pytest.mark.parametrize("started", [False, True])
def test_a_cancelled_job_stays_so(board: Board, started: bool) -> None:
    job = board.hand_in()
    claimed = board.claim() if started else None
    assert board.queue.cancel(job.id)
    assert not board.queue.cancel(job.id)
    assert board.leases.claim() is None
    if claimed is not None:
        assert not board.leases.beat(claimed, {})
        assert not board.leases.succeed(claimed, DONE)
    assert board.status(job) == "cancelled"


def test_a_job_whose_process_dies_again_and_again_fails_with_the_kind_of_death(board: Board) -> None:
    job = board.hand_in()
    for attempt in (1, 2, 3):
        claimed = board.claim()
        assert claimed.attempt == attempt
        assert board.leases.died(claimed, "signal 9")
    found = board.queue.find(job.id, None)
    assert (found.status, found.attempts) == ("failed", 3)
    assert found.error is not None
    assert found.error["type"].endswith(":internal-error")
    assert "died 3 times (signal 9)" in found.error["detail"]


def test_a_job_given_back_is_the_next_one_and_its_attempt_does_not_count(board: Board) -> None:
    job, other = board.hand_in(), board.hand_in()
    for _ in range(5):
        claimed = board.claim()
        assert (claimed.id, claimed.attempt) == (job.id, 1)
        assert board.leases.give_back(claimed)
    assert board.status(other) == "queued"


def test_a_lease_is_dead_when_its_beats_stand_still_on_the_observers_clock(board: Board) -> None:
    board.hand_in()
    claimed = board.claim()
    now = 50.0
    watch = Watch[Lease](30, monotonic=lambda: now)
    board.clock.now -= 1e9  # what clocks on walls say does not matter
    assert not watch.unchanged(board.leases.leases())
    now += 29
    assert board.leases.beat(claimed, {})
    assert not watch.unchanged(board.leases.leases())
    now += 29
    board.clock.now += 2e9
    assert not watch.unchanged(board.leases.leases())
    now += 1
    (dead,) = watch.unchanged(board.leases.leases())
    assert board.leases.beat(claimed, {})  # at the last moment: it lives
    assert not board.leases.died(dead, "it was still")
    assert not watch.unchanged(board.leases.leases())
    now += 30
    (dead,) = watch.unchanged(board.leases.leases())
    assert board.leases.died(dead, "it was still")
    assert board.status(claimed) == "queued"


def test_first_come_first_served(board: Board) -> None:
    jobs = [board.hand_in().id for _ in range(4)]
    assert [board.claim().id for _ in jobs] == jobs


def test_keys_take_turns(board: Board) -> None:
    many = [board.hand_in("many").id for _ in range(3)]
    one = board.hand_in("one").id
    assert [board.claim().id for _ in range(4)] == [many[0], one, many[1], many[2]]


def test_who_comes_late_does_not_pass_those_who_wait(board: Board) -> None:
    many = [board.hand_in("many").id for _ in range(4)]
    assert [board.claim().id for _ in range(2)] == many[:2]
    one = board.hand_in("one").id
    assert [board.claim().id for _ in range(3)] == [many[2], one, many[3]]


def test_no_more_jobs_wait_than_may(board: Board) -> None:
    for number in range(5):
        board.hand_in(f"key{number}")
    with pytest.raises(Problem, match="5 jobs wait") as caught:
        board.hand_in("another")
    assert (caught.value.kind, caught.value.headers) == ("busy", {"Retry-After": "5"})
    board.claim()
    board.hand_in("another")


def test_no_key_has_more_jobs_than_it_may(board: Board) -> None:
    for _ in range(4):
        board.hand_in("many")
    claimed = board.claim()
    with pytest.raises(Problem, match="4 jobs of this key") as caught:
        board.hand_in("many")
    assert caught.value.kind == "too-many"
    board.leases.succeed(claimed, DONE)
    board.hand_in("many")


def test_many_who_hand_in_at_once_do_not_pass_the_limits(board: Board) -> None:
    refused: list[str] = []

    def hand_in(number: int) -> None:
        try:
            board.queue.submit(
                Draft(
                    id=f"{number:032x}",
                    kind="forecast",
                    owner=str(number),
                    options={},
                    bytes=1,
                    digest="",
                    idempotency=None,
                )
            )
        except Problem as problem:
            refused.append(problem.kind)

    threads = [threading.Thread(target=hand_in, args=(number,)) for number in range(3, 15)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["busy"] * 7
    assert board.queue.figures().counts == {("forecast", "queued"): 5}


def test_many_workers_never_get_the_same_job(board: Board) -> None:
    jobs = {board.hand_in(f"key{number}").id for number in range(5)}
    claimed: list[str] = []

    def work() -> None:
        while (job := board.leases.claim()) is not None:
            claimed.append(job.id)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(claimed) == sorted(jobs)


def test_the_same_request_with_the_same_key_is_the_same_job(board: Board) -> None:
    job = board.hand_in("a", idempotency="once", digest="1")
    assert board.hand_in("a", idempotency="once", digest="1").id == job.id
    assert board.hand_in("b", idempotency="once", digest="2").id != job.id  # another key's word
    with pytest.raises(Problem, match="Idempotency-Key") as caught:
        board.hand_in("a", idempotency="once", digest="2")
    assert caught.value.kind == "invalid-request"
    found = board.queue.repeated("a", "once")
    assert found is not None
    assert found.id == job.id
    assert board.queue.repeated("c", "once") is None


def test_jobs_of_others_are_unknown(board: Board) -> None:
    job = board.hand_in("a")
    assert board.queue.find(job.id, None).id == job.id
    with pytest.raises(Problem) as caught:
        board.queue.find(job.id, "b")
    assert caught.value.kind == "unknown-job"


def test_pages_go_from_the_newest_to_the_oldest(board: Board) -> None:
    jobs = [board.hand_in(owner).id for owner in ("a", "b", "a", "a")]
    own = [jobs[3], jobs[2], jobs[0]]
    assert [job.id for job in board.queue.page("a", limit=2, before=None)] == own[:2]
    assert [job.id for job in board.queue.page("a", limit=2, before=own[1])] == own[2:]
    assert [job.id for job in board.queue.page(None, limit=9, before=None)] == jobs[::-1]
    assert board.queue.page("a", limit=9, before="f" * 32) == []


def test_only_finished_jobs_are_deleted(board: Board) -> None:
    job = board.hand_in()
    assert not board.queue.delete(job.id)
    claimed = board.claim()
    assert not board.queue.delete(job.id)
    board.leases.succeed(claimed, DONE)
    assert board.queue.delete(job.id)
    assert board.passed(job) == []


def test_rows_are_kept_twice_as_long_as_files(board: Board) -> None:
    job, waiting = board.hand_in(idempotency="once"), board.hand_in()
    claimed = board.claim()
    ids = [job.id, waiting.id, "f" * 32]
    assert board.leases.files_in_use(ids) == {job.id: ("running", claimed.token), waiting.id: ("queued", None)}
    board.leases.succeed(claimed, DONE)
    board.clock.now += KEPT
    assert board.leases.files_in_use(ids)[job.id] == ("succeeded", claimed.token)
    board.clock.now += 1
    assert job.id not in board.leases.files_in_use(ids)
    board.leases.forget()
    assert board.status(job) == "succeeded"
    board.clock.now += KEPT
    board.leases.forget()
    with pytest.raises(Problem):
        board.queue.find(job.id, None)
    assert board.passed(job) == []
    assert board.status(waiting) == "queued"
    assert board.hand_in(idempotency="once").id != job.id


def test_figures(board: Board) -> None:
    assert board.queue.figures().oldest_waiting_seconds == 0
    board.leases.sign_in("one")
    board.leases.sign_in("one")
    board.leases.sign_in("two")
    board.hand_in()
    board.clock.now += 3
    board.hand_in(kind="train")
    board.hand_in()
    figures = board.queue.figures()
    assert figures.counts == {("forecast", "queued"): 2, ("train", "queued"): 1}
    assert (figures.oldest_waiting_seconds, figures.workers) == (3, 2)
    board.leases.sign_out("one")
    assert board.queue.figures().workers == 1
    board.clock.now += 60
    assert board.queue.figures().workers == 0
