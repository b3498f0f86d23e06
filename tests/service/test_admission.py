"""Which requests work at once, which wait, and when one has taken too long."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from forecaster import Forecast, Panel
from service import create_app
from service.admission import SMALL, Admission, body_cost, forecast_cost
from service.problems import Problem
from service.settings import Settings

from .conftest import BODY, LastValue, fake_base, make_app, model_folder, open_registry

LARGE = 10 * SMALL
PATIENCE = 30


class Clock:
    """Seconds that go forward when they are told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def refusal(work: Callable[[], Any]) -> Problem:
    with pytest.raises(Problem) as caught:
        work()
    return caught.value


def until(condition: Callable[[], bool]) -> None:
    """Wait for another thread."""
    done = threading.Event()
    for _ in range(PATIENCE * 1000):
        if condition():
            return
        done.wait(0.001)
    raise AssertionError("it did not come to pass")


class Waiting:
    """A large request on a thread of its own, which keeps its place until it is told to go."""

    def __init__(self, admission: Admission, entered: list[Waiting]) -> None:
        self.go = threading.Event()
        self.problem: Problem | None = None
        self._thread = threading.Thread(target=self._work, args=(admission, entered))
        self._thread.start()

    def _work(self, admission: Admission, entered: list[Waiting]) -> None:
        try:
            with admission.turn() as turn:
                turn.take(LARGE)
                entered.append(self)
                self.go.wait(PATIENCE)
        except Problem as problem:
            self.problem = problem

    def end(self) -> None:
        self.go.set()
        self._thread.join(PATIENCE)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_small_requests_always_pass(stack: ExitStack) -> None:
    admission = Admission(Settings(concurrency=1, queue=0))
    stack.enter_context(admission.turn()).take(LARGE)
    for _ in range(20):
        stack.enter_context(admission.turn()).take(SMALL / 2)
    assert (admission.working, admission.waiting) == (1, 0)


def test_more_large_ones_than_work_and_wait_are_refused(stack: ExitStack) -> None:
    admission = Admission(Settings(concurrency=2, queue=0))
    for _ in range(2):
        stack.enter_context(admission.turn()).take(7.5)
    problem = refusal(lambda: stack.enter_context(admission.turn()).take(LARGE))
    assert problem.kind == "busy"
    assert problem.headers == {"Retry-After": "8"}  # fifteen seconds of work for two


def test_a_request_enters_once_however_often_it_grows(stack: ExitStack) -> None:
    admission = Admission(Settings(concurrency=1, queue=0))
    turn = stack.enter_context(admission.turn())
    for _ in range(3):
        turn.take(LARGE)
    assert admission.working == 1


def test_small_pieces_add_up_to_a_large_request(stack: ExitStack) -> None:
    admission = Admission(Settings())
    turn = stack.enter_context(admission.turn())
    turn.take(0.6 * SMALL)
    assert admission.working == 0
    turn.take(0.6 * SMALL)
    assert admission.working == 1


def test_large_ones_wait_in_the_order_they_came() -> None:
    admission = Admission(Settings(concurrency=1, queue=3))
    entered: list[Waiting] = []
    requests = []
    for number in range(4):
        requests.append(Waiting(admission, entered))
        until(lambda number=number: admission.working + admission.waiting == number + 1)  # type: ignore[misc]  # mypy sees no default of a lambda
    assert refusal(lambda: _take(admission)).kind == "busy"
    for number, request in enumerate(requests):
        until(lambda number=number: len(entered) == number + 1)  # type: ignore[misc]  # the same
        assert entered[-1] is request
        request.end()
    assert (admission.working, admission.waiting) == (0, 0)


def _take(admission: Admission) -> None:
    with admission.turn() as turn:
        turn.take(LARGE)


def test_a_place_is_free_again_after_a_failure() -> None:
    admission = Admission(Settings(concurrency=1, queue=0))
    with pytest.raises(ZeroDivisionError):
        _fail(admission)
    _take(admission)


def _fail(admission: Admission) -> None:
    with admission.turn() as turn:
        turn.take(LARGE)
        turn.take(LARGE / 0)


def test_who_waits_until_the_time_is_over_gets_no_place(stack: ExitStack) -> None:
    clock = Clock()
    admission = Admission(Settings(concurrency=1, queue=1, request_seconds=5), clock)
    stack.enter_context(admission.turn()).take(LARGE)
    late = stack.enter_context(admission.turn())
    clock.now += 6
    assert refusal(lambda: late.take(LARGE)).kind == "out-of-time"
    assert admission.waiting == 0


def test_time_goes_by_while_waiting_and_working(stack: ExitStack) -> None:
    clock = Clock()
    turn = stack.enter_context(Admission(Settings(request_seconds=5), clock).turn())
    clock.now += 4
    turn.check()
    assert turn.left == 1
    clock.now += 1
    assert refusal(turn.check).kind == "out-of-time"


