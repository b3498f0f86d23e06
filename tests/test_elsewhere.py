"""Pieces of a frame that lives elsewhere: the same forecasts as of the whole, whatever the pieces, in every process."""

from __future__ import annotations

import shutil
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import (
    ConfigError,
    Forecaster,
    InputError,
    ModelFormatError,
    UnknownVersionError,
    elsewhere,
    predict_frame,
)
from forecaster.store import open_store
from forecaster.versions import new_version
from tests.examples import TINY, H, tiny, trained, weekly
from tests.stores import URL, Storage


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved model."""
    trained().save(tmp_path / "sales")
    return tmp_path / "sales"


@pytest.fixture(autouse=True)
def _nothing_kept() -> None:
    elsewhere._models.clear()
    elsewhere._in_use.cache_clear()
    elsewhere._store_of.cache_clear()


def frame(count: int = 6, zone: str | None = None) -> pd.DataFrame:
    panel = weekly(count)
    rows = pd.concat(
        [
            pd.DataFrame({"unique_id": name, "ds": panel.times(i), "y": panel.series(i)})
            for i, name in enumerate(panel.ids)
        ],
        ignore_index=True,
    )
    return rows.assign(ds=rows["ds"].dt.tz_localize(zone)) if zone else rows


@pytest.mark.parametrize(
    "asked",
    [{}, {"h": 7}, {"level": 90}, {"quantiles": [0.1, 0.5, 0.9]}, {"h": 1, "level": [70, 90], "threads": 2}],
    ids=str,
)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_pieces_give_what_the_whole_gives(asked: dict[str, Any], zone: str | None, model: Path) -> None:
    rows = frame(zone=zone)
    options = {name: value for name, value in asked.items() if name != "threads"}
    expected = Forecaster.load(model).predict(rows, **options)
    groups = rows.groupby(rows["unique_id"].isin(["s1", "s4"]))
    pieces = [predict_frame(piece.sample(frac=1, random_state=0), model, **asked) for _, piece in groups]
    made = pd.concat(pieces).sort_values(["unique_id", "ds"], ignore_index=True)
    pd.testing.assert_frame_equal(made, expected.sort_values(["unique_id", "ds"], ignore_index=True), check_exact=True)
    nothing = predict_frame(rows.iloc[:0], model, **asked)
    assert len(nothing) == 0
    assert nothing.dtypes.to_dict() == expected.dtypes.to_dict(), "what results are like is known from no rows"


def test_the_frame_that_goes_in_is_not_changed(model: Path) -> None:
    rows = frame()
    before = rows.copy()
    predict_frame(rows, str(model))
    pd.testing.assert_frame_equal(rows, before)


def test_columns_have_the_users_names_and_whole_numbers_stay_so(model: Path) -> None:
    tiny().fit(weekly().values[:50]).save(model)
    rows = pd.DataFrame({"shop": "a", "week": range(20), "sold": np.arange(20.0)})
    names = {"id_col": "shop", "time_col": "week", "target_col": "sold"}
    made = predict_frame(rows, model, h=2, level=[80], **names)
    assert made.columns.tolist() == ["shop", "week", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    assert made["week"].tolist() == [20, 21]
    nothing = predict_frame(rows.iloc[:0], model, h=2, level=[80], **names)
    assert nothing.dtypes.to_dict() == made.dtypes.to_dict()


def test_a_frame_without_rows_has_the_columns_of_the_models_cell(tmp_path: Path) -> None:
    """Dask and Spark hold every piece against them, and some pieces have no rows."""
    tiny(network=replace(TINY, cell="gru")).fit(weekly()).save(tmp_path / "gru")
    made = predict_frame(frame(), tmp_path / "gru", level=80)
    assert made.columns.tolist() == ["unique_id", "ds", "GRU", "GRU-lo-80", "GRU-hi-80"]
    assert predict_frame(frame()[:0], tmp_path / "gru", level=80).dtypes.to_dict() == made.dtypes.to_dict()


@pytest.mark.parametrize("asked", [{}, {"freq": "D"}, {"season": 4}, {"h": 30, "level": 80}], ids=str)
def test_the_base_weights_by_their_name(asked: dict[str, Any]) -> None:
    rows = frame()
    freq = weekly().frequency.alias
    options = {name: asked[name] for name in ("h", "level") if name in asked}
    expected = Forecaster.pretrained(asked.get("freq", freq), season=asked.get("season")).predict(rows, **options)
    groups = rows.groupby(rows["unique_id"].isin(["s1", "s4"]))
    made = pd.concat([predict_frame(piece, "base", **asked) for _, piece in groups])
    made = made.sort_values(["unique_id", "ds"], ignore_index=True)
    pd.testing.assert_frame_equal(made, expected.sort_values(["unique_id", "ds"], ignore_index=True), check_exact=True)
    assert predict_frame(rows[:0], "base", **asked).dtypes.to_dict() == expected.dtypes.to_dict()


def test_a_folder_called_base_is_the_model_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trained().save("base")
    pd.testing.assert_frame_equal(predict_frame(frame(), "base"), Forecaster.load("base").predict(frame()))


def test_frequency_and_season_are_for_the_base_weights_and_versions_for_models(model: Path) -> None:
    for place, asked in ((model, {"freq": "D"}), (model, {"season": 7}), ("base", {"version": "20260102"})):
        with pytest.raises(ConfigError, match=r"eave (them|it) out") as caught:
            predict_frame(frame(), place, **asked)
        assert caught.value.column in asked
    with pytest.raises(InputError, match="freq"):
        predict_frame(frame()[:1], "base")  # a row has no frequency
    with pytest.raises(ConfigError, match="season"):
        predict_frame(frame(), "base", season=0)


def test_a_path_is_below_the_folder_that_the_process_is_in_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, series in (("one", 3), ("two", 5)):
        tiny().fit(weekly(series)).save(tmp_path / name / "sales")
    for name in ("one", "two"):
        monkeypatch.chdir(tmp_path / name)
        expected = Forecaster.load("sales").predict(frame())
        pd.testing.assert_frame_equal(predict_frame(frame(), "sales"), expected, check_exact=True)


def test_series_too_short_have_no_rows_and_are_named(model: Path) -> None:
    rows = pd.concat([frame(1), pd.DataFrame({"unique_id": ["new"], "ds": [pd.Timestamp("2024-01-01")], "y": [1.0]})])
    with pytest.warns(UserWarning, match="left out: series 'new' has 1 observed values"):
        assert set(predict_frame(rows, model)["unique_id"]) == {"s0"}
    with pytest.warns(UserWarning, match="left out: series 'new' has 1 observed values"):
        nothing = predict_frame(rows[rows["unique_id"] == "new"], model)
    assert (len(nothing), nothing.columns.tolist()) == (0, predict_frame(frame(1), model).columns.tolist())


def test_faults_are_raised(model: Path) -> None:
    with pytest.raises(InputError, match="column 'y'"):
        predict_frame(frame(1).assign(y="high"), model)
    with pytest.raises(InputError, match="'ds'"):
        predict_frame(frame(1).drop(columns="ds"), model)
    for asked, column in (({"h": 0}, "h"), ({"level": 100}, "level"), ({"level": 80, "quantiles": [0.5]}, "quantiles")):
        with pytest.raises(ConfigError) as caught:
            predict_frame(frame(1), model, **asked)
        assert caught.value.column == column
        with pytest.raises(ConfigError) as caught:
            predict_frame(frame(1).iloc[:0], model, **asked)
        assert caught.value.column == column


def test_a_model_is_loaded_once_and_anew_when_it_has_changed(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads: list[Path] = []
    load = Forecaster.load

    def counted(path: Path, **options: Any) -> Forecaster:
        loads.append(path)
        return load(path, **options)

    monkeypatch.setattr(Forecaster, "load", counted)
    first = predict_frame(frame(1), model)
    predict_frame(frame(1), str(model))
    assert len(loads) == 1
    tiny(seed=7).fit(weekly()).save(model)
    second = predict_frame(frame(1), model)
    assert len(loads) == 2
    assert (first["LSTM"] != second["LSTM"]).any()
    for copy in range(5):
        shutil.copytree(model, model.with_name(f"copy{copy}"))
        predict_frame(frame(1), model.with_name(f"copy{copy}"))
    assert len(elsewhere._models) == elsewhere._KEPT


def test_versions_of_a_store(model: Path, tmp_path: Path) -> None:
    store = open_store(tmp_path / "models", cache=tmp_path / "cache")
    tiny(seed=7).fit(weekly()).save(tmp_path / "other")
    versions = [new_version(), new_version()]
    for version, folder in zip(versions, (model, tmp_path / "other"), strict=True):
        store.add("sales", version, folder)
    store.set_current("sales", versions[0])
    place = tmp_path / "models" / "sales"
    made = [predict_frame(frame(1), place, version=one) for one in (None, *versions)]
    pd.testing.assert_frame_equal(made[0], made[1])
    assert (made[0]["LSTM"] != made[2]["LSTM"]).any()
    store.set_current("sales", versions[1])
    pd.testing.assert_frame_equal(predict_frame(frame(1), place), made[2])
    with pytest.raises(UnknownVersionError):
        predict_frame(frame(1), place, version=new_version())


def test_a_model_in_object_storage(
    model: Path, tmp_path: Path, object_storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORECASTER_STATE", str(tmp_path / "state"))
    assert object_storage.endpoint.startswith("http://127.0.0.1")
    place = URL
    store = open_store(place, cache=tmp_path / "cache")
    version = new_version()
    store.add("sales", version, model)
    store.set_current("sales", version)
    made = predict_frame(frame(2), f"{place}/sales")
    pd.testing.assert_frame_equal(made, predict_frame(frame(2), model), check_exact=True)
    with pytest.raises(ModelFormatError, match="no model 'none' in"):
        predict_frame(frame(1), f"{place}/none")


def test_there_is_no_such_model(tmp_path: Path) -> None:
    with pytest.raises(ModelFormatError, match="There is no model 'none'"):
        predict_frame(frame(1), tmp_path / "none")


def test_polars_in_polars_out(model: Path) -> None:
    pl = pytest.importorskip("polars", reason="polars is not installed: make test SCALE=1")
    rows = frame(2)
    data = pl.DataFrame({name: rows[name].tolist() for name in rows})
    made = predict_frame(data, model)
    assert isinstance(made, pl.DataFrame)
    assert made["LSTM"].to_list() == predict_frame(rows, model)["LSTM"].tolist()
    assert predict_frame(data[:0], model).schema == made.schema


def test_nothing_is_warned_of_otherwise(model: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(predict_frame(frame(2), model)) == 2 * H
