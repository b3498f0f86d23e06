"""``/openapi.json``."""

from __future__ import annotations

from functools import lru_cache

from flask import Blueprint, Flask, Response, current_app

from service.contract import JSON, Answer, operation
from service.openapi import openapi_text

__all__ = ["openapi_routes"]


def openapi_routes() -> Blueprint:
    """Return the route ``/openapi.json``."""
    routes = Blueprint("openapi", __name__)

    @routes.get("/openapi.json")
    @operation(
        id="describe",
        summary="This description",
        scope=None,
        answers={200: Answer("OpenAPI 3.1.", {JSON: {"type": "object"}})},
    )
    def openapi() -> Response:
        """Describe all routes."""
        return Response(_text(current_app._get_current_object()), content_type=JSON)  # type: ignore[attr-defined]  # the proxy has it

    return routes


@lru_cache(maxsize=1)
def _text(app: Flask) -> str:
    return openapi_text(app)
