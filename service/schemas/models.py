"""Models, as they are listed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ModelDescription", "ModelList"]


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
