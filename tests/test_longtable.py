"""Series with faults of their own, set aside from a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forecaster import InputError, LongTable, parse_csv, read_panel

GOOD = "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-03,3\nb,2024-01-01,7\nb,2024-01-02,8\n"


def table(text: str) -> str:
    return GOOD + text


BAD = {
    "no number": ("c,2024-01-01,1\nc,2024-01-02,x\nc,2024-01-03,y\n", 8, "y"),
    "a decimal comma": ('c,2024-01-01,"1,5"\n', 7, "y"),
    "infinite": ("c,2024-01-01,1\nc,2024-01-02,-inf\n", 8, "y"),
    "no timestamp": ("c,2024-01-01,1\nc,,2\n", 8, "ds"),
    "a timestamp that is none": ("c,2024-13-01,1\nc,2024-01-02,2\n", 7, "ds"),
    "a timestamp twice": ("c,2024-01-01,1\nc,2024-01-01,2\n", 8, "ds"),
    "off the grid": ("c,2024-01-01,1\nc,2024-01-02 12:00,2\n", 8, "ds"),
    "years apart": ("c,0001-01-01,1\nc,9999-12-31,2\n", 7, "ds"),
    "between others": ("c,2024-01-01,1\nb,2024-01-03,9\nc,oops,2\n", 9, "ds"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_sets_its_series_aside_with_its_line(case: str) -> None:
    text, line, column = BAD[case]
    faults: dict[str, InputError] = {}
    freq = "s" if case == "years apart" else "D"  # a grid is refused for its size only where it is large
    panel = parse_csv(table(text), freq=freq, faults=faults)
    assert panel.ids == ("a", "b")
    assert [(name, error.row, error.column) for name, error in faults.items()] == [("c", line, column)]
    alone = parse_csv(GOOD + ("b,2024-01-03,9\n" if case == "between others" else ""), freq=freq)
    np.testing.assert_array_equal(panel.values, alone.values)
    with pytest.raises(InputError):
        parse_csv(table(text), freq=freq)


def test_the_frequency_is_that_of_the_good_series() -> None:
    faults: dict[str, InputError] = {}
    assert parse_csv(table("c,2024-01-01,1\nc,2024-01-01,1\n"), faults=faults).frequency.alias == "D"
    assert list(faults) == ["c"]
    zoned = "unique_id,ds,y\n" + "".join(f"a,2024-03-{day}T00:00+0{1 + (day > 31)}:00,1\n" for day in range(28, 32))
    zoned += "a,2024-04-01T00:00+02:00,1\nb,2024-04-01T00:00+02:00,1\nb,2024-04-01T00:00+02:00,1\n"
    assert parse_csv(zoned, timezone="Europe/Berlin", faults=faults).frequency.alias == "D"


def test_names_of_columns_are_the_users() -> None:
    from forecaster import ColumnNames

    faults: dict[str, InputError] = {}
    text = table("c,2024-01-01,x\nd,never,1\n").replace("unique_id,ds,y", "shop,day,sold")
    parse_csv(text, names=ColumnNames("shop", "day", "sold"), faults=faults)
    assert {name: error.column for name, error in faults.items()} == {"c": "sold", "d": "day"}


def test_without_a_good_series_the_first_fault_is_raised_and_all_are_listed() -> None:
    faults: dict[str, InputError] = {}
    with pytest.raises(InputError, match="Line 2, column 'y': expected a number, got 'x'"):
        parse_csv("unique_id,ds,y\na,2024-01-01,x\nb,oops,1\n", faults=faults)
    assert list(faults) == ["a", "b"]


WHOLE = {
    "ragged": "c,2024-01-01\n",
    "an open quote": 'c,"2024-01-01,1\n',
    "no id": ",2024-01-01,1\n",
    "NUL": "c,2024-01-01,\0\n",
    "two frequencies": "c,2024-01-01,1\nc,2024-02-01,1\nc,2024-03-01,1\nc,2024-04-01,1\n",
}


@pytest.mark.parametrize("case", WHOLE)
def test_faults_of_the_table_are_still_raised(case: str) -> None:
    faults: dict[str, InputError] = {}
    with pytest.raises(InputError):
        parse_csv(table(WHOLE[case]), faults=faults)
    with pytest.raises(InputError, match="UTF-8"):
        parse_csv(GOOD.encode("utf-16"), faults=faults)
    assert not faults


def test_series_in_columns_are_set_aside_too(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text("ds,a,b\n2024-01-01,1,2\n2024-01-02,2,x\n2024-01-03,3,4\n", encoding="utf-8")
    faults: dict[str, InputError] = {}
    assert read_panel(path, faults=faults).ids == ("a",)
    assert faults["b"].row == 3


def test_rows_without_lines_count_within_their_series() -> None:
    codes, stamps = np.array([0, 1, 0, 1]), ["2024-01-01", "2024-01-02", "soon"]
    rows = LongTable(("a", "b"), codes, np.array([0, 0, 1, 2]), np.ones(4), stamps)
    faults: dict[str, InputError] = {}
    assert rows.panel(freq="D", faults=faults).ids == ("a",)
    assert faults["b"].row == 2
