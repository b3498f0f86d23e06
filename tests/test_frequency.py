from __future__ import annotations

from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forecaster.errors import ConfigError, InputError
from forecaster.frequency import Frequency

ALIASES = [
    *(
        "D",
        "2D",
        "7D",
        "B",
        "W-SUN",
        "W-MON",
        "W-THU",
        "2W-WED",
        "MS",
        "ME",
        "3MS",
        "5ME",
        "QS-JAN",
        "QE-DEC",
        "QS-FEB",
    ),
    *("QE-JAN", "2QS-JAN", "YS-JAN", "YE-DEC", "YS-APR", "YE-JUN", "4YS-JAN"),
    *("h", "6h", "24h", "min", "15min", "90min", "s", "250ms"),
]
STARTS = ["1968-01-05", "1999-11-17", "2023-12-31", "2024-02-28", "2024-02-29", "2100-02-28"]


@pytest.mark.parametrize("alias", [a for a in ALIASES if a != "4YS-JAN"])  # pandas 2.2 starts it a year off
@pytest.mark.parametrize("start", STARTS)
def test_calendar_agrees_with_pandas(alias: str, start: str) -> None:
    expected = pd.date_range(start, periods=90, freq=alias).to_numpy()
    frequency = Frequency.parse(alias)
    ordinals = frequency.to_ordinals(expected)
    assert (np.diff(ordinals) == 1).all()
    phase = frequency.phase_of(expected[:1])[0]
    assert (frequency.phase_of(expected) == phase).all()
    assert (frequency.from_ordinals(ordinals[0] + np.arange(90), phase=phase) == expected).all()


@settings(max_examples=60, deadline=None)
@given(
    alias=st.sampled_from(["D", "B", "W-FRI", "MS", "ME", "QS-JAN", "QE-FEB", "YS-JAN", "YE-DEC", "h", "15min"]),
    start=st.datetimes(min_value=datetime(1700, 1, 1), max_value=datetime(2200, 1, 1)),
    steps=st.integers(2, 40),
)
def test_any_start_agrees_with_pandas(alias: str, start: datetime, steps: int) -> None:
    expected = pd.date_range(start, periods=steps, freq=alias).to_numpy()
    frequency = Frequency.parse(alias)
    ordinals = frequency.to_ordinals(expected)
    phase = frequency.phase_of(expected[:1])[0]
    assert (frequency.from_ordinals(ordinals[0] + np.arange(steps), phase=phase) == expected).all()


@pytest.mark.parametrize("alias", [a for a in ALIASES if a not in ("7D", "3MS", "2QS-JAN", "24h")])
def test_infers_what_pandas_made(alias: str) -> None:
    times = pd.date_range("2024-01-01", periods=60, freq=alias).to_numpy()
    assert Frequency.infer([times]) == Frequency(alias)


