"""Log lines as JSON, one a line, on standard error; never with a user's values.

Nothing that happens to the log happens to a request: a line that cannot be written (standard error is closed, its disk
is full, nobody reads its pipe) is lost and counted.
"""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import traceback
from datetime import UTC, datetime
from typing import Any, ClassVar, Protocol

__all__ = ["JsonFormatter", "LineHandler", "frames_of", "log_config"]

MOST_FRAMES = 20
PATIENCE = 200
"""Milliseconds that a line waits for a reader who is behind."""


class JsonFormatter(logging.Formatter):
    """Writes a record, and the `fields` given as ``extra={"fields": {...}}``, as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for `record`; an exception is its type and place, its message may hold values."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[1] is not None:
            error = record.exc_info[1]
            line |= {"error": type(error).__name__, "at": frames_of(error)}
        line |= getattr(record, "fields", {})
        return json.dumps(line, ensure_ascii=True, default=str)


class Counter(Protocol):
    """Something that counts."""

    def inc(self) -> None:
        """Count one more."""


class LineHandler(logging.Handler):
    """Writes each record with one call, so that lines of several processes do not mix, and never waits for long.

    Parameters
    ----------
    descriptor
        Where to; default: standard error, if there is one.

    Attributes
    ----------
    lost
        Counts the lines that could not be written.
    """

    lost: ClassVar[Counter | None] = None

    def __init__(self, descriptor: int | None = None) -> None:
        super().__init__()
        # Without standard error its number may since belong to another file.
        self._descriptor = 2 if descriptor is None and sys.__stderr__ is not None else descriptor
        self._patience = PATIENCE
        self._torn = b""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line of `record`, or lose it."""
        try:
            self._write((self.format(record) + "\n").encode())
        except Exception:  # noqa: BLE001 - the log is no reason to fail
            if self.lost is not None:
                self.lost.inc()

    def _write(self, line: bytes) -> None:
        if self._descriptor is None:
            raise OSError("there is no standard error")
        # A pipe that is full would hold up all threads until somebody reads. One that nobody reads is waited for once.
        waiting = select.poll()
        waiting.register(self._descriptor, select.POLLOUT)
        if not waiting.poll(self._patience):
            self._patience = 0
            raise BlockingIOError
        self._patience = PATIENCE
        line = self._torn + line
        written = os.write(self._descriptor, line)
        self._torn = b"\n" if written < len(line) else b""  # a disk filled up: what follows begins a line of its own
        if self._torn:
            raise OSError("a part of the line was written")


def frames_of(error: BaseException) -> list[str]:
    """Return the places in the code an exception came through, innermost last."""
    frames = traceback.extract_tb(error.__traceback__)[-MOST_FRAMES:]
    return [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]


def log_config(level: str) -> dict[str, Any]:
    """Return a configuration for `logging.config.dictConfig`, for gunicorn and the service alike."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter}},
        "handlers": {"stderr": {"()": LineHandler, "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            # Numba's own loggers are chatty at INFO: only what is ours is heard below WARNING.
            name: {"level": level, "handlers": ["stderr"], "propagate": False, "qualname": name}
            for name in ("gunicorn.error", "service", "forecaster")
        },
    }
