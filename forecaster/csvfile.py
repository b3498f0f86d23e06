"""Series from a CSV, read column by column.

A fault is looked for row by row only after a piece of the rows has failed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from forecaster.columns import ColumnNames, Layout, choose_layout
from forecaster.csvrows import ROWS_A_PIECE, CsvRows, Limits, opened
from forecaster.errors import InputError, TooLargeError
from forecaster.frequency import Frequency, IntArray
from forecaster.gate import shown
from forecaster.longtable import MISSING, LongTable, Numbering
from forecaster.panel import Panel

__all__ = ["CsvColumns", "CsvTable", "csv_head", "in_words_of_the_user", "number_hint", "parse_csv", "read_csv"]

_MOST_CELLS = 1_000
"""Cells without a number that are kept in mind; others are counted."""


def parse_csv(
    source: bytes | str | BinaryIO,
    *,
    freq: str | int | Frequency | None = None,
    names: ColumnNames | None = None,
    timezone: str | None = None,
    limits: Limits | None = None,
    name: str = "CSV",
    faults: dict[str, InputError] | None = None,
) -> Panel:
    """Read series from CSV text: UTF-8 with or without a byte order mark, any line ends, commas, semicolons or tabs.

    Parameters
    ----------
    source
        The text, its bytes, or a binary stream that can seek.
    freq
        Frequency; inferred if not given.
    names
        Names of the columns of a long table.
    timezone
        IANA zone of the timestamps; needed if they carry differing UTC offsets.
    limits
        What is refused.
    name
        What the source is called in messages, such as its path.
    faults
        Where given, series with a fault of their own (a value that is no number, a timestamp that cannot be read,
        comes twice or is off the grid) are left out, and what is wrong with each of them is put here by its name.
        Without it, the first fault is raised.

    Raises
    ------
    InputError
        The text is not a table of series; ``row`` is the line, the header being line 1.
    ConfigError
        The frequency or the time zone is unknown.
    """
    table = read_csv(source, names=names, limits=limits, name=name, faults=faults)
    return table.panel(freq=freq, timezone=timezone, faults=faults)


def read_csv(
    source: bytes | str | BinaryIO,
    *,
    names: ColumnNames | None = None,
    limits: Limits | None = None,
    name: str = "CSV",
    faults: dict[str, InputError] | None = None,
) -> CsvTable:
    """Read the rows of a CSV, of which the values alone have been looked at; the parameters are those of `parse_csv`.

    Raises
    ------
    InputError
        The text is not a table.
    """
    names = names or ColumnNames()
    with opened(source, name) as text:
        rows = CsvRows(text, limits or Limits())
        return CsvColumns(rows, names, name, faults).table()


def csv_head(
    source: bytes | str | BinaryIO, rows: int, *, limits: Limits | None = None, name: str = "CSV"
) -> tuple[list[str], list[list[str]]]:
    """Return the header of a CSV and at most so many rows, those of another length left out.

    Raises
    ------
    InputError
        The text is not a table.
    """
    with opened(source, name) as text:
        opening = CsvRows(text, limits or Limits())
        return opening.header, opening.first(rows)


@dataclass(frozen=True, slots=True)
class CsvTable:
    """All rows of a CSV.

    Attributes
    ----------
    header, layout, names
        The columns, where they are, and how the user called them.
    rows
        Its rows; those of a wide table once for each series.
    count
        How many rows there are below the header.
    no_numbers, no_number_count
        Cells that should hold a number and do not: the first of them, and how many there are.
    name
        What the source is called in messages.
    """

    header: tuple[str, ...]
    layout: Layout
    names: ColumnNames
    rows: LongTable
    count: int
    no_numbers: Sequence[InputError]
    no_number_count: int
    name: str

    def panel(
        self,
        *,
        freq: str | int | Frequency | None = None,
        timezone: str | None = None,
        faults: dict[str, InputError] | None = None,
    ) -> Panel:
        """Build the panel, as :meth:`LongTable.panel`; messages speak of the user's columns."""
        known = set(faults or ())
        try:
            return self.rows.panel(freq=freq, timezone=timezone, faults=faults)
        except InputError as error:
            raise self.in_words_of_the_user(error, f"{self.name}: ") from None
        finally:
            for series in set(faults or ()) - known:
                faults[series] = self.in_words_of_the_user(faults[series])  # type: ignore[index]  # it is given, if there are any

    def in_words_of_the_user(self, error: InputError, prefix: str = "") -> InputError:
        """Return an error of a panel's with the user's name of its column."""
        return in_words_of_the_user(error, self.names, prefix)


def in_words_of_the_user(error: InputError, names: ColumnNames, prefix: str = "") -> InputError:
    """Return an error of a panel's with the user's name of its column."""
    column = {"y": names.target_col, "ds": names.time_col}.get(error.column or "", error.column)
    text = str(error).replace(", column 'ds': ", f", column {shown(names.time_col)}: ", 1)
    return type(error)(f"{prefix}{text}", series=error.series, row=error.row, column=column)


