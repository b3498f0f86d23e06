"""A CSV of series, read column by column with the standard library, and every way in which it can be wrong.

Rows are read in pieces and turned into arrays at once, so that a million rows take a second or two and little
memory. A fault is looked for row by row only after a piece has failed.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import InputError
from forecaster.frequency import Frequency, IntArray
from forecaster.gate import shown
from forecaster.longtable import MISSING, LongTable, Numbering
from forecaster.panel import Panel

__all__ = ["ColumnNames", "CsvReader", "Layout", "Limits", "choose_layout", "parse_csv", "told_of_csv"]

_BLOCK_CHARACTERS = 1 << 18
_LINE_END = re.compile(r"\r\n|\r|\n")
_ROWS_A_PIECE = 4_096  # more rows at a time wake Python's garbage collector
_CELLS_A_PIECE = 1_000_000


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What the columns of a long table are called."""

    id_col: str = "unique_id"
    time_col: str = "ds"
    target_col: str = "y"


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of a file is read before it is refused; None is no limit.

    ``line_characters`` bounds the memory that a file without line breaks can take. A row of a wide table counts as one
    for each series.
    """

    columns: int = 10_000
    line_characters: int = 1_000_000
    rows: int | None = None
    series: int | None = None


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns of a table are: long (one target) or wide (one target for each series)."""

    time: int
    id: int | None
    targets: tuple[int, ...]
    is_wide: bool


def choose_layout(columns: Sequence[str], names: ColumnNames) -> Layout:
    """Tell from the column names whether a table is long or wide.

    A table of exactly the time and the target column is one series, named as the target column. A table with a time
    column and neither id nor target column is wide: every other column is a series.

    Raises
    ------
    InputError
        A column is missing or there twice.
    """
    for column, count in Counter(columns).items():
        if column and count > 1:
            raise InputError(f"The column {shown(column)} is there twice. Rename or remove one.", column=column)
    if names.time_col not in columns:
        raise _missing_column(names.time_col, "time_col", columns)
    time = columns.index(names.time_col)
    others = tuple(i for i, column in enumerate(columns) if i != time and column)  # an index column has no name
    defaults = ColumnNames()
    if names.id_col in columns:
        if names.target_col not in columns:
            raise _missing_column(names.target_col, "target_col", columns)
        return Layout(time, columns.index(names.id_col), (columns.index(names.target_col),), is_wide=False)
    if names.id_col != defaults.id_col:
        raise _missing_column(names.id_col, "id_col", columns)
    if names.target_col in columns:
        if len(others) > 1:
            raise _missing_column(names.id_col, "id_col", columns)
        return Layout(time, None, others, is_wide=False)
    if names.target_col != defaults.target_col or not others:
        raise _missing_column(names.target_col, "target_col", columns)
    return Layout(time, None, others, is_wide=True)


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
    if isinstance(source, str):
        source = source.encode("utf-8", errors="surrogatepass")
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    names = names or ColumnNames()
    with told_of_csv(stream, names, name):
        text = io.TextIOWrapper(cast("IO[bytes]", stream), encoding="utf-8-sig", newline="")
        try:
            refuse_other_formats(stream)
            table = CsvReader(text, names, limits or Limits(), faults).table()
            return table.panel(freq=freq, timezone=timezone, faults=faults)
        finally:
            text.detach()  # the stream is the caller's to close
            if faults:
                faults.update({series: renamed(fault, names) for series, fault in faults.items()})


@contextmanager
def told_of_csv(stream: BinaryIO, names: ColumnNames, name: str) -> Iterator[None]:
    """Have errors of reading CSV say which source they speak of, and call columns as the user does.

    Raises
    ------
    InputError
        In the place of whatever says that a text is not UTF-8, or a gzip file damaged.
    """
    try:
        yield
    except InputError as error:
        raise renamed(error, names, f"{name}: ") from None
    except UnicodeDecodeError:
        raise _not_utf8(stream, name) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is not a complete gzip file ({error}). Copy or download it again.") from error


def renamed(error: InputError, names: ColumnNames, prefix: str = "") -> InputError:
    """Return the error with the user's name of its column."""
    column = {"y": names.target_col, "ds": names.time_col}.get(error.column or "", error.column)
    return type(error)(f"{prefix}{error}", series=error.series, row=error.row, column=column)


