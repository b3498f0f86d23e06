"""Where pieces of work run: each executor is one ordered map."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class Executor(Protocol):
    """Runs a function over items and returns the results in their order."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return ``[function(item) for item in items]``."""
        ...


class Serial:
    """Runs one item after the other, here."""

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return ``[function(item) for item in items]``."""
        return [function(item) for item in items]


class Threads:
    """Runs items on threads; compiled kernels release the interpreter, so threads are enough.

    Parameters
    ----------
    count : int, optional
        Threads; by default one for each processor this process may use.
    """

    def __init__(self, count: int | None = None) -> None:
        self.count = max(1, count or usable_cpus())
        self._pool = ThreadPoolExecutor(self.count - 1, "forecaster") if self.count > 1 else None

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """Return ``[function(item) for item in items]``; the calling thread takes its share."""
        work = list(items)
        if self._pool is None or len(work) < 2:
            return [function(item) for item in work]
        shares = [work[k :: self.count] for k in range(self.count)]
        others = [self._pool.submit(_run, function, share) for share in shares[1:] if share]
        results: list[Result] = [None] * len(work)  # type: ignore[list-item]  # every place is filled below
        results[0 :: self.count] = _run(function, shares[0])
        for k, other in enumerate(others, start=1):
            results[k :: self.count] = other.result()
        return results

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _run(function: Callable[[Item], Result], share: list[Item]) -> list[Result]:
    return [function(item) for item in share]


def usable_cpus() -> int:
    """Return the processors this process may use: its affinity, cut by the container's quota.

    ``--cpus`` of a container changes neither ``os.cpu_count()`` nor the affinity, so the control group is read.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota, period = _cpu_quota(Path("/sys/fs/cgroup"))
    return max(1, min(allowed, -(-quota // period))) if quota > 0 and period > 0 else allowed


def _cpu_quota(root: Path) -> tuple[int, int]:
    """Return quota and period of the control group, version 2 or 1; zeros where there is none."""
    try:
        quota, period = (root / "cpu.max").read_text().split()
        return int(quota), int(period)
    except (OSError, ValueError):  # not version 2, or "max": no quota
        pass
    try:
        v1 = root / "cpu"
        return int((v1 / "cpu.cfs_quota_us").read_text()), int((v1 / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError):
        return 0, 0
