"""The sections of a report: tables, charts and sentences, as the template takes them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from forecaster.backtest import Backtest
from forecaster.forecast import Forecast
from forecaster.plots import MOST_SERIES
from forecaster.reporting import words
from forecaster.reporting.charts import backtest_chart, forecast_chart, held_chart
from forecaster.reporting.content import Method
from forecaster.reporting.told import Told

__all__ = ["backtest", "data", "forecasts", "intervals", "tiles"]

_MOST_ROWS = 200
_MOST_NAMES = 1_000
_OPEN_FINDINGS = 25
_MEASURES = ("MAE", "RMSE", "sMAPE", "WAPE", "MASE", "pinball")
_ROLES = {"time": "the times", "id": "the names of the series", "target": "the values"}


def tiles(told: Told) -> Iterator[dict[str, str]]:
    """Yield the main numbers, large."""
    content = told.content
    said = f"ahead, for {words.counted(len(content.forecast), 'series')}"
    yield {"what": "Forecast", "figure": told.ahead, "said": said, "mood": ""}
    if content.backtest is not None:
        figure = words.closeness(*told.errors(told.simple_name)).removesuffix(" away")
        than = "as" if figure == words.ALIKE else "than"
        yield {"what": "Backtest", "figure": figure, "said": f"{than} {told.simple}", "mood": told.mood()}
        level, share = told.level
        said = f"of what came was inside the {level:g} % intervals"
        yield {"what": "Intervals", "figure": words.per_cent(share), "said": said, "mood": told.mood_of_intervals()}
    errors = sum(one.severity == "error" for one in content.audit.findings)
    total = content.audit.findings_total
    said = "things found, some left out" if errors else "found, nothing left out" if total else "nothing found wrong"
    mood = "bad" if errors else "" if total else "good"
    yield {"what": "Data", "figure": f"{total:,}" if total else "clean", "said": said, "mood": mood}


def forecasts(told: Told) -> dict[str, Any]:
    """Return the charts and tables of the first series, and the names of the others."""
    forecast = told.content.forecast
    shown = min(MOST_SERIES, len(forecast))
    promises = [f"{level:g} % should lie inside the {level:g} % interval" for level in forecast.levels]
    return {
        "promise": words.listed(promises),
        "charts": [_forecast(told, row) for row in range(shown)],
        "total": len(forecast),
        "others": _names(forecast.ids[shown:]),
        "skipped": _rows_of(told.content.audit.skipped | forecast.skipped),
    }


def _forecast(told: Told, row: int) -> dict[str, Any]:
    panel, forecast = told.content.panel, told.content.forecast
    name, labels, number = forecast.ids[row], forecast.labels[row], panel.ids.index(forecast.ids[row])
    columns = [forecast.point[row].tolist(), *_bounds(forecast, row)]
    places = words.decimals(value for column in columns for value in column)
    rows = [
        [label, *(words.number(cell, places) for cell in cells)] for label, *cells in zip(labels, *columns, strict=True)
    ]
    known = panel.series(number)
    last = next(value for value in known[::-1].tolist() if not math.isnan(value))
    return {
        "name": name,
        "said": f"{words.moment(labels[-1])}: {rows[-1][1]}; last known: {_short(last, places)}",
        "chart": forecast_chart(
            panel,
            number,
            forecast,
            row,
            f"{name}: the end of what was observed, and the forecast up to {words.moment(labels[-1])}",
            alone=len(forecast) == 1,
        ),
        "head": ["Time", "forecast", *_ends(forecast)],
        "rows": rows,
    }


def _short(value: float, most: int) -> str:
    return words.number(value, words.least_decimals(value, most))


def _ends(forecast: Forecast) -> list[str]:
    levels = [f"{level:g} %" for level in forecast.levels]
    return [*(f"from ({level})" for level in levels[::-1]), *(f"to ({level})" for level in levels)]


def _bounds(forecast: Forecast, row: int) -> list[list[float]]:
    return [*(ends.tolist() for ends in forecast.lower[row][::-1]), *(ends.tolist() for ends in forecast.upper[row])]


def backtest(told: Told, tested: Backtest) -> dict[str, Any]:
    """Return the accuracy of all methods, and the charts of the first series."""
    methods, ids = told.content.methods, tested.folds[0].known.ids
    head = [name for name in _MEASURES if name in methods[0].measures]
    return {
        "how": told.tested(),
        "mood": told.mood(),
        "verdict": list(told.verdict()),
        "caution": told.caution(),
        "head": head,
        "rows": [{"name": _called(told, method), "cells": _cells(methods, method, head)} for method in methods],
        "cutoffs": words.counted(len(tested.folds), "cutoff"),
        "simple": told.simple,
        "charts": [_tested(told, tested, row) for row in range(min(MOST_SERIES, len(ids)))],
        "total": len(ids),
        "series_head": ["Series", *(method.name for method in methods)],
        "by_series": [_errors(ids[row], methods, row) for row in range(min(_MOST_ROWS, len(ids)))],
        "skipped": _rows_of(tested.skipped),
    }


def _called(told: Told, method: Method) -> str:
    is_own = method is told.content.methods[0]
    return f"{method.name}: {'this model' if is_own else told.doing(method.name)}"


def _cells(methods: Sequence[Method], method: Method, head: Sequence[str]) -> list[str]:
    """Return the measures of a method, with decimals that suit those of the model, which stands first."""
    return [words.number(method.measures[name], words.decimals([methods[0].measures[name]])) for name in head]


def _errors(name: str, methods: Sequence[Method], row: int) -> list[str]:
    errors = [float(method.errors[row]) for method in methods]
    places = words.decimals(errors[:1])
    return [name, *(words.number(error, places) for error in errors)]


def _tested(told: Told, tested: Backtest, row: int) -> dict[str, Any]:
    panel, name = told.content.panel, tested.folds[0].known.ids[row]
    own = [next(iter(fold.forecasts.values())) for fold in tested.folds]
    simple = [fold.forecasts[told.simple_name] for fold in tested.folds]
    error, other = (float(told.method(name).errors[row]) for name in (told.content.methods[0].name, told.simple_name))
    said = words.compared(error, other, told.simple)
    label = f"{name}: what was observed, and what was forecast from {words.counted(len(own), 'cutoff')} before it came"
    chart = backtest_chart(
        panel,
        panel.ids.index(name),
        [(one, row) for one in own],
        [(one, row) for one in simple],
        label,
        alone=len(tested.folds[0].known) == 1,
    )
    rows: list[list[str]] = []
    for fold, forecast, plain in zip(tested.folds, own, simple, strict=True):
        rows += _came(fold.actual[row].tolist(), forecast, plain, row)
    return {
        "name": name,
        "said": said[:1].upper() + said[1:],
        "chart": chart,
        "head": ["Time", "came", "forecast", told.simple_name, *_ends(own[0])],
        "rows": rows,
    }


def _came(actual: Sequence[float], forecast: Forecast, simple: Forecast, row: int) -> Iterator[list[str]]:
    columns = [actual, forecast.point[row].tolist(), simple.point[row].tolist(), *_bounds(forecast, row)]
    places = words.decimals(value for column in columns for value in column)
    for label, *cells in zip(forecast.labels[row], *columns, strict=True):
        yield [label, *(words.number(cell, places) for cell in cells)]


def intervals(told: Told) -> dict[str, Any]:
    """Return how far intervals held, level by level."""
    held = told.content.held
    return {
        "how": "An 80 % interval promises that 80 % of what comes will lie inside it. The backtest shows what it held.",
        "mood": told.mood_of_intervals(),
        "verdict": told.held(),
        "chart": held_chart(held, "Share of values inside the intervals, against the share that was promised"),
        "rows": [(f"{one.level:g} %", words.per_cent(one.share), words.held(one.level, one.share)) for one in held],
        "doubts": told.doubts(),
    }


def data(told: Told) -> dict[str, Any]:
    """Return what is in the data, and what was found in them."""
    audit = told.content.audit
    series = [
        (one.unique_id, words.moment(one.start), words.moment(one.end), f"{one.length:,}", f"{one.missing:,}")
        for one in audit.series[:_MOST_ROWS]
    ]
    return {
        "facts": list(_facts(told)),
        "found": told.found(),
        "findings": audit.findings[:_OPEN_FINDINGS],
        "more": audit.findings[_OPEN_FINDINGS:],
        "series": series,
        "total": len(told.content.panel),
    }


def _facts(told: Told) -> Iterator[tuple[str, str]]:
    audit, panel, frequency = told.content.audit, told.content.panel, told.frequency
    shortest, longest = int(panel.lengths.min()), int(panel.lengths.max())
    lengths = f"{shortest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"
    yield "Series", f"{len(panel):,}, of {lengths} steps"
    first, last = map(words.moment, panel.span_labels())
    yield "Time", f"{first} to {last}" + (f", {panel.timezone}" if panel.timezone else "")
    season = told.content.season
    rhythm = f"a season of {words.steps(frequency, season)}" if season > 1 else "no season"
    yield "Steps", f"{words.steps(frequency, 1)}; {rhythm}"
    missing = int((panel.lengths - panel.observed).sum())
    yield (
        "Values",
        f"{int(panel.observed.sum()):,}" + (f", and {missing:,} missing" if missing else "; none is missing"),
    )
    if audit.columns:
        yield "Rows", f"{audit.rows:,}"
        named = [f"{column.name} ({_ROLES[column.role]})" for column in audit.columns if column.role in _ROLES]
        wide = sum(column.role == "series" for column in audit.columns)
        unused = [column.name for column in audit.columns if column.role == "unused" and column.name]
        text = ", ".join(named) + (f", and {wide:,} with a series each" if wide else "")
        yield "Columns", text + (f"; not used: {_names(unused)}" if unused else "")


def _names(names: Sequence[str]) -> str:
    rest = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + rest


def _rows_of(reasons: Mapping[str, str]) -> dict[str, Any]:
    """Return the first of series and reasons, and how many there are."""
    return {"rows": list(reasons.items())[:_MOST_ROWS], "total": len(reasons)}
