"""Tables to forecast: daily series drawn at random, and the training parts of M4, as Parquet files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.m4.data import KINDS

LENGTH = 100
DAYS_AHEAD = 14
WEEK = 7
_AT_ONCE = 10_000
"""Series that are drawn at a time; also of a group of rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """A file to forecast.

    Attributes
    ----------
    name : str
        What it is called in figures.
    path : Path
        A Parquet file, the rows of a series together.
    series, rows : int
        How many it holds.
    h, season : int
        Steps ahead that are forecast; steps of a season.
    freq : str
        Frequency of the series, ``"1"`` for steps without dates.
    """

    name: str
    path: Path
    series: int
    rows: int
    h: int
    season: int
    freq: str


def draw(path: Path, series: int) -> Table:
    """Write daily series of `LENGTH` days each: positive, with a week in them, wandering."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng, writer = np.random.default_rng(0), None
    days = np.tile(np.datetime64("2026-01-01") + np.arange(LENGTH), _AT_ONCE).astype("datetime64[ms]")
    for begin in range(0, series, _AT_ONCE):
        count = min(_AT_ONCE, series - begin)
        ids = pa.array([f"series {number:08}" for number in range(begin, begin + count)])
        codes = pa.array(np.repeat(np.arange(count), LENGTH))
        columns = {"unique_id": ids.take(codes), "ds": days[: count * LENGTH], "y": walks(rng, count).ravel()}
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()
    return Table(f"{series:,} series", path, series, series * LENGTH, DAYS_AHEAD, WEEK, "D")


def walks(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Return series (count, LENGTH)."""
    steps = 0.05 * rng.standard_normal((count, LENGTH)).cumsum(axis=1)
    week = 0.2 * np.sin(np.arange(LENGTH) * 2 * np.pi / WEEK)
    found: NDArray[np.float64] = 100 * np.exp(steps + week)
    return found


def m4(folder: Path) -> list[Table]:
    """Return the training parts of M4, which are Parquet files already, in steps without dates."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = []
    for kind in KINDS:
        path = folder / f"{kind.name}_train.parquet"
        ids = pq.read_table(path, columns=["unique_id"]).column(0).cast("string")
        count = pc.count_distinct(ids).as_py()
        found.append(Table(f"M4 {kind.name}", path, count, len(ids), kind.horizon, kind.season, "1"))
    return found
