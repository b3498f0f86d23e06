"""A small disk in memory that a test can fill, if the user may mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGE = 4096


class Disk:
    """A file system of few bytes and few files; made by `small_disk`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._filler = path / ".filler"

    @property
    def free(self) -> int:
        """Bytes that are left."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave: int) -> None:
        """Leave so many bytes, or those that are left if they are fewer."""
        self.empty()
        with self._filler.open("wb") as file:
            if self.free > leave:
                os.posix_fallocate(file.fileno(), 0, self.free - leave)

    def use_files(self, *, leave: int) -> None:
        """Leave room for so many more files, however small."""
        self.empty()
        self._filler.mkdir()
        for number in range(os.statvfs(self.path).f_favail - leave):
            (self._filler / str(number)).touch()

    def empty(self) -> None:
        """Take back what `fill` or `use_files` did."""
        if self._filler.is_dir():
            for path in self._filler.iterdir():
                path.unlink()
            self._filler.rmdir()
        self._filler.unlink(missing_ok=True)


@contextlib.contextmanager
def small_disk(path: Path, size: int, *, files: int = 200) -> Iterator[Disk]:
    """Mount a disk at `path`, and take it away whatever happens; skip the test where that is not allowed."""
    path.mkdir()
    options = f"size={size},nr_inodes={files},mode=700"
    made = subprocess.run(  # noqa: S603 - our own words
        ["/usr/bin/env", "mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.decode().strip()}")
    try:
        yield Disk(path)
    finally:
        # Lazily: what a process still holds open goes when that has ended.
        subprocess.run(["/usr/bin/env", "umount", "-l", str(path)], check=True)  # noqa: S603 - our own words
