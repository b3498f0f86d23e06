"""The section Forecast: what is drawn is what the service answers, whatever is chosen."""

from __future__ import annotations

import csv
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.service.processes import Running

from .chromium import Visit
from .pages import at_rest, charts, drop, eventually
from .states import FLIGHTS, drawn, take, wait_until_drawn

Redrawn = Callable[[Callable[[], Any]], Any]
CHART = "#chart-place .chart"


def flights() -> dict[str, dict[str, list[Any]]]:
    """Return the series of the flights by their names, as a request takes them."""
    found: dict[str, dict[str, list[Any]]] = {}
    with FLIGHTS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            series = found.setdefault(row["unique_id"], {"ds": [], "y": []})
            series["ds"].append(row["ds"])
            series["y"].append(float(row["y"]))
    return found


def answer(service: Running, name: str, route: str = "forecast", **options: Any) -> Any:
    """Return what the service says of a series of the flights."""
    given = {"level": [80, 95], "freq": "D"} | options
    said = service.ask("POST", f"/v1/{route}", {"series": [{"unique_id": name, **flights()[name]}], **given})
    assert said.status == 200, said.body
    return said.json


def shown(page: Page) -> Any:
    """Return what the chart shows."""
    return page.locator(CHART).evaluate("(element) => element.drawn")


def tail(column: list[Any]) -> list[Any]:
    """Return the values at the end of a column, below its last gap."""
    return column[max((k for k, value in enumerate(column) if value is None), default=-1) + 1 :]


def close_to(values: list[float]) -> Any:
    """Compiled kernels and the plain pass that stands in for them agree to about six digits."""
    return pytest.approx(values, rel=1e-4, abs=1e-4)


@pytest.fixture
def flown(page: Page) -> Page:
    """The page with the flights, forecast and tested."""
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    expect(page.locator("#compares")).not_to_be_empty()
    return page


@pytest.fixture
def redrawn(page: Page) -> Redrawn:
    """Do something, and return what is drawn once the forecast is another."""

    def do(action: Callable[[], Any]) -> Any:
        before = drawn(page)
        action()
        wait_until_drawn(page, before)
        return shown(page)

    return do


# --- what is drawn


def test_a_dropped_file_is_drawn_as_the_service_answers(page: Page, service: Running) -> None:
    drop(page.locator("#drop"), (FLIGHTS.name, FLIGHTS.read_bytes()))
    expect(page.locator("#compares")).not_to_be_empty()
    chart, name = shown(page), next(iter(flights()))
    expected = answer(service, name)
    (forecast,) = expected["forecasts"]
    h = expected["h"]
    assert chart["name"] == name
    assert chart["labels"] == flights()[name]["ds"] + forecast["ds"]
    assert chart["lines"]["Observed"] == flights()[name]["y"] + [None] * h
    assert tail(chart["lines"]["Forecast"]) == close_to(forecast["LSTM"])
    assert sum(value is not None for value in chart["lines"]["Forecast"]) == h
    for level in ("80", "95"):
        band = chart["bands"][f"{level} % interval"]
        assert tail(band["low"]) == close_to(forecast[f"LSTM-lo-{level}"])
        assert tail(band["high"]) == close_to(forecast[f"LSTM-hi-{level}"])


def test_what_is_on_the_canvas_is_what_the_chart_says(flown: Page) -> None:
    (chart,), said = charts(flown, "#chart-place"), shown(flown)
    assert chart["labels"][1:4] == ["Observed", "Backtest", "Forecast"]
    assert chart["data"][0] == said["x"]
    assert chart["data"][1:4] == [said["lines"][name] for name in chart["labels"][1:4]]
    assert chart["data"][4:] == [ends for band in said["bands"].values() for ends in (band["low"], band["high"])]


def test_days_lie_where_their_names_say(flown: Page) -> None:
    """Pages run in New York's time zone: a day that went through the browser's clock would be another."""
    chart = shown(flown)
    assert chart["x"][0] == 1356998400  # 2013-01-01 UTC
    assert {later - earlier for earlier, later in zip(chart["x"], chart["x"][1:], strict=False)} == {86_400}


def test_the_backtest_is_that_of_the_last_horizon(flown: Page, service: Running) -> None:
    name = next(iter(flights()))
    expected = answer(service, name, "backtest", windows=1, details=True)
    (fold,) = expected["forecasts"]
    chart = shown(flown)
    line = dict(zip(chart["labels"], chart["lines"]["Backtest"], strict=True))
    assert [line[label] for label in fold["ds"]] == close_to(fold["LSTM"])
    assert sum(value is not None for value in line.values()) == expected["h"]
    errors = {row["model"]: row["MAE"] for row in expected["accuracy"]}
    cells = flown.locator("#accuracy table tbody tr")
    for method, text in {"LSTM": "Model base", "SeasonalNaive": "Seasonal naive", "Naive": "Naive"}.items():
        row = cells.filter(has=flown.get_by_role("rowheader", name=text, exact=True))
        assert float(row.locator("td").first.inner_text()) == pytest.approx(errors[method], rel=1e-3)


