"""What is asked of the HTTP service and what it answers, as types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypedDict

from forecaster.bodies import frame_of
from forecaster.columns import ColumnNames
from forecaster.errors import ServiceError

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ExplainOptions",
    "ForecastOptions",
    "Inspection",
    "Job",
    "ServiceExplanation",
    "ServiceForecast",
    "explanation_from",
    "inspection_from",
    "job_from",
    "json_of",
    "skipped_of",
    "unless_failed",
]

_STATES = ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state")


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


class ExplainOptions(TypedDict, total=False):
    """Whose gates to show; what is left out is as the service says."""

    freq: str | int
    model: str
    timezone: str
    season: int
    network: int
    layer: int


@dataclass(frozen=True, slots=True)
class ServiceExplanation:
    """What the gates did on the way to the forecast of each series.

    Attributes
    ----------
    model, version, freq, engine
        Which model it is, and what computed: ``compiled`` or ``plain``.
    networks, layers
        How many networks the model has, and how many layers each of them.
    explanations
        For each series its ``unique_id``, ``ds``, ``y`` and ``networks``, which have ``layers``, which have
        ``forget_gate`` and so on: for each unit its values, one for each step.
    skipped
        Series that cannot be forecast: id and reason.
    """

    model: str
    version: str
    freq: str
    engine: str
    networks: int
    layers: tuple[int, ...]
    explanations: tuple[dict[str, Any], ...]
    skipped: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """Return gates and states as a long data frame: a row for each series, network, layer, unit and step."""
        return frame_of(map(_rows_of, self._layers()), None, ColumnNames())

    def _layers(self) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
        for series in self.explanations:
            for network in series["networks"]:
                for layer in network["layers"]:
                    yield series, network, layer


def _rows_of(which: tuple[dict[str, Any], dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    """Return the columns of one layer: its units one below the other."""
    series, network, layer = which
    steps, units = network["steps"], layer["units"]
    return {
        "unique_id": series["unique_id"],
        "ds": series["ds"][-steps:] * units,
        "y": series["y"][-steps:] * units,
        "network": network["network"],
        "layer": layer["layer"],
        "unit": [unit for unit in range(units) for _ in range(steps)],
        **{name: [value for unit in layer[name] for value in unit] for name in _STATES},
    }


@dataclass(frozen=True, slots=True)
class Inspection:
    """What a table holds, as the service tells it.

    Attributes
    ----------
    columns
        ``name`` and ``role`` of each column: id, time, target, series (of a wide table) or unused.
    layout
        long, single or wide.
    rows, freq, season, timezone
        Of the table and its series; freq and season are None if no series can be read.
    series
        ``unique_id``, ``start``, ``end``, ``length`` and ``missing`` of each series that can be read.
    findings, findings_total
        ``line``, ``unique_id``, ``column``, ``severity``, ``problem`` and ``action`` of what is wrong or odd, the
        gravest first; how many there are.
    values
        The series in columns, if they were asked for.
    id_col, time_col, target_col
        Columns to name; None is one that need not be. `names` has them for `Client.forecast`.
    """

    columns: tuple[dict[str, Any], ...]
    layout: str
    rows: int
    freq: str | None
    season: int | None
    timezone: str | None
    series: tuple[dict[str, Any], ...]
    findings: tuple[dict[str, Any], ...]
    findings_total: int
    values: dict[str, Any] | None = None
    id_col: str | None = None
    time_col: str | None = None
    target_col: str | None = None

    @property
    def names(self) -> ColumnNames:
        """The names with which the table is read."""
        named = {"id_col": self.id_col, "time_col": self.time_col, "target_col": self.target_col}
        return ColumnNames(**{parameter: name for parameter, name in named.items() if name is not None})


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


def skipped_of(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the series without an outcome, and the reason of each."""
    return {item["unique_id"]: item["reason"] for item in answer["skipped"]}


def explanation_from(answer: Mapping[str, Any]) -> ServiceExplanation:
    """Return an explanation; what a newer service says beyond it is left out."""
    known = _known(ServiceExplanation, answer)
    several = {name: tuple(known[name]) for name in ("layers", "explanations")}
    return ServiceExplanation(**known | several | {"skipped": skipped_of(answer)})


def job_from(described: Mapping[str, Any]) -> Job:
    """Return a job; what a newer service says beyond it is left out."""
    return Job(**_known(Job, described))


def inspection_from(described: Mapping[str, Any]) -> Inspection:
    """Return what a table holds; what a newer service says beyond it is left out."""
    known = _known(Inspection, described)
    known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
    return Inspection(**known)


def _known(kind: Any, described: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in described.items() if name in names}


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
