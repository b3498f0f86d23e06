"""Base weights: they forecast whatever comes, and training starts from them."""

from __future__ import annotations

import json
import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import forecaster.pretrained
from forecaster import (
    ConfigError,
    Forecast,
    Forecaster,
    Frequency,
    ModelFormatError,
    Panel,
    TrainingConfig,
    read_panel,
)
from forecaster.config import as_settings
from forecaster.executors import Serial
from forecaster.intervals import LEVELS
from forecaster.network import ForecastNetwork
from forecaster.prediction import future_quantiles
from forecaster.pretrained import base_folders, base_for, with_horizon
from forecaster.recipes import RECIPES, Recipe, recipe_of
from forecaster.scaling import scale_panel
from tests.examples import TINY, Floats, bits_of, numbered, weekly

ALIASES = ("D", "B", "W", "4W", "MS", "QS", "YS", "h", "15min", "s", "1")
NOTES = read_panel(Path(__file__).parents[1] / "data" / "notes_daily.csv")  # seven values in a month
FEW: dict[str, Any] = {"steps": 10, "batch_size": 16}


def panel_of(alias: str, length: int, season: int) -> Panel:
    """Return two series of `alias`, one of them negative at times, both with a season and noise."""
    frequency = Frequency.parse(alias)
    steps, rng = np.arange(length), np.random.default_rng(0)
    wave = np.sin(2 * np.pi * steps / max(season, 6)) + 0.2 * rng.standard_normal((2, length))
    values = np.concatenate((50 + 10 * wave[0], wave[1]))
    times = np.tile(frequency.from_ordinals(steps), 2)
    return Panel.from_columns(["a"] * length + ["b"] * length, times, values, freq=alias)


def assert_sound(said: Forecast) -> None:
    ends = np.concatenate((said.lower[:, ::-1], said.point[:, None], said.upper), axis=1)
    assert np.isfinite(ends).all()
    assert (np.diff(ends, axis=1) >= 0).all()
    assert (said.upper > said.lower).all()


# Forecasts at once


@pytest.mark.parametrize("length", [2, 7, 60])
@pytest.mark.parametrize("alias", ALIASES)
def test_every_frequency_is_forecast_at_once(alias: str, length: int) -> None:
    model = Forecaster.pretrained(alias)
    frequency = Frequency.parse(alias)
    assert (model.info["frequency"], model.info["season"]) == (frequency.alias, frequency.season)
    panel = panel_of(alias, length, frequency.season)
    said = model.forecast(panel, level=(50, 80, 95, 99))
    assert said.h == model.h == model.info["horizon"]
    assert said.frequency == frequency
    assert_sound(said)
    assert_sound(model.forecast(panel, h=2 * model.h + 1))
    assert np.isfinite(model.paths(panel, n_paths=3).values).all()


@pytest.mark.parametrize("alias", ["D", "MS", "h", "QS", "W", "YS"])
def test_no_bit_of_a_forecast_depends_on_the_series_beside_it(alias: str) -> None:
    rng = np.random.default_rng(3)
    scales = 10.0 ** np.arange(-3, 6)
    values = [scale * (9 + rng.standard_normal(rng.integers(9, 150)).cumsum()) for scale in scales]
    model = Forecaster.pretrained(alias)
    frequency = Frequency.parse(alias)
    alone = [
        Panel.from_columns([str(i)] * len(one), frequency.from_ordinals(np.arange(len(one))), one, freq=frequency)
        for i, one in enumerate(values)
    ]
    made = model.forecast(Panel.joined(alone), h=9)
    for i, panel in enumerate(alone):
        one = model.forecast(panel, h=9)
        assert_array_equal(one.point[0], made.point[i])
        assert_array_equal(one.lower[0], made.lower[i])
        assert_array_equal(one.upper[0], made.upper[i])


@pytest.mark.parametrize("season", [2, 11, 30])
def test_a_season_that_is_asked_for_comes_back(season: int) -> None:
    profile = np.random.default_rng(season).uniform(-10, 10, season)
    steps = np.arange(10 * season)
    panel = numbered({"a": 100 + profile[steps % season]})
    expected = 100 + profile[np.arange(season)]
    model = Forecaster.pretrained(season=season)
    assert model.info["season"] == season
    errors = np.abs(model.forecast(panel, h=season).point[0] - expected)
    assert errors.max() < 0.1 * np.ptp(profile)
    without = np.abs(Forecaster.pretrained(season=1).forecast(panel, h=season).point[0] - expected)
    assert errors.mean() < 0.3 * without.mean()


