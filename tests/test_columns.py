"""Which column holds what: by names that are given, and guessed where they are not."""

from __future__ import annotations

import io
import re
import string

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from forecaster import ColumnNames, ConfigError, Forecaster, InputError, parse_csv, read_panel
from forecaster.columns import choose_layout
from forecaster.guessing import guess_columns, guess_csv
from forecaster.tables import as_panel, forecast_csv

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]


def table(header: str, *columns: list[object]) -> str:
    return "\n".join([header, *(",".join(map(str, row)) for row in zip(*columns, strict=True))]) + "\n"


TWICE = [day for day in DAYS for _ in range(2)]
NUMBERS = [value * 1.5 for value in range(60)]
AB = ["a", "b"] * 30

LAYOUTS = {
    "long": (["unique_id", "ds", "y"], ColumnNames(), "long", ["id", "time", "target"]),
    "one series": (["ds", "y"], ColumnNames(), "single", ["time", "target"]),
    "wide": (["ds", "a", "b"], ColumnNames(), "wide", ["time", "series", "series"]),
    "no ids": (["ds", "y", "a", "b"], ColumnNames(id_col=""), "single", ["time", "target", "unused", "unused"]),
    "no ids, one column": (["ds", "a"], ColumnNames(id_col=""), "single", ["time", "target"]),
    "no ids of two": (["unique_id", "ds", "y"], ColumnNames(id_col=""), "single", ["unused", "time", "target"]),
    "all series": (["ds", "y", "a"], ColumnNames(target_col=""), "wide", ["time", "series", "series"]),
    "an index": (["", "ds", "a", "b"], ColumnNames(), "wide", ["unused", "time", "series", "series"]),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_names_tell_the_layout(name: str) -> None:
    columns, names, kind, roles = LAYOUTS[name]
    layout = choose_layout(columns, names)
    assert (layout.kind, layout.roles(len(columns))) == (kind, roles)


REFUSED = {
    "two columns of one name": (["ds", "y", "y"], ColumnNames(), "column 'y' is there twice"),
    "no values": (["ds", "a", "b"], ColumnNames(id_col=""), "no column 'y'.*target_col="),
    "nothing beside the times": (["ds"], ColumnNames(target_col=""), "no column 'y'"),
    "no ids said": (["ds", "y", "a"], ColumnNames(), "no column 'unique_id'.*id_col='' .--id-col ''. says so"),
    "one for two": (["ds", "y"], ColumnNames(id_col="ds"), "id_col and time_col are both 'ds'"),
    "ids in a wide table": (["a", "ds", "y"], ColumnNames(id_col="a", target_col=""), "'a' cannot hold ids"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_names_that_do_not_fit_are_refused(name: str) -> None:
    columns, names, message = REFUSED[name]
    with pytest.raises((InputError, ConfigError), match=message):
        choose_layout(columns, names)


def test_a_table_without_ids_is_one_series_however_it_comes() -> None:
    text = table("day,shop,sold", DAYS, ["x"] * 30, NUMBERS[:30])
    names = ColumnNames(id_col="", time_col="day", target_col="sold")
    expected = parse_csv(table("ds,sold", DAYS, NUMBERS[:30]), names=ColumnNames(target_col="sold"))
    for panel in (parse_csv(text, names=names), as_panel(pd.read_csv(io.StringIO(text)), names=names)):
        assert panel.ids == expected.ids == ("sold",)
        np.testing.assert_array_equal(panel.values, expected.values)
    model = Forecaster.pretrained("D")
    frame = model.predict(pd.read_csv(io.StringIO(text)), h=1, id_col="", time_col="day", target_col="sold")
    assert frame.columns[:2].tolist() == ["unique_id", "day"]  # a forecast has ids
    assert forecast_csv(model.forecast(expected, h=1), names).startswith("unique_id,day,LSTM")


GUESSES = {
    "as written here": (table("unique_id,ds,y", AB, TWICE, NUMBERS), ColumnNames()),
    "other columns beside": (table("unique_id,ds,y,sales", AB, TWICE, NUMBERS, NUMBERS), ColumnNames()),
    "steps": ("ds,y\n1,5\n2,6\n", ColumnNames()),
    "numbered stores": (
        table("Store,Date,Weekly_Sales", [1, 2] * 30, TWICE, NUMBERS),
        ColumnNames("Store", "Date", "Weekly_Sales"),
    ),
    "store numbers": (
        table("store_nbr,date,onpromotion,sales", [1, 2] * 30, TWICE, [0] * 60, NUMBERS),
        ColumnNames("store_nbr", "date", "sales"),
    ),
    "camels": (table("itemId,timeStamp,sold", AB, TWICE, NUMBERS), ColumnNames("itemId", "timeStamp", "sold")),
    "an index": (
        table(",DAY,sku,Price", list(range(60)), TWICE, AB, NUMBERS),
        ColumnNames("sku", "DAY", "Price"),
    ),
    "names that say nothing": (table("foo,bar,baz", AB, TWICE, NUMBERS), ColumnNames("foo", "bar", "baz")),
    "one series": (table("Month,#Passengers", DAYS, NUMBERS[:30]), ColumnNames("unique_id", "Month", "#Passengers")),
    "one series and more": (
        table("Date,Weather,Temp_Max,Wind", DAYS, ["rain", "sun"] * 15, NUMBERS[:30], NUMBERS[:30]),
        ColumnNames("", "Date", "Temp_Max"),
    ),
    "one series among numbers": (
        table("date,sales,discount", DAYS, NUMBERS[:30], [0] * 30),
        ColumnNames("", "date", "sales"),
    ),
    "one series with its name": (
        table("country,date,cases", ["DE"] * 30, DAYS, NUMBERS[:30]),
        ColumnNames("country", "date", "cases"),
    ),
    "wide": (table("month,North,South", DAYS, NUMBERS[:30], NUMBERS[:30]), ColumnNames(time_col="month")),
    "wide with a y": (
        table("date,y,sales", DAYS, NUMBERS[:30], NUMBERS[:30]),
        ColumnNames(time_col="date", target_col=""),
    ),
    "wide, of values": (
        table("Date,Open,High,Low,Close,Volume", DAYS, *[NUMBERS[:30]] * 5),
        ColumnNames(time_col="Date"),
    ),
    "decimal commas": ("Datum;Umsatz\n01.02.2024;1,5\n02.02.2024;2,5\n", ColumnNames("unique_id", "Datum", "Umsatz")),
    "dates that cannot be read": (
        table("id,date,value", AB, [f"{day[8:]}/01/2024" for day in TWICE], NUMBERS),
        ColumnNames("id", "date", "value"),
    ),
    "a column that counts": (table("n,level", list(range(30)), NUMBERS[:30]), ColumnNames("unique_id", "n", "level")),
    "numbered weeks": (
        table("shop,sales_week,sold", AB, [k // 2 for k in range(60)], NUMBERS),
        ColumnNames("shop", "sales_week", "sold"),
    ),
    "years": (table("Entity,Year,Life expectancy", AB, [1990 + k // 2 for k in range(60)], NUMBERS),
              ColumnNames("Entity", "Year", "Life expectancy")),
    "orders": (
        table("order_id,product,date,amount", list(range(120)), AB * 2, [*TWICE, *TWICE], NUMBERS * 2),
        ColumnNames("product", "date", "amount"),
    ),
    "more series than rows are looked at": (
        table("date,sku,sold", [DAYS[0]] * 1500 + [DAYS[1]] * 1500, [f"s{k % 1500}" for k in range(3000)], [3] * 3000),
        ColumnNames("sku", "date", "sold"),
    ),
    "missing values": ("shop,day,sold\na,2024-01-01,\na,2024-01-02,NA\nb,2024-01-01,3\nb,2024-01-02,\n",
                       ColumnNames("shop", "day", "sold")),
    "some cells at fault": (
        "shop,day,sold\na,2024-01-01,x\nb,2024-01-01,2\na,2024-01-02,3\nb,soon,4\na,2024-01-04,3\n",
        ColumnNames("shop", "day", "sold"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESSES)
def test_columns_are_guessed(name: str) -> None:
    text, names = GUESSES[name]
    assert guess_csv(text) == names


UNTOLD = {
    "no times": ("foo,bar\nx,z\nz,z\n", "the timestamps cannot be told; found 'foo', 'bar'.*time_col=", "time_col"),
    "no values": ("date,comment,mood\n2024-01-01,a,b\n", "the values cannot be told; found 'date'", "target_col"),
    "two ids": (
        table("date,store,item,sales", [d for d in DAYS for _ in range(4)], [1, 1, 2, 2] * 30, [1, 2] * 60, [5] * 120),
        "told apart by 'store' and 'item' together",
        "store",
    ),
}


@pytest.mark.parametrize("name", UNTOLD)
def test_what_cannot_be_told_is_said(name: str) -> None:
    text, message, column = UNTOLD[name]
    with pytest.raises(InputError, match=message) as caught:
        guess_csv(text, name="The file")
    assert str(caught.value).startswith("The file: ")
    assert caught.value.column == column


def test_what_is_given_is_never_overruled() -> None:
    text = table("store,item,date,shipped,sales,price", AB, ["x"] * 60, TWICE, TWICE, NUMBERS, NUMBERS)
    assert guess_csv(text) == ColumnNames("store", "date", "sales")
    assert guess_csv(text, id_col="item") == ColumnNames("item", "date", "sales")
    assert guess_csv(text, time_col="shipped") == ColumnNames("store", "shipped", "sales")
    assert guess_csv(text, target_col="price") == ColumnNames("store", "date", "price")
    assert guess_csv(text, id_col="") == ColumnNames("", "date", "sales")
    assert guess_csv(text, target_col="") == ColumnNames("unique_id", "date", "")
    assert (
        guess_csv(table("unique_id,ds,y,sales", AB, TWICE, NUMBERS, NUMBERS), target_col="sales").target_col == "sales"
    )
    for wrong in ({"id_col": "shop"}, {"time_col": "day"}, {"target_col": "sold"}):
        with pytest.raises(InputError, match=f"no column '{next(iter(wrong.values()))}'"):
            guess_csv(text, **wrong)


def test_a_table_reads_as_it_was_guessed() -> None:
    for text, names in GUESSES.values():
        if not {"01.02.2024", "01/01/2024", "order_id", "soon"} & set(re.split("[,;\n]", text)):
            assert parse_csv(text, names=names, faults={}).ids


def test_the_data_of_this_repository_are_told() -> None:
    for path in ("flights_daily", "notes_daily", "seattle_weather_daily"):
        with open(f"data/{path}.csv", "rb") as file:  # noqa: PTH123 - a stream that can seek
            names = guess_csv(file)
        assert names == ColumnNames()
        assert read_panel(f"data/{path}.csv", names=names).ids


CELLS = st.text(string.printable, max_size=6) | st.sampled_from(["1", "2024-01-01", "", "a", "1,5"])


@given(st.data())
def test_whatever_comes_it_is_told_or_refused(data: st.DataObject) -> None:
    header = data.draw(st.lists(st.text(string.printable, max_size=8), min_size=1, max_size=5))
    row = st.lists(CELLS, min_size=len(header), max_size=len(header))
    rows = data.draw(st.lists(row, max_size=8))
    try:
        names = guess_columns(header, rows)
    except (InputError, ConfigError):
        return
    choose_layout(header, names)
