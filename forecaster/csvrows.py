"""The header and the rows of a CSV, read with the standard library, and every way in which the text can be wrong.

Rows come in pieces, so that a million of them take a second or two and little memory.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, BinaryIO, cast

import numpy as np

from forecaster.errors import InputError, TooLargeError
from forecaster.frequency import IntArray

__all__ = ["ROWS_A_PIECE", "CsvRows", "Limits", "opened", "refuse_other_formats", "told_of"]

_BLOCK_CHARACTERS = 1 << 18
_LINE_END = re.compile(r"\r\n|\r|\n")
ROWS_A_PIECE = 4_096
"""Rows that come at a time: more of them wake Python's garbage collector."""

_CELLS_A_PIECE = 1_000_000


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


@contextmanager
def opened(source: bytes | str | BinaryIO, name: str) -> Iterator[IO[str]]:
    """Give a source as text: UTF-8 with or without a byte order mark. What is wrong with it is said with its name."""
    if isinstance(source, str):
        source = source.encode("utf-8", errors="surrogatepass")
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    text = io.TextIOWrapper(cast("IO[bytes]", stream), encoding="utf-8-sig", newline="")
    try:
        with told_of(stream, name):
            refuse_other_formats(stream)
            yield text
    finally:
        text.detach()  # the stream is the caller's to close


@contextmanager
def told_of(stream: BinaryIO, name: str) -> Iterator[None]:
    """Have whatever is wrong with the bytes of a stream that can seek said with the name of the source.

    Raises
    ------
    InputError
        In the place of whatever says that a text is not UTF-8, or a gzip file damaged.
    """
    try:
        yield
    except InputError as error:
        raise type(error)(f"{name}: {error}", series=error.series, row=error.row, column=error.column) from None
    except UnicodeDecodeError:
        raise _not_utf8(stream, name) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{name} is not a complete gzip file ({error}). Copy or download it again.") from error


class CsvRows:
    """One pass over a CSV: any line ends; commas, semicolons or tabs.

    Parameters
    ----------
    text : text stream
        Without translation of line ends.
    limits : Limits
        What is refused.
    before : int
        Lines of the file that are not in `text`, for messages.

    Attributes
    ----------
    header, delimiter
        Names of the columns, and what is between them.
    skipped
        Lines above the header.
    """

    def __init__(self, text: IO[str], limits: Limits, *, before: int = 0) -> None:
        self.text = text
        self.limits = limits
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
        self.header = [cell.strip() for cell in self._read(1)[0]]
        self._refuse_many_columns(len(self.header))  # a header may go over several lines

    def first(self, count: int) -> list[list[str]]:
        """Return at most so many rows, those of another length than the header left out."""
        return [row for row in self._read(count) if len(row) == len(self.header)]

    def pieces(self) -> Iterator[tuple[list[list[str]], IntArray]]:
        """Yield rows and the line each of them ends on; blank lines are passed over."""
        width = len(self.header)
        wanted = max(1, min(ROWS_A_PIECE, _CELLS_A_PIECE // width))
        while True:
            began = self.line
            rows = self._read(wanted)
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
            if rows:
                yield rows, at

    def _read(self, count: int) -> list[list[str]]:
        began = self.line
        try:
            return list(islice(self.reader, count))
        except csv.Error as error:
            raise self._malformed(error, began + 1) from None

    @property
    def line(self) -> int:
        """Line of the file that was read last."""
        return int(self.reader.line_num) + self.skipped

    def _bounded_lines(self, number: int) -> Iterator[str]:
        """Yield lines, read in blocks: three times as fast as a checked ``readline`` for each."""
        rest = ""
        while block := self.text.read(_BLOCK_CHARACTERS):
            lines = list(io.StringIO(rest + block, newline=""))
            rest = "" if lines[-1].endswith("\n") else lines.pop()
            if "\0" in block:
                raise _nul_byte(number + next((i for i, line in enumerate(lines, 1) if "\0" in line), len(lines)))
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

    def _long_line(self, number: int, line: str) -> InputError:
        columns = max(line.count(mark) for mark in ",;\t") + 1
        return InputError(
            f"Line {number} has more than {self.limits.line_characters} characters and {columns} columns or more. "
            "Expected one row for each series and time, with columns unique_id, ds and y.",
            row=number,
        )

    def _refuse_many_columns(self, columns: int) -> None:
        if columns > self.limits.columns:
            raise TooLargeError(
                f"The header has {columns} columns; at most {self.limits.columns} are read. Write many series as long "
                "rows: unique_id, ds, y.",
                row=self.skipped + 1,
            )

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


def _with_first(first: str, lines: Iterator[str]) -> Iterator[str]:
    yield first
    yield from lines


def _nul_byte(number: int) -> InputError:
    return InputError(
        f"Line {number} holds a NUL byte: this is not a text file, or it is damaged. Save it as CSV in UTF-8.",
        row=number,
    )


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
