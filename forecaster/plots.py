"""Pictures of forecasts and backtests; matplotlib is imported when the first one is drawn."""

from __future__ import annotations

import importlib.util
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import InputError, MissingExtraError
from forecaster.forecast import Forecast
from forecaster.outputs import check_output, extension_of, write_whole
from forecaster.panel import Panel
from forecaster.timestamps import find_zone, to_wall

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from forecaster.diagnosis import GradientFlow

__all__ = [
    "PLOT_SUFFIXES",
    "check_plot",
    "draw_backtest",
    "draw_forecast",
    "draw_gradients",
    "plot_backtest",
    "plot_forecast",
    "plot_gradients",
]

PLOT_SUFFIXES = (".png", ".svg", ".pdf")
MOST_SERIES = 12
_HISTORY = "#334155"
_FORECAST = "#1d4ed8"
_GRID = "#e2e8f0"
_MUTED = "#64748b"
# Labels of ticks at years, months, days, hours, minutes and seconds, and where the next larger one turns.
_TICKS = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_TURNS = ["", "%b\n%Y", "%d %b\n%Y", "%d %b", "%H:%M", "%H:%M"]
_CELL_COLOURS = {"lstm": _FORECAST, "gru": "#0f766e", "rnn": "#b45309"}
_WIDEST_ALPHA = 0.14
_NEXT_ALPHA = 0.24


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
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError('Plots need matplotlib, which is not installed: pip install "forecaster[plot]"')
    return path


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
    _save(draw_forecast(panel, forecast), path)


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
    _save(draw_backtest(panel, forecasts), path)


def plot_gradients(flows: Sequence[GradientFlow], path: str | os.PathLike[str]) -> None:
    """Draw the gradient that reaches each earlier step, before and after training, to a file.

    Parameters
    ----------
    flows
        One for each cell, of the same length.
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
    _save(draw_gradients(flows), path)


def draw_gradients(flows: Sequence[GradientFlow]) -> Figure:
    """Return the figure that :func:`plot_gradients` writes."""
    parts = {"untrained": [flow.norms for flow in flows]}
    if all(flow.trained_norms is not None for flow in flows):
        parts[f"trained on the {flows[0].task} task"] = [np.asarray(flow.trained_norms) for flow in flows]
    figure, places = _grid(list(parts), "Gradient that reaches each earlier step")
    for axes, title in places:
        for flow, norms in zip(flows, parts[title], strict=True):
            # What single precision has rounded to nothing has no place on a logarithmic axis.
            shown = np.where(norms[::-1] > 0, norms[::-1], np.nan)
            axes.plot(np.arange(len(norms)), shown, color=_CELL_COLOURS[flow.cell], linewidth=1.6)
        _finish_axes(axes, title)
        axes.set_yscale("log")
        axes.set_ylim(1e-12, max(10.0, *(float(np.nanmax(norms)) for norms in parts[title])))
        axes.set_xlabel("steps back from the end", fontsize=8, color=_MUTED)
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=_CELL_COLOURS[flow.cell], linewidth=1.6, label=flow.cell.upper()) for flow in flows]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def draw_forecast(panel: Panel, forecast: Forecast) -> Figure:
    """Return the figure that :func:`plot_forecast` writes."""
    steps = f"{forecast.h} step" + ("s" if forecast.h > 1 else "")
    figure, places = _grid(forecast.ids, f"Forecast, {steps} ahead")
    numbers = {unique_id: i for i, unique_id in enumerate(panel.ids)}
    for axes, unique_id in places:
        row = forecast.ids.index(unique_id)
        history = _history(panel, numbers[unique_id], shown=max(4 * forecast.h, 40))
        _draw_history(axes, history)
        _draw_forecast(axes, forecast, row, history)
        _finish_axes(axes, unique_id)
    return _finish(figure, forecast.levels)


def draw_backtest(panel: Panel, forecasts: Sequence[Forecast]) -> Figure:
    """Return the figure that :func:`plot_backtest` writes."""
    if not forecasts:
        raise InputError("There is no forecast to draw: the backtest has no cutoffs.")
    ids = [unique_id for unique_id in panel.ids if any(unique_id in forecast.ids for forecast in forecasts)]
    cutoffs = f"{len(forecasts)} cutoff" + ("s" if len(forecasts) > 1 else "")
    figure, places = _grid(ids, f"Backtest, {forecasts[0].h} steps ahead from {cutoffs}")
    numbers = {unique_id: i for i, unique_id in enumerate(panel.ids)}
    for axes, unique_id in places:
        mine = [(forecast, forecast.ids.index(unique_id)) for forecast in forecasts if unique_id in forecast.ids]
        first = min(forecast.times[row, 0] for forecast, row in mine)
        history = _history(panel, numbers[unique_id], shown=None)
        tested = int(np.sum(history.times >= _wall(np.array([first]), panel)[0]))
        history = history.tail(tested + max(2 * forecasts[0].h, 28))
        for forecast, row in mine:
            _draw_forecast(axes, forecast, row, None)
            cutoff = _wall(forecast.times[row, :1], panel)[0]
            axes.axvline(cutoff, color=_MUTED, linewidth=0.7, linestyle=(0, (2, 3)), zorder=1)
        _draw_history(axes, history)
        _finish_axes(axes, unique_id)
    return _finish(figure, forecasts[0].levels)


@dataclass(frozen=True, slots=True)
class _Series:
    """Times, on the clock the user's data show, and values of one series."""

    times: NDArray[Any]
    values: NDArray[np.float64]

    def tail(self, n: int) -> _Series:
        return _Series(self.times[-n:], self.values[-n:])


