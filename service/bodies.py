"""The bytes of a request, what they are said to be, and what is wanted in return."""

from __future__ import annotations

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge

from service.problems import Problem
from service.settings import Settings

__all__ = ["encoding_sent", "media_type_sent", "media_type_wanted", "read_body"]

_UTF8 = {"utf-8", "utf8", "us-ascii"}


def media_type_sent(*allowed: str, gzip: bool = False) -> str:
    """Return the media type of the body.

    Raises
    ------
    Problem
        It is none of those allowed, not in UTF-8, or packed otherwise than with `gzip` where that is allowed.
    """
    charset = request.mimetype_params.get("charset", "utf-8").lower()
    if request.mimetype not in allowed or charset not in _UTF8:
        raise Problem(
            "unsupported-media-type",
            f"Send {' or '.join(allowed)}, in UTF-8, and say so with Content-Type.",
            headers={"Accept-Post": ", ".join(allowed)},
        )
    encodings = ("gzip", "identity") if gzip else ("identity",)
    if encoding_sent() not in encodings:
        how = "as it is, or with Content-Encoding: gzip" if gzip else "without a Content-Encoding"
        detail = f"Send the body {how}."
        raise Problem("unsupported-media-type", detail, headers={"Accept-Encoding": ", ".join(encodings)})
    return request.mimetype


def encoding_sent() -> str:
    """Return how the body is packed."""
    return request.headers.get("Content-Encoding", "identity").strip().lower()


def media_type_wanted(*offered: str) -> str:
    """Return which of the media types the client prefers; the first wins over its equals.

    Raises
    ------
    Problem
        It accepts none of them.
    """
    if not request.accept_mimetypes:
        return offered[0]
    wanted = request.accept_mimetypes.best_match(offered)
    if wanted is None:
        raise Problem("not-acceptable", f"Accept {' or '.join(sorted(offered))}.")
    return wanted


def read_body(settings: Settings) -> bytes:
    """Return the whole body or none of it.

    Werkzeug cuts a body without a length at the limit, and takes one that ends early for complete, both without a
    word; the rows of a CSV that are left would be forecast as if they were all.

    Raises
    ------
    Problem
        It ends before its announced length.
    RequestEntityTooLarge
        It is larger than the settings allow.
    """
    body = request.get_data(cache=False)
    if len(body) > settings.max_bytes:
        raise RequestEntityTooLarge
    if request.content_length is not None and len(body) < request.content_length:
        raise Problem("malformed-body", "The body is shorter than its Content-Length says.")
    return body
