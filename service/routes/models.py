"""``/v1/models``."""

from __future__ import annotations

from flask import Blueprint, Response

from service.contract import JSON, Answer, operation
from service.models.base import BaseWeights
from service.models.registry import ModelRegistry
from service.models.served import ServedModel
from service.schemas.models import ModelDescription, ModelList

__all__ = ["model_routes"]


def model_routes(registry: ModelRegistry) -> Blueprint:
    """Return the routes about models."""
    routes = Blueprint("models", __name__, url_prefix="/v1/models")

    @routes.get("")
    @operation(
        id="listModels",
        summary="List the models",
        scope="forecast",
        answers={200: Answer("The models.", {JSON: ModelList})},
    )
    def models() -> Response:
        """List the models."""
        ready = [_described(served, registry) for served in registry.served]
        failed = [
            ModelDescription(name=name, status="failed", default=False, sha256={}, info={})
            for name in sorted(registry.failed)
        ]
        return Response(ModelList(models=ready + failed).model_dump_json(), content_type=JSON)

    return routes


def _described(served: ServedModel | BaseWeights, registry: ModelRegistry) -> ModelDescription:
    default = registry.is_default(served.name)
    return ModelDescription(name=served.name, status="ready", default=default, sha256=served.sha256, info=served.info)
