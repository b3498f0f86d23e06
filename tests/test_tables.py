from __future__ import annotations

import contextlib
import csv
import datetime as dt
import decimal
import gzip
import importlib
import io
import os
import stat
import tracemalloc
import zoneinfo
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import InputError, MissingExtraError, OutputError
from forecaster.forecast import Forecast
from forecaster.panel import Panel
from forecaster.tables import (
    ColumnNames,
    Limits,
    as_panel,
    check_writable,
    forecast_columns,
    forecast_csv,
    forecast_to_frame,
    panel_from_frame,
    parse_csv,
    read_panel,
    write_columns,
    write_forecast,
)

DATA = Path(__file__).parent.parent / "data"
LONG = "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2.5\nb,2024-01-01,\nb,2024-01-02,4\n"


def same(one: Panel, other: Panel) -> bool:
    return (
        one.ids == other.ids
        and np.array_equal(one.values, other.values, equal_nan=True)
        and one.future_labels(3) == other.future_labels(3)
        and one.frequency == other.frequency
        and one.timezone == other.timezone
    )


def rows(count: int = 4, freq: str = "D", tz: str | None = None) -> pd.DataFrame:
    stamps = pd.date_range("2024-03-29", periods=count, freq=freq, tz=tz)
    return pd.DataFrame({"unique_id": "a", "ds": stamps, "y": np.arange(float(count))})


def small_forecast(panel: Panel, h: int = 2) -> Forecast:
    point = np.arange(float(len(panel) * h)).reshape(len(panel), h) + 0.1
    width = np.array([1.0, 2.0])[None, :, None]
    return Forecast(
        ids=panel.ids,
        times=panel.future_times(h),
        frequency=panel.frequency,
        point=point,
        levels=(80.0, 97.5),
        lower=point[:, None] - width,
        upper=point[:, None] + width,
        timezone=panel.timezone,
    )


def test_flights() -> None:
    panel = read_panel(DATA / "flights_daily.csv")
    expected = pd.read_csv(DATA / "flights_daily.csv")
    assert len(panel) == 29
    assert panel.frequency.alias == "D"
    assert panel.values.tolist() == expected["y"].tolist()
    assert panel.ids == tuple(expected["unique_id"].unique())
    assert {labels[0] for labels in panel.future_labels(1)} == {"2014-01-01"}
    assert panel.lines is not None
    assert panel.lines[:2].tolist() == [2, 367]


def test_notes_are_one_series_without_an_id() -> None:
    panel = read_panel(DATA / "notes_daily.csv")
    assert panel.ids == ("y",)
    assert panel.observed.tolist() == [7]
    assert panel.future_labels(7) == [["31", "32", "33", "34", "35", "36", "37"]]


@pytest.mark.parametrize(
    "text",
    [
        LONG,
        LONG.encode(),
        b"\xef\xbb\xbf" + LONG.encode(),
        LONG.replace("\n", "\r\n"),
        LONG.replace("\n", "\r"),
        LONG.rstrip("\n"),
        LONG.replace("\n", "\n\n"),
        LONG.replace(",", ";"),
        LONG.replace(",", "\t"),
        LONG.replace("4\n", '"4"\n'),
        LONG.replace("unique_id,ds,y", " unique_id, ds ,y "),
        LONG.replace("2024-01-0", "2024/01/0"),
        LONG.replace("2024-01-0", "2024010"),
        LONG.replace("-01,", "-01T00:00:00,").replace("-02,", "-02 00:00,"),
        LONG.replace("-01,", "-01T00:00:00.000,"),
        io.BytesIO(LONG.encode()),
        *(LONG.replace("01,\n", f"01,{text}\n") for text in ("NA", "NaN", "nan", "null", "NULL", " ", "N/A", "None")),
    ],
)
def test_csv_in_its_many_forms(text: str | bytes | io.BytesIO) -> None:
    assert same(parse_csv(text), parse_csv(LONG))


def test_ids_stay_text_in_order_of_appearance() -> None:
    text = (
        "unique_id,ds,y\n007,1,1\n007,2,2\n7,1,3\n7,2,4\n 7,1,5\n 7,2,6\nNA,1,1\nNA,2,1\nb\u2028c,1,1\nb\u2028c,2,1\n"
    )
    assert parse_csv(text).ids == ("007", "7", " 7", "NA", "b\u2028c")


