"""Jobs, as they are asked for and described."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.base import FieldError, Identifier, Strict
from service.schemas.forecasts import CsvOptions

__all__ = [
    "JobDescription",
    "JobFault",
    "JobKind",
    "JobList",
    "JobModel",
    "JobOptions",
    "JobPage",
    "JobProgress",
    "JobResult",
    "JobStatus",
    "TrainedModel",
]

JobKind = Literal["forecast", "train"]
JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
_OF_THE_OTHER_KIND = {
    "forecast": frozenset(("name", "publish", "seed", "cell", "init", "steps")),
    "train": frozenset(("model", "level", "quantiles")),
}


class JobOptions(CsvOptions):
    """What a job does, and how its file is read."""

    kind: JobKind = Field(description="What to do with the file: forecast its series, or train a model on them.")
    name: Identifier | None = Field(default=None, description="For train: what the model is called.")
    publish: bool = Field(
        default=True, description="For train: whether the new version answers requests as soon as it is there."
    )
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="For train: the same seed, file and options give the same weights."
    )
    cell: Literal["lstm", "gru", "rnn"] = Field(
        default="lstm",
        description="For train: the recurrent cell. Forecasts of the model are in columns called after it.",
    )
    init: Literal["base", "random"] | None = Field(
        default=None,
        description="For train: start from the base weights of the package, or from random ones. Default: base for "
        "lstm, random for other cells, which the package has no weights of.",
    )
    steps: int | None = Field(
        default=None, ge=1, le=1_000_000, description="For train: steps at the most. Default: by the frequency."
    )

    @property
    def meaningless(self) -> frozenset[str]:
        """Options that say nothing to a job of this kind."""
        return _OF_THE_OTHER_KIND[self.kind]


class JobPage(Strict):
    """Which jobs to list."""

    limit: int = Field(default=20, ge=1, le=100, description="How many at the most.")
    before: Identifier | None = Field(
        default=None, description="The id of a job: those handed in before it, such as the last one of the page before."
    )


class JobProgress(BaseModel):
    """How far a job is."""

    model_config = ConfigDict(extra="forbid")

    percent: float = Field(default=0, description="Of the work, 0 to 100.")
    rows: int = Field(default=0, description="Values forecast from, or read to train on, so far.")
    rows_total: int | None = Field(default=None, description="Values of the file with its gaps; null until it is read.")
    series: int = Field(default=0, description="Series that are done.")
    series_total: int | None = Field(default=None, description="Series of the file; null until it is read.")
    step: int | None = Field(default=None, description="train: steps made.")
    steps: int | None = Field(default=None, description="train: steps to be made at the most.")
    losses: list[tuple[int, float]] | None = Field(
        default=None, description="train: step and loss on the held-out values, or on those trained on without such."
    )


class JobResult(BaseModel):
    """What came of a job; the file itself is at /v1/jobs/{id}/result."""

    model_config = ConfigDict(extra="forbid")

    bytes: int = Field(description="Length of the file.")
    sha256: str = Field(description="Its digest.")
    rows: int = Field(description="forecast: its rows below the header. train: 0.")
    skipped: int = Field(description="forecast: series that have no forecast, listed at /v1/jobs/{id}/skipped.")


class JobModel(BaseModel):
    """The model that a job used or made."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str | None = Field(description="Null for the base weights.")


class JobFault(BaseModel):
    """Why a job failed, as the problem that the same fault is in a request."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="As in problems; docs/http-api.md lists them.")
    detail: str
    errors: list[FieldError] = Field(default=[], description="What is wrong, field by field.")


class JobDescription(BaseModel):
    """A job: what was asked, how far it is and what came of it."""

    model_config = ConfigDict(extra="forbid")

    id: str
    kind: JobKind
    status: JobStatus
    progress: JobProgress
    created: str = Field(description="When it was handed in; this and the other times in UTC, ISO 8601.")
    started: str | None = Field(description="When the work on it began, the last time if it was begun again.")
    finished: str | None
    expires: str | None = Field(description="When its result is removed; its description is kept as long again.")
    attempts: int = Field(description="Times that it was begun.")
    options: dict[str, Any] = Field(description="Those of its kind, as they were given or by default.")
    result: JobResult | None
    model: JobModel | None
    error: JobFault | None


class JobList(BaseModel):
    """Jobs, newest first."""

    model_config = ConfigDict(extra="forbid")

    jobs: list[JobDescription]
    next: str | None = Field(description="`before` of the next page; null if there is none.")


class TrainedModel(BaseModel):
    """What a training made."""

    model_config = ConfigDict(extra="forbid")

    name: str
    version: str
    published: bool = Field(description="Whether the job made it the version that answers.")
    info: dict[str, Any] = Field(description="What model.json holds: architecture, frequency, horizon, accuracy, ….")
    warnings: list[str] = Field(description="What the training had to say, such as series that were too short for it.")
