"""The page works without a mouse: everything is reached by Tab in the order it is read, and seen to be reached."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from .chromium import Visit
from .states import FLIGHTS, STATES, in_every_section, wait_until_drawn

STOPS = """
() => {
  const wanted = "a[href], button, input, select, textarea, summary, [tabindex]";
  const isSeen = (element) =>
    element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const isStop = (element) => !element.disabled && element.tabIndex >= 0 && isSeen(element);
  const stops = [...document.querySelectorAll(wanted)].filter(isStop);
  const isOfGroup = (element) => element.type === "radio";
  const chosen = (element) => {
    const group = stops.filter((other) => other.type === "radio" && other.name === element.name);
    return (group.find(({ checked }) => checked) ?? group[0]) === element;
  };
  globalThis.__stops = stops.filter((element) => !isOfGroup(element) || chosen(element));
  return __stops.map(globalThis.__describe);
}
"""
DESCRIBE = """
() => {
  globalThis.__describe = (element) => {
    const name = element.getAttribute("aria-label") ?? element.textContent.trim().slice(0, 40);
    return [element.tagName.toLowerCase(), element.id, name].filter(Boolean).join(" ");
  };
}
"""
HERE = """
() => {
  const element = document.activeElement;
  if (element === document.body || element === null) return null;
  const boxes = [element, element.closest("label"), element.nextElementSibling].filter(Boolean);
  const marked = boxes.some((box) => {
    const style = getComputedStyle(box);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2) || style.boxShadow !== "none";
  });
  const { left, right, top, bottom } = element.getBoundingClientRect();
  return {
    place: __stops.indexOf(element),
    name: __describe(element),
    marked: marked && element.matches(":focus-visible"),
    seen: right > 0 && left < innerWidth && bottom > 0 && top < innerHeight,
  };
}
"""


def walk(page: Page, key: str, most: int = 400) -> list[dict[str, Any]]:
    """Press a key until the focus leaves the page, and return where it was."""
    passed: list[dict[str, Any]] = []
    for _ in range(most):
        page.keyboard.press(key)
        here = page.evaluate(HERE)
        if here is None or (passed and here["place"] == passed[0]["place"]):
            return passed
        passed.append(here)
    pytest.fail(f"the focus never leaves the page: {[stop['name'] for stop in passed[-12:]]}")


@pytest.mark.parametrize("state", STATES)
def test_tab_goes_through_everything_in_reading_order(visit: Visit, state: str) -> None:
    for page, section in in_every_section(visit, state):
        page.evaluate(DESCRIBE)
        stops = page.evaluate(STOPS)
        page.evaluate("__stops[0].focus()")  # what was clicked is where Tab would begin
        passed = walk(page, "Tab")
        assert [stop["name"] for stop in passed] == stops[1:], section
        assert [stop["place"] for stop in passed] == list(range(1, len(stops))), section
        assert [stop["name"] for stop in passed if not stop["seen"]] == [], section
        assert [stop["name"] for stop in passed if not stop["marked"]] == [], section


def test_the_skip_link_goes_past_the_navigation(visit: Visit) -> None:
    page = visit("/#models")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    assert page.url.endswith("#models")
    expect(page.locator("#models-title")).to_be_visible()


def test_a_section_is_chosen_by_keys(visit: Visit) -> None:
    page = visit("/")
    link = page.get_by_role("navigation").get_by_role("link", name="Jobs")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#jobs-title")).to_be_visible()
    expect(link).to_be_focused()
    expect(link).to_have_attribute("aria-current", "page")


def test_the_colours_are_chosen_by_keys_and_kept(visit: Visit) -> None:
    page = visit("/", color_scheme="light")
    button = page.locator("#theme")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_accessible_name("Light colours")
    page.keyboard.press("Space")
    expect(button).to_have_accessible_name("Dark colours")
    dark = page.evaluate(ground)
    assert dark != light
    page.reload()
    assert page.evaluate(ground) == dark
    expect(button).to_have_accessible_name("Dark colours")
    assert page.evaluate("({ ...localStorage })") == {"theme": "dark"}
    button.click()
    expect(button).to_have_accessible_name("Auto: colours as the system has them")
    assert page.evaluate("({ ...localStorage })") == {}
    page.emulate_media(color_scheme="dark")
    assert page.evaluate(ground) == dark


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until the focus is there."""
    wanted.wait_for()
    for _ in range(80):
        page.keyboard.press("Tab")
        if wanted.evaluate("(element) => element === document.activeElement"):
            return
    pytest.fail(f"Tab never comes to {wanted}")


def test_a_forecast_is_made_changed_read_and_taken_by_keys_alone(page: Page) -> None:
    page.on("filechooser", lambda _: None)  # from here on none is opened for real
    tab_to(page, page.get_by_role("button", name="Choose a file"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(FLIGHTS)
    wait_until_drawn(page, 0)
    series = page.get_by_role("combobox", name="Series")
    tab_to(page, series)
    page.keyboard.press("ArrowDown")
    page.keyboard.type("JFK_B6")
    page.keyboard.press("Enter")
    wait_until_drawn(page, 1)
    expect(series).to_have_value("JFK_B6")
    tab_to(page, page.locator("#option-h"))
    page.keyboard.type("5")
    wait_until_drawn(page, 2)
    expect(page.locator("#says")).to_contain_text("JFK_B6 is expected to average")
    expect(page.locator("#says")).to_contain_text("over the next 5 days")
    tab_to(page, page.locator("#chart-place .chart-board"))
    page.keyboard.press("End")
    expect(page.locator("#announcer")).to_contain_text("Forecast")
    tab_to(page, page.get_by_role("button", name="CSV of this series"))
    with page.expect_download() as download:
        page.keyboard.press("Space")
    assert len(download.value.path().read_bytes().splitlines()) == 6
