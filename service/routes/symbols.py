"""``POST /v1/next``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from service.admission import Admission, body_cost, next_cost
from service.answers import to_json
from service.bodies import media_type_sent, media_type_wanted, read_body
from service.contract import JSON, Answer, operation
from service.intake import read_json
from service.models.registry import ModelRegistry
from service.models.served import ServedSymbols
from service.routes.forecast import WORK_PROBLEMS, refuse_query
from service.schemas.symbols import NextAnswer, NextRequest
from service.settings import Settings
from service.tracing import step

__all__ = ["symbol_routes"]


def symbol_routes(registry: ModelRegistry, settings: Settings, admission: Admission) -> Blueprint:
    """Return the route ``/v1/next``."""
    routes = Blueprint("symbols", __name__, url_prefix="/v1")

    @routes.post("/next")
    @operation(
        id="next",
        summary="Tell what comes next in a text or a sequence of symbols",
        description="The words, characters or states that are likeliest to follow, each with its probability, by a "
        "model that learned from text or sequences (`forecaster learn`).",
        scope="forecast",
        body={JSON: NextRequest},
        answers={200: Answer("The likeliest symbols.", {JSON: NextAnswer})},
        problems=("not-acceptable", *(kind for kind in WORK_PROBLEMS if kind != "no-forecast")),
    )
    def next_symbols() -> Response:
        """Tell what comes next in a text or a sequence of symbols."""
        media_type_sent(JSON)
        media_type_wanted(JSON)
        registry.require_ready()
        refuse_query()
        body = read_body(settings)
        with admission.turn() as turn:
            turn.take(body_cost(len(body), is_json=True))
            with step("parse"):
                asked = read_json(NextRequest, body, settings)
            served = registry.snapshot.symbols(asked.model, default=registry.default)
            turn.take(next_cost(served.info, symbols=len(asked.context)))
            with step("forecast"):
                return Response(to_json(_answer(asked, served)), content_type=JSON)

    return routes


def _answer(asked: NextRequest, served: ServedSymbols) -> dict[str, Any]:
    vocabulary = served.model.vocabulary
    symbols = vocabulary.split(asked.context)
    g.fields |= {**served.fields, "symbols": len(symbols)}
    suggestions = served.model.next(asked.context, k=asked.k)
    return {
        "model": served.name,
        "version": served.version,
        "units": vocabulary.units,
        "unknown": sum(symbol not in vocabulary for symbol in symbols),
        "suggestions": [{"symbol": one.symbol, "probability": one.probability} for one in suggestions],
    }
