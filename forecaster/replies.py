"""What is asked of the HTTP service and what it answers, as types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from forecaster.bodies import frame_of
from forecaster.columns import ColumnNames
from forecaster.errors import ServiceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ForecastOptions", "Job", "ServiceForecast", "job_from", "json_of", "unless_failed"]


class ForecastOptions(TypedDict, total=False):
    """What to forecast; what is left out is as the service says."""

    h: int
    freq: str | int
    level: Sequence[float]
    quantiles: Sequence[float]
    model: str
    timezone: str
    season: int


@dataclass(frozen=True, slots=True)
class ServiceForecast:
    """An outcome for each series.

    Attributes
    ----------
    model, freq, h
        What was forecast, and by which model.
    forecasts
        For each series its ``unique_id``, ``ds`` and columns such as ``LSTM``, ``LSTM-lo-80``.
    skipped
        Series without a forecast: id and reason.
    """

    model: str
    freq: str
    h: int
    forecasts: tuple[dict[str, Any], ...]
    skipped: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return the forecasts as a long data frame."""
        return frame_of(self.forecasts, None, ColumnNames())


@dataclass(frozen=True, slots=True)
class Job:
    """A job as the service describes it.

    Attributes
    ----------
    status
        queued, running, succeeded, failed or cancelled.
    progress
        ``percent``, ``rows``, ``series`` and so on.
    result, model, error
        Of one that has ended: bytes and sha256 of its result, the model it made, or why it failed.
    """

    id: str
    kind: str
    status: str
    progress: dict[str, Any]
    created: str | None = None
    started: str | None = None
    finished: str | None = None
    expires: str | None = None
    attempts: int = 0
    options: dict[str, Any] | None = None
    result: dict[str, Any] | None = None
    model: dict[str, Any] | None = None
    error: dict[str, Any] | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in {"succeeded", "failed", "cancelled"}


def json_of(answer: Any) -> Any:
    """Return what an answer holds.

    Raises
    ------
    ServiceError
        It is no JSON.
    """
    try:
        return json.loads(answer.read())
    except ValueError:
        raise ServiceError("The answer is not JSON. Is the address that of a Forecaster?", kind="not-json") from None


def job_from(described: Mapping[str, Any]) -> Job:
    """Return a job; what a newer service says beyond it is left out."""
    known = {field.name for field in fields(Job)}
    return Job(**{name: value for name, value in described.items() if name in known})


def unless_failed(job: Job) -> Job:
    """Return a job that has not failed.

    Raises
    ------
    ServiceError
        It has; `kind` and `detail` say why.
    """
    if job.status != "failed":
        return job
    error = job.error or {}
    detail = str(error.get("detail", "The service does not say why."))
    kind = str(error.get("type", "")).rpartition(":")[2]
    raise ServiceError(f"Job {job.id} failed: {detail}", kind=kind, detail=detail, errors=error.get("errors") or [])
