"""A forecast in pieces, so that a large one can be watched, ended and shared the machine with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from forecaster import Forecast, InputError, Panel, TooShortError
from service.admission import forecast_cost
from service.models.served import Model
from service.problems import MAX_ERRORS, Problem, message_of
from service.schemas.base import FieldError

__all__ = ["Piece", "forecast_pieces", "joined", "no_forecast"]

_MOST = 256
"""Series in a piece: enough for the kernels' batches; more gain nothing."""
_LEAST = 16
_SECONDS = 0.1
"""Of processor time in a piece: how late the end of a request's time is noticed."""


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
    model: Model,
    panel: Panel,
    *,
    h: int,
    level: tuple[float, ...],
    quantiles: tuple[float, ...] = (),
    size: int | None = None,
) -> Iterator[Piece]:
    """Forecast a panel, `size` series at a time and in their order; no forecast depends on the size.

    `quantiles` are shown in place of the intervals, whose ends they are (`forecaster.intervals_asked`).
    """
    size = size or _usual_size(model, h)
    for start in range(0, len(panel), size):
        part = panel if len(panel) <= size else _slice(panel, start, start + size)
        try:
            made = model.forecast(part, h=h, level=level)
        except TooShortError as error:
            reasons = error.skipped or dict.fromkeys(part.ids, str(error))
            yield Piece(len(part), len(part.values), None, _for_clients(reasons))
        except InputError as error:
            if error.series is None:  # a fault of them all
                raise
            if len(part) == 1:
                yield Piece(1, len(part.values), None, _for_clients({part.ids[0]: str(error)}))
                continue
            half = -(
                -len(part) // 2
            )  # the series at fault, whose forecast would leave the calendar, is found by halving
            yield from forecast_pieces(model, part, h=h, level=level, quantiles=quantiles, size=half)
        else:
            shown = replace(made, quantiles=quantiles)
            yield Piece(len(part), len(part.values), shown, _for_clients(made.skipped))


def _slice(panel: Panel, start: int, end: int) -> Panel:
    return panel.select(np.arange(start, min(end, len(panel))))


def no_forecast(reasons: Mapping[str, str]) -> Problem:
    """Return the problem of a request of which no series can be forecast, from the reason of each."""
    errors = [
        FieldError(field="series", expected=reason, series=name) for name, reason in islice(reasons.items(), MAX_ERRORS)
    ]
    name, reason = next(iter(reasons.items()))
    whole = reason if reason.startswith("Series ") else f"Series {name!r} {reason}."
    return Problem("no-forecast", message_of(f"No series can be forecast. {whole}"), errors=errors)


def joined(forecasts: Sequence[Forecast]) -> Forecast:
    """Return the forecasts of pieces as one."""
    if len(forecasts) == 1:
        return forecasts[0]
    return replace(
        forecasts[0],
        ids=tuple(name for one in forecasts for name in one.ids),
        times=np.concatenate([one.times for one in forecasts]),
        point=np.concatenate([one.point for one in forecasts]),
        lower=np.concatenate([one.lower for one in forecasts]),
        upper=np.concatenate([one.upper for one in forecasts]),
    )


def _usual_size(model: Model, h: int) -> int:
    each = forecast_cost(model, series=_MOST, values=0, h=h, columns=0) / _MOST
    return max(_LEAST, min(_MOST, int(_SECONDS / each)))


def _for_clients(reasons: Mapping[str, str]) -> dict[str, str]:
    return {name: message_of(reason) for name, reason in reasons.items()}
