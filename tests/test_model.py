"""The forecaster as its users meet it: train, forecast, and what bad input gets."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from inspect import signature
from itertools import pairwise
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import (
    ConfigError,
    Forecast,
    Forecaster,
    InputError,
    NetworkConfig,
    NotFittedError,
    Panel,
    TooShortError,
    read_panel,
)
from forecaster.config import as_settings
from forecaster.frequency import Frequency
from forecaster.learning import BLIND_STEPS
from forecaster.recipes import recipe_for
from tests.data.make_tiny_model import AHEAD, FORECAST, LEVELS, MODEL, SERIES
from tests.examples import (
    BRIEF,
    TINY,
    Floats,
    H,
    bits_of,
    last_replaced,
    numbered,
    tiny,
    trained,
    weekly,
    with_values,
)

ROOT = Path(__file__).parents[1]
NAN = np.nan
PARTS = ("point", "lower", "upper")


def frame_of(panel: Panel, **names: str) -> pd.DataFrame:
    """Return a panel as a long data frame, its columns renamed."""
    columns = {
        "unique_id": np.repeat(panel.ids, panel.lengths),
        "ds": np.concatenate([panel.times(i) for i in range(len(panel))]),
        "y": panel.values,
    }
    return pd.DataFrame({names.get(name, name): column for name, column in columns.items()})


def assert_equal(one: Forecast, other: Forecast) -> None:
    assert one.ids == other.ids
    assert one.levels == other.levels
    for part in PARTS:
        assert_array_equal(getattr(one, part), getattr(other, part))


def assert_sound(said: Forecast) -> None:
    """Finite, and every interval inside the wider ones, around the point."""
    for part in PARTS:
        assert np.isfinite(getattr(said, part)).all()
    inwards = [*(said.lower[:, k] for k in reversed(range(len(said.levels)))), said.point]
    outwards = [said.point, *(said.upper[:, k] for k in range(len(said.levels)))]
    for ascending in (inwards, outwards):
        for low, high in pairwise(ascending):
            assert (low <= high).all()


# The same model again


@pytest.mark.parametrize("threads", [2, 3, None])
def test_the_same_seed_gives_the_same_bits_whatever_the_threads(threads: int | None) -> None:
    steps = replace(BRIEF, steps=4, batch_size=150, validate_every=2)
    one, other = (tiny(training=steps, threads=count).fit(weekly(40)) for count in (1, threads))
    assert bits_of(one) == bits_of(other)
    assert_equal(one.forecast(), other.forecast())
    assert {**one.info, "training": None} == {**other.info, "training": None}


def test_the_same_seed_gives_the_same_bits_in_another_process() -> None:
    code = (
        "import hashlib; from tests.examples import bits_of, tiny, weekly;"
        "print(hashlib.sha256(bits_of(tiny(threads=2).fit(weekly()))).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)  # noqa: S603 - our own code
    assert done.stdout.strip() == hashlib.sha256(bits_of(trained())).hexdigest()


def test_another_seed_gives_another_model() -> None:
    assert bits_of(tiny(seed=1).fit(weekly())) != bits_of(trained())
    assert tiny(seed=np.int64(3)).fit(weekly()).info["training"]["seed"] == 3


def test_a_model_can_be_trained_again() -> None:
    model = tiny().fit(weekly(2, seed=5))
    assert bits_of(model.fit(weekly())) == bits_of(trained())


def test_forecasts_do_not_change_the_model() -> None:
    model = tiny().fit(weekly())
    first = model.forecast(h=7)
    model.forecast(numbered({"a": [1.0, 5.0, -3.0]}))
    assert_equal(model.forecast(h=7), first)


def test_eight_threads_at_once_get_what_one_gets() -> None:
    panels = [weekly(1 + k % 4, 20 + k, seed=k) for k in range(16)]
    alone = [trained().forecast(panel, h=5) for panel in panels]
    start = Barrier(8, timeout=60)

    def forecast(k: int) -> list[Forecast]:
        start.wait()
        return [trained().forecast(panel, h=5) for panel in panels[k:] + panels[:k]]

    with ThreadPoolExecutor(8) as pool:
        for k, together in enumerate(pool.map(forecast, range(8))):
            for one, other in zip(alone[k:] + alone[:k], together, strict=True):
                assert_equal(one, other)


def test_many_series_at_once_are_as_each_alone() -> None:
    panel = weekly(70)  # more than the calling thread does by itself
    together = tiny(threads=3).fit(panel).forecast(h=5)
    model = tiny().fit(panel)
    for i in (0, 31, 32, 69):
        alone = model.forecast(panel.select([i]), h=5)
        assert alone.ids == together.ids[i : i + 1]
        for part in PARTS:
            assert_allclose(getattr(alone, part), getattr(together, part)[i : i + 1], rtol=1e-5)


def test_the_order_of_the_series_does_not_matter() -> None:
    panel = weekly(5)
    said, backwards = trained().forecast(panel), trained().forecast(panel.select([4, 3, 2, 1, 0]))
    assert backwards.ids == said.ids[::-1]
    assert_allclose(backwards.point[::-1], said.point, rtol=1e-6)


# Whatever the series


def odd_series() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(40)
    gaps = np.where(rng.random(40) < 0.5, NAN, 10 + noise)
    gaps[0] = 10
    return {
        "zeros": np.zeros(40),
        "constant": np.full(40, 7.0),
        "negative constant": np.full(40, -7.0),
        "negative": -10 + noise,
        "signs": noise,
        "counts": np.maximum(noise, 0).round(),
        "gaps": gaps,
        "mostly missing": [1.0, *[NAN] * 37, 2.0, NAN],
        "last values missing": [*range(1, 30), *[NAN] * 11],
        "two values": [1.0, 2.0],
        "two zeros": [0.0, 0.0],
        "two far apart": [3.0, *[NAN] * 60, 4.0],
        "huge": 1e300 * (2 + np.abs(noise)),
        "huge with signs": 1e300 * noise,
        "largest": np.full(40, 1.7e308) * np.sign(noise),
        "tiny": 1e-300 * (2 + np.abs(noise)),
        "tiny with signs": 1e-300 * noise,
        "smallest": np.full(40, 5e-324),
        "jumps": np.where(noise > 0, 1e-8, 1e8),
        "from nothing": [*np.zeros(30), *np.full(10, 1e12)],
        "to nothing": [*np.full(37, 5.0), 0.0, 0.0, 0.0],
        "growing": np.exp(np.arange(40.0)),
    }


@pytest.mark.parametrize("name", odd_series())
def test_an_odd_series_can_be_learned_and_forecast(name: str) -> None:
    series = np.array(odd_series()[name], np.float64)
    if name in ("two values", "two zeros"):
        with pytest.raises(TooShortError, match="horizon of 3"):
            tiny().fit(series)
        model = trained()
    else:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="no series is long enough to hold out its end")
            model = tiny().fit(series)
    assert np.isfinite(np.frombuffer(bits_of(model), np.float32)).all()
    said = model.forecast(numbered({"a": series}), h=8)
    assert_sound(said)
    assert (np.abs(said.point) / 1e3 <= np.nanmax(np.abs(series)) + 1e-3).all()
    json.dumps(model.info, allow_nan=False)


def test_odd_series_do_not_spoil_each_other() -> None:
    panel = numbered({**odd_series(), "plain": 10 + np.sin(np.arange(40.0))})
    model = tiny().fit(panel)
    for said in (model.forecast(h=8), trained().forecast(panel, h=8)):
        assert_sound(said)
        assert len(said) == len(panel)
        assert_allclose(said.point[-1], 10, atol=3)
        assert_allclose(said.point[panel.ids.index("huge")], 3e300, rtol=0.5)
        assert_allclose(said.point[panel.ids.index("tiny")], 3e-300, rtol=0.5)


@given(
    st.lists(st.one_of(st.floats(allow_nan=False, allow_infinity=False, width=32), st.none()), min_size=0, max_size=30),
    st.sets(st.floats(0.01, 99.99), max_size=4),
    st.integers(1, 9),
)
@settings(max_examples=60, deadline=None)
def test_every_forecast_is_sound(series: list[float | None], levels: set[float], h: int) -> None:
    said = trained().forecast(numbered({"a": [1.0, *series, 2.0]}), h=h, level=sorted(levels))
    assert_sound(said)
    assert said.point.shape == (1, h)


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_other_losses_have_intervals_as_well(loss: Any) -> None:
    model = tiny(network=NetworkConfig(lags=4, positions=8, layers=1, hidden=4, dense=4, loss=loss)).fit(weekly())
    said = model.forecast(h=7)
    assert_sound(said)
    assert (said.lower < said.point[:, None]).all()
    assert (said.upper > said.point[:, None]).all()


@pytest.mark.parametrize("loss", ["pinball", "mae", "mse", "rmse"])
def test_a_loss_is_asked_for_by_name(loss: Any) -> None:
    model = Forecaster(h=3, loss=loss, training={"steps": 2}, threads=1).fit(weekly())
    held = {network["loss"] for network in model.info["architecture"]["networks"]}
    assert held == {{"pinball": "pinball", "mae": "absolute"}.get(loss, "squared")}
    assert model.info["training"]["init"] == ("base" if loss == "pinball" else "random")
    assert_sound(model.forecast())


def test_losses_that_cannot_be() -> None:
    with pytest.raises(ConfigError, match="loss must be one of"):
        Forecaster(h=3, loss="binary")  # type: ignore[arg-type]  # that is the test
    with pytest.raises(ConfigError, match="a loss of its own"):
        Forecaster(h=3, loss="mse", network=NetworkConfig())
    with pytest.raises(ConfigError, match="can be no start for the squared loss"):
        Forecaster(h=3, loss="mse").fit(weekly(), init="base")


def test_the_illegible_days_of_the_notes_are_coped_with() -> None:
    with pytest.warns(UserWarning, match="no series is long enough to hold out its end.*18 values"):
        model = Forecaster(h=7).fit(read_panel(ROOT / "data" / "notes_daily.csv"))
    said = model.forecast()
    assert said.labels == [[str(day) for day in range(31, 38)]]
    assert_sound(said)
    for width in (said.upper - said.point[:, None], said.point[:, None] - said.lower):
        assert (np.diff(width, axis=-1) >= -1e-9).all()
    assert ((said.upper - said.lower)[..., -1] > (said.upper - said.lower)[..., 0]).all()


# What a forecast sees


def test_series_it_has_never_seen() -> None:
    said = trained().forecast(numbered({"new": [2.0, 4.0, 3.0, 5.0], "other": np.arange(-50.0, 50)}))
    assert said.ids == ("new", "other")
    assert said.labels == [["5", "6", "7"], ["101", "102", "103"]]
    assert_sound(said)


def test_the_newest_value_moves_the_first_step() -> None:
    panel = weekly()
    said = trained().forecast(panel).point
    moved = trained().forecast(with_values(panel, last_replaced(panel, 1, NAN).values)).point
    assert (moved != said).all()
    raised = panel.values.copy()
    raised[panel.offsets[1:] - 1] *= 1.3
    ratio = trained().forecast(with_values(panel, raised)).point[:, 0] / said[:, 0]
    assert (ratio > 1.02).all()
    assert (ratio < 1.6).all()


@pytest.mark.parametrize("factor", [1e-9, 10.0, 1e12])
def test_forecasts_scale_with_the_series(factor: float) -> None:
    noise = np.random.default_rng(0).standard_normal(30)
    panel = numbered({"positive": 20 + noise, "zeros": np.abs(noise).round(), "signs": noise})
    said, scaled = trained().forecast(panel, h=7), trained().forecast(with_values(panel, factor * panel.values), h=7)
    for part in PARTS:
        assert_allclose(getattr(scaled, part), factor * getattr(said, part), rtol=1e-4, atol=1e-5 * factor)


@pytest.mark.parametrize("value", [1e9, 0.0, -5.0, NAN])
def test_nothing_after_the_end_of_a_series_is_seen(value: float) -> None:
    panel = last_replaced(weekly(), 7, value)
    assert_equal(trained().forecast(panel.head(7), h=5), trained().forecast(weekly().head(7), h=5))


@pytest.mark.parametrize("planted", [1e4, -1e4, 0.0])
def test_held_out_values_decide_when_to_stop_calibrate_and_judge_and_nothing_else(planted: float) -> None:
    one_look = replace(BRIEF, steps=4, refit=0)
    panel = with_values(weekly(), weekly().values - 6)  # some on a logarithm, some not
    plain = tiny(training=one_look).fit(panel)
    other = tiny(training=one_look).fit(last_replaced(panel, H, planted))
    assert bits_of(plain) == bits_of(other)
    assert plain.info["calibration"] != other.info["calibration"]
    assert plain.info["accuracy"] != other.info["accuracy"]


# Horizons and levels


@pytest.mark.parametrize("h", [1, 2, 3, 4, 10, 50])
def test_any_horizon(h: int) -> None:
    said, long = trained().forecast(h=h), trained().forecast(h=50)
    assert said.h == h
    assert_sound(said)
    assert said.times.shape == (6, h)
    for part in PARTS:
        assert_array_equal(getattr(said, part), getattr(long, part)[..., :h])


def test_no_interval_is_narrower_beyond_the_trained_horizon() -> None:
    panel = numbered({f"s{k}": np.random.default_rng(k).standard_normal(30) for k in range(20)})
    said = tiny().fit(panel).forecast(h=5 * H)
    width = said.upper - said.lower
    for seam in range(H, 5 * H, H):
        assert (width[..., seam:] >= width[..., seam - 1 : seam] * (1 - 1e-9)).all()


def test_the_end_of_the_horizons() -> None:
    said = trained().forecast(weekly(1), h=10_000)
    assert_sound(said)


WRONG_HORIZONS = [0, -1, 10_001, 10**9, 1.5, True, "3", NAN]


@pytest.mark.parametrize("h", WRONG_HORIZONS)
def test_wrong_horizons(h: Any) -> None:
    for call in (lambda: Forecaster(h=h), lambda: trained().forecast(h=h), lambda: trained().predict(h=h)):
        with pytest.raises(ConfigError, match=r"^h must be") as caught:
            call()
        assert caught.value.column == "h"


@pytest.mark.parametrize("level", [0, 100, -1, 150, NAN, True, "x", ["x"], [80, 0]])
def test_wrong_levels(level: Any) -> None:
    for call in (trained().forecast, trained().predict):
        with pytest.raises(ConfigError, match="level") as caught:
            call(level=level)
        assert caught.value.column == "level"


@pytest.mark.parametrize(
    ("wrong", "column"),
    [
        ({"season": 0}, "season"), ({"season": 1.5}, "season"), ({"threads": 0}, "threads"), ({"seed": -1}, "seed"),
        ({"seed": "x"}, "seed"), ({"seed": None}, "seed"), ({"freq": "nonsense"}, None), ({"freq": 0}, None),
    ],
)  # fmt: skip
def test_other_wrong_arguments(wrong: dict[str, Any], column: str | None) -> None:
    with pytest.raises(ConfigError) as caught:
        Forecaster(h=3, **wrong)
    if column is not None:
        assert caught.value.column == column


def test_quantiles_are_the_ends_of_intervals_and_the_median() -> None:
    said, asked = trained().forecast(level=[80]), trained().forecast(quantiles=[0.9, 0.1, 0.5, 0.025])
    assert list(asked.bounds) == ["LSTM-q-2.5", "LSTM-q-10", "LSTM-q-50", "LSTM-q-90"]
    assert_array_equal(asked.bounds["LSTM-q-10"], said.lower[:, 0])
    assert_array_equal(asked.bounds["LSTM-q-90"], said.upper[:, 0])
    assert_array_equal(asked.bounds["LSTM-q-50"], said.point)
    frame = trained().predict(quantiles=[0.1, 0.9])
    assert frame.columns.tolist() == ["unique_id", "ds", "LSTM", "LSTM-q-10", "LSTM-q-90"]
    with pytest.raises(ConfigError, match="not both"):
        trained().predict(level=[80], quantiles=[0.1])


def test_levels_in_any_form() -> None:
    said = trained().forecast(level=(95, 50, 80, 80))
    assert said.levels == (50.0, 80.0, 95.0)
    assert said.lower.shape == (6, 3, H)
    assert_array_equal(trained().forecast(level=80).lower[:, 0], trained().forecast(level=np.array([80])).lower[:, 0])
    none = trained().forecast(level=[])
    assert none.lower.shape == (6, 0, H)
    assert_array_equal(none.point, said.point)


# Too little, or nothing


def test_series_too_short_are_named_and_the_others_forecast() -> None:
    panel = numbered({"a": range(1, 13), "one": [5], "gone": [6, NAN, NAN], "b": [7, 8]})
    said = trained().forecast(panel)
    assert said.ids == ("a", "b")
    assert set(said.skipped) == {"one", "gone"}
    assert said.skipped["one"] == "has 1 observed values; at least 2 are needed"
    with pytest.warns(UserWarning, match=r"left out: series 'one' has 1 observed values.* \(and 1 more\)"):
        frame = trained().predict(panel)
    assert set(frame["unique_id"]) == {"a", "b"}
    with pytest.warns(UserWarning, match="left out: series 'one'"):
        model = tiny().fit(panel)
    assert model.info["training"]["series"] == 2
    assert set(model.forecast().skipped) == {"one", "gone"}


def test_when_all_are_too_short_the_error_says_what_is_enough() -> None:
    short = numbered({"a": [1], "b": [2, NAN]})
    with pytest.raises(TooShortError, match="'a' has 1 observed values; at least 2 are needed") as caught:
        trained().forecast(short)
    assert caught.value.series == "a"
    with pytest.raises(TooShortError, match="For a horizon of 3, 10 or more are advised"):
        tiny().fit(short)


@pytest.mark.parametrize(
    ("values", "h", "teaches"),
    [
        (range(4), 3, True), (range(3), 3, False), (range(60), 1000, False),
        ([1, NAN, NAN, 2], 3, True), ([1, *[NAN] * 30, 2], 3, True), ([1, 2, 3, NAN], 3, False),
    ],
)  # fmt: skip
def test_a_horizon_that_no_series_can_teach_is_refused(values: list[float], h: int, teaches: bool) -> None:
    panel = numbered({"short": [1, 2], "a": list(values)})
    if teaches:
        with pytest.warns(UserWarning, match="hold out"):
            assert tiny(h=h).fit(panel).forecast().h == h
    else:
        with pytest.raises(
            TooShortError, match=rf"horizon of {h}: .* 'a', has .* {h + 1} values, .* {2 * h + 4}"
        ) as caught:
            tiny(h=h).fit(panel)
        assert caught.value.series == "a"


def test_one_series_that_teaches_the_horizon_is_enough() -> None:
    model = tiny(h=12).fit(numbered({"short": range(5), "long": 10 + np.sin(np.arange(40.0))}))
    assert model.info["training"]["series"] == 2
    assert model.info["accuracy"] is not None


def test_no_series_at_all() -> None:
    empty = weekly().head(1000)
    assert len(empty) == 0
    for call in (trained().forecast, tiny().fit):
        with pytest.raises(TooShortError, match="There are no series"):
            call(empty)


def test_before_training() -> None:
    model = tiny()
    for call in (model.forecast, model.predict, lambda: model.save("nowhere"), lambda: model.info):
        with pytest.raises(NotFittedError, match="fit"):
            call()
    with pytest.raises(RuntimeError):
        model.predict(weekly())


@pytest.mark.parametrize(
    "data",
    [[], {}, [1, "x", 3], [1, np.inf, 3], "series.csv", 5, None, [[1, 2], [3, 4]], pd.DataFrame({"a": [1]})],
    ids=repr,
)
def test_data_that_are_none(data: Any) -> None:
    with pytest.raises(InputError):
        tiny().fit(data)


class EnoughError(Exception):
    """Stands in for a user who has had enough."""


def test_a_training_that_fails_leaves_the_earlier_model() -> None:
    model = tiny().fit(weekly())

    def interrupt(_: object) -> None:
        raise EnoughError

    with pytest.raises(EnoughError):
        model.fit(weekly(3, seed=9), progress=interrupt)
    with pytest.raises(InputError):
        model.fit([1.0, np.inf])
    assert bits_of(model) == bits_of(trained())
    assert_equal(model.forecast(), trained().forecast())


def test_too_little_to_hold_out_is_trained_briefly_and_said_so() -> None:
    with pytest.warns(UserWarning, match="no series is long enough to hold out its end") as caught:
        model = tiny(training=replace(BRIEF, steps=500)).fit([3.0, 5.0, 4.0, 6.0, 5.0])
    assert caught[0].filename == __file__
    assert model.info["accuracy"] is None
    assert model.info["training"]["steps"] == [BLIND_STEPS]
    assert set(np.ravel(model.info["calibration"]["factors"])) == {1.0}


# Frames and frequencies


def test_a_frame_comes_back_with_the_columns_of_the_field() -> None:
    frame = trained().predict(level=[80, 95])
    names = ["unique_id", "ds", "LSTM", "LSTM-lo-95", "LSTM-lo-80", "LSTM-hi-80", "LSTM-hi-95"]
    assert frame.columns.tolist() == names
    said = trained().forecast()
    assert frame["unique_id"].tolist() == [name for name in said.ids for _ in range(H)]
    assert_array_equal(frame["ds"].to_numpy().astype("datetime64[us]"), said.times.ravel())
    assert_array_equal(frame["LSTM"], said.point.ravel())
    assert_array_equal(frame["LSTM-lo-80"], said.lower[:, 0].ravel())
    assert_array_equal(frame["LSTM-hi-95"], said.upper[:, 1].ravel())
    assert not frame.isna().any(axis=None)
    pd.testing.assert_frame_equal(trained().predict(frame_of(weekly())), frame)


def test_the_users_names_are_kept() -> None:
    names = {"unique_id": "shop", "ds": "day", "y": "sold"}
    model = tiny().fit(frame_of(weekly(), **names), id_col="shop", time_col="day", target_col="sold")
    assert bits_of(model) == bits_of(trained())
    assert model.predict(level=[]).columns.tolist() == ["shop", "day", "LSTM"]
    assert model.predict(frame_of(weekly(2), **names), level=[]).columns.tolist() == ["shop", "day", "LSTM"]
    other = frame_of(weekly(2), unique_id="item", ds="day", y="sold")
    assert model.predict(other, id_col="item", level=[]).columns.tolist() == ["item", "day", "LSTM"]
    with pytest.raises(InputError, match="shop"):
        model.predict(other)


def test_all_that_a_user_may_hold_gives_the_same() -> None:
    values = [3.0, 5.0, 8.0, 7.0, 9.0, 11.0, 10.0, 12.0, 15.0, 14.0]
    expected = tiny().fit(values).predict()
    assert expected["ds"].tolist() == [11, 12, 13]
    whole = {"unique_id": "y", "ds": range(1, 11), "y": values}
    for data in (tuple(values), np.array(values), pd.Series(values), {"y": values}, pd.DataFrame(whole)):
        pd.testing.assert_frame_equal(tiny().fit(data).predict(), expected)
        pd.testing.assert_frame_equal(tiny().fit(values).predict(data), expected)


def test_the_dates_that_index_a_series_are_its_times() -> None:
    days = pd.date_range("2024-01-01", periods=30, freq="D", name="whatever")
    series = pd.Series(10 + np.sin(np.arange(30.0)), index=days, name="sold")
    frame = pd.DataFrame({"ds": days, "y": series.to_numpy()})
    model = tiny().fit(series)
    expected = tiny().fit(frame).predict()
    assert expected["ds"].tolist() == list(pd.date_range("2024-01-31", periods=H))
    assert model.frequency is None
    assert model.info["frequency"] == "D"
    pd.testing.assert_frame_equal(model.predict(), expected)
    pd.testing.assert_frame_equal(model.predict(series), expected)
    pd.testing.assert_frame_equal(model.predict(df=series.iloc[-1:-20:-1]), model.predict(frame.iloc[11:]))
    two = model.predict({"b": series, "a": series.iloc[:20]})
    assert two["unique_id"].tolist() == ["b"] * H + ["a"] * H
    assert_array_equal(two["ds"].iloc[H:], pd.date_range("2024-01-21", periods=H))
    zoned = tiny().fit(series.tz_localize("Europe/Berlin")).predict()
    assert str(zoned["ds"].dt.tz) == "Europe/Berlin"
    with pytest.raises(InputError, match="'c' has no dates"):
        model.fit({"a": series, "c": [1.0, 2.0]})
    with pytest.raises(InputError, match="to_timestamp"):
        model.fit(series.to_period("D"))


def test_the_arguments_are_those_of_the_field() -> None:
    frame = frame_of(weekly(2))
    model = tiny().fit(df=frame)
    pd.testing.assert_frame_equal(model.predict(df=frame, h=2, level=[80, 95]), model.predict(frame, h=2))
    settings = {"n_windows": 2, "step_size": 4, "level": [80]}
    pd.testing.assert_frame_equal(
        model.cross_validation(df=frame, **settings), model.backtest(df=frame, **settings).frame()
    )
    assert signature(model.cross_validation).parameters.keys() == signature(model.backtest).parameters.keys()


def test_a_series_that_ends_where_the_calendar_does_is_named() -> None:
    days = np.datetime64("9999-12-31") - np.arange(20)
    panel = Panel.from_columns(["b"] * 20 + ["a"] * 20, np.concatenate((days - 9, days)), np.arange(40.0), freq="D")
    with pytest.raises(InputError, match=r"'a' ends at 9999-12-31: a forecast of 2 steps .* year 9999") as caught:
        trained().forecast(panel, h=2)
    assert caught.value.series == "a"
    assert trained().forecast(panel.select([0]), h=9).labels[0][-1] == "9999-12-31"


def test_the_models_frequency_reads_a_frame_too_short_to_tell() -> None:
    frame = frame_of(weekly(1)).iloc[:2]
    assert trained().predict(frame)["ds"].tolist() == list(pd.date_range("2024-01-03", periods=H))


def test_another_frequency_is_refused_and_steps_without_dates_go_with_every_model() -> None:
    days = np.datetime64("2024-01-01") + 7 * np.arange(20)
    weeks = Panel.from_columns(["a"] * 20, days, np.arange(20.0))
    with pytest.raises(InputError, match=r"weekly.*daily|W.*D") as caught:
        trained().forecast(weeks)
    assert "freq" in str(caught.value)
    assert trained().predict([1.0, 2.0, 4.0])["ds"].tolist() == [4, 5, 6]


def test_dates_go_on_over_the_end_of_a_leap_february() -> None:
    days = np.datetime64("2024-02-10") + np.arange(19)
    panel = Panel.from_columns(["a"] * 19, days, np.arange(19.0), freq="D")
    assert trained().forecast(panel).labels == [["2024-02-29", "2024-03-01", "2024-03-02"]]


# What it says about itself


def test_the_description_says_what_the_model_is() -> None:
    info = trained().info
    assert set(info) == {
        "format_version", "library_version", "horizon", "frequency", "season", "quantiles", "architecture", "scaling",
        "training", "accuracy", "calibration",
    }  # fmt: skip
    assert (info["horizon"], info["frequency"], info["season"]) == (H, "D", 7)
    assert info["quantiles"] == list(TINY.quantiles)
    panel = weekly()
    training = info["training"]
    assert (training["series"], training["values"]) == (6, len(panel.values))
    assert (training["first"], training["last"]) == ("2024-01-01", "2024-02-24")
    assert training["steps"] == [BRIEF.steps]
    assert len(training["best_steps"]) == len(training["clipped_steps"]) == 1
    assert training["best_steps"][0] in (4, 8)
    assert info["architecture"]["networks"] == [as_settings(TINY)]
    assert training["settings"] == as_settings(BRIEF)
    assert training["seed"] == 0
    measures = {"mae", "rmse", "smape", "mase"}
    assert set(info["accuracy"]) == measures | {f"{name}_seasonal_naive" for name in measures}
    assert json.loads(json.dumps(info, allow_nan=False)) == info


def test_the_range_of_the_training_is_that_of_the_times_and_not_of_their_text() -> None:
    steps = np.concatenate((np.arange(9, 40), np.arange(10, 101)))
    panel = Panel.from_columns(["a"] * 31 + ["b"] * 91, steps, np.sin(steps), freq=1)
    training = tiny().fit(panel).info["training"]
    assert (training["first"], training["last"]) == ("9", "100")


def test_the_season_is_that_of_the_frequency_unless_given() -> None:
    panel = weekly(2)
    assert tiny(season=3).fit(panel).info["season"] == 3
    default = tiny(network=None, training={"steps": 1}).fit(panel, init="random").info
    assert default["season"] == 7
    recipe = recipe_for(Frequency.parse("D"), 7)
    assert default["architecture"]["networks"] == [as_settings(one) for one in recipe.networks]
    assert default["training"]["settings"] == as_settings(replace(recipe.training, steps=1))


@pytest.mark.parametrize(
    ("training", "said"),
    [({"epochs": 3}, "no setting 'epochs', only steps,"), ({"steps": 0}, "steps must be"), (7, "or settings by name")],
)
def test_wrong_settings_of_a_training(training: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Forecaster(h=3, training=training)


def test_progress_is_reported_and_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    reports: list[Any] = []
    model = tiny().fit(weekly(), progress=reports.append)
    model.predict()
    assert [report.step for report in reports] == [4, 8]
    assert capfd.readouterr() == ("", "")


# The models that are in use


def golden() -> dict[str, Floats | list[str]]:
    with FORECAST.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return {
        name: column if name in ("unique_id", "ds") else np.array(column, np.float64)
        for name, column in columns.items()
    }


@pytest.mark.parametrize("engine", ["compiled", "plain"])
def test_a_model_saved_by_an_earlier_version_forecasts_what_it_did(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", engine)
    said = Forecaster.load(MODEL).predict(read_panel(SERIES), h=AHEAD, level=LEVELS)
    expected = golden()
    assert said.columns.tolist() == list(expected)
    for name, column in expected.items():
        if name == "unique_id":
            assert said[name].tolist() == column
        elif name == "ds":
            assert said[name].dt.strftime("%Y-%m-%d").tolist() == column
        else:
            assert_allclose(said[name], column, rtol=1e-4, atol=1e-4)


def test_it_is_small_enough_to_be_committed() -> None:
    assert sum(path.stat().st_size for path in MODEL.iterdir()) < 10_000