def test_renamed_columns_and_others_are_ignored() -> None:
    text = ',store,day,sales,note\n0,a,2024-01-01,1,"x, y"\n1,a,2024-01-02,2,"two\nlines"\n'
    panel = parse_csv(text, names=ColumnNames("store", "day", "sales"))
    assert panel.ids == ("a",)
    assert panel.values.tolist() == [1, 2]


def test_wide() -> None:
    text = "ds,north,south\n2024-01-01,1,\n2024-01-02,2,5\n2024-01-04,,6\n"
    panel = parse_csv(text)
    assert panel.ids == ("north", "south")
    np.testing.assert_array_equal(panel.series(0), [1, 2, np.nan, np.nan])
    np.testing.assert_array_equal(panel.series(1), [5, np.nan, 6])
    frame = pd.read_csv(io.StringIO(text), parse_dates=["ds"])
    assert same(panel_from_frame(frame), panel)


def test_future_over_a_leap_day_and_month_ends() -> None:
    assert parse_csv("ds,y\n2024-02-27,1\n2024-02-28,1\n").future_labels(2) == [["2024-02-29", "2024-03-01"]]
    assert parse_csv("ds,y\n2023-11-30,1\n2023-12-31,1\n").future_labels(3) == [
        ["2024-01-31", "2024-02-29", "2024-03-31"]
    ]


def test_dates_written_as_numbers() -> None:
    columns = {"unique_id": "a", "ds": [20240229, 20240331, 20240430], "y": 1.0}
    assert panel_from_frame(pd.DataFrame(columns)).future_labels(1) == [["2024-05-31"]]
    assert parse_csv("ds,y\n20240229,1\n20240331,1\n").future_labels(1) == [["2024-04-30"]]
    assert parse_csv("ds,y\n20240229,1\n20240230,1\n").future_labels(1) == [["20240231"]]  # no such day: numbers
    assert parse_csv("ds,y\n1500-01-01,1\n1500-01-02,1\n").future_labels(1) == [["1500-01-03"]]


def test_one_offset_is_kept() -> None:
    panel = parse_csv("ds,y\n2024-03-31T00:00:00+05:30,1\n2024-03-31T01:00:00+05:30,1\n")
    assert panel.timezone == "+05:30"
    assert panel.future_labels(1) == [["2024-03-31T02:00:00+05:30"]]
    panel = parse_csv("ds,y\n2024-03-31T00:00:00Z,1\n2024-03-31 01:00Z,1\n")
    assert panel.future_labels(1) == [["2024-03-31T02:00:00+00:00"]]


MIXED = "ds,y\n2024-03-31T00:00:00+01:00,1\n2024-03-31T01:00:00+01:00,2\n2024-03-31T03:00:00+02:00,3\n"


def test_mixed_offsets_need_a_zone() -> None:
    with pytest.raises(InputError, match=r"different UTC offsets.*timezone='Europe/Berlin'.*--timezone"):
        parse_csv(MIXED)
    panel = parse_csv(MIXED, timezone="Europe/Berlin")
    assert panel.frequency.alias == "h"
    assert panel.values.tolist() == [1, 2, 3]
    assert panel.future_labels(1) == [["2024-03-31T04:00:00+02:00"]]
    wall = parse_csv("ds,y\n2024-03-31 00:00,1\n2024-03-31 01:00,2\n2024-03-31 03:00,3\n", timezone="Europe/Berlin")
    assert same(wall, panel)


