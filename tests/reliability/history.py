"""What clients of jobs asked and heard, and whether all of it can be true of one queue that loses and repeats nothing.

Each request is an `Event` with the moments between which it took place. What ended before another began came before
it, for whichever client; of two at the same time either may have come first. `violations` names the rules that a
history breaks:

- a finished job never changes, and never waits or runs again; a cancel that was answered 200 has cancelled it;
- a job that waits or runs goes back to the queue at the most: its attempts fall by no more than the one that a worker
  gave back, and never exceed what is allowed; within an attempt its per cent do not fall;
- a job that was answered 202 is there until somebody deletes it, and not after that, and is finished at the end;
- an Idempotency-Key stands for one job, and a job has one key;
- a result is the same at every download, is what the job says it is, and is there as soon as the job has succeeded;
- answers are those that are documented, and those that say "later" say when.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Event", "History", "violations"]

FINISHED = {"succeeded", "failed", "cancelled"}
ANSWERS: Mapping[str, set[int]] = {
    "submit": {202, 409, 429, 503},
    "look": {200, 404, 503},
    "cancel": {200, 404, 409, 503},
    "delete": {204, 404, 409, 503},
    "result": {200, 404, 409, 503},
}
LATER = {429, 503}


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One request.

    Attributes
    ----------
    client
        Who asked.
    action
        A key of `ANSWERS`.
    name
        The Idempotency-Key of what is handed in, else the id of the job.
    began, ended
        Seconds of one clock.
    status
        Of the answer; None if none came, so that nobody knows whether it was done.
    job
        The description that came.
    digest
        SHA-256 of the result that came.
    says_when
        Whether the answer had Retry-After.
    """

    client: str
    action: str
    name: str
    began: float
    ended: float
    status: int | None
    job: Mapping[str, Any] | None = None
    digest: str | None = None
    says_when: bool = False

    @property
    def id(self) -> str | None:
        """The job it tells of."""
        if self.action == "submit":
            return self.job["id"] if self.job is not None else None
        return self.name

    def __str__(self) -> str:
        heard = f"{self.job['status']} {self.job['attempts']}" if self.job is not None else ""
        return f"[{self.client} {self.began:.3f}-{self.ended:.3f} {self.action} {self.name} {self.status} {heard}]"


