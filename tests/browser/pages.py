"""What tests do with a page: hand it files, read its charts, hold its requests back."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from playwright.sync_api import Error, Locator, Page, Route

SPY = """
document.addEventListener("securitypolicyviolation", (event) =>
  globalThis.__breach(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`));
globalThis.__charts = [];
let library;
Object.defineProperty(globalThis, "uPlot", {
  configurable: true,
  get: () => library,
  set(made) {
    library = new Proxy(made, {
      construct(target, given, self) {
        const chart = Reflect.construct(target, given, self);
        globalThis.__charts.push(chart);
        return chart;
      },
    });
  },
});
"""
"""Runs before a page's own scripts: tells of breaches of the policy, and keeps the charts that are made."""

READ = """
(root) => globalThis.__charts.filter((chart) => chart.root.isConnected && root.contains(chart.root)).map((chart) => ({
  labels: chart.series.map((series) => (typeof series.label === "string" ? series.label : null)),
  shown: chart.series.map((series) => series.show !== false),
  data: chart.mode === 2 ? [] : Array.from(chart.data, (column) => Array.from(column, (value) => value ?? null)),
  scales: Object.fromEntries(
    Object.entries(chart.scales).map(([name, { min, max, distr }]) => [name, { min, max, distr }])),
  width: chart.width,
  height: chart.height,
}))
"""

DROP = """
(target, files) => {
  const transfer = new DataTransfer();
  for (const { name, content } of files) {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: "text/csv" }));
  }
  for (const kind of ["dragenter", "dragover", "drop"]) {
    target.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}
"""


def charts(page: Page, within: str = "body") -> list[dict[str, Any]]:
    """Return what the uPlot charts in an element are made of, in the order they were made.

    Each has ``labels`` (of the x axis first), ``shown``, ``data`` (columns; null where there is no value), ``scales``
    (``min``, ``max``, and ``distr``, 3 for a logarithmic one), ``width`` and ``height``.
    """
    found: list[dict[str, Any]] = page.locator(within).evaluate(READ)
    return found


def drop(target: Locator, *files: tuple[str, bytes]) -> None:
    """Drop files, each a name and its content, on an element, as a mouse does."""
    target.evaluate(DROP, [{"name": name, "content": base64.b64encode(body).decode()} for name, body in files])


def choose(field: Locator, name: str, content: bytes) -> None:
    """Choose a file in a field for files."""
    field.set_input_files({"name": name, "mimeType": "text/csv", "buffer": content})


class Held:
    """Holds the first request for a path back until it is let go; later ones pass."""

    def __init__(self, page: Page, path: str) -> None:
        self.first: Route | None = None
        self._page = page
        page.route(f"**{path}", self._asked)

    def _asked(self, route: Route) -> None:
        if self.first is None:
            self.first = route
        else:
            route.continue_()

    def wait(self) -> None:
        """Return when the first request is under way."""
        for _ in range(400):
            if self.first is not None:
                return
            self._page.wait_for_timeout(20)
        pytest.fail("nothing was asked")

    def let_go(self) -> None:
        """Let the first request go on; it may have been given up meanwhile."""
        assert self.first is not None
        with contextlib.suppress(Error):
            self.first.continue_()
        self._page.wait_for_timeout(500)