class CsvReader:
    """One pass over a CSV.

    Parameters
    ----------
    text : text stream
        Without translation of line ends.
    names, limits, faults
        As for `parse_csv`.
    before : int
        Lines of the file that are not in `text`, for messages.

    Attributes
    ----------
    header, layout, delimiter
        Names of the columns, which of them are read, and what is between them.
    skipped
        Lines above the header.
    """

    def __init__(
        self,
        text: IO[str],
        names: ColumnNames,
        limits: Limits,
        faults: dict[str, InputError] | None = None,
        *,
        before: int = 0,
    ) -> None:
        self.text = text
        self.names = names
        self.limits = limits
        self.faults = faults
        self.skipped = before  # with the blank lines above the header
        lines = self._bounded_lines(before)
        first = next(lines, "")
        while first and not first.strip():
            self.skipped += 1
            first = next(lines, "")
        if not first:
            raise InputError("The file is empty. Expected a header and rows such as unique_id,ds,y.")
        self.delimiter = next((mark for mark in ";\t" if mark in first and "," not in first), ",")
        self._refuse_many_columns(first.count(self.delimiter) + 1)
        self.reader = csv.reader(_with_first(first, lines), delimiter=self.delimiter, strict=True)
        self.header = [cell.strip() for cell in self._next_row()]
        self._refuse_many_columns(len(self.header))  # a header may go over several lines
        self.layout = choose_layout(self.header, names)

    def table(self) -> LongTable:
        """Read all rows; series with values that are no numbers are put into `faults`, where that is given."""
        table = self._table(self._pieces())
        if table is None:
            raise InputError("The file has a header but no rows below it. Expected one row for each value.")
        return table

    def tables(self, rows: int) -> Iterator[LongTable]:
        """Yield all rows, about so many at a time; what is in `faults` when a table comes is of it or earlier ones."""
        pieces = self._pieces()
        while (table := self._table(islice(pieces, -(-rows // _ROWS_A_PIECE)))) is not None:
            yield table

    def _table(self, pieces: Iterable[tuple[list[list[str]], IntArray]]) -> LongTable | None:
        """Return these rows, or None if there are none."""
        stamps = Numbering()
        ids = Numbering()
        stamp_codes: list[IntArray] = []
        id_codes: list[IntArray] = []
        values: list[NDArray[np.float64]] = []
        lines: list[IntArray] = []
        for rows, at in pieces:
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
            series = tuple(self.header[i] for i in self.layout.targets)
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

    def _bounded_lines(self, number: int) -> Iterator[str]:
        """Yield lines, read in blocks: three times as fast as a checked ``readline`` for each."""
        rest = ""
        while block := self.text.read(_BLOCK_CHARACTERS):
            lines = list(io.StringIO(rest + block, newline=""))
            rest = "" if lines[-1].endswith("\n") else lines.pop()
            if "\0" in block:
                raise self._nul_byte(number + next((i for i, line in enumerate(lines, 1) if "\0" in line), len(lines)))
            if max(map(len, lines), default=0) > self.limits.line_characters:
                rest = next(line for line in lines if len(line) > self.limits.line_characters)
                number += lines.index(rest)
                lines = []
            if len(rest) > self.limits.line_characters:
                raise self._long_line(number + len(lines) + 1, rest)
            number += len(lines)
            yield from lines
        if rest:
            yield rest

    def _nul_byte(self, number: int) -> InputError:
        return InputError(
            f"Line {number} holds a NUL byte: this is not a text file, or it is damaged. Save it as CSV in UTF-8.",
            row=number,
        )

    def _long_line(self, number: int, line: str) -> InputError:
        columns = max(line.count(mark) for mark in ",;\t") + 1
        return InputError(
            f"Line {number} has more than {self.limits.line_characters} characters and {columns} columns or more. "
            "Expected one row for each series and time, with columns unique_id, ds and y.",
            row=number,
        )

    def _refuse_many_columns(self, columns: int) -> None:
        if columns > self.limits.columns:
            raise InputError(
                f"The header has {columns} columns; at most {self.limits.columns} are read. Write many series as long "
                "rows: unique_id, ds, y.",
                row=self.skipped + 1,
            )

    def _refuse_many_series(self, series: int) -> None:
        if self.limits.series is not None and series > self.limits.series:
            raise InputError(f"There are more than {self.limits.series} series. Send them in parts.")

    def _refuse_many_rows(self, count: int) -> None:
        rows = count * max(1, len(self.layout.targets))
        if self.limits.rows is not None and rows > self.limits.rows:
            what = "values" if self.layout.is_wide else "rows"
            raise InputError(f"There are more than {self.limits.rows} {what}. Send them in parts, by series.")

    @property
    def line(self) -> int:
        """Line of the file that was read last."""
        return int(self.reader.line_num) + self.skipped

    def _next_row(self) -> list[str]:
        try:
            return next(self.reader)
        except csv.Error as error:
            raise self._malformed(error, 1) from None

    def _pieces(self) -> Iterator[tuple[list[list[str]], IntArray]]:
        """Yield rows and the line each of them ends on; blank lines are passed over."""
        width = len(self.header)
        wanted = max(1, min(_ROWS_A_PIECE, _CELLS_A_PIECE // width))
        count = 0
        while True:
            began = self.line
            try:
                rows = list(islice(self.reader, wanted))
            except csv.Error as error:
                raise self._malformed(error, began + 1) from None
            if not rows:
                return
            at = began + np.arange(1, len(rows) + 1)
            if self.line - began != len(rows):
                at = began + np.cumsum([1 + sum(len(_LINE_END.findall(cell)) for cell in row) for row in rows])
            if [] in rows:
                at = at[[bool(row) for row in rows]]
                rows = [row for row in rows if row]
            if not set(map(len, rows)) <= {width}:
                raise self._ragged(rows, at)
            count += len(rows)
            self._refuse_many_rows(count)
            if rows:
                yield rows, at

    def _malformed(self, error: csv.Error, began: int) -> InputError:
        line = self.line
        if "field larger" in str(error):
            what = f"A field that ends in line {line} has more than {csv.field_size_limit()} characters"
        else:
            what = f"Line {line} is not CSV ({error})"
        return InputError(
            f"{what}. Look for a quotation mark that is opened and not closed, from line {began} on.", row=line
        )

    def _ragged(self, rows: Sequence[Sequence[str]], at: IntArray) -> InputError:
        line, row = next((int(at[i]), row) for i, row in enumerate(rows) if len(row) != len(self.header))
        hint = ""
        if len(row) == len(self.header) + 1 and self.delimiter == ",":
            hint = " If it is a decimal comma (1,5), write a decimal point (1.5) or put the number in quotation marks."
        return InputError(
            f"Line {line} has {len(row)} fields, the header has {len(self.header)}. Every row needs the same number "
            f"of fields.{hint}",
            row=line,
        )

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
            series = cells[self.layout.id] if self.layout.id is not None else self.header[column]
        if self.faults is None:
            raise self._not_a_number(cells[column], line, column, series)
        if series not in self.faults:
            self.faults[series] = self._not_a_number(cells[column], line, column, series)
        return float("nan")

    def _not_a_number(self, text: str, line: int, column: int, series: str) -> InputError:
        name = self.header[column]
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


def _with_first(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _missing_column(name: str, parameter: str, columns: Sequence[str]) -> InputError:
    found = ", ".join(shown(column) for column in columns[:20]) + (", …" if len(columns) > 20 else "")
    flag = "--" + parameter.replace("_", "-")
    return InputError(
        f"There is no column {shown(name)}; found {found}. Name the column that holds "
        f"{_MEANINGS[parameter]} with {parameter}= ({flag} NAME).",
        column=name,
    )


_MEANINGS = {"id_col": "the series ids", "time_col": "the timestamps", "target_col": "the values"}


def refuse_other_formats(stream: BinaryIO) -> None:
    """Raise InputError if a stream that can seek begins as other kinds of files do."""
    head = stream.read(4)
    stream.seek(0)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(
            "The file is UTF-16 text. Save it as 'CSV UTF-8', or convert it: iconv -f UTF-16 -t UTF-8 IN.csv > OUT.csv"
        )
    known = {
        b"\x1f\x8b": "a gzip file: name it .csv.gz, or unpack it",
        b"PK": "a zip file or spreadsheet: save it as CSV",
    }
    for magic, what in [*known.items(), (b"PAR1", "a Parquet file: name it .parquet, or save it as CSV")]:
        if head.startswith(magic):
            raise InputError(f"This is not CSV text but {what}.")


def _not_utf8(stream: BinaryIO, name: str) -> InputError:
    """Say where the text stops being UTF-8."""
    stream.seek(0)
    number = 0
    while raw := stream.readline(1 << 20):
        number += 1
        try:
            raw.decode("utf-8")
        except UnicodeDecodeError as error:
            byte = raw[error.start]
            return InputError(
                f"{name}: line {number} is not UTF-8 text (byte 0x{byte:02X}, which is {chr(byte)!r} in Latin-1). Save "
                "the file as 'CSV UTF-8', or convert it: iconv -f LATIN1 -t UTF-8 IN.csv > OUT.csv",
                row=number,
            )
    return InputError(f"{name} is not UTF-8 text. Save it as 'CSV UTF-8'.")
