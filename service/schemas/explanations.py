"""Series in, gates and states of the networks out."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from service.schemas.forecasts import PanelOptions, SeriesOfAnyForm, SkippedSeries

__all__ = ["ExplainAnswer", "ExplainOptions", "ExplainRequest"]

EXAMPLE: JsonDict = {
    "series": [{"unique_id": "shop", "y": [12, 9, 11, 14, 17, 25, 21, 13, 9, 12, 15, 18, 27, 22, 13, 10]}],
    "network": 0,
    "layer": 0,
}


class ExplainOptions(PanelOptions):
    """Which of a model's networks and layers are wanted."""

    network: int | None = Field(default=None, ge=0, description="One of the model's networks, from 0. Default: all.")
    layer: int | None = Field(default=None, ge=0, description="One of their layers, from 0. Default: all.")


class ExplainRequest(ExplainOptions):
    """Series, and the model whose gates are to be seen."""

    model_config = ConfigDict(json_schema_extra={"example": EXAMPLE})

    series: SeriesOfAnyForm = Field(description="The series: an array of them, or all in columns.")


class Mover(BaseModel):
    """A unit whose cell state moved much before the forecast."""

    model_config = ConfigDict(extra="forbid")

    unit: int
    change: float = Field(description="Sum of the sizes of the changes of its cell state over movers_steps.")
    cell_state_before: float = Field(description="Its cell state before these steps.")
    cell_state: float = Field(description="Its cell state after the last step.")


class LayerExplanation(BaseModel):
    """What one LSTM layer did: for each unit an array of the steps."""

    model_config = ConfigDict(extra="forbid")

    layer: int
    units: int
    input_gate: list[list[float | None]] = Field(description="How much of the candidate is written; 0 to 1.")
    forget_gate: list[list[float | None]] = Field(description="How much of the memory is kept; 0 to 1.")
    candidate: list[list[float | None]] = Field(description="What may be written; -1 to 1.")
    output_gate: list[list[float | None]] = Field(description="How much of the memory is shown; 0 to 1.")
    cell_state: list[list[float | None]] = Field(description="The memory after each step.")
    hidden_state: list[list[float | None]] = Field(description="What the layer shows after each step; -1 to 1.")
    movers: list[Mover] = Field(description="The units whose cell state moved most, the first one most.")
    movers_steps: int = Field(
        description="Newest steps that count for that: a season, the network's horizon where there is none, or all."
    )


class NetworkExplanation(BaseModel):
    """What one network saw and did."""

    model_config = ConfigDict(extra="forbid")

    network: int
    steps: int = Field(description="How many of the newest of ds it saw; all arrays are of this length.")
    padding: int = Field(description="Steps before the begin of the series that it ran over, with inputs of zeros.")
    season_removed: bool = Field(description="Whether it saw the series without its season, which is put back later.")
    horizon: int = Field(description="Steps ahead it gives; farther ones are forecast from forecasts.")
    inputs: list[float | None] = Field(
        description="The values as it saw them: on its scale, the last one carried over gaps."
    )
    layers: list[LayerExplanation]


class SeriesExplanation(BaseModel):
    """What the networks saw of one series, and did."""

    model_config = ConfigDict(extra="forbid")

    unique_id: str
    ds: list[str] | list[int] = Field(description="The steps that were seen.")
    y: list[float | None] = Field(description="The values; null where one is missing.")
    networks: list[NetworkExplanation]


class ExplainAnswer(BaseModel):
    """Gates and states in the pass that the forecast is made of."""

    model_config = ConfigDict(extra="forbid")

    model: str
    version: str = Field(description="The version of the model; forecasts of the same version come from this pass.")
    freq: str = Field(description='The frequency of the series; "1" for integer steps.')
    engine: Literal["compiled", "plain"] = Field(
        description="What computed: compiled kernels, or NumPy (of the first series, if not all) until they are ready. "
        "They agree to about six digits."
    )
    networks: int = Field(description="How many networks the model has; its forecast is the mean of theirs.")
    layers: list[int] = Field(description="How many layers each of them has.")
    explanations: list[SeriesExplanation]
    skipped: list[SkippedSeries]