@pytest.mark.parametrize(
    ("text", "message", "row"),
    [
        ("", "is empty", None),
        ("\n \n\n", "is empty", None),
        (b"\xef\xbb\xbf", "is empty", None),
        ("unique_id,ds,y\n", "header but no rows", None),
        ("unique_id,ds,y\n\n\n", "header but no rows", None),
        ("unique_id,ds\na,1\n", r"no column 'y'; found 'unique_id', 'ds'.*target_col= \(--target-col NAME\)", None),
        ("unique_id,y\na,1\n", r"no column 'ds'; found.*time_col= \(--time-col NAME\)", None),
        ("store,ds,y\na,1,1\n", r"no column 'unique_id'; found 'store', 'ds', 'y'.*id_col= \(--id-col NAME\)", None),
        ("ds\n1\n", "no column 'y'", None),
        ("unique_id,ds,y,y\na,1,1,1\n", "'y' is there twice", None),
        ("unique_id,ds,y\na,1,1\na,2\n", "Line 3 has 2 fields, the header has 3", 3),
        ("unique_id,ds,y\na,1,1\na,2,1,5\n", "Line 3 has 4 fields.*decimal comma", 3),
        ("unique_id,ds,y\na,1,1\na,2,abc\n", "Line 3, column 'y': expected a number, got 'abc'", 3),
        ('unique_id,ds,y\na,1,1\na,2,"1,5"\n', "Line 3.*decimal point instead of a decimal comma", 3),
        ("unique_id;ds;y\na;1;1\na;2;1.234,5\n", "Line 3.*decimal comma", 3),
        ('unique_id,ds,y\na,1,"1,000"\n', "Line 2", 2),
        ("unique_id,ds,y\na,1,1_000\n", "Line 2.*got '1_000'.*without separators", 2),
        ("unique_id,ds,y\na,1,١٢\n", "Line 2.*expected a number", 2),
        ("unique_id,ds,y\na,1,$5\n", "Line 2.*currency", 2),
        ("unique_id,ds,y\na,1,0x10\n", "Line 2.*expected a number", 2),
        ("unique_id,ds,y\na,1,-\n", "Line 2.*Leave missing values empty", 2),
        ("unique_id,ds,y\na,1,1\na,2,inf\n", "line 3: the value is infinite", 3),
        ("unique_id,ds,y\na,1,1\na,2,-1e999\n", "line 3: the value is infinite", 3),
        ("unique_id,ds,y\na,1,1\na,2,1\na,1,1\n", "Series 'a', line 4: duplicate timestamp 1, already in line 2", 4),
        ("unique_id,ds,y\na,2024-01-01,1\na,2024-01-32,1\n", "Line 3, column 'ds': Expected a date.*2024-01-32", 3),
        ("unique_id,ds,y\na,2024-01-01,1\na,2023-02-29,1\n", "Line 3, column 'ds'", 3),
        ("unique_id,ds,y\na,2024-01-01,1\na,tomorrow,1\n", "Line 3.*got 'tomorrow'", 3),
        ("unique_id,ds,y\na,2024-01-01,1\na,now,1\n", "Line 3.*got 'now'", 3),
        ("unique_id,ds,y\na,2024-01-01,1\na,7,1\n", "Line 3.*got '7'", 3),
        ("unique_id,ds,y\na,31.12.2024,1\n", "Line 2.*year first", 2),
        ("unique_id,ds,y\na,12/31/2024,1\n", "Line 2.*year first", 2),
        ("unique_id,ds,y\na,1.5,1\n", "Line 2.*whole numbers", 2),
        ("unique_id,ds,y\na,2024-01-01T25:00,1\n", "Line 2", 2),
        ("unique_id,ds,y\na,99999999999999999999,1\n", "Line 2", 2),
        ("unique_id,ds,y\na,2024-01-01T00:00+25:00,1\n", "Line 2", 2),
        ("unique_id,ds,y\na,2024-01-01-05,1\n", "Line 2", 2),
        ("unique_id,ds,y\na,2024-01-01T00:00:00.0000001,1\n", "Line 2.*finer than a microsecond", 2),
        ("unique_id,ds,y\na,0000-01-01,1\na,0001-01-01,1\n", "line 2: Timestamp outside the years", 2),
        ("unique_id,ds,y\na,2024-01-01,1\na,,1\n", "Line 3: the timestamp is missing", 3),
        ("unique_id,ds,y\na,2024-01-01,1\na,2024-01-02T00:00Z,1\n", "Some timestamps have a UTC offset", None),
        ("unique_id,ds,y\na,1,1\n,2,1\n", "Line 3: the series id is empty", 3),
        ('unique_id,ds,y\na,1,"1\na,2,2\n', "quotation mark", 3),
        ("unique_id,ds,y\na,1,1\na,2,\0\n", "Line 3 holds a NUL byte", 3),
        (f"unique_id,ds,y\n{'a' * 200_000},1,1\n", "more than 131072 characters", 2),
        (f"unique_id,ds,y\na,1,1\na,2,{'1' * 2_000_000}\n", "Line 3 has more than 1000000 characters", 3),
        ("unique_id,ds,y\na,1,1\nb,é,1\n".encode("latin-1"), "line 3 is not UTF-8.*0xE9.*'é'.*iconv -f LATIN1", 3),
        ("unique_id,ds,é\na,1,1\n".encode("latin-1"), "line 1 is not UTF-8", 1),
        (LONG.encode("utf-16"), "UTF-16.*iconv", None),
        (LONG.encode("utf-16-le"), "NUL byte", 1),
        (gzip.compress(LONG.encode(), mtime=0), r"gzip file: name it .csv.gz", None),
        (b"PK\x03\x04rest", "spreadsheet", None),
        (b"PAR1rest", "Parquet", None),
        ("ds,north,shop\n1,1,open\n", "Line 2, column 'shop'.*every column is read as a series.*--id-col", 2),
        ("ds,y\n2024-01-01,1\n2024-01-02,1\n2024-01-02,1\n", "line 4: duplicate timestamp 2024-01-02", 4),
        ("ds,y\n2024-01-01,1\n", "no series has two.*--freq D", None),
        (
            "unique_id,ds,y\n" + "".join(f"a,2024-01-0{d},1\nb,2024-0{d}-01,1\n" for d in range(1, 7)),
            "mixed frequencies: series 'a' has 'D'.*'b' has 'MS'",
            None,
        ),
    ],
)
def test_bad_csv_names_the_place_and_the_remedy(text: str | bytes, message: str, row: int | None) -> None:
    with pytest.raises(InputError, match=f"(?s)^in.csv.*{message}") as caught:
        parse_csv(text, name="in.csv")
    assert caught.value.row == row
    assert len(str(caught.value)) < 600


