"""The OpenAPI 3.1 description, generated from what the routes promise and from the types that validate.

``python -m service openapi`` prints what docs/openapi.json holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

import forecaster
from service.contract import SCOPES, Answer, Operation, Shape, operation_of
from service.problems import KINDS, KINDS_OF_ALL, PROBLEM_TYPE
from service.schemas.base import ProblemDetails

__all__ = ["openapi_text"]

Schema = dict[str, Any]
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
REQUEST_ID: Schema = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "An id of the caller's for the request; anything but 1 to 64 of A-Z a-z 0-9 . _ - is replaced.",
    "schema": {"type": "string"},
}


class _Route(NamedTuple):
    path: str
    method: str
    promised: Operation


def openapi_text(app: Flask) -> str:
    """Return the description of all routes of `app` as indented JSON."""
    return json.dumps(_document(list(_routes(app))), indent=2, ensure_ascii=False) + "\n"


def _routes(app: Flask) -> Iterator[_Route]:
    for rule in sorted(app.url_map.iter_rules(), key=_place):
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            path = _VARIABLE.sub(r"{\1}", rule.rule)
            yield _Route(path, method.lower(), operation_of(app, rule.endpoint))


def _place(rule: Rule) -> tuple[bool, str]:
    """Sort the routes of the API before those about the service."""
    return not rule.rule.startswith("/v1/"), rule.rule


def _document(routes: list[_Route]) -> Schema:
    paths: dict[str, Schema] = {}
    for path, method, promised in routes:
        paths.setdefault(path, {})[method] = _operation(promised)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forecaster",
            "version": forecaster.__version__,
            "summary": "Forecasts with prediction intervals for many time series.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": _schemas(routes), "securitySchemes": {"key": _security()}},
    }


def _security() -> Schema:
    scopes = " ".join(f"{name}: {text}" for name, text in SCOPES.items())
    description = f"A key made by `forecaster keys create`; needed as soon as there is one. Its scopes: {scopes}"
    return {"type": "http", "scheme": "bearer", "description": description}


def _schemas(routes: list[_Route]) -> Schema:
    inputs = {shape for route in routes for shape in route.promised.body.values() if _is_type(shape)}
    outputs = {
        shape
        for route in routes
        for answer in route.promised.answers.values()
        for shape in answer.content.values()
        if _is_type(shape)
    }
    shapes = [
        *((model, "validation") for model in sorted(inputs, key=_name)),
        *((model, "serialization") for model in sorted({*outputs, ProblemDetails}, key=_name)),
    ]
    _, definitions = models_json_schema(shapes, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a list of pairs is one of sequences to mypy
    return dict(sorted(definitions["$defs"].items()))


def _is_type(shape: Shape) -> bool:
    return isinstance(shape, type)


def _name(shape: Any) -> str:
    return str(shape.__name__)


def _operation(promised: Operation) -> Schema:
    made: Schema = {"operationId": promised.id, "summary": promised.summary}
    if promised.description:
        made["description"] = promised.description
    made["security"] = [] if promised.scope is None else [{}, {"key": [promised.scope]}]
    made["parameters"] = [*_path(promised), *_query(promised.query), *_headers(promised), REQUEST_ID]
    if promised.body:
        made["requestBody"] = {"required": True, "content": _content(promised.body)}
    made["responses"] = {str(status): _answer(answer) for status, answer in promised.answers.items()}
    made["responses"] |= _problems(promised)
    return made


def _path(promised: Operation) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        for name, text in promised.path.items()
    ]


def _query(model: type[BaseModel] | None) -> list[Schema]:
    """Return the parameters of a query string, taken from the fields of its type."""
    if model is None:
        return []
    shape = model.model_json_schema()
    parameters = []
    for name, schema in shape["properties"].items():
        parameter = {"name": name, "in": "query", "required": name in shape.get("required", [])}
        parameter |= {"description": schema.pop("description", ""), "schema": schema}
        is_list = schema.get("type") == "array" or any(arm.get("type") == "array" for arm in schema.get("anyOf", []))
        parameters.append(parameter | ({"style": "form", "explode": False} if is_list else {}))
    return parameters


def _headers(promised: Operation) -> list[Schema]:
    return [
        {"name": name, "in": "header", "required": False, "description": text, "schema": {"type": "string"}}
        for name, text in promised.headers.items()
    ]


def _answer(answer: Answer) -> Schema:
    names = {"X-Request-ID": "The id of the request in the service's log.", **answer.headers}
    made: Schema = {"description": answer.description}
    made["headers"] = {name: {"description": text, "schema": {"type": "string"}} for name, text in names.items()}
    return made | ({"content": _content(answer.content)} if answer.content else {})


def _content(shapes: Any) -> Schema:
    return {media_type: _media(shape) for media_type, shape in shapes.items()}


def _media(shape: Any) -> Schema:
    if isinstance(shape, type):
        return {"schema": {"$ref": f"#/components/schemas/{_name(shape)}"}}
    return dict(shape) if "schema" in shape else {"schema": dict(shape)}


def _problems(promised: Operation) -> Schema:
    kinds = [KINDS[name] for name in (*KINDS_OF_ALL, *promised.problems)]
    if promised.scope is not None:
        kinds += [KINDS["no-key"], KINDS["not-allowed"], KINDS["unavailable"]]
    if promised.body:
        kinds += [KINDS["too-slow"], KINDS["busy"]]
    titles: dict[int, list[str]] = {}
    for kind in kinds:
        titles.setdefault(kind.status, []).append(kind.title)
    content = {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    return {
        str(status): {"description": "; or ".join(dict.fromkeys(titles[status])) + ".", "content": content}
        for status in sorted(titles)
    }