@dataclass
class CsvColumns:
    """The rows of a CSV on their way from text to arrays.

    Attributes
    ----------
    rows, names
        The text, and how the user calls its columns.
    name
        What the source is called in messages.
    faults
        As `parse_csv` takes them.
    layout
        Where the columns are.
    """

    rows: CsvRows
    names: ColumnNames
    name: str
    faults: dict[str, InputError] | None
    layout: Layout = field(init=False)
    count: int = 0
    no_numbers: list[InputError] = field(default_factory=list)
    no_number_count: int = 0

    def __post_init__(self) -> None:
        self.layout = choose_layout(self.rows.header, self.names)

    def table(self) -> CsvTable:
        """Read all rows; series with values that are no numbers are put into `faults`, where that is given."""
        read = self._read(self.rows.pieces())
        if read is None:
            raise InputError("The file has a header but no rows below it. Expected one row for each value.")
        return CsvTable(
            tuple(self.rows.header),
            self.layout,
            self.names,
            read,
            self.count,
            self.no_numbers,
            self.no_number_count,
            self.name,
        )

    def tables(self, rows: int) -> Iterator[LongTable]:
        """Yield all rows, about so many at a time; what is in `faults` when a table comes is of it or earlier ones."""
        pieces = self.rows.pieces()
        while (table := self._read(islice(pieces, -(-rows // ROWS_A_PIECE)))) is not None:
            yield table

    def _read(self, pieces: Iterable[tuple[list[list[str]], IntArray]]) -> LongTable | None:
        """Return these rows, or None if there are none."""
        stamps = Numbering()
        ids = Numbering()
        stamp_codes: list[IntArray] = []
        id_codes: list[IntArray] = []
        values: list[NDArray[np.float64]] = []
        lines: list[IntArray] = []
        for rows, at in pieces:
            self.count += len(rows)
            self._refuse_many_rows()
            stamp_codes.append(stamps.number([row[self.layout.time] for row in rows]))
            if self.layout.id is not None:
                position = self.layout.id
                id_codes.append(ids.number([row[position] for row in rows]))
                self._refuse_many_series(len(ids))
            values.append(self._values(rows, at))
            lines.append(at)
        if not lines:
            return None
        line, times, matrix = np.concatenate(lines), np.concatenate(stamp_codes), np.concatenate(values)
        if self.layout.id is None:
            series = tuple(self.rows.header[i] for i in self.layout.targets)
            codes = np.tile(np.arange(len(series)), len(line))
            times, line = np.repeat(times, len(series)), np.repeat(line, len(series))
        else:
            series, codes = tuple(ids), np.concatenate(id_codes)
            if "" in ids:
                raise self._empty_id(int(line[np.argmax(codes == ids[""])]))
        return LongTable(series, codes, times, matrix.ravel(), stamps=list(stamps), lines=line)

    def _empty_id(self, row: int) -> InputError:
        column = self.names.id_col
        return InputError(
            f"Line {row}: the series id is empty. Fill in the column {shown(column)}.", row=row, column=column
        )

    def _refuse_many_series(self, series: int) -> None:
        most = self.rows.limits.series
        if most is not None and series > most:
            raise TooLargeError(f"There are more than {most} series. Send them in parts.")

    def _refuse_many_rows(self) -> None:
        rows, most = self.count * max(1, len(self.layout.targets)), self.rows.limits.rows
        if most is not None and rows > most:
            what = "values" if self.layout.is_wide else "rows"
            raise TooLargeError(f"There are more than {most} {what}. Send them in parts, by series.")

    def _values(self, rows: Sequence[Sequence[str]], at: IntArray) -> NDArray[np.float64]:
        matrix = np.empty((len(rows), len(self.layout.targets)))
        for place, column in enumerate(self.layout.targets):
            texts = [row[column] for row in rows]
            try:
                matrix[:, place] = _numbers(texts)
            except ValueError:
                matrix[:, place] = [self._value(row, int(line), column) for row, line in zip(rows, at, strict=True)]
        return matrix

    def _value(self, cells: Sequence[str], line: int, column: int) -> float:
        """Return the number in a cell; where there is none NaN, and the series has a fault."""
        try:
            return _numbers([cells[column]])[0]
        except ValueError:
            series = cells[self.layout.id] if self.layout.id is not None else self.rows.header[column]
        self.no_number_count += 1
        if self.faults is None:
            raise self._not_a_number(cells[column], line, column, series)
        if series not in self.faults or len(self.no_numbers) < _MOST_CELLS:
            fault = self._not_a_number(cells[column], line, column, series)
            self.faults.setdefault(series, fault)
            if len(self.no_numbers) < _MOST_CELLS:
                self.no_numbers.append(fault)
        return float("nan")

    def _not_a_number(self, text: str, line: int, column: int, series: str) -> InputError:
        name = self.rows.header[column]
        hint = number_hint(text)
        if self.layout.is_wide and not hint:
            hint = (
                " Without the columns unique_id and y every column is read as a series; for a long table name its "
                "columns with id_col= and target_col= (--id-col, --target-col)."
            )
        return InputError(
            f"Line {line}, column {shown(name)}: expected a number, got {shown(text)}.{hint}",
            series=series,
            row=line,
            column=name,
        )


def number_hint(text: str) -> str:
    """Return what may be wrong with a text that should be a number; empty if nobody can tell."""
    text = text.strip()
    if re.fullmatch(r"[+-]?\d{1,3}(?:[ .']\d{3})*,\d+|[+-]?\d+,\d+", text):
        return " Write a decimal point instead of a decimal comma (1.5), and no thousands separators."
    if re.fullmatch(r"[+-]?\d{1,3}(?:[ ,'_]\d{3})+(?:\.\d+)?|[+-]?[\d_]+", text):
        return " Write numbers without separators between the thousands (1000000)."
    if re.fullmatch(r"[$€£¥]?\s?[+-]?[\d.,]+\s?[%$€£¥]?", text):
        return " Write plain numbers without signs of currency or per cent."
    return " Leave missing values empty." if text in ("-", "--", ".", "?") else ""


def _numbers(texts: Sequence[str]) -> list[float]:
    """Return the numbers; ValueError if one is not."""
    joined = "".join(texts)
    if "_" in joined or not joined.isascii():  # Python reads 1_000 and ١٢ as numbers, spreadsheets do not
        raise ValueError
    try:
        return list(map(float, texts))
    except ValueError:
        return [float("nan") if text.strip() in MISSING else float(text) for text in texts]
