"""Other cells than the LSTM, as a user meets them: trained, forecast with, saved, compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import ConfigError, Forecaster, ModelFormatError, NetworkConfig
from forecaster.engine import Engine
from forecaster.kernels._cache import Counts
from forecaster.loading import LOADER, OTHER_LOADERS
from forecaster.network import ForecastNetwork
from forecaster.shape import Cell
from tests.examples import TINY, H, bits_of, tiny, weekly

OTHERS: list[Cell] = ["gru", "rnn"]
each_other = pytest.mark.parametrize("cell", OTHERS)


def small(cell: Cell, **settings: Any) -> Forecaster:
    return tiny(network=replace(TINY, cell=cell), **settings)


@each_other
def test_the_recipe_of_the_frequency_with_another_cell(cell: Cell) -> None:
    model = Forecaster(h=H, cell=cell, training={"steps": 3}, threads=1).fit(weekly())
    info = model.info
    assert info["architecture"]["cell"] == cell
    assert info["training"]["init"] == "random"
    assert len(info["architecture"]["networks"]) == 3
    assert list(model.predict(level=[80]).columns) == ["unique_id", "ds", *(cell.upper() + end for end in ENDS)]
    assert list(model.simulate(n_paths=2).columns) == ["unique_id", "ds", "path", cell.upper()]


ENDS = ("", "-lo-80", "-hi-80")


@each_other
def test_it_learns(cell: Cell) -> None:
    brief = {"steps": 150, "batch_size": 32, "validate_every": 10, "learning_rate": 0.01}
    network = NetworkConfig(lags=7, positions=14, layers=2, hidden=16, dense=8, cell=cell)
    model = Forecaster(h=H, season=7, network=network, training=brief, threads=1)
    table = {row["model"]: row for row in model.backtest(weekly(12), n_windows=1).table}
    assert table[cell.upper()]["MAE"] < 0.7 * table["Naive"]["MAE"]


@each_other
def test_the_same_bits_for_a_seed_with_any_number_of_threads(cell: Cell) -> None:
    batches = {"steps": 5, "batch_size": 150}
    one, two = (small(cell, training=batches, threads=threads).fit(weekly(40)) for threads in (1, 2))
    assert bits_of(one) == bits_of(two)


@each_other
def test_a_saved_model_comes_back(cell: Cell, tmp_path: Path) -> None:
    model = small(cell).fit(weekly())
    model.save(tmp_path / "model")
    described = json.loads((tmp_path / "model" / "model.json").read_text())["architecture"]
    assert described["cell"] == cell
    assert "cell" not in described["networks"][0]
    loaded = Forecaster.load(tmp_path / "model")
    assert loaded.info["architecture"]["cell"] == cell
    assert_array_equal(loaded.forecast(weekly()).point, model.forecast().point)
    assert loaded.forecast(weekly()).alias == cell.upper()
    assert loaded.fit(weekly()).info["architecture"]["cell"] == cell


def test_a_model_does_not_load_as_one_of_another_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small("gru").fit(weekly()).save(tmp_path / "model")
    monkeypatch.setattr("forecaster.storage._compare", lambda *_: None)
    place = tmp_path / "model" / "model.json"
    place.write_text(place.read_text().replace('"gru"', '"rnn"'))
    with pytest.raises(ModelFormatError, match=r"expected the weights \['0\.dense.*rnn.*got .*gru"):
        Forecaster.load(tmp_path / "model")


@each_other
def test_numpy_and_kernels_say_nearly_the_same(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    model, said = small(cell).fit(weekly()), {}
    for choice in ("plain", "compiled"):
        monkeypatch.setenv("FORECASTER_ENGINE", choice)
        model._fitted = replace(model._ready(), engine=Engine(model._ready().engine.networks, 7))
        said[choice] = model.forecast(weekly(), h=7)
    for name in ("point", "lower", "upper"):
        assert_allclose(getattr(said["plain"], name), getattr(said["compiled"], name), rtol=1e-5)
    assert (said["plain"].point != said["compiled"].point).any()


@each_other
def test_what_was_rehearsed_is_all_that_its_forecasts_need(cell: Cell) -> None:
    OTHER_LOADERS[cell].load()
    LOADER.load()
    network = ForecastNetwork(replace(TINY, cell=cell), H)
    network.initialise(np.random.default_rng(0))
    model = small("lstm").fit(weekly())
    model._fitted = replace(model._ready(), engine=Engine([network], 7))
    before = Counts.compiled + Counts.loaded
    model.forecast(weekly(40), h=7)
    assert Counts.compiled + Counts.loaded == before


def test_who_forecasts_with_an_lstm_does_not_wait_for_other_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORECASTER_ENGINE")
    asked: list[str] = []
    for cell, loader in OTHER_LOADERS.items():
        monkeypatch.setattr(loader, "begin", lambda cell=cell, **_: asked.append(cell))
        monkeypatch.setattr(loader, "load", lambda cell=cell: asked.append(cell))
    model = small("lstm").fit(weekly())
    model.forecast()
    assert asked == []


# --- what does not go together ------------------------------------------------------------------------------------


@each_other
def test_base_weights_are_no_start_for_another_cell(cell: Cell) -> None:
    with pytest.raises(ConfigError, match=f"LSTMs, and can be no start for a {cell}: leave cell out") as caught:
        Forecaster(h=H, cell=cell).fit(weekly(), init="base")
    assert caught.value.column == "cell"


def test_an_lstm_by_name_is_the_default() -> None:
    assert Forecaster(h=H, cell="lstm", training={"steps": 1}).fit(weekly()).info["training"]["init"] == "base"


@pytest.mark.parametrize("cell", ["LSTM", "cnn", "", 3, ["gru"]])
def test_an_unknown_cell_is_refused_with_the_known_ones(cell: Any) -> None:
    with pytest.raises(ConfigError, match="cell must be one of lstm, gru, rnn, got"):
        Forecaster(h=H, cell=cell)
    with pytest.raises(ConfigError, match="cell must be one of lstm, gru, rnn, got"):
        NetworkConfig(cell=cell)


def test_networks_have_cells_of_their_own() -> None:
    with pytest.raises(ConfigError, match="leave cell out, or network"):
        tiny(cell="gru")


def test_networks_of_one_model_have_one_cell() -> None:
    with pytest.raises(ConfigError, match="must have the same cell; got gru, lstm"):
        tiny(network=[TINY, replace(TINY, cell="gru")]).fit(weekly())
