"""Jobs handed in, looked up, cancelled and forgotten: what the API does with them."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from service.jobs.database import history, jobs, meta, workers
from service.jobs.job import FINISHED, Draft, Job, QueueFigures
from service.jobs.rows import JobRows, job_of
from service.problems import Problem
from service.schemas.base import FieldError

__all__ = ["Queue"]

ALIVE_SECONDS = 15
"""A worker that was seen within them counts as alive: for figures only, no job depends on it."""

RETRY_SECONDS = "5"


class Queue(JobRows):
    """The jobs, for those who hand them in.

    Parameters
    ----------
    most, most_of_one
        Jobs that may wait in all, and that may wait or run for one key.
    **options
        As for `JobRows`.
    """

    def __init__(self, *arguments: Any, most: int, most_of_one: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._most = most
        self._most_of_one = most_of_one

    def check_room(self, owner: str) -> None:
        """Raise a problem if no more jobs are taken, of this key or at all."""
        with self._reading() as connection:
            self._check_room(connection, owner)

    def submit(self, draft: Draft) -> Job:
        """Add a job, or return the one that the same request made before.

        Jobs are worked on in the order of their turns. A key's next job gets the turn after that of its last one that
        waits, or that of the front of the queue: so keys take turns, and each gets its jobs done in their order.

        Raises
        ------
        Problem
            No more jobs are taken; the Idempotency-Key was used for another request.
        """
        with self._engine.begin() as connection:
            # Who submits holds this row, so that PostgreSQL too lets in one at a time.
            connection.execute(update(meta).values(submissions=meta.c.submissions + 1))
            earlier = self._earlier(connection, draft)
            if earlier is not None:
                return earlier
            self._check_room(connection, draft.owner)
            values = {
                "id": draft.id,
                "kind": draft.kind,
                "owner": draft.owner,
                "status": "queued",
                "turn": self._turn(connection, draft.owner),
                "created": self._clock(),
                "options": json.dumps(draft.options),
                "bytes": draft.bytes,
                "digest": draft.digest,
                "idempotency": draft.idempotency,
            }
            row = connection.execute(insert(jobs).values(values).returning(*jobs.c)).one()
            self._note(connection, row)
            return job_of(row)

    def again(self, draft: Draft) -> Job:
        """Return the job that the same request made before.

        Raises
        ------
        Problem
            The job was removed meanwhile; the Idempotency-Key was used for another request.
        """
        with self._reading() as connection:
            earlier = self._earlier(connection, draft)
        if earlier is None:
            detail = "The job of this Idempotency-Key was removed meanwhile. Send the request once more."
            raise Problem("conflict", detail, headers={"Retry-After": RETRY_SECONDS})
        return earlier

    def repeated(self, owner: str, idempotency: str) -> Job | None:
        """Return the job that a key made with this Idempotency-Key."""
        with self._reading() as connection:
            return self._made_with(connection, owner, idempotency)

    def find(self, job_id: str, owner: str | None) -> Job:
        """Return a job; with an `owner`, only if it is that key's.

        Raises
        ------
        Problem
            There is none.
        """
        wanted = jobs.c.id == job_id if owner is None else and_(jobs.c.id == job_id, jobs.c.owner == owner)
        with self._reading() as connection:
            row = connection.execute(select(jobs).where(wanted)).first()
        if row is None:
            raise Problem("unknown-job", "It never was, is another key's, or is no longer kept.")
        return job_of(row)

    def page(self, owner: str | None, *, limit: int, before: str | None) -> list[Job]:
        """Return the jobs of a key, or of all, newest first."""
        query = select(jobs).order_by(jobs.c.number.desc()).limit(limit)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if before is not None:
            query = query.where(jobs.c.number < select(jobs.c.number).where(jobs.c.id == before).scalar_subquery())
        with self._reading() as connection:
            return [job_of(row) for row in connection.execute(query)]

    def figures(self) -> QueueFigures:
        """Return what there is to watch."""
        now = self._clock()
        by_kind = select(jobs.c.kind, jobs.c.status, func.count()).group_by(jobs.c.kind, jobs.c.status)
        oldest = select(func.min(jobs.c.created)).where(jobs.c.status == "queued")
        alive = select(func.count()).select_from(workers).where(workers.c.seen > now - ALIVE_SECONDS)
        with self._reading() as connection:
            counts = {(kind, status): count for kind, status, count in connection.execute(by_kind)}
            created = connection.execute(oldest).scalar_one()
            return QueueFigures(
                counts=counts,
                oldest_waiting_seconds=0.0 if created is None else max(0.0, now - created),
                workers=connection.execute(alive).scalar_one(),
            )

    def cancel(self, job_id: str) -> bool:
        """End a job that waits or runs; tell whether it did. Its worker learns of it at its next sign of life."""
        change = update(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(("queued", "running")))
        return self._changed(change, **self._ended("cancelled"))

    def delete(self, job_id: str) -> bool:
        """Forget a finished job; tell whether it did."""
        with self._engine.begin() as connection:
            gone = connection.execute(delete(jobs).where(jobs.c.id == job_id, jobs.c.status.in_(FINISHED)))
            if gone.rowcount:
                connection.execute(delete(history).where(history.c.job == job_id))
            return bool(gone.rowcount)

    def _earlier(self, connection: Connection, draft: Draft) -> Job | None:
        if draft.idempotency is None:
            return None
        earlier = self._made_with(connection, draft.owner, draft.idempotency)
        if earlier is not None and earlier.digest != draft.digest:
            expected = "a new key for another request: this one was used for other options or another file"
            error = FieldError(field="Idempotency-Key", expected=expected)
            raise Problem("invalid-request", f"Idempotency-Key: expected {expected}.", errors=[error])
        return earlier

    def _made_with(self, connection: Connection, owner: str, idempotency: str) -> Job | None:
        query = select(jobs).where(jobs.c.owner == owner, jobs.c.idempotency == idempotency)
        row = connection.execute(query).first()
        return None if row is None else job_of(row)

    def _check_room(self, connection: Connection, owner: str) -> None:
        count = select(func.count()).select_from(jobs)
        headers = {"Retry-After": RETRY_SECONDS}
        own = count.where(jobs.c.owner == owner, jobs.c.status.in_(("queued", "running")))
        if connection.execute(own).scalar_one() >= self._most_of_one:
            detail = f"{self._most_of_one} jobs of this key wait or run. Wait for one of them, or cancel one."
            raise Problem("too-many", detail, headers=headers)
        if connection.execute(count.where(jobs.c.status == "queued")).scalar_one() >= self._most:
            raise Problem("busy", f"{self._most} jobs wait, and no more are taken.", headers=headers)

    def _turn(self, connection: Connection, owner: str) -> int:
        turns = select(func.max(jobs.c.turn), func.min(jobs.c.turn)).where(jobs.c.status == "queued")
        front = connection.execute(turns).one()[1]
        own = connection.execute(turns.where(jobs.c.owner == owner)).one()[0]
        return max(0 if front is None else front, -1 if own is None else own + 1, 0)