def test_what_costs_too_much_is_refused_before_it_begins(stack: ExitStack) -> None:
    admission = Admission(Settings(max_cost=2))
    turn = stack.enter_context(admission.turn())
    turn.take(1.9)
    problem = refusal(lambda: turn.take(0.2))
    assert problem.kind == "limit-exceeded"
    assert "about 3 processor seconds" in problem.detail


def test_the_cost_grows_with_what_makes_work() -> None:
    model = LastValue(
        architecture={"horizon": 4, "networks": [{"positions": 28}, {"positions": 14}], "weights": 100_000}
    )
    usual = {"series": 100, "values": 5_000, "h": 4, "columns": 5}
    cost = forecast_cost(model, **usual)
    assert 0 < cost < forecast_cost(LastValue(), **usual)  # a model that does not say counts as a large one
    for more in ({"series": 1_000}, {"values": 50_000}, {"h": 5}, {"columns": 50}):
        assert forecast_cost(model, **usual | more) > cost
    assert forecast_cost(model, **usual | {"h": 8}) > 1.5 * cost
    assert forecast_cost(model, series=1, values=100, h=4, columns=5) < SMALL
    assert body_cost(1_000, is_json=True) < body_cost(2_000, is_json=True)


# Over HTTP.


class Held(LastValue):
    """A model that forecasts when it is let."""

    started = threading.Event()
    go = threading.Event()

    def forecast(self, panel: Panel | None = None, **options: Any) -> Forecast:
        assert panel is not None
        if len(panel) > 1 and panel.ids[0] != "proof":
            self.started.set()
            assert self.go.wait(PATIENCE)
        return super().forecast(panel, **options)


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Flask]:
    """A service whose large forecasts wait to be let."""
    model_folder(tmp_path, "daily")
    Held.started, Held.go = threading.Event(), threading.Event()
    registry = open_registry(tmp_path, default="daily", load=lambda _: Held(), pretrained=fake_base)
    yield create_app(Settings(models=tmp_path, concurrency=1, queue=0), registry=registry)
    Held.go.set()


def many(count: int = 2_000) -> dict[str, Any]:
    return {"series": [{"unique_id": str(number), "y": [1, 2, 3, 4]} for number in range(count)], "h": 4}


def test_beside_a_large_request_small_ones_are_answered_and_large_ones_told_to_come_back(held: Flask) -> None:
    answers: list[TestResponse] = []
    large = threading.Thread(target=lambda: answers.append(held.test_client().post("/v1/forecast", json=many())))
    large.start()
    assert Held.started.wait(PATIENCE)
    assert held.test_client().post("/v1/forecast", json=BODY).status_code == 200
    refused = held.test_client().post("/v1/forecast", json=many())
    assert refused.status_code == 503
    assert refused.json is not None
    assert refused.json["type"].endswith("busy")
    assert int(refused.headers["Retry-After"]) >= 1
    Held.go.set()
    large.join(PATIENCE)
    assert answers[0].status_code == 200
    assert held.test_client().post("/v1/forecast", json=many()).status_code == 200


class Slow(LastValue):
    """A model that takes a second for each piece, by the clock that the service looks at."""

    clock = Clock()

    def forecast(self, panel: Panel | None = None, **options: Any) -> Forecast:
        self.clock.now += 1
        return super().forecast(panel, **options)


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/backtest"])
def test_work_is_given_up_when_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr("service.app.Admission", lambda settings, **more: Admission(settings, Slow.clock, **more))
    model_folder(tmp_path, "daily")
    registry = open_registry(tmp_path, default="daily", load=lambda _: Slow())
    client = create_app(Settings(models=tmp_path, request_seconds=3), registry=registry).test_client()
    body = {"series": {"y": [1, 2, 3, 4, 5, 6] * 1_000, "sizes": [6] * 1_000}, "h": 1, "level": []}
    started = Slow.clock.now
    response = client.post(path, json=body)
    assert response.status_code == 504, response.text
    assert response.json is not None
    assert response.json["type"].endswith("out-of-time")
    assert Slow.clock.now == started + 3  # not after all pieces
    assert client.post("/v1/forecast", json=BODY).status_code == 200


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/backtest", "/v1/timeseries/forecast"])
def test_the_cost_is_limited(tmp_path: Path, path: str) -> None:
    model_folder(tmp_path, "daily", architecture={"networks": [{"positions": 4000}], "weights": 10**7})
    client = make_app(tmp_path, Settings(max_cost=1, default_model="daily")).test_client()
    body: dict[str, Any] = {"series": {"y": [1, 2, 3, 4, 5, 6] * 10, "sizes": [6] * 10}, "h": 1}
    if path == "/v1/timeseries/forecast":
        inputs = [{"name": str(number), "series": [1, 2, 3], "frequency": "D"} for number in range(10)]
        body = {"model": "daily", "inputs": inputs, "options": {"horizon": 1}}
    response = client.post(path, json=body)
    assert response.status_code == 422, response.text
    assert response.json is not None
    assert response.json["type"].endswith("limit-exceeded")
    assert "processor seconds" in response.json["detail"]