def test_lines_are_right_after_blank_lines_and_quoted_line_ends() -> None:
    text = '\nunique_id,ds,y,note\n\na,1,1,"x\r\ny\nz"\n\na,2,oops,\n'
    with pytest.raises(InputError) as caught:
        parse_csv(text)
    # The line in which the row ends, as an editor counts.
    assert caught.value.row == 8
    assert text.splitlines()[7] == "a,2,oops,"


def test_faults_speak_of_the_users_columns() -> None:
    with pytest.raises(InputError) as caught:
        parse_csv("shop,day,sales\na,1,1\na,1,1\n", names=ColumnNames("shop", "day", "sales"))
    assert caught.value.column == "day"
    assert caught.value.series == "a"


def test_a_million_columns_are_refused_at_once() -> None:
    columns = ("ds," + ",".join(f"c{i}" for i in range(1_000_000))).encode()
    body = columns + b"\n" + b"1," * 1_000_000 + b"1\n"
    for text in (body, b"ds" + b",c" * 300_000 + b"\n"):
        tracemalloc.start()
        with pytest.raises(InputError, match="columns"):
            parse_csv(text)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 50_000_000


def test_limits() -> None:
    with pytest.raises(InputError, match="more than 3 rows"):
        parse_csv(LONG, limits=Limits(rows=3))
    with pytest.raises(InputError, match="3 columns; at most 2"):
        parse_csv(LONG, limits=Limits(columns=2))
    assert len(parse_csv(LONG, limits=Limits(rows=4, columns=3, line_characters=40, series=2))) == 2
    with pytest.raises(InputError, match="more than 1 series"):
        parse_csv(LONG, limits=Limits(series=1))
    with pytest.raises(InputError, match="more than 5 values"):  # a row of a wide table has many
        parse_csv("ds,a,b\n1,7,7\n2,7,7\n3,7,7\n", limits=Limits(rows=5))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(junk: bytes) -> None:
    for text in (junk, b"unique_id,ds,y\n" + junk, b"ds,y\n1,1\n2," + junk):
        with contextlib.suppress(InputError):
            assert len(parse_csv(text)) >= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=30))
