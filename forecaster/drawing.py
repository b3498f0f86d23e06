"""The strokes of a chart: a series, a forecast with its intervals, axes; matplotlib is imported to draw the first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecaster.forecast import Forecast
from forecaster.panel import Panel
from forecaster.timestamps import find_zone, to_wall

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_UNITS = ((1e12, "tn"), (1e9, "bn"), (1e6, "M"), (1e4, "k"))
"""From which number on it is written by thousands, millions and so on; 1,500 has room as it is."""

__all__ = [
    "COLOURS",
    "History",
    "band_alphas",
    "draw_bands",
    "draw_cutoff",
    "draw_history",
    "draw_point",
    "history_of",
    "on_the_wall",
    "short",
    "tidy",
]

COLOURS = {"history": "#334155", "forecast": "#1d4ed8", "grid": "#e2e8f0", "muted": "#64748b"}
"""What each stroke is drawn in; a page may put its own in their place."""

# Labels of ticks at years, months, days, hours, minutes and seconds, and where the next larger one turns.
_TICKS = ["%Y", "%b", "%d %b", "%H:%M", "%H:%M", "%H:%M:%S"]
_TURNS = ["", "%b\n%Y", "%d %b\n%Y", "%d %b", "%H:%M", "%H:%M"]
_TICKS_OF_TIME = 6
_LONGER = {1: (12,), 3: (31,), 4: (24,), 5: (60,), 6: (60,)}
"""Steps between ticks that matplotlib has not, by dateutil's number of the unit: nearly three years of months need a
year, three days of hours a day, and so on.
"""
_WIDEST_ALPHA = 0.14
_NEXT_ALPHA = 0.24


@dataclass(frozen=True, slots=True)
class History:
    """Times, on the clock the user's data show, and values of one series."""

    times: NDArray[Any]
    values: NDArray[np.float64]

    def tail(self, n: int) -> History:
        """Return the last `n` steps."""
        return History(self.times[-n:], self.values[-n:])


def history_of(panel: Panel, number: int) -> History:
    """Return the values of a series of `panel`."""
    return History(on_the_wall(panel.times(number), panel), panel.series(number))


def on_the_wall(times: NDArray[Any], source: Panel | Forecast) -> NDArray[Any]:
    """Return `times` as the clock on the wall shows them; finer than daily they travel as UTC."""
    if source.timezone is None or source.frequency.is_daily_or_coarser:
        return times
    return to_wall(times.astype("datetime64[us]"), find_zone(source.timezone))


def band_alphas(levels: int) -> list[float]:
    """Return how opaque each interval looks, the widest first: narrower ones lie upon wider ones."""
    alphas, clear = [], 1.0
    for rank in range(levels):
        clear *= 1 - (_NEXT_ALPHA if rank else _WIDEST_ALPHA)
        alphas.append(1 - clear)
    return alphas


def draw_history(axes: Axes, history: History) -> None:
    """Draw what was observed; a value between missing ones is a dot."""
    colour = COLOURS["history"]
    axes.plot(history.times, history.values, color=colour, linewidth=1.2, label="observed", zorder=3)
    known = ~np.isnan(history.values)
    beside = np.concatenate(([False], known[:-1])) | np.concatenate((known[1:], [False]))
    alone = known & ~beside  # a line has no length there, so such a value would not be seen
    if alone.any():
        axes.plot(history.times[alone], history.values[alone], ".", color=colour, markersize=4, zorder=3)


def draw_bands(axes: Axes, forecast: Forecast, row: int) -> None:
    """Draw the intervals of series `row`, the widest first."""
    times = on_the_wall(forecast.times[row], forecast)
    widest_first = sorted(range(len(forecast.levels)), key=lambda k: -forecast.levels[k])
    for rank, k in enumerate(widest_first):
        axes.fill_between(
            times,
            forecast.lower[row, k],
            forecast.upper[row, k],
            color=COLOURS["forecast"],
            alpha=_NEXT_ALPHA if rank else _WIDEST_ALPHA,
            linewidth=0,
            zorder=2,
        )


def draw_point(axes: Axes, forecast: Forecast, row: int, history: History | None) -> None:
    """Draw the median of series `row`, joined to the end of its `history` where that is given."""
    times, point = on_the_wall(forecast.times[row], forecast), forecast.point[row]
    if history is not None:
        point = np.concatenate((history.values[-1:], point))
        times = np.concatenate((history.times[-1:], times))
    marker = "o" if len(times) <= 2 else None
    axes.plot(
        times,
        point,
        color=COLOURS["forecast"],
        linewidth=1.8,
        marker=marker,
        markersize=3,
        label="forecast",
        zorder=4,
    )


def draw_cutoff(axes: Axes, time: Any) -> None:
    """Draw the line from which on nothing was known."""
    axes.axvline(time, color=COLOURS["muted"], linewidth=0.7, linestyle=(0, (2, 3)), zorder=1)


def tidy(axes: Axes, *, one_line: bool = False) -> None:
    """Leave of the axes what is needed to read them; the labels of times are on `one_line`, or two."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(COLOURS["muted"])
    axes.tick_params(labelsize=8, colors=COLOURS["muted"], length=3)
    axes.grid(axis="y", color=COLOURS["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value, axes.get_yticks())))
    if isinstance(axes.xaxis.get_major_locator(), AutoDateLocator):
        locator = AutoDateLocator(minticks=3, maxticks=_TICKS_OF_TIME)  # type: ignore[no-untyped-call]  # matplotlib has few types
        for unit, steps in _LONGER.items():
            locator.intervald[unit] = [*locator.intervald[unit], *steps]
        labels = ConciseDateFormatter(  # type: ignore[no-untyped-call]  # as above
            locator,
            formats=_TICKS,
            zero_formats=[text.replace("\n", " ") if one_line else text for text in _TURNS],
            show_offset=False,
        )
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(labels)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(_TICKS_OF_TIME, integer=True))


def short(value: float, ticks: NDArray[np.float64]) -> str:
    """Return the label of one of the `ticks` of an axis: as many decimals as tell them apart, 1.5M for a million."""
    if not value:
        return "0"
    largest = float(np.abs(ticks).max(initial=0.0))
    step = float(np.diff(ticks).min(initial=largest or 1.0)) or 1.0
    if not 1e-6 < largest < 1e16:
        return f"{value:g}"
    size, unit = next(((size, unit) for size, unit in _UNITS if largest >= size), (1.0, ""))
    size = 1e3 if unit == "k" else size
    places = next((k for k in range(4) if abs(round(step / size, k) * size / step - 1) < 1e-6), 4)
    if places > 3:
        places = max(0, -math.floor(math.log10(step)))
        return f"{value:,.{places}f}"
    return f"{value / size:,.{places}f}{unit}"
