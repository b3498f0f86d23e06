"""Clients of jobs for the tests: they hand in, look, cancel, download and delete, and remember all that they heard."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any

from tests.service.processes import PATIENCE, Answer, Running

from .history import FINISHED, Event, History

__all__ = ["Asker", "Customer", "Order", "Outcome", "expected_of", "table"]

CSV = "text/csv"
SPOILED = b"unique_id,ds,y\nshop,2024-01-01,no number\n"


def table(number: int, *, days: int = 30) -> bytes:
    """Return a small file of two series; each number another one."""
    rows = (f"{name},2024-01-{day:02},{(day * (number + 3)) % 7 + number}\n" for name in "ab" for day in range(1, days))
    return b"unique_id,ds,y\n" + "".join(rows).encode()


def expected_of(service: Running, number: int, h: int) -> str:
    """Return the digest of the forecast of a table, as a request gets it."""
    headers = {"Content-Type": CSV, "Accept": CSV}
    answer = service.ask("POST", f"/v1/forecast?h={h}", table(number), headers)
    assert answer.status == 200, answer.body
    return hashlib.sha256(answer.body).hexdigest()


@dataclass(frozen=True)
class Order:
    """What a customer wants: a table to be forecast, or one that cannot be."""

    key: str
    number: int
    h: int

    @property
    def body(self) -> bytes:
        """The file."""
        return table(self.number) if self.number >= 0 else SPOILED


@dataclass
class Outcome:
    """What became of an order."""

    order: Order
    id: str = ""
    job: Mapping[str, Any] = field(default_factory=dict)
    digest: str | None = None
    is_deleted: bool = False
    looks: int = 0
    whims: dict[int, str] = field(default_factory=dict)  # before which look it does what


class Asker:
    """Asks one service, and writes all down."""

    def __init__(self, name: str, service: Running, history: History) -> None:
        self.name = name
        self.service = service
        self.troubles: Counter[str] = Counter()
        self._history = history

    def once(self, action: str, name: str, method: str, path: str, **sent: Any) -> Answer | None:
        """Send one request; None if no whole answer came."""
        began, answer = time.monotonic(), None
        try:
            answer = self.service.ask(method, path, **sent)
        except (OSError, HTTPException) as error:
            self.troubles[type(error).__name__] += 1
        self._history.add(self._event(action, name, began, answer))
        return answer

    def asked(self, action: str, name: str, method: str, path: str, **sent: Any) -> Answer:
        """Send a request until it is answered otherwise than "later"."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self.once(action, name, method, path, **sent)
            if answer is not None and not _is_later(action, answer):
                return answer
            if answer is not None:
                self.troubles[str(answer.status)] += 1
            time.sleep(0.1)
        raise AssertionError(f"{method} {path} got no answer: {self.troubles}")

    def hand_in(self, order: Order) -> str:
        """Hand a job in, and return its id."""
        headers = {"Content-Type": CSV, "Idempotency-Key": order.key}
        path = f"/v1/jobs?kind=forecast&h={order.h}"
        answer = self.asked("submit", order.key, "POST", path, body=order.body, headers=headers)
        assert answer.status == 202, answer.body
        return str(answer.json["id"])

    def hand_in_and_hang_up(self, order: Order, *, sent: float) -> None:
        """Send a share of the request, and close the connection before an answer can come."""
        began = time.monotonic()
        head = (
            f"POST /v1/jobs?kind=forecast&h={order.h} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {CSV}\r\n"
            f"Idempotency-Key: {order.key}\r\nContent-Length: {len(order.body)}\r\n\r\n"
        )
        message = head.encode() + order.body
        try:
            with self.service.connect() as connection:
                connection.sendall(message[: max(1, round(sent * len(message)))])
        except OSError as error:
            self.troubles[type(error).__name__] += 1
        self._history.add(self._event("submit", order.key, began, None))

    def look(self, job_id: str) -> Answer:
        """Ask how far a job is."""
        return self.asked("look", job_id, "GET", f"/v1/jobs/{job_id}")

    def look_at_all(self) -> None:
        """Ask for the list of jobs."""
        began = time.monotonic()
        try:
            answer = self.service.ask("GET", "/v1/jobs?limit=50")
        except (OSError, HTTPException):
            return
        for job in answer.json["jobs"] if answer.status == 200 else ():
            told = {"began": began, "ended": time.monotonic(), "status": 200, "job": job}
            self._history.add(Event(client=self.name, action="look", name=job["id"], **told))

    def _event(self, action: str, name: str, began: float, answer: Answer | None) -> Event:
        ended, job, digest = time.monotonic(), None, None
        if answer is not None and answer.status in {200, 202}:
            job = answer.json if action != "result" else None
            digest = hashlib.sha256(answer.body).hexdigest() if action == "result" else None
        return Event(
            client=self.name,
            action=action,
            name=name,
            began=began,
            ended=ended,
            status=answer.status if answer is not None else None,
            job=job,
            digest=digest,
            says_when=answer is not None and "Retry-After" in answer.headers,
        )


