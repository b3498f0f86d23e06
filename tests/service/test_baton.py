"""Small requests run one at a time and are forecast together, and nobody can tell."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from forecaster import Forecast, Panel, TooShortError
from service.baton import FEW, SMALL_BODY, Baton, Together
from tests.service.conftest import LastValue


class Counting(LastValue):
    """Remembers how many series it was asked for each time."""

    def __init__(self, **info: Any) -> None:
        super().__init__(**info)
        self.asked: list[int] = []

    def forecast(
        self, panel: Panel | None = None, *, h: int | None = None, level: tuple[float, ...] = (80, 95)
    ) -> Forecast:
        assert panel is not None
        self.asked.append(len(panel))
        return super().forecast(panel, h=h, level=level)


def one(name: str, *values: float) -> Panel:
    return Panel.from_values(values or (1.0, 2.0, 3.0, 4.0), unique_id=name)


def line_up(baton: Baton, threads: list[threading.Thread]) -> None:
    """Start threads that wait for the baton, which this thread has, in their order."""
    for number, thread in enumerate(threads, 1):
        thread.start()
        while len(baton._ready) < number:
            threading.Event().wait(0.001)


def meet(baton: Baton, work: list[Callable[[], Any]]) -> list[Any]:
    """Do all at once, each waiting for the baton that this thread has; return results or errors."""
    results: list[Any] = [None] * len(work)

    def run(number: int) -> None:
        try:
            with baton.taken():
                results[number] = work[number]()
        except Exception as error:  # noqa: BLE001 - looked at by the test
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(work))]
    with baton.taken():
        line_up(baton, threads)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    return results


def test_requests_that_meet_are_one_forecast_and_each_gets_its_own() -> None:
    baton, model = Baton(), Counting()
    together = Together(model, baton)
    panels = [one("a", 1, 2, 3, 4 + number) for number in range(6)]  # all of one name: they know nothing of each other
    made = meet(baton, [lambda panel=panel: together.forecast(panel, h=2) for panel in panels])
    assert model.asked == [6]
    for number, forecast in enumerate(made):
        assert forecast.ids == ("a",)
        assert forecast.point.tolist() == [[4 + number] * 2]
        assert forecast.lower.shape == (1, 2, 2)
        np.testing.assert_array_equal(forecast.times, panels[number].future_times(2))


def test_another_horizon_level_or_frequency_is_another_forecast() -> None:
    baton, model = Baton(), Counting()
    together, other = Together(model, baton), Together(Counting(), baton)
    dated = Panel.from_values([1, 2, 3, 4], freq=7, unique_id="a")
    work = [
        lambda: together.forecast(one("a"), h=2),
        lambda: together.forecast(one("b"), h=3),
        lambda: together.forecast(one("c"), h=2, level=(90,)),
        lambda: together.forecast(dated, h=2),
        lambda: other.forecast(one("e"), h=2),
        lambda: together.forecast(one("f"), h=2),
    ]
    made = meet(baton, work)
    assert sorted(model.asked) == [1, 1, 1, 2]
    assert [forecast.h for forecast in made] == [2, 3, 2, 2, 2, 2]
    assert made[2].levels == (90,)
    assert made[3].frequency == dated.frequency


def test_a_fault_is_told_to_the_one_whose_it_is() -> None:
    baton, model = Baton(), Counting()
    together = Together(model, baton)
    work = [
        lambda: together.forecast(one("good"), h=2),
        lambda: together.forecast(one("short", 1), h=2),
        lambda: together.forecast(Panel.joined([one("x", 5, 5, 5), one("y", 1)]), h=2),
    ]
    good, short, both = meet(baton, work)
    assert good.point.tolist() == [[4, 4]]
    assert isinstance(short, TooShortError)
    assert "'short'" in str(short)
    assert both.ids == ("x",)
    assert list(both.skipped) == ["y"]


def test_a_model_that_fails_fails_all_that_asked_it_and_no_other_request() -> None:
    class Broken(Counting):
        def forecast(self, *_panel: Any, **_options: Any) -> Forecast:
            raise RuntimeError("broken")

    baton = Baton()
    broken, whole = Together(Broken(), baton), Together(Counting(), baton)
    made = meet(baton, [lambda: broken.forecast(one("a"), h=1)] * 3 + [lambda: whole.forecast(one("b"), h=1)])
    assert [str(error) for error in made[:3]] == ["broken"] * 3
    assert made[3].ids == ("b",)
    assert meet(baton, [lambda: whole.forecast(one("c"), h=1)])[0].ids == ("c",)


def test_who_is_alone_waits_for_nobody() -> None:
    baton, model = Baton(), Counting()
    with baton.taken():
        assert Together(model, baton).forecast(one("a"), h=1).ids == ("a",)
    assert not baton.held
    assert Together(model, baton).forecast(one("a"), h=1).ids == ("a",)  # and without it


def test_a_large_forecast_lets_others_run() -> None:
    baton = Baton()
    began, may_end = threading.Event(), threading.Event()

    class Slow(Counting):
        def forecast(self, panel: Panel | None = None, **options: Any) -> Forecast:
            began.set()
            assert may_end.wait(20)
            return super().forecast(panel, **options)

    large = Panel.joined([one(str(number)) for number in range(FEW + 1)])

    def ask() -> None:
        with baton.taken():
            made.append(Together(Slow(), baton).forecast(large, h=1))
            assert baton.held

    made: list[Forecast] = []
    thread = threading.Thread(target=ask)
    thread.start()
    assert began.wait(20)
    with baton.taken():
        assert Together(Counting(), baton).forecast(one("a"), h=1).ids == ("a",)
    may_end.set()
    thread.join(20)
    assert len(made[0]) == FEW + 1


def test_thousands_of_meetings_lose_nobody() -> None:
    baton = Baton()
    together = Together(Counting(), baton)
    made: list[float] = []

    def ask(number: int) -> None:
        for step in range(200):
            with baton.taken():
                value = 1000.0 * number + step
                made.append(float(together.forecast(one("a", 1, 2, value), h=1).point[0, 0]) - value)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert made == [0.0] * 2400
    assert not baton._taken


def test_the_oldest_forecast_is_made_first_whoever_makes_them() -> None:
    order: list[str] = []

    class Noting(Counting):
        def forecast(self, panel: Panel | None = None, **options: Any) -> Forecast:
            order.append(self.info["name"])
            return super().forecast(panel, **options)

    baton = Baton()
    rare, common = Together(Noting(name="rare"), baton), Together(Noting(name="common"), baton)
    meet(baton, [lambda: rare.forecast(one("a"), h=1)] + [lambda: common.forecast(one("b"), h=1)] * 3)
    assert order == ["rare", "common"]


def test_a_forecast_is_not_passed_over_however_many_requests_without_one_come() -> None:
    baton, done = Baton(), threading.Event()
    seen: list[bool] = []

    def come_again_and_again() -> None:
        for _ in range(5_000):
            if done.is_set():
                break
            with baton.taken():
                pass
        seen.append(done.is_set())

    threads = [threading.Thread(target=come_again_and_again) for _ in range(6)]
    with baton.taken():
        line_up(baton, threads)
        Together(Counting(), baton).forecast(one("a"), h=1)
    done.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    assert seen == [True] * 6


def test_what_ends_a_thread_ends_that_of_who_asked_and_nobody_waits() -> None:
    class Leaving(Counting):
        def forecast(self, *_panel: Any, **_options: Any) -> Forecast:
            raise SystemExit

    baton = Baton()
    leaving, whole = Together(Leaving(), baton), Together(Counting(), baton)

    def leave() -> None:
        try:
            leaving.forecast(one("a"), h=1)
        except SystemExit:
            raise RuntimeError("left") from None

    made = meet(baton, [leave] * 3 + [lambda: whole.forecast(one("b"), h=1)])
    assert [str(error) for error in made[:3]] == ["left"] * 3
    assert made[3].ids == ("b",)
    assert not baton._taken


def test_a_large_request_does_without_it() -> None:
    baton = Baton()
    for size, taken in ((0, True), (SMALL_BODY, True), (SMALL_BODY + 1, False)):
        with baton.taken(size):
            assert baton.held == taken
        assert not baton.held
