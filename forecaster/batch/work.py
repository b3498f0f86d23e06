"""From a piece to a part: what runs on threads, or on other machines, and depends on nothing but its arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from forecaster.batch.chunks import Mark
from forecaster.batch.encoding import columns_of, encoded
from forecaster.batch.pieces import Piece
from forecaster.columns import ColumnNames
from forecaster.csvfile import in_words_of_the_user
from forecaster.errors import InputError, TooShortError
from forecaster.forecast import Forecast
from forecaster.frequency import Frequency
from forecaster.longtable import LongTable
from forecaster.model import Forecaster
from forecaster.panel import Panel


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """What is done with every piece.

    Attributes
    ----------
    model : Forecaster
        What forecasts; it takes as many threads as it says.
    h, level, quantiles
        As `Forecaster.forecast` takes them.
    names : ColumnNames
        Of the input, and of the output's ids and times.
    frequency : Frequency
        Of all series.
    guessed : bool
        Whether it was found in some of them.
    asked_zone : str or None
        Time zone the timestamps are read with.
    zone : str or None
        Time zone that comes of it, the same for all pieces.
    form : str
        What parts are written as, see `encoded`.
    header, with_arrow : bool
        As `encoded` takes them.
    """

    model: Forecaster
    h: int | None
    level: float | Sequence[float] | None
    quantiles: Sequence[float] | None
    names: ColumnNames
    frequency: Frequency
    guessed: bool
    asked_zone: str | None
    zone: str | None
    form: str
    header: bool
    with_arrow: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """A series that has no forecast: why, and in which row and column, as numbers and names of the input."""

    series: str
    reason: str
    row: int | None = None
    column: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What has become of a piece.

    Attributes
    ----------
    content : bytes
        The forecasts, empty if there are none.
    series : int
        How many of them.
    failures : tuple of Failure
        The series without one.
    rows, end
        Of the piece.
    columns : tuple of str
        What the columns of the forecasts are called; nothing where there are none.
    """

    content: bytes
    series: int
    failures: tuple[Failure, ...]
    rows: int
    end: Mark
    columns: tuple[str, ...] = ()


def forecast_piece(piece: Piece, job: Job) -> Made:
    """Forecast the series of a piece that can be; the others are failures, with their reasons."""
    faults = dict(piece.faults)
    panel = panel_of(piece.table, job, faults)
    forecast, skipped = (None, {}) if panel is None else _forecast(panel, job)
    begins = _first_lines(piece.table) if faults or skipped else {}
    failures = [_failure(name, fault, job.names, begins) for name, fault in faults.items()]
    failures += [Failure(name, reason, begins[name]) for name, reason in skipped.items()]
    if forecast is None:
        return Made(b"", 0, tuple(failures), piece.rows, piece.end)
    content = encoded(forecast, job.names, job.form, header=job.header, with_arrow=job.with_arrow)
    columns = tuple(columns_of(forecast, job.names))
    return Made(content, len(forecast), tuple(failures), piece.rows, piece.end, columns)


def panel_of(table: LongTable, job: Job, faults: dict[str, InputError]) -> Panel | None:
    """Return the panel of the series without a fault, None if there are none; the faults of the others are added.

    Nothing that is wrong with a piece stops the others: what is wrong with several of its series together, each of
    them is told.
    """
    if all(name in faults for name in table.names):
        return None
    known = set(faults)
    try:
        panel = table.panel(freq=job.frequency, timezone=job.asked_zone, faults=faults, guessed=job.guessed)
        if panel.timezone == job.zone:
            return _within_years(panel, job, faults)
    except InputError:
        if all(name in faults for name in table.names):
            return None
    for name in faults.keys() - known:
        del faults[name]
    return _one_by_one(table, job, faults)


def _one_by_one(table: LongTable, job: Job, faults: dict[str, InputError]) -> Panel | None:
    """Return the panel of the series that have no fault alone."""
    good: list[Panel] = []
    for code, name in enumerate(table.names):
        if name not in faults:
            try:
                good.append(_alone(table.select([code]), job))
            except InputError as error:
                faults[name] = error
    return _within_years(Panel.joined(good), job, faults) if good else None


def _alone(table: LongTable, job: Job) -> Panel:
    panel = table.panel(freq=job.frequency, timezone=job.asked_zone, guessed=job.guessed)
    if panel.timezone != job.zone:
        line = None if table.lines is None else int(table.lines[0])
        raise InputError(
            f"Series {table.names[0]!r}: its timestamps have the UTC offset {panel.timezone}, others have {job.zone}. "
            "Name their time zone with timezone='Europe/Berlin' (--timezone Europe/Berlin).",
            series=table.names[0],
            row=line,
            column="ds",
        )
    return panel


def _within_years(panel: Panel, job: Job, faults: dict[str, InputError]) -> Panel | None:
    """Return the panel without series that would be forecast beyond the years that can be written."""
    h = job.model.h if job.h is None else job.h
    while len(panel):
        try:
            panel.future_times(h)
        except InputError as error:
            name = str(error.series)
            faults[name] = error
            panel = panel.select(np.flatnonzero([one != name for one in panel.ids]))
        else:
            return panel
    return None


def _forecast(panel: Panel, job: Job) -> tuple[Forecast | None, dict[str, str]]:
    try:
        forecast = job.model.forecast(panel, h=job.h, level=job.level, quantiles=job.quantiles)
    except TooShortError as error:
        return None, dict(error.skipped)
    return forecast, forecast.skipped


def _first_lines(table: LongTable) -> dict[str, int]:
    """Return by series the number of its first row."""
    rows = np.arange(len(table.codes))
    firsts = np.zeros(len(table.names), np.int64)
    firsts[table.codes[::-1]] = rows[::-1]
    lines = rows + 1 if table.lines is None else table.lines
    return dict(zip(table.names, lines[firsts].tolist(), strict=True))


def _failure(name: str, fault: InputError, names: ColumnNames, begins: dict[str, int]) -> Failure:
    told = in_words_of_the_user(fault, names)
    return Failure(name, str(told), told.row or begins.get(name), told.column)
