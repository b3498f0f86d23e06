"""Probes for whatever keeps the service running, and the page at the root."""

from __future__ import annotations

from flask import Blueprint, Response, render_template_string, request

from service.contract import JSON, Answer, operation
from service.models.registry import ModelRegistry
from service.schemas.base import Health

__all__ = ["ops_routes"]

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Forecaster</title>
<h1>Forecaster</h1>
<p>Forecasts with prediction intervals for time series, from {{ count }} model{{ "" if count == 1 else "s" }}.
<pre>curl {{ url }}v1/forecast -H 'Content-Type: application/json' \\
  -d '{"series": [{"unique_id": "a", "y": [5, 7, 9, 8, 6, 3, 2, 5, 8, 9, 8, 7, 4, 2]}], "h": 7}'</pre>
<p>Models: <a href="v1/models">v1/models</a>. All routes: <a href="docs">docs</a>, for programs
<a href="openapi.json">openapi.json</a>.
</html>
"""


def ops_routes(registry: ModelRegistry) -> Blueprint:
    """Return the routes ``/livez``, ``/readyz`` and ``/``."""
    routes = Blueprint("ops", __name__)

    @routes.get("/livez")
    @operation(
        id="live",
        summary="Whether the process answers",
        scope=None,
        answers={200: Answer("It does.", {JSON: Health})},
    )
    def livez() -> Response:
        """Say that the process answers."""
        return _health(Health(status="ok"))

    @routes.get("/readyz")
    @operation(
        id="ready",
        summary="Whether a model is loaded and has made a forecast",
        scope=None,
        answers={200: Answer("It has.", {JSON: Health})},
        problems=("not-ready",),
    )
    def readyz() -> Response:
        """Say that a model is loaded and has made a forecast."""
        registry.require_ready()
        return _health(Health(status="ready"))

    @routes.get("/")
    @operation(
        id="page",
        summary="A page that says what this is",
        scope=None,
        answers={200: Answer("The page.", {"text/html": {"type": "string"}})},
    )
    def page() -> str:
        """Say what this is, to someone with a browser."""
        return render_template_string(PAGE, url=request.host_url, count=len(registry.served))

    return routes


def _health(health: Health) -> Response:
    return Response(health.model_dump_json(), content_type=JSON)