def test_the_season_of_the_frequency_is_the_default_and_another_is_used() -> None:
    days = panel_of("D", 90, 10)
    usual, own, other = (Forecaster.pretrained("D", season=season) for season in (None, 7, 10))
    assert_array_equal(usual.forecast(days).point, own.forecast(days).point)
    assert other.info["base"] == usual.info["base"] == "daily"
    expected = 50 + 10 * np.sin(2 * np.pi * np.arange(90, 110) / 10)
    errors = [np.abs(one.forecast(days, h=20).point[0] - expected).mean() for one in (usual, other)]
    assert errors[1] < 0.5 * errors[0]


@pytest.mark.parametrize("season", [0, -1, 1.5, "7", 10**6])
def test_wrong_seasons(season: Any) -> None:
    with pytest.raises(ConfigError, match="season must be") as caught:
        Forecaster.pretrained("D", season=season)
    assert caught.value.column == "season"


def test_an_unknown_frequency() -> None:
    with pytest.raises(ConfigError, match="Unknown frequency"):
        Forecaster.pretrained("fortnight")


def test_it_can_be_saved_as_a_model_of_ones_own(tmp_path: Path) -> None:
    model, panel = Forecaster.pretrained("W", season=13), panel_of("W", 80, 13)
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert (loaded.h, loaded.season, loaded.info["frequency"]) == (model.h, 13, "W-SUN")
    assert_array_equal(loaded.forecast(panel).point, model.forecast(panel).point)
    assert_array_equal(loaded.forecast(panel).lower, model.forecast(panel).lower)


# What is in the package


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.kind)
def test_the_weights_in_the_package_are_those_of_the_recipes(recipe: Recipe) -> None:
    model = Forecaster.load(base_folders()[recipe.kind])
    assert (model.info["horizon"], model.info["season"]) == (recipe.horizon, recipe.season)
    assert model.info["architecture"]["networks"] == [as_settings(one) for one in recipe.networks]
    assert sum(path.stat().st_size for path in base_folders()[recipe.kind].iterdir()) < 2**20


def test_they_are_in_the_wheel() -> None:
    from hatchling.builders.wheel import WheelBuilder

    root = Path(__file__).parents[1]
    packed = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    for kind in base_folders():
        for name in ("model.json", "weights.safetensors", "SHA256SUMS"):
            assert f"forecaster/weights/{kind}/{name}" in packed


