"""Clients that ask all the time, each one request after the other, and note what becomes of each."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage
from types import TracebackType
from typing import NamedTuple, Self

from tests.service.processes import PATIENCE, wait_for

Check = Callable[[int, HTTPMessage, bytes], None]
"""Looks at an answer: status, headers and body."""


class Ask(NamedTuple):
    """A request, what looks at its answer, and whether the connection is kept for the next."""

    body: bytes
    check: Check
    kept: bool
    type: str = "application/json"
    path: str = "/v1/forecast"


class Failure(NamedTuple):
    """A request without an answer, on the connection from this port."""

    port: int
    error: str


@dataclass
class Client:
    """One client, in a thread."""

    port: int
    ask: Ask
    answered: int = 0
    told_to_close: int = 0
    turned_away: bool = False
    failures: list[Failure] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def run(self, stop: threading.Event) -> None:
        """Ask until `stop`, or until nobody listens any more."""
        connection, own = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE), 0
        while not stop.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
                    own = connection.sock.getsockname()[1]  # type: ignore[attr-defined]  # mypy takes it for None still
                self._once(connection)
            except ConnectionRefusedError:
                self.turned_away = True  # it was never accepted: whoever stands before the service tries another
                break
            except (OSError, HTTPException) as error:
                self.failures.append(Failure(own, repr(error)))
                connection.close()
        connection.close()

    def _once(self, connection: HTTPConnection) -> None:
        headers = {"Content-Type": self.ask.type} | ({} if self.ask.kept else {"Connection": "close"})
        connection.request("POST", self.ask.path, self.ask.body, headers)
        response = connection.getresponse()
        body = response.read()
        try:
            self.ask.check(response.status, response.headers, body)
        except AssertionError as error:
            self.wrong.append(f"{response.status} {error} {body[:300]!r}")
        self.answered += 1
        if response.will_close:  # the next request is one on a new connection
            self.told_to_close += self.ask.kept
            connection.close()


class Load:
    """Clients at work while the block lasts.

    Parameters
    ----------
    port
        Of the service, on loopback.
    asks
        What each client asks.
    """

    def __init__(self, port: int, asks: Sequence[Ask]) -> None:
        self.clients = [Client(port, ask) for ask in asks]
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=client.run, args=(self._stop,)) for client in self.clients]

    def __enter__(self) -> Self:
        """Begin, and return when each client has had an answer."""
        for thread in self._threads:
            thread.start()
        wait_for(lambda: all(client.answered or client.wrong for client in self.clients))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=PATIENCE)

    @property
    def answered(self) -> int:
        """How many requests have been answered."""
        return sum(client.answered for client in self.clients)

    @property
    def failures(self) -> list[Failure]:
        """What was not answered."""
        return [failure for client in self.clients for failure in client.failures]

    @property
    def wrong(self) -> list[str]:
        """What was answered wrongly."""
        return [line for client in self.clients for line in client.wrong]

    def go_on(self, more: int) -> None:
        """Return when so many further requests have been answered."""
        enough = self.answered + more
        wait_for(lambda: self.answered >= enough, lambda: f"only {self.answered} answers: {self.failures[:5]}")

    def wait_until_turned_away(self) -> None:
        """Return when every client has found that nobody listens."""
        for thread in self._threads:
            thread.join(timeout=PATIENCE)
        assert all(client.turned_away for client in self.clients)
