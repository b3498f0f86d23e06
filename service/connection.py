"""A client's connection: a socket that is not waited for without end, and what is known of the next request."""

from __future__ import annotations

import errno
import socket
import time
from typing import Any

from gunicorn import http
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import TConn

from service.arrival import RATE, Arrival
from service.problems import Problem

__all__ = ["Connection", "PacedSocket", "TranslatingReader"]

PIECE = 4 * RATE
SHORTEST_WAIT = 0.001  # none at all would mean without end


class PacedSocket:
    """A socket whose other end has to keep a pace: some seconds, and one more for each `RATE` bytes that move.

    Only the time counts in which the client is waited for, not that of the work between.

    Parameters
    ----------
    sock
        The socket; what is not defined here is its own.
    seconds
        How long a client may take beyond the pace to send a request, and again to take the answer.
    """

    def __init__(self, sock: socket.socket, seconds: float) -> None:
        self.raw = sock
        self.seconds = seconds
        self.is_sealed = False
        """Whether no more of this request is read: what has not arrived by now is not waited for."""
        self._reading = self._writing = seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def begin(self) -> None:
        """Begin to work on a request."""
        self.is_sealed = False
        self._reading = self._writing = self.seconds

    def recv(self, size: int) -> bytes:
        """Return the next bytes of a request's body.

        Raises
        ------
        Problem
            The client is too slow.
        """
        if self.is_sealed:
            raise TimeoutError
        started = time.monotonic()
        try:
            self.raw.settimeout(max(self._reading, SHORTEST_WAIT))
            data = self.raw.recv(size)
        except TimeoutError:
            raise Problem("too-slow", "The body came too slowly. Send it faster, or a smaller one.") from None
        self._reading += len(data) / RATE - (time.monotonic() - started)
        return data

    def sendall(self, data: bytes) -> None:
        """Send a part of an answer.

        Raises
        ------
        BrokenPipeError
            The client is too slow; gunicorn takes it for one that has gone.
        """
        whole = memoryview(data)
        for start in range(0, len(whole), PIECE):
            part, started = whole[start : start + PIECE], time.monotonic()
            try:
                self.raw.settimeout(max(self._writing, SHORTEST_WAIT))
                self.raw.sendall(part)
            except TimeoutError:
                raise BrokenPipeError(errno.EPIPE, "the client does not take its answer") from None
            self._writing += len(part) / RATE - (time.monotonic() - started)


class TranslatingReader:
    """Reads a body as gunicorn's reader does, and says what is wrong with it as a problem."""

    def __init__(self, reader: Any) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        """Return the next bytes.

        Raises
        ------
        Problem
            The body is not framed as HTTP frames one.
        """
        try:
            data: bytes = self._reader.read(size)
        except ParseException:
            raise Problem("bad-request", "The chunks of the body are not framed as HTTP/1.1 says.") from None
        return data


class Connection(TConn):  # type: ignore[misc]  # gunicorn has no types
    """What gunicorn's worker knows of a connection, and the request that is arriving on it.

    Attributes
    ----------
    arrival
        What came of the next request.
    deadline
        When this state ends: for a request to arrive, for an idle or a closing connection to be closed.
    is_closing
        Whether the answer is sent, and what still comes is thrown away until the client closes too.
    holds_slot
        Whether it is one of the few whose body a thread reads as it arrives.
    """

    parser: Any

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, *, seconds: float) -> None:
        super().__init__(cfg, PacedSocket(sock, seconds), client, server)
        self.arrival = Arrival()
        self.deadline = 0.0
        self.is_closing = False
        self.holds_slot = False
        self.data_ready = True  # a thread is taken only then

    def receive(self, size: int) -> bytes | None:
        """Return what has come, without waiting; None if nothing has.

        Raises
        ------
        OSError
            The connection is gone.
        """
        try:
            data: bytes = self.sock.raw.recv(size)
        except BlockingIOError:
            return None
        return data

    def feed(self, data: bytes) -> None:
        """Take a part of the next request.

        Raises
        ------
        gunicorn.http.errors.ParseException
            It cannot become a request.
        """
        if not len(self.arrival):
            self.deadline = time.monotonic() + self.sock.seconds
        self.deadline += len(data) / RATE
        self.arrival.feed(data)

    def hand_over(self) -> None:
        """Give gunicorn's parser what has arrived."""
        if self.parser is None:
            self.parser = http.get_parser(self.cfg, self.sock, self.client)
        self.parser.unreader.unread(self.arrival.data)
        self.arrival = Arrival()
        self.sock.begin()

    def take_back(self) -> bytes:
        """Return what the parser holds of a request after the last one."""
        rest: bytes = self.parser.unreader.take_buffered()
        return rest
