"""Backtests: what a model is given at each cutoff, how often it is trained, what comes out."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from utilsforecast import losses
from utilsforecast.evaluation import evaluate

from forecaster import Forecaster, accuracy
from forecaster.backtest import Backtest, rolling_backtest
from forecaster.baselines import baseline_forecast
from forecaster.errors import ConfigError, TooShortError
from forecaster.executors import Threads
from forecaster.forecast import Forecast
from forecaster.panel import Panel
from forecaster.tables import ColumnNames
from tests.examples import H, numbered, tiny, weekly, with_values
from tests.leaks import leaks

NAN = np.nan


class LastValue:
    """Stands in for a trained model: the naive forecast under another name. Keeps what it was given."""

    def __init__(self) -> None:
        self.trained_on: list[Panel] = []
        self.asked: list[Panel] = []

    def fit(self, known: Panel) -> LastValue:
        self.trained_on.append(known)
        return self

    def forecast(self, panel: Panel, *, h: int, level: tuple[float, ...]) -> Forecast:
        self.asked.append(panel)
        return replace(baseline_forecast("Naive", panel, h=h, levels=level, season=1), alias="LSTM")


def run(panel: Panel, model: LastValue | None = None, *, h: int = 2, season: int = 7, **options: Any) -> Backtest:
    return rolling_backtest(panel, (model or LastValue()).fit, h=h, season=season, **options)


def test_cutoffs_reach_from_the_oldest_to_the_newest_and_every_value_is_compared() -> None:
    panel = numbered({"a": np.arange(20.0), "b": np.arange(100.0, 110)})
    folds = run(panel, n_windows=3, step_size=1).folds
    assert [fold.known.lengths.tolist() for fold in folds] == [[16, 6], [17, 7], [18, 8]]
    assert [fold.actual.tolist() for fold in folds] == [
        [[16, 17], [106, 107]], [[17, 18], [107, 108]], [[18, 19], [108, 109]],
    ]  # fmt: skip
    assert [fold.actual.tolist() for fold in run(panel, n_windows=2).folds] == [
        [[16, 17], [106, 107]], [[18, 19], [108, 109]],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("refit", "lengths"),
    [
        (False, [40]),
        (True, [40, 42, 44, 46, 48]),
        (1, [40, 42, 44, 46, 48]),
        (2, [40, 44, 48]),
        (3, [40, 46]),
        (5, [40]),
    ],
)
def test_training_anew_at_each_cutoff_or_at_the_oldest_or_at_every_kth(refit: bool | int, lengths: list[int]) -> None:
    model = LastValue()
    run(weekly(1), model, n_windows=5, refit=refit)
    assert [known.lengths.item() for known in model.trained_on] == lengths
    assert [known.lengths.item() for known in model.asked] == [40, 42, 44, 46, 48]


def test_series_too_short_take_no_part_and_are_named() -> None:
    panel = numbered(
        {"long": np.arange(9.0), "short": np.arange(5.0), "gaps": [1, NAN, NAN, 4, 5, 6, 7], "just": range(6)}
    )
    test = run(panel, n_windows=2)
    assert [fold.known.ids for fold in test.folds] == [("long", "just")] * 2
    assert set(test.skipped) == {"short", "gaps"}
    assert "5 steps" in test.skipped["short"]
    assert "4 are held out" in test.skipped["short"]
    assert set(test.frame()["unique_id"]) == {"long", "just"}


def test_when_all_are_too_short_the_error_says_what_would_do() -> None:
    with pytest.raises(TooShortError, match=r"'a' has 5 steps; 4 are held out.*fewer windows") as caught:
        run(numbered({"a": np.arange(5.0)}), n_windows=2)
    assert caught.value.series == "a"


@pytest.mark.parametrize(
    ("options", "column"),
    [
        ({"h": 0}, "h"), ({"h": True}, "h"), ({"n_windows": 0}, "n_windows"), ({"n_windows": 1.5}, "n_windows"),
        ({"step_size": 0}, "step_size"), ({"step_size": -1}, "step_size"), ({"refit": 0}, "refit"),
        ({"refit": -1}, "refit"), ({"refit": 1.5}, "refit"), ({"refit": "x"}, "refit"), ({"level": 100}, "level"),
        ({"level": [80, NAN]}, "level"),
    ],
)  # fmt: skip
def test_wrong_arguments(options: dict[str, Any], column: str) -> None:
    with pytest.raises(ConfigError) as caught:
        run(weekly(1), **options)
    assert caught.value.column == column


def test_the_table_by_hand() -> None:
    panel = numbered({"a": [0, 2, 4, 6, 7, 9], "b": [5, 5, 5, 5, 5, 8]})
    (lstm, naive, seasonal, drift) = run(panel, n_windows=1, season=1, level=[80]).table
    assert [row["model"] for row in (lstm, naive, seasonal, drift)] == ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    # the last values are 6 and 5; errors 1, 3 and 0, 3
    assert lstm["MAE"] == pytest.approx(7 / 4)
    assert lstm["RMSE"] == pytest.approx(np.sqrt(19 / 4))
    assert lstm["sMAPE"] == pytest.approx(200 * (1 / 13 + 3 / 15 + 0 + 3 / 13) / 4)
    assert lstm["WAPE"] == pytest.approx(7 / (7 + 9 + 5 + 8))
    assert lstm["MASE"] == pytest.approx(2 / 2)  # b was constant, so it has no scale
    # b had no spread, so its ends are its forecast; those of a are 2.563 and 3.624 away
    spread = 1.2815515655446004 * 2 * np.sqrt([1, 2])
    losses_by_hand = [
        7 / 8,
        0.1 * np.mean([1 + spread[0], 3 + spread[1], 0, 3]),
        np.mean([0.1 * (spread[0] - 1), 0.1 * (spread[1] - 3), 0, 0.9 * 3]),
    ]
    assert lstm["pinball"] == pytest.approx(np.mean(losses_by_hand))
    assert lstm["MSIS_80"] == pytest.approx(np.mean(2 * spread) / 2)  # both values of a lie inside
    assert lstm["coverage_80"] == 3 / 4
    assert drift["MAE"] == pytest.approx((1 + 1 + 0 + 3) / 4)
    assert {**naive, "model": "LSTM"} == lstm
    assert {**seasonal, "model": "LSTM"} == lstm


def test_missing_values_take_no_part_in_the_table() -> None:
    panel = numbered({"a": [0, 2, 4, 6, NAN, 9]})
    assert run(panel, n_windows=1, season=1).table[0]["MAE"] == 3


def test_by_series_has_the_measures_of_each_series_alone() -> None:
    panel = numbered({"a": [0, 2, 4, 6, 7, 9, 8, 13], "b": np.arange(10.0) % 4})
    both = run(panel, season=1, n_windows=2)
    frame = both.by_series()
    assert frame.columns.tolist() == ["unique_id", *both.table[0]]
    assert frame["unique_id"].tolist() == ["a"] * 4 + ["b"] * 4
    for number, name in enumerate(panel.ids):
        alone = run(panel.select([number]), season=1, n_windows=2)
        rows = frame[frame["unique_id"] == name].drop(columns="unique_id").reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, pd.DataFrame(alone.table))
    # over series of one length, the mean of the measures is the measure of all
    for column in ("MAE", "sMAPE", "MASE", "MSIS_80", "MSIS_95", "pinball", "coverage_80", "coverage_95"):
        assert_allclose(frame.groupby("model", sort=False)[column].mean(), [row[column] for row in both.table])


def test_by_series_without_levels_or_scale() -> None:
    test = run(numbered({"a": [5] * 9}), level=[], names=ColumnNames(id_col="shop"))
    frame = test.by_series()
    assert frame.columns.tolist() == ["shop", "model", "MAE", "RMSE", "sMAPE", "WAPE", "MASE", "pinball"]
    assert frame["MASE"].isna().all()
    assert (frame["MAE"] == 0).all()


def test_the_frame_has_the_columns_of_the_field() -> None:
    frame = run(weekly(2), n_windows=2, level=[80, 95]).frame()
    ends = ["-lo-95", "-lo-80", "-hi-80", "-hi-95"]
    models = ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    assert frame.columns.tolist() == [
        "unique_id", "ds", "cutoff", "y", *[model + end for model in models for end in ["", *ends]],
    ]  # fmt: skip
    assert len(frame) == 2 * 2 * 2
    assert frame["unique_id"].tolist() == ["s0", "s0", "s1", "s1"] * 2
    assert frame.index.tolist() == list(range(8))
    assert frame["ds"].dtype.kind == frame["cutoff"].dtype.kind == "M"
    steps = (frame["ds"] - frame["cutoff"]).dt.days
    assert steps.tolist() == [1, 2] * 4
    panel = weekly(2)
    for name, rows in frame.groupby("unique_id"):
        series = panel.series(panel.ids.index(str(name)))
        assert_array_equal(rows["y"], series[-4:])
        assert_array_equal(rows["LSTM"], np.repeat([series[-5], series[-3]], 2))


def test_columns_have_the_users_names_and_integers_stay_integers() -> None:
    names = ColumnNames(id_col="shop", time_col="week", target_col="sold")
    frame = run(numbered({"a": range(9)}), n_windows=2, names=names, level=[]).frame()
    assert frame.columns.tolist() == ["shop", "week", "cutoff", "sold", "LSTM", "Naive", "SeasonalNaive", "Drift"]
    assert frame["week"].tolist() == [6, 7, 8, 9]
    assert frame["cutoff"].tolist() == [5, 5, 7, 7]


def test_the_clock_of_a_zone_is_kept() -> None:
    hours = np.datetime64("2024-03-30T00:00") + np.arange(72).astype("timedelta64[h]")
    panel = Panel.from_columns(["a"] * 72, hours, np.arange(72.0), timezone="Europe/Berlin", freq="h", utc=True)
    frame = run(panel, n_windows=1).frame()
    assert str(frame["ds"].dt.tz) == str(frame["cutoff"].dt.tz) == "Europe/Berlin"
    assert (frame["ds"] - frame["cutoff"]).tolist() == [pd.Timedelta(hours=1), pd.Timedelta(hours=2)]


def as_frame(panel: Panel) -> pd.DataFrame:
    times = np.concatenate([panel.times(i) for i in range(len(panel))])
    return pd.DataFrame({"unique_id": np.repeat(panel.ids, panel.lengths), "ds": times, "y": panel.values})


def test_utilsforecast_evaluates_the_frame_of_cross_validation_and_agrees() -> None:
    data = as_frame(weekly(4))
    frame = tiny().cross_validation(data, n_windows=3, step_size=2)
    metrics = [
        losses.mae, losses.rmse, losses.smape, losses.wape, partial(losses.mase, seasonality=7), losses.coverage,
        losses.winkler_score,
    ]  # fmt: skip
    said = evaluate(frame, metrics=metrics, level=[80, 95], train_df=data)
    assert len(said) == 9 * 4 * 3  # of each measure, series and cutoff
    test = tiny().backtest(data, n_windows=3, step_size=2)
    ours = test.by_series().set_index(["unique_id", "model"])
    models = ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    assert ours.index.unique("model").tolist() == models
    theirs = said.set_index(["metric", "unique_id"])[models]

    def of(metric: str) -> pd.Series[Any]:
        return theirs.loc[metric].groupby("unique_id").mean().stack()

    squares = (theirs.loc["rmse"] ** 2).groupby("unique_id").mean().stack()
    assert_allclose(ours["MAE"], of("mae"))
    assert_allclose(ours["RMSE"], np.sqrt(squares))
    assert_allclose(ours["sMAPE"], 200 * of("smape"))
    assert_allclose(ours["MASE"], of("mase"))
    assert_allclose(ours["coverage_80"], of("coverage_level80"))
    assert_allclose(ours["coverage_95"], of("coverage_level95"))
    whole = evaluate(frame.drop(columns="cutoff"), metrics=[losses.wape], models=models).set_index("unique_id")
    assert_allclose(ours["WAPE"], whole[models].stack())
    for row in test.table:
        means = said.groupby("metric")[row["model"]].mean()
        assert_allclose(row["MAE"], means["mae"])
        assert_allclose(row["MASE"], means["mase"])
        assert_allclose(row["coverage_80"], means["coverage_level80"])
        assert_allclose(row["coverage_95"], means["coverage_level95"])
    for level in (80, 95):  # theirs is not divided by the scale
        scores = said[said["metric"] == f"winkler_score_level{level}"].set_index(["unique_id", "cutoff"])["LSTM"]
        scales = [accuracy.seasonal_scale(fold.known.series(i), 7) for i in range(4) for fold in test.folds]
        assert_allclose(test.table[0][f"MSIS_{level}"], np.mean(scores.sort_index() / scales))


WINDOWS: dict[str, Any] = {"n_windows": 3, "step_size": 2}  # overlapping: what one fold holds back, the next one knows


@pytest.mark.filterwarnings("ignore:no series is long enough to hold out its end")  # where all of it is missing
@pytest.mark.parametrize("refit", [False, True, 2])
def test_nothing_after_a_cutoff_reaches_a_forecast(refit: bool | int) -> None:
    def run(panel: Panel) -> Backtest:
        return tiny().backtest(panel, refit=refit, **WINDOWS)

    assert leaks(run, weekly(4), h=H, **WINDOWS) == set()


class Peeking(LastValue):
    """Knows the whole panel, and spoils one part of its forecasts with it."""

    def __init__(self, panel: Panel, part: str) -> None:
        super().__init__()
        self.whole, self.part = panel, part

    def forecast(self, panel: Panel, *, h: int, level: tuple[float, ...]) -> Forecast:
        said = super().forecast(panel, h=h, level=level)
        return replace(said, **{self.part: getattr(said, self.part) + np.nanmean(self.whole.values)})


def planted(kind: str, panel: Panel) -> Backtest:
    """Return a backtest through which the future reaches the forecasts."""
    if kind.startswith("mean"):
        return run(panel, Peeking(panel, kind.split()[-1]), h=H, **WINDOWS)
    seen = panel if kind == "trained on all" else panel.head(H)
    return rolling_backtest(panel, lambda _: tiny().fit(seen), h=H, season=7, refit=True, **WINDOWS)


@pytest.mark.filterwarnings("ignore:no series is long enough to hold out its end")
@pytest.mark.parametrize(
    "kind", ["mean of all in point", "mean of all in lower", "mean of all in upper", "trained on all", "trained late"]
)
def test_a_planted_leak_is_caught(kind: str) -> None:
    assert leaks(lambda panel: planted(kind, panel), weekly(4), h=H, **WINDOWS) == {"LSTM"}


@pytest.mark.filterwarnings("ignore:no series is long enough to hold out its end")
def test_a_cutoff_one_step_late_is_caught_in_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    head = Panel.head
    monkeypatch.setattr(Panel, "head", lambda panel, count: head(panel, count - 1))
    caught = leaks(lambda panel: run(panel, h=H, **WINDOWS), weekly(4), h=H, **WINDOWS)
    assert caught == {"LSTM", "Naive", "SeasonalNaive", "Drift"}


def test_what_comes_before_a_cutoff_does() -> None:
    panel = weekly(4)
    values = panel.values.copy()
    values[panel.offsets[1:] - H - 1] *= 1.1
    plain, other = (
        tiny().backtest(one, n_windows=1).folds[0].forecasts["LSTM"] for one in (panel, with_values(panel, values))
    )
    assert (plain.point != other.point).all()


def test_a_fold_is_what_the_model_says_of_the_known_part() -> None:
    panel = weekly(3)
    fold = tiny().backtest(panel, n_windows=1, level=[70]).folds[0]
    model = tiny().fit(panel.head(H))
    said = model.forecast(panel.head(H), level=70)
    assert_array_equal(fold.forecasts["LSTM"].point, said.point)
    assert_array_equal(fold.forecasts["LSTM"].lower, said.lower)


def test_cross_validation_is_the_frame_of_the_backtest() -> None:
    panel = weekly(3)
    model = tiny()
    frame = model.cross_validation(panel, n_windows=2, step_size=1, level=[90])
    pd.testing.assert_frame_equal(frame, tiny().backtest(panel, n_windows=2, step_size=1, level=[90]).frame())
    assert model._fitted is None
    assert frame.columns.tolist()[:7] == ["unique_id", "ds", "cutoff", "y", "LSTM", "LSTM-lo-90", "LSTM-hi-90"]


def test_a_frame_goes_in_with_its_own_names() -> None:
    data = as_frame(weekly(2)).rename(columns={"unique_id": "shop", "ds": "day", "y": "sold"})
    reports: list[Any] = []
    frame = tiny().cross_validation(
        data, n_windows=2, refit=True, id_col="shop", time_col="day", target_col="sold", progress=reports.append
    )
    assert frame.columns.tolist()[:5] == ["shop", "day", "cutoff", "sold", "LSTM"]
    assert [report.step for report in reports] == [4, 8, 4, 8]


@pytest.mark.parametrize("refit", [False, True, 2])
def test_the_same_numbers_whatever_runs_it(refit: bool | int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cutoffs at once, and series of one cutoff in several pieces."""
    panel = weekly(9)
    alone = tiny().backtest(panel, refit=refit, pretrained=True, **WINDOWS)
    monkeypatch.setattr("forecaster.backtest._LEAST_SERIES", 2)
    with Threads(2) as executor:
        beside = tiny().backtest(panel, refit=refit, pretrained=True, executor=executor, **WINDOWS)
    pd.testing.assert_frame_equal(alone.frame(), beside.frame(), check_exact=True)
    assert repr(alone.table) == repr(beside.table)


def test_a_single_training_has_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It runs here with all threads, as it would alone; of several each has one."""
    used: list[int | None] = []
    fit = Forecaster.fit

    def watched(model: Forecaster, *arguments: Any, **options: Any) -> Forecaster:
        used.append(model.threads)
        return fit(model, *arguments, **options)

    monkeypatch.setattr(Forecaster, "fit", watched)
    with Threads(2) as executor:
        tiny(threads=3).backtest(weekly(), n_windows=4, executor=executor)
        assert used == [3]
        tiny(threads=3).backtest(weekly(), n_windows=4, refit=2, executor=executor)
        assert used == [3, 1, 1]


def test_cross_validation_takes_the_name_of_an_executor() -> None:
    frames = [tiny().cross_validation(weekly(2), n_windows=2, executor=name) for name in (None, "threads")]
    pd.testing.assert_frame_equal(*frames, check_exact=True)
