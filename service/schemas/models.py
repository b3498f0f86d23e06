"""Models, as they are listed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from service.models.failures import Fault
from service.schemas.base import Strict

__all__ = ["ModelDescription", "ModelList", "ModelVersion", "ModelVersions", "VersionChoice"]


class ModelDescription(BaseModel):
    """One model of the store, or the base weights of the package."""

    model_config = ConfigDict(extra="forbid")

    name: str
    status: Literal["ready", "failed", "unpublished"] = Field(
        description="ready: a version has made a forecast, and answers. failed: none has. unpublished: there are "
        "versions, and none was put into use."
    )
    default: bool = Field(description="Whether it answers requests that name no model.")
    version: str | None = Field(description="The version that answers.")
    loaded: str | None = Field(description="When this version was loaded, by the process that gives this answer.")
    fault: Fault | None = Field(
        description="Why the version that should answer does not, while an earlier one may; the log has more."
    )
    sha256: dict[str, str] = Field(description="Files of the version and their digests, checked when it was loaded.")
    info: dict[str, Any] = Field(
        description="What model.json holds: architecture, frequency, horizon, accuracy, …. Of the base weights: "
        "horizon and season for each of the kinds of series they know. Of a model of symbols: `size` in place of the "
        "symbols of its vocabulary."
    )


class ModelList(BaseModel):
    """The models that can be asked for."""

    model_config = ConfigDict(extra="forbid")

    models: list[ModelDescription]


class ModelVersion(BaseModel):
    """One version of a model."""

    model_config = ConfigDict(extra="forbid")

    version: str
    answers: bool = Field(description="Whether it is the one that answers.")


class ModelVersions(ModelDescription):
    """A model and its versions."""

    versions: list[ModelVersion] = Field(description="Newest first; none for the base weights of the package.")


class VersionChoice(Strict):
    """Which version of a model is to answer."""

    version: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        description="One of the model's versions."
    )
