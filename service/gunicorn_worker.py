"""Gunicorn's worker with threads, which takes a thread for a request only when it is there.

Gunicorn's own gives each connection a thread that reads the request, so a handful of clients that send byte by byte
keep everybody out. Here the loop that accepts connections reads requests too, without waiting; threads get them whole.
Bodies that are large, or of a length not known before, are read by a thread as they come, but only half of the threads
do that at a time, and a client has to keep a pace (`service.connection`). What is not HTTP is answered with problems
instead of HTML.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import selectors
import socket
import time
import uuid
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from service.arrival import MOST_AT_ONCE, Arrived
from service.connection import Connection, TranslatingReader
from service.draining import hold_back_newcomers, is_draining
from service.guard import HEADERS
from service.logs import frames_of
from service.problems import KINDS, PROBLEM_TYPE, Problem, problem_text
from service.settings import Settings

__all__ = ["Worker"]

logger = logging.getLogger("service.request")

SECONDS_BETWEEN_LOOKS = 0.5
SECONDS_TO_CLOSE = 2.0
"""How long a client that has its answer may take to close, and an idle one of a stopping worker to ask once more."""
SECONDS_OF_LAST_CALL = 0.2
"""How long a stopping service accepts connections that were under way."""
READ_SIZE = MOST_AT_ONCE
_FULL = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

_STATUS = {  # by name: not every release of gunicorn has all of these
    "ExpectationFailed": HTTPStatus.EXPECTATION_FAILED,
    "LimitRequestLine": HTTPStatus.REQUEST_URI_TOO_LONG,
    "LimitRequestHeaders": HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "UnsupportedTransferCoding": HTTPStatus.NOT_IMPLEMENTED,
}


class Worker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """A worker with threads."""

    alive: bool

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._seconds = float(Settings.from_environment().read_seconds)
        self._slots = max(1, self.cfg.threads // 2)
        self._for_a_slot: deque[Connection] = deque()
        self._watched: set[Connection] = set()
        self._next_look = self._next_accept = 0.0

    # --- the loop

    def run(self) -> None:
        """Accept, read, hand to threads, until a signal; then end what was begun."""
        self.poller.register(self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks)
        while self.alive and self.is_parent_alive():
            is_time = time.monotonic() >= self._next_accept
            self.set_accept_enabled(is_time and self.nr_conns < self.worker_connections)
            self._turn()
        self.alive = False
        self._stop_accepting()
        end = time.monotonic() + self.cfg.graceful_timeout
        while self.nr_conns > 0 and time.monotonic() < end:
            self._turn()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _turn(self) -> None:
        self.notify()
        self.wait_for_and_dispatch_events(timeout=SECONDS_BETWEEN_LOOKS)
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + SECONDS_BETWEEN_LOOKS
            for connection in [*self._watched, *self._for_a_slot]:
                if connection.deadline <= now:
                    self._give_up(connection)

    def _stop_accepting(self) -> None:
        """Take all who have come, then close: the kernel resets who waits on a socket that is closed."""
        if is_draining():  # else other workers go on, and the socket with them
            for listener in self.sockets:
                hold_back_newcomers(listener)
            end = time.monotonic() + SECONDS_OF_LAST_CALL
            self.set_accept_enabled(True)
            while time.monotonic() < end:
                self.wait_for_and_dispatch_events(timeout=SECONDS_OF_LAST_CALL / 4)
        self.set_accept_enabled(False)
        for listener in self.sockets:
            while self.accept(listener):
                pass
            listener.close()
        soon = time.monotonic() + SECONDS_TO_CLOSE
        for connection in self._watched:
            if not len(connection.arrival):
                connection.deadline = min(connection.deadline, soon)

    def accept(self, listener: Any) -> bool:
        """Accept a connection, and return whether there was one."""
        try:
            sock, address = listener.accept()
        except OSError as error:
            if error.errno in _FULL:  # wait until a connection has ended
                self._next_accept = time.monotonic() + SECONDS_BETWEEN_LOOKS
                logger.warning("no connection can be accepted: %s", error.strerror)
            return False
        connection = Connection(self.cfg, sock, address, listener.getsockname(), seconds=self._seconds)
        self.nr_conns += 1
        connection.deadline = time.monotonic() + self._seconds
        self._on_readable(connection, sock)  # most have sent by now
        return True

    # --- a connection

    def _watch(self, connection: Connection, deadline: float) -> None:
        connection.deadline = deadline
        if connection not in self._watched:
            connection.sock.setblocking(False)
            self._watched.add(connection)
            self.poller.register(connection.sock.raw, selectors.EVENT_READ, partial(self._on_readable, connection))

    def _unwatch(self, connection: Connection) -> None:
        if connection in self._watched:
            self._watched.remove(connection)
            self.poller.unregister(connection.sock.raw)

    def _drop(self, connection: Connection) -> None:
        self._unwatch(connection)
        self.nr_conns -= 1
        connection.close()

    def _on_readable(self, connection: Connection, _sock: Any) -> None:
        try:
            data = connection.receive(READ_SIZE)
        except OSError:
            self._drop(connection)
            return
        if data is None or (data and connection.is_closing):
            self._watch(connection, connection.deadline)
        elif data:
            self._feed(connection, data)
        else:
            self._on_end(connection)

    def _on_end(self, connection: Connection) -> None:
        """Act on the end of what a client sends; one that has sent a head may still wait for its answer."""
        if connection.arrival.has_head and not connection.is_closing:
            self._unwatch(connection)
            self._begin(connection)
        else:
            self._drop(connection)

    def _feed(self, connection: Connection, data: bytes) -> None:
        try:
            connection.feed(data)
        except errors.ParseException as error:
            self._refuse(connection, error)
            return
        arrived = connection.arrival.arrived
        if arrived is Arrived.PART:
            self._watch(connection, connection.deadline)
            return
        self._unwatch(connection)
        if arrived is Arrived.WHOLE:
            self._begin(connection)
        else:
            connection.deadline = time.monotonic() + self._seconds
            self._for_a_slot.append(connection)
            self._give_slots()

    def _give_slots(self) -> None:
        while self._slots and self._for_a_slot:
            self._slots -= 1
            connection = self._for_a_slot.popleft()
            connection.holds_slot = True
            self._begin(connection)

    def _begin(self, connection: Connection) -> None:
        connection.hand_over()
        self.enqueue_req(connection)

    def finish_request(self, conn: Connection, fs: Any) -> None:
        """Wait for the next request of a connection, or end it; called by the loop when a thread is done."""
        if conn.holds_slot:
            conn.holds_slot = False
            self._slots += 1
            self._give_slots()
        if fs.cancelled() or fs.exception() is not None or not fs.result():
            self._close_gently(conn)
            return
        rest = conn.take_back()
        if rest:
            self._feed(conn, rest)
        else:
            self._watch(conn, time.monotonic() + (self.cfg.keepalive if self.alive else SECONDS_TO_CLOSE))

    def _give_up(self, connection: Connection) -> None:
        """End a connection whose time is up; one that has sent a part of a request is told why."""
        if connection in self._for_a_slot:
            self._for_a_slot.remove(connection)
            detail = "The service reads all the large requests it reads at once. Try again."
            self._refuse(connection, Problem("busy", detail, headers={"Retry-After": "5"}))
        elif connection.is_closing or not len(connection.arrival):
            self._drop(connection)
        else:
            self._refuse(connection, Problem("too-slow", "The request came too slowly. Send it faster."))

    def _refuse(self, connection: Connection, error: Exception) -> None:
        self._unwatch(connection)
        connection.sock.setblocking(False)
        self.handle_error(None, connection.sock.raw, connection.client, error)
        self._close_gently(connection)

    def _close_gently(self, connection: Connection) -> None:
        """Close once the client has, or soon: what it still sends would make the kernel take the answer back."""
        try:
            connection.sock.raw.shutdown(socket.SHUT_WR)
            connection.is_closing = True
            self._watch(connection, time.monotonic() + SECONDS_TO_CLOSE)
        except OSError:
            self._drop(connection)

    # --- a request, in a thread

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Let the application answer a request."""
        req.body.reader = TranslatingReader(req.body.reader)
        if is_draining():
            req.force_close()
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:
        """Return whether the connection can be used again; not if the application left a body unread on its way."""
        conn.sock.is_sealed = True
        return bool(super()._keepalive_after(conn, keepalive))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:  # noqa: ARG002 - gunicorn's
        """Answer what could not be read, and log it; gunicorn's log line would repeat what was sent."""
        is_theirs = isinstance(exc, errors.ParseException | Problem)
        problem = exc if isinstance(exc, Problem) else _problem_of(exc)
        status = HTTPStatus(KINDS[problem.kind].status)
        if is_theirs:
            status = _STATUS.get(type(exc).__name__, status)
        request_id = uuid.uuid4().hex
        fields: dict[str, Any] = {"request_id": request_id, "method": "(other)", "route": "(none)"}
        fields |= {"status": status.value, "error": type(exc).__name__, "at": [] if is_theirs else frames_of(exc)}
        logger.log(logging.INFO if is_theirs else logging.ERROR, "request", extra={"fields": fields})
        if self.wsgi is not None:
            self.wsgi.extensions["metrics"].refused(status.value, problem.kind)
        with contextlib.suppress(OSError):  # the client has gone
            util.write_nonblock(client, _answer(problem, status, request_id))


def _problem_of(error: Exception) -> Problem:
    if not isinstance(error, errors.ParseException):
        return Problem("internal-error", "The cause is in the service's log.")
    return Problem("bad-request", "The request line or a header is not HTTP/1.1 as the service reads it.")


def _answer(problem: Problem, status: HTTPStatus, request_id: str) -> bytes:
    body = problem_text(problem.kind, problem.detail, request_id=request_id, status=status.value)
    headers = {"Content-Type": PROBLEM_TYPE, **HEADERS, **problem.headers, "X-Request-ID": request_id}
    headers |= {"Connection": "close", "Content-Length": str(len(body.encode()))}
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + f"\r\n\r\n{body}").encode()
