"""What a route promises, declared where the route stands.

The guard asks it which scope a key needs, docs/openapi.json is printed from it, and the tests hold the service to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from flask import Flask
from pydantic import BaseModel

from service.keys import SCOPES, Scope

__all__ = ["CSV", "JSON", "SCOPES", "Answer", "Header", "Operation", "Scope", "Shape", "operation", "operation_of"]

JSON = "application/json"
CSV = "text/csv"

Shape = type[BaseModel] | Mapping[str, Any]
"""A type that validates or describes, or a piece of JSON Schema."""

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Answer:
    """One way in which a route answers when all went well.

    Attributes
    ----------
    description
        What it means.
    content
        Shape by media type; empty where there is no body.
    headers
        Name and meaning of headers that come with it.
    """

    description: str
    content: Mapping[str, Shape] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class Header(NamedTuple):
    """A request header that a route looks at.

    Attributes
    ----------
    description
        What it means.
    schema
        What its value can be, beside a string.
    """

    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """The contract of one route and method.

    Attributes
    ----------
    id
        The operationId.
    summary, description
        What it does, in a line and in full.
    scope
        What a key must be allowed to; None for whoever asks.
    answers
        By status.
    body
        Shape of the request's body by media type.
    query
        The type that validates the query string.
    path
        Meaning of the variable parts of the path.
    headers
        The request headers it looks at.
    problems
        Kinds of `service.problems.KINDS` that it may answer beyond those of every route.
    """

    id: str
    summary: str
    scope: Scope | None
    answers: Mapping[int, Answer]
    description: str = ""
    body: Mapping[str, Shape] = field(default_factory=dict)
    query: type[BaseModel] | None = None
    path: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, Header] = field(default_factory=dict)
    problems: tuple[str, ...] = ()


def operation(**promises: Any) -> Callable[[View], View]:
    """Attach an `Operation` to a view function; the parameters are its attributes."""
    made = Operation(**promises)

    def attach(view: View) -> View:
        view.operation = made  # type: ignore[attr-defined]  # a function takes attributes
        return view

    return attach


def operation_of(app: Flask, endpoint: str) -> Operation:
    """Return what the route of `endpoint` promises.

    Raises
    ------
    LookupError
        It promises nothing: a fault of the program, found when the service starts.
    """
    made = getattr(app.view_functions[endpoint], "operation", None)
    if made is None:
        raise LookupError(f"The route {endpoint} has no contract. Put @operation(...) on its function.")
    return made  # type: ignore[no-any-return]  # set by `operation` alone
