"""Where the API hands jobs in and asks for them: opened at the first request for jobs, and apart from all else.

Forecasts do not depend on it. Whatever is wrong with the database or the folder of files, requests for jobs are
answered 503, at once for a while after the first: one that does not answer must not hold up all threads.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from forecaster import ForecasterError
from service.jobs.files import JobFiles, Received, measure
from service.jobs.job import Draft, Job, QueueFigures
from service.problems import Problem
from service.schemas.jobs import JobOptions
from service.settings import Settings

if TYPE_CHECKING:
    from service.jobs.queue import Queue

__all__ = ["JobDesk"]

logger = logging.getLogger(__name__)

PAUSE_SECONDS = 2.0
RETRY_SECONDS = "5"
_OPEN = -1.0


class JobDesk:
    """The queue and the files of jobs, for the API.

    Parameters
    ----------
    settings
        Where they are, and how much they may hold.
    monotonic
        Seconds since whenever.
    """

    def __init__(self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.files = JobFiles(settings)
        self._queue: Queue | None = None
        self._process = 0
        self._opening = threading.Lock()
        self._monotonic = monotonic
        self._closed_until = self._next_try = _OPEN

    @contextmanager
    def queue(self) -> Iterator[Queue]:
        """Give the queue, whose folder is there too.

        Raises
        ------
        Problem
            The database or the folder cannot be worked with; from the body of ``with`` as well.
        """
        self._knock()
        from service.jobs.database import DATABASE_ERRORS  # SQLAlchemy: see `service.jobs.database`

        try:
            queue = self._opened()
            try:
                yield queue
            except Problem:  # of the request, not of the database
                self._closed_until = self._next_try = _OPEN
                raise
            self._closed_until = self._next_try = _OPEN
        except (*DATABASE_ERRORS, ForecasterError) as error:
            self._note(error)
            raise _unavailable() from None

    def _knock(self) -> None:
        """Refuse while the database does not answer; every now and then one request finds out whether it does."""
        now = self._monotonic()
        if now < max(self._closed_until, self._next_try):
            raise _unavailable()
        if self._closed_until != _OPEN:
            self._next_try = now + PAUSE_SECONDS

    def submit(self, owner: str, options: JobOptions, pieces: Iterable[bytes], idempotency: str | None) -> Job:
        """Take a job in, or return the one that the same request made before.

        Parameters
        ----------
        owner
            The key that asks.
        options
            What to do.
        pieces
            The file, as it comes.
        idempotency
            The Idempotency-Key.

        Raises
        ------
        Problem
            There is no room for it; the Idempotency-Key is in use, or was used for another request.
        """
        if idempotency is None:
            return self._submit(owner, options, pieces, None)
        with self._disk(), self.files.reserved(f"{owner}\0{idempotency}"):
            return self._submit(owner, options, pieces, idempotency)

    def _submit(self, owner: str, options: JobOptions, pieces: Iterable[bytes], idempotency: str | None) -> Job:
        with self.queue() as queue:
            earlier = None if idempotency is None else queue.repeated(owner, idempotency)
            if earlier is None:
                queue.check_room(owner)
        job_id = uuid.uuid4().hex
        with self._disk():  # a file that has been here is only looked at
            received = measure(pieces) if earlier is not None else self.files.receive(job_id, pieces)
        draft = _draft(job_id, owner, options, received, idempotency)
        try:
            with self.queue() as queue:
                job = queue.submit(draft) if earlier is None else queue.again(draft)
        except Problem as problem:
            if problem.kind != "unavailable":  # else the job may have been made all the same
                self.files.remove_upload(job_id)
            raise
        if job.id != job_id:
            self.files.remove_upload(job_id)
        return job

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # others may still ask for what there is
            logger.error("the file of a job cannot be kept", extra={"fields": _os_fields(error)})
            detail = "The file cannot be kept: the disk of the jobs' files is full, or cannot be written."
            raise Problem("unavailable", detail, headers={"Retry-After": RETRY_SECONDS}) from None

    def queue_figures(self) -> QueueFigures:
        """Return what there is to watch about jobs.

        Raises
        ------
        Problem
            The database does not answer.
        """
        with self.queue() as queue:
            return queue.figures()

    def close(self) -> None:
        """Close all connections."""
        with self._opening:
            if self._queue is not None and self._process == os.getpid():
                self._queue.close()
            self._queue = None

    def _opened(self) -> Queue:
        """Return the queue; one thread opens it, and others do not wait for long."""
        if not self._opening.acquire(timeout=PAUSE_SECONDS):
            raise _unavailable()
        try:
            # A connection that was opened before a fork belongs to the other process.
            if self._queue is None or self._process != os.getpid():
                if self._monotonic() < self._closed_until:
                    raise _unavailable()
                self._queue, self._process = self._open(), os.getpid()
            return self._queue
        except Exception:  # before the next thread may try
            self._closed_until = self._monotonic() + PAUSE_SECONDS
            raise
        finally:
            self._opening.release()

    def _open(self) -> Queue:
        from service.jobs.database import open_database
        from service.jobs.queue import Queue

        began = time.perf_counter()
        self.files.open()
        queue = Queue(
            open_database(self.settings),
            kept_seconds=self.settings.retention_hours * 3_600,
            most=self.settings.max_jobs,
            most_of_one=self.settings.max_jobs_per_key,
        )
        taken = round((time.perf_counter() - began) * 1000, 1)
        logger.info("database of jobs opened", extra={"fields": {"milliseconds": taken}})
        return queue

    def _note(self, error: BaseException) -> None:
        from service.jobs.database import fault_fields

        self._closed_until = self._monotonic() + PAUSE_SECONDS
        logger.error("jobs are not available", extra={"fields": fault_fields(error)})


def _draft(job_id: str, owner: str, options: JobOptions, received: Received, idempotency: str | None) -> Draft:
    asked = options.model_dump(mode="json", exclude=set(options.meaningless))
    request = json.dumps(asked, sort_keys=True) + received.sha256
    return Draft(
        id=job_id,
        kind=options.kind,
        owner=owner,
        options=asked,
        bytes=received.bytes,
        digest=hashlib.sha256(request.encode()).hexdigest(),
        idempotency=idempotency,
    )


def _os_fields(error: OSError) -> dict[str, str]:
    return {"error": type(error).__name__, "reason": error.strerror or ""}


def _unavailable() -> Problem:
    detail = "Jobs are not available: their database or folder does not answer. Forecasts are."
    return Problem("unavailable", detail, headers={"Retry-After": RETRY_SECONDS})
