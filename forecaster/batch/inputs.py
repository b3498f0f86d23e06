"""Which files a path names, and whether they are still the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from forecaster.errors import InputError
from forecaster.outputs import extension_of
from forecaster.tables import EXTENSIONS

_LOOKED_AT = 65_536
"""Bytes at both ends of a file that tell it from another of the same size and time."""

_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True, slots=True)
class InputFile:
    """One file of an input.

    Attributes
    ----------
    path : Path
        Where it is.
    name : str
        What it is called in messages: its path below the folder that was asked for.
    constants : mapping of str to str
        What the names of its folders say of all its rows, such as ``{"region": "north"}`` for ``region=north/``.
    """

    path: Path
    name: str
    constants: Mapping[str, str]

    def fingerprint(self) -> list[Any]:
        """Return what changes with the file: its name, size, time, and a digest of its ends."""
        with self.path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            ends = hashlib.sha256(stream.read(_LOOKED_AT))
            stream.seek(max(0, found.st_size - _LOOKED_AT))
            ends.update(stream.read(_LOOKED_AT))
        return [self.name, found.st_size, found.st_mtime_ns, ends.hexdigest()]


@dataclass(frozen=True, slots=True)
class Input:
    """A file, or a folder of files, of one format.

    Attributes
    ----------
    path : Path
        As it was asked for.
    extension : str
        Which of ``EXTENSIONS`` the files have.
    files : tuple of InputFile
        In the order of their names, in which their rows count.
    """

    path: Path
    extension: str
    files: tuple[InputFile, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.path.stat().st_size for file in self.files)

    def fingerprint(self) -> list[Any]:
        """Return what changes with the files.

        Raises
        ------
        InputError
            One cannot be read.
        """
        with readable(self.path):
            return [file.fingerprint() for file in self.files]

    def check_same(self, before: Sequence[Any]) -> None:
        """Raise InputError unless the files are those of which `fingerprint` gave `before`."""
        for file, now, then in zip(self.files, self.fingerprint(), before, strict=True):
            if now != then:
                raise InputError(f"{file.path} has changed while it was read. Nothing was written; run it again.")

    def count_later(self) -> int:
        """Return how many files are in the folder by now that were not there when it was looked into."""
        if not self.path.is_dir():
            return 0
        with suppress(InputError, OSError):  # what is wrong with those that came does not concern those that were read
            return len(set(_walk(self.path)) - {file.path for file in self.files})
        return 0


def difference(before: Iterable[Sequence[Any]], now: Iterable[Sequence[Any]]) -> str:
    """Return in words what is different between two fingerprints of an input; nothing if they are the same."""
    earlier, later = ({name: facts for name, *facts in one} for one in (before, now))
    changed = [name for name, facts in earlier.items() if later.get(name, facts) != facts]
    gone, new = (list(one.keys() - other.keys()) for one, other in ((earlier, later), (later, earlier)))
    told = ((changed, "has changed", "have changed"), (gone, "is gone", "are gone"), (new, "is new", "are new"))
    return ", ".join(
        f"{min(names)} {one}" if len(names) == 1 else f"{len(names):,} files such as {min(names)} {several}"
        for names, one, several in told
        if names
    )


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Have errors of reading say where.

    Raises
    ------
    InputError
        In the place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(f"{error.filename or path} cannot be read: {error.strerror or error}.") from error


def may_pass(error: InputError) -> bool:
    """Whether the system could not read an input now, which says nothing of what is in it: such as a lost network."""
    return isinstance(error.__cause__, OSError) and error.__cause__.errno is not None


def find_input(path: str | os.PathLike[str]) -> Input:
    """Return the files that a path names: the file itself, or all in a folder and the folders in it.

    Files and folders whose names begin with a dot or an underscore are no data, as in Spark's and Hive's folders.

    Raises
    ------
    InputError
        There is no such file, it is not of a known format, or a folder holds none or several formats.
    """
    path = Path(path)
    expected = ", ".join(EXTENSIONS)
    if path.is_dir():
        return _folder(path, expected)
    extension = extension_of(path, EXTENSIONS)
    if extension is None:
        hint = " Save the sheet as CSV." if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise InputError(f"{path}: expected a file named {expected}, or a folder of such files.{hint}")
    if not path.exists():
        raise InputError(f"{path}: there is no such file. Check the path.")
    if not path.is_file():
        raise InputError(f"{path} is not a file. It is read more than once, so a pipe will not do.")
    return Input(path, extension, (InputFile(path, path.name, {}),))


def _folder(path: Path, expected: str) -> Input:
    files = sorted(_walk(path), key=lambda file: file.relative_to(path).as_posix())
    extensions = {file: extension_of(file, EXTENSIONS) for file in files}
    stranger = next((file for file, extension in extensions.items() if extension is None), None)
    if stranger is not None:
        raise InputError(
            f"{path} holds {stranger.relative_to(path)}: expected only files named {expected}. Take it away, or put a "
            "dot in front of its name."
        )
    kinds = sorted({str(extension) for extension in extensions.values()})
    if len(kinds) != 1:
        found = f"files of several formats, {', '.join(kinds)}" if kinds else "no files"
        raise InputError(f"{path} holds {found}. Expected files of one format: {expected}.")
    return Input(
        path, kinds[0], tuple(InputFile(file, file.relative_to(path).as_posix(), _said(file, path)) for file in files)
    )


def _walk(path: Path) -> list[Path]:
    """Return the files below a folder; what cannot be looked into is an error and not left out."""

    def refuse(error: OSError) -> None:
        raise InputError(f"{error.filename} cannot be read: {error.strerror}.") from error

    found: list[Path] = []
    seen: set[tuple[int, int]] = set()
    for folder, folders, names in os.walk(path, onerror=refuse, followlinks=True):
        about = Path(folder).stat()
        if (about.st_dev, about.st_ino) in seen:  # a link leads back
            raise InputError(f"{folder} is in {path} twice, by a link. Take one away.")
        seen.add((about.st_dev, about.st_ino))
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(folder, name) for name in names if not name.startswith((".", "_"))]
    odd = next((file for file in found if not file.is_file()), None)
    if odd is not None:
        raise InputError(f"{odd} is not a file. Take it away, or put a dot in front of its name.")
    return found


def _said(file: Path, root: Path) -> dict[str, str]:
    """Return what the folders between say: ``key=value``, with %-escapes, as Hive and Spark write them."""
    parts = [part.partition("=") for part in file.relative_to(root).parts[:-1] if "=" in part]
    return {unquote(key): "" if value == _NO_VALUE else unquote(value) for key, _, value in parts}
