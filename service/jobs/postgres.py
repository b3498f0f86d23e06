"""Connections to PostgreSQL that do not wait for ever.

Its own timeouts are kept by the server, and those of TCP by its kernel: neither helps when the server's processes are
stopped while their connections stay open. So every wait for an answer has an end here, too.

Imported only where the database is PostgreSQL, since the driver is an extra.
"""

from __future__ import annotations

import time
from typing import Any

import psycopg
from psycopg.abc import PQGen

__all__ = ["ANSWER_SECONDS", "connect_patiently"]

ANSWER_SECONDS = 12
"""Longer than any statement may take by the server's own reckoning."""

_NOTHING = 0  # what a generator of psycopg is sent when its socket had nothing for a while


def connect_patiently(_dialect: Any, _record: Any, arguments: Any, options: Any) -> psycopg.Connection:
    """Connect, as a listener to ``do_connect`` of an engine."""
    return _PatientConnection.connect(*arguments, **options)


class _PatientConnection(psycopg.Connection):
    """A connection that is closed when an answer does not come: what it would bring later, nobody waits for."""

    def wait(self, gen: PQGen[Any], *arguments: Any, **options: Any) -> Any:
        return super().wait(self._with_an_end(gen), *arguments, **options)

    def _with_an_end(self, gen: PQGen[Any]) -> PQGen[Any]:
        end = time.monotonic() + ANSWER_SECONDS
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if ready == _NOTHING and time.monotonic() >= end:
                    self.pgconn.finish()
                    raise psycopg.OperationalError(f"PostgreSQL has not answered for {ANSWER_SECONDS} seconds")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value
