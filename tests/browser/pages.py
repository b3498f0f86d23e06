"""What tests do with a page: hand it files, read its charts, wait for it, hold its requests back."""

from __future__ import annotations

import base64
import contextlib
import time
from collections.abc import Callable
from typing import Any

from playwright.sync_api import Error, Locator, Page, Route

PATIENCE = 20_000.0
"""Milliseconds until a wait in a page is given up; a service that has just begun may share processors."""

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
globalThis.__underWay = 0;
{
  const { fetch, setTimeout } = globalThis; // a test may stop the clocks
  const { json, blob } = Response.prototype;
  const late = () => new Promise((goOn) => setTimeout(goOn, globalThis.__late * Math.random()));
  const counted = (does) =>
    async function (...given) {
      globalThis.__underWay += 1;
      try {
        return await does.apply(this, given);
      } finally {
        setTimeout(() => (globalThis.__underWay -= 1)); // whoever waits for it has gone on by then
      }
    };
  globalThis.fetch = counted(async (...given) => {
    const answer = await fetch(...given);
    if (globalThis.__late) await late();
    return answer;
  });
  Object.assign(Response.prototype, { json: counted(json), blob: counted(blob) });
}
"""
"""Runs before a page's own scripts: tells of breaches of the policy, keeps the charts that are made, and counts what
the page has asked for and not taken up yet; answers are up to `__late` milliseconds late."""

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


# --- waiting


def eventually(page: Page, read: Callable[[], Any], wanted: Any) -> None:
    """Wait until `read` returns what is wanted; fail with what it returned last."""
    end = time.monotonic() + PATIENCE / 1000
    while (found := read()) != wanted and time.monotonic() < end:
        page.wait_for_timeout(20)
    assert found == wanted


def answered(page: Page) -> None:
    """Wait until the page has taken up the answers to all that it has asked; `networkidle` is true once and for all."""
    page.wait_for_function("() => !globalThis.__underWay")  # it is not there where scripts are switched off


def at_rest(page: Page) -> None:
    """Wait until the page shows what has been answered to all that it has asked."""
    answered(page)
    painted(page)


def painted(page: Page) -> None:
    """Wait until the page has drawn what it knows."""
    page.evaluate("new Promise((goOn) => requestAnimationFrame(() => setTimeout(goOn)))")


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
        eventually(self._page, lambda: self.first is not None, wanted=True)

    def let_go(self) -> None:
        """Let the first request go on, and wait for what comes of it; it may have been given up meanwhile."""
        assert self.first is not None
        with contextlib.suppress(Error):
            self.first.continue_()
        at_rest(self._page)
