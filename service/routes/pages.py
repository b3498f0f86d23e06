"""Pages for people, and the files that they need."""

from __future__ import annotations

from functools import lru_cache

from flask import Blueprint, Flask, Response, current_app, render_template, request
from markupsafe import escape

from service.assets import Asset, Assets, packed_too
from service.contract import CSV, Answer, operation
from service.documentation import documentation_page
from service.openapi import openapi_document
from service.problems import Problem
from service.settings import Settings

__all__ = ["page_routes"]

_NOTHING_ELSE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    + _NOTHING_ELSE
)
"""Only what this very service serves, nothing inline; pictures also of the page's own making."""
DOCS_POLICY = "default-src 'none'; style-src 'self'; " + _NOTHING_ELSE
"""Nothing is loaded but the style sheet."""
HERE = "http://service.invalid"
"""Stands for the service's address in a page that is made once, whatever names it is asked by."""
HTML = "text/html; charset=utf-8"
TEXT = {"type": "string"}
FOR_EVER = "public, max-age=31536000, immutable"
CURRENT = "current"
"""In place of a version: the file as it is now, for people who type its path."""


def page_routes(assets: Assets, settings: Settings) -> Blueprint:
    """Return the routes of pages and of their files."""
    routes = Blueprint("pages", __name__)

    @routes.get("/")
    @operation(
        id="page",
        summary="A page to forecast a file with",
        scope=None,
        answers={200: Answer("The page.", {"text/html": TEXT})},
    )
    def page() -> Response:
        """Forecast a file, train, look at jobs and into the gates, with a browser."""
        return _sent(_page(assets, settings.max_bytes), _headers(PAGE_POLICY))

    @routes.get("/docs")
    @operation(
        id="docs",
        summary="This description as a page to read",
        scope=None,
        answers={200: Answer("The page.", {"text/html": TEXT})},
    )
    def docs() -> Response:
        """Describe all routes, for people."""
        app = current_app._get_current_object()  # type: ignore[attr-defined]  # what is behind the name
        text = _documentation(app, assets.url_of("docs.css"))
        text = text.replace(HERE, escape(request.host_url.rstrip("/")))
        return Response(text, content_type=HTML, headers=_headers(DOCS_POLICY))

    @routes.get("/static/<version>/<name>")
    @operation(
        id="asset",
        summary="A file that a page needs",
        scope=None,
        path={"version": "The version of all files, as pages name it, or `current`.", "name": "Name of the file."},
        answers={
            200: Answer(
                "The file, packed with gzip for those who accept it.",
                {"text/css": TEXT, "text/javascript": TEXT, "image/svg+xml": TEXT, "text/plain": TEXT, CSV: TEXT},
            )
        },
        problems=("unknown-path",),
    )
    def asset(version: str, name: str) -> Response:
        """Answer with a file of the pages."""
        found = assets.files.get(name)
        if found is None or version not in {assets.version, CURRENT}:
            raise Problem("unknown-path", "The files are those that the pages name. Load the page again.")
        return _sent(found, {"Cache-Control": "no-cache" if version == CURRENT else FOR_EVER})

    return routes


def _sent(asset: Asset, headers: dict[str, str]) -> Response:
    """Answer with something made before, packed for those who accept it."""
    packed = request.accept_encodings["gzip"] > 0
    encoding = {"Content-Encoding": "gzip"} if packed else {}
    content = asset.packed if packed else asset.content
    headers = {**headers, "Vary": "Accept-Encoding", **encoding}
    return Response(content, content_type=asset.media_type, headers=headers)


def _headers(policy: str) -> dict[str, str]:
    return {"Content-Security-Policy": policy, "Cross-Origin-Opener-Policy": "same-origin"}


@lru_cache(maxsize=1)
def _page(assets: Assets, max_bytes: int) -> Asset:
    text = render_template("page.html", asset=assets.url_of, version=assets.version, max_bytes=max_bytes)
    return packed_too(text.encode(), HTML)


@lru_cache(maxsize=1)
def _documentation(app: Flask, style: str) -> str:
    return documentation_page(openapi_document(app), url=HERE, style=style)
