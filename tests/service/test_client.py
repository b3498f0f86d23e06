"""The client and the service understand each other; docs/client.md does what it says."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from flask import Flask

from forecaster import Client, Forecaster, ServiceError, SymbolForecaster
from service import create_app
from service.settings import Settings
from tests.examples import letters
from tests.test_docs import ROOT, SERVED, blocks

from .conftest import make_app, model_folder
from .processes import running, threaded


@pytest.fixture
def url(app: Flask) -> Iterator[str]:
    with threaded(app) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[Client]:
    with Client(url, retries=0) as client:
        yield client


def test_frames_files_and_lists_are_forecast(client: Client) -> None:
    days = pd.date_range("2024-01-01", periods=4, tz="Europe/Berlin")
    frame = pd.DataFrame({"unique_id": list("aaaab"), "ds": [*days, days[0]], "y": [1, None, 3, 4, 5]})
    forecast = client.forecast(frame, h=2, level=[80], freq="D")
    assert list(forecast.columns) == ["unique_id", "ds", "LSTM", "LSTM-lo-80", "LSTM-hi-80"]
    assert list(forecast.attrs["skipped"]) == ["b"]
    assert list(forecast["ds"]) == list(pd.date_range("2024-01-05", periods=2, tz="Europe/Berlin"))
    assert list(forecast["LSTM"]) == [4, 4]
    hours = pd.date_range("2024-03-30 22:00", periods=4, freq="h", tz="Europe/Berlin")
    forecast = client.forecast(pd.DataFrame({"ds": hours, "y": [1, 2, 3, 4]}), h=2, model="base")
    assert list(forecast["ds"]) == list(pd.date_range("2024-03-31 03:00", periods=2, freq="h", tz="Europe/Berlin"))
    answer = client.forecast(ROOT / "data" / "flights_daily.csv", h=3)
    assert (answer.model, answer.freq, answer.h) == ("daily", "D", 3)
    assert len(answer.forecasts) == 29
    assert client.forecast([1, 2, 3], h=1, level=[]).forecasts[0]["LSTM"] == [3]


def test_an_explanation_has_the_librarys_numbers(client: Client) -> None:
    frame = pd.DataFrame({"unique_id": "a", "ds": pd.date_range("2024-01-01", periods=30), "y": range(5, 35)})
    made = client.explain(frame, model="base", network=1).to_frame()
    expected = Forecaster.pretrained("D").explain(frame, network=1).frame()
    expected = expected.sort_values(["layer", "unit", "ds"], ignore_index=True)
    assert list(made.columns) == list(expected.columns)
    for name in ("y", "layer", "unit"):
        assert (made[name] == expected[name]).all()
    for name in ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state"):
        assert (made[name].astype("float32") == expected[name]).all()


def test_what_comes_next_is_that_of_the_library(machine: Path, tmp_path: Path) -> None:
    shutil.copytree(machine, tmp_path / "models" / "machine")
    model = SymbolForecaster.load(machine)
    app = create_app(Settings(models=tmp_path / "models", state=tmp_path, reload_seconds=0))
    with threaded(app) as url, Client(url, retries=0) as client:
        for context in ("busy idle", ["busy", "idle"], ("busy",), ""):
            assert client.next(context, k=3) == model.next(context, k=3)
        assert client.next("idle", model="machine")[0].symbol in {"busy", "error"}
        with pytest.raises(ServiceError, match="one of symbols: machine") as caught:
            client.next("idle", model="base")
        assert (caught.value.status, caught.value.kind) == (422, "unknown-model")
        with pytest.raises(ServiceError, match="k") as caught:
            client.next("idle", k=0)
        assert caught.value.errors[0]["field"] == "k"


def test_refusals_arrive_with_their_fields(client: Client) -> None:
    with pytest.raises(ServiceError) as caught:
        client.forecast([1, 2, 3], model="other")
    error = caught.value
    assert (error.status, error.kind) == (422, "unknown-model")
    assert error.errors[0]["field"] == "model"
    assert len(error.request_id) == 32


def test_models_and_readiness(client: Client) -> None:
    assert [model["name"] for model in client.models()] == ["daily", "base"]
    assert client.ready() is True


def test_a_service_without_its_model_is_not_ready(tmp_path: Path) -> None:
    daily = Settings(default_model="daily")
    model_folder(tmp_path / "models", "daily")
    with threaded(make_app(tmp_path / "models", daily)) as url, Client(url, retries=0) as client:
        assert client.ready() is True
    folder = model_folder(tmp_path / "broken", "daily")
    (folder / "model.json").write_text("{")
    with threaded(make_app(tmp_path / "broken", daily)) as url, Client(url, retries=0) as client:
        assert client.ready() is False


def test_the_blocks_of_its_document_run(
    tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "document"}
    shutil.copytree(models, tmp_path / "models")
    letters().save(tmp_path / "models" / "letters")
    with running(tmp_path, models=tmp_path / "models", WORKERS="1", JOB_WORKERS="1") as service:
        for number, text in enumerate(blocks(SERVED, "python"), 1):
            code = text.replace("http://127.0.0.1:8000", f"http://127.0.0.1:{service.port}")
            exec(compile(code, f"client.md, block {number}", "exec"), names)  # noqa: S102 - our own document
    table = (tmp_path / "forecast.csv").read_text().splitlines()
    assert table[0].startswith("unique_id,ds,LSTM")
    assert len(table) == 1 + 29 * 14
    shown = capsys.readouterr().out
    assert "\n100.0 %" in shown
    assert "\nout " in shown
    assert "422 limit-exceeded h: expected at most" in shown
