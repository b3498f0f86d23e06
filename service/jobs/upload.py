"""The body of a request as pieces, checked while they come: never more than allowed, never less than announced."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import IO

from flask import Request
from werkzeug.exceptions import RequestEntityTooLarge

from service.bodies import encoding_sent, media_type_sent
from service.contract import CSV
from service.problems import Problem

__all__ = ["body_pieces"]

PIECE = 256 * 1024
MOST_RATIO = 100
"""Unpacked to packed bytes: tables of numbers have ten or so, a body that is all one byte a thousand."""
_FREE_OF_RATIO = 2**20  # few bytes may be packed however tightly
_GZIP = 16 + zlib.MAX_WBITS


def body_pieces(request: Request, most: int) -> Iterator[bytes]:
    """Yield the body of a request of type text/csv, unpacked if it is gzip.

    Parameters
    ----------
    request
        Of which nothing has been read.
    most
        Bytes at the most, packed and unpacked.

    Raises
    ------
    Problem
        It is of another type, not what its headers say, or ends early.
    werkzeug.exceptions.RequestEntityTooLarge
        It is too large.
    """
    media_type_sent(CSV, gzip=True)
    request.max_content_length = most + 1
    if request.content_length is not None and request.content_length > most:
        raise RequestEntityTooLarge
    pieces = _received(request.stream, request.content_length, most)
    return _unpacked(pieces, most) if encoding_sent() == "gzip" else pieces


def _received(stream: IO[bytes], expected: int | None, most: int) -> Iterator[bytes]:
    length = 0
    while piece := stream.read(min(PIECE, most + 1 - length)):
        length += len(piece)
        if length > most:
            raise RequestEntityTooLarge
        yield piece
    if expected is not None and length < expected:
        raise Problem("malformed-body", "The body is shorter than its Content-Length says.")


def _unpacked(pieces: Iterator[bytes], most: int) -> Iterator[bytes]:
    """Unpack gzip, of one member or several, a little at a time: a bomb is found after a few pieces of it."""
    unpacker, packed, length = zlib.decompressobj(_GZIP), 0, 0
    for piece in pieces:
        packed += len(piece)
        rest, made = piece, b""
        while rest or (
            len(made) == PIECE and not unpacker.eof
        ):  # a full piece: there may be more to come of what was read
            if unpacker.eof:
                unpacker = zlib.decompressobj(_GZIP)
            made, rest = _unpack(unpacker, rest)
            length += len(made)
            _check_length(length, packed, most)
            if made:
                yield made
    if packed and not unpacker.eof:
        raise Problem("malformed-body", "The gzip data of the body end early. Send it again.")


def _check_length(length: int, packed: int, most: int) -> None:
    if length > most:
        raise RequestEntityTooLarge
    if length > _FREE_OF_RATIO and length > MOST_RATIO * packed:
        raise Problem("too-large", f"The body is packed more than {MOST_RATIO} times. Send it as it is.")


def _unpack(unpacker: zlib._Decompress, packed: bytes) -> tuple[bytes, bytes]:
    """Return at most a piece of unpacked bytes, and the packed ones that are left."""
    try:
        made = unpacker.decompress(packed, PIECE)
    except zlib.error:
        raise Problem("malformed-body", "The body is not gzip, though Content-Encoding says so.") from None
    return made, unpacker.unused_data if unpacker.eof else unpacker.unconsumed_tail
