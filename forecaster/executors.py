"""Where pieces of work run: each executor is one ordered map, and the same as a stream.

``executor_of("threads")`` makes one by its name. Which of them runs the work changes nothing in the results: a piece
is a function of its item and of what all pieces share, and results come in the order of the items.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from forecaster.errors import ConfigError

Item = TypeVar("Item")
Result = TypeVar("Result")

EXECUTORS = ("serial", "threads", "ray")
"""Names that `executor_of` knows."""


class Executor(Protocol):
    """Runs a function over items and returns the results in their order.

    Attributes
    ----------
    workers : int
        Pieces that run at once.
    threads_each : int or None
        Threads that a piece of work may take; None for as many as it likes, where no other runs beside it.
    is_here : bool
        Whether pieces run in this process, and take of its memory.
    """

    @property
    def workers(self) -> int:
        """Pieces that run at once."""
        ...

    @property
    def threads_each(self) -> int | None:
        """Threads that a piece of work may take."""
        ...

    @property
    def is_here(self) -> bool:
        """Whether pieces run in this process."""
        ...

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], *, shared: Sequence[Any] = ()
    ) -> list[Result]:
        """Return ``[function(item, *shared) for item in items]``.

        What is `shared` is sent to each machine once, not once an item.
        """
        ...

    def stream(
        self,
        function: Callable[..., Result],
        items: Iterable[Item],
        *,
        shared: Sequence[Any] = (),
        ahead: int | None = None,
    ) -> Iterator[Result]:
        """Yield ``function(item, *shared)`` for each item; at most `ahead` are under way or wait to be taken.

        Items are taken from their iterator as there is room for them, so that neither they nor the results pile up
        where the reader of the results is slow.
        """
        ...


class Serial:
    """Runs one item after the other, here."""

    workers = 1
    threads_each = None
    is_here = True

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], *, shared: Sequence[Any] = ()
    ) -> list[Result]:
        """Return ``[function(item, *shared) for item in items]``."""
        return [function(item, *shared) for item in items]

    def stream(
        self,
        function: Callable[..., Result],
        items: Iterable[Item],
        *,
        shared: Sequence[Any] = (),
        ahead: int | None = None,  # noqa: ARG002 - one is under way at a time
    ) -> Iterator[Result]:
        """Yield ``function(item, *shared)`` for each item, each when it is asked for."""
        return (function(item, *shared) for item in items)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave nothing behind, since nothing was begun."""


class Threads:
    """Runs items on threads; compiled kernels release the interpreter, so threads are enough.

    Parameters
    ----------
    count : int, optional
        Threads; by default one for each processor this process may use.
    """

    threads_each = 1
    is_here = True

    def __init__(self, count: int | None = None) -> None:
        self.count = max(1, count or usable_cpus())
        self._pool = ThreadPoolExecutor(self.count, "forecaster") if self.count > 1 else None

    @property
    def workers(self) -> int:
        """Pieces that run at once."""
        return self.count

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], *, shared: Sequence[Any] = ()
    ) -> list[Result]:
        """Return ``[function(item, *shared) for item in items]``; the calling thread takes its share."""
        work = list(items)
        if self._pool is None or len(work) < 2:
            return [function(item, *shared) for item in work]
        shares = [work[k :: self.count] for k in range(self.count)]
        others = [self._pool.submit(_run, function, share, shared) for share in shares[1:] if share]
        results: list[Result] = [None] * len(work)  # type: ignore[list-item]  # every place is filled below
        results[0 :: self.count] = _run(function, shares[0], shared)
        for k, other in enumerate(others, start=1):
            results[k :: self.count] = other.result()
        return results

    def stream(
        self,
        function: Callable[..., Result],
        items: Iterable[Item],
        *,
        shared: Sequence[Any] = (),
        ahead: int | None = None,
    ) -> Iterator[Result]:
        """Yield ``function(item, *shared)`` for each item; the calling thread is free for what it does with them."""
        if self._pool is None:
            yield from Serial().stream(function, items, shared=shared)
            return
        most = ahead or 2 * self.workers
        pending: deque[Future[Result]] = deque()
        try:
            for item in items:
                pending.append(self._pool.submit(function, item, *shared))
                if len(pending) >= most:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # an error, or nobody wants the rest
            for one in pending:
                one.cancel()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _run(function: Callable[..., Result], share: list[Item], shared: Sequence[Any]) -> list[Result]:
    return [function(item, *shared) for item in share]


def check_executor(name: str) -> str:
    """Return `name` if an executor is called so.

    Raises
    ------
    ConfigError
        None is.
    """
    if name not in EXECUTORS:
        raise ConfigError(f"executor must be one of {', '.join(EXECUTORS)}, got {name!r}.", column="executor")
    return name


@contextmanager
def executor_of(asked: str | Executor | None, *, workers: int | None = None) -> Iterator[Executor]:
    """Give the executor asked for, and end what was begun for it.

    Parameters
    ----------
    asked : str, Executor or None
        Its name: ``"serial"``, ``"threads"``, or ``"ray"``, which is the cluster that ``RAY_ADDRESS`` names, or else
        one of this machine alone. An executor is given back, and not ended. None stands for ``"serial"``.
    workers : int, optional
        Pieces that run at once; by default one for each processor of this process or of the cluster.

    Raises
    ------
    ConfigError
        There is none of that name, or `workers` is less than 1.
    MissingExtraError
        Ray is not installed.
    ExecutorError
        The cluster does not answer.
    """
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, got {workers}.", column="workers")
    if asked is not None and not isinstance(asked, str):
        yield asked
        return
    name = check_executor(asked or "serial")
    if name == "ray":
        from forecaster.raycluster import Ray  # takes seconds to import, and is not always installed

        with Ray(workers, usual=usable_cpus()) as cluster:
            yield cluster
    elif name == "threads":
        with Threads(workers) as threads:
            yield threads
    else:
        yield Serial()


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
