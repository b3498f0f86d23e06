"""A job as the rest of the service sees it: no database in sight."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from service.schemas.jobs import JobDescription

__all__ = ["FINISHED", "Assignment", "Draft", "Job", "QueueFigures", "description_of"]

FINISHED = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A job that is to be handed in; its file is on the disk.

    Attributes
    ----------
    id
        Its name, and that of its file.
    owner
        The key that made it; empty where there are none.
    bytes, digest
        Length of the file; SHA-256 of the options and the file.
    idempotency
        The Idempotency-Key, if one came.
    """

    id: str
    kind: str
    owner: str
    options: dict[str, Any]
    bytes: int
    digest: str
    idempotency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as its row has it."""

    id: str
    kind: str
    owner: str
    status: str
    created: float
    started: float | None
    finished: float | None
    expires: float | None
    attempts: int
    options: dict[str, Any]
    digest: str
    progress: dict[str, Any]
    result: dict[str, Any] | None
    model: dict[str, Any] | None
    error: dict[str, Any] | None

    @property
    def is_finished(self) -> bool:
        """Whether nothing will happen to it any more."""
        return self.status in FINISHED


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A job that a worker has been given.

    Attributes
    ----------
    token
        Random; whoever has it may report on the job, until it is given to another.
    attempt
        How often the job has been begun, this time included.
    """

    id: str
    kind: str
    token: str
    attempt: int
    created: float
    options: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueFigures:
    """What there is to watch about jobs.

    Attributes
    ----------
    counts
        Jobs by kind and status.
    oldest_waiting_seconds
        How long the oldest of the waiting jobs has been waiting; 0 if none is.
    workers
        Workers that have given a sign of life lately.
    """

    counts: dict[tuple[str, str], int] = field(default_factory=dict)
    oldest_waiting_seconds: float = 0.0
    workers: int = 0


def description_of(job: Job) -> JobDescription:
    """Return a job as it is described to its owner."""
    result = job.result and {name: value for name, value in job.result.items() if name != "file"}
    return JobDescription.model_validate(
        {
            "id": job.id,
            "kind": job.kind,
            "status": job.status,
            "progress": job.progress,
            "created": _written(job.created),
            "started": _written(job.started),
            "finished": _written(job.finished),
            "expires": _written(job.expires),
            "attempts": job.attempts,
            "options": job.options,
            "result": result,
            "model": job.model,
            "error": job.error,
        }
    )


def _written(moment: float | None) -> str | None:
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds")
