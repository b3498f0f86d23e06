"""The OpenAPI 3.1 description, generated from what the routes promise and from the types that validate.

``python -m service openapi`` prints what docs/openapi.json holds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from flask import Flask
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from werkzeug.routing import Rule

import forecaster
from service.contract import SCOPES, Answer, Operation, Shape, operation_of
from service.examples import EXAMPLES, Example
from service.problems import KINDS, KINDS_OF_ALL, PROBLEM_TYPE, problem_text
from service.schemas.base import FieldError, ProblemDetails

__all__ = ["openapi_document", "openapi_text"]

Schema = dict[str, Any]
_VARIABLE = re.compile(r"<(?:\w+:)?(\w+)>")
REQUEST_ID: Schema = {
    "name": "X-Request-ID",
    "in": "header",
    "required": False,
    "description": "An id of the caller's for the request; anything but 1 to 64 of A-Z a-z 0-9 . _ - is replaced.",
    "schema": {"type": "string"},
}
DESCRIPTION = """Series in, forecasts with prediction intervals out, as JSON or CSV.

Every GET is answered for HEAD too, without the body; OPTIONS, and a method that a path does not take (405), name those
it takes in the header Allow; a path that is not here is answered with 404.

Every error is a problem as RFC 9457 describes it. Every answer has the header X-Request-ID, which problems and the log
of the service repeat. As soon as there is a key, requests need one: Authorization: Bearer."""
TAGS = {
    "Forecasts": (
        ("/v1/forecast", "/v1/timeseries/", "/v1/backtest", "/v1/explain", "/v1/inspect"),
        "Forecasts, backtests, what the gates did and what a table holds, answered at once.",
    ),
    "Models": (("/v1/models",), "What forecasts, and in which version."),
    "Jobs": (("/v1/jobs",), "Training, and forecasts of large files: work that outlives its request."),
    "Service": (("/",), "Probes, metrics and descriptions."),
}
"""By the beginning of the path; the first that fits."""
HEADERS_OF_STATUS = {
    401: {"WWW-Authenticate": "Bearer."},
    415: {"Accept-Post": "The media types that are taken, where it was the type that was wrong."},
    429: {"Retry-After": "Seconds after which to try again."},
    503: {"Retry-After": "Seconds after which to try again."},
}
UNREADABLE = {
    408: "The request did not arrive in time.",
    414: "The request line is too long.",
    417: "The Expect header asks for what is not done.",
    431: "There are too many headers, or too long ones.",
    501: "The body is sent in a way that is not understood.",
}
"""What is answered before the request reaches a route."""
CHANGING = {"post", "put", "patch", "delete"}


class _Route(NamedTuple):
    path: str
    method: str
    promised: Operation


def openapi_text(app: Flask) -> str:
    """Return the description of all routes of `app` as indented JSON."""
    return json.dumps(openapi_document(app), indent=2, ensure_ascii=False) + "\n"


def openapi_document(app: Flask) -> Schema:
    """Return the description of all routes of `app`."""
    return _document(list(_routes(app)))


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
    for route in routes:
        paths.setdefault(route.path, {})[route.method] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Forecaster",
            "version": forecaster.__version__,
            "summary": "Forecasts with prediction intervals for many time series.",
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "Where this description comes from."}],
        "tags": [{"name": tag, "description": text} for tag, (_, text) in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "responses": {f"Unreadable{status}": _unreadable(status) for status in UNREADABLE},
            "securitySchemes": {"key": _security()},
        },
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


def _operation(route: _Route) -> Schema:
    promised = route.promised
    examples = EXAMPLES.get(f"{route.method.upper()} {route.path}", ())
    made: Schema = {"operationId": promised.id, "tags": [_tag(route.path)], "summary": promised.summary}
    if promised.description:
        made["description"] = promised.description
    made["security"] = [] if promised.scope is None else [{}, {"key": [promised.scope]}]
    made["parameters"] = [*_path(promised, examples), *_query(promised.query), *_headers(promised), REQUEST_ID]
    if promised.body:
        sent = {example.media_type: example.body for example in reversed(examples)}
        made["requestBody"] = {"required": True, "content": _content(promised.body, sent)}
    answered = {_answered(promised, example): example.answer for example in reversed(examples)}
    made["responses"] = {str(status): _answer(answer, answered) for status, answer in promised.answers.items()}
    made["responses"] |= _problems(route)
    made["responses"] |= {str(status): {"$ref": f"#/components/responses/Unreadable{status}"} for status in UNREADABLE}
    return made


def _tag(path: str) -> str:
    return next(tag for tag, (beginnings, _) in TAGS.items() if path.startswith(beginnings))


def _answered(promised: Operation, example: Example) -> str:
    """Return the media type of the answer to an example: that which was sent, if there are several."""
    offered = [media_type for answer in promised.answers.values() for media_type in answer.content]
    return example.accept or (example.media_type if example.media_type in offered else next(iter(offered), ""))


def _path(promised: Operation, examples: tuple[Example, ...]) -> list[Schema]:
    shown = {name: {"example": value} for example in reversed(examples) for name, value in example.path.items()}
    return [
        {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}
        | shown.get(name, {})
        for name, text in promised.path.items()
    ]


def _query(model: type[BaseModel] | None) -> list[Schema]:
    """Return the parameters of a query string, taken from the fields of its type."""
    if model is None:
        return []
    shape = model.model_json_schema()
    parameters = []
    for name, schema in shape["properties"].items():
        schema = _without_null(schema)  # noqa: PLW2901 - what is left of it
        parameter = {"name": name, "in": "query", "required": name in shape.get("required", [])}
        parameter |= {"description": schema.pop("description", ""), "schema": schema}
        parameters.append(parameter | ({"style": "form", "explode": False} if schema.get("type") == "array" else {}))
    return parameters


def _without_null(schema: Schema) -> Schema:
    """Return the schema of a field without null, which no query string can say."""
    kept = {name: value for name, value in schema.items() if name not in {"title", "anyOf"}}
    arms = [arm for arm in schema.get("anyOf", []) if arm != {"type": "null"}]
    if len(arms) == 1:
        kept |= arms[0]
    elif arms:
        kept["anyOf"] = arms
    return {name: value for name, value in kept.items() if not (name == "default" and value is None)}


def _headers(promised: Operation) -> list[Schema]:
    return [
        {
            "name": name,
            "in": "header",
            "required": False,
            "description": header.description,
            "schema": {"type": "string", **header.schema},
        }
        for name, header in promised.headers.items()
    ]


def _answer(answer: Answer, examples: dict[str, Any]) -> Schema:
    made = {"description": answer.description, "headers": _answer_headers(answer.headers)}
    return made | ({"content": _content(answer.content, examples)} if answer.content else {})


def _answer_headers(texts: Mapping[str, str]) -> Schema:
    named = {"X-Request-ID": "The id of the request in the service's log.", **texts}
    return {name: {"description": text, "schema": {"type": "string"}} for name, text in named.items()}


def _content(shapes: Any, examples: Mapping[str, Any]) -> Schema:
    content = {media_type: _media(shape) for media_type, shape in shapes.items()}
    for media_type, media in content.items():
        if examples.get(media_type) is not None:
            media["example"] = examples[media_type]
    return content


def _media(shape: Any) -> Schema:
    if isinstance(shape, type):
        return {"schema": {"$ref": f"#/components/schemas/{_name(shape)}"}}
    return dict(shape) if "schema" in shape else {"schema": dict(shape)}


def _problems(route: _Route) -> Schema:
    names = [*KINDS_OF_ALL, *route.promised.problems]
    names += ["cross-site"] if route.method in CHANGING else []
    names += ["no-key", "not-allowed", "unavailable"] if route.promised.scope is not None else []
    names += ["too-slow", "busy"] if route.promised.body else []
    by_status: dict[int, list[str]] = {}
    for name in dict.fromkeys(names):
        by_status.setdefault(KINDS[name].status, []).append(name)
    return {str(status): _problem(status, by_status[status]) for status in sorted(by_status)}


def _problem(status: int, names: list[str]) -> Schema:
    titles = "; or ".join(dict.fromkeys(KINDS[name].title for name in names)) + "."
    media = {**_media(ProblemDetails), "examples": {name: {"value": _example_of(name)} for name in names}}
    headers = _answer_headers(HEADERS_OF_STATUS.get(status, {}))
    return {"description": titles, "headers": headers, "content": {PROBLEM_TYPE: media}}


def _example_of(kind: str) -> Schema:
    detail, errors = f"{KINDS[kind].title}.", []
    if kind == "invalid-request":
        detail = "h: expected a whole number."
        errors = [FieldError(field="h", expected="a whole number", got="string")]
    made: Schema = json.loads(problem_text(kind, detail, errors, request_id="4ba0b3cc962e43d68cbd099884cc2441"))
    return made


def _unreadable(status: int) -> Schema:
    media = {PROBLEM_TYPE: _media(ProblemDetails)}
    return {"description": UNREADABLE[status], "headers": _answer_headers({}), "content": media}
