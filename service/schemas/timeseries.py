"""Series in, forecasts out, in the shapes of KServe's time series forecast API.

Source: kserve/kserve, python/kserve/kserve/protocol/rest/timeseries/types.py, as of 2026. As there, further fields are
let pass, and not looked at.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.schemas.base import Identifier, Strict
from service.schemas.forecasts import Quantile

__all__ = ["TimeSeriesAnswer", "TimeSeriesInput", "TimeSeriesOptions", "TimeSeriesRequest"]

StepName = Literal[
    "second", "S", "minute", "T", "hour", "H", "day", "D", "week", "W", "month", "M", "quarter", "Q", "year", "Y"
]  # fmt: skip
Status = Literal["completed", "error", "partial"]

EXAMPLE: JsonDict = {
    "model": "base",
    "inputs": [
        {
            "type": "univariate_time_series",
            "name": "shop",
            "series": [12, 9, 11, 14, 17, 25, 21],
            "frequency": "D",
            "start_timestamp": "2024-01-01T00:00:00Z",
        }
    ],
    "options": {"horizon": 4, "quantiles": [0.1, 0.5, 0.9]},
}


class TimeSeriesInput(Strict):
    """One series."""

    model_config = ConfigDict(extra="ignore")

    type: Literal["univariate_time_series"] = Field(
        default="univariate_time_series", description="Series of several variables are refused."
    )
    name: Identifier = Field(description="Name of the series, unique in the request.")
    series: list[float | None] = Field(
        fail_fast=True, min_length=1, description="Values in the order of time; null where one is missing."
    )
    frequency: StepName = Field(description="The time between two values.")
    start_timestamp: str | None = Field(
        default=None, max_length=64, description="Time of the first value, ISO 8601. Without it, steps are counted."
    )


class TimeSeriesOptions(Strict):
    """What to forecast."""

    model_config = ConfigDict(extra="ignore")

    horizon: int = Field(ge=1, description="Steps ahead.")
    quantiles: list[Quantile] | None = Field(
        default=None, max_length=20, description="Quantiles between 0 and 1. Without them the point forecast alone."
    )


class TimeSeriesRequest(Strict):
    """Series to forecast, in KServe's shape."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"example": EXAMPLE})

    model: Identifier = Field(description="A name from /v1/models; base for the base weights.")
    inputs: list[TimeSeriesInput] = Field(fail_fast=True, min_length=1, description="The series.")
    options: TimeSeriesOptions = Field(description="How far, and which quantiles.")
    metadata: dict[str, Any] | None = Field(default=None, description="Anything of the caller's; not looked at.")


class TimeSeriesFault(BaseModel):
    """Why a series has no forecast."""

    model_config = ConfigDict(extra="forbid")

    code: str | None = None
    message: str
    param: str | None = Field(default=None, description="The field at fault, such as inputs[2].series.")
    type: str


class TimeSeriesForecast(BaseModel):
    """The forecast of one series."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["univariate_time_series"]
    name: str
    mean_forecast: list[float] = Field(description="The point forecast; it is the median.")
    frequency: StepName
    start_timestamp: str = Field(description="Time of the first forecast; empty where the input had none.")
    quantiles: dict[str, list[float]] | None = Field(description='By quantile, such as "0.1".')


class TimeSeriesOutput(BaseModel):
    """The outcome of one input, in the place it had in the request."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["time_series_forecast"]
    id: str
    status: Status
    content: list[TimeSeriesForecast]
    error: TimeSeriesFault | None


class TimeSeriesUsage(BaseModel):
    """How many numbers went in and came out."""

    model_config = ConfigDict(extra="forbid")

    prompt_tokens: int = Field(description="Values that were sent.")
    completion_tokens: int = Field(description="Steps that were forecast, of all series together.")
    total_tokens: int


class TimeSeriesAnswer(BaseModel):
    """An outcome for each input."""

    model_config = ConfigDict(extra="forbid")

    id: str
    created_at: int = Field(description="Seconds since 1970.")
    status: Status = Field(description="partial: some series have no forecast; error: none has.")
    error: TimeSeriesFault | None
    model: str
    outputs: list[TimeSeriesOutput]
    usage: TimeSeriesUsage
