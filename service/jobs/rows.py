"""What is common to all that reads and changes the rows of jobs."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, Row, Update, insert

from service.jobs.database import history, jobs
from service.jobs.job import Job

__all__ = ["JobRows", "job_of"]


class JobRows:
    """The rows of one database.

    Parameters
    ----------
    engine
        From `service.jobs.database.open_database`.
    kept_seconds
        How long a finished job's result is kept; its row is kept as long again.
    clock
        Seconds since 1970. Nothing but retention and what is shown depends on it.
    """

    def __init__(self, engine: Engine, *, kept_seconds: float, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._kept_seconds = kept_seconds
        self._clock = clock

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with self._engine.connect().execution_options(reads=True) as connection:
            yield connection

    def _changed(self, change: Update, **values: Any) -> bool:
        """Change the status of one row, if it is as `change` demands, and note it; tell whether it was."""
        with self._engine.begin() as connection:
            row = connection.execute(change.values(**values).returning(*jobs.c)).first()
            if row is not None:
                self._note(connection, row)
        return row is not None

    def _note(self, connection: Connection, row: Row[Any]) -> None:
        values = {"job": row.id, "status": row.status, "attempt": row.attempts, "token": row.token}
        connection.execute(insert(history).values(**values, at=self._clock()))

    def _ended(self, status: str) -> dict[str, Any]:
        now = self._clock()
        return {"status": status, "finished": now, "expires": now + self._kept_seconds}


def job_of(row: Row[Any]) -> Job:
    """Return a row as a job."""
    return Job(
        id=row.id,
        kind=row.kind,
        owner=row.owner,
        status=row.status,
        created=row.created,
        started=row.started,
        finished=row.finished,
        expires=row.expires,
        attempts=row.attempts,
        options=json.loads(row.options),
        digest=row.digest,
        progress=json.loads(row.progress),
        result=_read(row.result),
        model=_read(row.model),
        error=_read(row.error),
    )


def _read(text: str | None) -> Any:
    return None if text is None else json.loads(text)
