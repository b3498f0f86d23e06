"""From the pieces of a forecast to the body of an answer: JSON or CSV, with the same column names.

Each piece is written when it is made, so that the memory and the time of a long answer come in small portions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pydantic_core
from flask import Response

from forecaster import ColumnNames, Forecast, Frequency, forecast_csv
from service.contract import CSV, JSON
from service.forecasting import Piece, no_forecast
from service.intake import Spread
from service.models.served import ServedModel

__all__ = ["Writer", "series_forecasts", "skipped_series", "to_json"]


@dataclass(slots=True)
class Writer:
    """Collects the pieces of one answer.

    Attributes
    ----------
    media_type
        What the answer is written as.
    skipped
        Series that have no forecast: id and reason.
    names
        Names of the columns of a CSV.
    """

    media_type: str
    skipped: dict[str, str]
    names: ColumnNames | None = None
    _parts: list[bytes] = field(default_factory=list)
    _too_short: dict[str, str] = field(default_factory=dict)

    def add(self, piece: Piece) -> None:
        """Write a piece."""
        self._too_short |= piece.skipped
        if piece.forecast is None:
            return
        if self.media_type == JSON:
            self._parts.append(to_json(list(series_forecasts(piece.forecast)))[1:-1])
            return
        self._parts.append(forecast_csv(piece.forecast, self.names, header=not self._parts).encode())

    def answer(self, *, model: ServedModel, h: int, frequency: Frequency, spread: Spread) -> Response:
        """Return the answer, in JSON a `service.schemas.forecasts.ForecastAnswer`.

        It is not validated on its way out: a test holds it to the schema.

        Raises
        ------
        Problem
            No series has a forecast.
        """
        if not self._parts:
            raise no_forecast(self._too_short | self.skipped)
        skipped = self.skipped | self._too_short
        if self.media_type == CSV:
            headers = {"Forecast-Model": model.name.encode("ascii", "replace").decode()}
            headers |= {"Forecast-Model-Version": model.version, "Forecast-Skipped": str(len(skipped))}
            return Response(b"".join(self._parts), content_type=f"{CSV}; charset=utf-8", headers=headers)
        head = {
            "model": model.name,
            "version": model.version,
            "h": h,
            "freq": frequency.alias,
            "level": () if spread.quantiles else spread.levels,
            "quantiles": spread.quantiles,
        }
        body = b'%b,"forecasts":[%b],"skipped":%b}' % (
            to_json(head)[:-1],
            b",".join(self._parts),
            to_json(skipped_series(skipped)),
        )
        return Response(body, content_type=JSON)

    @property
    def skipped_count(self) -> int:
        """How many series have no forecast."""
        return len(self.skipped) + len(self._too_short)


def to_json(value: Any) -> bytes:
    """Return JSON; numbers that are none, such as the scaled error of a constant series, are null."""
    return pydantic_core.to_json(value, inf_nan_mode="null")


def skipped_series(skipped: dict[str, str]) -> list[dict[str, str]]:
    """Return series without a forecast as `service.schemas.forecasts.SkippedSeries`."""
    return [{"unique_id": name, "reason": reason} for name, reason in skipped.items()]


def series_forecasts(forecast: Forecast) -> Iterator[dict[str, Any]]:
    """Yield a `service.schemas.forecasts.SeriesForecast` for each series."""
    times = forecast.times.tolist() if forecast.frequency.is_integer else forecast.labels
    columns = {name: values.tolist() for name, values in ({forecast.alias: forecast.point} | forecast.bounds).items()}
    for number, unique_id in enumerate(forecast.ids):
        own = {name: values[number] for name, values in columns.items()}
        yield {"unique_id": unique_id, "ds": times[number], **own}
