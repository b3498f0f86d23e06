"""Log lines as JSON, one a line, on standard error; never with a user's values."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

__all__ = ["JsonFormatter", "frames_of", "log_config"]

MOST_FRAMES = 20


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
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            # Numba's own loggers are chatty at INFO: only what is ours is heard below WARNING.
            name: {"level": level, "handlers": ["stderr"], "propagate": False, "qualname": name}
            for name in ("gunicorn.error", "service", "forecaster")
        },
    }
