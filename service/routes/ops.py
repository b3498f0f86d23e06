"""Probes for whatever keeps the service running."""

from __future__ import annotations

from flask import Blueprint, Response

from service.contract import JSON, Answer, operation
from service.draining import is_draining
from service.models.registry import ModelRegistry
from service.problems import Problem
from service.schemas.base import Health, ServerLive, ServerReady

__all__ = ["ops_routes", "refuse_while_draining"]


def ops_routes(registry: ModelRegistry) -> Blueprint:
    """Return the probes."""
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

    return routes


def refuse_while_draining() -> None:
    """Raise the problem that turns load balancers away from a service that is about to stop."""
    if is_draining():
        raise Problem("not-ready", "The service is stopping.", headers={"Retry-After": "5"})


def _health(health: Health | ServerLive | ServerReady) -> Response:
    return Response(health.model_dump_json(), content_type=JSON)
