"""The next items made on a thread while the last ones are worked on."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")

_END = object()


def read_ahead(items: Iterable[Item], count: int) -> Generator[Item, None, None]:
    """Yield items that a thread makes, at most `count` before they are asked for; what it raises, this raises."""
    made: queue.Queue[Any] = queue.Queue(count)
    unwanted = threading.Event()
    thread = threading.Thread(target=_make, args=(items, made, unwanted), name="forecaster-reading", daemon=True)
    thread.start()
    try:
        while (item := made.get()) is not _END:
            if isinstance(item, _Raised):
                raise item.error
            yield item
    finally:
        unwanted.set()
        while thread.is_alive():  # it may wait for room
            _empty(made)
            thread.join(0.01)


class _Raised:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _make(items: Iterable[Any], made: queue.Queue[Any], unwanted: threading.Event) -> None:
    try:
        for item in items:
            made.put(item)
            if unwanted.is_set():
                return
    except BaseException as error:  # noqa: BLE001 - it is raised where the items are asked for
        made.put(_Raised(error))
    else:
        made.put(_END)


def _empty(made: queue.Queue[Any]) -> None:
    while not made.empty():
        made.get_nowait()
