"""Models in a folder: each has versions that never change, and a pointer to the one in use.

::

    models/
      sales/
        current                       the id of the version in use, in a line
        20260102T030405Z-0a1b2c3d/    a model folder (`storage`)
      flights/                        a model folder as `forecaster train` writes it: a model of one version
        model.json, ...

A version is written beside its place and moved there whole; the pointer is a small file, replaced in one step. So any
number of processes may read and write one folder. Hidden names are half-written, or not ours.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from forecaster.errors import InputError, ModelFormatError, OutputError, StoreError, UnknownVersionError
from forecaster.outputs import clean_beside, flush_folder, write_folder, write_whole, written_beside
from forecaster.storage import CURRENT, DESCRIPTION, MOST_BYTES, SUMS, model_files

LONGEST_NAME = 100
LONGEST_POINTER = 100
_STAMPED = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_PLAIN = re.compile(r"[0-9a-f]{12}")


def check_model_name(name: str) -> str:
    """Return `name` if a model may be called so: it is the name of a folder, and part of URLs.

    Raises
    ------
    InputError
        It may not.
    """
    if not is_model_name(name):
        raise InputError(
            f"The name of a model must have 1 to {LONGEST_NAME} printable characters, none of them / or \\, and not "
            "begin with a dot or a space nor end with a space.",
            column="name",
        )
    return name


def is_model_name(name: str) -> bool:
    """Tell whether a model may be called so."""
    return (
        0 < len(name) <= LONGEST_NAME
        and name.isprintable()
        and len(name.encode()) <= 2 * LONGEST_NAME  # with what is added beside it, the name of a file
        and not set(name) & set("/\\")
        and not name.startswith((".", " "))
        and not name.endswith(" ")
    )


def new_version() -> str:
    """Return an id for a new version: the time, by which versions are ordered.

    Of the eight digits behind the second five are its millionths; three are random.
    """
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%SZ}-{now.microsecond:05x}{secrets.token_hex(2)[:3]}"


def is_version(text: str) -> bool:
    """Tell whether this can be the id of a version: as `new_version` gives them, or that of a plain model folder."""
    return bool(_STAMPED.fullmatch(text) or _PLAIN.fullmatch(text))


def check_new_version(version: str, sums: bytes) -> None:
    """Raise InputError unless what has these sums may become the version of this id."""
    if not _STAMPED.fullmatch(version) and version != plain_version(sums):
        raise InputError("The id of a version must be one that new_version() gives.", column="version")


def newest_first(versions: Iterable[str]) -> list[str]:
    """Return ids in the order of their time; those without one last."""
    return sorted(set(versions), key=lambda version: (bool(_STAMPED.fullmatch(version)), version), reverse=True)


def plain_version(sums: bytes) -> str:
    """Return the id of a plain model folder: it changes with its content."""
    return hashlib.sha256(sums).hexdigest()[:12]


def pointed(content: bytes, place: str) -> str:
    """Return the id in a pointer.

    Raises
    ------
    ModelFormatError
        It holds none.
    """
    text = content.decode("ascii", "replace").strip()
    if not is_version(text):
        raise ModelFormatError(f"{place} does not hold the id of a version. Write one of the model's versions into it.")
    return text


def unknown_version(name: str, version: str, place: object) -> UnknownVersionError:
    """Return the error for a version that is not there."""
    shown = repr(version) if is_version(version) else "of this id"
    return UnknownVersionError(f"The model {name!r} has no version {shown} in {place}.", column="version")


class LocalStore:
    """Models in a folder; `forecaster.store.ModelStore` says what its methods promise.

    Parameters
    ----------
    folder : Path
        It need not be there as long as nothing is added.
    """

    fallback = None

    def __init__(self, folder: Path) -> None:
        self.folder_of_models = folder
        self._was_there = False

    def __str__(self) -> str:
        """Where it is."""
        return str(self.folder_of_models)

    def names(self) -> list[str]:
        """Return the names of the models, in order."""
        try:
            found = [path for path in self.folder_of_models.iterdir() if is_model_name(path.name) and path.is_dir()]
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not self._was_there:
                return []
            raise StoreError(f"{self} cannot be read: {error.strerror or error}.") from error
        self._was_there = True
        return sorted(path.name for path in found if _holds_model(path))

    def versions(self, name: str) -> list[str]:
        """Return the ids of a model's versions, newest first; none if there is no such model."""
        place = self._place(name)
        try:
            found = [path.name for path in place.iterdir() if is_version(path.name) and path.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ModelFormatError(f"{place} cannot be read: {error.strerror or error}.") from error
        plain = self._plain(place)
        return newest_first([*found, plain] if plain else found)

    def current(self, name: str) -> str | None:
        """Return the version in use, or None if none was chosen."""
        place = self._place(name)
        content = _content(place / CURRENT, LONGEST_POINTER)
        return self._plain(place) if content is None else pointed(content, str(place / CURRENT))

    def folder(self, name: str, version: str) -> Path:
        """Return the folder of a version; to load it checks its content."""
        place = self._place(name)
        if is_version(version) and (place / version).is_dir():
            found = place / version
        elif is_version(version) and self._plain(place) == version:
            found = place
        else:
            raise unknown_version(name, version, self)
        _check_inside(place, found)
        return found

    def add(self, name: str, version: str, folder: Path) -> None:
        """Copy a model folder to a new version."""
        place, contents = self._place(name), model_files(folder)
        check_new_version(version, contents[SUMS])
        try:
            place.mkdir(parents=True, exist_ok=True)
            write_folder(place / version, contents, replace=False)
            flush_folder(place.parent)
            for left in written_beside(place):  # other versions, by a process that was killed
                clean_beside(left, contents)
        except FileExistsError:
            self._check_same(place / version, contents)
        except OSError as error:
            raise OutputError(f"{place / version} cannot be written: {error.strerror or error}.") from error

    def set_current(self, name: str, version: str) -> None:
        """Put a version into use; a plain model folder that holds no other needs no pointer, and stays as it is."""
        self.folder(name, version)
        place = self._place(name)
        if not os.path.lexists(place / CURRENT) and self._plain(place) == version:
            return
        write_whole(place / CURRENT, lambda stream: stream.write(f"{version}\n".encode()))  # type: ignore[arg-type]  # the count is of no use
        flush_folder(place)

    def keep(self, in_use: Mapping[str, str | None]) -> None:
        """Do nothing: there are no copies."""

    def _place(self, name: str) -> Path:
        return self.folder_of_models / check_model_name(name)

    def _plain(self, place: Path) -> str | None:
        if not os.path.lexists(place / DESCRIPTION):  # a link that leads nowhere is a damaged model, not none
            return None
        return plain_version(_content(place / SUMS, MOST_BYTES[SUMS]) or b"")  # without sums it will not load

    def _check_same(self, place: Path, contents: Mapping[str, bytes]) -> None:
        if _content(place / SUMS, MOST_BYTES[SUMS]) != contents[SUMS]:
            raise OutputError(f"{place} is there with another content, and versions never change. Give a new id.")


def _holds_model(place: Path) -> bool:
    try:
        names = {path.name for path in place.iterdir()}
    except OSError:
        return True  # what is wrong with it is said when it is loaded
    return bool(names & {CURRENT, DESCRIPTION}) or any(map(is_version, names))


def _content(path: Path, most: int) -> bytes | None:
    """Return the content of a small file, or None if it is not there."""
    try:
        if not path.is_file():
            if path.exists() or path.is_symlink():
                raise ModelFormatError(f"{path} is not a file.")
            return None
        with path.open("rb") as stream:
            content = stream.read(most + 1)
    except OSError as error:
        raise ModelFormatError(f"{path} cannot be read: {error.strerror or error}.") from error
    if len(content) > most:
        raise ModelFormatError(f"{path} is larger than such a file can be.")
    return content


def _check_inside(place: Path, folder: Path) -> None:
    """Raise if the folder of a version, or a file in it, is a link that leads out of the folder of the model."""
    inside = place.resolve()
    for path in (folder, *(folder / name for name in MOST_BYTES)):
        if not _end_of(path).is_relative_to(inside):
            raise ModelFormatError(f"{path} is a link that leads out of {place}. Copy the files there.")


def _end_of(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # the second is what Python 3.11 and 3.12 make of a loop
        raise ModelFormatError(f"{path} is a link that leads nowhere. Copy the files there.") from None
