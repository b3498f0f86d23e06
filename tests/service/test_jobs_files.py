"""Files of jobs: whole or not at all, within limits, and gone when nobody needs them."""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from service.jobs.files import ORPHAN_SECONDS, JobFiles, measure, written
from service.problems import Problem
from service.settings import Settings

JOB = "a" * 32
TOKEN = "0123456789abcdef" * 2
MEGABYTE = 2**20


class Disk(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def files(tmp_path: Path) -> JobFiles:
    return JobFiles(Settings(state=tmp_path, max_state_bytes=2 * MEGABYTE)).open()


def names(files: JobFiles) -> set[str]:
    return {path.name for folder in (files.uploads, files.results) for path in folder.iterdir()}


def test_a_file_is_written_as_it_comes(files: JobFiles) -> None:
    received = files.receive(JOB, iter([b"a,", b"b\n"]))
    assert files.upload(JOB).read_bytes() == b"a,b\n"
    assert received == measure([b"a,b\n"])
    assert received.sha256 == hashlib.sha256(b"a,b\n").hexdigest()
    assert names(files) == {f"{JOB}.csv"}


def test_of_a_file_that_ends_early_nothing_is_left(files: JobFiles) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"a,b\n"
        assert names(files) == {f"{JOB}.part"}
        raise Problem("malformed-body", "It ends early.")

    with pytest.raises(Problem):
        files.receive(JOB, pieces())
    assert not names(files)


def test_of_a_file_that_cannot_be_written_nothing_is_left(files: JobFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        files.receive(JOB, [b"a"])
    assert not names(files)


def test_files_of_all_jobs_have_a_limit(files: JobFiles) -> None:
    files.receive(JOB, [b"x" * MEGABYTE] * 2)
    with pytest.raises(Problem, match="all the room") as caught:
        files.receive("b" * 32, [b"x"])
    assert caught.value.kind == "busy"
    assert names(files) == {f"{JOB}.csv"}


def test_the_limit_is_looked_at_while_a_file_comes(files: JobFiles) -> None:
    with pytest.raises(Problem, match="all the room"):
        files.receive(JOB, [b"x" * MEGABYTE] * 20)
    assert not names(files)


def test_the_disk_is_not_filled_to_the_brim(files: JobFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(1000 * MEGABYTE, 0, 49 * MEGABYTE))
    with pytest.raises(Problem, match="nearly full") as caught:
        files.receive(JOB, [b"x"])
    assert caught.value.kind == "unavailable"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Disk(10**6 * MEGABYTE, 0, 65 * MEGABYTE))
    files.receive(JOB, [b"x"])


def test_a_name_is_held_by_one_at_a_time(files: JobFiles) -> None:
    with files.reserved("name"), files.reserved("other"):
        with pytest.raises(Problem) as caught, files.reserved("name"):
            pass
        assert caught.value.kind == "conflict"
    with pytest.raises(ZeroDivisionError), files.reserved("name"):
        _ = 1 / 0
    with files.reserved("name"):
        pass
    assert not list(files.locks.iterdir())


def test_a_result_is_whole_or_not_at_all(files: JobFiles) -> None:
    place = files.attempt(JOB, TOKEN, ".csv")
    with pytest.raises(ZeroDivisionError), written(place) as file:
        file.write(b"%d" % (1 / 0))
    assert not names(files)
    with written(place) as file:
        file.write(b"whole")
        assert not place.exists()
    assert place.read_bytes() == b"whole"


def test_what_nobody_needs_is_swept_and_nothing_else(tmp_path: Path) -> None:
    now = 0.0
    files = JobFiles(Settings(state=tmp_path), monotonic=lambda: now).open()
    queued, running, done, gone, failed = (letter * 32 for letter in "abcde")
    old = {
        files.upload(queued): True,
        files.upload(running): True,
        files.attempt(running, TOKEN, ".csv.part"): True,
        files.attempt(running, "f" * 32, ".csv"): False,  # of an attempt that was given up
        files.attempt(done, TOKEN, ".csv"): True,
        files.attempt(done, TOKEN, ".skipped.csv"): True,
        files.attempt(done, "f" * 32, ".csv"): False,
        files.upload(done): False,
        files.upload(gone): False,
        files.uploads / f"{gone}.part": False,
        files.attempt(gone, TOKEN, ".csv"): False,
        files.attempt(failed, TOKEN, ".csv"): False,
        files.locks / "of-a-process-that-was-killed.lock": False,
    }
    for path in old:
        path.write_bytes(b"x")
    growing = files.uploads / f"{'f' * 32}.part"
    growing.write_bytes(b"x")
    folder = files.attempt(gone, TOKEN, ".model")
    folder.mkdir()
    (folder / "weights").write_bytes(b"x")
    needed = {
        queued: ("queued", None),
        running: ("running", TOKEN),
        done: ("succeeded", TOKEN),
        failed: ("failed", TOKEN),
    }
    in_use = lambda ids: {job: needed[job] for job in ids if job in needed}  # noqa: E731 - a name would say no more
    assert files.sweep(in_use) == 0
    now = ORPHAN_SECONDS
    os.utime(growing, (1, 1))  # it has grown, whatever the clock says
    young = files.uploads / f"{'0' * 32}.csv"
    young.write_bytes(b"x")
    os.utime(young, (1, 1))
    assert files.sweep(in_use) == 9
    assert {path for path in old if path.exists()} == {path for path, kept in old.items() if kept}
    assert growing.exists()
    assert young.exists()
    assert not folder.exists()


def test_the_files_of_a_job_go_with_it(files: JobFiles) -> None:
    other = "b" * 32
    for job in (JOB, other):
        files.receive(job, [b"x"])
        for ending in (".csv", ".skipped.csv"):
            files.attempt(job, TOKEN, ending).write_bytes(b"x")
    files.attempt(JOB, "f" * 32, ".csv").write_bytes(b"x")
    files.remove_attempt(JOB, "f" * 32)
    assert len(names(files)) == 6
    files.remove(JOB)
    assert {name[:32] for name in names(files)} == {other}
    files.remove(JOB)


def test_tables_of_numbers_are_far_from_the_ratio_of_a_bomb() -> None:
    rng = random.Random(0)  # noqa: S311 - numbers for a table
    rows = "".join(f"shop-{n % 50},2024-01-{1 + n % 28:02d},{rng.randrange(100)}\n" for n in range(50_000))
    assert len(rows) / len(gzip.compress(rows.encode())) < 20
