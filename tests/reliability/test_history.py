"""The checker of histories: a history for each rule that breaks it, and one that breaks none."""

from __future__ import annotations

from typing import Any

import pytest

from .history import Event, violations

ATTEMPTS = 3
SHA = "a" * 64


def described(status: str, attempts: int = 1, *, percent: float = 0.0, **more: Any) -> dict[str, Any]:
    succeeded = status == "succeeded"
    job = {"id": "j", "status": status, "attempts": attempts, "started": None if status == "queued" else f"t{attempts}"}
    return {**job, "progress": {"percent": percent}, "result": {"sha256": SHA} if succeeded else None, **more}


def heard(action: str, began: float, status: int | None = 200, job: Any = None, **more: Any) -> Event:
    given = {"client": "c", "name": "k" if action == "submit" else "j", "ended": began + 0.5} | more
    return Event(action=action, began=began, status=status, job=job, **given)


def looked(began: float, *described_as: Any, **more: Any) -> Event:
    ended = more.pop("ended", began + 0.5)
    return heard("look", began, 200, described(*described_as, **more), ended=ended)


TAKEN = heard("submit", 0, 202, described("queued", 0))
DONE = looked(8, "succeeded")
GOOD = [
    TAKEN,
    looked(1, "running", 1, percent=10.0),
    looked(2, "queued", 1),
    looked(3, "running", 2, percent=0.0),
    looked(4, "queued", 1),  # given back
    heard("submit", 4.5, None),
    heard("submit", 5, 202, described("running", 2, percent=5.0)),
    looked(6, "running", 2, percent=60.0),
    heard("result", 6.6, 409),
    looked(7, "succeeded", 2),
    heard("cancel", 8, 409),
    heard("result", 8, 200, digest=SHA),
    heard("delete", 9, None),
    heard("look", 10, 404),
    heard("look", 11, 503, says_when=True),
]


def test_a_history_of_all_that_may_happen_breaks_no_rule() -> None:
    assert violations(GOOD, attempts=ATTEMPTS) == []


def test_of_two_requests_at_the_same_time_either_may_have_come_first() -> None:
    at_once = [TAKEN, looked(1, "running", 1, ended=3), looked(1, "succeeded", 1, ended=3), looked(2, "queued", 1)]
    assert violations(at_once, attempts=ATTEMPTS) == []


BROKEN: dict[str, list[Event]] = {
    "a finished job waits or runs again": [TAKEN, DONE, looked(9, "running", 2)],
    "a finished job changed": [TAKEN, DONE, looked(9, "failed")],
    "a job that was cancelled is not": [TAKEN, heard("cancel", 1, 200, described("succeeded"))],
    "the attempts fell": [TAKEN, looked(1, "running", 3), looked(2, "queued", 1), DONE],
    "more attempts than 3": [TAKEN, looked(1, "failed", 4)],
    "the per cent fell": [TAKEN, looked(1, "running", percent=9.0), looked(2, "running", percent=8.0), DONE],
    "per cent that there are not": [TAKEN, looked(1, "running", percent=101.0), DONE],
    "a job is gone that nobody deleted": [TAKEN, DONE, heard("look", 9, 404)],
    "a job is there that was deleted": [TAKEN, heard("delete", 8.6, 204), looked(9.5, "succeeded")],
    "a job was lost": [TAKEN, looked(1, "running")],
    "one Idempotency-Key, two jobs": [TAKEN, heard("submit", 1, 202, described("succeeded", id="other")), DONE],
    "one job, two Idempotency-Keys": [TAKEN, heard("submit", 1, 202, described("queued", 0), name="other"), DONE],
    "a result changed": [TAKEN, DONE, heard("result", 9, digest=SHA), heard("result", 10, digest="b" * 64)],
    "a result that is not the one that the job names": [TAKEN, DONE, heard("result", 9, digest="b" * 64)],
    "a result of a job that did not succeed": [TAKEN, looked(1, "cancelled"), heard("result", 2, digest=SHA)],
    "a job that has succeeded has no result": [TAKEN, DONE, heard("result", 9, 409)],
    "a finished job cannot be deleted": [TAKEN, DONE, heard("delete", 9, 409)],
    "an answer that is not documented": [TAKEN, DONE, heard("look", 9, 500)],
    "an answer that does not say when": [TAKEN, DONE, heard("look", 9, 503)],
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_history_that_breaks_a_rule_is_told_so(rule: str) -> None:
    found = violations(BROKEN[rule], attempts=ATTEMPTS)
    assert found
    assert all(rule in violation for violation in found)


def test_cancelled_is_not_succeeded_afterwards() -> None:
    told = [TAKEN, heard("cancel", 1, 200, described("cancelled")), looked(2, "succeeded")]
    assert any("a finished job changed" in violation for violation in violations(told, attempts=ATTEMPTS))


def test_a_job_may_be_unfinished_before_the_end() -> None:
    assert violations([TAKEN], attempts=ATTEMPTS, at_the_end=False) == []
