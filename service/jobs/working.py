"""What a job worker does: takes jobs one at a time, watches over the process of each, and cleans up."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from service.jobs.child import Died, Do, Failed, JobProcess, MayPublish
from service.jobs.database import DATABASE_ERRORS, fault_fields
from service.jobs.ending import Ending
from service.jobs.files import JobFiles
from service.jobs.job import Assignment
from service.jobs.leases import Lease, Leases
from service.jobs.task import Done
from service.jobs.watch import Watch
from service.jobs.work import do_job
from service.problems import problem_type
from service.settings import Settings

__all__ = ["Worker"]

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.25
LONGEST_PAUSE = 10.0
SWEEP_SECONDS = 60.0


class _Lost(NamedTuple):
    """The job was cancelled, or given to another worker."""


class _GivenBack(NamedTuple):
    """The worker is to end, and the job waits for another."""


Outcome = Done | Failed | Died | _Lost | _GivenBack


class Worker:
    """One job worker.

    Parameters
    ----------
    settings
        Limits and times.
    leases, files
        Where jobs and their files are.
    ending
        Asks the worker to end.
    do
        What the process of a job does.
    monotonic
        Seconds since whenever.
    """

    def __init__(
        self,
        settings: Settings,
        leases: Leases,
        files: JobFiles,
        ending: Ending,
        *,
        do: Do = do_job,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = secrets.token_hex(8)
        self._settings = settings
        self._leases = leases
        self._files = files
        self._ending = ending
        self._do = do
        self._monotonic = monotonic
        self._beat_seconds = min(1.0, settings.lease_seconds / 4)
        self._watch = Watch[Lease](settings.lease_seconds, monotonic=monotonic)
        self._next_look = self._next_sweep = -1.0

    def run(self) -> None:
        """Work until asked to end; a database that does not answer is asked again later and later."""
        pause = POLL_SECONDS
        while not self._ending:
            try:
                self._look_after()
                worked = self.step()
                pause = POLL_SECONDS
            except DATABASE_ERRORS as error:
                _log_fault(error)
                pause, worked = min(LONGEST_PAUSE, 2 * pause), False
            if not worked:
                self._ending.wait(pause)
        with _trying():
            self._leases.sign_out(self.name)

    def step(self) -> bool:
        """Do the next job; False if none waits."""
        job = self._leases.claim()
        if job is None:
            return False
        began = self._monotonic()
        self._log("job begun", job)
        try:
            with JobProcess(self._do, job, self._settings) as process:
                outcome = self._outcome(job, process)
        except OSError:  # no process can be started: not the job's fault
            self._insist(lambda: self._leases.give_back(job))
            raise
        self._settle(job, outcome, seconds=round(self._monotonic() - began, 3))
        return True

    def _outcome(self, job: Assignment, process: JobProcess) -> Outcome:
        progress: dict[str, Any] = {}
        deadline = self._monotonic() + self._settings.job_seconds
        next_beat = self._monotonic()
        while not self._ending:
            now = self._monotonic()
            if now >= deadline:
                return self._late()
            if now >= next_beat:
                if not self._beat(job, progress):
                    return _Lost()
                next_beat = now + self._beat_seconds
            self._ending.wait(min(next_beat, deadline) - self._monotonic(), process.connection)
            for message in process.messages():
                if isinstance(message, Done | Failed | Died):
                    return message
                if isinstance(message, MayPublish):
                    ours = self._insist(partial(self._leases.beat, job, progress))  # here only a yes will do
                    process.answer(bool(ours))
                else:
                    progress = message
        return _GivenBack()

    def _late(self) -> Failed:
        detail = f"The job took longer than {self._settings.job_seconds} seconds. Hand the file in in parts."
        return Failed(type=problem_type("out-of-time"), detail=detail, errors=[])

    def _beat(self, job: Assignment, progress: dict[str, Any]) -> bool:
        """Give a sign of life; a database that does not answer leaves the job ours until it says otherwise."""
        ours = True
        with _trying():
            ours = self._leases.beat(job, progress)
            self._look_after()
        return ours

    def _settle(self, job: Assignment, outcome: Outcome, *, seconds: float) -> None:
        if isinstance(outcome, Done):
            ours = self._insist(lambda: self._leases.succeed(job, outcome))
        elif isinstance(outcome, Failed):
            ours = self._insist(lambda: self._leases.fail(job, outcome))
        elif isinstance(outcome, Died):
            ours = self._insist(lambda: self._leases.died(job, outcome))
        else:
            ours = isinstance(outcome, _GivenBack) and self._insist(lambda: self._leases.give_back(job))
        cause = _cause(outcome)
        self._log(_MESSAGES[type(outcome)] if ours else _MESSAGES[_Lost], job, seconds=seconds, **cause)
        if ours is not None:  # else nobody knows how it ended, and a later look at the files will tell
            self._clean(job, outcome, ours=ours)

    def _clean(self, job: Assignment, outcome: Outcome, *, ours: bool) -> None:
        with _trying():
            if not (ours and isinstance(outcome, Done)):
                self._files.remove_attempt(job.id, job.token)
            if ours and isinstance(outcome, Done | Failed):
                self._files.remove_upload(job.id)

    def _insist(self, change: Callable[[], bool]) -> bool | None:
        """Make a change, again and again if the database does not answer; None if the worker is to end before."""
        pause = POLL_SECONDS
        while True:
            try:
                return change()
            except DATABASE_ERRORS as error:
                _log_fault(error)
            if self._ending:
                return None
            self._ending.wait(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _look_after(self) -> None:
        """Say that the worker is there, and look for jobs and files that were left behind, every now and then."""
        now = self._monotonic()
        if now >= self._next_look:
            self._next_look = now + min(5.0, self._settings.lease_seconds / 4)
            self._leases.sign_in(self.name)
            for lease in self._watch.unchanged(self._leases.leases()):
                seconds = self._settings.lease_seconds
                if self._leases.died(lease, f"its worker gave no sign of life for {seconds} seconds"):
                    logger.warning("job taken from a worker that is gone", extra={"fields": {"job": lease.id}})
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            self._leases.forget()
            removed = self._files.sweep(self._leases.files_in_use)
            if removed:
                logger.info("files removed", extra={"fields": {"files": removed}})

    def _log(self, message: str, job: Assignment, **fields: Any) -> None:
        told = {"job": job.id, "kind": job.kind, "attempt": job.attempt, "worker": self.name, **fields}
        logger.info(message, extra={"fields": told})


_MESSAGES = {
    Done: "job succeeded",
    Failed: "job failed",
    Died: "process of the job died",
    _Lost: "job was cancelled or given to another worker",
    _GivenBack: "job given back",
}


def _cause(outcome: Outcome) -> dict[str, Any]:
    """Return what the log tells of an outcome beside its name: kinds and causes, never what was sent."""
    if isinstance(outcome, Failed):
        return {"problem": outcome["type"].rpartition(":")[2]}
    return {"death": str(outcome)} if isinstance(outcome, Died) else {}


@contextmanager
def _trying() -> Iterator[None]:
    try:
        yield
    except DATABASE_ERRORS as error:
        _log_fault(error)


def _log_fault(error: BaseException) -> None:
    logger.error("the jobs' database or folder cannot be worked with", extra={"fields": fault_fields(error)})
