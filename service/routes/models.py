"""``/v1/models``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g

from service.bodies import media_type_sent, read_body
from service.contract import JSON, Answer, operation
from service.intake import read_json
from service.models.registry import ModelRegistry
from service.schemas.models import ModelDescription, ModelList, ModelVersion, ModelVersions, VersionChoice
from service.settings import Settings

__all__ = ["model_routes"]

NAME = {"name": "Name of a model."}


def model_routes(registry: ModelRegistry, settings: Settings) -> Blueprint:
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
        described = [ModelDescription(**_described(name, registry)) for name in _names(registry)]
        return Response(ModelList(models=described).model_dump_json(), content_type=JSON)

    @routes.get("/<name>")
    @operation(
        id="showModel",
        summary="Show a model and its versions",
        scope="forecast",
        path=NAME,
        answers={200: Answer("The model.", {JSON: ModelVersions})},
        problems=("unknown-path", "unavailable"),
    )
    def model(name: str) -> Response:
        """Show a model and its versions."""
        return _with_versions(name, registry)

    @routes.put("/<name>/current")
    @operation(
        id="chooseVersion",
        summary="Choose the version of a model that answers",
        description="To publish a version, or to go back to an earlier one. It is loaded and makes a forecast before "
        "it is put into use; if it cannot, nothing changes. The process that answers serves it at once, others within "
        "FORECASTER_RELOAD_SECONDS.",
        scope="admin",
        path=NAME,
        body={JSON: VersionChoice},
        answers={200: Answer("The model, with that version in use.", {JSON: ModelVersions})},
        problems=(
            "malformed-body",
            "unknown-path",
            "unknown-version",
            "conflict",
            "too-large",
            "unsupported-media-type",
            "invalid-request",
            "limit-exceeded",
            "unavailable",
        ),
    )
    def choose_version(name: str) -> Response:
        """Choose the version of a model that answers."""
        media_type_sent(JSON)
        choice = read_json(VersionChoice, read_body(settings), settings)
        registry.publish(name, choice.version)
        g.fields |= {"model": name, "version": choice.version}
        return _with_versions(name, registry)

    return routes


def _names(registry: ModelRegistry) -> list[str]:
    now = registry.snapshot
    return list(dict.fromkeys([*now.served, *sorted({*now.failures, *now.unpublished})]))


def _with_versions(name: str, registry: ModelRegistry) -> Response:
    versions = registry.versions(name)
    described = _described(name, registry)
    listed = [ModelVersion(version=version, answers=version == described["version"]) for version in versions]
    return Response(ModelVersions(**described, versions=listed).model_dump_json(), content_type=JSON)


def _described(name: str, registry: ModelRegistry) -> dict[str, Any]:
    now = registry.snapshot
    served, failure = now.served.get(name), now.failures.get(name)
    described = {"name": name, "default": name == registry.default, "fault": failure.fault if failure else None}
    if served is None:
        status = "failed" if failure else "unpublished"
        return described | {"status": status, "version": None, "loaded": None, "sha256": {}, "info": {}}
    info = _without_symbols(served.info)
    parts = {"version": served.version, "loaded": served.loaded, "sha256": served.sha256, "info": info}
    return described | {"status": "ready"} | parts


def _without_symbols(info: dict[str, Any]) -> dict[str, Any]:
    """Return a description with the size of a vocabulary in place of its symbols, of which there can be 20,000."""
    if "vocabulary" not in info:
        return info
    rest = {name: value for name, value in info["vocabulary"].items() if name != "symbols"}
    return info | {"vocabulary": rest | {"size": len(info["vocabulary"]["symbols"])}}
