"""Charts of a report as SVG that stands in a page: its colours are the page's, its text is text."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup, escape

from forecaster.drawing import COLOURS, band_alphas, on_the_wall, tidy
from forecaster.forecast import Forecast
from forecaster.panel import Panel
from forecaster.plots import draw_backtest_of, draw_forecast_of
from forecaster.reporting.content import Held

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["backtest_chart", "forecast_chart", "held_chart", "swatches"]

_WIDTH, _WIDTH_ALONE, _HEIGHT = 4.4, 7.4, 2.0
_SQUARE = 3.2
_LEFT_OUT = re.compile(
    r'<metadata>.*?</metadata>|<style type="text/css">.*?</style>|<!--.*?-->| xmlns(?::xlink)?="[^"]*"', re.DOTALL
)
_TAG = re.compile(r"<[^>]*>")
_LONG_NUMBER = re.compile(r"\d+\.\d{3,}")
_FONT = re.compile(r"font(?:-size|-family)?: [^;\"]*;? ?|transform=\"rotate\(-?0 [^\"]*\"")


def forecast_chart(panel: Panel, number: int, forecast: Forecast, row: int, label: str, *, alone: bool) -> Markup:
    """Return the chart of series `number` and its forecast, `row` of it; `label` says what is to be seen.

    One that is `alone` is wider.
    """
    figure, axes = _figure(_WIDTH_ALONE if alone else _WIDTH, _HEIGHT)
    draw_forecast_of(axes, panel, number, forecast, row)
    tidy(axes, one_line=True)
    return _svg(figure, label, f"forecast-{row}")


def backtest_chart(
    panel: Panel,
    number: int,
    own: Sequence[tuple[Forecast, int]],
    simple: Sequence[tuple[Forecast, int]],
    label: str,
    *,
    alone: bool,
) -> Markup:
    """Return the chart of series `number`, its forecasts and those of a simple method, each with its row there."""
    figure, axes = _figure(_WIDTH_ALONE if alone else _WIDTH, _HEIGHT)
    draw_backtest_of(axes, panel, number, own)
    for forecast, row in simple:
        times = on_the_wall(forecast.times[row], forecast)
        axes.plot(times, forecast.point[row], color=COLOURS["muted"], linewidth=1, linestyle=(0, (4, 2)), zorder=2.5)
    tidy(axes, one_line=True)
    return _svg(figure, label, f"backtest-{number}")


def held_chart(held: Sequence[Held], label: str) -> Markup:
    """Return the chart of how far intervals held, against what they promised."""
    from matplotlib.ticker import FuncFormatter

    figure, axes = _figure(_SQUARE, _SQUARE)
    levels, shares = [one.level for one in held], [100 * one.share for one in held]
    axes.plot([0, 100], [0, 100], color=COLOURS["muted"], linewidth=1, linestyle=(0, (4, 2)))
    axes.plot(levels, shares, color=COLOURS["forecast"], linewidth=1.8, marker="o", markersize=4.5)
    for side in (axes.xaxis, axes.yaxis):
        side.set_ticks(np.arange(0, 101, 20))
        side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f} %"))
    axes.set(xlim=(min(levels) - 5, 102), ylim=(max(0, min(*shares, *levels) - 5), 102))
    for set_label, text in ((axes.set_xlabel, "promised"), (axes.set_ylabel, "held")):
        set_label(text, fontsize=8, color=COLOURS["muted"])
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(COLOURS["muted"])
    axes.tick_params(labelsize=8, colors=COLOURS["muted"], length=3)
    axes.grid(color=COLOURS["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    return _svg(figure, label, "held")


def swatches(levels: Sequence[float]) -> list[tuple[str, float]]:
    """Return for a legend the name of each interval, the narrowest first, and how opaque it looks."""
    widest_first = sorted(levels, reverse=True)
    pairs = zip(widest_first, band_alphas(len(levels)), strict=True)
    return [(f"{level:g} % interval", alpha) for level, alpha in pairs][::-1]


def _figure(width: float, height: float) -> tuple[Figure, Axes]:
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def _svg(figure: Figure, label: str, salt: str) -> Markup:
    """Return a figure as SVG; `salt` keeps its names apart from those of other charts of the page."""
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": salt}):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    text = stream.getvalue().decode("utf-8")
    text = _LEFT_OUT.sub("", text[text.index("<svg") :])
    text = re.sub(r'<g id="[^"]*">', "<g>", text).replace("xlink:href", "href")
    text = _TAG.sub(lambda tag: _LONG_NUMBER.sub(lambda found: f"{float(found[0]):.1f}", tag[0]), _FONT.sub("", text))
    for name, colour in COLOURS.items():
        text = text.replace(f"fill: {colour}; fill-opacity", "fill: var(--band); fill-opacity")
        text = text.replace(colour, f"var(--{name})")
    head = f'<svg class="chart" role="img" aria-label="{escape(label)}"'
    text = re.sub(r'<svg(?: (?:width|height|version)="[^"]*")*', lambda _: head, text, count=1)
    return Markup(re.sub(r' (?:width|height|version)="[^"]*"(?=[^>]*viewBox)|\n\s*', " ", text))  # noqa: S704 - made here of numbers and dates; the label is escaped
