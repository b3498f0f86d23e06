from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import ConfigError, InputError
from forecaster.frequency import Frequency
from forecaster.gate import Rows, _as_they_are, _laid_out, place_in_time
from forecaster.panel import Panel


def dates(start: str, periods: int, freq: str = "D") -> np.ndarray:
    return pd.date_range(start, periods=periods, freq=freq).to_numpy()


def one_series(times: np.ndarray, **options: object) -> Panel:
    return Panel.from_columns(["a"] * len(times), times, np.arange(float(len(times))), **options)  # type: ignore[arg-type]  # options vary


def test_rows_in_any_order_give_the_same_panel() -> None:
    ids = ["a"] * 5 + ["b"] * 3
    times = np.concatenate([dates("2024-02-27", 5), dates("2024-01-01", 3)])
    values = np.arange(8.0)
    shuffled = np.array([3, 0, 6, 1, 5, 2, 7, 4])
    panel = Panel.from_columns(ids, times, values)
    other = Panel.from_columns([ids[i] for i in shuffled], times[shuffled], values[shuffled])
    assert panel.ids == other.ids == ("a", "b")
    assert panel.values.tolist() == other.values.tolist() == values.tolist()
    assert panel.offsets.tolist() == other.offsets.tolist() == [0, 5, 8]
    assert (panel.times(0) == times[:5]).all()
    assert (panel.times(1) == times[5:]).all()
    assert panel.values.dtype == np.float64


def test_gaps_and_missing_values_are_nan_not_zero() -> None:
    times = dates("2024-01-01", 8)[[0, 1, 2, 5, 7]]
    panel = Panel.from_columns(["a"] * 5, times, [np.nan, 1.0, np.nan, 4.0, np.nan])
    np.testing.assert_array_equal(panel.series(0), [1, np.nan, np.nan, np.nan, 4, np.nan, np.nan])
    assert panel.time_labels(0)[0] == "2024-01-02"  # leading missing values are trimmed
    assert panel.future_labels(1) == [["2024-01-09"]]  # trailing ones are not
    assert panel.observed.tolist() == [2]


def test_a_series_without_any_value_stays() -> None:
    panel = Panel.from_columns(["a", "a", "b", "b"], [1, 2, 1, 2], [1, 2, np.nan, np.nan])
    assert panel.ids == ("a", "b")
    assert panel.observed.tolist() == [2, 0]
    assert panel.lengths.tolist() == [2, 2]


def test_the_lecture_notes() -> None:
    days = np.array([1, 2, 3, 27, 28, 29, 30])
    panel = Panel.from_columns(["y"] * 7, days, [15, 20, 12, 30, 45, 43, 38])
    assert panel.lengths.tolist() == [30]
    assert panel.observed.tolist() == [7]
    assert panel.future_times(7).tolist() == [[31, 32, 33, 34, 35, 36, 37]]
    assert panel.future_labels(2) == [["31", "32"]]