def _history(panel: Panel, number: int, *, shown: int | None) -> _Series:
    series = _Series(_wall(panel.times(number), panel), panel.series(number))
    return series if shown is None else series.tail(shown)


def _wall(times: NDArray[Any], source: Panel | Forecast) -> NDArray[Any]:
    """Return `times` as the clock on the wall shows them; finer than daily they travel as UTC."""
    if source.timezone is None or source.frequency.is_daily_or_coarser:
        return times
    return to_wall(times.astype("datetime64[us]"), find_zone(source.timezone))


def _grid(ids: Sequence[str], title: str) -> tuple[Figure, Iterator[tuple[Axes, str]]]:
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
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold", color=_HISTORY)
    return figure, zip(axes, shown, strict=False)


def _draw_history(axes: Axes, history: _Series) -> None:
    axes.plot(history.times, history.values, color=_HISTORY, linewidth=1.2, label="observed", zorder=3)
    known = ~np.isnan(history.values)
    beside = np.concatenate(([False], known[:-1])) | np.concatenate((known[1:], [False]))
    alone = known & ~beside  # a line has no length there, so such a value would not be seen
    if alone.any():
        axes.plot(history.times[alone], history.values[alone], ".", color=_HISTORY, markersize=4, zorder=3)


def _draw_forecast(axes: Axes, forecast: Forecast, row: int, history: _Series | None) -> None:
    times = _wall(forecast.times[row], forecast)
    widest_first = sorted(range(len(forecast.levels)), key=lambda k: -forecast.levels[k])
    for rank, k in enumerate(widest_first):
        axes.fill_between(
            times,
            forecast.lower[row, k],
            forecast.upper[row, k],
            color=_FORECAST,
            alpha=_NEXT_ALPHA if rank else _WIDEST_ALPHA,
            linewidth=0,
            zorder=2,
        )
    point = forecast.point[row]
    if history is not None:
        point = np.concatenate((history.values[-1:], point))
        times = np.concatenate((history.times[-1:], times))
    marker = "o" if len(times) <= 2 else None
    axes.plot(times, point, color=_FORECAST, linewidth=1.8, marker=marker, markersize=3, label="forecast", zorder=4)


def _finish_axes(axes: Axes, unique_id: str) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    title = unique_id if len(unique_id) <= 40 else unique_id[:39] + "…"
    axes.set_title(title, loc="left", fontsize=10, color=_HISTORY, parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_MUTED)
    axes.tick_params(labelsize=8, colors=_MUTED, length=3)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    if isinstance(axes.xaxis.get_major_locator(), AutoDateLocator):
        locator = AutoDateLocator(minticks=3, maxticks=6)  # type: ignore[no-untyped-call]  # matplotlib has few types
        labels = ConciseDateFormatter(  # type: ignore[no-untyped-call]  # as above
            locator, formats=_TICKS, zero_formats=_TURNS, show_offset=False
        )
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(labels)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))


def _finish(figure: Figure, levels: Sequence[float]) -> Figure:
    """Explain each colour once, above all axes."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Line2D | Patch] = [
        Line2D([], [], color=_HISTORY, linewidth=1.2, label="observed"),
        Line2D([], [], color=_FORECAST, linewidth=1.8, label="forecast"),
    ]
    clear = 1.0
    for level in sorted(levels, reverse=True):  # narrower intervals lie upon wider ones
        clear *= 1 - (_NEXT_ALPHA if clear < 1 else _WIDEST_ALPHA)
        handles.insert(2, Patch(color=_FORECAST, alpha=1 - clear, linewidth=0, label=f"{level:g} % interval"))
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), frameon=False, fontsize=9)
    return figure


def _save(figure: Figure, path: Path) -> None:
    kind = extension_of(path, PLOT_SUFFIXES) or PLOT_SUFFIXES[0]  # a device has no ending
    with warnings.catch_warnings():
        # Ids may hold letters that the font has not; a box in their place is no reason to worry anyone.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        write_whole(path, lambda stream: figure.savefig(stream, format=kind[1:], dpi=130))
