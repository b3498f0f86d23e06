"""``POST /v1/forecast``."""

from __future__ import annotations

from typing import NamedTuple

from flask import Blueprint, Response, g, request

from service.admission import Admission, Turn, body_cost, forecast_cost
from service.answers import Writer
from service.baton import BATON
from service.bodies import media_type_sent, media_type_wanted, read_body
from service.contract import CSV, JSON, Answer, operation
from service.forecasting import forecast_pieces
from service.intake import frequency_of, intervals_of, read_json, read_options
from service.models.registry import ModelRegistry
from service.panels import Intake, check_limits, panel_of, panel_of_csv
from service.problems import Problem
from service.schemas.base import FieldError
from service.schemas.forecasts import CsvOptions, ForecastAnswer, ForecastOptions, ForecastRequest
from service.settings import Settings
from service.tracing import step

__all__ = ["CSV_BODY", "WORK_PROBLEMS", "forecast_routes", "refuse_query"]

CSV_BODY = {
    "schema": {"type": "string"},
    "example": "unique_id,ds,y\nshop,2024-01-01,12\nshop,2024-01-02,15\n",
}
WORK_PROBLEMS = (
    "malformed-body",
    "cross-site",
    "too-large",
    "unsupported-media-type",
    "invalid-request",
    "unknown-model",
    "limit-exceeded",
    "no-forecast",
    "not-ready",
    "busy",
    "out-of-time",
)
"""What a route may answer that takes series and works on them at once."""


def forecast_routes(registry: ModelRegistry, settings: Settings, admission: Admission) -> Blueprint:
    """Return the route ``/v1/forecast``."""
    routes = Blueprint("forecast", __name__, url_prefix="/v1")

    @routes.post("/forecast")
    @operation(
        id="forecast",
        summary="Forecast one or many series",
        description="JSON or CSV in, JSON or CSV out, by Content-Type and Accept. A series that cannot be forecast is "
        "listed with the reason and does not keep the others from their forecasts. Options of a CSV body come in the "
        "query string, those of a JSON body in the body.",
        scope="forecast",
        body={JSON: ForecastRequest, CSV: CSV_BODY},
        query=CsvOptions,
        answers={
            200: Answer(
                "The forecasts, and the series that have none.",
                {JSON: ForecastAnswer, CSV: {"type": "string"}},
                {
                    "Forecast-Model": "CSV only: the model that made the forecasts.",
                    "Forecast-Model-Version": "CSV only: the version of it that did.",
                    "Forecast-Skipped": "CSV only: how many series have no forecast; JSON gives the reasons.",
                },
            )
        },
        problems=("not-acceptable", *WORK_PROBLEMS),
    )
    def forecast() -> Response:
        """Forecast one or many series."""
        sent = media_type_sent(JSON, CSV)
        wanted = media_type_wanted(*sorted((JSON, CSV), key=lambda one: one != sent))
        registry.require_ready()
        body = read_body(settings)
        with admission.turn() as turn, BATON.taken(len(body)):
            turn.take(body_cost(len(body), is_json=sent == JSON))
            with step("parse"):
                intake, options = _read_json(body, settings) if sent == JSON else _read_csv(body, settings)
            return _forecast(intake, options, wanted, registry, settings, turn)

    return routes


class _Read(NamedTuple):
    intake: Intake
    options: ForecastOptions


def refuse_query() -> None:
    """Raise a problem if a request with a JSON body has options in its query string."""
    if request.args:
        error = FieldError(field="query string", expected="options in the body", got="options in the query string")
        raise Problem("invalid-request", "Options of a JSON request belong in its body.", errors=[error])


def _read_json(body: bytes, settings: Settings) -> _Read:
    refuse_query()
    asked = read_json(ForecastRequest, body, settings)
    return _Read(panel_of(asked.series, asked, settings), asked)


def _read_csv(body: bytes, settings: Settings) -> _Read:
    options = read_options(CsvOptions, request.args)
    return _Read(panel_of_csv(body, options, options, settings), options)


def _forecast(
    intake: Intake, options: ForecastOptions, wanted: str, registry: ModelRegistry, settings: Settings, turn: Turn
) -> Response:
    panel, spread = intake.panel, intervals_of(options.level, options.quantiles)
    served = registry.choose(options.model, frequency_of(options) or panel.frequency, options.season)
    h = options.h or int(served.info["horizon"])
    check_limits(panel, h, settings, columns=spread.columns)
    g.fields |= served.fields | {"series": len(panel), "values": len(panel.values), "h": h}
    cost = forecast_cost(served.model, series=len(panel), values=len(panel.values), h=h, columns=spread.columns)
    turn.take(cost)
    writer = Writer(wanted, intake.skipped, intake.names)
    with step("forecast"):
        for piece in forecast_pieces(served.model, panel, h=h, level=spread.levels, quantiles=spread.quantiles):
            writer.add(piece)
            turn.check()
    g.fields["skipped"] = writer.skipped_count
    return writer.answer(model=served, h=h, frequency=panel.frequency, spread=spread)