@pytest.fixture
def damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the daily base weights in a package that may be damaged."""
    shutil.copytree(base_folders()["daily"], tmp_path / "daily")
    monkeypatch.setattr(forecaster.pretrained, "FOLDER", tmp_path)
    return tmp_path / "daily"


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "SHA256SUMS"])
@pytest.mark.parametrize("damage", ["changed", "cut", "lost"])
def test_a_damaged_package_is_named_as_the_cause(damaged: Path, name: str, damage: str) -> None:
    content = (damaged / name).read_bytes()
    (damaged / name).unlink()
    if damage != "lost":
        half = len(content) // 2
        (damaged / name).write_bytes(content[:half] + (b"?" + content[half + 1 :] if damage == "changed" else b""))
    for call in (lambda: Forecaster.pretrained("D"), lambda: Forecaster(h=3).fit(weekly())):
        with pytest.raises(ModelFormatError, match=r"the base weights in the package are damaged.*Install forecaster"):
            call()
    assert Forecaster(h=3, training={"steps": 1}).fit(weekly(), init="random").info["training"]["init"] == "random"


def test_weights_that_do_not_fit_their_description_are_damaged_too(damaged: Path) -> None:
    import hashlib

    info = json.loads((damaged / "model.json").read_text(encoding="utf-8"))
    del info["calibration"]["dependence"]  # as an earlier version wrote it
    text = json.dumps(info).encode()
    (damaged / "model.json").write_bytes(text)
    sums = (damaged / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    others = [line for line in sums if not line.endswith("model.json")]
    own = f"{hashlib.sha256(text).hexdigest()}  model.json"
    (damaged / "SHA256SUMS").write_text("\n".join([*others, own, ""]), encoding="utf-8")
    with pytest.raises(ModelFormatError, match="the base weights in the package are damaged"):
        Forecaster.pretrained("D")


# Another horizon than that of the base weights


def base_networks(season: int = 7) -> tuple[ForecastNetwork, ...]:
    return base_for(Frequency.parse("D"), season).engine.networks


@pytest.mark.parametrize("h", [1, 13, 28])
def test_a_shorter_horizon_is_the_beginning_of_the_longer_one(h: int) -> None:
    panel = weekly(4, 60)
    base = base_for(Frequency.parse("D"), 7)
    scaled = scale_panel(panel, season=7)
    whole = future_quantiles(base.engine, scaled, 28, Serial())
    engine = type(base.engine)([with_horizon(one, h) for one in base.engine.networks], 7)
    assert engine.horizon == h
    assert_allclose(future_quantiles(engine, scaled, h, Serial()), whole[:, :h], rtol=1e-5, atol=1e-6)


def test_other_networks_are_copies() -> None:
    (network, *_) = base_networks()
    other = with_horizon(network, network.horizon)
    before = network.weights.copy()
    other.weights += 1
    assert_array_equal(network.weights, before)


def smooth(count: int, length: int, *, noise: float = 0.0) -> Floats:
    """Return series with a trend and a weekly season, at different levels."""
    rng, steps = np.random.default_rng(1), np.arange(length)
    level, slope = rng.uniform(40, 80, (count, 1)), rng.uniform(-0.05, 0.05, (count, 1))
    wave = rng.uniform(2, 8, (count, 1)) * np.sin(2 * np.pi * (steps + rng.uniform(0, 7, (count, 1))) / 7)
    walk = np.cumsum(rng.standard_normal((count, length)), axis=1)
    values: Floats = level + slope * steps + wave + noise * walk
    return values


@pytest.mark.parametrize("h", [29, 42, 60])
def test_there_is_no_jump_where_the_trained_horizon_ends(h: int) -> None:
    panel = numbered({f"s{i}": row for i, row in enumerate(smooth(8, 120))})
    said = Forecaster.pretrained("D").forecast(panel, h=h).point
    steps = np.abs(np.diff(said, axis=1))
    others = np.delete(steps, 27, axis=1).max(axis=1)
    assert (steps[:, 27] < 1.1 * others).all()


def test_a_trend_goes_on_beyond_the_trained_horizon() -> None:
    """Growth of 5 per cent a year, forecast twice as far as the weights of years were trained for."""
    panel = Panel.from_columns(
        ["a"] * 40, np.datetime64("1980", "Y") + np.arange(40), 100 * 1.05 ** np.arange(40), freq="YS"
    )
    actual = 100 * 1.05 ** np.arange(40, 56)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        fitted = Forecaster(h=16, training=FEW).fit(panel)
    assert fitted.info["horizon"] == 16
    for model in (Forecaster.pretrained("YS"), fitted):
        errors = np.abs(model.forecast(panel, h=16).point[0] / actual - 1)
        assert errors[-1] < 0.2
        assert errors[8] < errors[7] + 0.03


def test_a_year_of_weeks_comes_back_though_half_of_it_was_trained() -> None:
    steps = np.arange(52 * 6)
    values = 100 + 40 * np.sin(2 * np.pi * steps / 52)
    panel = Panel.from_columns(["a"] * 260, np.datetime64("2015-01-05") + 7 * steps[:260], values[:260], freq="W-MON")
    said = Forecaster(h=52, training=FEW).fit(panel).forecast(panel)
    assert said.h == 52
    assert (np.abs(said.point[0] / values[260:] - 1) < 0.15).all()


def test_peaks_of_three_troughs_come_back_at_twice_the_trained_horizon() -> None:
    season = np.tile([1.0, 1.1, 1.4, 1.9, 2.4, 2.8, 3.0, 2.7, 2.1, 1.6, 1.2, 1.0], 8)
    said = Forecaster.pretrained("ME").predict(100 * season[:48], h=48)["LSTM"].to_numpy()
    assert np.mean(np.abs(said / (100 * season[48:]) - 1)) < 0.1
    assert np.mean(np.abs(said[24:] / (100 * season[72:]) - 1)) < 0.12


def test_a_model_of_a_longer_horizon_is_saved_and_loaded_with_it(tmp_path: Path) -> None:
    panel = weekly(4, 120)
    model = Forecaster(h=40, training=FEW).fit(panel)
    model.save(tmp_path / "model")
    back = Forecaster.load(tmp_path / "model")
    assert (back.h, back.forecast(panel).h) == (40, 40)
    assert_array_equal(back.forecast(panel).upper, model.forecast(panel).upper)
    assert back.networks == ()  # so that `fit` starts from base weights again


@pytest.mark.parametrize("h", [7, 14, 28])
def test_the_intervals_of_a_brief_series_widen(h: int) -> None:
    said = Forecaster.pretrained().forecast(NOTES, h=h)
    for width in (said.upper - said.point[:, None], said.point[:, None] - said.lower):
        assert (np.diff(width, axis=-1) >= -1e-9).all()


def test_ten_values_are_enough_for_a_horizon_beyond_them() -> None:
    with pytest.warns(UserWarning, match="left as they are|left as they were"):
        model = Forecaster(h=14).fit([3, 5, 8, 7, 9, 11, 10, 12, 15, 14])
    assert_sound(model.forecast())


def test_errors_beyond_the_trained_horizon_are_about_those_before_it() -> None:
    values = smooth(60, 242, noise=0.5)
    panel = numbered({f"s{i}": row[:200] for i, row in enumerate(values)})
    model = Forecaster(h=42, season=7, training=FEW).fit(panel)
    errors = np.abs(model.forecast().point - values[:, 200:]).mean(axis=0)
    assert errors[28:35].mean() < 1.25 * errors[21:28].mean()
    assert errors[28] < 1.25 * errors[27]


# Training from them


@pytest.mark.parametrize("season", [None, 7])
def test_one_series_of_a_few_values_is_enough_to_start_from_them(season: int | None) -> None:
    with pytest.warns(UserWarning, match="hold out"):
        model = Forecaster(h=7, season=season).fit(NOTES)
    training = model.info["training"]
    assert (training["init"], training["values"]) == ("base", 7)
    assert set(training["steps"]) == {0}  # nothing can be held out that would judge a step
    said = model.forecast()
    assert_sound(said)
    assert np.nanmin(NOTES.values) <= said.point.min() <= said.point.max() <= np.nanmax(NOTES.values)


def test_what_makes_them_worse_is_not_kept() -> None:
    panel = weekly(6, 80)
    hurt = TrainingConfig(**FEW | {"learning_rate": 10.0, "validate_every": 5})
    model = Forecaster(h=28, freq="D", training=hurt).fit(panel)
    assert model.info["training"]["best_steps"] == [0] * len(base_networks())
    assert_allclose(model.forecast(level=[]).point, Forecaster.pretrained("D").forecast(panel, level=[]).point)


def worlds(count: int = 800, length: int = 120) -> dict[str, Floats]:
    """Return series whose errors are known: about a level with a season, walks, and noise."""
    noise = np.random.default_rng(7).standard_normal((count, length))
    pulled = noise.copy()
    for t in range(1, length):
        pulled[:, t] += 0.8 * pulled[:, t - 1]
    season = 5 * np.sin(2 * np.pi * np.arange(length) / 7)
    return {"pulled": 50 + 3 * pulled + season, "walks": 200 + 2 * np.cumsum(noise, axis=1), "noise": 100 + 5 * noise}


@pytest.mark.parametrize("world", ["pulled", "walks", "noise"])
def test_intervals_cover_what_they_say_on_simulated_series(world: str) -> None:
    panel = numbered({f"s{i}": row for i, row in enumerate(worlds()[world])})
    known, actual = panel.head(14), panel.tail_values(14)
    said = Forecaster(h=14, season=7, training={"steps": 40}).fit(known).forecast(known, level=(80, 95))
    inside = [((actual >= said.lower[:, k]) & (actual <= said.upper[:, k])).mean() for k in range(2)]
    assert_allclose(inside, [0.80, 0.95], atol=0.02)


def test_the_intervals_are_adapted_to_the_series() -> None:
    """Noise as the weights have never met it: of the same size every day, and far from normal."""
    rng = np.random.default_rng(0)
    values = 100 + 30 * np.sign(rng.standard_normal((20, 200)))
    panel = numbered({f"s{i}": row[:193] for i, row in enumerate(values)})
    model = Forecaster(h=7, season=7, training=FEW).fit(panel)
    said = model.forecast(level=[80])
    inside = (said.lower[:, 0] <= values[:, 193:]) & (values[:, 193:] <= said.upper[:, 0])
    assert 0.6 <= inside.mean() <= 1
    factors = np.array(model.info["calibration"]["factors"])
    assert factors.shape == (len(LEVELS), 7)
    assert (factors != base_for(Frequency.parse(1), 7).calibration.ahead(7).factors).any()


def test_random_weights_are_training_from_nothing() -> None:
    panel, steps = weekly(), {"steps": 3, "batch_size": 8}
    daily = recipe_of("daily")
    same = Forecaster(h=3, network=daily.networks, training=replace(daily.training, **steps), threads=1).fit(panel)
    model = Forecaster(h=3, training=steps, threads=1).fit(panel, init="random")
    assert bits_of(model) == bits_of(same)
    assert model.info["training"]["init"] == same.info["training"]["init"] == "random"
    for name in ("architecture", "calibration", "accuracy"):
        assert model.info[name] == same.info[name]


def test_training_starts_from_them_unless_shapes_are_asked_for() -> None:
    panel = weekly()
    usual, asked = (Forecaster(h=3, training=FEW, threads=1).fit(panel, init=init) for init in (None, "base"))
    assert bits_of(usual) == bits_of(asked)
    shaped = Forecaster(h=3, network=TINY, training=FEW, threads=1)
    assert shaped.fit(panel).info["training"]["init"] == "random"
    with pytest.raises(ConfigError, match="base weights have shapes of their own") as caught:
        shaped.fit(panel, init="base")
    assert caught.value.column == "network"
    with pytest.raises(ConfigError, match="init must be one of base, random"):
        Forecaster(h=3).fit(panel, init="zero")  # type: ignore[arg-type]  # that is the test


def test_settings_that_are_not_asked_for_are_those_of_the_recipe() -> None:
    daily = recipe_of("daily")
    settings = Forecaster(h=3, training=FEW).fit(weekly()).info["training"]["settings"]
    assert settings == as_settings(replace(daily.tuning, **FEW))


def test_the_same_bits_with_any_number_of_threads() -> None:
    one, two = (Forecaster(h=3, training=FEW, threads=threads).fit(weekly()) for threads in (1, 2))
    assert bits_of(one) == bits_of(two)


@pytest.mark.parametrize(("h", "season"), [(5, None), (35, 9)])
def test_a_model_that_started_from_them_comes_back_from_disk(h: int, season: int | None, tmp_path: Path) -> None:
    panel = weekly(4, 90)
    model = Forecaster(h=h, season=season, training=FEW).fit(panel)
    model.save(tmp_path / "model")
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.info == model.info
    said, again = model.forecast(h=h + 4), loaded.forecast(panel, h=h + 4)
    for name in ("point", "lower", "upper"):
        assert_array_equal(getattr(said, name), getattr(again, name))


# Backtests


def test_a_backtest_sets_them_beside_what_was_trained() -> None:
    panel = weekly(3, 80)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = Forecaster(h=4, training=FEW).backtest(panel, n_windows=2, pretrained=True)
    assert [row["model"] for row in result.table] == ["LSTM", "Base", "Naive", "SeasonalNaive", "Drift"]
    fold = result.folds[0]
    said = Forecaster.pretrained("D").forecast(fold.known, h=4)
    assert_array_equal(fold.forecasts["Base"].point, said.point)
    assert {"Base", "Base-lo-80", "Base-hi-95"} < set(result.frame().columns)


def test_a_backtest_trains_from_what_is_asked_for() -> None:
    panel = weekly(3, 60)
    model = Forecaster(h=3, training=FEW, threads=1)
    frames = [model.cross_validation(panel, n_windows=1, init=init) for init in (None, "base", "random")]
    assert_array_equal(frames[0]["LSTM"], frames[1]["LSTM"])
    assert (frames[0]["LSTM"] != frames[2]["LSTM"]).any()
