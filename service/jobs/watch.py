"""What has not changed for long enough, told without a clock that jumps or that two machines would have to share."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable
from typing import Generic, TypeVar

__all__ = ["Watch"]

Thing = TypeVar("Thing", bound=Hashable)


class Watch(Generic[Thing]):
    """Looks at things again and again, such as leases with their signs of life, or files with their times of change.

    Parameters
    ----------
    seconds
        How long is long enough, on this process's own clock.
    monotonic
        That clock.
    """

    def __init__(self, seconds: float, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._monotonic = monotonic
        self._since: dict[Thing, float] = {}

    def unchanged(self, things: Iterable[Thing]) -> list[Thing]:
        """Return those of the things there are now that have been as they are for long enough."""
        now = self._monotonic()
        self._since = {thing: self._since.get(thing, now) for thing in things}
        return [thing for thing, since in self._since.items() if now - since >= self._seconds]
