"""Pictures of forecasts and backtests; matplotlib is imported when the first one is drawn."""

from __future__ import annotations

import importlib.util
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from forecaster.drawing import (
    COLOURS,
    band_alphas,
    draw_bands,
    draw_cutoff,
    draw_history,
    draw_point,
    history_of,
    on_the_wall,
    tidy,
)
from forecaster.errors import InputError, MissingExtraError
from forecaster.forecast import Forecast
from forecaster.outputs import check_output, extension_of, write_whole
from forecaster.panel import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "MOST_SERIES",
    "PLOT_SUFFIXES",
    "check_plot",
    "draw_backtest",
    "draw_backtest_of",
    "draw_forecast",
    "draw_forecast_of",
    "figure_of",
    "name_axes",
    "need_matplotlib",
    "plot_backtest",
    "plot_forecast",
    "save_figure",
]

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
MOST_SERIES = 12
_TITLE_LETTER, _LEGEND_ENTRY = 0.115, 1.4
"""Inches that a letter of the title and an entry of the legend take."""


def check_plot(path: str | os.PathLike[str]) -> Path:
    """Tell, before any work is done, whether a plot can be drawn to this path.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file name does not end in .png, .svg or .pdf, or its folder does not exist or is not writable.
    """
    path = Path(path)
    check_output(path, PLOT_SUFFIXES)
    need_matplotlib()
    return path


def need_matplotlib() -> None:
    """Raise MissingExtraError, which says how to install it, if matplotlib is not there."""
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError('Plots need matplotlib, which is not installed: pip install "forecaster[plot]"')


def plot_forecast(panel: Panel, forecast: Forecast, path: str | os.PathLike[str]) -> None:
    """Draw up to 12 series, each with the end of its history, its forecast and intervals, to a file.

    Parameters
    ----------
    panel
        The series the forecast was made from.
    forecast
        The forecast.
    path
        A file that ends in .png, .svg or .pdf.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file cannot be written, or has another ending.
    """
    path = check_plot(path)
    save_figure(draw_forecast(panel, forecast), path)


def plot_backtest(panel: Panel, forecasts: Sequence[Forecast], path: str | os.PathLike[str]) -> None:
    """Draw up to 12 series, each with its values and the forecasts made at every cutoff, to a file.

    Parameters
    ----------
    panel
        The series, with the values that were to be forecast.
    forecasts
        One forecast for each cutoff.
    path
        A file that ends in .png, .svg or .pdf.

    Raises
    ------
    MissingExtraError
        matplotlib is not installed.
    OutputError
        The file cannot be written, or has another ending.
    """
    path = check_plot(path)
    save_figure(draw_backtest(panel, forecasts), path)


def draw_forecast(panel: Panel, forecast: Forecast) -> Figure:
    """Return the figure that :func:`plot_forecast` writes."""
    steps = f"{forecast.h} step" + ("s" if forecast.h > 1 else "")
    figure, places = figure_of(forecast.ids, f"Forecast, {steps} ahead", forecast.levels)
    numbers = {unique_id: i for i, unique_id in enumerate(panel.ids)}
    for axes, unique_id in places:
        draw_forecast_of(axes, panel, numbers[unique_id], forecast, forecast.ids.index(unique_id))
        tidy(axes)
        name_axes(axes, unique_id)
    return figure


def draw_forecast_of(axes: Axes, panel: Panel, number: int, forecast: Forecast, row: int) -> None:
    """Draw the lines of one series, `number` of the panel and `row` of the forecast, with the end of its history."""
    history = history_of(panel, number).tail(max(4 * forecast.h, 40))
    draw_history(axes, history)
    draw_bands(axes, forecast, row)
    draw_point(axes, forecast, row, history)
    draw_cutoff(axes, history.times[-1])


