"""``/metrics``."""

from __future__ import annotations

from flask import Blueprint, Response

from service.contract import Answer, operation
from service.metrics.recorder import CONTENT_TYPE, Metrics

__all__ = ["metrics_routes"]


def metrics_routes(metrics: Metrics) -> Blueprint:
    """Return the route ``/metrics``."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    @operation(
        id="metrics",
        summary="Numbers for Prometheus",
        description="Of all workers together, in the text format of Prometheus. docs/operations.md lists them.",
        scope="metrics",
        answers={200: Answer("The metrics.", {"text/plain": {"type": "string"}})},
    )
    def tell() -> Response:
        """Tell all metrics."""
        return Response(metrics.text(), content_type=CONTENT_TYPE)

    return routes
