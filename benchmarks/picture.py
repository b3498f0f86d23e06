"""Draw the pictures of README.md and docs/accuracy.md: ``python -m benchmarks.picture``.

docs/forecast.png comes from the demo's model; docs/kinds.png from the base weights and M4, where ``--data`` or
``FORECASTER_M4`` tells where that is; docs/page.png is the page as Chromium shows it, where there is one.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.browser import browsing, chromium
from benchmarks.demo import DATA, HORIZON
from benchmarks.m4.data import KINDS, Series, folder_argument, read
from benchmarks.service.processes import gunicorn
from forecaster import Forecaster, read_panel
from forecaster.drawing import History, draw_bands, draw_cutoff, draw_history, draw_point, tidy
from forecaster.plots import figure_of, name_axes, plot_forecast, save_figure

DOCS = Path(__file__).parents[1] / "docs"
PICTURE = DOCS / "forecast.png"
SERIES = ("EWR_UA", "EWR_EV", "JFK_B6", "JFK_DL", "LGA_DL", "LGA_MQ")
PICTURE_OF_KINDS = DOCS / "kinds.png"
PICTURE_OF_PAGE = DOCS / "page.png"

# Chosen for the shape of their histories among a few drawn at random, before any forecast of them was looked at.
KINDS_SHOWN = {
    "yearly": ("Y6817", "years", 24),
    "quarterly": ("Q14358", "quarters", 28),
    "monthly": ("M23655", "months", 54),
    "weekly": ("W233", "weeks", 108),
    "daily": ("D2160", "days", 42),
    "hourly": ("H376", "hours", 96),
}
"""One series of each kind, what its steps are called, and how many of them are drawn before the forecast."""


def draw() -> None:
    """Train as the demo does and draw six of its series."""
    panel = read_panel(DATA)
    model = Forecaster(h=HORIZON).fit(panel)
    shown = panel.select([panel.ids.index(unique_id) for unique_id in SERIES])
    plot_forecast(shown, model.forecast(shown), PICTURE)


def draw_kinds(folder: Path, path: Path = PICTURE_OF_KINDS) -> None:
    """Draw one series of each kind of M4: the end of its history, the forecast of the base weights, and what came."""
    named = {kind.name: kind for kind in KINDS}
    drawn = {}
    for name, (unique_id, steps, shown) in KINDS_SHOWN.items():
        kind = named[name]
        one = _only(read(folder, kind), unique_id)
        forecast = Forecaster.pretrained(kind.freq).forecast(one.panel, h=kind.horizon, level=(80, 95))
        drawn[f"{unique_id}, {kind.horizon} {steps} ahead"] = (one, forecast, shown)
    figure, places = figure_of(list(drawn), "Six series of M4, forecast by base weights without training", (80, 95))
    for axes, title in places:
        one, forecast, shown = drawn[title]
        known, came = one.panel.series(0)[-shown:], one.actual[0]
        times = forecast.times[0, 0] + np.arange(-len(known), len(came))
        draw_cutoff(axes, times[len(known) - 1])
        draw_bands(axes, forecast, 0)
        draw_point(axes, forecast, 0, None)
        draw_history(axes, History(times, np.concatenate((known, came))))
        tidy(axes)
        name_axes(axes, title)
    save_figure(figure, path)


def draw_page(path: Path = PICTURE_OF_PAGE) -> None:
    """Take a picture of the page with one of the demo's series."""
    with gunicorn("service.wsgi:app", {}) as server, browsing() as browser:
        page = browser.new_page(viewport={"width": 1180, "height": 920}, color_scheme="light")
        page.goto(f"http://127.0.0.1:{server.port}/")
        page.set_input_files("#source-file", DATA)
        field = page.get_by_role("combobox", name="Series")
        field.fill("EWR_UA")
        field.press("Enter")
        page.locator("#says").get_by_text("EWR_UA").wait_for()
        page.locator("#compares").get_by_text("Tested").wait_for()
        page.mouse.move(0, 0)
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        page.wait_for_timeout(500)  # what fades has faded
        page.screenshot(path=path)


def _only(series: Series, unique_id: str) -> Series:
    i = series.panel.ids.index(unique_id)
    return replace(series, panel=series.panel.select([i]), actual=series.actual[i : i + 1])


def main() -> None:
    """Draw what can be drawn here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.picture", description=__doc__.partition("\n")[0])
    folder_argument(parser, required=False)
    asked = parser.parse_args()
    draw()
    if chromium() is not None:
        draw_page()
    if asked.data:
        draw_kinds(asked.data)


if __name__ == "__main__":
    main()
