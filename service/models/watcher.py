"""A thread that looks for what has changed, every few seconds until the process ends."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Callable

from service.logs import frames_of

__all__ = ["Watcher"]

logger = logging.getLogger(__name__)

GRACE = 2.0
"""Seconds that the end of the process waits for a look that is under way."""


class Watcher:
    """Calls `look` every `seconds`, in a thread of this process: to be started after a fork, not before.

    Parameters
    ----------
    look
        What to call; an error of it is logged, and the thread goes on.
    seconds
        Between the end of a call and the next.
    """

    def __init__(self, look: Callable[[], object], seconds: float) -> None:
        self._look, self._seconds = look, seconds
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> Watcher:
        """Begin."""
        self._thread.start()
        atexit.register(self.stop)  # a daemon thread must not be inside of compiled code when Python shuts down
        return self

    def stop(self) -> None:
        """End the thread; one that is inside of a look ends after it."""
        self._end.set()
        if self._thread is not threading.current_thread():
            self._thread.join(GRACE)
        atexit.unregister(self.stop)

    def _run(self) -> None:
        while not self._end.wait(self._seconds):
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may go well
                fields = {"error": type(error).__name__, "at": frames_of(error)}
                logger.error("look for changes failed", extra={"fields": fields})
