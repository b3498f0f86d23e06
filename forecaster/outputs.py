"""Files and folders that results are written to: checked before the work, written whole or not at all."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from forecaster.errors import OutputError

__all__ = [
    "check_output",
    "clean_beside",
    "extension_of",
    "flush_folder",
    "flush_name",
    "is_device",
    "put_folder",
    "replaced_beside",
    "write_folder",
    "write_whole",
    "written_beside",
]

_WRITING, _REPLACED = ".writing", ".replaced"
"""Endings of hidden folders: what is being written beside its place, and what was there, once in two steps."""

_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # linux/fcntl.h, linux/fs.h


def extension_of(path: Path, extensions: Sequence[str]) -> str | None:
    """Return which of these endings, such as ``.csv.gz``, the name of a file has in capitals or small letters."""
    name = path.name.lower()
    return next((ending for ending in extensions if name.endswith(ending)), None)


def check_output(path: Path, extensions: Sequence[str]) -> None:
    """Check that a file can be written here.

    Raises
    ------
    OutputError
        The name has none of these endings, is a folder, or its folder does not exist or is not writable.
    """
    if path.is_dir():
        raise OutputError(f"{path} is a folder. Give the name of a file: {', '.join(extensions)}.")
    if extension_of(path, extensions) is None and not is_device(path):
        raise OutputError(f"{path}: the format follows from the name. Expected {', '.join(extensions)}.")
    folder = path.resolve().parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: there is no folder {folder}. Create it first.")
    if not is_device(path) and not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: the folder {folder} is not writable. Choose another.")


def write_whole(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file so that nobody ever sees half of it; a device or pipe is written as it is.

    Raises
    ------
    OutputError
        It cannot be written.
    """
    device = is_device(path)
    try:
        if device:
            with path.open("wb") as stream:
                write(cast("BinaryIO", stream))
        else:
            _write_beside(path.resolve(), write)  # a link stays a link
    except BrokenPipeError:
        raise  # the reader of the pipe has seen enough; click ends the command without a word
    except OSError as error:
        left = "" if device else " Nothing was written."
        raise OutputError(f"{path} cannot be written: {error.strerror or error}.{left}") from error


def _write_beside(place: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write a file beside its place and move it there."""
    beside = place.with_name(f".{place.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with beside.open("xb") as stream:
            write(cast("BinaryIO", stream))
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(place)
    finally:
        beside.unlink(missing_ok=True)
    flush_name(place)


def flush_name(place: Path) -> None:
    """Bring the name of a file to the disk, where that can be done: else a power cut could take it."""
    with suppress(OSError):  # a folder that may be written to but not read, or a file system that knows no such thing
        flush_folder(place.parent)


def is_device(path: Path) -> bool:
    """Whether the path is something like /dev/stdout or a pipe, which cannot be replaced by a new file."""
    return path.exists() and not path.is_file() and not path.is_dir()


def put_folder(made: Path, path: Path) -> None:
    """Put a folder in the place of `path`, on the same file system; a crash leaves the old one or the new one, whole.

    What was there is removed.

    Raises
    ------
    OSError
        It cannot be put there.
    """
    flush_folder(made)
    _change_places(made, path)
    flush_folder(path.parent)
    shutil.rmtree(made, ignore_errors=True)


def write_folder(path: Path, contents: Mapping[str, bytes], *, replace: bool = True) -> None:
    """Write a folder of files, or replace the one at `path`, so that a crash leaves one of the two, whole.

    What earlier crashes left beside it is removed. A file system that cannot exchange names (NFS) takes two steps, and
    a crash between them leaves the old folder under the name that `replaced_beside` gives.

    Raises
    ------
    OSError
        It cannot be written; FileExistsError if another is there that is not to be replaced.
    """
    beside, lock = _new_beside(path)
    try:
        for name, content in contents.items():
            with (beside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        beside.chmod(0o755)  # mkdtemp's folders are for the owner alone; this is for whoever may read beside it
        flush_folder(beside)
        _change_places(beside, path) if replace else _take_place(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # half a folder, or the old one
        os.close(lock)
    flush_folder(path.parent)
    clean_beside(path, contents)


def _new_beside(path: Path) -> tuple[Path, int]:
    """Return a new folder beside `path` and what locks it; one cleaned away before it is locked is made once more."""
    while True:
        beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-", suffix=_WRITING))
        with suppress(FileNotFoundError):
            lock = os.open(beside, os.O_RDONLY)
            if _lock(lock) is not False and beside.exists():
                return beside, lock
            os.close(lock)


def written_beside(folder: Path) -> set[Path]:
    """Return the places in `folder` that are being written beside, or were when a crash came."""
    return {folder / left.name[1:].rpartition("-")[0] for left in folder.glob(f".*-????????{_WRITING}")}


def replaced_beside(path: Path, names: Collection[str]) -> list[Path]:
    """Return the folders, of files with these names, that a crash between two steps left in the place of `path`."""
    return _left_beside(path, _REPLACED, names)


def _change_places(beside: Path, path: Path) -> None:
    """Put `beside` in the place of `path`; what was there is afterwards `beside`, or gone."""
    if not path.exists():
        beside.rename(path)
    elif not _exchanged(beside, path):
        replaced = beside.with_suffix(_REPLACED)
        path.rename(replaced)
        try:
            beside.rename(path)
        except BaseException:
            replaced.rename(path)
            raise
        shutil.rmtree(replaced, ignore_errors=True)


def _take_place(beside: Path, path: Path) -> None:
    """Put `beside` where nothing is, or an empty folder."""
    try:
        beside.rename(path)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        raise


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step; False where the system or the file system cannot."""
    try:
        exchange = ctypes.CDLL(None).renameat2
    except AttributeError:
        return False
    done: int = exchange(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE)
    return done == 0


def clean_beside(path: Path, names: Collection[str]) -> None:
    """Remove folders, of files with these names, that crashes left beside `path`; whoever is at work holds a lock."""
    for left in _left_beside(path, _WRITING, names) + _left_beside(path, _REPLACED, names):
        with suppress(OSError), _locked(left) as ours:  # the folder is written, whatever becomes of this one
            if ours:
                shutil.rmtree(left)


def _left_beside(path: Path, ending: str, names: Collection[str]) -> list[Path]:
    """Return the folders beside `path` that are called as ours and hold nothing but files with these names."""
    place = path.absolute()
    called = re.compile(re.escape(f".{place.name}-") + r"\w{8}" + re.escape(ending))  # mkdtemp's letters
    try:
        found = [folder for folder in place.parent.iterdir() if called.fullmatch(folder.name) and folder.is_dir()]
        return [folder for folder in sorted(found) if {file.name for file in folder.iterdir()} <= set(names)]
    except OSError:  # no such place, or one was removed meanwhile
        return []


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Hold the lock of a folder, which ends with the process whatever ends it; tell whether it could be had."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield bool(_lock(handle))
    finally:
        os.close(handle)


def _lock(handle: int) -> bool | None:
    """Lock a folder; False if another has the lock, None if the file system has none, where nobody cleans."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


def flush_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
