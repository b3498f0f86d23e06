"""A file at hand, whichever section is seen."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from .pages import choose
from .states import FLIGHTS


def at_hand(page: Page, content: bytes | None = None, name: str = "flights_daily.csv") -> None:
    """Give the page a file (default: the flights), and wait until it has been read."""
    choose(page.locator("#source-file"), name, FLIGHTS.read_bytes() if content is None else content)
    expect(page.locator("#source-title")).to_have_text(name)
    expect(page.locator("#source-facts")).to_have_text(re.compile("rows"))
