"""The chart: looked at with a mouse, with fingers, with the keyboard alone, and as a table."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.service.processes import ROOT

from .chromium import Visit
from .pages import charts, eventually
from .states import FLIGHTS, take

WEATHER = ROOT / "data" / "seattle_weather_daily.csv"
DAY = 86_400


def shown(page: Page) -> Any:
    """Return what the chart of the forecast shows."""
    return page.locator("#chart-place .chart").evaluate("(element) => element.drawn")


def view(page: Page) -> tuple[float, float]:
    """Return what of the time is seen, in days from the last value."""
    chart = shown(page)
    now = chart["x"][chart["lines"]["Forecast"].index(next(y for y in chart["lines"]["Forecast"] if y is not None)) - 1]
    low, high = chart["view"]
    return (low - now) / DAY, (high - now) / DAY


def width(page: Page) -> float:
    """Return how many days are seen."""
    low, high = view(page)
    return high - low


@pytest.fixture
def weather(page: Page) -> Page:
    """The page with four years of daily temperatures."""
    take(page, WEATHER.name, WEATHER.read_bytes())
    expect(page.locator("#compares")).not_to_be_empty()
    return page


def test_the_newest_stretch_is_seen_at_first_and_not_all_years(weather: Page) -> None:
    low, high = view(weather)
    assert high == 28.5
    assert 2 * 28 <= -low <= 5 * 28 + 1


def test_buttons_go_closer_along_and_back(weather: Page) -> None:
    first = view(weather)

    def press(name: str) -> None:
        weather.get_by_role("button", name=name, exact=True).click()

    press("Zoom in")
    assert width(weather) == pytest.approx(0.6 * (first[1] - first[0]))
    press("Earlier")
    assert view(weather)[1] < first[1]
    press("Reset the view")
    assert view(weather) == first
    press("See all times")
    assert view(weather) == (-1460.5, 28.5)
    press("Zoom out")
    assert view(weather) == (-1460.5, 28.5)


def test_a_drag_zooms_to_what_it_passes_and_a_double_click_resets(weather: Page) -> None:
    first = view(weather)
    box = weather.locator("#chart-place .u-over").bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2

    def at(share: float) -> tuple[float, float]:
        return box["x"] + share * box["width"], middle

    weather.mouse.move(*at(0.25))
    weather.mouse.down()
    weather.mouse.move(*at(0.75), steps=5)
    weather.mouse.up()
    (low, high), days = view(weather), first[1] - first[0]
    assert low == pytest.approx(first[0] + 0.25 * days, abs=0.01 * days)
    assert high == pytest.approx(first[0] + 0.75 * days, abs=0.01 * days)
    weather.keyboard.down("Shift")
    weather.mouse.down()
    weather.mouse.move(*at(0.85), steps=5)
    weather.mouse.up()
    weather.keyboard.up("Shift")
    assert view(weather) == pytest.approx((low - 0.1 * (high - low), high - 0.1 * (high - low)), abs=0.02 * days)
    weather.mouse.dblclick(*at(0.5))
    assert view(weather) == first


def test_the_wheel_scrolls_the_page_until_the_chart_is_clicked(weather: Page) -> None:
    first = view(weather)
    over = weather.locator("#chart-place .u-over")
    over.hover()
    weather.evaluate("document.addEventListener('scrollend', () => (globalThis.__scrolled = scrollY), { once: true })")
    weather.mouse.wheel(0, 200)
    weather.wait_for_function("() => globalThis.__scrolled > 0")  # what comes before its end belongs to it
    assert view(weather) == first
    over.click()
    weather.mouse.wheel(0, -200)
    eventually(weather, lambda: width(weather) < first[1] - first[0], wanted=True)


def test_the_strip_below_moves_what_is_seen(weather: Page) -> None:
    strip = weather.locator(".chart-overview")
    box = strip.bounding_box()
    assert box is not None
    first = view(weather)
    strip.click(position={"x": box["width"] / 2, "y": 20})
    low, high = view(weather)
    assert high - low == pytest.approx(first[1] - first[0])
    assert (low + high) / 2 == pytest.approx((28.5 - 1460.5) / 2, abs=5)


def test_two_fingers_zoom_and_one_goes_along(visit: Visit) -> None:
    page = visit("/", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    take(page, WEATHER.name, WEATHER.read_bytes())
    expect(page.locator("#compares")).not_to_be_empty()
    first = view(page)
    board = page.locator("#chart-place .chart-board")

    def touch(kind: str, finger: int, share: float) -> None:
        board.evaluate(
            """(board, [kind, pointerId, share]) => {
              const { left, width } = board.querySelector(".u-over").getBoundingClientRect();
              const clientX = left + share * width;
              const more = { pointerId, clientX, pointerType: "touch", bubbles: true };
              board.querySelector(".u-over").dispatchEvent(new PointerEvent(kind, more));
            }""",
            [kind, finger, share],
        )

    touch("pointerdown", 1, 0.4)
    touch("pointerdown", 2, 0.6)
    touch("pointermove", 1, 0.2)
    touch("pointermove", 2, 0.8)
    low, high = view(page)
    assert high - low == pytest.approx((first[1] - first[0]) / 3, rel=0.01)
    touch("pointerup", 2, 0.8)
    touch("pointermove", 1, 0.7)
    assert view(page)[0] == pytest.approx(low - (high - low) / 2, rel=0.01)
    touch("pointerup", 1, 0.7)
    touch("pointermove", 1, 0.1)
    assert view(page)[0] == pytest.approx(low - (high - low) / 2, rel=0.01)


def test_keys_read_values_zoom_and_reset(weather: Page) -> None:
    chart = shown(weather)
    first = view(weather)
    weather.get_by_role("application", name="Chart of the forecast").focus()
    weather.keyboard.press("End")
    weather.keyboard.press("ArrowLeft")
    when = weather.locator("#chart-place .chart-when")
    expect(when).to_have_text("2016-01-27")
    forecast = chart["lines"]["Forecast"][-2]
    expect(weather.locator("#chart-place .chart-entry", has_text="Forecast")).to_contain_text(f"{forecast:.4g}")
    expect(weather.locator("#announcer")).to_contain_text(f"2016-01-27: Forecast {forecast:.4g}, 95 % interval ")
    weather.keyboard.press("Shift+ArrowLeft")
    expect(when).to_have_text("2016-01-17")
    weather.keyboard.press("+")
    low, high = view(weather)
    assert high - low < first[1] - first[0]
    assert low < 17 < high
    weather.keyboard.press("0")
    assert view(weather) == first
    weather.keyboard.press("Escape")
    expect(when).not_to_contain_text("2016")


def test_keys_go_beyond_what_is_seen(weather: Page) -> None:
    low, _ = view(weather)
    weather.get_by_role("application", name="Chart of the forecast").focus()
    weather.keyboard.press("Home")
    weather.keyboard.press("ArrowLeft")
    expect(weather.locator("#chart-place .chart-when")).to_contain_text("2015")
    eventually(weather, lambda: view(weather)[0] < low, wanted=True)


def test_an_entry_of_the_legend_is_a_switch(weather: Page) -> None:
    entry = weather.locator("#chart-place").get_by_role("button", name="Backtest")
    expect(entry).to_have_attribute("aria-pressed", "true")
    entry.press("Enter")
    entry = weather.locator("#chart-place").get_by_role("button", name="Backtest")
    expect(entry).to_have_attribute("aria-pressed", "false")
    expect(entry).to_be_focused()
    (chart,) = charts(weather, "#chart-place")
    assert chart["shown"][chart["labels"].index("Backtest")] is False


def test_a_logarithmic_axis_where_values_are_positive(page: Page) -> None:
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    log = page.get_by_role("button", name="Log", exact=True)
    expect(log).to_be_disabled()  # the first series has days without a flight
    expect(log).to_have_attribute("title", re.compile("^No logarithmic axis: 2. values are zero or below$"))
    picker = page.get_by_role("combobox", name="Series")
    picker.fill("JFK_DL")
    picker.press("Enter")
    expect(page.locator("#says")).to_contain_text("JFK_DL")
    log.click()
    expect(log).to_have_attribute("aria-pressed", "true")
    (chart,) = charts(page, "#chart-place")
    assert chart["scales"]["y"]["distr"] == 3
    assert shown(page)["log"] is True
    page.get_by_label("Horizon, days").fill("5")
    expect(page.locator("#says")).to_contain_text("next 5 days")
    assert charts(page, "#chart-place")[0]["scales"]["y"]["distr"] == 3


def test_the_table_behind_the_chart_has_all_that_is_seen(weather: Page) -> None:
    weather.get_by_text("The values as a table").click()
    table = weather.locator("#chart-values table")
    expect(table.locator("thead th").first).to_have_text("Time")
    heads = table.locator("thead th").all_inner_texts()
    assert heads[:4] == ["Time", "Observed", "Backtest", "Forecast"]
    chart, (low, high) = shown(weather), view(weather)
    rows = table.locator("tbody tr")
    expect(rows).to_have_count(round(high - low))
    last = rows.last.locator("th, td").all_inner_texts()
    assert last[0] == chart["labels"][-1]
    assert last[1] == "\N{EN DASH}"
    assert math.isclose(float(last[3]), chart["lines"]["Forecast"][-1], rel_tol=1e-3)
    weather.get_by_role("button", name="Zoom in", exact=True).click()
    expect(rows).not_to_have_count(round(high - low))


def test_gaps_are_gaps(page: Page) -> None:
    """Days 4 to 26 of the notes are illegible: nothing is drawn there, and nothing is made up."""
    page.get_by_role("button", name="The values of the notes").click()
    expect(page.locator("#says")).not_to_be_empty()
    chart = shown(page)
    assert chart["labels"][:30] == list(range(1, 31))
    assert [y is None for y in chart["lines"]["Observed"][:30]] == [False] * 3 + [True] * 23 + [False] * 4


def test_colours_follow_the_theme(weather: Page, visit: Visit) -> None:
    visit.allow("willReadFrequently")
    read = """() => {
      const { data } = document.querySelector("#chart-place canvas").getContext("2d").getImageData(0, 0, 400, 300);
      return [...new Set(Array.from({ length: data.length / 4 }, (_, k) => data.slice(4 * k, 4 * k + 3).join()))];
    }"""
    light = set(weather.evaluate(read))
    weather.locator("#theme").click()
    weather.locator("#theme").click()
    assert weather.evaluate("document.documentElement.dataset.theme") == "dark"
    assert "39,55,77" in light  # --observed
    eventually(weather, lambda: "39,55,77" in weather.evaluate(read), wanted=False)
