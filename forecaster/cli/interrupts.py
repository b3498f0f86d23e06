"""Signals that end a command which leaves something to go on from."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
"""Exit codes, as shells have them."""


class TerminatedError(BaseException):
    """SIGTERM has come; no Exception, as KeyboardInterrupt is none."""


@contextmanager
def terminated_as_error() -> Iterator[None]:
    """Have SIGTERM raise TerminatedError here, so that what is open is closed and told."""
    if threading.current_thread() is not threading.main_thread():  # only there can signals be caught
        yield
        return
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(_signal: int, _frame: object) -> NoReturn:
    raise TerminatedError
