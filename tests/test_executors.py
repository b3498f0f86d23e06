"""Executors: one ordered map, whoever runs it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from forecaster import executors
from forecaster.executors import Serial, Threads, usable_cpus


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