def test_a_bare_sequence_counts_from_one() -> None:
    panel = Panel.from_values([1, 2, None, 4.5])
    assert panel.ids == ("y",)
    assert panel.times(0).tolist() == [1, 2, 3, 4]
    np.testing.assert_array_equal(panel.series(0), [1, 2, np.nan, 4.5])
    assert panel.future_times(2).tolist() == [[5, 6]]
    assert Panel.from_values(iter([7.0]), unique_id="z").ids == ("z",)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "no rows"),
        ([1.0, float("inf")], "infinite"),
        ([1.0, "2"], "Row 2: expected a number, got '2'"),
        ([1.0, "1_000"], "Row 2"),
        ([True, False], "Row 1"),
        ([[1.0, 2.0]], "shape"),
        ([10**400], "Row 1"),
    ],
)
def test_a_bare_sequence_of_something_else(values: list[object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Panel.from_values(values)  # type: ignore[arg-type]  # what a caller without a type checker may pass


def test_a_bare_sequence_has_no_dates() -> None:
    with pytest.raises(ConfigError, match="no dates"):
        Panel.from_values([1, 2], freq="D")


@pytest.mark.parametrize("freq", ["D", "B", "W-MON", "2W-SUN", "MS", "ME", "QE-DEC", "YS-JAN", "YE-DEC", "h", "15min"])
@pytest.mark.parametrize("start", ["2023-11-17 05:07", "2024-02-28", "2027-12-30"])
def test_future_timestamps_agree_with_pandas(freq: str, start: str) -> None:
    expected = dates(start, 60, freq)
    panel = one_series(expected[:40], freq=freq)
    assert (panel.future_times(20)[0] == expected[40:]).all()


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_every_observed_value_is_found_at_its_time(data: st.DataObject) -> None:
    kept = data.draw(st.lists(st.integers(0, 60), min_size=3, max_size=40, unique=True))
    freq = data.draw(st.sampled_from(["D", "MS", "ME", "B", "h", "W-TUE"]))
    times = dates("2023-12-29", 61, freq)[kept]
    panel = Panel.from_columns(["a"] * len(kept), times, np.array(kept, float), freq=freq)
    found = dict(zip(panel.times(0).tolist(), panel.series(0).tolist(), strict=True))
    assert {t: found[t] for t in times.astype("datetime64[us]").tolist()} == dict(
        zip(times.astype("datetime64[us]").tolist(), map(float, kept), strict=True)
    )
    assert panel.observed.tolist() == [len(kept)]


@settings(max_examples=200, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    freq=st.sampled_from(["D", "2h", "15min", "3", "MS"]),
    unit=st.sampled_from(["s", "ms", "us", "ns"]),
    data=st.data(),
)
def test_rows_that_are_a_grid_already_are_seen_to_be_one(
    lengths: list[int], freq: str, unit: str, data: st.DataObject
) -> None:
    frequency = Frequency.parse(freq)
    begins = [data.draw(st.integers(0, 40)) for _ in lengths]
    times = np.concatenate(
        [frequency.from_ordinals(begin + np.arange(length)) for begin, length in zip(begins, lengths, strict=True)]
    )
    times = times if frequency.is_integer else times.astype(f"datetime64[{unit}]")
    codes, values = np.repeat(np.arange(len(lengths)), lengths), np.arange(float(sum(lengths)))
    nothing = data.draw(st.sets(st.integers(0, len(values) - 1), max_size=1))
    values[list(nothing)] = np.nan
    if data.draw(st.booleans()):  # rows in another order, or one that is not there
        kept = np.array(data.draw(st.permutations(range(len(values)))))[: data.draw(st.integers(1, len(values)))]
        kept = kept if data.draw(st.booleans()) else np.sort(kept)
        codes, times, values = np.unique(codes[kept], return_inverse=True)[1], times[kept], values[kept]
    rows = Rows(tuple("abcd"[: codes.max() + 1]), codes, times, values, np.arange(7, 7 + len(codes))).check()
    placed, _ = place_in_time(rows, frequency, None, utc=False)
    slow, quick = _laid_out(rows, placed, frequency, guessed=False), _as_they_are(rows, placed, frequency)
    is_grid = (
        (np.diff(codes) >= 0).all() and len(slow.values) == len(values) and np.array_equal(slow.values, values, True)
    )
    starts = slow.lines is not None and (slow.lines - 7 == slow.offsets[:-1]).all()
    assert (quick is not None) == bool(
        frequency.tick and is_grid and starts and not np.isnan(values[slow.offsets[:-1]]).any()
    )
    for name in ("values", "offsets", "starts", "phases", "lines") if quick is not None else ():
        np.testing.assert_array_equal(getattr(quick, name), getattr(slow, name))


def test_phases_differ_between_series() -> None:
    times = np.concatenate([dates("2024-01-01 00:07", 4, "15min"), dates("2024-01-01 00:03", 4, "15min")])
    panel = Panel.from_columns(["a"] * 4 + ["b"] * 4, times, np.ones(8))
    assert panel.frequency.alias == "15min"
    assert panel.future_labels(1) == [["2024-01-01T01:07:00"], ["2024-01-01T01:03:00"]]
    assert panel.select([1]).future_labels(1) == [["2024-01-01T01:03:00"]]


@pytest.mark.parametrize(
    ("start", "zone", "freq"),
    [
        ("2024-03-30", "Europe/Berlin", "h"),
        ("2024-10-26", "Europe/Berlin", "30min"),
        ("2024-04-06", "Australia/Lord_Howe", "h"),  # half an hour of daylight saving
        ("2024-11-02", "America/New_York", "15min"),
        ("2024-03-30", "Europe/Berlin", "6h"),
        ("2024-01-01", "Asia/Kolkata", "h"),
    ],
)
def test_instants_over_daylight_saving_agree_with_pandas(start: str, zone: str, freq: str) -> None:
    expected = pd.date_range(start, periods=80, freq=freq, tz=zone)
    instants = expected.tz_convert("UTC").tz_localize(None).to_numpy()
    panel = one_series(instants[:24], timezone=zone, utc=True)
    assert panel.frequency.alias == freq
    assert panel.future_labels(56)[0] == [stamp.isoformat() for stamp in expected[24:]]
    assert (panel.future_times(56)[0] == instants[24:]).all()


@pytest.mark.parametrize("freq", ["h", "30min"])
def test_wall_clock_over_daylight_saving(freq: str) -> None:
    expected = pd.date_range("2024-10-26", periods=120, freq=freq, tz="Europe/Berlin")
    wall = expected.tz_localize(None).to_numpy()  # two in the morning comes twice
    panel = one_series(wall, timezone="Europe/Berlin")
    assert panel.lengths.tolist() == [120]
    assert panel.time_labels(0) == [stamp.isoformat() for stamp in expected]


def test_days_follow_the_wall_clock() -> None:
    expected = pd.date_range("2024-03-20", periods=20, freq="D", tz="Europe/Berlin")
    instants = expected.tz_convert("UTC").tz_localize(None).to_numpy()  # 23:00 and 22:00 o'clock
    panel = one_series(instants[:15], timezone="Europe/Berlin", utc=True)
    assert panel.frequency.alias == "D"
    assert panel.future_labels(5)[0] == [str(stamp.date()) for stamp in expected[15:]]
    at_six = one_series(dates("2024-03-28 06:00", 3), timezone="Europe/Berlin")
    assert at_six.future_labels(1) == [["2024-03-31T06:00:00+02:00"]]


def test_a_day_of_elapsed_time_is_not_a_calendar_day() -> None:
    instants = dates("2024-03-20", 15)
    panel = one_series(instants, timezone="Europe/Berlin", utc=True)
    assert panel.frequency.alias == "24h"
    assert panel.future_labels(1) == [["2024-04-04T02:00:00+02:00"]]


def test_a_time_that_the_clock_skips() -> None:
    with pytest.raises(InputError, match="line 5: 2024-03-31T02:00:00 does not exist in Europe/Berlin") as caught:
        one_series(dates("2024-03-31", 4, "h"), timezone="Europe/Berlin", lines=np.array([3, 4, 5, 6]))
    assert caught.value.row == 5


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe", "+25:00", "/etc/passwd"])
def test_unknown_time_zone(zone: str) -> None:
    with pytest.raises(ConfigError, match="Unknown time zone"):
        one_series(dates("2024-01-01", 3), timezone=zone)


def test_integers_have_no_time_zone() -> None:
    with pytest.raises(ConfigError, match="needs dates"):
        one_series(np.arange(3), timezone="UTC")


def test_fixed_offset() -> None:
    panel = one_series(dates("2024-03-31", 4, "h"), timezone="+05:30")
    assert panel.future_labels(1) == [["2024-03-31T04:00:00+05:30"]]


@pytest.mark.parametrize(
    ("times", "values", "message", "row"),
    [
        ([1, 2, 1], [1, 2, 3], "row 3: duplicate timestamp 1, already in row 1", 3),
        ([1, 1], [1, 1], "row 2: duplicate timestamp", 2),
        ([1, 2, 3], [1, -np.inf, 3], "row 2: the value is infinite", 2),
        (np.array(["2024-01-01", "NaT"], "M8[s]"), [1, 2], "row 2: the timestamp is missing", 2),
        (np.array(["20240-01-01", "2024-01-01"], "M8[s]"), [1, 2], "row 1: Timestamp outside the years", 1),
        (np.array([0, 1, 2], "M8[ns]"), [1, 2, 3], "row 2: the timestamp is finer than a microsecond", 2),
        (np.array([0.5, 1]), [1, 2], "Expected timestamps", None),
        ([0, 2**62], [1, 2], "row 2: the time step is too large", 2),
        ([1, 2], [1, 2, 3], "equal length", None),
        ([], [], "no rows", None),
    ],
)
def test_faulty_rows_are_named(times: object, values: object, message: str, row: int | None) -> None:
    ids = ["a"] * len(times)  # type: ignore[arg-type]  # lists and arrays
    with pytest.raises(InputError, match=message) as caught:
        Panel.from_columns(ids, times, values)
    assert caught.value.row == row
    assert caught.value.series == ("a" if row else None)


def test_off_grid_names_series_and_row() -> None:
    times = np.array(["2024-01-01", "2024-02-01", "2024-02-15"], "M8[D]")
    with pytest.raises(InputError, match="Series 'a', row 3: the timestamp 2024-02-15 is not on the grid of 'MS'"):
        one_series(times, freq="MS")


def test_a_slip_in_a_year_does_not_eat_the_memory() -> None:
    times = np.append(dates("2024-01-01", 50, "s"), np.datetime64("1924-01-01"))
    with pytest.raises(InputError, match="nearly all missing"):
        one_series(times, freq="s")


def test_parts_of_a_panel_join_to_the_whole() -> None:
    times = np.array([4, 14, 24, 7, 17, 1, 11, 21, 31])
    whole = Panel.from_columns(list("aaabbcccc"), times, np.arange(9.0), freq=10)
    again = Panel.joined([whole.select([0, 1]), whole.select([2])])
    assert (again.ids, again.frequency) == (whole.ids, whole.frequency)
    np.testing.assert_array_equal(again.values, whole.values)
    np.testing.assert_array_equal(again.offsets, whole.offsets)
    np.testing.assert_array_equal(again.future_times(2), whole.future_times(2))


def test_head_select_and_tail() -> None:
    panel = Panel.from_columns(["a"] * 5 + ["b"] * 2, [1, 2, 3, 4, 5, 1, 2], np.arange(7.0), lines=np.arange(2, 9))
    head = panel.head(2)
    assert head.ids == ("a",)
    assert head.values.tolist() == [0, 1, 2]
    assert head.future_times(2).tolist() == [[4, 5]]
    assert len(panel.head(9)) == 0
    assert panel.head(0).values.tolist() == panel.values.tolist()
    swapped = panel.select([1, 0])
    assert swapped.ids == ("b", "a")
    assert swapped.values.tolist() == [5, 6, 0, 1, 2, 3, 4]
    assert swapped.lines is not None
    assert swapped.lines.tolist() == [7, 2]
    np.testing.assert_array_equal(panel.tail_values(3), [[2, 3, 4], [np.nan, 5, 6]])
    assert panel.tail_values(0).shape == (2, 0)
    assert panel.future_times(0).shape == (2, 0)


def test_a_million_rows_are_spread_without_loops() -> None:
    ids = np.repeat([f"s{i}" for i in range(1000)], 300)
    panel = Panel.from_columns(ids, np.tile(dates("2020-01-01", 300), 1000), np.arange(300_000.0))
    assert len(panel) == 1000
    assert panel.values.tolist() == list(range(300_000))


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys, json; from forecaster.tables import parse_csv, forecast_csv;"
        "parse_csv('ds,y\\n2024-01-01,1\\n2024-01-02,2\\n', timezone='Europe/Berlin').future_labels(3);"
        "print(json.dumps(sorted({'pandas', 'pyarrow', 'scipy', 'numba'} & set(sys.modules))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  # our own code
    assert json.loads(done.stdout) == []
