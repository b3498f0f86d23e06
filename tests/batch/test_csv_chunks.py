"""CSV in chunks: what Arrow reads is what `csvfile` reads, line for line and fault for fault."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from forecaster.batch.chunks import Chunk, names_list
from forecaster.batch.csv_chunks import CsvSource, _is_plain
from forecaster.batch.inputs import find_input
from forecaster.columns import ColumnNames
from forecaster.csvfile import read_csv
from forecaster.csvrows import Limits
from forecaster.errors import InputError

Row = tuple[str, str, float, int]

CELLS = st.one_of(
    st.sampled_from(
        ["a", "b", "1", "2024-01-01", "1.5", "NA", "", "nan", "-7e3", "x y", " 2 ", "é", "1_0", "inf", "+1", "'"]
    ),
    st.sampled_from(['"a"', '"a,b"', '"a ""b"""', '"a\nb"', '5" pipe', '"', '"open', "a\rb", '""', '"1.5"', '"a"b']),
    st.integers(-10, 10).map(str),
)
ROWS = st.lists(st.one_of(st.tuples(CELLS, CELLS, CELLS).map(",".join), st.sampled_from(["", " ", "a,b", "a,b,1,2"])))


def rows_of(chunks: list[Chunk]) -> list[Row]:
    found: list[Row] = []
    for chunk in chunks:
        names, stamps = names_list(chunk.ids.names), chunk.stamps or ()
        assert list(dict.fromkeys(names[code] for code in chunk.ids.codes)) == names
        found += [
            (names[code], stamps[time], float(value), int(line))
            for code, time, value, line in zip(chunk.ids.codes, chunk.times, chunk.values, chunk.lines, strict=True)
        ]
    return found


def slowly(text: bytes) -> tuple[list[Row], dict[str, str]]:
    """Read as `parse_csv` does."""
    faults: dict[str, InputError] = {}
    table = read_csv(text, name="table.csv", faults=faults).rows
    assert table.stamps is not None
    assert table.lines is not None
    rows = [
        (table.names[code], table.stamps[time], float(value), int(line))
        for code, time, value, line in zip(table.codes, table.times, table.values, table.lines, strict=True)
    ]
    return rows, {name: str(fault) for name, fault in faults.items()}


def source(path: Path, size: int) -> CsvSource:
    return CsvSource(find_input(path), ColumnNames(), Limits(), size)


def outcome(read: Any) -> Any:
    try:
        return read()
    except (InputError, UnicodeDecodeError) as error:
        return str(error).split("table.csv: ")[-1]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=ROWS,
    size=st.integers(8, 200),
    end=st.sampled_from(["\n", "\r\n", ""]),
    above=st.sampled_from(["", "\n", "\r\n \n"]),
)
@example(rows=['"a ""b""",1,2', "b,1,2"], size=16, end="\n", above="")
@example(rows=["a,1,2", '"a', 'b",1,2', "c,1,x"], size=8, end="\n", above="")
def test_every_text_is_read_as_csvfile_reads_it(
    rows: list[str], size: int, end: str, above: str, tmp_path: Path
) -> None:
    line = end or "\n"
    text = (above + line.join(["unique_id,ds,y", *rows]) + end).encode()
    path = tmp_path / "table.csv"
    path.write_bytes(text)

    def quickly() -> tuple[list[Row], dict[str, str]]:
        chunks = list(source(path, size).chunks())
        faults: dict[str, str] = {}
        for chunk in chunks:
            faults = {name: str(fault) for name, fault in chunk.faults.items()} | faults
        return rows_of(chunks), faults

    expected, found = outcome(lambda: slowly(text)), outcome(quickly)
    if isinstance(expected, tuple) and isinstance(found, tuple):
        np.testing.assert_equal(found, expected)
    elif isinstance(expected, str) and "no rows below it" in expected:
        assert found == ([], {})
    else:
        assert isinstance(expected, str), (expected, found)
        assert isinstance(found, str), (expected, found)


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize("odd", ["", '"a ""quoted"" one",2024-01-01,1\n'])
def test_reading_goes_on_from_every_mark(ending: str, odd: str, tmp_path: Path) -> None:
    lines = [f"s{number // 7},2024-01-{1 + number % 7:02},{number}\n" for number in range(200)]
    text = ("unique_id,ds,y\n" + "".join(lines[:90]) + odd + "".join(lines[90:])).encode()
    path = tmp_path / f"table{ending}"
    path.write_bytes(gzip.compress(text) if ending == ".csv.gz" else text)
    whole = list(source(path, 500).chunks())
    assert len(whole) > 1
    rows = rows_of(whole)
    before = 0
    for chunk in whole:
        for row in {0, 1, len(chunk) - 1}:
            again = rows_of(list(source(path, 300).chunks(chunk.mark_at(row))))
            assert again == rows[before + row :]
        before += len(chunk)


def test_lines_are_counted_through_all_files_of_a_folder(tmp_path: Path) -> None:
    for name, rows in (("b.csv", "c,1,2\n\nc,2,3\n"), ("a.csv", "a,1,2\na,2,x\n")):
        (tmp_path / name).write_text(f"unique_id,ds,y\n{rows}")
    read = source(tmp_path, 1000)
    chunks = list(read.chunks())
    assert [row[3] for row in rows_of(chunks)] == [2, 3, 5, 7]
    assert [read.file_of(row) for row in (2, 3, 5, 7)] == [("a.csv", 2), ("a.csv", 3), ("b.csv", 2), ("b.csv", 4)]
    assert chunks[0].faults["a"].row == 3
    assert [(names_list(ids.names), first) for ids, first in read.ids()] == [(["a"], 2), (["c"], 5)]
    assert read.rows == 4
    assert [row[3] for row in rows_of(list(read.chunks(chunks[1].mark)))] == [5, 7]


def test_a_wide_table_has_a_series_a_column(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("ds,a,b\n1,10,20\n2,,21\n")
    read = source(path, 1000)
    assert read.together is False
    rows = sorted(rows_of(list(read.chunks())))
    np.testing.assert_equal(
        rows, [("a", "1", 10.0, 2), ("a", "2", np.nan, 3), ("b", "1", 20.0, 2), ("b", "2", 21.0, 3)]
    )
    path.write_text("ds,y\n1,10\n")
    assert source(path, 1000).together is True


def test_files_of_a_folder_need_the_same_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("unique_id,ds,y\na,1,2\n")
    (tmp_path / "b.csv").write_text("unique_id,y,ds\na,1,2\n")
    with pytest.raises(
        InputError, match=r"b\.csv: its columns are unique_id, y, ds, those of a\.csv are unique_id, ds, y"
    ):
        source(tmp_path, 1000)


@pytest.mark.parametrize(
    ("text", "is_plain"),
    [
        (b"a,b\n", True),
        (b"a,b", False),
        (b"a,b\r\n", True),
        (b"a,b\rc,d\n", False),
        (b"a,\0\n", False),
        (b'"a","b"\r\n"c",d\n', True),
        (b'"a,\nb",c\n', False),
        (b'"a""b",c\n', False),
        (b'5",6"\n', False),
        (b'"",""\n', True),
        (b'"a\n', False),
    ],
)
def test_what_arrow_may_read(text: bytes, is_plain: bool) -> None:
    assert _is_plain(text, ",") is is_plain
