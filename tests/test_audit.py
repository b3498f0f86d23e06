"""What is found in data before they are forecast."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest

from forecaster import Audit, ColumnNames, ConfigError, Forecaster, InputError, Limits, Panel, audit_csv, audit_panel
from forecaster import parse_csv as parse

DAYS = [str(day) for day in np.datetime64("2024-01-01") + np.arange(60)]
GOOD = "".join(f"good,{day},{1 + k % 7}\n" for k, day in enumerate(DAYS))


def audit(rows: str, **options: Any) -> Audit:
    return audit_csv(f"shop,day,sold\n{rows}", **options)


def told(found: Audit, severity: str | None = None) -> list[tuple[int | None, str | None, str | None]]:
    return [(one.line, one.series, one.column) for one in found.findings if severity in (None, one.severity)]


def test_a_sound_table() -> None:
    found = audit(GOOD)
    assert [(column.name, column.role) for column in found.columns] == [
        ("shop", "id"),
        ("day", "time"),
        ("sold", "target"),
    ]
    assert (found.layout, found.rows, found.names) == ("long", 60, ColumnNames("shop", "day", "sold"))
    assert found.panel is not None
    assert found.panel.frequency.alias == "D"
    series = found.series[0]
    assert (series.unique_id, series.start, series.end) == ("good", DAYS[0], DAYS[-1])
    assert (series.length, series.missing) == (60, 0)
    assert (found.findings, found.findings_total) == ((), 0)


FAULTS = {
    "text": ("bad,2024-01-01,x\nbad,2024-01-02,2\n", [(62, "sold")], "expected a number, got 'x'"),
    "a decimal comma": ('bad,2024-01-01,"2,5"\nbad,2024-01-02,2\n', [(62, "sold")], "Write a decimal point"),
    "several cells": (
        "bad,2024-01-01,x\nbad,2024-01-02,y\nbad,2024-01-03,2\nbad,2024-01-04,z\n",
        [(62, "sold"), (63, "sold"), (65, "sold")],
        "expected a number",
    ),
    "a timestamp that is none": ("bad,soon,1\nbad,2024-01-02,2\n", [(62, "day")], "column 'day': Expected a date"),
    "two of them": ("bad,soon,1\nbad,2024-01-02,2\nbad,late,2\n", [(62, "day"), (64, "day")], "Expected a date"),
    "a missing timestamp": ("bad,,1\nbad,2024-01-02,2\n", [(62, "day")], "timestamp is missing"),
    "timestamps twice": (
        "bad,2024-01-02,1\nbad,2024-01-02,2\nbad,2024-01-03,2\nbad,2024-01-03,2\nbad,2024-01-03,2\n",
        [(63, "day"), (65, "day"), (66, "day")],
        "duplicate timestamp",
    ),
    "off the grid": (
        "bad,2024-01-02,1\nbad,2024-01-03,2\nbad,2024-01-04T12:00,3\nbad,2024-01-05,2\n",
        [(64, "day")],
        "not on the grid",
    ),
    "a step that is none": ("bad,1,1\nbad,2,1\nbad,soon,1\nbad,4,1\n", [(64, "day")], "got 'soon'"),
    "infinite": ("bad,2024-01-02,1\nbad,2024-01-03,inf\nbad,2024-01-04,-inf\n", [(63, "sold"), (64, "sold")], "infin"),
    "all kinds at once": (
        "bad,2024-01-02,1\nbad,soon,x\nbad,2024-01-02,2\n",
        [(63, "day"), (63, "sold"), (64, "day")],
        "",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_a_series_are_told_by_line(name: str) -> None:
    rows, places, text = FAULTS[name]
    found = audit(GOOD + rows, freq="D")
    errors = [one for one in found.findings if one.severity == "error"]
    assert sorted((one.line, one.column) for one in errors) == places
    assert found.findings_total == len(found.findings)
    assert {one.series for one in errors} == {"bad"}
    assert {one.action for one in errors} == {"The series is left out."}
    assert all(text in one.problem for one in errors)
    assert [one.unique_id for one in found.series] == ["good"]
    first: dict[str, InputError] = {}
    parse(f"shop,day,sold\n{GOOD}{rows}", names=found.names, faults=first, freq="D")
    assert first["bad"].row in {line for line, _ in places}  # what a forecast says of it


def test_where_every_series_is_at_fault_that_is_what_is_found() -> None:
    found = audit("a,2024-01-01,x\na,2024-01-02,1\nb,2024-01-01,2\nb,2024-01-01,2\nb,2024-01-02,2\n")
    assert (found.panel, found.series) == (None, [])
    assert told(found) == [(2, "a", "sold"), (5, "b", "day")]
    one = audit_csv("day,sold\n2024-01-01,1\n2024-01-01,2\n2024-01-02,2\n")
    assert (one.layout, told(one)) == ("single", [(3, "sold", "day")])


WHOLE = {
    "not a table": ("", "empty", None),
    "a header alone": ("shop,day,sold\n", "no rows below it", None),
    "a ragged row": (f"shop,day,sold\n{GOOD}a,2024-01-01\n", "Line 62 has 2 fields", 62),
    "a quotation mark": ('shop,day,sold\na,"2024-01-01,1\n', "quotation mark that is opened", 2),
    "no id": (f"shop,day,sold\n{GOOD},2024-01-01,1\n", "Line 62: the series id is empty", 62),
    "no frequency": ("shop,day,sold\na,2024-01-01,1\n", "frequency cannot be told", None),
    "too many rows": (f"shop,day,sold\n{GOOD}", "more than 50 rows", None),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_fault_of_the_table_as_a_whole_is_raised(name: str) -> None:
    text, message, row = WHOLE[name]
    with pytest.raises(InputError, match=message) as caught:
        audit_csv(text, limits=Limits(rows=50) if name == "too many rows" else None, name="sales.csv")
    assert caught.value.row == row
    assert str(caught.value).startswith("sales.csv: ")


def test_frequencies_and_zones_are_as_for_a_forecast() -> None:
    found = audit("a,2024-01-01,1\nb,2024-01-01,2\n", freq="W-MON")
    assert found.panel is not None
    assert found.panel.frequency.alias == "W-MON"
    with pytest.raises(ConfigError, match="Unknown frequency"):
        audit(GOOD, freq="fortnight")
    with pytest.raises(ConfigError, match="Unknown time zone"):
        audit(GOOD, timezone="Mars/Olympus")
    hours = "".join(f"a,2024-03-{30 + k // 24}T{k % 24:02d}:00+01:00,{k}\n" for k in range(30))
    zoned = audit(hours, timezone="Europe/Berlin")
    assert zoned.series[0].end == "2024-03-31T06:00:00+02:00"


def test_missing_values_are_counted_by_their_kinds() -> None:
    rows = [f"a,{day},{k}" for k, day in enumerate(DAYS)]
    rows[0] = f"a,{DAYS[0]},"  # before the first value
    rows[9], rows[19] = f"a,{DAYS[9]},", f"a,{DAYS[19]},NA"
    del rows[40:43]
    found = audit("\n".join(rows) + "\n")
    gap = next(one for one in found.findings if "missing" in one.problem)
    where = f"{DAYS[9]}, {DAYS[19]}, {DAYS[40]} and so on"
    assert gap.problem == f"5 values of 59 missing (2 empty cells and 3 times without a row): {where}."
    assert (gap.severity, gap.line, gap.series, gap.column) == ("info", 11, "a", "sold")
    assert "nothing is made up for them" in gap.action
    start = next(one for one in found.findings if "begins with" in one.problem)
    assert (start.line, start.problem) == (2, "The series begins with 1 row without a value.")
    assert (found.series[0].start, found.series[0].length, found.series[0].missing) == (DAYS[1], 59, 5)
    many = audit("".join(f"a,{day},{k if k % 3 else ''}\n" for k, day in enumerate(DAYS)))
    assert [one.severity for one in many.findings if "empty cells" in one.problem] == ["warning"]


def test_empty_cells_of_a_wide_table() -> None:
    found = audit_csv(
        "day,north,south\n" + "".join(f"{day},{k},{'' if k in (3, 4) else k}\n" for k, day in enumerate(DAYS))
    )
    assert (found.layout, found.rows) == ("wide", 60)
    assert told(found) == [(5, "south", "south")]
    assert "2 values of 60 missing (2 empty cells)" in found.findings[0].problem


def test_what_is_odd_about_series() -> None:
    rows = [
        *(f"constant,{day},5" for day in DAYS),
        *(f"dips,{day},{-1 if k == 30 else k + 1}" for k, day in enumerate(DAYS)),
        *(f"early,{day},{k}" for k, day in enumerate(DAYS[:50])),
        *(f"few,{day},{k}" for k, day in enumerate(DAYS[-9:])),
        f"one,{DAYS[-1]},1",
        *(f"trailing,{day},{'' if k > 56 else k}" for k, day in enumerate(DAYS)),
    ]
    found = audit("\n".join(rows) + "\n")
    problems = {one.series: (one.severity, one.problem) for one in found.findings if "of 60 missing" not in one.problem}
    assert problems == {
        "constant": ("info", "All values of the series are 5."),
        "dips": ("warning", "1 value is negative, the other 59 are not."),
        "early": ("warning", f"The series ends at {DAYS[49]}, 10 steps before the newest one."),
        "few": ("warning", "The series has 9 values, few to tell what is usual for it."),
        "one": ("error", "The series has 1 value; 2 are the fewest that can be forecast."),
        "trailing": ("warning", "The series ends with 3 missing values."),
    }
    assert found.panel is not None
    skipped = Forecaster.pretrained("D").forecast(found.panel, h=1).skipped
    assert list(skipped) == ["one"]  # what is said to be left out is


def test_rows_out_of_order_and_odd_ids() -> None:
    rows = GOOD.splitlines()
    rows[10], rows[11] = rows[11], rows[10]
    found = audit("\n".join(rows) + "\n")
    assert [(one.severity, one.line, one.action) for one in found.findings] == [("info", 13, "The rows are sorted.")]
    found = audit(GOOD + GOOD.replace("good", "Good") + GOOD.replace("good", " other"))
    assert [(one.line, one.column, one.problem) for one in found.findings] == [
        (62, "shop", "'Good' is nearly the id 'good'."),
        (122, "shop", "The id ' other' begins or ends with a space."),
    ]
    sound = "".join(f"{name},{day},{k}\n" for k, day in enumerate(DAYS) for name in "ab")  # by time, not by series
    assert audit(sound).findings == ()


def test_a_wide_table_out_of_order() -> None:
    rows = [f"{day},{k},{k}" for k, day in enumerate(DAYS)]
    found = audit_csv("\n".join(["day,north,south", *rows[::-1]]))
    assert [(one.line, one.problem) for one in found.findings] == [(3, "The rows are not in the order of time.")]


def test_a_stream_is_read_from_its_beginning() -> None:
    text = f"shop,day,sold\n{GOOD}".encode()
    assert audit_csv(io.BytesIO(text)).rows == 60
    with gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(text))) as stream:
        assert audit_csv(stream).rows == 60  # type: ignore[arg-type]  # it reads and seeks as any other


def test_a_panel_tells_what_series_tell() -> None:
    panel = Panel.from_columns(["a"] * 40 + ["b"], [*range(40), 39], [*([1.0, None] * 20), 3], freq=1)
    found = audit_panel(panel)
    assert (found.columns, found.layout, found.rows, len(found.series)) == ((), "long", 21, 2)
    assert [(one.series, one.severity, one.problem[:30]) for one in found.findings] == [
        ("b", "error", "The series has 1 value; 2 are "),
        ("a", "warning", "20 values of 40 missing: 1, 3,"),
        ("a", "warning", "The series ends with 1 missing"),
        ("a", "info", "All values of the series are 1"),
    ]


UNREAD = "No more rows of the series were looked at; others may be at fault too."


def test_faults_are_looked_for_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each series is read once more for each of its faults; of all together no more rows than a bound."""
    rows = "".join(f"{name},{DAYS[0]},1\n{name},{DAYS[0]},2\n{name},{DAYS[0]},3\n" for name in ("b", "c", "d"))
    assert len(told(audit(GOOD + rows))) == 6
    monkeypatch.setattr("forecaster.row_findings._ROWS_LOOKED_AT_AGAIN", 9 + 3)  # three times, and once more
    found = audit(GOOD + rows).findings
    assert [(one.series, one.line) for one in found if one.severity == "error"] == [
        ("b", 63),
        ("b", 64),
        ("c", 66),
        ("d", 69),
    ]
    assert [one.series for one in found if one.problem == UNREAD] == ["c", "d"]


