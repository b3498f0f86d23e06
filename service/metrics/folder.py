"""The folder through which the workers of one service share their numbers.

prometheus_client keeps them in files that each process maps into its memory, and reads the files of all at a scrape. It
asks the environment for the folder when it is imported, so gunicorn's process sets the variable and only workers
import it. What is not a number of a live process must not gather in months: the files of a dead worker are added to
one file of the dead, and folders of services that were killed are removed by the next.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

__all__ = [
    "VARIABLE",
    "bury",
    "can_hold_files",
    "claim",
    "close_folder",
    "free_place",
    "live_workers",
    "open_folder",
    "reading",
]

logger = logging.getLogger(__name__)

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "forecaster-metrics-"
_ALIVE = "alive"
_CHANGING = "changing"
_SIZES = {
    "counter": 512 * 1024,
    "histogram": 256 * 1024,
    "gauge_livesum": 16 * 1024,
    "gauge_livemax": 16 * 1024,
    "gauge_livemin": 16 * 1024,
}
"""Bytes of a worker's files: more than all labels together fill, see the tests."""
_DEAD = 0


@cache
def open_folder() -> Path | None:
    """Make the folder of this service and name it in the environment; None, and a warning, if there is no place.

    Asked again (gunicorn reads its settings anew on SIGHUP), it is the same.
    """
    given = os.environ.pop(VARIABLE, "")
    # The variable of the process that this one takes over from (SIGUSR2) names that one's folder.
    parent = str(Path(given).parent) if Path(given).name.startswith(_PREFIX) else given
    for place in _places(parent):
        with contextlib.suppress(OSError):
            _sweep(Path(place))
            folder = _make(Path(place))
            os.environ[VARIABLE] = str(folder)
            return folder
    logger.warning("no folder for metrics can be written: /metrics tells of the worker that answers alone")
    return None


def _places(given: str) -> list[str]:
    """Return where the folder may be made, the best place first."""
    places = [*([given] if given else []), "/dev/shm"]  # noqa: S108 - the folder has a random name
    with contextlib.suppress(FileNotFoundError):  # Python finds no folder for temporary files that can be written
        places.append(tempfile.gettempdir())
    return places


def _make(parent: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    try:
        # Never closed, and inherited by the workers: the lock is free when all of them are gone.
        alive = os.open(folder / _ALIVE, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for kind in ("counter", "histogram"):
            _reserve(folder / f"{kind}_{_DEAD}.db", _SIZES[kind])
    except OSError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder


def can_hold_files(place: str) -> bool:
    """Return whether a file can be made there: gunicorn wants one for each worker too."""
    try:
        with tempfile.TemporaryFile(dir=place):
            return True
    except OSError:
        return False


def _sweep(parent: Path) -> None:
    """Remove what services that were killed have left there."""
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError), (folder / _ALIVE).open("rb") as alive:
            fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if folder.lstat().st_uid == os.geteuid():
                shutil.rmtree(folder, ignore_errors=True)


def _reserve(path: Path, size: int) -> None:
    """Take the space of a file now: a mapped file that finds none when it is written ends its process with SIGBUS."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, size)
    finally:
        os.close(descriptor)


def close_folder() -> None:
    """Remove the folder; for gunicorn's process, when it ends."""
    if VARIABLE in os.environ:
        shutil.rmtree(os.environ[VARIABLE], ignore_errors=True)


def free_place(taken: set[int]) -> int:
    """Return the number of a new worker: the lowest that none of the others has."""
    return next(place for place in range(len(taken) + 1) if place not in taken)


def claim(place: int) -> None:
    """Make the files of this worker, before it imports prometheus_client; without space it counts for itself alone."""
    if VARIABLE not in os.environ:
        return
    folder, pid = Path(os.environ[VARIABLE]), os.getpid()
    try:
        for kind, size in _SIZES.items():
            _reserve(folder / f"{kind}_{pid}.db", size)
        (folder / f"worker-{place}-{pid}").touch()
    except OSError as error:
        _forget(folder, pid)
        del os.environ[VARIABLE]
        fields = {"error": type(error).__name__, "errno": error.errno}
        logger.warning("no space for metrics: those of this worker are not shared", extra={"fields": fields})


def live_workers(folder: Path) -> dict[str, int]:
    """Return the place and process id of each worker."""
    names = sorted(path.name.split("-") for path in folder.glob("worker-*"))
    return {place: int(pid) for _, place, pid in names}


def bury(pid: int) -> None:
    """Add what a dead worker counted to what others did before, and forget it; for gunicorn's process."""
    if VARIABLE not in os.environ:
        return
    folder = Path(os.environ[VARIABLE])
    try:
        with _locked(folder, fcntl.LOCK_EX):
            for kind in ("counter", "histogram"):
                _add_to_dead(folder, kind, pid)
            _forget(folder, pid)
    except Exception as error:  # noqa: BLE001 - gunicorn's process must not end because of a number
        logger.warning("metrics of a dead worker are lost", extra={"fields": {"error": type(error).__name__}})


def _add_to_dead(folder: Path, kind: str, pid: int) -> None:
    files: Any = importlib.import_module("prometheus_client.mmap_dict").MmapedDict
    path = folder / f"{kind}_{pid}.db"
    if not path.exists():
        return
    total = files(str(folder / f"{kind}_{_DEAD}.db"))
    try:
        for key, value, *_ in files.read_all_values_from_file(str(path)):
            total.write_value(key, total.read_value(key)[0] + value, 0.0)
    finally:
        total.close()


def _forget(folder: Path, pid: int) -> None:
    for path in [*folder.glob(f"*_{pid}.db"), *folder.glob(f"worker-*-{pid}")]:
        path.unlink(missing_ok=True)


def reading(folder: Path) -> contextlib.AbstractContextManager[None]:
    """Keep the files of the dead from being moved meanwhile, so that no number is seen twice or not at all."""
    return _locked(folder, fcntl.LOCK_SH)


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[None]:
    lock = os.open(folder / _CHANGING, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, how)
        yield
    finally:
        os.close(lock)
