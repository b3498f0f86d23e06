"""A pass over the ids of an input, which tells whether all rows of each series are together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.batch.chunks import Ids, Source, hashes
from forecaster.parquetfile import need_pyarrow

_REMEMBERED = 4_000_000
"""Series of which is remembered that they have been seen, eight bytes each; of more, ids must ascend."""


def are_together(source: Source, seen: Callable[[int], None]) -> bool:
    """Return whether all rows of each series follow each other; tell `seen` how many rows have been looked at.

    Where False, some series comes back after another, or there are too many in no order to tell.
    """
    if source.together is not None:
        return source.together
    together, passed = _Together(), 0
    for ids, _ in source.ids():
        if not together.still(ids) and source.rows is not None:
            return False
        passed += ids.count
        seen(passed)
    return together.at_the_end()


class _Together:
    """What is known of the series so far."""

    def __init__(self) -> None:
        self._last: Any = None
        self._ascend, self._come_back = True, False
        self._hashes: list[NDArray[np.uint64]] | None = []
        self._count = 0

    def still(self, ids: Ids) -> bool:
        """Take more ids; return whether all may still be together."""
        self._come_back |= len(ids.of_runs) > len(ids.names)
        if self._come_back:
            return False
        names = ids.names
        if self._last is not None and names[0].equals(self._last):
            names = names.slice(1)
        if len(names):
            self._take(names)
        return self._ascend or self._hashes is not None

    def at_the_end(self) -> bool:
        """Return whether they were together."""
        if self._come_back or self._ascend or self._hashes is None:
            return self._ascend and not self._come_back
        found = np.sort(np.concatenate(self._hashes))
        return not (found[1:] == found[:-1]).any()

    def _take(self, names: Any) -> None:
        arrow, compute = need_pyarrow(), need_pyarrow("pyarrow.compute")
        if self._ascend:
            before = names if self._last is None else arrow.concat_arrays([arrow.array([self._last]), names])
            self._ascend = bool(compute.all(compute.less(before.slice(0, len(before) - 1), before.slice(1))).as_py())
        self._last = names[-1]
        self._count += len(names)
        if self._hashes is not None:
            self._hashes.append(hashes(names))
            if self._count > _REMEMBERED:
                self._hashes = None
