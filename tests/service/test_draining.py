"""How processes learn that the service stops, and how a listening socket turns newcomers away."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from service import draining
from service.draining import hold_back_newcomers, is_draining


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The ends of a pipe, the first of which is the one that is watched."""
    ends = list(os.pipe())
    monkeypatch.setenv("SERVICE_DRAIN_PIPE", str(ends[0]))
    draining._pipe.cache_clear()
    yield ends
    draining._pipe.cache_clear()
    for end in ends:
        os.close(end)


def test_the_service_drains_once_the_other_end_is_closed(pipe: list[int]) -> None:
    with ThreadPoolExecutor(8) as threads:  # as many ask at once
        assert not any(threads.map(lambda _: is_draining(), range(1_000)))
        os.close(pipe.pop())
        assert all(threads.map(lambda _: is_draining(), range(1_000)))


@pytest.mark.parametrize("value", ["", "none", "-1"])
def test_without_a_parent_it_never_drains(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVICE_DRAIN_PIPE", value)
    draining._pipe.cache_clear()
    assert not is_draining()
    draining._pipe.cache_clear()


def test_newcomers_are_held_back_and_who_waits_is_served() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket() as late:
        address = listener.getsockname()
        with socket.create_connection(address) as early:
            hold_back_newcomers(listener)
            late.settimeout(0.2)
            with pytest.raises(TimeoutError):
                late.connect(address)
            accepted, _ = listener.accept()
            with accepted:
                early.sendall(b"asked")
                assert accepted.recv(10) == b"asked"
                accepted.sendall(b"answered")
                assert early.recv(10) == b"answered"
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()
