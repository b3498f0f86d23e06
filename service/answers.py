"""From a forecast to the body of an answer: JSON or CSV, with the same column names."""

from __future__ import annotations

from typing import Any

import pydantic_core
from flask import Response

from forecaster import ColumnNames, Forecast, forecast_csv
from service.contract import CSV, JSON
from service.models.served import ServedModel

__all__ = ["csv_answer", "json_answer"]


def json_answer(forecast: Forecast, *, model: ServedModel, skipped: dict[str, str]) -> Response:
    """Return the forecast as a `service.schemas.forecasts.ForecastAnswer`.

    It is not validated on its way out: a test holds it to the schema.
    """
    answer = {
        "model": model.name,
        "version": model.version,
        "h": forecast.h,
        "freq": forecast.frequency.alias,
        "level": forecast.levels,
        "forecasts": _series_forecasts(forecast),
        "skipped": [{"unique_id": name, "reason": reason} for name, reason in skipped.items()],
    }
    return Response(pydantic_core.to_json(answer), content_type=JSON)


def _series_forecasts(forecast: Forecast) -> list[dict[str, Any]]:
    times = forecast.times.tolist() if forecast.frequency.is_integer else forecast.labels
    point, lower, upper = forecast.point.tolist(), forecast.lower.tolist(), forecast.upper.tolist()
    answers = []
    for number, unique_id in enumerate(forecast.ids):
        answer = {"unique_id": unique_id, "ds": times[number], forecast.alias: point[number]}
        for place, level in reversed(list(enumerate(forecast.levels))):
            answer[f"{forecast.alias}-lo-{level:g}"] = lower[number][place]
        for place, level in enumerate(forecast.levels):
            answer[f"{forecast.alias}-hi-{level:g}"] = upper[number][place]
        answers.append(answer)
    return answers


def csv_answer(
    forecast: Forecast, *, model: ServedModel, skipped: dict[str, str], names: ColumnNames | None
) -> Response:
    """Return the forecast as CSV; headers say which model made it and how many series have none."""
    headers = {
        "Forecast-Model": model.name.encode("ascii", "replace").decode(),
        "Forecast-Model-Version": model.version,
        "Forecast-Skipped": str(len(skipped)),
    }
    return Response(forecast_csv(forecast, names), content_type=f"{CSV}; charset=utf-8", headers=headers)
