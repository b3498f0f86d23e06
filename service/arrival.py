"""A request as it arrives, byte by byte if need be: what can be known of it before a thread is taken for it."""

from __future__ import annotations

import re
from enum import Enum

from gunicorn.http.errors import (
    InvalidHeader,
    InvalidRequestLine,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)

__all__ = ["MOST_AT_ONCE", "RATE", "Arrival", "Arrived"]

RATE = 64 * 1024
"""Bytes a second below which a client is too slow."""
MOST_AT_ONCE = 64 * 1024
"""Largest body that is waited for without a thread, since it lies in memory meanwhile."""
LONGEST_HEAD = 64 * 1024
LONGEST_LINE = 4_094

_END = b"\r\n\r\n"
_TELLING = re.compile(rb"\r\n(content-length|transfer-encoding|expect)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_LENGTH = re.compile(rb"\d{1,15}")


class Arrived(Enum):
    """How much of a request is there."""

    PART = "part"
    HEAD = "head"
    """The head, and a body follows that is large, of unknown length, or waits for 100 Continue."""
    WHOLE = "whole"


class Arrival:
    """The bytes of the next request of a connection.

    Its head is judged no further than to where it ends and how long a body it announces; gunicorn's parser judges the
    whole of it. Only what cannot become a request any more is refused here, since it would be waited for in vain.
    """

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._head_end = -1
        self._needed: int | None = None

    def __len__(self) -> int:
        return len(self._bytes)

    def feed(self, data: bytes) -> None:
        """Take what came.

        Raises
        ------
        ParseException
            This cannot become a request.
        """
        searched = max(0, len(self._bytes) - 3)
        self._bytes += data
        if self._head_end < 0:
            self._head_end = self._bytes.find(_END, searched)
            error = _fault_of(self._bytes) if self._head_end < 0 else None
            if self._head_end > LONGEST_HEAD:
                error = LimitRequestHeaders("too large in all")
            if error is not None:
                raise error
            self._needed = self._length_of_all() if self._head_end >= 0 else None

    @property
    def arrived(self) -> Arrived:
        """How much of the request is there."""
        if self._head_end < 0:
            return Arrived.PART
        if self._needed is None:
            return Arrived.HEAD
        return Arrived.WHOLE if len(self._bytes) >= self._needed else Arrived.PART

    @property
    def has_head(self) -> bool:
        """Whether the head is there, whatever follows."""
        return self._head_end >= 0

    @property
    def data(self) -> bytes:
        """All that came."""
        return bytes(self._bytes)

    def _length_of_all(self) -> int | None:
        """Return how many bytes the request has in all; None if a thread has to read its body."""
        start = self._head_end + len(_END)
        announced = _TELLING.findall(self._bytes, 0, self._head_end)
        if any(name.lower() != b"content-length" for name, _ in announced):
            return None
        if len(announced) != 1 or not _LENGTH.fullmatch(announced[0][1].strip()):
            return start  # no body, or a head that the parser refuses
        length = int(announced[0][1])
        return start + length if length <= MOST_AT_ONCE else None


def _fault_of(head: bytearray) -> ParseException | None:
    """Return why these first bytes of a head cannot become a whole one."""
    if not head.startswith(b"\r") and not head[:1].isupper():
        return InvalidRequestLine("no method")
    if b"\n" in head and head.count(b"\n") != head.count(b"\r\n"):
        return InvalidHeader("bare LF as line terminator")
    if len(head) > LONGEST_LINE and head.find(b"\r\n", 2, LONGEST_LINE + 4) < 0:
        return LimitRequestLine(len(head), LONGEST_LINE)
    return LimitRequestHeaders("too large in all") if len(head) > LONGEST_HEAD else None
