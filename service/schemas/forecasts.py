"""Series in, forecasts out."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.config import JsonDict

from service.schemas.base import LONGEST_ID, Identifier, Strict

__all__ = [
    "ColumnName",
    "ColumnOptions",
    "Columns",
    "CsvOptions",
    "ForecastAnswer",
    "ForecastOptions",
    "ForecastRequest",
    "PanelOptions",
    "Series",
    "SeriesForecast",
    "SeriesOfAnyForm",
    "SeriesOptions",
    "SkippedSeries",
    "TimeOptions",
]

Level = Annotated[float, Field(gt=0, lt=100)]
ColumnName = Annotated[str, StringConstraints(max_length=LONGEST_ID)]
Quantile = Annotated[float, Field(gt=0, lt=1)]
EXAMPLE: JsonDict = {
    "series": [
        {"unique_id": "shop", "ds": [f"2024-01-0{day}" for day in range(1, 8)], "y": [12, 9, 11, None, 17, 25, 21]},
    ],
    "h": 7,
    "freq": "D",
    "level": [80, 95],
}


class Series(Strict):
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


class Columns(Strict):
    """All series in columns: their values one series after the other."""

    y: list[float | None] = Field(
        fail_fast=True,
        min_length=1,
        description="Values of all series, one series after the other; null where one is missing.",
    )
    sizes: list[Annotated[int, Field(ge=1)]] = Field(
        fail_fast=True, min_length=1, description="How many values each series has; they add up to those in y."
    )
    unique_id: list[Identifier] | None = Field(
        default=None, fail_fast=True, description='Names of the series, one for each size. Default: "0", "1" and so on.'
    )
    ds: list[str | int] | None = Field(
        default=None, fail_fast=True, description="Timestamps (ISO 8601) or integer steps, one for each value in y."
    )


SeriesOfAnyForm = Annotated[
    Annotated[list[Series], Field(fail_fast=True, min_length=1, description="The series, in any number.")] | Columns,
    # Not told apart by a discriminator: it would have the whole body made into Python objects first, a third more time.
    Field(union_mode="left_to_right"),
]


class TimeOptions(Strict):
    """How the timestamps are meant."""

    freq: Annotated[str, StringConstraints(max_length=32)] | int | None = Field(
        default=None,
        description="Pandas alias such as D, W-SUN, MS, h or 15min, or an integer step. Default: taken from the "
        "timestamps.",
    )
    timezone: Annotated[str, StringConstraints(max_length=64)] | None = Field(
        default=None,
        description="IANA zone of the timestamps, such as Europe/Berlin; needed where their UTC offsets change.",
    )


class PanelOptions(TimeOptions):
    """What the series are, and which model is asked."""

    model: Identifier | None = Field(
        default=None,
        description="A name from /v1/models; base for the base weights, which fit every frequency. Default: the "
        "configured one, which is base unless the operator chose another.",
    )
    season: int | None = Field(
        default=None,
        ge=1,
        description="Steps of a season, such as 7 for days; for base only, a trained model has its own. Default: that "
        "of the frequency.",
    )


class SeriesOptions(PanelOptions):
    """What the series are, and how far and with which intervals to forecast them."""

    h: int | None = Field(
        default=None, ge=1, description="Steps ahead. Default: the horizon the model was trained for."
    )
    level: list[Level] | None = Field(
        default=None,
        max_length=10,
        description="Levels of the prediction intervals, in per cent. Default: 80 and 95.",
    )


class ColumnOptions(Strict):
    """What the columns of a CSV are called."""

    id_col: ColumnName = Field(
        default="unique_id",
        description="Column of the series ids. Empty: there is none, the table is one series, and columns beside the "
        "times and the values are not used.",
    )
    time_col: Identifier = Field(default="ds", description="Column of the timestamps.")
    target_col: ColumnName = Field(
        default="y", description="Column of the values. Empty: every column but the times is a series."
    )


class ForecastOptions(SeriesOptions):
    """What to forecast; the same in a JSON body and in the query string of a CSV request."""

    quantiles: list[Quantile] | None = Field(
        default=None,
        min_length=1,
        max_length=20,
        description="Quantiles between 0 and 1 in place of level, such as 0.1 and 0.9: columns LSTM-q-10, LSTM-q-90.",
    )


class CsvOptions(ForecastOptions, ColumnOptions):
    """The options of a CSV request: what to forecast, and what the columns are called."""


class ForecastRequest(ForecastOptions):
    """Series to forecast, and how."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    series: SeriesOfAnyForm = Field(description="The series: an array of them, or all in columns.")


class SeriesForecast(BaseModel):
    """The forecast of one series, in the columns of the CSV answer: LSTM-lo-95, LSTM-hi-95 … or LSTM-q-10 …."""

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
    version: str = Field(description="The version of the model that made all of these forecasts.")
    h: int
    freq: str = Field(description='The frequency of the series; "1" for integer steps.')
    level: list[float] = Field(description="Levels of the intervals; none where quantiles were asked for.")
    quantiles: list[float] = Field(description="The quantiles asked for; none where there are levels.")
    forecasts: list[SeriesForecast]
    skipped: list[SkippedSeries]
