"""From validated series to a panel, and to the reasons of the series that cannot be part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from forecaster import ColumnNames, Frequency, InputError, Limits, LongTable, Numbering, Panel, parse_csv
from service.intake import frequency_of, invalid, too_many
from service.problems import MAX_ERRORS, Problem, field_error, kind_of_fault, message_of
from service.schemas.base import FieldError
from service.schemas.forecasts import ColumnOptions, Columns, PanelOptions, Series, SeriesOptions
from service.settings import Settings

__all__ = ["Intake", "check_horizon", "check_limits", "check_size", "panel_of", "panel_of_csv"]


@dataclass(frozen=True, slots=True)
class Intake:
    """The series that make up the panel, why the others do not, and how the columns of a CSV are called."""

    panel: Panel
    skipped: dict[str, str]
    names: ColumnNames | None = None


def panel_of(series: list[Series] | Columns, options: PanelOptions, settings: Settings) -> Intake:
    """Build the panel; a series that cannot be part of it is set aside with the reason.

    Raises
    ------
    Problem
        No series can be part of it, there is no one frequency, or there is more than the settings allow.
    """
    rows = _rows_of_columns(series) if isinstance(series, Columns) else _rows_of_series(series)
    rows.check_sizes(settings)
    frequency = frequency_of(options)
    if rows.ds is None and (frequency is None or not frequency.is_integer):
        frequency = Frequency.parse(1)
    faults = rows.faults
    try:
        panel = rows.table().panel(freq=frequency, timezone=options.timezone, faults=faults)
    except InputError as error:
        raise rows.problem(error, faults) from None
    return Intake(panel, _reasons(faults, rows.names))


def panel_of_csv(
    body: bytes | BinaryIO,
    options: SeriesOptions,
    columns: ColumnOptions,
    settings: Settings,
    *,
    name: str = "The body",
    most: int | None = None,
) -> Intake:
    """Build the panel of a table; a series with a fault of its own is set aside with the reason.

    It is of at most `most` rows of any number of series, or else of as many as a request may have.

    Raises
    ------
    Problem
        All series have faults.
    InputError
        The table as a whole has one.
    """
    names = ColumnNames(columns.id_col, columns.time_col, columns.target_col)
    limits = Limits(
        columns=settings.max_series + 1,
        rows=most or settings.max_points,
        series=settings.max_series if most is None else None,
    )
    faults: dict[str, InputError] = {}
    try:
        panel = parse_csv(
            body,
            freq=frequency_of(options),
            names=names,
            timezone=options.timezone,
            limits=limits,
            name=name,
            faults=faults,
        )
    except InputError as error:
        errors = [field_error(fault) for fault in list(faults.values())[:MAX_ERRORS]]
        raise Problem(kind_of_fault(error), message_of(error), errors=errors or [field_error(error)]) from None
    return Intake(panel, _reasons(faults, faults), names)


def check_limits(panel: Panel, h: int, settings: Settings, *, columns: int) -> None:
    """Raise a problem if the panel, or the forecast of it in so many columns, is larger than the settings allow."""
    check_size(panel, settings)
    check_horizon(h, len(panel), settings, columns=columns)


def check_size(panel: Panel, settings: Settings) -> None:
    """Raise a problem if the panel is larger than the settings allow."""
    if len(panel) > settings.max_series:
        raise too_many("series", f"at most {settings.max_series} series")
    if len(panel.values) > settings.max_points:
        longest = int(panel.lengths.argmax())
        name, steps, values = panel.ids[longest], panel.lengths[longest], panel.observed[longest]
        raise too_many(
            "series",
            f"at most {settings.max_points} values in all, gaps in time included; the longest series, {name!r}, has "
            f"{steps} steps for {values} values, look there for a wrong timestamp",
            series=name,
        )


def check_horizon(h: int, series: int, settings: Settings, *, columns: int, field: str = "h") -> None:
    """Raise a problem if a forecast of so many steps, series and columns is longer than the settings allow."""
    longest = min(settings.max_horizon, max(1, settings.max_points // (columns * series)))
    if h > longest:
        raise too_many(field, f"at most {longest} steps for {series} series in {columns} columns")


def _reasons(faults: dict[str, InputError], order: Iterable[str]) -> dict[str, str]:
    return {name: message_of(faults[name]) for name in order if name in faults} if faults else {}


@dataclass(frozen=True, slots=True)
class _Rows:
    """All series of a JSON body, one after the other.

    Attributes
    ----------
    names, sizes
        Of each series.
    y, ds
        Of all of them.
    in_columns
        Whether they came so, for the paths of what is wrong.
    faults
        Series whose lists do not fit together.
    """

    names: Sequence[str]
    sizes: Sequence[int]
    y: list[float | None]
    ds: list[str | int] | None
    in_columns: bool
    faults: dict[str, InputError]

    def check_sizes(self, settings: Settings) -> None:
        """Raise a problem if there are too many of them, or two of one name."""
        if len(self.sizes) > settings.max_series:
            raise too_many("series.sizes" if self.in_columns else "series", f"at most {settings.max_series} series")
        if len(self.y) > settings.max_points:
            raise too_many("series.y" if self.in_columns else "series", f"at most {settings.max_points} values in all")
        if len(set(self.names)) < len(self.names):
            seen: set[str] = set()
            number = next(number for number, name in enumerate(self.names) if name in seen or seen.add(name))  # type: ignore[func-returns-value]  # None, which is false
            field = f"series.unique_id[{number}]" if self.in_columns else f"series[{number}].unique_id"
            raise invalid(field, "an id that no other series has", got="one used before")

    def table(self) -> LongTable:
        """Return the rows of all series; of one whose timestamps are of two kinds, or too large, a fault is put down.

        Raises
        ------
        InputError
            Some series have strings, some whole numbers.
        """
        values = np.array(self.y, np.float64)  # None becomes NaN
        sizes = np.array(self.sizes, np.int64)
        codes = np.repeat(np.arange(len(sizes)), sizes)
        if self.ds is None:
            steps = np.arange(1, len(codes) + 1) - np.repeat(np.cumsum(sizes) - sizes, sizes)
            return LongTable(tuple(self.names), codes, steps, values)
        kinds = set(map(type, self.ds))
        kind = next(iter(kinds)) if len(kinds) == 1 else self._one_kind()
        if kind is int:
            return LongTable(tuple(self.names), codes, self._whole_numbers(codes), values)
        stamps = Numbering()  # series of one request often share their timestamps: each distinct one is read once
        times = stamps.number([str(stamp) for stamp in self.ds] if int in kinds else self.ds)  # type: ignore[arg-type]  # else they are all strings
        return LongTable(tuple(self.names), codes, times, values, stamps=list(stamps))

    def _one_kind(self) -> type:
        """Return the kind of timestamps of all series but those with both kinds, of which a fault is put down."""
        kinds: set[type] = set()
        ends = np.cumsum(self.sizes).tolist()
        for name, size, end in zip(self.names, self.sizes, ends, strict=True):
            stamps = (self.ds or [])[end - size : end]
            own = set(map(type, stamps))
            if len(own) > 1:
                row = 2 + [type(one) is type(other) for one, other in pairwise(stamps)].index(False)
                text = "Timestamps are all strings or all whole numbers; these are mixed."
                self.faults.setdefault(name, InputError(text, series=name, row=row, column="ds"))
            elif name not in self.faults:
                kinds |= own
        if len(kinds) > 1:
            raise InputError("Timestamps of all series are strings, or all are whole numbers; these are mixed.")
        return kinds.pop() if kinds else str

    def _whole_numbers(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        stamps = self.ds or []
        try:
            return np.array(stamps, np.int64)
        except (OverflowError, ValueError):
            fitting = [stamp if isinstance(stamp, int) and abs(stamp) < 2**63 else None for stamp in stamps]
        for place, stamp in enumerate(fitting):
            if stamp is None:
                name = self.names[codes[place]]
                row = place + 1 - sum(self.sizes[: codes[place]])
                text = "The time step is too large a number. Count from a smaller one."
                self.faults.setdefault(name, InputError(text, series=name, row=row, column="ds"))
        return np.array([stamp or 0 for stamp in fitting], np.int64)

    def problem(self, error: InputError, faults: dict[str, InputError]) -> Problem:
        """Return what is wrong with all series, by its path."""
        numbers = {name: number for number, name in enumerate(self.names)}
        found = sorted((numbers[name], fault) for name, fault in list(faults.items())[:MAX_ERRORS] if name in numbers)
        errors = [
            FieldError(field=self._place(number, fault), expected=message_of(fault), series=self.names[number])
            for number, fault in found
        ]
        return Problem("invalid-request", message_of(error), errors=errors or [field_error(error)])

    def _place(self, number: int, error: InputError) -> str:
        """Return the path of the value at fault; its row counts within the series."""
        if error.column not in {"ds", "y"} or error.row is None:
            return f"series.sizes[{number}]" if self.in_columns else f"series[{number}]"
        if self.in_columns:
            return f"series.{error.column}[{sum(self.sizes[:number]) + error.row - 1}]"
        return f"series[{number}].{error.column}[{error.row - 1}]"


def _rows_of_series(series: list[Series]) -> _Rows:
    dated = [item.ds is not None for item in series]
    if any(dated) and not all(dated):
        field = f"series[{dated.index(False)}].ds"
        raise invalid(field, "timestamps, as other series of the request have them", got="nothing")
    faults: dict[str, InputError] = {}
    stamps: list[Sequence[str | int]] = []
    for item in series if dated[0] else ():
        given = item.ds or []
        if len(given) != len(item.y):
            text = f"{len(given)} timestamps for {len(item.y)} values. Send one timestamp for each value."
            faults.setdefault(item.unique_id, InputError(text, series=item.unique_id))
            given = [given[0] if given else ""] * len(item.y)  # it is left out; its rows are to keep their places
        stamps.append(given)
    return _Rows(
        names=[item.unique_id for item in series],
        sizes=[len(item.y) for item in series],
        y=list(chain.from_iterable(item.y for item in series)),
        ds=list(chain.from_iterable(stamps)) if dated[0] else None,
        in_columns=False,
        faults=faults,
    )


def _rows_of_columns(columns: Columns) -> _Rows:
    """Return the series of a columnar body.

    Raises
    ------
    Problem
        The columns do not fit together.
    """
    total, count = len(columns.y), len(columns.sizes)
    if sum(columns.sizes) != total:
        raise invalid("series.sizes", f"numbers that add up to {total}, the values in series.y", got="another sum")
    if columns.unique_id is not None and len(columns.unique_id) != count:
        raise invalid("series.unique_id", f"{count} ids, one for each size", got=f"{len(columns.unique_id)} items")
    if columns.ds is not None and len(columns.ds) != total:
        raise invalid("series.ds", f"{total} timestamps, one for each value", got=f"{len(columns.ds)} items")
    names = columns.unique_id or [str(number) for number in range(count)]
    return _Rows(names, columns.sizes, columns.y, columns.ds, in_columns=True, faults={})
