"""Series that have no forecast, as lines of a table: which, in which file and row, and why."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from forecaster.batch.work import Failure
from forecaster.tables import csv_text

ERROR_COLUMNS = ("unique_id", "file", "row", "column", "reason")

_PLACE = re.compile(r"\b([Rr]ow|[Ll]ine) (\d+)")


@dataclass(frozen=True, slots=True)
class Failures:
    """Writes failures of an input.

    Attributes
    ----------
    place_of : callable
        Returns the file and the row in it of a row counted through all files.
    several : bool
        Whether there are several files, so that places in texts have to be put right.
    """

    place_of: Callable[[int], tuple[str, int]]
    several: bool

    def text(self, failures: Sequence[Failure]) -> bytes:
        """Return lines of CSV, with the columns `ERROR_COLUMNS`; nothing for none."""
        if not failures:
            return b""
        places = [("", None) if one.row is None else self.place_of(one.row) for one in failures]
        columns: dict[str, Sequence[object]] = {
            "unique_id": [one.series for one in failures],
            "file": [file for file, _ in places],
            "row": ["" if row is None else row for _, row in places],
            "column": [one.column or "" for one in failures],
            "reason": list(map(self.reason, failures)),
        }
        return csv_text(columns, header=False).encode()

    def reason(self, failure: Failure) -> str:
        """Return why, rows and lines numbered as the file has them."""
        if not self.several or failure.row is None:
            return failure.reason
        file, _ = self.place_of(failure.row)

        def put_right(found: re.Match[str]) -> str:
            other, row = self.place_of(int(found[2]))
            return f"{found[1]} {row}" + ("" if other == file else f" of {PurePath(other)}")

        return failure.reason if str(failure.row) not in failure.reason else _PLACE.sub(put_right, failure.reason)