def test_floats_survive_to_the_last_bit(values: list[float]) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["ds", "y"])
    writer.writerows(enumerate(values))
    assert parse_csv(text.getvalue()).values.tolist() == values


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet", ".CSV"])
def test_files_by_extension(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"in{ending}"
    if ending == ".parquet":
        pd.read_csv(io.StringIO(LONG), parse_dates=["ds"]).to_parquet(path)
    else:
        path.write_bytes(gzip.compress(LONG.encode()) if ending == ".csv.gz" else LONG.encode())
    assert same(read_panel(path), parse_csv(LONG))
    assert same(read_panel(str(path), freq="D"), parse_csv(LONG))


def test_bad_files(tmp_path: Path) -> None:
    packed = gzip.compress(LONG.encode() * 50)
    files = {
        "in.xlsx": (b"PK", "expected a file named .csv, .csv.gz, .parquet. Save the sheet as CSV"),
        "in": (b"", "expected a file named"),
        "short.csv.gz": (packed[:-30], "not a complete gzip file"),
        "plain.csv.gz": (LONG.encode(), "not a complete gzip file"),
        "flipped.csv.gz": (packed[:40] + b"\xff\xff" + packed[42:], "gzip"),
        "junk.parquet": (b"PAR1" + b"x" * 50, "not a Parquet file, or it is damaged"),
        "empty.parquet": (b"", "not a Parquet file, or it is damaged"),
        "empty.csv": (b"", "empty.csv: The file is empty"),
    }
    for name, (content, message) in files.items():
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_panel(path)
    with pytest.raises(InputError, match="no such file"):
        read_panel(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_panel(tmp_path / "folder.csv")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text(LONG)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("root reads everything")
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read_panel(path)


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("tz", [None, "Europe/Berlin", "UTC"])
@pytest.mark.parametrize("freq", ["h", "D"])
def test_frame_timestamps_and_zones_come_back(unit: str, tz: str | None, freq: str) -> None:
    frame = rows(80, freq, tz)
    frame["ds"] = frame["ds"].dt.as_unit(unit)
    panel = panel_from_frame(frame[:60])
    assert panel.frequency.alias == freq
    assert panel.timezone == tz
    result = forecast_to_frame(small_forecast(panel, 20))
    assert list(result["ds"]) == list(frame["ds"][60:])
    assert str(result["ds"].dt.tz) == str(tz)


def test_parquet_keeps_the_zone(tmp_path: Path) -> None:
    frame = rows(60, "h", "Europe/Berlin")
    frame.to_parquet(tmp_path / "in.parquet")
    panel = read_panel(tmp_path / "in.parquet")
    assert same(panel, panel_from_frame(frame))
    write_forecast(small_forecast(panel), tmp_path / "out.parquet")
    back = pd.read_parquet(tmp_path / "out.parquet")
    assert list(back["ds"]) == list(forecast_to_frame(small_forecast(panel))["ds"])
    assert str(back["ds"].dt.tz) == "Europe/Berlin"


@pytest.mark.parametrize(
    "column",
    [
        [1, 2, 3, 4],
        [1.0, 2.0, 3.0, 4.0],
        ["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"],
        [dt.date(2024, 1, d) for d in range(1, 5)],
        [dt.datetime(2024, 1, d) for d in range(1, 5)],
        [dt.datetime(2024, 1, d, tzinfo=dt.UTC) for d in range(1, 5)],
        [dt.datetime(2024, 3, 29 + d, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")) for d in range(3)]
        + [dt.datetime(2024, 4, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin"))],
        pd.Categorical(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04"]),
    ],
)
@pytest.mark.parametrize("dtype", [None, object])
def test_frame_timestamps_of_every_kind(column: list[object], dtype: type | None) -> None:
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.Series(column, dtype=dtype), "y": 1.0})
    panel = panel_from_frame(frame)
    assert panel.lengths.tolist() == [4]
    assert panel.frequency.alias in ("1", "D")


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None, 3], dtype="Float64"),
        pd.Series([1, None, 3], dtype="Int64"),
        pd.Series([1.0, np.nan, 3.0], dtype="float32"),
        pd.Series([decimal.Decimal(1), None, 3], dtype=object),
        pd.Series([1, np.nan, np.int8(3)], dtype=object),
    ],
)
def test_frame_values_of_every_kind(column: pd.Series[float]) -> None:
    panel = panel_from_frame(pd.DataFrame({"unique_id": "a", "ds": [1, 2, 3], "y": column}))
    np.testing.assert_array_equal(panel.values, [1, np.nan, 3])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": ["1", "2", "x"]}, "Row 1, column 'y': expected a number, got '1'.*astype"),
        ({"y": [1.0, "x", 2.0]}, "Row 2, column 'y'"),
        ({"y": [True, False, True]}, "Row 1, column 'y'"),
        ({"y": [1.0, np.inf, 1.0]}, "row 2: the value is infinite"),
        ({"y": pd.date_range("2024-01-01", periods=3)}, "expected numbers"),
        ({"ds": [1, 1, 2]}, "row 2: duplicate"),
        ({"ds": [0.5, 1, 2]}, "expected dates or whole numbers"),
        ({"ds": ["2024-01-01", "x", "2024-01-02"]}, "Row 2, column 'ds'.*got 'x'"),
        ({"ds": pd.Series(["2024-01-01", None, 3], dtype=object)}, "Row 2: the timestamp is missing"),
        ({"ds": pd.DatetimeIndex(["2024-01-01", "NaT", "2024-01-02"])}, "row 2: the timestamp is missing"),
        ({"ds": pd.period_range("2024-01", periods=3, freq="M")}, "periods"),
        ({"ds": [True, False, True]}, "expected dates"),
        ({"unique_id": ["a", None, "a"]}, "Row 2: the series id is missing"),
        ({"unique_id": [1.0, np.nan, 2.0]}, "Row 2: the series id is missing"),
    ],
)
def test_bad_frames(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        panel_from_frame(pd.DataFrame({"unique_id": "a", "ds": [1, 2, 3], "y": 1.0} | change))


def test_frame_columns() -> None:
    frame = rows()
    assert panel_from_frame(frame.set_index("unique_id")).ids == ("a",)
    assert panel_from_frame(frame.drop(columns="unique_id")).ids == ("y",)
    with pytest.raises(InputError, match="no column 'ds'; found 'unique_id', 'y'"):
        panel_from_frame(frame.drop(columns="ds"))
    with pytest.raises(InputError, match="twice"):
        panel_from_frame(pd.concat([frame, frame], axis=1))
    with pytest.raises(InputError, match="no rows"):
        panel_from_frame(frame[:0])
    integers = frame.assign(unique_id=[1, 1, 2, 2])
    assert panel_from_frame(integers, freq="D").ids == ("1", "2")


def test_mixed_offsets_in_a_frame() -> None:
    stamps = pd.date_range("2024-03-31", periods=5, freq="h", tz="Europe/Berlin")
    fixed = [stamp.to_pydatetime().replace(tzinfo=dt.timezone(stamp.utcoffset() or dt.timedelta())) for stamp in stamps]
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.Series(fixed, dtype=object), "y": 1.0})
    with pytest.raises(InputError, match="timezone="):
        panel_from_frame(frame)
    assert panel_from_frame(frame, timezone="Europe/Berlin").lengths.tolist() == [5]
    texts = frame.assign(ds=[stamp.isoformat() for stamp in stamps])
    assert panel_from_frame(texts, timezone="Europe/Berlin").time_labels(0) == list(texts["ds"])


