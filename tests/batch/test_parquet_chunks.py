"""Parquet in chunks: what is read is what `read_panel` reads, whatever the types, groups and files."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from forecaster import InputError, read_panel
from forecaster.batch.chunks import names_list
from forecaster.batch.inputs import find_input
from forecaster.batch.parquet_chunks import ParquetSource
from forecaster.batch.pieces import piece_of
from forecaster.columns import ColumnNames
from forecaster.csvrows import Limits
from forecaster.panel import Panel
from tests.batch.tables import scattered, series_rows, write_parquet

ROWS = series_rows([9, 12, 5, 30])
DAYS = [datetime.date.fromisoformat(day) for _, day, _ in ROWS]


def source(path: Path, rows: int = 7, names: ColumnNames | None = None) -> ParquetSource:
    return ParquetSource(find_input(path), names or ColumnNames(), Limits(), rows)


def panel_of(read: ParquetSource) -> Panel:
    return piece_of(list(read.chunks()), "row", {}).table.panel(timezone=read.timezone)


def assert_same(one: Panel, other: Panel) -> None:
    assert one.ids == other.ids
    assert (one.frequency, one.timezone) == (other.frequency, other.timezone)
    for name in ("values", "offsets", "starts"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))


TYPES: dict[str, dict[str, Any]] = {
    "as they come": {},
    "nanoseconds": {"ds": np.array(DAYS, "datetime64[ns]")},
    "seconds": {"ds": np.array(DAYS, "datetime64[s]")},
    "dates": {"ds": pa.array(DAYS, pa.date32())},
    "text": {"ds": [str(day) for day in DAYS]},
    "text as a dictionary": {"ds": pa.array([str(day) for day in DAYS]).dictionary_encode()},
    "dates as numbers": {"ds": [int(day.strftime("%Y%m%d")) for day in DAYS]},
    "small numbers": {"ds": pa.array([(day - DAYS[0]).days for day in DAYS], pa.int16())},
    "UTC": {"ds": pa.array(np.array(DAYS, "datetime64[us]"), pa.timestamp("us", "UTC"))},
    "a zone": {"ds": pa.array(np.array(DAYS, "datetime64[us]"), pa.timestamp("us", "Europe/Berlin"))},
    "numbers as ids": {"unique_id": [int(name[1:]) for name, _, _ in ROWS]},
    "fractions as ids": {"unique_id": [int(name[1:]) / 2 for name, _, _ in ROWS]},
    "ids as a dictionary": {"unique_id": pa.array([name for name, _, _ in ROWS]).dictionary_encode()},
    "large text": {"unique_id": pa.array([name for name, _, _ in ROWS], pa.large_string())},
    "bytes as ids": {"unique_id": pa.array([name.encode() for name, _, _ in ROWS], pa.binary())},
    "whole values": {"y": [int(value) for _, _, value in ROWS]},
    "missing values": {"y": [None if place % 5 == 1 else value for place, (_, _, value) in enumerate(ROWS)]},
    "exact values": {"y": pa.array([Decimal(round(value)) for _, _, value in ROWS], pa.decimal128(9, 2))},
    "float32": {"y": np.array([value for _, _, value in ROWS], np.float32)},
}


@pytest.mark.parametrize("group", [4, 1000])
@pytest.mark.parametrize("types", TYPES)
def test_every_type_is_read_as_read_panel_reads_it(types: str, group: int, tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "table.parquet", ROWS, group=group, **TYPES[types])
    assert_same(panel_of(source(path)), read_panel(path))


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_reading_goes_on_from_every_mark(rows: int, tmp_path: Path) -> None:
    for number in range(3):
        write_parquet(tmp_path / f"{number}.parquet", ROWS[20 * number : 20 * number + 20], group=6)
    read = source(tmp_path, rows)
    whole = list(read.chunks())
    values = np.concatenate([chunk.values for chunk in whole])
    assert [int(line) for chunk in whole for line in chunk.lines] == list(range(1, len(ROWS) + 1))
    assert read.rows == len(ROWS)
    before = 0
    for chunk in whole:
        again = list(source(tmp_path, 5).chunks(chunk.mark_at(len(chunk) - 1)))
        np.testing.assert_array_equal(np.concatenate([one.values for one in again]), values[before + len(chunk) - 1 :])
        before += len(chunk)
    assert [read.file_of(row) for row in (1, 20, 21, 56)] == [
        ("0.parquet", 1), ("0.parquet", 20), ("1.parquet", 1), ("2.parquet", 16),
    ]  # fmt: skip


def test_ids_alone_are_those_of_the_chunks(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "table.parquet", scattered(ROWS), group=10)
    read = source(path)
    found = [names_list(ids.names)[code] for ids, _ in read.ids() for code in ids.codes]
    assert found == [name for name, _, _ in scattered(ROWS)]


def test_names_of_folders_are_columns(tmp_path: Path) -> None:
    for name in ("a", "b%2Fc"):
        (tmp_path / f"unique_id={name}").mkdir()
        write_parquet(tmp_path / f"unique_id={name}" / "part-0.parquet", ROWS[:5], unique_id=None)
    (tmp_path / "_SUCCESS").touch()
    (tmp_path / "unique_id=a" / ".part-0.parquet.crc").touch()
    read = source(tmp_path, 4)
    assert panel_of(read).ids == ("a", "b/c")
    assert read.file_of(6) == ("unique_id=b%2Fc/part-0.parquet", 1)


def test_a_folder_for_each_day(tmp_path: Path) -> None:
    for day in ("2024-01-02", "2024-01-01"):
        (tmp_path / f"ds={day}").mkdir()
        write_parquet(tmp_path / f"ds={day}" / "x.parquet", [("a", day, 1.0), ("b", day, 2.0)], ds=None)
    panel = panel_of(source(tmp_path))
    assert panel.ids == ("a", "b")
    assert panel.values.tolist() == [1, 1, 2, 2]
    assert panel.time_labels(0) == ["2024-01-01", "2024-01-02"]


def test_a_wide_table_has_a_series_a_column(tmp_path: Path) -> None:
    path = tmp_path / "wide.parquet"
    pq.write_table(pa.table({"ds": [1, 2, 3], "a": [1.0, None, 3.0], "b": [4, 5, 6]}), path)
    read = source(path, 2)
    assert read.together is False
    assert_same(panel_of(read), read_panel(path))


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "values are text": ({"y": ["1"] * 56}, r"Column 'y': expected numbers, got string"),
    "values are truth": ({"y": [True] * 56}, r"Column 'y': expected numbers, got bool"),
    "times are fractions": ({"ds": [1.5] * 56}, r"Column 'ds': expected dates or whole numbers, got double"),
    "no ids": ({"unique_id": None, "other": [1] * 56}, r"There is no column 'unique_id'"),
    "no values": ({"y": None}, r"There is no column 'y'"),
}


def test_ids_that_are_bytes_are_texts(tmp_path: Path) -> None:
    """Impala and older Sparks do not say that they are texts; an id of the forecast is to be found in other tables."""
    names = pa.array([name.encode() for name, _, _ in ROWS], pa.binary())
    path = write_parquet(tmp_path / "table.parquet", ROWS, unique_id=names)
    assert panel_of(source(path)).ids == ("s0", "s1", "s2", "s3")
    path = write_parquet(tmp_path / "table.parquet", ROWS, unique_id=pa.array([b"\xff"] * len(ROWS), pa.binary()))
    for read in (lambda: panel_of(source(path)), lambda: read_panel(path)):
        with pytest.raises(InputError, match="ids are bytes that are no text"):
            read()


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_schema_is_told_before_anything_is_read(case: str, tmp_path: Path) -> None:
    columns, message = WRONG[case]
    path = write_parquet(tmp_path / "table.parquet", ROWS, **columns)
    with pytest.raises(InputError, match=f"table\\.parquet: {message}"):
        source(path)


def test_files_of_a_folder_need_the_same_types(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", ROWS)
    write_parquet(tmp_path / "b.parquet", ROWS, ds=list(range(56)))
    with pytest.raises(
        InputError, match=r"b\.parquet: its columns are 'ds' int64, .* those of a\.parquet are 'ds' timestamp"
    ):
        source(tmp_path)


@pytest.mark.parametrize("missing", [None, ""])
def test_a_row_without_an_id_is_told(missing: str | None, tmp_path: Path) -> None:
    ids = [name for name, _, _ in ROWS[:30]] + [missing] + [name for name, _, _ in ROWS[31:]]
    path = write_parquet(tmp_path / "table.parquet", ROWS, unique_id=pa.array(ids, "string"))
    for read in (lambda: list(source(path).chunks()), lambda: list(source(path).ids())):
        with pytest.raises(InputError, match=r"Row 31: the series id is empty"):
            read()


@pytest.mark.parametrize("kind", ["dates", "numbers", "text"])
def test_a_row_without_a_time_is_a_fault_of_its_series(kind: str, tmp_path: Path) -> None:
    times: list[Any] = {"dates": DAYS, "numbers": list(range(56)), "text": list(map(str, DAYS))}[kind].copy()
    times[10] = None
    path = write_parquet(tmp_path / "table.parquet", ROWS, ds=times)
    piece = piece_of(list(source(path).chunks()), "row", {})
    faults = dict(piece.faults)
    panel = piece.table.panel(freq=1 if kind == "numbers" else "D", faults=faults)
    assert panel.ids == ("s0", "s2", "s3")
    assert {name: (fault.row, "timestamp is missing" in str(fault)) for name, fault in faults.items()} == {
        "s1": (11, True)
    }


def test_what_numbers_say_is_decided_once(tmp_path: Path) -> None:
    numbers = [20240101 + day for day in range(30)] + [20240132] * 3
    path = write_parquet(tmp_path / "table.parquet", [("a", number, 1.0) for number in numbers])
    first, *_, last = source(path, 10).chunks()
    assert first.times.dtype == last.times.dtype == "datetime64[us]"
    assert np.isnat(last.times).all()
    assert next(source(path, 10).chunks(last.mark)).times.dtype == "datetime64[us]"


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "table.parquet", series_rows([3000] * 4))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="is not a Parquet file, or it is damaged"):
        source(path)
    path.write_bytes(whole[:2000] + bytes(500) + whole[2500:])
    with pytest.raises(InputError, match="is not a Parquet file, or it is damaged"):
        list(source(path).chunks())
