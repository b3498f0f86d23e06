"""How soon the page shows a forecast, and what it weighs: ``python -m benchmarks.page``.

Needs Chromium. A file is dropped on the page as a mouse does it, against the service under gunicorn; the time ends when
the page has painted the forecast, which it marks itself. Writes ``benchmarks/results/page.json``.
"""

from __future__ import annotations

import base64
import gzip
import statistics
import tempfile
import urllib.request
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.machine import machine
from benchmarks.results import load_json, save_json
from benchmarks.service.processes import Server, gunicorn
from forecaster import Forecaster, read_panel

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

DATA = Path(__file__).parents[1] / "data" / "flights_daily.csv"
RUNS = 15
DRAWN = "forecaster:drawn"
WAYS = {
    "started": "the first after the service's start",
    "cold": "on a page just opened",
    "warm": "on a page that has drawn one before",
}

READY = """
(content) => {
  const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
  globalThis.transfer = new DataTransfer();
  transfer.items.add(new File([bytes], "flights_daily.csv", { type: "text/csv" }));
}
"""
DROP = """
(mark) => new Promise((resolve, reject) => {
  const place = document.querySelector("[data-view=forecast]");
  const began = performance.now();
  const watch = new PerformanceObserver((list) => {
    const found = list.getEntriesByName(mark).find(({ startTime }) => startTime > began);
    if (found) { watch.disconnect(); resolve((found.startTime - began) / 1000); }
  });
  watch.observe({ entryTypes: ["mark"] });
  setTimeout(() => reject(new Error("no forecast was drawn")), 20_000);
  for (const kind of ["dragenter", "dragover", "drop"]) {
    place.dispatchEvent(new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
})
"""


def measure() -> dict[str, Any]:
    """Return seconds from drop to drawn, and bytes of the first view, file by file.

    Raises
    ------
    RuntimeError
        There is no browser.
    """
    from benchmarks.browser import browsing, why_not  # not to need Playwright for the table

    reason = why_not()
    if reason is not None:
        raise RuntimeError(reason)
    with tempfile.TemporaryDirectory() as folder, browsing() as browser:
        Forecaster(h=14).fit(read_panel(DATA)).save(Path(folder) / "flights")
        environment = {"FORECASTER_MODELS": folder}
        started = []
        for _ in range(3):
            with gunicorn("service.wsgi:app", environment) as server:
                started.append(_drops(browser, server, 1)[0])
        with gunicorn("service.wsgi:app", environment) as server:
            _drops(browser, server, 2)  # both workers have then made a forecast
            cold = [_drops(browser, server, 1)[0] for _ in range(RUNS)]
            warm = _drops(browser, server, RUNS + 1)[1:]
            weight = _first_view(browser, server)
    runs = {name: _rounded(times) for name, times in (("started", started), ("cold", cold), ("warm", warm))}
    return {"date": datetime.now(UTC).date().isoformat(), "machine": machine(), "runs": runs, "bytes": weight}


def _rounded(times: Sequence[float]) -> list[float]:
    return [round(seconds, 4) for seconds in times]


def _drops(browser: Browser, server: Server, count: int) -> list[float]:
    """Return the seconds of drops on one page."""
    with browser.new_context() as context:
        page = _opened(context.new_page(), server)
        return [float(page.evaluate(DROP, DRAWN)) for _ in range(count)]


def _opened(page: Page, server: Server) -> Page:
    page.goto(f"http://127.0.0.1:{server.port}/")
    page.wait_for_load_state("networkidle")
    page.evaluate(READY, base64.b64encode(DATA.read_bytes()).decode())
    return page


def _first_view(browser: Browser, server: Server) -> dict[str, int]:
    """Return the bytes of all answers until the page stands still, compressed where the service does it."""
    with browser.new_context() as context:
        page, asked = context.new_page(), []
        page.on("request", lambda request: asked.append(request.url))
        _opened(page, server)
    sizes = {url.rpartition("/")[2] or "/": _weight(url) for url in asked}
    return dict(sorted(sizes.items(), key=lambda item: -item[1]))


def _weight(url: str) -> int:
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})  # noqa: S310 - the service's own
    with urllib.request.urlopen(request) as answer:  # noqa: S310 - the same
        body: bytes = answer.read()
    if answer.headers.get("Content-Encoding") == "gzip":
        gzip.decompress(body)  # it is what it says
    return len(body)


def page_block(report: dict[str, Any] | None) -> str:
    """Return the table of docs/operations.md."""
    if report is None:
        return "Not measured yet: `python -m benchmarks.page`."
    rows = [
        f"| From drop to drawn forecast, {what} | {_seconds(statistics.median(times))} | {_seconds(max(times))} |"
        for name, what in WAYS.items()
        if (times := report["runs"][name])
    ]
    total = sum(report["bytes"].values())
    facts = report["machine"]
    return "\n".join(
        [
            "| `data/flights_daily.csv`, 29 series, 10,585 values | median | worst |",
            "|---|---:|---:|",
            *rows,
            "",
            f"The first view weighs {total / 1000:.0f} kB in {len(report['bytes'])} answers, compressed. Measured on "
            f"{report['date']}: {facts['cpu']}, {facts['cores']} cores, Chromium and service share them "
            "(`python -m benchmarks.page`).",
        ]
    )


def _seconds(value: float) -> str:
    return f"{value:.2f} s"


def main() -> None:
    """Measure, write, print."""
    path = save_json("page", measure())
    print(page_block(load_json("page")))
    print(f"\nWritten to {path}. The table follows with: python -m benchmarks.tables")


if __name__ == "__main__":
    main()
