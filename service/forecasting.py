"""A forecast in pieces, so that a large one can be watched, ended and shared the machine with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from forecaster import Forecast, Panel, TooShortError
from service.models.served import Model
from service.problems import message_of

__all__ = ["Piece", "forecast_pieces"]

PIECE = 256
"""Series in a piece: enough for the kernels' batches, and a fraction of a second of work."""


class Piece(NamedTuple):
    """Some series of a panel and their outcome.

    Attributes
    ----------
    series, values
        How many of them, and of their values.
    forecast
        None if no series of the piece can be forecast.
    skipped
        Series that have no forecast: id and reason.
    """

    series: int
    values: int
    forecast: Forecast | None
    skipped: dict[str, str]


def forecast_pieces(
    model: Model, panel: Panel, *, h: int, level: tuple[float, ...], size: int = PIECE
) -> Iterator[Piece]:
    """Forecast a panel, `size` series at a time and in their order; no forecast depends on the size."""
    for start in range(0, len(panel), size):
        part = panel if len(panel) <= size else panel.select(np.arange(start, min(start + size, len(panel))))
        try:
            made = model.forecast(part, h=h, level=level)
        except TooShortError as error:
            yield Piece(len(part), len(part.values), None, dict.fromkeys(part.ids, message_of(error)))
        else:
            skipped = {name: message_of(reason) for name, reason in made.skipped.items()}
            yield Piece(len(part), len(part.values), made, skipped)
