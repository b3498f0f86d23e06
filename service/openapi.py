"""The OpenAPI 3.1 description, generated from the types that validate.

``python -m service openapi`` prints what docs/openapi.json holds.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any

from flask import Blueprint, Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import forecaster
from service.problems import KINDS, PROBLEM_TYPE
from service.schemas import CsvOptions, ForecastAnswer, ForecastRequest, Health, ModelList, ProblemDetails

__all__ = ["openapi_blueprint", "openapi_text"]

Schema = dict[str, Any]
INPUTS: tuple[type[BaseModel], ...] = (ForecastRequest,)
OUTPUTS: tuple[type[BaseModel], ...] = (ForecastAnswer, Health, ModelList, ProblemDetails)
CSV_BODY = {
    "schema": {"type": "string"},
    "example": "unique_id,ds,y\nshop,2024-01-01,12\nshop,2024-01-02,15\n",
}


def openapi_blueprint() -> Blueprint:
    """Return the route ``/openapi.json``."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        """Describe all routes."""
        return Response(openapi_text(), content_type="application/json")

    return routes


@lru_cache(maxsize=1)
def openapi_text() -> str:
    """Return the description as indented JSON."""
    return json.dumps(_document(), indent=2, ensure_ascii=False) + "\n"


def _document() -> Schema:
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forecaster",
            "version": forecaster.__version__,
            "summary": "Forecasts with prediction intervals for many time series.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {
            "/v1/forecast": {"post": _forecast()},
            "/v1/models": {"get": _get("listModels", "List the models", ModelList)},
            "/livez": {"get": _get("live", "Whether the process answers", Health)},
            "/readyz": {"get": _get("ready", "Whether a model is loaded and has made a forecast", Health, 503)},
            "/openapi.json": {"get": _plain("describe", "This description", "application/json", {"type": "object"})},
            "/": {"get": _plain("page", "A page that says what this is", "text/html", {"type": "string"})},
        },
        "components": {"schemas": _schemas()},
    }


def _schemas() -> Schema:
    shapes = [*((model, "validation") for model in INPUTS), *((model, "serialization") for model in OUTPUTS)]
    _, definitions = models_json_schema(shapes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a list of pairs is one of sequences to mypy
    return dict(sorted(definitions["$defs"].items()))


def _forecast() -> Schema:
    return {
        "operationId": "forecast",
        "summary": "Forecast one or many series",
        "description": "JSON or CSV in, JSON or CSV out, by Content-Type and Accept. A series of a JSON body that "
        "cannot be forecast is listed with the reason and does not keep the others from their forecasts; of a CSV "
        "body those that are too short are, and any other fault is one of the whole table. Options of a CSV body come "
        "in the query string, those of a JSON body in the body.",
        "parameters": [*_options(), _request_id()],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _reference(ForecastRequest)}, "text/csv": CSV_BODY},
        },
        "responses": {
            "200": {
                "description": "The forecasts, and the series that have none.",
                "headers": {
                    "X-Request-ID": _header("The id of the request in the service's log."),
                    "Forecast-Model": _header("CSV only: the model that made the forecasts."),
                    "Forecast-Skipped": _header("CSV only: how many series have no forecast; JSON gives the reasons."),
                },
                "content": {
                    "application/json": {"schema": _reference(ForecastAnswer)},
                    "text/csv": {"schema": {"type": "string"}},
                },
            },
            **_problems(400, 403, 406, 413, 415, 422, 500, 503),
        },
    }


def _options() -> list[Schema]:
    """Return the query parameters of a CSV request, taken from the fields of its type."""
    properties = CsvOptions.model_json_schema()["properties"]
    parameters = []
    for name, schema in properties.items():
        description = f"CSV only. {schema.pop('description')}"
        parameter = {"name": name, "in": "query", "required": False, "description": description, "schema": schema}
        parameters.append(parameter | ({"style": "form", "explode": False} if name == "level" else {}))
    return parameters


def _request_id() -> Schema:
    return {
        "name": "X-Request-ID",
        "in": "header",
        "required": False,
        "description": "An id of the caller's for the request; anything but 1 to 64 of A-Z a-z 0-9 . _ - is replaced.",
        "schema": {"type": "string"},
    }


def _get(operation: str, summary: str, model: type[BaseModel], *statuses: int) -> Schema:
    return _plain(operation, summary, "application/json", _reference(model), *statuses)


def _plain(operation: str, summary: str, media_type: str, schema: Schema, *statuses: int) -> Schema:
    return {
        "operationId": operation,
        "summary": summary,
        "responses": {
            "200": {"description": "OK", "content": {media_type: {"schema": schema}}},
            **_problems(400, 500, *statuses),
        },
    }


def _problems(*statuses: int) -> Schema:
    content = {PROBLEM_TYPE: {"schema": _reference(ProblemDetails)}}
    titles = {status: [kind.title for kind in KINDS.values() if kind.status == status] for status in statuses}
    return {str(status): {"description": "; or ".join(titles[status]) + ".", "content": content} for status in statuses}


def _reference(model: type[BaseModel]) -> Schema:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _header(description: str) -> Schema:
    return {"description": description, "schema": {"type": "string"}}