@pytest.mark.parametrize("alias", ["D", "B", "W-SUN", "MS", "ME", "QS-JAN", "h", "15min"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_infers_through_gaps_in_any_order_and_unit(alias: str, unit: str) -> None:
    times = pd.date_range("2023-11-17", periods=60, freq=alias).to_numpy().astype(f"datetime64[{unit}]")
    kept = np.delete(times, [3, 4, 17, 30, 31, 32])
    assert Frequency.infer([kept[::-1], times[:1]]) == Frequency(alias)


@pytest.mark.parametrize(
    ("spelling", "alias"),
    [
        *(("M", "ME"), ("Q", "QE"), ("A", "YE"), ("Y", "YE"), ("AS", "YS"), ("H", "h"), ("T", "min"), ("15T", "15min")),
        *(("S", "s"), ("W", "W-SUN"), ("2W", "2W-SUN"), ("1D", "D"), ("d", "D"), ("60min", "h"), ("QS-OCT", "QS")),
        *(
            ("A-DEC", "YE"),
            ("YS-JAN", "YS"),
            (7, "7"),
            (np.int64(2), "2"),
            ("1", "1"),
            (" D ", "D"),
            ("w-mon", "W-MON"),
        ),
    ],
)
def test_retired_and_equal_spellings(spelling: str | int, alias: str) -> None:
    assert Frequency.parse(spelling).alias == alias
    assert Frequency.parse(Frequency.parse(spelling)) == Frequency(alias)


@pytest.mark.parametrize(
    "alias",
    [
        *(
            "",
            " ",
            "0",
            "-1",
            "0D",
            "-D",
            "X",
            "m",
            "daily",
            "D-MON",
            "W-JAN",
            "MS-JAN",
            "QS-MON",
            "1-MON",
            "1.5h",
            "ns",
        ),
        *("9" * 30 + "D", "9" * 30, "٣D", "D\n\nD", True, False, 0, -3, 1.0, None),
    ],
)
def test_unknown_frequency_lists_what_is_known(alias: object) -> None:
    with pytest.raises(ConfigError, match="Expected a pandas alias"):
        Frequency.parse(alias)  # type: ignore[arg-type]  # what a caller without a type checker may pass


@pytest.mark.parametrize(
    ("alias", "season"),
    [
        *(("D", 7), ("B", 5), ("h", 24), ("W", 52), ("MS", 12), ("ME", 12), ("QS", 4), ("QE", 4), ("YS", 1), ("YE", 1)),
        *(("15min", 96), ("min", 1440), ("s", 3600), ("1", 1), ("7D", 1), ("3MS", 4), ("6h", 4), ("24h", 7), ("7h", 1)),
    ],
)
def test_season(alias: str, season: int) -> None:
    assert Frequency.parse(alias).season == season


def test_integers() -> None:
    frequency = Frequency.parse(5)
    assert frequency.is_integer
    times = np.array([3, 8, 13, 28])
    ordinals = frequency.to_ordinals(times)
    assert (ordinals - ordinals[0]).tolist() == [0, 1, 2, 5]
    assert frequency.from_ordinals(ordinals, phase=3).tolist() == times.tolist()
    assert Frequency.infer([times, np.array([0, 5])]).alias == "5"
    assert Frequency.infer([np.array([1, 2, 3, 27, 28, 29, 30])]).alias == "1"


def test_off_the_grid_names_the_row() -> None:
    times = np.array(["2024-01-01", "2024-02-01", "2024-02-15"], "datetime64[D]")
    with pytest.raises(InputError, match="2024-02-15 is not on the grid of 'MS'") as caught:
        Frequency.parse("MS").to_ordinals(times)
    assert caught.value.row == 3


@pytest.mark.parametrize(("alias", "times"), [("1", np.array(["2024-01-01"], "M8[D]")), ("D", np.array([1, 2]))])
def test_dates_and_integers_do_not_mix(alias: str, times: np.ndarray) -> None:
    with pytest.raises(InputError, match="freq"):
        Frequency.parse(alias).to_ordinals(times)


def days(start: str, periods: int, freq: str) -> np.ndarray:
    return pd.date_range(start, periods=periods, freq=freq).to_numpy()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (days("2024-01-01", 30, "D"), days("2024-01-01", 30, "W-MON")),
        (days("2024-01-01", 3, "D"), days("2024-01-01", 3, "MS")),
        (days("2024-01-01", 30, "h"), days("2024-01-01", 10, "D")),
        (days("2024-01-01", 12, "MS"), days("2024-01-31", 12, "ME")),
        (days("2024-01-01", 30, "15min"), days("2024-01-01", 30, "h")),
        (days("2000-01-01", 30, "MS"), days("2000-01-01", 30, "QS")),
        (np.arange(20), np.arange(0, 100, 5)),
    ],
)
def test_mixed_frequencies_name_two_series(one: np.ndarray, other: np.ndarray) -> None:
    for pair in ([one, other], [other, one]):
        with pytest.raises(InputError, match=r"mixed frequencies: series '[ab]'.*freq=") as caught:
            Frequency.infer(pair, ids=["a", "b"])
        assert caught.value.series in ("a", "b")


def test_irregular_timestamps_name_the_series() -> None:
    times = days("2024-01-01", 40, "D") + np.arange(40) ** 2 % 7 * np.timedelta64(61, "s")
    with pytest.raises(InputError, match=r"series 'a' follow no regular step.*freq="):
        Frequency.infer([times], ids=["a"])


@pytest.mark.parametrize("times", [[], [np.array([5])], [np.array([1]), np.array([2])]])
def test_too_few_timestamps(times: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="no series has two"):
        Frequency.infer(times)


def test_a_sparse_series_beside_a_daily_one_has_gaps() -> None:
    sparse = days("2024-01-01", 30, "D")[[0, 2, 7, 9, 20]]
    assert Frequency.infer([days("2024-01-01", 60, "D"), sparse]).alias == "D"
