"""Frames of polars and pyarrow: in and out, with the same numbers as frames of pandas."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from forecaster import Forecaster, InputError, MissingExtraError, NetworkConfig, Panel
from tests.examples import tiny, trained

pl = pytest.importorskip("polars", reason="polars is not installed: make test SCALE=1")
pytest.importorskip("narwhals", reason="narwhals is not installed: make test SCALE=1")

N = 40


def days(kind: Any) -> Any:
    """Return two series of 40 days as a polars frame, whose times are of this kind."""
    first = date(2024, 1, 1)
    ds = pl.Series("ds", [first + timedelta(days=k) for k in range(N)] * 2)
    values = [5 + k % 7 + i for i in range(2) for k in range(N)]
    return pl.DataFrame({"unique_id": ["a"] * N + ["b"] * N, "ds": ds.cast(kind), "y": values})


def as_pandas(frame: Any) -> pd.DataFrame:
    """Return a polars frame as pandas has it, without the help of either."""
    return pd.DataFrame({name: frame[name].to_list() for name in frame.columns})


def arrow(frame: Any) -> Any:
    return frame.to_arrow()


@pytest.mark.parametrize("library", [lambda frame: frame, arrow], ids=["polars", "pyarrow"])
@pytest.mark.parametrize("action", ["predict", "simulate", "cross_validation", "by_series"])
def test_what_comes_out_is_of_the_library_that_went_in(library: Callable[[Any], Any], action: str) -> None:
    frame = library(days(pl.Datetime("us")))

    def done(data: Any) -> Any:
        if action == "cross_validation":
            return tiny().cross_validation(data, n_windows=2)
        if action == "by_series":
            return tiny().backtest(data, n_windows=2).by_series()
        model = tiny().fit(data)
        return model.predict() if action == "predict" else model.simulate(data, n_paths=2)

    out, expected = done(frame), done(as_pandas(days(pl.Datetime("us"))))
    assert isinstance(expected, pd.DataFrame)
    assert type(out) is type(frame)
    shown = pl.from_arrow(out) if library is arrow else out
    assert shown.columns == expected.columns.tolist()
    for name in shown.columns:
        assert_array_equal(shown[name].to_numpy(), expected[name].to_numpy(), err_msg=name)


BERLIN = pl.Datetime("us", "Europe/Berlin")


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("us"), pl.Datetime("ms"), pl.Datetime("ns"), BERLIN], ids=str)
def test_times_are_of_the_type_they_had(kind: Any) -> None:
    """So that a forecast can be joined to what it goes on from."""
    zone = getattr(kind, "time_zone", None)
    cast = pl.col("ds").dt.replace_time_zone(zone) if zone else pl.col("ds").cast(kind)
    frame = days(pl.Datetime("us")).with_columns(cast, y=pl.col("y").cast(pl.Float64))
    out = tiny().fit(frame).predict()
    assert out.schema["ds"] == frame.schema["ds"] == kind
    first = out["ds"][0]
    assert (first.year, first.month, first.day) == (2024, 2, 10)
    if zone:
        assert (first.hour, str(first.tzinfo)) == (0, zone)
    test = tiny().cross_validation(frame, n_windows=1)
    assert test.schema["cutoff"] == test.schema["ds"] == kind
    assert len(test.join(frame, on=["unique_id", "ds", "y"])) == len(test), "the values that came"


def test_hours_in_a_zone_keep_its_clock() -> None:
    first = datetime(2024, 3, 30, 12)
    ds = (
        pl.Series([first + timedelta(hours=k) for k in range(60)])
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Europe/Berlin")
    )
    frame = pl.DataFrame({"unique_id": "a", "ds": ds, "y": np.arange(60.0) % 24})
    out = tiny().fit(frame).predict()
    assert out["ds"][0] - ds[-1] == timedelta(hours=1)
    assert out.schema["ds"] == ds.dtype


def test_whole_numbers_strings_and_other_names() -> None:
    frame = pl.DataFrame({"shop": pl.Series(["x"] * N, dtype=pl.Categorical), "week": range(N), "sold": [1.5] * N})
    names = {"id_col": "shop", "time_col": "week", "target_col": "sold"}
    model = tiny().fit(frame, **names)
    assert model.predict()["week"].to_list() == [N, N + 1, N + 2]
    assert isinstance(model.predict(as_pandas(frame)), pd.DataFrame)
    texts = frame.with_columns(week=days(pl.Date)["ds"][:N].cast(pl.String))
    assert tiny().fit(texts, **names).predict().schema["week"] == pl.Datetime("us")


def test_a_wide_frame_and_missing_values() -> None:
    wide = pl.DataFrame({"day": days(pl.Date)["ds"][:N], "a": [None, *range(1, N)], "b": [float(k) for k in range(N)]})
    out = trained_on_days().predict(wide, time_col="day")
    assert out.columns[:3] == ["unique_id", "day", "LSTM"]
    assert out.schema["day"] == pl.Date
    assert out["unique_id"].unique(maintain_order=True).to_list() == ["a", "b"]


def trained_on_days() -> Forecaster:
    return tiny(network=NetworkConfig(lags=2, positions=4, layers=1, hidden=3, dense=2)).fit(days(pl.Date))


def test_other_data_than_frames_give_pandas() -> None:
    for data in ([1.0, 2, 3, 4, 5], {"a": [1.0, 2, 3, 4]}, Panel.from_values([1.0, 2, 3, 4])):
        assert isinstance(trained().predict(data), pd.DataFrame)
    assert isinstance(trained().predict(pd.Series([1.0, 2, 3, 4])), pd.DataFrame)


def test_faults_are_told_by_row() -> None:
    frame = days(pl.Date).with_columns(y=pl.Series(["7"] * (2 * N)))
    with pytest.raises(InputError, match="Row 1, column 'y': expected a number, got '7'"):
        tiny().fit(frame)


def test_a_lazy_frame_is_refused() -> None:
    with pytest.raises(InputError, match=r"in memory.*polars LazyFrame.*Collect it first"):
        tiny().fit(days(pl.Date).lazy())


def test_without_narwhals_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = days(pl.Date)
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(MissingExtraError, match=r'polars DataFrame needs narwhals.*pip install "forecaster\[polars\]"'):
        tiny().fit(frame)