def draw_backtest(panel: Panel, forecasts: Sequence[Forecast]) -> Figure:
    """Return the figure that :func:`plot_backtest` writes."""
    if not forecasts:
        raise InputError("There is no forecast to draw: the backtest has no cutoffs.")
    ids = [unique_id for unique_id in panel.ids if any(unique_id in forecast.ids for forecast in forecasts)]
    cutoffs = f"{len(forecasts)} cutoff" + ("s" if len(forecasts) > 1 else "")
    steps = f"{forecasts[0].h} step" + ("s" if forecasts[0].h > 1 else "")
    title = f"Backtest, {steps} ahead from {cutoffs}"
    figure, places = figure_of(ids, title, forecasts[0].levels)
    numbers = {unique_id: i for i, unique_id in enumerate(panel.ids)}
    for axes, unique_id in places:
        mine = [(forecast, forecast.ids.index(unique_id)) for forecast in forecasts if unique_id in forecast.ids]
        draw_backtest_of(axes, panel, numbers[unique_id], mine)
        tidy(axes)
        name_axes(axes, unique_id)
    return figure


def draw_backtest_of(axes: Axes, panel: Panel, number: int, forecasts: Sequence[tuple[Forecast, int]]) -> None:
    """Draw the lines of one series, `number` of the panel, and of its forecasts: each, and the row it has there."""
    first = min(forecast.times[row, 0] for forecast, row in forecasts)
    history = history_of(panel, number)
    tested = int(np.sum(history.times >= on_the_wall(np.array([first]), panel)[0]))
    history = history.tail(tested + max(2 * forecasts[0][0].h, 28))
    for forecast, row in forecasts:
        draw_bands(axes, forecast, row)
        draw_point(axes, forecast, row, None)
        draw_cutoff(axes, on_the_wall(forecast.times[row, :1], panel)[0])
    draw_history(axes, history)


def figure_of(ids: Sequence[str], title: str, levels: Sequence[float]) -> tuple[Figure, Iterator[tuple[Axes, str]]]:
    """Return a figure with axes for the first 12 of the series, and each of those axes with its series."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not ids:
        raise InputError("There is no forecast to draw: no series has one.")
    shown = list(ids[:MOST_SERIES])
    columns = 1 if len(shown) == 1 else 2 if len(shown) <= 4 else 3
    rows = math.ceil(len(shown) / columns)
    width, height = ((9.0, 4.0), (5.6, 3.2), (4.6, 2.5))[columns - 1]
    # The title and the legend take the same strip whatever the number of rows.
    figure = Figure(figsize=(width * columns, height * rows + 0.7), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for spare in axes[len(shown) :]:
        spare.set_visible(False)
    if len(ids) > len(shown):
        title += f" (the first {len(shown)} of {len(ids)} series)"
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=COLOURS["history"])
    _explain(figure, levels, beside=len(title) * _TITLE_LETTER + (2 + len(levels)) * _LEGEND_ENTRY < width * columns)
    return figure, zip(axes, shown, strict=False)


def name_axes(axes: Axes, unique_id: str) -> None:
    """Write the name of a series above its axes, as text."""
    title = unique_id if len(unique_id) <= 40 else unique_id[:39] + "…"
    axes.set_title(title, loc="left", fontsize=10, color=COLOURS["history"], parse_math=False)


def _explain(figure: Figure, levels: Sequence[float], *, beside: bool) -> None:
    """Explain each colour once, `beside` the title or else below all axes."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = [
        Line2D([], [], color=COLOURS["history"], linewidth=1.2, label="observed"),
        Line2D([], [], color=COLOURS["forecast"], linewidth=1.8, label="forecast"),
    ]
    for level, alpha in zip(sorted(levels, reverse=True), band_alphas(len(levels)), strict=True):
        handles.insert(2, Patch(color=COLOURS["forecast"], alpha=alpha, linewidth=0, label=f"{level:g} % interval"))
    columns = len(handles) if beside else min(len(handles), int(figure.get_figwidth() / _LEGEND_ENTRY))
    figure.legend(
        handles=handles,
        loc="outside upper right" if beside else "outside lower left",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file, whose name tells the format."""
    kind = extension_of(path, PLOT_SUFFIXES) or PLOT_SUFFIXES[0]  # a device has no ending
    with warnings.catch_warnings():
        # Ids may hold letters that the font has not; a box in their place is no reason to worry anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        write_whole(path, lambda stream: figure.savefig(stream, format=kind[1:], dpi=130))