def test_the_sentences_say_what_the_numbers_say(flown: Page, service: Running) -> None:
    name = next(iter(flights()))
    forecast = answer(service, name)["forecasts"][0]["LSTM"]
    mean = sum(forecast) / len(forecast)
    before = flights()[name]["y"][-len(forecast) :]
    said = flown.locator("#says").inner_text()
    assert f"average {mean:.3g} over the next {len(forecast)} days (1 to 28 Jan 2014)" in said
    assert f"down {round(100 - 100 * mean * len(before) / sum(before))} % from" in said
    errors = {row["model"]: row["MAE"] for row in answer(service, name, "backtest", windows=1)["accuracy"]}
    share = round(100 - 100 * errors["LSTM"] / errors["SeasonalNaive"])
    compares = flown.locator("#compares").inner_text()
    assert f"was off by {errors['LSTM']:.3g} on average, {share} % less than the seasonal naive" in compares


# --- what can be chosen


def test_another_series(flown: Page, service: Running, redrawn: Redrawn) -> None:
    chart = redrawn(flown.get_by_role("button", name="Series: next").click)
    second = list(flights())[1]
    assert chart["name"] == second
    assert tail(chart["lines"]["Forecast"]) == close_to(answer(service, second)["forecasts"][0]["LSTM"])
    expect(flown.locator("#says")).to_contain_text(second)


def test_another_horizon(flown: Page, service: Running, redrawn: Redrawn) -> None:
    chart = redrawn(lambda: flown.get_by_label("Horizon, days").fill("7"))
    name = next(iter(flights()))
    assert tail(chart["lines"]["Forecast"]) == close_to(answer(service, name, h=7)["forecasts"][0]["LSTM"])
    expect(flown.locator("#accuracy")).to_contain_text("the last 7 days")
    redrawn(lambda: flown.get_by_label("Horizon, days").fill(""))
    expect(flown.get_by_label("Horizon, days")).to_have_attribute("placeholder", "28")


def test_a_horizon_that_is_none_is_not_asked_for(flown: Page, visit: Visit) -> None:
    visit.requests.clear()
    flown.get_by_label("Horizon, days").fill("0")
    expect(flown.get_by_label("Horizon, days")).to_have_attribute("aria-invalid", "true")
    at_rest(flown)
    assert [line for line in visit.requests if "forecast" in line] == []


def test_other_levels(flown: Page, service: Running, redrawn: Redrawn) -> None:
    levels = flown.get_by_role("group", name="Intervals")
    redrawn(levels.get_by_role("button", name="95", exact=True).click)
    other = levels.get_by_label("Another level")
    other.fill("99.5")
    chart = redrawn(lambda: other.press("Enter"))
    assert list(chart["bands"]) == ["99.5 % interval", "80 % interval"]
    forecast = answer(service, next(iter(flights())), level=[80, 99.5])["forecasts"][0]
    assert tail(chart["bands"]["99.5 % interval"]["high"]) == close_to(forecast["LSTM-hi-99.5"])


def test_another_model_says_that_it_may_know_the_values(flown: Page, service: Running, redrawn: Redrawn) -> None:
    chart = redrawn(lambda: flown.locator("#option-model").select_option("flights"))
    name = next(iter(flights()))
    expected = answer(service, name, model="flights")
    assert expected["h"] == 14
    assert tail(chart["lines"]["Forecast"]) == close_to(expected["forecasts"][0]["LSTM"])
    expect(flown.locator("#accuracy")).to_contain_text("If flights learned from these values")
    expect(flown.get_by_label("Season, steps")).to_be_disabled()


def test_another_season(flown: Page, service: Running, redrawn: Redrawn) -> None:
    chart = redrawn(lambda: flown.get_by_label("Season, steps").fill("5"))
    expected = answer(service, next(iter(flights())), season=5)["forecasts"][0]
    assert tail(chart["lines"]["Forecast"]) == close_to(expected["LSTM"])


def test_all_series_are_tested_when_it_is_asked(flown: Page, service: Running) -> None:
    flown.get_by_role("button", name="Over all 29 series").click()
    table = flown.get_by_role("table", name="29 series")
    said = service.ask("POST", "/v1/backtest?windows=1", FLIGHTS.read_bytes(), {"Content-Type": "text/csv"}).json
    error = next(row["MAE"] for row in said["accuracy"] if row["model"] == "LSTM")
    cell = table.get_by_role("row", name="Model base").get_by_role("cell").first
    assert float(cell.inner_text()) == pytest.approx(error, rel=1e-3)


def test_an_answer_that_comes_late_is_not_drawn(flown: Page) -> None:
    """The first of two requests is held back; what it asks for is no longer wanted when it is answered."""
    held: list[Any] = []

    def hold(route: Any) -> None:
        if '"h":3' in (route.request.post_data or ""):
            held.append(route)
        else:
            route.continue_()

    flown.route("**/v1/forecast", hold)
    flown.get_by_label("Horizon, days").fill("3")
    eventually(flown, lambda: bool(held), wanted=True)
    before = drawn(flown)
    flown.get_by_label("Horizon, days").fill("5")
    wait_until_drawn(flown, before)
    assert len(tail(shown(flown)["lines"]["Forecast"])) == 5