class History:
    """Events as they come, from any thread."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._lock = threading.Lock()

    def add(self, event: Event) -> None:
        """Take note of a request."""
        with self._lock:
            self._events.append(event)

    @property
    def events(self) -> Sequence[Event]:
        """All of them so far."""
        with self._lock:
            return tuple(self._events)


def violations(events: Iterable[Event], *, attempts: int, at_the_end: bool = True) -> list[str]:
    """Return the rules that a history breaks, and where.

    Parameters
    ----------
    events
        In any order.
    attempts
        Times that a job may be begun.
    at_the_end
        Whether all jobs should be finished by now.
    """
    events = sorted(events, key=lambda event: event.began)
    by_job: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        if event.id is not None:
            by_job[event.id].append(event)
    found = [*_of_answers(events), *_of_keys(events)]
    for told in by_job.values():
        found += _of_one(told, attempts)
        if at_the_end:
            found += _of_the_end(told)
    return found


def _of_answers(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        if event.status is not None and event.status not in ANSWERS[event.action]:
            yield f"an answer that is not documented: {event}"
        if event.status in LATER and not event.says_when:
            yield f"an answer that does not say when to ask again: {event}"
        if event.action == "cancel" and event.job is not None and event.job["status"] != "cancelled":
            yield f"a job that was cancelled is not: {event}"


def _of_keys(events: Iterable[Event]) -> Iterator[str]:
    jobs: dict[str, str] = {}
    keys: dict[str, str] = {}
    deleted = {event.name for event in events if event.action == "delete"}
    for event in events:
        if event.action != "submit" or event.id is None:
            continue
        earlier = jobs.get(event.name)
        if earlier is not None and earlier != event.id and earlier not in deleted:
            yield f"one Idempotency-Key, two jobs: {earlier} and {event}"
        if keys.setdefault(event.id, event.name) != event.name:
            yield f"one job, two Idempotency-Keys: {keys[event.id]} and {event}"
        jobs[event.name] = event.id


@dataclass(slots=True)
class _Known:
    """What is certain of a job at a moment, from what had been answered before."""

    begun: int = 0  # times that it was begun for certain and not given back
    is_finished: bool = False
    is_gone: bool = False
    has_succeeded: bool = False
    percent: dict[tuple[Any, Any], float] = field(default_factory=dict)

    def learn(self, event: Event) -> None:
        """Take in an answer."""
        job = event.job
        if event.action == "delete" and event.status == 204:
            self.is_gone = True
        if event.action == "cancel" and event.status == 409:
            self.is_finished = True
        if event.action == "result" and event.status == 200:
            self.is_finished = self.has_succeeded = True
        if job is None:
            return
        self.begun = max(self.begun, job["attempts"] - (job["status"] != "queued"))
        self.is_finished |= job["status"] in FINISHED
        self.has_succeeded |= job["status"] == "succeeded"
        if job["status"] == "running":
            attempt = (job["attempts"], job["started"])
            self.percent[attempt] = max(self.percent.get(attempt, 0.0), job["progress"]["percent"])


def _of_one(told: Sequence[Event], attempts: int) -> Iterator[str]:
    """Go through what was heard of a job, in the order in which the requests began."""
    known, by_end = _Known(), sorted(told, key=lambda event: event.ended, reverse=True)
    for event in told:
        while by_end[-1].ended < event.began:
            known.learn(by_end.pop())
        yield from _of_absence(event, known, told)
        yield from _of_order(event, known, attempts)
    yield from _of_outcomes(told)


def _of_absence(event: Event, known: _Known, told: Sequence[Event]) -> Iterator[str]:
    was_asked = any(other.action == "delete" and other.began < event.ended for other in told if other is not event)
    if event.status == 404 and not was_asked:
        yield f"a job is gone that nobody deleted: {event}"
    if known.is_gone and event.action != "submit" and event.status in {200, 202, 204, 409}:
        yield f"a job is there that was deleted: {event}"


def _of_order(event: Event, known: _Known, attempts: int) -> Iterator[str]:
    job = event.job
    if job is not None:
        if known.is_finished and job["status"] not in FINISHED:
            yield f"a finished job waits or runs again: {event}"
        if job["attempts"] - (job["status"] in {"running", "succeeded", "failed"}) < known.begun:
            yield f"the attempts fell below {known.begun}: {event}"
        if job["attempts"] > attempts:
            yield f"more attempts than {attempts}: {event}"
        percent, attempt = job["progress"]["percent"], (job["attempts"], job["started"])
        if job["status"] == "running" and percent < known.percent.get(attempt, 0.0):
            yield f"the per cent fell within an attempt: {event}"
        if not 0 <= percent <= 100:
            yield f"per cent that there are not: {event}"
    if event.action == "result" and event.status == 409 and known.has_succeeded:
        yield f"a job that has succeeded has no result: {event}"
    if event.action == "delete" and event.status == 409 and known.is_finished:
        yield f"a finished job cannot be deleted: {event}"


def _of_outcomes(told: Sequence[Event]) -> Iterator[str]:
    """Compare all that was heard of how a job ended, in whatever order it was."""
    outcomes = [event for event in told if event.job is not None and event.job["status"] in FINISHED]
    yield from (f"a finished job changed: {event}" for event in outcomes if event.job != outcomes[0].job)
    results = [event for event in told if event.digest is not None]
    yield from (f"a result changed: {event}" for event in results if event.digest != results[0].digest)
    job = outcomes[0].job if outcomes else None
    if job is not None and results:
        if job["status"] != "succeeded":
            yield f"a result of a job that did not succeed: {results[0]}"
        elif job["result"]["sha256"] != results[0].digest:
            yield f"a result that is not the one that the job names: {results[0]}"


def _of_the_end(told: Sequence[Event]) -> Iterator[str]:
    is_finished = any(event.job is not None and event.job["status"] in FINISHED for event in told)
    if not is_finished and not any(event.action == "delete" and event.status == 204 for event in told):
        yield f"a job was lost, or never finished: {told[-1]}"
