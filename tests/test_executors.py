"""Executors: one ordered map, whoever runs it."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from forecaster import ConfigError, MissingExtraError, executors
from forecaster.cli import options
from forecaster.executors import Executor, Serial, Threads, executor_of, usable_cpus


@pytest.mark.parametrize("count", [1, 2, 3, 8])
@pytest.mark.parametrize("items", [0, 1, 2, 3, 7, 100])
def test_results_come_in_the_order_of_the_items(count: int, items: int) -> None:
    expected = [item * item for item in range(items)]
    assert Serial().map(lambda item: item * item, range(items)) == expected
    with Threads(count) as executor:
        assert executor.map(lambda item: item * item, iter(range(items))) == expected


def test_one_thread_is_the_calling_one() -> None:
    with Threads(1) as executor:
        assert set(executor.map(lambda _: threading.get_ident(), range(5))) == {threading.get_ident()}


def test_the_calling_thread_takes_its_share() -> None:
    with Threads(3) as executor:
        workers = executor.map(lambda _: threading.get_ident(), range(30))
    assert workers[0::3] == [threading.get_ident()] * 10
    assert threading.get_ident() not in workers[1::3] + workers[2::3]


def test_threads_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    with Threads(3) as executor:
        assert sorted(executor.map(lambda _: meeting.wait(), range(3))) == [0, 1, 2]


@pytest.mark.parametrize("culprit", [0, 1, 2, 5])
def test_an_error_reaches_the_caller_and_the_executor_goes_on(culprit: int) -> None:
    def work(item: int) -> int:
        if item == culprit:
            raise KeyError(item)
        return item

    with Threads(3) as executor:
        with pytest.raises(KeyError, match=str(culprit)):
            executor.map(work, range(6))
        assert executor.map(work, range(culprit)) == list(range(culprit))


def test_an_executor_serves_several_callers() -> None:
    with Threads(3) as executor:
        results: dict[int, list[int]] = {}

        def call(k: int) -> None:
            results[k] = executor.map(lambda item: k * item, range(50))

        callers = [threading.Thread(target=call, args=(k,)) for k in range(6)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
    assert results == {k: [k * item for item in range(50)] for k in range(6)}


def test_threads_end_with_the_executor() -> None:
    with Threads(4) as executor:
        executor.map(lambda item: item, range(20))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("forecaster")]


def test_what_is_shared_comes_after_the_item() -> None:
    with Threads(3) as executor:
        for one in (Serial(), executor):
            assert one.map(lambda item, more, most: item + more * most, range(5), shared=(10, 2)) == [*range(20, 25)]
            assert [*one.stream(lambda item, more: item + more, range(5), shared=(10,))] == [*range(10, 15)]


@pytest.fixture(params=["serial", "threads", "threads of one"])
def local(request: pytest.FixtureRequest) -> Iterator[Executor]:
    """Each executor of this process."""
    name, _, one = request.param.partition(" of ")
    with executor_of(name, workers=1 if one else 3) as executor:
        yield executor


@pytest.mark.parametrize("items", [0, 1, 2, 7, 100])
def test_a_stream_is_a_map_that_goes_on(items: int, local: Executor) -> None:
    stream = local.stream(lambda item: item * item, iter(range(items)), ahead=4)
    assert [*stream] == [item * item for item in range(items)]


def test_a_stream_takes_items_as_there_is_room_for_them(local: Executor) -> None:
    """What has been read and not been given back stays within what was asked for, however slow the reader is."""
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(50):
            read.append(item)
            yield item

    for done, result in enumerate(local.stream(lambda item: item, items(), ahead=5)):
        assert result == done
        assert len(read) <= done + 5


def test_pieces_of_a_stream_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    with Threads(3) as executor:
        assert sorted(executor.stream(lambda _: meeting.wait(), range(3))) == [0, 1, 2]


def test_an_error_comes_in_its_place_and_ends_a_stream(local: Executor) -> None:
    def work(item: int) -> int:
        if item == 3:
            raise KeyError(item)
        return item

    came: list[int] = []
    with pytest.raises(KeyError, match="3"):
        came.extend(local.stream(work, range(100)))
    assert came == [0, 1, 2]
    assert local.map(work, range(3)) == [0, 1, 2]


def test_what_nobody_waits_for_is_not_begun() -> None:
    done: list[int] = []
    with Threads(2) as executor:
        stream = executor.stream(done.append, range(1000), ahead=10)
        next(iter(stream))
        del stream
    assert len(done) <= 11


def test_an_executor_has_a_name() -> None:
    with executor_of(None) as one, executor_of("serial") as other:
        assert isinstance(one, Serial)
        assert isinstance(other, Serial)
        assert (one.workers, one.threads_each, one.is_here) == (1, None, True)
    with executor_of("threads", workers=3) as threads:
        assert isinstance(threads, Threads)
        assert (threads.workers, threads.threads_each, threads.is_here) == (3, 1, True)
        with executor_of(threads) as same:
            assert same is threads
        assert threads.map(abs, [-1, -2, -3]) == [1, 2, 3], "one that was given is not ended"


def test_the_command_line_knows_the_same_names() -> None:
    assert options.EXECUTORS == executors.EXECUTORS


def test_other_names_are_refused() -> None:
    with (
        pytest.raises(ConfigError, match="executor must be one of serial, threads, ray, got 'dask'"),
        executor_of("dask"),
    ):
        pass


@pytest.mark.parametrize("name", executors.EXECUTORS)
def test_nobody_to_work_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="workers must be at least 1, got 0"), executor_of(name, workers=0):
        pass


def test_without_ray_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r'pip install "forecaster\[ray\]"'), executor_of("ray"):
        pass


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "150000 100000\n"}, (150000, 100000)),
        ({"cpu.max": "max 100000\n"}, (0, 0)),
        ({"cpu/cpu.cfs_quota_us": "200000\n", "cpu/cpu.cfs_period_us": "100000\n"}, (200000, 100000)),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, (-1, 100000)),
        ({"cpu.max": "nonsense"}, (0, 0)),
        ({}, (0, 0)),
    ],
)
def test_the_quota_of_the_control_group_is_read(
    files: dict[str, str], expected: tuple[int, int], tmp_path: Path
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="ascii")
    assert executors._cpu_quota(tmp_path) == expected


@pytest.mark.parametrize(
    ("allowed", "quota", "expected"),
    [
        (8, (150_000, 100_000), 2), (8, (0, 0), 8), (2, (800_000, 100_000), 2), (8, (50_000, 100_000), 1),
        (8, (-1, 100_000), 8),
    ],
)  # fmt: skip
def test_a_container_uses_what_it_was_given(
    allowed: int, quota: tuple[int, int], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(allowed)), raising=False)
    monkeypatch.setattr(executors, "_cpu_quota", lambda _: quota)
    assert usable_cpus() == expected
    assert Threads().count == expected
