"""Sample paths: each step as the intervals say, steps that hang together, and sums that are covered."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import (
    ConfigError,
    Forecaster,
    InputError,
    NetworkConfig,
    NotFittedError,
    Panel,
    SamplePaths,
    TooShortError,
    TrainingConfig,
    write_forecast,
)
from forecaster.accuracy import coverage
from forecaster.tables import forecast_to_frame
from tests.examples import TINY, Floats, H, numbered, tiny, trained, weekly

LEVELS = (50.0, 80.0, 95.0)
SMALL = NetworkConfig(lags=4, positions=8, layers=1, hidden=8, dense=8)
AHEAD, COUNT, LENGTH = 8, 2000, 60


def quantiles_of(paths: SamplePaths, level: float) -> tuple[Floats, Floats]:
    lower, upper = np.quantile(paths.values, [0.5 - level / 200, 0.5 + level / 200], axis=1)
    return lower, upper


def assert_agree_with_intervals(model: Forecaster, panel: Panel | None = None, h: int | None = None) -> None:
    """As many of 4,000 paths as chance allows end beyond each end of the intervals, at every step of every series."""
    count = 4000
    said, paths = model.forecast(panel, h=h, level=LEVELS), model.paths(panel, n_paths=count, h=h)
    assert (paths.ids, paths.h) == (said.ids, said.h)
    assert_array_equal(paths.times, said.times)
    ends = [(0.5, said.point)]
    for k, level in enumerate(LEVELS):
        ends += [(0.5 - level / 200, said.lower[:, k]), (0.5 + level / 200, said.upper[:, k])]
    for probability, end in ends:
        below = (paths.values < end[:, None]).mean(axis=1)
        assert_allclose(below, probability, rtol=0, atol=4.5 * (probability * (1 - probability) / count) ** 0.5)


@pytest.mark.parametrize("h", [None, 1, 10])
def test_quantiles_over_the_paths_are_the_ends_of_the_intervals(h: int | None) -> None:
    assert_agree_with_intervals(trained(), h=h)


def test_so_they_are_with_the_median_alone() -> None:
    assert_agree_with_intervals(tiny(network=replace(TINY, loss="absolute")).fit(weekly()))


def test_so_they_are_where_nothing_was_held_out() -> None:
    with pytest.warns(UserWarning, match="hold out"):
        model = tiny().fit([3.0, 5.0, 4.0, 6.0, 5.0])
    assert_agree_with_intervals(model, h=6)


# Simulated series, of which the truth is known


def walks(rng: np.random.Generator) -> Floats:
    return 50 + rng.standard_normal((COUNT, LENGTH + AHEAD)).cumsum(axis=1)


def noise_about_levels(rng: np.random.Generator) -> Floats:
    return rng.normal(20, 0.4, (COUNT, 1)) + rng.standard_normal((COUNT, LENGTH + AHEAD))


def fading(rng: np.random.Generator) -> Floats:
    values = rng.standard_normal((COUNT, LENGTH + AHEAD + 50))
    for t in range(1, values.shape[1]):
        values[:, t] += 0.8 * values[:, t - 1]
    return 30 + values[:, 50:]


KINDS = {"walks": walks, "noise": noise_about_levels, "fading": fading}


@cache
def simulated(kind: str) -> tuple[Forecaster, Floats]:
    """Return a model of series whose last values it has not seen, and these."""
    values = KINDS[kind](np.random.default_rng(7))
    model = Forecaster(h=AHEAD, network=SMALL, training=TrainingConfig(steps=60), threads=1)
    return model.fit(numbered({f"s{i}": row[:LENGTH] for i, row in enumerate(values)})), values[:, LENGTH:]


@cache
def drawn(kind: str) -> tuple[SamplePaths, Floats]:
    """Return paths of these series, and what came."""
    model, actual = simulated(kind)
    return model.paths(n_paths=500), actual


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_is_covered_as_stated(kind: str) -> None:
    paths, actual = drawn(kind)
    for level in (80.0, 95.0):
        # two points, and half of one for chance
        assert coverage(actual, *quantiles_of(paths, level)) == pytest.approx(level / 100, abs=0.025)


@pytest.mark.parametrize("of_all_steps", [np.sum, np.max])
@pytest.mark.parametrize("kind", KINDS)
def test_what_depends_on_all_steps_is_covered_as_stated(kind: str, of_all_steps: Any) -> None:
    paths, actual = drawn(kind)
    totals = of_all_steps(paths.values, axis=2)
    for level in (80.0, 95.0):
        lower, upper = np.quantile(totals, [0.5 - level / 200, 0.5 + level / 200], axis=1)
        # 2,000 of them, and as many held-out ones behind the paths: the share inside varies by more than a point
        assert coverage(of_all_steps(actual, axis=1), lower, upper) == pytest.approx(level / 100, abs=0.05)


def test_steps_that_know_nothing_of_each_other_would_give_sums_far_too_narrow_an_interval() -> None:
    paths, actual = drawn("walks")
    alone = np.random.default_rng(0).permuted(paths.values, axis=1)
    lower, upper = np.quantile(alone.sum(axis=2), [0.1, 0.9], axis=1)
    assert coverage(actual.sum(axis=1), lower, upper) < 0.6


def test_neighbouring_steps_of_a_walk_hang_together_and_far_ones_less() -> None:
    paths = drawn("walks")[0].values[:80]
    errors = paths - np.median(paths, axis=1, keepdims=True)
    said = np.mean([np.corrcoef(one, rowvar=False) for one in errors], axis=0)
    steps = np.arange(1, AHEAD + 1)
    truth = np.sqrt(np.minimum.outer(steps, steps) / np.maximum.outer(steps, steps))
    assert_allclose(said, truth, atol=0.12)
    assert (np.diff(said[0]) < 0).all()


# The same paths again


def test_the_same_seed_gives_the_same_paths_whatever_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = trained().paths(n_paths=9), trained().paths(n_paths=9)
    assert_array_equal(one.values, other.values)
    assert (trained().paths(n_paths=9, seed=1).values != one.values).any()
    monkeypatch.setattr("forecaster.simulation._AT_ONCE", 1)
    assert_array_equal(trained().paths(n_paths=9).values, one.values)


def test_a_loaded_model_draws_the_same(tmp_path: Path) -> None:
    trained().save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model", threads=1)
    assert_array_equal(loaded.paths(weekly(), n_paths=5, h=9).values, trained().paths(n_paths=5, h=9).values)


def test_series_differ_and_so_do_paths() -> None:
    values = trained().paths(weekly().select([0]), n_paths=50).values
    assert len(np.unique(values)) == values.size
    twice = numbered({"a": range(1, 30), "b": range(1, 30)})
    one, other = trained().paths(twice, n_paths=50).values
    assert (one != other).all()


# Whatever the series, and whatever is asked


def test_paths_stay_within_what_the_series_may_be() -> None:
    rng = np.random.default_rng(0)
    counts = np.maximum(rng.standard_normal(40), 0).round()
    panel = numbered({
        "counts": counts, "zeros": np.zeros(40), "largest": np.full(40, 1.7e308) * np.sign(rng.standard_normal(40)),
        "tiny": 1e-300 * (2 + rng.random(40)), "negative": -5 - rng.random(40), "two": [1.0, 2.0],
    })  # fmt: skip
    for model in (trained(), tiny(network=replace(TINY, loss="absolute")).fit(weekly())):
        values = dict(zip(panel.ids, model.paths(panel, n_paths=300, h=12).values, strict=True))
        assert all(np.isfinite(one).all() for one in values.values())
        assert (values["counts"] >= 0).all()
        assert (values["tiny"] > 0).all()
        assert (values["negative"] < 0).any()


def test_series_that_never_went_below_zero_do_not_in_any_path() -> None:
    counts = np.maximum(np.random.default_rng(0).standard_normal((9, 40)), 0).round()
    values = tiny().fit(numbered({f"s{i}": row for i, row in enumerate(counts)})).paths(h=9).values
    assert (values >= 0).all()
    assert 0.05 < (values == 0).mean() < 0.95


@pytest.mark.parametrize("h", [1, H, H + 1, 50])
def test_any_horizon(h: int) -> None:
    paths = trained().paths(n_paths=20, h=h)
    assert paths.values.shape == (6, 20, h)
    assert (len(paths), paths.h) == (6, h)
    assert np.isfinite(paths.values).all()


def test_beyond_the_trained_horizon_paths_do_not_fall_apart() -> None:
    values = trained().paths(n_paths=3000, h=12).values
    for one in values:
        assert (np.diag(np.corrcoef(one, rowvar=False), 1)[H:] > 0.6).all()


@pytest.mark.parametrize(
    "asked", [{"n_paths": 0}, {"n_paths": 10_001}, {"n_paths": 2.5}, {"n_paths": True}, {"h": 0}, {"seed": -1}]
)
def test_what_cannot_be_asked(asked: dict[str, Any]) -> None:
    (name,) = asked
    for ask in (trained().paths, trained().simulate):
        with pytest.raises(ConfigError, match=name):
            ask(**asked)


def test_faults_are_those_of_a_forecast(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        tiny().simulate([1, 2, 3])
    trained().save(tmp_path / "model")
    with pytest.raises(NotFittedError, match="holds no series"):
        Forecaster.load(tmp_path / "model").simulate()
    with pytest.raises(TooShortError):
        trained().simulate([1.0])
    hourly = Panel.from_columns(["a"] * 9, np.datetime64("2024-01-01T00") + np.arange(9), np.arange(9.0), freq="h")
    with pytest.raises(InputError, match="hours"):
        trained().simulate(hourly)


# Frames and files


def test_a_frame_has_a_row_for_each_series_path_and_step() -> None:
    frame, paths = trained().simulate(n_paths=4, h=5), trained().paths(n_paths=4, h=5)
    assert frame.columns.tolist() == ["unique_id", "ds", "path", "LSTM"]
    assert_array_equal(frame["LSTM"], paths.values.ravel())
    shaped = {name: frame[name].to_numpy().reshape(6, 4, 5) for name in ("unique_id", "ds", "path")}
    for i, name in enumerate(paths.ids):
        for path in range(4):
            assert set(shaped["unique_id"][i, path]) == {name}
            assert set(shaped["path"][i, path]) == {path}
            assert_array_equal(shaped["ds"][i, path].astype("datetime64[us]"), paths.times[i])
    assert frame["ds"].dtype == trained().predict()["ds"].dtype


def test_columns_keep_their_names_and_series_left_out_are_named() -> None:
    days = pd.to_datetime(["2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04", "2024-01-01"])
    frame = pd.DataFrame({"shop": [*"aaaab"], "day": days, "sold": [1.0, 2, 3, 4, 5]})
    with pytest.warns(UserWarning, match="left out: series 'b'") as caught:
        drawn = trained().simulate(frame, n_paths=2, id_col="shop", time_col="day", target_col="sold")
    assert caught[0].filename == __file__
    assert drawn.columns.tolist() == ["shop", "day", "path", "LSTM"]
    assert drawn["day"].dt.day.tolist() == [5, 6, 7] * 2
    lost = frame[:4].rename(columns={"shop": "path"})
    with pytest.raises(ConfigError, match="'path'"):
        trained().simulate(lost, id_col="path", time_col="day", target_col="sold")


@pytest.mark.parametrize("name", ["paths.csv", "paths.csv.gz", "paths.parquet"])
def test_files_hold_what_the_frame_does(name: str, tmp_path: Path) -> None:
    paths = trained().paths(n_paths=3)
    write_forecast(paths, tmp_path / name)
    expected = forecast_to_frame(paths)
    if name.endswith(".parquet"):
        back = pd.read_parquet(tmp_path / name)
    else:
        back = pd.read_csv(tmp_path / name, parse_dates=["ds"])
    assert back.columns.tolist() == expected.columns.tolist()
    for column in ("unique_id", "ds", "path"):
        assert (back[column].to_numpy() == expected[column].to_numpy()).all()
    assert_allclose(back["LSTM"], expected["LSTM"], rtol=1e-12)


def test_few_series_begin_with_a_random_walk() -> None:
    model = Forecaster(h=4, network=TINY, training=TrainingConfig(steps=4), threads=1).fit([*range(30)])
    said = model.info["calibration"]["dependence"]
    assert_allclose(said["passed_on"], np.sqrt([1 / 2, 2 / 3, 3 / 4]), atol=0.25)
