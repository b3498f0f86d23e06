"""Probes for whatever keeps the service running, and the page at the root."""

from __future__ import annotations

from flask import Blueprint, Response, render_template_string, request

from service.contract import JSON, Answer, operation
from service.draining import is_draining
from service.models.registry import ModelRegistry
from service.problems import Problem
from service.schemas.base import Health, ServerLive, ServerReady

__all__ = ["ops_routes", "refuse_while_draining"]

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
    """Return the probes, and the page at ``/``."""
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
        answers={200: Answer("It has, and the service is not stopping.", {JSON: Health})},
        problems=("not-ready",),
    )
    def readyz() -> Response:
        """Say that a model is loaded and has made a forecast."""
        refuse_while_draining()
        registry.require_ready()
        return _health(Health(status="ready"))

    @routes.get("/v2/health/live")
    @operation(
        id="serverLive",
        summary="Whether the process answers, in the Open Inference Protocol",
        scope=None,
        answers={200: Answer("It does.", {JSON: ServerLive})},
    )
    def server_live() -> Response:
        """Say that the process answers."""
        return _health(ServerLive(live=True))

    @routes.get("/v2/health/ready")
    @operation(
        id="serverReady",
        summary="Whether a model is loaded and has made a forecast, in the Open Inference Protocol",
        scope=None,
        answers={200: Answer("It has, and the service is not stopping.", {JSON: ServerReady})},
        problems=("not-ready",),
    )
    def server_ready() -> Response:
        """Say that a model is loaded and has made a forecast."""
        refuse_while_draining()
        registry.require_ready()
        return _health(ServerReady(ready=True))

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


def refuse_while_draining() -> None:
    """Raise the problem that turns load balancers away from a service that is about to stop."""
    if is_draining():
        raise Problem("not-ready", "The service is stopping.", headers={"Retry-After": "5"})


def _health(health: Health | ServerLive | ServerReady) -> Response:
    return Response(health.model_dump_json(), content_type=JSON)
