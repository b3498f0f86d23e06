"""A file at hand, as the forecast section leaves it: for tests of the sections that only use it."""

from __future__ import annotations

import base64

from playwright.sync_api import Page

from tests.service.processes import ROOT

FLIGHTS = ROOT / "data" / "flights_daily.csv"

OPEN = """
async ({ name, content }) => {
  const folder = document.querySelector("script[type=module]").src.replace("page.js", "");
  const [{ inspect }, { set }] = await Promise.all([import(folder + "table.js"), import(folder + "store.js")]);
  const blob = new Blob([Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0))], { type: "text/csv" });
  const source = { name, blob, origin: "file", path: null };
  const table = await inspect(source, {});
  set({ source, table, chosen: 0 });
}
"""


def at_hand(page: Page, content: bytes | None = None, name: str = "flights_daily.csv") -> None:
    """Have the page look at a file (default: the flights), and all its sections know of it."""
    body = FLIGHTS.read_bytes() if content is None else content
    page.evaluate(OPEN, {"name": name, "content": base64.b64encode(body).decode()})
