"""How much work at once: what a request will cost, which large ones wait for others, and when one has taken too long.

All of it holds for one worker process. Small requests always pass, so that a large one in the queue never keeps them.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition

from service.baton import BATON
from service.models.served import Model
from service.problems import Problem
from service.schemas.base import FieldError
from service.settings import Settings

__all__ = [
    "Admission",
    "Turn",
    "body_cost",
    "comparison_cost",
    "explanation_cost",
    "forecast_cost",
    "inspection_cost",
]

SMALL = 0.02
"""Processor seconds below which a request is small."""

# Processor seconds, measured in November 2026 on one core of an Intel Xeon with AVX-512, the kernels compiled. A slower
# machine takes longer for all of them alike; `max_cost` can say so.
_REQUEST = 1e-3
_BYTE_OF_JSON = 60e-9
_BYTE_OF_CSV = 90e-9
_MULTIPLY_ADD = 16e-12
_VALUE = 130e-9
_NUMBER = 300e-9
_COMPARED = 250e-6
_WRITTEN = 1e-6
_USUAL_WORK = 15e6
"""Multiply-adds of a window, for a model that does not say: those of the largest base weights."""


def body_cost(size: int, *, is_json: bool) -> float:
    """Return the processor seconds that reading a body of `size` bytes takes."""
    return size * (_BYTE_OF_JSON if is_json else _BYTE_OF_CSV)


def forecast_cost(model: Model, *, series: int, values: int, h: int, columns: int) -> float:
    """Return the processor seconds that a forecast takes, and the writing of its answer.

    A network goes over each series once for each stretch of its own horizon; `columns` numbers are written for each
    step.
    """
    architecture = model.info.get("architecture", {})
    horizon = int(architecture.get("horizon", model.info["horizon"]))
    networks = architecture.get("networks", [])
    positions = max((int(network["positions"]) for network in networks), default=0)
    work = positions * int(architecture.get("weights", 0)) or _USUAL_WORK
    stretches = math.ceil(h / horizon)
    windows = series * stretches * (work * _MULTIPLY_ADD)
    return _REQUEST * stretches + windows + values * _VALUE + series * h * columns * _NUMBER


def comparison_cost(*, series: int, windows: int) -> float:
    """Return the processor seconds that the simple methods beside a model take in a backtest."""
    return series * windows * _COMPARED


def explanation_cost(model: Model, *, series: int, values: int, numbers: int) -> float:
    """Return the processor seconds that one pass takes, and the writing of so many `numbers` of it."""
    return forecast_cost(model, series=series, values=values, h=1, columns=0) + numbers * _NUMBER


def inspection_cost(values: int) -> float:
    """Return the processor seconds that so many values take to be written with their timestamps."""
    return values * _WRITTEN


class Admission:
    """Lets `Settings.concurrency` large requests work at once and `Settings.queue` wait, in the order they came.

    Parameters
    ----------
    settings
        The limits.
    clock
        Seconds that only go forward.
    told
        Is told how many large requests are worked on and how many wait, when that changes.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[int, int], None] = lambda _working, _waiting: None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self._told = told
        self._changed = Condition()
        self._working: list[Turn] = []
        self._line: deque[Turn] = deque()

    @contextmanager
    def turn(self) -> Iterator[Turn]:
        """Give a request its turn; its seconds count from here."""
        turn = Turn(self)
        try:
            yield turn
        finally:
            self._leave(turn)

    @property
    def working(self) -> int:
        """Large requests that are worked on."""
        return len(self._working)

    @property
    def waiting(self) -> int:
        """Large requests that wait."""
        return len(self._line)

    def enter(self, turn: Turn) -> None:
        """Wait until a large request may work.

        Raises
        ------
        Problem
            Too many wait already, or the request's time is over.
        """
        with BATON.aside(), self._changed:
            if turn in self._working:
                return
            if self._is_full and len(self._line) >= self.settings.queue:
                raise self._busy()
            self._line.append(turn)
            self._told(self.working, self.waiting)
            try:
                self._changed.wait_for(lambda: not self._is_full and self._line[0] is turn, turn.left)
                turn.check()
                self._working.append(turn)
            finally:
                self._line.remove(turn)
                self._told(self.working, self.waiting)
                self._changed.notify_all()  # the next in line may be let in too

    @property
    def _is_full(self) -> bool:
        return len(self._working) >= self.settings.concurrency

    def _busy(self) -> Problem:
        ahead = sum(turn.cost for turn in (*self._working, *self._line))
        seconds = max(1, math.ceil(ahead / self.settings.concurrency))
        return Problem(
            "busy",
            f"{len(self._working)} large requests are worked on and {len(self._line)} wait. Send this one again later, "
            "or as a job (POST /v1/jobs).",
            headers={"Retry-After": str(seconds)},
        )

    def _leave(self, turn: Turn) -> None:
        with self._changed:
            if turn in self._working:
                self._working.remove(turn)
                self._told(self.working, self.waiting)
                self._changed.notify_all()


class Turn:
    """One request's share: what it has been estimated to cost so far, and the time it has left."""

    def __init__(self, admission: Admission) -> None:
        self.cost = 0.0
        self._admission = admission
        self._ends = admission.clock() + admission.settings.request_seconds

    @property
    def left(self) -> float:
        """Seconds until the work is given up."""
        return max(0.0, self._ends - self._admission.clock())

    def take(self, seconds: float) -> None:
        """Announce work of so many processor `seconds`, and wait if it makes the request a large one.

        Raises
        ------
        Problem
            The request costs more than one may; too many large ones wait; the time is over.
        """
        self.cost += seconds
        most = self._admission.settings.max_cost
        if self.cost > most:
            expected = f"work of at most {most} processor seconds, as estimated from series, values and h"
            raise Problem(
                "limit-exceeded",
                f"The request would take about {math.ceil(self.cost)} processor seconds; at most {most} are allowed. "
                "Send fewer series or a shorter h, or send it as a job (POST /v1/jobs).",
                errors=[FieldError(field="body", expected=expected, got=f"about {math.ceil(self.cost)}")],
            )
        if self.cost >= SMALL:
            self._admission.enter(self)

    def check(self) -> None:
        """Raise a problem if the time is over; to be asked between pieces of work."""
        if not self.left:
            seconds = self._admission.settings.request_seconds
            raise Problem(
                "out-of-time",
                f"The request was given up after {seconds} seconds, the time it waited for others included. Send fewer "
                "series at once, or send it as a job (POST /v1/jobs).",
            )
