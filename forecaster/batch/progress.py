"""Where a run is, for whoever watches it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from forecaster.batch.parts import Part


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """Where a run is.

    Attributes
    ----------
    stage : str
        ``"reading ids"``, ``"bringing rows together"``, ``"forecasting"`` or ``"joining"``.
    rows, total : int, int or None
        Rows of the input that this stage is done with, and of how many, if that is known.
    series : int
        Series that are done with.
    rows_before, series_before : int
        What an earlier run had done of them.
    seconds : float
        Since the stage began.
    """

    stage: str
    rows: int = 0
    total: int | None = None
    series: int = 0
    rows_before: int = 0
    series_before: int = 0
    seconds: float = 0.0


class StoppedError(BaseException):
    """Ends the reading of an input that nobody waits for any more."""


class Watch:
    """Counts, and tells a function what it has counted.

    Parameters
    ----------
    tell : callable, optional
        Is given a `BatchProgress` each time something is done.
    """

    def __init__(self, tell: Callable[[BatchProgress], None] | None) -> None:
        self._tell, self._stopped = tell, False
        self._now = BatchProgress("")
        self._began = time.monotonic()

    def begin(self, stage: str, total: int | None, done: Sequence[Part] = ()) -> None:
        """Begin a stage, of which some parts are done before."""
        rows, series = sum(part.rows for part in done), sum(part.series + part.skipped for part in done)
        self._began = time.monotonic()
        self._show(BatchProgress(stage, rows, total, series, rows, series))

    def rows(self, count: int) -> None:
        """Tell that the stage is done with so many rows in all; raise StoppedError if nobody waits for more."""
        self.check()
        self._show(replace(self._now, rows=count))

    def part(self, part: Part) -> None:
        """Tell that one more part is done."""
        now = self._now
        self._show(replace(now, rows=now.rows + part.rows, series=now.series + part.series + part.skipped))

    def stop(self) -> None:
        """End whoever still reads."""
        self._stopped = True

    def check(self) -> None:
        """Raise StoppedError if nobody waits for what is read any more."""
        if self._stopped:
            raise StoppedError

    def _show(self, now: BatchProgress) -> None:
        self._now = replace(now, seconds=time.monotonic() - self._began)
        if self._tell is not None:
            self._tell(self._now)
