"""What was, in symbols; what comes next."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from service.schemas.base import Identifier, Strict

__all__ = ["NextAnswer", "NextRequest"]

LONGEST_TEXT, MOST_SYMBOLS, MOST_SUGGESTIONS = 20_000, 2_000, 100

Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT)]
Symbol = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Symbols = Annotated[list[Symbol], Field(max_length=MOST_SYMBOLS)]
Context = Annotated[
    Annotated[Text, Tag("(text)")] | Annotated[Symbols, Tag("(symbols)")],
    Discriminator(lambda given: "(symbols)" if isinstance(given, list) else "(text)"),
]
"""Of one form or the other: what is wrong is said of the one that was meant."""


class NextRequest(Strict):
    """What was so far, and how many suggestions are wanted."""

    model_config = ConfigDict(json_schema_extra={"example": {"context": "thanks for reaching", "k": 3}})

    context: Context = Field(
        description="A text, or an array of symbols. Only the newest 256 symbols are looked at; those the model does "
        "not know count as one that is unknown. Empty: what comes first."
    )
    model: Identifier | None = Field(
        default=None, description="A model of symbols. Default: the default model if it is one, else the only one."
    )
    k: int = Field(default=5, ge=1, le=MOST_SUGGESTIONS, description="Suggestions at the most.")


class SuggestionAnswer(BaseModel):
    """A symbol that may come next."""

    model_config = ConfigDict(extra="forbid")

    symbol: str
    probability: float = Field(ge=0, le=1)


class NextAnswer(BaseModel):
    """The likeliest symbols to come next."""

    model_config = ConfigDict(extra="forbid")

    model: str
    version: str
    units: Literal["words", "characters", "symbols"]
    unknown: int = Field(description="Symbols of the context that the model does not know.")
    suggestions: list[SuggestionAnswer] = Field(description="The likeliest first.")
