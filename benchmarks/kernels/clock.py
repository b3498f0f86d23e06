"""Turns: ours, theirs, ours, theirs, so that both see the same machine; medians of the turns."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

Side = Callable[[int], float]
"""Does its work as many times as it is told and returns the seconds that took, timed where the work is done."""

_TURN = 0.1
"""Seconds one turn should last at least: training goes on and on, and a processor that slept is slow for a while."""

_MOST_TURNS, _LEAST_TURNS = 21, 3
_LONG = 0.3
"""Seconds from which on the first call counts as a turn: what it does only once is nothing beside its work."""

_PAUSE = 0.003
"""Seconds between two turns: threads of the side before may still wait in a loop for more work."""


def take_turns(sides: Mapping[str, Side], *, budget: float) -> dict[str, float]:
    """Return the median seconds of one call of each side, in about `budget` seconds."""
    runs: dict[str, list[float]] = {name: [] for name in sides}
    calls, spent = {}, 0.0
    for name, side in sides.items():
        seconds = side(1)  # touches the memory, and compiles where something is left to compile
        if seconds > _LONG:
            runs[name].append(seconds)
        else:
            seconds = side(1)
        calls[name] = max(1, int(_TURN / max(seconds, 1e-7)))
        spent += calls[name] * seconds + _PAUSE
    for _ in range(min(_MOST_TURNS, max(_LEAST_TURNS, int(budget / spent)))):
        for name, side in sides.items():
            if spent > budget and len(runs[name]) == _LEAST_TURNS:
                continue
            time.sleep(_PAUSE)
            runs[name].append(side(calls[name]) / calls[name])
    return {name: statistics.median(values) for name, values in runs.items()}


def repeated(work: Callable[[], object]) -> Side:
    """Return `work` as a side."""

    def side(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            work()
        return time.perf_counter() - start

    return side


class Products:
    """The limit: single-precision matrix products of NumPy's BLAS, one on each thread.

    BLAS itself must be held to one thread by OPENBLAS_NUM_THREADS before NumPy is imported, as ``__main__`` does.
    """

    SIZE = 768
    FLOPS = 2 * SIZE**3

    def __init__(self, threads: int) -> None:
        self.threads = threads
        rng = np.random.default_rng(0)
        self._sides = [rng.random((2, self.SIZE, self.SIZE), np.float32) for _ in range(threads)]
        self._results = [np.empty((self.SIZE, self.SIZE), np.float32) for _ in range(threads)]
        self._pool = ThreadPoolExecutor(threads)

    def __call__(self) -> None:
        """Multiply on every thread."""
        list(self._pool.map(self._multiply, range(self.threads)))

    def _multiply(self, thread: int) -> None:
        left, right = self._sides[thread]
        np.matmul(left, right, out=self._results[thread])

    def rate(self, seconds: float) -> float:
        """Return floating-point operations a second of all threads, from the seconds of one call."""
        return self.threads * self.FLOPS / seconds

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown()
