"""What tests do with a page: hand it files, read its charts."""

from __future__ import annotations

import base64
from typing import Any

from playwright.sync_api import Locator, Page

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
