"""What the shapes have in common, problem details and the answers to probes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

__all__ = ["LONGEST_ID", "FieldError", "Health", "Identifier", "ProblemDetails", "ServerLive", "ServerReady", "Strict"]

LONGEST_ID = 256
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_ID)]


class Strict(BaseModel):
    """Input: types are not converted, unknown fields are refused, numbers are finite."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, frozen=True)


class Health(BaseModel):
    """The answer to a probe."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["ok", "ready"]


class ServerLive(BaseModel):
    """The answer of the Open Inference Protocol to whether the process answers."""

    model_config = ConfigDict(extra="forbid")

    live: bool


class ServerReady(BaseModel):
    """The answer of the Open Inference Protocol to whether forecasts can be asked for."""

    model_config = ConfigDict(extra="forbid")

    ready: bool


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
