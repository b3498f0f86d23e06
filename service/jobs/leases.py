"""Jobs given to workers: each change of a job's status is one conditional UPDATE, the same on both databases.

A worker that is given a job gets a random token, and only its holder may report on the job. What the token's holder
says too late, after the job was cancelled or given to another, changes no row, and the worker learns of it.
"""

from __future__ import annotations

import json
import secrets
from typing import Any, NamedTuple

from sqlalchemy import and_, delete, insert, select, update

from service.jobs.database import history, jobs, workers
from service.jobs.job import Assignment
from service.jobs.rows import JobRows
from service.jobs.task import Done
from service.problems import problem_type

__all__ = ["Lease", "Leases"]

LONG_GONE_SECONDS = 3_600


class Lease(NamedTuple):
    """A running job as another worker sees it.

    Attributes
    ----------
    id, token
        The job, and who works on it.
    beats
        Signs of life that it has given.
    attempt
        How often the job has been begun.
    """

    id: str
    token: str
    beats: int
    attempt: int


class Leases(JobRows):
    """The jobs, for those who work on them.

    Parameters
    ----------
    attempts
        Times that a job is begun at the most.
    **options
        As for `JobRows`.
    """

    def __init__(self, *arguments: Any, attempts: int, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._attempts = attempts

    def claim(self) -> Assignment | None:
        """Return the next job to work on, which is then the caller's, or None if none waits."""
        while True:
            with self._reading() as connection:  # most of the time nothing waits, and nobody has to wait for this
                waiting = select(jobs.c.id).where(jobs.c.status == "queued").order_by(jobs.c.turn, jobs.c.number)
                job_id = connection.execute(waiting.limit(1)).scalar()
            if job_id is None:
                return None
            claimed = self._claim(job_id)
            if claimed is not None:  # else another worker was faster
                return claimed

    def _claim(self, job_id: str) -> Assignment | None:
        values = {"status": "running", "token": secrets.token_hex(16), "started": self._clock(), "beats": 0}
        change = update(jobs).where(jobs.c.id == job_id, jobs.c.status == "queued")
        with self._engine.begin() as connection:
            row = connection.execute(
                change.values(**values, attempts=jobs.c.attempts + 1, progress="{}").returning(*jobs.c)
            ).first()
            if row is None:
                return None
            self._note(connection, row)
        return Assignment(
            id=row.id,
            kind=row.kind,
            token=row.token,
            attempt=row.attempts,
            created=row.created,
            options=json.loads(row.options),
        )

    def beat(self, job: Assignment, progress: dict[str, Any]) -> bool:
        """Give a sign of life; False if the job is no longer the caller's."""
        with self._engine.begin() as connection:
            values = {"beats": jobs.c.beats + 1, "progress": json.dumps(progress)}
            return bool(connection.execute(update(jobs).where(_held(job.id, job.token)).values(values)).rowcount)

    def succeed(self, job: Assignment, done: Done) -> bool:
        """Finish a job with its result, which is on the disk; False if the job is no longer the caller's.

        True as well if the caller had finished it before: of a connection that broke nobody knows what it did.
        """
        outcome = {
            "progress": json.dumps(done.progress),
            "result": json.dumps(done.result),
            "model": json.dumps(done.model),
        }
        if self._changed(update(jobs).where(_held(job.id, job.token)), **self._ended("succeeded"), **outcome):
            return True
        before = select(jobs.c.id).where(jobs.c.id == job.id, jobs.c.token == job.token, jobs.c.status == "succeeded")
        with self._reading() as connection:
            return connection.execute(before).first() is not None

    def fail(self, job: Assignment, error: dict[str, Any]) -> bool:
        """Finish a job without a result; False if the job is no longer the caller's."""
        change = update(jobs).where(_held(job.id, job.token))
        return self._changed(change, **self._ended("failed"), error=json.dumps(error))

    def give_back(self, job: Assignment) -> bool:
        """Let a job wait again, at its place, as if it had not been begun."""
        change = update(jobs).where(_held(job.id, job.token)).values(attempts=jobs.c.attempts - 1)
        return self._changed(change, status="queued", token=None)

    def died(self, job: Assignment | Lease, death: str) -> bool:
        """Let a job wait again whose process died; the last time it fails, and says of what.

        Of a `Lease`, only if the worker has not given a sign of life since it was looked at.
        """
        held = _held(job.id, job.token)
        if isinstance(job, Lease):
            held = and_(held, jobs.c.beats == job.beats)
        if job.attempt < self._attempts:
            return self._changed(update(jobs).where(held), status="queued", token=None)
        times = "once" if job.attempt == 1 else f"{job.attempt} times"
        detail = f"The process that worked on it died {times} ({death}). Look for what is unusual in the file."
        error = {"type": problem_type("internal-error"), "detail": detail, "errors": []}
        return self._changed(update(jobs).where(held), **self._ended("failed"), error=json.dumps(error))

    def leases(self) -> list[Lease]:
        """Return all running jobs."""
        query = select(jobs.c.id, jobs.c.token, jobs.c.beats, jobs.c.attempts).where(jobs.c.status == "running")
        with self._reading() as connection:
            return [Lease(*row) for row in connection.execute(query)]

    def sign_in(self, worker: str) -> None:
        """Say that a worker is there."""
        with self._engine.begin() as connection:
            if not connection.execute(
                update(workers).where(workers.c.id == worker).values(seen=self._clock())
            ).rowcount:
                connection.execute(insert(workers).values(id=worker, seen=self._clock()))

    def sign_out(self, worker: str) -> None:
        """Say that a worker is no longer there, and forget those that have not been seen for long."""
        with self._engine.begin() as connection:
            gone = (workers.c.id == worker) | (workers.c.seen < self._clock() - LONG_GONE_SECONDS)
            connection.execute(delete(workers).where(gone))

    def forget(self) -> None:
        """Remove the rows of jobs whose result has been gone for as long as it was kept."""
        with self._engine.begin() as connection:
            old = select(jobs.c.id).where(jobs.c.expires < self._clock() - self._kept_seconds)
            connection.execute(delete(history).where(history.c.job.in_(old)))
            connection.execute(delete(jobs).where(jobs.c.id.in_(old)))

    def files_in_use(self, ids: list[str]) -> dict[str, tuple[str, str | None]]:
        """Return the status and the token of those of these jobs that may need files."""
        needed = jobs.c.status.in_(("queued", "running")) | (jobs.c.expires >= self._clock())
        with self._reading() as connection:
            rows = connection.execute(select(jobs.c.id, jobs.c.status, jobs.c.token).where(jobs.c.id.in_(ids), needed))
            return {row.id: (row.status, row.token) for row in rows}


def _held(job_id: str, token: str) -> Any:
    return and_(jobs.c.id == job_id, jobs.c.status == "running", jobs.c.token == token)
