"""The description of the routes as a page to read, without JavaScript and without any other site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from flask import render_template
from markupsafe import Markup, escape

from service.contract import SCOPES
from service.examples import EXAMPLES, Example, curl_of, text_of
from service.problems import KINDS, KINDS_OF_ALL

__all__ = ["documentation_page"]

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/"
_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "default": "default {}",
}


class Row(NamedTuple):
    """A field, parameter or answer, as a line of a table."""

    name: str
    kind: Markup
    text: Markup
    needed: bool = False


class Shown(NamedTuple):
    """One route, as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    text: Markup
    scope: str
    parameters: list[Row]
    bodies: list[Row]
    answers: list[Row]
    examples: list[tuple[str, str]]


def documentation_page(document: Schema, *, url: str, style: str) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    document
        As `service.openapi.openapi_document` makes it.
    url
        Where the service is, without a slash at the end; for the lines with curl.
    style
        Path of the style sheet.
    """
    shown = [
        _shown(path, method, item, url)
        for path, methods in document["paths"].items()
        for method, item in methods.items()
    ]
    tags = {item.id: operation["tags"][0] for item, operation in zip(shown, _operations(document), strict=True)}
    groups = [
        (tag["name"], tag["description"], [item for item in shown if tags[item.id] == tag["name"]])
        for tag in document["tags"]
    ]
    return render_template(
        "docs.html",
        info=document["info"],
        intro=[_text(part) for part in document["info"]["description"].split("\n\n")],
        groups=[group for group in groups if group[2]],
        shapes=[_shape(name, schema) for name, schema in document["components"]["schemas"].items()],
        kinds=KINDS,
        scopes=SCOPES,
        style=style,
    )


def _operations(document: Schema) -> Iterator[Schema]:
    for methods in document["paths"].values():
        yield from methods.values()


def _text(text: str) -> Markup:
    """Return a description with what stands between backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(Markup("<code>{}</code>").format(part) if k % 2 else part for k, part in enumerate(parts))


def _shown(path: str, method: str, operation: Schema, url: str) -> Shown:
    method, security = method.upper(), operation["security"]
    scope = next((scopes[0] for item in security for scopes in item.values()), "")
    return Shown(
        operation["operationId"],
        method,
        path,
        operation["summary"],
        _text(operation.get("description", "")),
        scope,
        [_parameter(item) for item in operation["parameters"] if item["name"] != "X-Request-ID"],
        _bodies(operation.get("requestBody", {}).get("content", {})),
        [_answer(status, item) for status, item in operation["responses"].items() if _is_its_own(status, item)],
        list(_examples(path, method, url, key=bool(scope))),
    )


def _is_its_own(status: str, answer: Schema) -> bool:
    """Whether an answer says something of this route; the others are explained once, above all routes."""
    usual = set(KINDS_OF_ALL) | {"no-key", "not-allowed", "cross-site"}
    kinds = {name for media in answer.get("content", {}).values() for name in media.get("examples", ())}
    return "$ref" not in answer and (status < "400" or not kinds <= usual)


def _parameter(item: Schema) -> Row:
    kind = Markup("{}, {}").format(item["in"], _kind(item["schema"]))
    return Row(item["name"], kind, _text(item["description"] + _limits(item["schema"])), item["required"])


def _bodies(content: Schema) -> list[Row]:
    return [Row(media_type, _kind(media["schema"]), Markup("")) for media_type, media in content.items()]


def _answer(status: str, answer: Schema) -> Row:
    kinds = [Markup('<a href="#problem-{0}">{0}</a>').format(name) for name in _problems_of(answer)]
    text = Markup(", ").join(kinds) if kinds else _text(answer["description"])
    if not kinds:
        headers = [(name, item) for name, item in answer["headers"].items() if name != "X-Request-ID"]
        text += Markup("").join(
            Markup(" <code>{}</code>: {}").format(name, item["description"]) for name, item in headers
        )
    content = {} if kinds else answer.get("content", {})
    shapes = [Markup("{}: {}").format(name, _kind(media["schema"])) for name, media in content.items()]
    return Row(status, Markup("<br>").join(shapes), text)


def _problems_of(answer: Schema) -> list[str]:
    return [name for media in answer.get("content", {}).values() for name in media.get("examples", ())]


def _examples(path: str, method: str, url: str, *, key: bool) -> Iterator[tuple[str, str]]:
    for example in EXAMPLES.get(f"{method} {path}", (Example(),)):
        text = "" if example.answer is None else text_of(example.answer)
        yield curl_of(method, path, example, url=url, key=key), text


def _shape(name: str, schema: Schema) -> tuple[str, Markup, list[Row]]:
    needed = set(schema.get("required", ()))
    rows = [
        Row(field, _kind(item), _text(item.get("description", "") + _limits(item)), field in needed)
        for field, item in schema.get("properties", {}).items()
    ]
    return name, _text(schema.get("description", "")), rows


def _limits(schema: Schema) -> str:
    arms = [schema, *schema.get("anyOf", ()), schema.get("items", {})]
    said = [
        text.format(json.dumps(arm[name]))
        for arm in arms
        for name, text in _LIMITS.items()
        if arm.get(name) is not None and (name, arm[name]) != ("minLength", 1)
    ]
    return f" ({'; '.join(said)})" if said else ""


def _kind(schema: Schema) -> Markup:
    """Return what a schema allows, in a few words, with links to the shapes it names."""
    if "$ref" in schema:
        return Markup('<a href="#shape-{0}">{0}</a>').format(schema["$ref"].removeprefix(_REFERENCE))
    if "anyOf" in schema or "oneOf" in schema:
        return Markup(" or ").join(_kind(arm) for arm in schema.get("anyOf") or schema["oneOf"])
    if "enum" in schema or "const" in schema:
        return Markup(" or ").join(escape(json.dumps(value)) for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return Markup("array of {}").format(_kind(schema.get("items", {})))
    return escape(schema.get("type", "any"))