def test_findings_are_capped_and_counted() -> None:
    rows = "".join(f"s{k},2024-01-01,x\ns{k},2024-01-02,1\n" for k in range(500))
    found = audit(GOOD + rows)
    assert len(found.findings) == 200
    assert found.findings_total == 500
    assert told(found)[:2] == [(62, "s0", "sold"), (64, "s1", "sold")]
    assert len(audit(GOOD + rows, most=3).findings) == 3
    cells = "".join(f"bad,{day},x\n" for day in np.datetime64("2000-01-01") + np.arange(3000))
    assert audit(GOOD + cells).findings_total == 3000
    same = "".join(f"bad,{DAYS[0]},{k}\n" for k in range(100))
    last = audit(GOOD + same).findings[-1]
    assert (last.line, last.severity, last.problem) == (None, "info", UNREAD)
    twice = "".join(f"s{k},2024-01-01,1\ns{k},2024-01-01,1\n" for k in range(500))
    assert audit(GOOD + twice).findings_total == 500


MANY = 20_000
LONG_AGO = (np.datetime64("1700-01-01") + np.arange(MANY)).astype(str).tolist()
NAMES = ",".join(f"c{k}" for k in range(9_000))
HOSTILE = {
    "no number": "shop,day,sold\n" + "".join(f"a,{day},x\n" for day in LONG_AGO),
    "one time": "shop,day,sold\n" + "".join(f"a,{DAYS[0]},{k}\n" for k in range(MANY)),
    "no time": "shop,day,sold\n" + "".join(f"a,{day}x,1\n" for day in LONG_AGO),
    "every series": "shop,day,sold\n" + "".join(f"s{k},{DAYS[0]},1\ns{k},{DAYS[0]},1\n" for k in range(3_000)),
    "many columns": f"day,{NAMES}\n" + "\n".join(",".join([day] + ["1"] * 9_000) for day in DAYS[:9]),
    "many wrong columns": f"day,{NAMES}\n" + "\n".join(",".join([day] + ["1%"] * 9_000) for day in DAYS[:9]),
    "many like ids": "shop,day,sold\n"
    + "".join(f"{' ' * (k % 300)}s,{day},1\n" for day in DAYS[:50] for k in range(300)),
    "endless ids": "shop,day,sold\n" + "".join(f"{'a' * 90_000}{k},{day},1\n" for k in range(9) for day in DAYS[:3]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_tables_are_looked_at_like_others(name: str) -> None:
    """Each would take minutes if something were looked at anew for each row, column or series."""
    found = audit_csv(HOSTILE[name], freq="D")
    assert len(found.findings) <= 200 <= max(200, found.findings_total)
