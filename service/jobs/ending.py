"""A wish to end that interrupts every wait, set by a signal or by a test."""

from __future__ import annotations

import os
import signal
from multiprocessing.connection import Connection, wait
from typing import Any

__all__ = ["Ending"]


class Ending:
    """Whether the process should end; waits for that, or for something to read."""

    def __init__(self) -> None:
        self._asked = False
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def __bool__(self) -> bool:
        """Return whether the end was asked for."""
        return self._asked

    def on_signals(self, *signals: signal.Signals) -> Ending:
        """Let these signals ask for the end; a lock would deadlock in a signal's handler, a pipe does not."""
        for number in signals:
            signal.signal(number, lambda *_: self.ask())
        return self

    def ask(self) -> None:
        """Ask for the end."""
        self._asked = True
        os.write(self._write, b"x")

    def wait(self, seconds: float, *connections: Connection) -> list[Any]:
        """Wait until the end is asked for, one of the connections has something, or the time is over."""
        if self._asked:
            return []
        return wait([self._read, *connections], max(0.0, seconds))

    def close(self) -> None:
        """Close the pipe."""
        os.close(self._read)
        os.close(self._write)
