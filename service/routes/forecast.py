"""``POST /v1/forecast``."""

from __future__ import annotations

from itertools import islice
from typing import NamedTuple

from flask import Blueprint, Response, g, request
from werkzeug.exceptions import RequestEntityTooLarge

from forecaster import ColumnNames, Forecast, Limits, TooShortError, parse_csv
from service.answers import csv_answer, json_answer
from service.contract import CSV, JSON, Answer, operation
from service.intake import Intake, check_limits, frequency_of, panel_of, read_json, read_options
from service.models.registry import ModelRegistry
from service.models.served import ServedModel
from service.problems import MAX_ERRORS, Problem, field_error, message_of
from service.schemas.base import FieldError
from service.schemas.forecasts import CsvOptions, ForecastAnswer, ForecastOptions, ForecastRequest
from service.settings import Settings

__all__ = ["forecast_routes"]

MEDIA_TYPES = (JSON, CSV)


CSV_BODY = {
    "schema": {"type": "string"},
    "example": "unique_id,ds,y\nshop,2024-01-01,12\nshop,2024-01-02,15\n",
}


def forecast_routes(registry: ModelRegistry, settings: Settings) -> Blueprint:
    """Return the route ``/v1/forecast``."""
    routes = Blueprint("forecast", __name__, url_prefix="/v1")

    @routes.post("/forecast")
    @operation(
        id="forecast",
        summary="Forecast one or many series",
        description="JSON or CSV in, JSON or CSV out, by Content-Type and Accept. A series of a JSON body that cannot "
        "be forecast is listed with the reason and does not keep the others from their forecasts; of a CSV body those "
        "that are too short are, and any other fault is one of the whole table. Options of a CSV body come in the "
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
        problems=(
            "malformed-body",
            "not-acceptable",
            "too-large",
            "unsupported-media-type",
            "invalid-request",
            "unknown-model",
            "limit-exceeded",
            "no-forecast",
            "not-ready",
        ),
    )
    def forecast() -> Response:
        """Forecast one or many series."""
        sent = _media_type_sent()
        wanted = _media_type_wanted(default=sent)
        registry.require_ready()
        intake, options = _read_json_request(settings) if sent == JSON else _read_csv_request(settings)
        frequency = frequency_of(options) or intake.panel.frequency
        served = registry.choose(options.model, frequency, options.season)
        h = options.h or int(served.info["horizon"])
        check_limits(intake.panel, options, h, settings)
        g.fields |= {"model": served.name, "version": served.version}
        g.fields |= {"series": len(intake.panel), "values": len(intake.panel.values), "h": h}
        made, skipped = _forecast(served, intake, options, h)
        g.fields["skipped"] = len(skipped)
        if wanted == JSON:
            return json_answer(made, model=served, skipped=skipped)
        return csv_answer(made, model=served, skipped=skipped, names=intake.names)

    return routes


def _media_type_sent() -> str:
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in MEDIA_TYPES or charset not in {"utf-8", "utf8", "us-ascii"}:
        raise Problem(
            "unsupported-media-type",
            "Send application/json or text/csv, in UTF-8, and say so with Content-Type.",
            headers={"Accept-Post": f"{JSON}, {CSV}"},
        )
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(
            "unsupported-media-type",
            "Send the body without a Content-Encoding.",
            headers={"Accept-Encoding": "identity"},
        )
    return request.mimetype


def _media_type_wanted(*, default: str) -> str:
    if not request.accept_mimetypes:
        return default
    offered = sorted(MEDIA_TYPES, key=lambda media_type: media_type != default)  # what was sent wins over its equals
    wanted = request.accept_mimetypes.best_match(offered)
    if wanted is None:
        raise Problem("not-acceptable", "Accept application/json or text/csv.")
    return wanted


def _read_body(settings: Settings) -> bytes:
    """Return the whole body or none of it.

    Werkzeug cuts a body without a length at the limit, and takes one that ends early for complete, both without a
    word; the rows of a CSV that are left would be forecast as if they were all.
    """
    body = request.get_data(cache=False)
    if len(body) > settings.max_bytes:
        raise RequestEntityTooLarge
    if request.content_length is not None and len(body) < request.content_length:
        raise Problem("malformed-body", "The body is shorter than its Content-Length says.")
    return body


class _Read(NamedTuple):
    intake: Intake
    options: ForecastOptions


def _read_json_request(settings: Settings) -> _Read:
    if request.args:
        error = FieldError(field="query string", expected="options in the body", got="options in the query string")
        raise Problem("invalid-request", "Options of a JSON request belong in its body.", errors=[error])
    asked = read_json(_read_body(settings), settings)
    return _Read(panel_of(asked), asked)


def _read_csv_request(settings: Settings) -> _Read:
    options = read_options(request.args)
    limits = Limits(columns=settings.max_series + 1, rows=settings.max_points)
    body = _read_body(settings)
    names = ColumnNames(options.id_col, options.time_col, options.target_col)
    panel = parse_csv(
        body, freq=frequency_of(options), names=names, timezone=options.timezone, limits=limits, name="The body"
    )
    return _Read(Intake(panel, {}, names), options)


def _forecast(served: ServedModel, intake: Intake, options: ForecastOptions, h: int) -> tuple[Forecast, dict[str, str]]:
    """Return the forecast and all series that have none, with reasons.

    Raises
    ------
    Problem
        No series has a forecast.
    """
    try:
        made = served.model.forecast(intake.panel, h=h, level=tuple(sorted(set(options.level))))
    except TooShortError as error:
        others = [
            FieldError(field="series", expected=reason, series=name)
            for name, reason in islice(intake.skipped.items(), MAX_ERRORS - 1)
        ]
        raise Problem("no-forecast", message_of(error), errors=[field_error(error), *others]) from None
    reasons = {name: message_of(reason) for name, reason in made.skipped.items()}
    return made, intake.skipped | reasons
