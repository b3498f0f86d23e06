"""Where a result goes: a file, a folder of parts, or a device; and how it gets there from the parts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from forecaster.batch.encoding import ARROW, dictionaries, header_text, plain_ids
from forecaster.batch.failures import ERROR_COLUMNS
from forecaster.batch.inputs import Input
from forecaster.batch.joining import Joining
from forecaster.batch.parts import Part, Parts
from forecaster.columns import ColumnNames
from forecaster.errors import OutputError
from forecaster.outputs import check_output, extension_of, flush_name, is_device, put_folder, write_whole
from forecaster.parquetfile import need_pyarrow
from forecaster.tables import EXTENSIONS

_ROWS_A_GROUP = 131_072
_OURS = re.compile(r"part-\d{5,}\.(csv|csv\.gz|parquet)")  # not the part-0.parquet of other programs
_ERRORS = ".errors.csv"


@dataclass(frozen=True, slots=True)
class Destination:
    """Where a result goes.

    Attributes
    ----------
    path : Path
        As it was asked for.
    extension : str
        Format of the file, or of the files in the folder.
    is_folder : bool
        Whether it becomes a folder, of a file for each part.
    """

    path: Path
    extension: str
    is_folder: bool

    @property
    def is_device(self) -> bool:
        """Whether it is something like /dev/stdout, which nothing can lie beside."""
        return is_device(self.path)

    @property
    def errors(self) -> Path:
        """Where the errors go."""
        return self.path.with_name(self.path.name + _ERRORS)

    @property
    def form(self) -> str:
        """What parts are written as, see `encoded`."""
        return ARROW if self.extension == ".parquet" and not self.is_folder else self.extension

    def check(self, given: Input) -> None:
        """Check, before any work, that the result can be written, and not over what it is made from.

        Raises
        ------
        OutputError
            It cannot.
        MissingExtraError
            Parquet is asked for and pyarrow is not installed.
        """
        if self.is_folder:
            self._check_folder()
        else:
            check_output(self.path, EXTENSIONS)
        for place in (self.path, self.errors):
            if any(place.exists() and place.samefile(file.path) for file in given.files):
                raise OutputError(
                    f"{place} is the file that is read, and would be lost. Choose another name with --output."
                )
        if given.path.is_dir() and self.path.resolve().is_relative_to(given.path.resolve()):
            raise OutputError(f"{self.path} is in the folder {given.path} that is read. Write to another one.")
        if self.extension == ".parquet":
            need_pyarrow()

    def _check_folder(self) -> None:
        parent = self.path.resolve().parent
        if not parent.is_dir():
            raise OutputError(f"{self.path} cannot be written: there is no folder {parent}. Create it first.")
        if self.path.exists() and not self.path.is_dir():
            raise OutputError(f"{self.path} is a file, not a folder. Leave out the slash, or choose another name.")
        if self.path.is_mount():
            raise OutputError(f"{self.path} is a mount point, which cannot be replaced. Name a folder in it.")
        stranger = next((file.name for file in _listed(self.path) if not _OURS.fullmatch(file.name)), None)
        if stranger is not None:
            raise OutputError(
                f"{self.path} holds {stranger}, no part of a forecast, which would be lost. Choose another folder."
            )

    def joining(self, parts: Parts, names: ColumnNames) -> Joining | None:
        """Return what joins parts while others are being made; None if they are not joined, or nothing holds them."""
        if self.is_folder or self.is_device:
            return None
        return Joining(parts.folder / "result", partial(self._join, parts, names))

    def put(self, parts: Parts, names: ColumnNames, joining: Joining | None) -> None:
        """Make the result of the parts, and put it and the errors in their places.

        The errors come first: where the result is, they are.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        self.put_errors(parts)
        made = [part for part in parts.done if part.bytes]
        if self.is_folder:
            self._put_folder(parts, made)
        elif joining is None:
            write_whole(self.path, partial(self._join, parts, names, made))
        else:
            joining.finish()
            try:
                joining.place.replace(self.path.resolve())  # a link stays a link
                flush_name(self.path.resolve())
            except OSError as error:
                raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error

    def _join(self, parts: Parts, names: ColumnNames, made: Iterable[Part], stream: BinaryIO) -> None:
        if self.extension == ".parquet":
            _join_arrow(parts, made, stream, names)
        else:
            _join_text(self.extension, ((part.columns, parts.content(part)) for part in made), stream)

    def put_errors(self, parts: Parts) -> None:
        """Write the table of errors; without any, remove that of an earlier result.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        if self.is_device:
            return
        failed = [parts.errors(part) for part in parts.done if part.error_bytes]
        if failed:
            tables = [(ERROR_COLUMNS, path) for path in failed]
            write_whole(self.errors, lambda stream: _join_text(".csv", tables, stream))
        else:
            self.errors.unlink(missing_ok=True)

    def _put_folder(self, parts: Parts, made: Sequence[Part]) -> None:
        folder = parts.folder / "result"
        try:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for number, part in enumerate(made):
                _link(parts.content(part), folder / f"part-{number:05}{self.extension}")
            put_folder(folder, self.path.resolve())
        except OSError as error:
            raise OutputError(f"{self.path} cannot be written: {error.strerror or error}.") from error


def destination_of(output: str | os.PathLike[str]) -> Destination:
    """Return where a name leads: to a folder if it ends with a slash or one is there, else to a file.

    Raises
    ------
    OutputError
        The format cannot be told.
    """
    path, text = Path(output), os.fspath(output)
    if text.endswith(("/", os.sep)) or path.is_dir():
        return Destination(path, extension_of(path, EXTENSIONS) or ".parquet", is_folder=True)
    check_output(path, EXTENSIONS)
    return Destination(path, extension_of(path, EXTENSIONS) or ".csv", is_folder=False)


def _listed(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from folder.iterdir()


def _link(source: Path, target: Path) -> None:
    """Give a part a second name, so that it stays a part until the result is in its place; or copy it."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
    with target.open("rb") as file:
        os.fsync(file.fileno())


def _join_text(extension: str, tables: Iterable[tuple[Sequence[str], Path]], stream: BinaryIO) -> None:
    """Write lines of CSV after each other; those of packed parts are members of one gzip file."""
    for number, (columns, path) in enumerate(tables):
        if not number:
            stream.write(header_text(columns, extension))
        with path.open("rb") as part:
            shutil.copyfileobj(part, stream, 1 << 20)


def _join_arrow(parts: Parts, made: Iterable[Part], stream: BinaryIO, names: ColumnNames) -> None:
    """Write tables as one Parquet file, some of them together as a group of rows."""
    arrow, parquet = need_pyarrow(), need_pyarrow("pyarrow.parquet")
    writer: Any = None
    for tables in _groups(plain_ids(_read(parts.content(part))) for part in made):
        if writer is None:
            own = dictionaries(names)  # nor does anybody look for rows by the least and largest forecast of many
            writer = parquet.ParquetWriter(stream, tables[0].schema, use_dictionary=own, write_statistics=own)
        writer.write_table(arrow.concat_tables(tables), row_group_size=2 * _ROWS_A_GROUP)
    if writer is not None:
        writer.close()


def _groups(tables: Iterable[Any]) -> Iterator[list[Any]]:
    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _ROWS_A_GROUP:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def _read(path: Path) -> Any:
    with need_pyarrow().OSFile(str(path), "rb") as file, need_pyarrow("pyarrow.ipc").open_stream(file) as stream:
        return stream.read_all()
