"""A table in, what it holds out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.schemas.base import Identifier
from service.schemas.forecasts import ColumnName, TimeOptions

__all__ = ["InspectAnswer", "InspectOptions"]

Role = Literal["id", "time", "target", "series", "unused"]
Severity = Literal["error", "warning", "info"]


class InspectOptions(TimeOptions):
    """What is known of the table; the rest is told from it."""

    id_col: ColumnName | None = Field(
        default=None,
        description="Column of the series ids; empty: there is none, the table is one series. Default: guessed.",
    )
    time_col: Identifier | None = Field(default=None, description="Column of the timestamps. Default: guessed.")
    target_col: ColumnName | None = Field(
        default=None,
        description="Column of the values; empty: every column but the times is a series. Default: guessed.",
    )
    values: bool = Field(default=False, description="Whether the values of the series are wanted too.")


class InspectedColumn(BaseModel):
    """A column of the table."""

    model_config = ConfigDict(extra="forbid")

    name: str
    role: Role = Field(description="series: one of those of a wide table.")


class InspectedSeries(BaseModel):
    """A series that can be read, on its regular grid of time."""

    model_config = ConfigDict(extra="forbid")

    unique_id: str
    start: str | int = Field(description="Its first timestamp, or integer step.")
    end: str | int
    length: int = Field(description="Steps from start to end.")
    missing: int = Field(description="How many of them have no value.")


class InspectFinding(BaseModel):
    """Something that is wrong or odd, and what a forecast will do about it."""

    model_config = ConfigDict(extra="forbid")

    line: int | None = Field(description="Line of the body, the header being line 1.")
    unique_id: str | None
    column: str | None
    severity: Severity = Field(
        description="error: something is left out; warning: a forecast may suffer; info: good to know."
    )
    problem: str
    action: str


class InspectValues(BaseModel):
    """The series in columns, as a request takes them."""

    model_config = ConfigDict(extra="forbid")

    unique_id: list[str]
    sizes: list[int]
    ds: list[str] | list[int]
    y: list[float | None]


class InspectAnswer(BaseModel):
    """What a table holds."""

    model_config = ConfigDict(extra="forbid")

    columns: list[InspectedColumn]
    layout: Literal["long", "single", "wide"] = Field(
        description="long: ids in a column; single: one series; wide: each column is a series."
    )
    id_col: str | None = Field(
        description="Name with which other routes read the table; null: leave it out; empty: send it so."
    )
    time_col: str
    target_col: str | None = Field(description="As id_col.")
    rows: int = Field(description="Rows below the header.")
    freq: str | None = Field(description="Null if no series can be read.")
    season: int | None = Field(description="Steps of a season that are usual for the frequency.")
    timezone: str | None = Field(description="Time zone of the timestamps, if they have one.")
    series: list[InspectedSeries] = Field(description="The series that can be read.")
    findings: list[InspectFinding] = Field(description="The gravest first, then by line; at most 200.")
    findings_total: int
    values: InspectValues | None = Field(
        description="With values=true only: a gap in time is null in y, so that no step is left out."
    )
