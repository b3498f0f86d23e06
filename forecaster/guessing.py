"""Which columns of a table hold the times, the ids and the values, told from their names and the first rows.

A name says most; what stands below it decides where names say nothing or too much. What the user names is never
overruled, and what cannot be told is said, not assumed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import BinaryIO

from forecaster.columns import ColumnNames, choose_layout, found_columns, missing_column
from forecaster.csvfile import csv_head, number_hint
from forecaster.csvrows import Limits
from forecaster.errors import InputError
from forecaster.gate import shown
from forecaster.longtable import MISSING
from forecaster.timestamps import parse_timestamps

__all__ = ["SAMPLE", "guess_columns", "guess_csv"]

SAMPLE = 1_000
"""Rows that are looked at; a long table sorted by time shows all its ids in as many."""

_MOST_CELLS = 200_000
"""Cells that are looked at: of a very wide table fewer rows."""
_TELLING = 50
"""Different cells of a column that tell its kind."""
_NEARLY_ALL = 0.95
"""Share of rows with a time, or an id and a time, of their own from which on the others are taken for faults."""
_FEW_TIMES = 2
"""Times of which all rows may well be of different series; if there are more, those of one return."""
_MOST_PAIRS = 12
"""Columns of which two together are tried as the id."""


def _listed(text: str) -> list[str]:
    return text.split()


# Names of columns without what is between their words, best first.
_TIMES = _listed(
    "ds timestamp datetime date time day week month quarter year hour minute period datum step t index"
    " orderdate saledate salesdate invoicedate transactiondate yearmonth"
)
_IDS = _listed(
    "uniqueid seriesid tsid series id itemid sku item productid product storeid store shopid shop article name key"
    " symbol ticker stock sensor station meter device machine site location region country state city customer client"
    " category segment group class department dept family brand channel route carrier account variable metric measure"
    " indicator type kind code"
)
_TARGETS = _listed(
    "y target value values sales demand quantity qty units unitssold sold amount volume count close price revenue"
    " turnover load consumption usage power energy orders visits visitors views clicks sessions users passengers"
    " traffic trips flights rides temperature temp observation obs measurement reading actual total number rate level"
    " production output cases births deaths index"
)
_WHOLE, _PART = 2, 1
"""How well the name of a column fits to a known one."""
_NUMBERED = {"id", "no", "nr", "nbr", "num", "number", "code", "key", "sku"}
"""Last words of the names of columns in which numbers are names."""
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_MEANT_AS_DATE = re.compile(
    r"(?:\d{1,2}[./-]\d{1,2}[./-](?:\d\d|\d{4})|\d{4}[./-]\d{1,2}(?:[./-]\d{1,2})?)(?:[ T,].*)?"
    r"|(?:\d\d? )?(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*[. -]+\d.*|\d{4}[ -]?[QW]\d{1,2}",
    re.DOTALL | re.IGNORECASE,
)


def guess_columns(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
) -> ColumnNames:
    """Tell which columns hold what.

    Parameters
    ----------
    header
        Names of the columns.
    rows
        The first rows, of the same length; `SAMPLE` of them are looked at.
    id_col, time_col, target_col
        What is known. An empty `id_col` says that there are no ids, an empty `target_col` that every column is a
        series, as in `ColumnNames`.

    Returns
    -------
    ColumnNames
        Names with which the table is read.

    Raises
    ------
    InputError
        It cannot be told, a column that is named is not there, or one is there twice.
    ConfigError
        What is known contradicts itself.
    """
    for parameter, name in (("id_col", id_col), ("time_col", time_col), ("target_col", target_col)):
        if name and name not in header:
            raise missing_column(name, parameter, header)
    usual = ColumnNames()
    if id_col is time_col is target_col is None and {usual.id_col, usual.time_col, usual.target_col} <= {*header}:
        names = usual  # as this program writes tables
    else:
        names = _Table(header, rows).names(id_col, time_col, target_col)
    choose_layout(header, names)  # raises what does not go together
    return names


def guess_csv(
    source: bytes | str | BinaryIO,
    *,
    id_col: str | None = None,
    time_col: str | None = None,
    target_col: str | None = None,
    limits: Limits | None = None,
    name: str = "CSV",
) -> ColumnNames:
    """Tell which columns of a CSV hold what, as `guess_columns` does.

    Raises
    ------
    InputError
        The text is not a table, or it cannot be told.
    """
    header, rows = csv_head(source, SAMPLE, limits=limits, name=name)
    try:
        return guess_columns(header, rows, id_col=id_col, time_col=time_col, target_col=target_col)
    except InputError as error:
        raise type(error)(f"{name}: {error}", column=error.column) from None


@dataclass(frozen=True, eq=False)  # no slots: what is counted once is kept
class _Column:
    """A column and what stands below its name in the first rows."""

    place: int
    name: str
    cells: Sequence[str]

    @cached_property
    def words(self) -> list[str]:
        return [word.lower() for word in _WORDS.findall(self.name)] or [self.name.strip().lower()]

    @cached_property
    def telling(self) -> list[str]:
        """A few different cells that are filled in."""
        filled = (cell.strip() for cell in self.cells[: 4 * _TELLING])
        return list(dict.fromkeys(cell for cell in filled if cell not in MISSING))[:_TELLING]

    @cached_property
    def holds_numbers(self) -> bool:
        return _most(_is_number(cell) or bool(number_hint(cell)) for cell in self.telling)

    @cached_property
    def holds_whole_numbers(self) -> bool:
        return _most(cell.removeprefix("-").isdecimal() for cell in self.telling)

    @cached_property
    def holds_dates(self) -> bool:
        return _most(_is_date(cell) for cell in self.telling)

    @cached_property
    def is_a_key(self) -> bool:
        """Whether every row has a cell of its own, as numbers of orders have."""
        return len(self.cells) > _TELLING and len(set(self.cells)) >= _NEARLY_ALL * len(self.cells)

    @cached_property
    def counts_on(self) -> bool:
        """Whether the cells are whole numbers with the same step from row to row."""
        texts = self.cells[:_TELLING]
        if len(texts) < 3 or not all(text.isdecimal() and len(text) < 10 for text in texts):
            return False
        numbers = [int(text) for text in texts]
        steps = {later - earlier for earlier, later in pairwise(numbers)}
        return len(steps) == 1 and min(steps) > 0

    def rank(self, known: Sequence[str]) -> tuple[int, int]:
        """Return how well the name fits to `known` ones, best first: 2 for one of them, 1 for a part; and which."""
        whole = "".join(self.words)
        if whole in known:
            return _WHOLE, -known.index(whole)
        found = [known.index(word) for word in self.words if len(word) > 1 and word in known]
        return (_PART, -min(found)) if found else (0, 0)


class _Table:
    """The columns that have names, and what is told from them."""

    def __init__(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        self.header = header
        seen = rows[: max(10, min(SAMPLE, _MOST_CELLS // max(1, len(header))))]
        self.columns = [_Column(place, name, [row[place] for row in seen]) for place, name in enumerate(header) if name]

    def names(self, id_col: str | None, time_col: str | None, target_col: str | None) -> ColumnNames:
        """Return the names of the columns, those given as they are."""
        time_col = time_col or self._time({id_col, target_col})
        rest = [column for column in self.columns if column.name != time_col]
        if target_col == "":
            return ColumnNames(id_col or ColumnNames().id_col, time_col, "")
        if id_col is None:
            column = self._id(time_col, [column for column in rest if column.name != target_col])
            id_col = None if column is None else column.name
        numbers = [column for column in rest if column.name != id_col and column.holds_numbers]
        if target_col is None and id_col is None and self._is_wide(rest, numbers):
            return _wide(time_col, self.header)
        target_col = self._target(numbers, time_col, id_col) if target_col is None else target_col
        if id_col is None:
            id_col = "" if len(rest) > 1 else ColumnNames().id_col
        return ColumnNames(id_col, time_col, target_col)

    def _time(self, taken: set[str | None]) -> str:
        candidates = [column for column in self.columns if column.name not in taken]
        looked_at = [one for number, one in enumerate(candidates) if number < _TELLING or one.rank(_TIMES)[0]]
        likely = [(_as_time(column), -column.place, column) for column in looked_at]
        best = max(likely, key=lambda one: one[:2], default=None)
        if best is not None and best[0] > (0, 0, 0):
            return best[2].name
        counting = next((column for column in looked_at if column.counts_on), None)
        if counting is not None:
            return counting.name
        raise self._untold("the timestamps", "time_col", "whose cells are dates such as 2024-01-31")

    def _id(self, time_col: str, candidates: list[_Column]) -> _Column | None:
        """Return the column that tells the series apart; None if the table is one series, or wide."""
        times = next((column.cells for column in self.columns if column.name == time_col), ())
        if len(set(times)) > _FEW_TIMES:
            candidates = [column for column in candidates if not column.is_a_key]
        if not times or len(set(times)) >= _NEARLY_ALL * len(times):  # one row for each time, as far as can be seen
            named = [column for column in candidates if _may_be_id(column) and _names_one_series(column)]
            return max(named, key=_as_id, default=None)
        shares = {column: _told_apart(times, column.cells) for column in candidates if _may_tell(column)}
        telling = [column for column, share in shares.items() if share >= _NEARLY_ALL]
        if telling:
            return max(telling, key=_as_id)
        self._refuse_two_ids(times, list(shares))
        return max((column for column in shares if column.rank(_IDS)[0]), key=_as_id, default=None)

    def _refuse_two_ids(self, times: Sequence[str], candidates: list[_Column]) -> None:
        tried = sorted(candidates, key=_as_id, reverse=True)[:_MOST_PAIRS]
        for number, one in enumerate(tried):
            for other in tried[:number]:
                if _told_apart(times, one.cells, other.cells) >= _NEARLY_ALL:
                    first, second = sorted((one, other), key=lambda column: column.place)
                    both = f"{shown(first.name)} and {shown(second.name)}"
                    raise InputError(
                        f"The rows of one time are told apart by {both} together, and a table has one column of ids. "
                        "Join the two into one, or name one of them with id_col= (--id-col NAME).",
                        column=first.name,
                    )

    def _is_wide(self, rest: list[_Column], numbers: list[_Column]) -> bool:
        """Whether each of several columns is a series: all hold numbers, and not one alone is called as values are."""
        if len(rest) != len(numbers) or len(numbers) < 2:
            return False
        return sum(column.rank(_TARGETS)[0] == _WHOLE for column in numbers) != 1

    def _target(self, numbers: list[_Column], time_col: str, id_col: str | None) -> str:
        if numbers:
            return max(numbers, key=lambda column: (column.rank(_TARGETS), -column.place)).name
        others = [column for column in self.columns if column.name not in (time_col, id_col)]
        called = max(others, key=lambda column: (column.rank(_TARGETS), -column.place), default=None)
        if called is not None and (called.rank(_TARGETS)[0] or len(others) == 1):
            return called.name  # its cells are at fault, and are told one by one
        raise self._untold("the values", "target_col", "whose cells are numbers")

    def _untold(self, what: str, parameter: str, expected: str) -> InputError:
        flag = "--" + parameter.replace("_", "-")
        return InputError(
            f"Which column holds {what} cannot be told; found {found_columns(self.header)}. Expected one {expected}. "
            f"Name it with {parameter}= ({flag} NAME).",
            column=parameter,
        )


def _wide(time_col: str, header: Sequence[str]) -> ColumnNames:
    usual = ColumnNames()
    told_by_itself = usual.id_col not in header and usual.target_col not in header
    return ColumnNames(time_col=time_col, target_col=usual.target_col if told_by_itself else "")


def _as_time(column: _Column) -> tuple[int, int, int]:
    """Return how likely a column holds the times: dates first, then what is called so."""
    fit, place = column.rank(_TIMES)
    if column.holds_dates:
        return 4 + fit, fit, place
    plausible = column.holds_whole_numbers or not column.holds_numbers
    called = fit == _WHOLE or (fit == _PART and column.words[-1] in _TIMES)
    return (fit, fit, place) if plausible and called else (0, 0, 0)


def _as_id(column: _Column) -> tuple[int, int, bool, int]:
    """Return how likely a column holds the ids, as far as its name and its kind tell."""
    fit, place = column.rank(_IDS)
    return fit, place, not column.holds_numbers, -column.place


def _may_be_id(column: _Column) -> bool:
    """Whether a column may hold ids: text, or numbers that are called so."""
    if not column.telling or column.holds_dates:
        return False
    return not column.holds_numbers or column.rank(_IDS)[0] == _WHOLE or column.words[-1] in _NUMBERED


def _may_tell(column: _Column) -> bool:
    """Whether a column may tell rows of one time apart: ids, or whole numbers that are not called as values are."""
    if _may_be_id(column):
        return True
    return column.holds_whole_numbers and column.rank(_TARGETS)[0] == 0


def _names_one_series(column: _Column) -> bool:
    """Whether the cells of a column, one for each time, may all be the name of one series, or are called so."""
    return column.rank(_IDS)[0] == _WHOLE or (len(set(column.cells)) == 1 and len(column.cells) > 1)


def _told_apart(*columns: Sequence[str]) -> float:
    """Return the share of rows that no other is equal to in these columns."""
    return len(set(zip(*columns, strict=True))) / len(columns[0])


def _most(facts: Iterable[bool]) -> bool:
    """Whether more than half of some facts hold, of which there are some."""
    held = list(facts)
    return 2 * sum(held) > len(held)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_date(text: str) -> bool:
    """Whether a cell is a date, or was meant to be one."""
    try:
        return parse_timestamps([text])[0].dtype.kind == "M"
    except InputError:
        return _MEANT_AS_DATE.fullmatch(text) is not None