def _is_later(action: str, answer: Answer) -> bool:
    return answer.status in {429, 503} or (action == "submit" and answer.status == 409)


class Customer(threading.Thread):
    """Sees its orders through, several at a time.

    Parameters
    ----------
    asker
        Who asks.
    orders
        What it wants.
    chance
        Of what is random: who cancels, who deletes, who hangs up.
    done
        Called for each order that is finished.
    at_once
        Orders under way.
    """

    def __init__(
        self,
        asker: Asker,
        orders: list[Order],
        chance: random.Random,
        done: Callable[[], None] = lambda: None,
        *,
        at_once: int = 6,
    ) -> None:
        super().__init__(daemon=True)
        self.outcomes = [Outcome(order) for order in orders]
        self.fault: BaseException | None = None
        self._asker, self._chance, self._done, self._at_once = asker, chance, done, at_once

    def run(self) -> None:
        """See all orders through; what goes wrong is for `join_well` to tell."""
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - told to the test
            self.fault = error

    def join_well(self, seconds: float) -> None:
        """Wait until it is through."""
        self.join(seconds)
        if self.fault is not None:
            raise self.fault
        assert not self.is_alive(), f"{self._asker.name} is not through after {seconds} s: {self._asker.troubles}"

    def _work(self) -> None:
        waiting, under_way = list(reversed(self.outcomes)), list[Outcome]()
        while waiting or under_way:
            while waiting and len(under_way) < self._at_once:
                under_way.append(self._begin(waiting.pop()))
            outcome = self._chance.choice(under_way)
            if self._see(outcome):
                under_way.remove(outcome)
                self._finish(outcome)
            if self._chance.random() < 0.03:
                self._asker.look_at_all()
            time.sleep(0.05)

    def _begin(self, outcome: Outcome) -> Outcome:
        if self._chance.random() < 0.1:
            self._asker.hand_in_and_hang_up(outcome.order, sent=self._chance.choice((0.5, 1.0, 1.0)))
        outcome.id = self._asker.hand_in(outcome.order)
        for whim, share in (("cancel", 0.08), ("hand in", 0.2), ("result", 0.2)):
            if self._chance.random() < share:
                outcome.whims[self._chance.randrange(12)] = whim
        return outcome

    def _see(self, outcome: Outcome) -> bool:
        """Look at a job, or do something to it; tell whether it is finished."""
        path = f"/v1/jobs/{outcome.id}"
        whim = outcome.whims.get(outcome.looks)
        outcome.looks += 1
        if whim == "cancel":
            self._asker.asked("cancel", outcome.id, "POST", f"{path}/cancel")
        elif whim == "hand in":
            assert self._asker.hand_in(outcome.order) == outcome.id
        elif whim == "result":
            self._asker.asked("result", outcome.id, "GET", f"{path}/result")
        answer = self._asker.look(outcome.id)
        assert answer.status == 200, answer.body
        outcome.job = answer.json
        return outcome.job["status"] in FINISHED

    def _finish(self, outcome: Outcome) -> None:
        path = f"/v1/jobs/{outcome.id}"
        if outcome.job["status"] == "succeeded":
            for _ in range(1 + (self._chance.random() < 0.2)):
                answer = self._asker.asked("result", outcome.id, "GET", f"{path}/result")
                outcome.digest = hashlib.sha256(answer.body).hexdigest()
        if self._chance.random() < 0.1:
            self._asker.asked("delete", outcome.id, "DELETE", path)
            outcome.is_deleted = self._asker.look(outcome.id).status == 404
        self._done()
