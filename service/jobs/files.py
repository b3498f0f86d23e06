"""The files of jobs: uploads that appear whole or not at all, results, and what nobody needs any more."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from forecaster import flush_folder
from service.jobs.watch import Watch
from service.problems import Problem
from service.settings import Settings

__all__ = ["JobFiles", "Received", "measure", "written"]

ORPHAN_SECONDS = 3_600
"""How long a worker has seen a file that no job needs before it removes it: a job may be about to name it.

By the worker's own reckoning, since clocks jump, and those of two machines differ."""

_LOOK_BYTES = 8 * 2**20
_LEAST_FREE = 64 * 2**20
_FREE_SHARE = 0.05
RETRY_SECONDS = "60"


@dataclass(frozen=True, slots=True)
class Received:
    """A file that has come: its length, and its SHA-256."""

    bytes: int
    sha256: str


class JobFiles:
    """The folder ``jobs`` of the state folder.

    Files are named by their job; those that an attempt writes by its token too, so that two attempts at one job, of
    which one has been given up, never write the same.

    Parameters
    ----------
    settings
        Where it is, and how much may lie there.
    monotonic
        Seconds since whenever.
    """

    def __init__(self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.uploads = settings.state_folder.absolute() / "jobs" / "uploads"
        self.results = settings.state_folder.absolute() / "jobs" / "results"
        self.locks = settings.state_folder.absolute() / "jobs" / "locks"
        self._most = settings.max_state_bytes
        self._orphans = Watch[tuple[Path, int]](ORPHAN_SECONDS, monotonic=monotonic)

    def open(self) -> JobFiles:
        """Make the folders.

        Raises
        ------
        OSError
            They cannot be made.
        """
        for folder in (self.uploads, self.results, self.locks):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self

    def upload(self, job_id: str) -> Path:
        """Return where the file of a job is."""
        return self.uploads / f"{job_id}.csv"

    def attempt(self, job_id: str, token: str, ending: str) -> Path:
        """Return where an attempt at a job writes."""
        return self.results / f"{job_id}-{token[:8]}{ending}"

    def check_room(self) -> None:
        """Raise a problem if nothing more may be written.

        Raises
        ------
        Problem
            The files of all jobs are as large as they may be, or the disk is nearly full.
        """
        used = sum(_size(entry) for folder in (self.uploads, self.results) for entry in _entries(folder))
        headers = {"Retry-After": RETRY_SECONDS}
        if used >= self._most:
            raise Problem("busy", "The files of all jobs take all the room they may. Try later.", headers=headers)
        disk = shutil.disk_usage(self.uploads)
        if disk.free < min(_LEAST_FREE, int(disk.total * _FREE_SHARE)):
            raise Problem("unavailable", "The disk of the jobs' files is nearly full.", headers=headers)

    @contextmanager
    def reserved(self, name: str) -> Iterator[None]:
        """Hold a name that nobody else may hold meanwhile; it is free again when this process ends, however it ends.

        Raises
        ------
        Problem
            Somebody holds it.
        OSError
            It cannot be held.
        """
        self.open()
        path = self.locks / f"{hashlib.sha256(name.encode()).hexdigest()}.lock"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            detail = "The first request with this Idempotency-Key is still being received. Ask again in a while."
            raise Problem("conflict", detail, headers={"Retry-After": "1"}) from None
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(handle)

    def receive(self, job_id: str, pieces: Iterable[bytes]) -> Received:
        """Write the file of a job as it comes; whatever goes wrong, there is the whole file or none.

        Raises
        ------
        Problem
            There is no room for it.
        OSError
            It cannot be written.
        """
        place = self.upload(job_id)
        beside = place.with_suffix(".part")
        try:
            with beside.open("xb") as file:
                received = self._write(file.write, pieces)
                file.flush()
                os.fsync(file.fileno())
            beside.rename(place)
            flush_folder(self.uploads)
        except BaseException:
            place.unlink(missing_ok=True)
            raise
        finally:
            beside.unlink(missing_ok=True)
        return received

    def _write(self, write: Callable[[bytes], object], pieces: Iterable[bytes]) -> Received:
        digest, length, looked = hashlib.sha256(), 0, -_LOOK_BYTES
        for piece in pieces:
            if length - looked >= _LOOK_BYTES:
                self.check_room()
                looked = length
            digest.update(piece)
            length += len(piece)
            write(piece)
        return Received(length, digest.hexdigest())

    def remove(self, job_id: str) -> None:
        """Remove the files of a job."""
        self.remove_upload(job_id)
        self._remove_results(job_id)

    def remove_upload(self, job_id: str) -> None:
        """Remove the file that came with a job."""
        self.upload(job_id).unlink(missing_ok=True)

    def remove_attempt(self, job_id: str, token: str) -> None:
        """Remove what an attempt has written that came to nothing."""
        self._remove_results(f"{job_id}-{token[:8]}")

    def _remove_results(self, beginning: str) -> None:
        for entry in _entries(self.results):
            if entry.name.startswith(beginning):
                _remove(entry)

    def sweep(self, in_use: Callable[[list[str]], dict[str, tuple[str, str | None]]]) -> int:
        """Remove files that no job has needed for long enough, in all sweeps so far, and return how many.

        Parameters
        ----------
        in_use
            Status and token of those of the given jobs that may need files.
        """
        folders = (self.uploads, self.results, self.locks)
        entries = [entry for folder in folders for entry in _entries(folder)]
        known: dict[str, tuple[str, str | None]] = {}
        ids = sorted({_job_of(entry) for entry in entries})
        for start in range(0, len(ids), 500):  # databases limit how many values a statement has
            known |= in_use(ids[start : start + 500])
        unneeded = [entry for entry in entries if not _is_needed(entry, known.get(_job_of(entry)))]
        orphans = self._orphans.unchanged([(entry, _changed(entry)) for entry in unneeded])
        for entry, _ in orphans:
            _remove(entry)
        return len(orphans)


def measure(pieces: Iterable[bytes]) -> Received:
    """Return the length and digest of what comes, and keep nothing of it."""
    digest, length = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        length += len(piece)
    return Received(length, digest.hexdigest())


@contextmanager
def written(place: Path) -> Iterator[BinaryIO]:
    """Write a file that appears whole or not at all, and stays where the power is cut."""
    beside = place.with_name(place.name + ".part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.rename(place)
        flush_folder(place.parent)
    finally:
        beside.unlink(missing_ok=True)


def _entries(folder: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        yield from folder.iterdir()


def _size(entry: Path) -> int:
    with suppress(FileNotFoundError):
        return entry.stat().st_size
    return 0


def _changed(entry: Path) -> int:
    with suppress(FileNotFoundError):
        return entry.stat().st_mtime_ns
    return 0


def _job_of(entry: Path) -> str:
    return entry.name.partition(".")[0].partition("-")[0]


def _is_needed(entry: Path, known: tuple[str, str | None] | None) -> bool:
    if known is None:
        return False
    status, token = known
    if entry.suffix == ".part" or "-" not in entry.name:
        return status in {"queued", "running"}
    is_theirs = token is not None and entry.name.startswith(f"{_job_of(entry)}-{token[:8]}")
    return is_theirs and status in {"running", "succeeded"}


def _remove(entry: Path) -> None:
    if entry.is_dir():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink(missing_ok=True)
