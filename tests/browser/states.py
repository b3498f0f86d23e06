"""The page in the states that are looked at: every section, empty and with a file at hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from playwright.sync_api import Page, expect

from tests.service.processes import ROOT

from .chromium import Visit
from .pages import at_rest, choose, painted

SECTIONS = ("forecast", "models", "jobs", "gates")
STATES = ("empty", "loaded")
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
FLIGHTS = ROOT / "data" / "flights_daily.csv"
SETTLED = {
    "forecast": "#forecast-title",
    "models": "[data-model]",
    "jobs": "[data-job], #jobs-empty",
    "gates": ".heat canvas, #gates-empty p",
}
"""What is seen of each section when it has asked the service."""
DRAWN = "performance.getEntriesByName('forecaster:drawn').length"


def drawn(page: Page) -> int:
    """Return how many forecasts the page has drawn so far."""
    painted(page)
    return int(page.evaluate(DRAWN))


def take(page: Page, name: str, content: bytes) -> None:
    """Choose a file in the forecast section, and wait until its forecast is drawn."""
    before = drawn(page)
    choose(page.locator("#source-file"), name, content)
    wait_until_drawn(page, before)


def wait_until_drawn(page: Page, before: int) -> None:
    """Wait until one more forecast is drawn than `before`."""
    page.wait_for_function(f"(before) => {DRAWN} > before", arg=before)


def go_to(page: Page, section: str) -> None:
    """Go to a section by the navigation, and wait until it has loaded and shows what there is."""
    page.locator(f".top nav a[href='#{section}']").click()
    expect(page.locator(f"#{section}-title")).to_be_visible()
    settled(page, section)


def settled(page: Page, section: str) -> None:
    """Wait until a section shows what there is."""
    expect(page.locator(SETTLED[section]).filter(visible=True).first).to_be_visible()


def in_every_section(visit: Visit, state: str, **options: Any) -> Iterator[tuple[Page, str]]:
    """Open the page in a state ("loaded": with the flights at hand), and go from section to section of it."""
    page = visit("/", **options)
    if state == "loaded":
        take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    for section in SECTIONS:
        go_to(page, section)
        at_rest(page)
        yield page, section


def in_both_themes(page: Page) -> Iterator[str]:
    """Have the page in the one theme, then in the other, each until what follows is done."""
    for theme in THEMES:
        page.emulate_media(color_scheme=theme)
        painted(page)
        yield theme
