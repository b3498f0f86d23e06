"""The process that does one job: what it does to itself, it does to nobody else.

It is forked from a server that has nothing but the code in memory, and never touches the database. It talks to the
worker through a pipe, and ends when the worker does, however that ends.
"""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import threading
from collections.abc import Callable, Iterator
from multiprocessing import forkserver, get_context, parent_process
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from forecaster import ForecasterError
from service.jobs.job import Assignment
from service.jobs.task import Done, Task
from service.logs import frames_of, log_config
from service.problems import Problem, problem_of_library, problem_type
from service.schemas.jobs import JobFault
from service.settings import Settings

__all__ = ["Died", "Failed", "JobProcess", "MayPublish", "failed", "prepare_processes"]

logger = logging.getLogger(__name__)

Do = Callable[[Task], Done]

NICENESS = 5
"""Requests come before jobs where processors are scarce."""

_PATIENCE = 5.0


class Failed(dict[str, Any]):
    """What a job reports that cannot be done: a `service.schemas.jobs.JobFault`."""


class MayPublish:
    """What a job asks before others can see what it made."""


class Died(str):
    """How the process of a job ended that has reported no outcome."""

    __slots__ = ()


def prepare_processes() -> None:
    """Start the server that processes of jobs are forked from, so that the first job need not wait for imports."""
    forkserver.set_forkserver_preload(["service.jobs.child", "service.jobs.work", "forecaster.model"])
    forkserver.ensure_running()


class JobProcess:
    """A process that does a job; leaving ``with`` kills it if it has not ended.

    Parameters
    ----------
    do
        What it does; a function of a module.
    assignment, settings
        Of the job.
    """

    def __init__(self, do: Do, assignment: Assignment, settings: Settings) -> None:
        context = get_context("forkserver")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(theirs, do, assignment, settings), daemon=True)
        try:
            self._process.start()
        except BaseException as error:
            self.connection.close()
            if isinstance(error, EOFError):  # the server died before it had answered
                raise ChildProcessError("The server that processes are forked from has died.") from None
            raise
        finally:
            theirs.close()

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Kill the process if it lives."""
        self._process.kill()
        self._process.join(_PATIENCE)
        self.connection.close()

    def messages(self) -> Iterator[dict[str, Any] | Done | Failed | MayPublish | Died]:
        """Yield what the process has said since: progress, an outcome, or how it died."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            yield self._death()

    def answer(self, allowed: bool) -> None:
        """Answer `MayPublish`."""
        try:
            self.connection.send(allowed)
        except OSError:  # it is dead, as the next look at its messages tells
            logger.debug("the process of the job has gone")

    def _death(self) -> Died:
        self._process.join(_PATIENCE)
        code = self._process.exitcode
        if code is None:
            return Died("it stopped answering")
        return Died(f"signal {-code}" if code < 0 else f"exit status {code}")


def _live(connection: Connection, do: Do, assignment: Assignment, settings: Settings) -> None:
    _prepare(settings)
    task = Task(
        assignment=assignment,
        settings=settings,
        report=connection.send,
        may_publish=lambda: _ask(connection),
    )
    try:
        said: Done | Failed = do(task)
    except Exception as error:  # noqa: BLE001 - whatever ails a job, its worker is told
        said = failed(error, assignment)
    connection.send(said)
    connection.close()


def _ask(connection: Connection) -> bool:
    connection.send(MayPublish())
    return bool(connection.recv())


def _prepare(settings: Settings) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of the whole terminal; the worker decides
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.nice(NICENESS)
    logging.config.dictConfig(log_config(settings.log_level))
    threading.Thread(target=_end_with_worker, daemon=True).start()


def _end_with_worker() -> None:
    worker = parent_process()
    if worker is not None:
        wait([worker.sentinel])
        os._exit(1)


def failed(error: Exception, assignment: Assignment) -> Failed:
    """Return what an error is to the owner of the job; the log gets the type and place of one that nobody foresaw."""
    problem = error if isinstance(error, Problem) else None
    if isinstance(error, ForecasterError):
        problem = problem_of_library(error)
    if problem is None:
        # Not the message: it may hold values of a series.
        fields = {"job": assignment.id, "error": type(error).__name__, "at": frames_of(error)}
        logger.error("job failed unexpectedly", extra={"fields": fields})
        problem = _unexpected(error)
    fault = JobFault(type=problem_type(problem.kind), detail=problem.detail, errors=problem.errors)
    return Failed(fault.model_dump(exclude_none=True))


def _unexpected(error: Exception) -> Problem:
    if isinstance(error, OSError):
        return Problem("unavailable", f"Files of the job cannot be read or written: {error.strerror or 'no reason'}.")
    if isinstance(error, MemoryError):
        return Problem("limit-exceeded", "The job needs more memory than there is. Hand the file in in parts.")
    return Problem("internal-error", "The cause is in the log of the job worker, under the id of the job.")
