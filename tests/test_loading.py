"""Kernels made ready on a thread: once, not against the end of the process, not across a fork."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forecaster import loading
from forecaster.loading import LOADER, Loader

ROOT = Path(__file__).parents[1]
PATIENCE = 30.0


class Work:
    """Stands in for a compiler: `misses` things to compile, each when the test lets it."""

    def __init__(self, misses: int = 0, *, error: BaseException | None = None) -> None:
        self.misses, self.error = misses, error
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.times, self.compiled = 0, 0

    def __call__(self, before_compiling: Callable[[], None]) -> None:
        self.times += 1
        self.begun.set()
        if self.error is not None:
            raise self.error
        for _ in range(self.misses):
            before_compiling()
            assert self.may_end.wait(PATIENCE)
            self.compiled += 1


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_GRACE", 0.0)


@pytest.fixture
def loaders() -> Iterator[Callable[[Work], Loader]]:
    """Makes loaders and sees to it that none outlives its test."""
    made = []

    def make(work: Work) -> Loader:
        made.append((Loader(work), work))
        return made[-1][0]

    yield make
    for loader, work in made:
        work.may_end.set()
        loader._halt()


Loaders = Callable[[Work], Loader]


def test_here_it_is_done_once(loaders: Loaders) -> None:
    work = Work()
    loader = loaders(work)
    assert not loader.ready.is_set()
    loader.load()
    loader.load()
    loader.begin(at_once=True)
    assert loader.ready.is_set()
    assert work.times == 1


@pytest.mark.usefixtures("no_grace")
def test_on_a_thread_it_is_done_once(loaders: Loaders) -> None:
    work = Work()
    loader = loaders(work)
    for _ in range(5):
        loader.begin(at_once=False)
    assert loader.ready.wait(PATIENCE)
    assert work.times == 1


def test_what_is_only_loaded_is_waited_for(loaders: Loaders) -> None:
    loader = loaders(Work())
    loader.begin(at_once=False)  # still in its grace, which the next ends
    loader.begin(at_once=True)
    assert loader.ready.is_set()


def test_what_is_begun_meanwhile_is_waited_for_where_it_is_needed(loaders: Loaders) -> None:
    work = Work(misses=1)
    loader = loaders(work)
    loader.begin(at_once=True, wait=False)
    assert work.begun.wait(PATIENCE)
    threading.Timer(0.05, work.may_end.set).start()
    loader.load()
    assert loader.ready.is_set()
    assert work.times == 1


def test_what_has_to_be_compiled_is_not(loaders: Loaders) -> None:
    work = Work(misses=1)
    loader = loaders(work)
    loader.begin(at_once=True)
    assert work.begun.is_set()
    assert not loader.ready.is_set()
    work.may_end.set()
    assert loader.ready.wait(PATIENCE)


def test_a_process_that_ends_soon_loads_nothing(loaders: Loaders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_GRACE", PATIENCE)
    work = Work()
    loader = loaders(work)
    loader.begin(at_once=False)
    began = time.monotonic()
    loader._halt()
    assert time.monotonic() - began < PATIENCE / 2
    assert not work.begun.is_set()


def test_the_end_comes_before_the_next_kernel(loaders: Loaders) -> None:
    work = Work(misses=3)
    loader = loaders(work)
    loader.begin(at_once=True)
    ending = threading.Thread(target=loader._halt)
    ending.start()
    assert loader._halted.wait(PATIENCE)
    work.may_end.set()
    ending.join(PATIENCE)
    assert not ending.is_alive()
    assert work.compiled == 1
    assert not loader.ready.is_set()


@pytest.mark.usefixtures("no_grace")
def test_a_compiler_that_fails_is_reported_and_not_asked_again(
    loaders: Loaders, caplog: pytest.LogCaptureFixture
) -> None:
    work = Work(error=OSError("no LLVM"))
    loader = loaders(work)
    loader.begin(at_once=True)
    loader.begin(at_once=True)
    assert not loader.ready.is_set()
    assert work.times == 1
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "kernels cannot be loaded; forecasts go on in NumPy: OSError: no LLVM"


def test_a_compiler_that_fails_here_says_so(loaders: Loaders) -> None:
    with pytest.raises(OSError, match="no LLVM"):
        loaders(Work(error=OSError("no LLVM"))).load()


def test_without_threads_nothing_is_loaded(loaders: Loaders, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    work = Work()
    loader = loaders(work)
    monkeypatch.setattr(threading.Thread, "start", refuse)
    loader.begin(at_once=True)  # and comes back
    assert not loader.ready.is_set()
    monkeypatch.undo()
    loader.begin(at_once=True)
    assert loader.ready.is_set()


FORK = """
import os, sys, threading, time
from forecaster.loading import Loader

compiler = threading.Lock()  # what a child would wait for in vain, were it forked while it is held

def rehearse(before_compiling):
    for _ in range(3):
        before_compiling()
        with compiler:
            time.sleep(0.2)

loader = Loader(rehearse)
loader.begin(at_once=True)
while not compiler.locked():
    time.sleep(0.001)
child = os.fork()
if not child:
    loader.load()
    os._exit(0 if loader.ready.is_set() else 1)
assert not loader.ready.is_set()
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert status == 0, status
loader.begin(at_once=True)  # the parent begins anew
assert loader.ready.wait(30)
"""


def test_a_fork_finds_no_compiler_at_work() -> None:
    command = [sys.executable, "-c", FORK]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=180)  # noqa: S603 - our own script
    assert (done.returncode, done.stderr) == (0, "")


def test_what_was_rehearsed_is_all_that_forecasts_need() -> None:
    from forecaster.kernels._cache import Counts
    from tests.examples import trained, weekly

    LOADER.load()
    model, before = trained(), Counts.compiled + Counts.loaded
    model.forecast()
    model.forecast(weekly(40), h=7)
    assert Counts.compiled + Counts.loaded == before


def test_this_process_was_not_left_with_a_thread() -> None:
    assert os.getpid()
    assert "forecaster-kernels" not in {thread.name for thread in threading.enumerate()}