def test_as_panel_takes_what_users_hold() -> None:
    panel = Panel.from_values([1, 2, 3])
    assert as_panel(panel) is panel
    for data in ([1, 2, 3], (1, 2, 3), np.array([1, 2, 3]), pd.Series([1, 2, 3]), range(1, 4)):
        assert same(as_panel(data), panel)
    many = as_panel({"a": [1, 2], 7: np.array([np.nan, 5.0, 6.0])})
    assert many.ids == ("a", "7")
    assert many.values.tolist() == [1, 2, 5, 6]
    assert many.future_times(1).tolist() == [[3], [4]]
    assert same(as_panel(rows()), panel_from_frame(rows()))


@pytest.mark.parametrize("data", [None, 5, "in.csv", b"1,2", {}, {"a": []}, {1: [1], "1": [2]}, [[1, 2]], object()])
def test_as_panel_refuses_the_rest(data: object) -> None:
    with pytest.raises(InputError):
        as_panel(data)


def test_forecast_columns_in_their_order() -> None:
    panel = parse_csv(LONG)
    columns = forecast_columns(small_forecast(panel))
    assert list(columns) == ["unique_id", "ds", "LSTM", "LSTM-lo-97.5", "LSTM-lo-80", "LSTM-hi-80", "LSTM-hi-97.5"]
    assert columns["unique_id"] == ["a", "a", "b", "b"]
    assert columns["ds"] == ["2024-01-03", "2024-01-04"] * 2
    ends = np.array([columns[name] for name in list(columns)[3:]])
    assert (np.diff(ends, axis=0) > 0).all()
    renamed = forecast_columns(small_forecast(panel), ColumnNames("shop", "day", "sales"))
    assert list(renamed)[:2] == ["shop", "day"]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".parquet"])
