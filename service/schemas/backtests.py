"""Series in, accuracy out."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.schemas.forecasts import ColumnOptions, SeriesOfAnyForm, SeriesOptions, SkippedSeries

__all__ = ["BacktestAnswer", "BacktestCsvOptions", "BacktestOptions", "BacktestRequest"]

EXAMPLE: JsonDict = {
    "series": [{"unique_id": "shop", "y": [12, 9, 11, 14, 17, 25, 21, 13, 9, 12, 15, 18, 27, 22, 13, 10]}],
    "h": 2,
    "windows": 3,
}


class BacktestOptions(SeriesOptions):
    """What to compare; the same in a JSON body and in the query string of a CSV request."""

    windows: int = Field(
        default=3, ge=1, le=100, description="Cutoffs to forecast from; the newest is h steps before the end."
    )
    step: int | None = Field(default=None, ge=1, description="Steps between cutoffs. Default: h, so that none overlap.")
    details: bool = Field(default=False, description="Whether the forecasts are wanted too, beside what came.")


class BacktestCsvOptions(BacktestOptions, ColumnOptions):
    """The options of a CSV request: what to compare, and what the columns are called."""


class BacktestRequest(BacktestOptions):
    """Series to forecast from earlier cutoffs, and how."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    series: SeriesOfAnyForm = Field(description="The series: an array of them, or all in columns.")


class AccuracyRow(BaseModel):
    """How good one model was, over all series and cutoffs; MSIS_80 and coverage_80 and so on for each level."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, float | None]

    model: str = Field(
        description="LSTM (or GRU, RNN) is the model asked for; the others are simple methods to hold it against."
    )
    MAE: float | None
    RMSE: float | None
    sMAPE: float | None  # noqa: N815 - as it is called in every table
    WAPE: float | None
    MASE: float | None = Field(description="Null where all series are constant.")
    pinball: float | None


class BacktestForecast(BaseModel):
    """What was forecast of one series from one cutoff, in columns LSTM, LSTM-lo-80, …, Naive, …, and what came."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, list[float]]

    unique_id: str
    cutoff: str | int = Field(description="The last time that was known.")
    ds: list[str] | list[int]
    y: list[float | None] = Field(description="What came; null where it is missing.")


class BacktestAnswer(BaseModel):
    """The accuracy of a model beside that of simple methods, on the same values."""

    model_config = ConfigDict(extra="forbid")

    model: str
    h: int
    freq: str = Field(description='The frequency of the series; "1" for integer steps.')
    season: int = Field(description="Steps of a season, of SeasonalNaive and MASE.")
    level: list[float]
    cutoffs: int
    series: int = Field(description="Series that took part.")
    accuracy: list[AccuracyRow]
    forecasts: list[BacktestForecast] | None = Field(description="With details only.")
    skipped: list[SkippedSeries]
