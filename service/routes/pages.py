"""``/docs``, and the files that pages need."""

from __future__ import annotations

from functools import lru_cache

from flask import Blueprint, Flask, Response, current_app, request
from markupsafe import escape

from service.assets import Assets
from service.contract import Answer, operation
from service.documentation import documentation_page
from service.openapi import openapi_document
from service.problems import Problem

__all__ = ["page_routes"]

POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Nothing is loaded but the style sheet of this very service."""
HERE = "http://service.invalid"
"""Stands for the service's address in a page that is made once, whatever names it is asked by."""


def page_routes(assets: Assets) -> Blueprint:
    """Return the routes of pages and of their files."""
    routes = Blueprint("pages", __name__)

    @routes.get("/docs")
    @operation(
        id="docs",
        summary="This description as a page to read",
        scope=None,
        answers={200: Answer("The page.", {"text/html": {"type": "string"}})},
    )
    def docs() -> Response:
        """Describe all routes, for people."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # what is behind the name
        page = _page(app, assets.url_of("docs.css")).replace(HERE, escape(request.host_url.rstrip("/")))
        return Response(page, content_type="text/html; charset=utf-8", headers={"Content-Security-Policy": POLICY})

    @routes.get("/static/<name>")
    @operation(
        id="asset",
        summary="A file that a page needs",
        scope=None,
        path={"name": "Name of the file."},
        answers={200: Answer("The file.", {"text/css": {"type": "string"}})},
        problems=("unknown-path",),
    )
    def asset(name: str) -> Response:
        """Answer with a file of the pages."""
        found = assets.files.get(name)
        if found is None:
            raise Problem("unknown-path", "The files are those that the pages name.")
        headers = {"Cache-Control": "public, max-age=3600"}
        return Response(found.content, content_type=found.media_type, headers=headers)

    return routes


@lru_cache(maxsize=1)
def _page(app: Flask, style: str) -> str:
    return documentation_page(openapi_document(app), url=HERE, style=style)