@pytest.mark.parametrize("text", [LONG, "ds,y\n-9,1\n-8,2\n"])
def test_written_forecasts_come_back(tmp_path: Path, ending: str, text: str) -> None:
    forecast = small_forecast(parse_csv(text))
    path = tmp_path / f"out{ending}"
    write_forecast(forecast, path)
    if ending == ".parquet":
        frame = pd.read_parquet(path)
    else:
        texts = pd.read_csv(path, dtype=str)
        stamps = texts["ds"].astype(int) if forecast.frequency.is_integer else pd.to_datetime(texts["ds"])
        numbers = {name: [float(text) for text in texts[name]] for name in texts.columns[2:]}
        frame = texts.assign(ds=stamps, **numbers)
    expected = forecast_to_frame(forecast)
    pd.testing.assert_frame_equal(frame, expected, check_dtype=False, check_exact=True)
    assert list(tmp_path.iterdir()) == [path]
    assert not stat.S_IMODE(path.stat().st_mode) & 0o111


def test_equal_forecasts_give_equal_files(tmp_path: Path) -> None:
    forecast = small_forecast(parse_csv(LONG))
    for name in ("one.csv.gz", "two.csv.gz"):
        write_forecast(forecast, tmp_path / name)
    assert (tmp_path / "one.csv.gz").read_bytes() == (tmp_path / "two.csv.gz").read_bytes()
    assert gzip.decompress((tmp_path / "one.csv.gz").read_bytes()).decode() == forecast_csv(forecast)


def test_formulas_are_defused_and_numbers_are_not(tmp_path: Path) -> None:
    ids = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "x=1", "'x"]
    write_columns({"unique_id": ids, "ds": [-1] * 8, "LSTM": [-0.1] * 8}, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(newline="") as stream:
        back = list(csv.reader(stream))[1:]
    assert [row[0] for row in back] == ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx", "x=1", "'x"]
    assert {tuple(row[1:]) for row in back} == {("-1", "-0.1")}


def test_outputs_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forecast = small_forecast(parse_csv(LONG))
    for name, message in (("out.xlsx", "format follows"), ("no/out.csv", "no folder"), (".", "is a folder")):
        with pytest.raises(OutputError, match=message):
            write_forecast(forecast, tmp_path / name)
    path = tmp_path / "out.csv"
    path.write_text("before")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"No space left on device\. Nothing was written"):
        write_forecast(forecast, path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_links_and_devices(tmp_path: Path) -> None:
    forecast = small_forecast(parse_csv(LONG))
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.csv"
    link.symlink_to(tmp_path / "real" / "target.csv")
    write_forecast(forecast, link)
    assert link.is_symlink()
    assert (tmp_path / "real" / "target.csv").read_text() == forecast_csv(forecast)
    write_forecast(forecast, "/dev/null")
    check_writable(tmp_path / "other.csv")
    with pytest.raises(OutputError, match=r"^/dev/full cannot be written: No space left on device\.$"):
        write_forecast(forecast, "/dev/full")


def test_a_reader_that_has_seen_enough_is_no_fault_of_the_output(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)

    class Leaving(list[int]):
        def __getitem__(self, key: Any) -> Any:
            os.close(reader)  # after the pipe was opened, before anything is written
            return super().__getitem__(key)

    with pytest.raises(BrokenPipeError):
        write_columns({"ds": Leaving([1])}, pipe)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.import_module

    def without(name: str) -> object:
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", without)
    (tmp_path / "in.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r'pip install "forecaster\[parquet\]"'):
        read_panel(tmp_path / "in.parquet")
    with pytest.raises(MissingExtraError, match="parquet"):
        write_forecast(small_forecast(parse_csv(LONG)), tmp_path / "out.parquet")


def test_what_we_return_is_at_home_in_utilsforecast() -> None:
    evaluation = pytest.importorskip("utilsforecast.evaluation")
    losses = importlib.import_module("utilsforecast.losses")
    panel = read_panel(DATA / "flights_daily.csv")
    result = forecast_to_frame(small_forecast(panel, 3))
    assert not result.isna().any(axis=None)
    scores = evaluation.evaluate(result.assign(y=1.0), metrics=[losses.mae], models=["LSTM"])
    assert len(scores) == 29
