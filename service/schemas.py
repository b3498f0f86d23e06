"""The shapes of requests and answers: they validate the raw bytes, and docs/openapi.json is generated from them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

__all__ = [
    "LONGEST_ID",
    "CsvOptions",
    "FieldError",
    "ForecastAnswer",
    "ForecastOptions",
    "ForecastRequest",
    "Health",
    "ModelDescription",
    "ModelList",
    "ProblemDetails",
    "Series",
    "SeriesForecast",
    "SkippedSeries",
]

LONGEST_ID = 256
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]
Level = Annotated[float, Field(gt=0, lt=100)]
EXAMPLE: JsonDict = {
    "series": [
        {"unique_id": "shop", "ds": [f"2024-01-0{day}" for day in range(1, 8)], "y": [12, 9, 11, None, 17, 25, 21]},
    ],
    "h": 7,
    "freq": "D",
    "level": [80, 95],
}


class _Strict(BaseModel):
    """Input: types are not converted, unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Series(_Strict):
    """One series: its values and, where known, their timestamps."""

    unique_id: Identifier = Field(description="Name of the series, unique in the request.")
    y: list[float | None] = Field(
        fail_fast=True, min_length=1, description="Values in the order of time; null where one is missing."
    )
    ds: list[str | int] | None = Field(
        default=None,
        fail_fast=True,
        description="Timestamps (ISO 8601) or integer steps, one for each value. All series have them or none has. "
        "Without them the values are steps 1, 2, 3, … and the forecast goes on counting.",
    )


class ForecastOptions(_Strict):
    """What to forecast; the same in a JSON body and in the query string of a CSV request."""

    h: int | None = Field(
        default=None, ge=1, description="Steps ahead. Default: the horizon the model was trained for."
    )
    freq: Annotated[str, StringConstraints(max_length=32)] | int | None = Field(
        default=None,
        description="Pandas alias such as D, W-SUN, MS, h or 15min, or an integer step. Default: taken from the "
        "timestamps.",
    )
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None,
        description="IANA zone of the timestamps, such as Europe/Berlin; needed where their UTC offsets change.",
    )
    level: list[Level] = Field(
        default=[80.0, 95.0], max_length=10, description="Levels of the prediction intervals, in per cent."
    )
    model: Identifier | None = Field(
        default=None,
        description="A name from /v1/models; base for the base weights, which fit every frequency. Default: the "
        "configured one, or the only one, that fits the frequency; base where nothing was trained.",
    )
    season: int | None = Field(
        default=None,
        ge=1,
        description="Steps of a season, such as 7 for days; for base only, a trained model has its own. Default: that "
        "of the frequency.",
    )


class CsvOptions(ForecastOptions):
    """The options of a CSV request: what to forecast, and what the columns are called."""

    id_col: Identifier = Field(default="unique_id", description="Column of the series ids.")
    time_col: Identifier = Field(default="ds", description="Column of the timestamps.")
    target_col: Identifier = Field(default="y", description="Column of the values.")


class ForecastRequest(ForecastOptions):
    """Series to forecast, and how."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    series: list[Series] = Field(fail_fast=True, min_length=1, description="The series, in any number.")


class SeriesForecast(BaseModel):
    """The forecast of one series, in the columns of the CSV answer: LSTM-lo-95, LSTM-hi-95 and so on for each level."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[float]]

    unique_id: str
    ds: list[str] | list[int] = Field(description="Timestamps of the forecast, or integer steps.")
    LSTM: list[float] = Field(description="The median forecast.")


class SkippedSeries(BaseModel):
    """A series without a forecast."""

    model_config = ConfigDict(extra="forbid")

    unique_id: str
    reason: str


class ForecastAnswer(BaseModel):
    """An outcome for each series: a forecast, or the reason there is none."""

    model_config = ConfigDict(extra="forbid")

    model: str
    h: int
    freq: str = Field(description='The frequency of the series; "1" for integer steps.')
    level: list[float]
    forecasts: list[SeriesForecast]
    skipped: list[SkippedSeries]


class ModelDescription(BaseModel):
    """One model of the folder, or the base weights of the package."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: Literal["ready", "failed"] = Field(description="ready: it has made a forecast since the service started.")
    default: bool = Field(description="Whether it answers requests that name no model.")
    sha256: dict[str, str] = Field(description="Files of the model and their digests, checked when it was loaded.")
    info: dict[str, Any] = Field(
        description="What model.json holds: architecture, frequency, horizon, accuracy, …. Of the base weights: "
        "horizon and season for each of the kinds of series they know."
    )


class ModelList(BaseModel):
    """The models that can be asked for."""

    model_config = ConfigDict(extra="forbid")

    models: list[ModelDescription]


class Health(BaseModel):
    """The answer to a probe."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok", "ready"]


class FieldError(BaseModel):
    """One thing that is wrong in a request."""

    model_config = ConfigDict(extra="forbid")

    field: str = Field(description="Where: series[0].y[3] in a JSON body, a column or an option otherwise.")
    expected: str
    got: str | None = Field(default=None, description="The kind of value that came.")
    series: str | None = Field(default=None, description="The id of the series at fault.")
    row: int | None = Field(default=None, description="The line of a CSV body, the header being line 1.")


class ProblemDetails(BaseModel):
    """Problem details as in RFC 9457, media type application/problem+json."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Which kind of problem; docs/http-api.md lists them.")
    title: str
    status: int
    detail: str
    request_id: str = Field(description="The X-Request-ID of the answer; the service's log has it too.")
    errors: list[FieldError] = Field(default=[], description="What is wrong, field by field.")
