"""Which running jobs have lost their worker, told without a clock that two machines would have to share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from service.jobs.leases import Lease

__all__ = ["LeaseWatch"]


class LeaseWatch:
    """Looks at leases again and again; one whose beats do not move for long enough is dead.

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
        self._since: dict[Lease, float] = {}

    def dead(self, leases: Iterable[Lease]) -> list[Lease]:
        """Return those of the leases there are now that have been as they are for long enough."""
        now = self._monotonic()
        self._since = {lease: self._since.get(lease, now) for lease in leases}
        return [lease for lease, since in self._since.items() if now - since >= self._seconds]
