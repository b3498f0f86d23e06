"""Tables to forecast, as files, and what is to come of them."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from forecaster import Forecaster, read_panel, write_forecast
from forecaster.batch import run
from forecaster.batch.sizes import Sizes

Row = tuple[str, Any, Any]


def series_rows(lengths: Iterable[int], *, begin: str = "2024-01-01", prefix: str = "s") -> list[Row]:
    """Return rows of daily series of these lengths, with a weekly pattern, at different levels."""
    rows: list[Row] = []
    for number, length in enumerate(lengths):
        rng = np.random.default_rng(number)
        steps = np.arange(length)
        values = 10.0 ** (number % 3) * (5 + np.sin(2 * np.pi * steps / 7) + 0.2 * rng.standard_normal(length))
        days = np.datetime64(begin) + steps
        rows += [
            (f"{prefix}{number}", str(day), float(value)) for day, value in zip(days, np.round(values, 4), strict=True)
        ]
    return rows


def write_csv(path: Path, rows: Sequence[Row], *, header: Sequence[str] = ("unique_id", "ds", "y")) -> Path:
    """Write rows as CSV, packed if the name says so."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    content = text.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_parquet(path: Path, rows: Sequence[Row], *, group: int = 1000, **columns: Any) -> Path:
    """Write rows as Parquet, dates as dates; `columns` say what is to stand in the place of those of the rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, days, values = zip(*rows, strict=True) if rows else ((), (), ())
    stamps = np.array(days, "datetime64[us]") if days and isinstance(days[0], str) else np.array(days, np.int64)
    table = {"unique_id": pa.array(ids, "string"), "ds": stamps, "y": pa.array(values, "float64")} | columns
    pq.write_table(
        pa.table({name: column for name, column in table.items() if column is not None}), path, row_group_size=group
    )
    return path


def scattered(rows: Sequence[Row], *, seed: int = 0) -> list[Row]:
    """Return the rows in another order: those of all series mixed, those of one in theirs."""
    order = np.random.default_rng(seed).permutation(len(rows))
    by_series: dict[str, list[Row]] = {}
    for row in rows:
        by_series.setdefault(row[0], []).append(row)
    return [by_series[rows[place][0]].pop(0) for place in order]


WRITERS: dict[str, Callable[[Path, Sequence[Row]], Path]] = {
    ".csv": write_csv,
    ".csv.gz": write_csv,
    ".parquet": write_parquet,
}


def set_sizes(
    monkeypatch: pytest.MonkeyPatch, *, rows: int = 150, series: int = 7, longest: int = 400, chunk: int = 64
) -> None:
    """Have pieces of so many rows and series."""
    monkeypatch.setattr(run, "sizes_for", lambda *_: Sizes(rows=rows, series=series, longest=longest, chunk=chunk))


def errors_of(output: Path) -> list[dict[str, str]]:
    with output.with_name(output.name + ".errors.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def sorted_lines(path: Path) -> list[bytes]:
    content = path.read_bytes()
    return sorted((gzip.decompress(content) if path.suffix == ".gz" else content).splitlines())


def expected(model: Forecaster, rows: Sequence[Row], output: Path, **asked: Any) -> Path:
    """Return what the forecasts of all series at once look like in a file."""
    place = output.with_name("expected" + "".join(output.suffixes))
    panel = read_panel(write_csv(output.with_name("expected-in.csv"), rows))
    write_forecast(model.forecast(panel, **asked), place)
    return place


def assert_same(output: Path, like: Path) -> None:
    """Assert that two files hold the same table, byte for byte where they are text."""
    if output.suffix == ".parquet":
        assert pq.read_schema(output).equals(pq.read_schema(like))
        assert pq.read_table(output).equals(pq.read_table(like))
    else:
        one, other = output.read_bytes(), like.read_bytes()
        assert (gzip.decompress(one), gzip.decompress(other)) if output.suffix == ".gz" else one == other
