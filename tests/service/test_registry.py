"""Models: which are served, which answers, and what happens to those that cannot."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from forecaster import ModelFormatError
from service import create_app
from service.registry import ModelRegistry
from service.settings import Settings

from .conftest import BODY, LastValue, load_fake, make_app, model_folder


def client_of(folder: Path, **settings: Any) -> FlaskClient:
    return make_app(folder, Settings(**settings)).test_client()


def model_of(response: TestResponse) -> str:
    assert response.status_code == 200, response.text
    assert response.json is not None
    return str(response.json["model"])


def test_a_service_without_models_lives_but_is_not_ready(tmp_path: Path) -> None:
    client = client_of(tmp_path / "missing")
    assert client.get("/livez").json == {"status": "ok"}
    for response in (client.get("/readyz"), client.post("/v1/forecast", json=BODY)):
        assert response.status_code == 503
        assert response.content_type == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
    assert client.get("/v1/models").json == {"models": []}


def test_it_is_ready_once_a_model_has_made_a_forecast(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    asked: list[int] = []

    class Watched(LastValue):
        def forecast(self, *args: Any, **options: Any) -> Any:
            asked.append(1)
            return super().forecast(*args, **options)

    registry = ModelRegistry(tmp_path, load=lambda _: Watched())
    client = create_app(Settings(), registry=registry).test_client()
    assert client.get("/readyz").status_code == 503
    registry.open()
    assert asked == [1]
    assert client.get("/readyz").json == {"status": "ready"}


class Failing(LastValue):
    def forecast(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("no kernels")


class NotFinite(LastValue):
    def forecast(self, *args: Any, **options: Any) -> Any:
        made = super().forecast(*args, **options)
        made.point[0, 0] = float("nan")
        return made


@pytest.mark.parametrize("broken", [Failing, NotFinite])
def test_a_model_that_cannot_forecast_is_left_out_and_the_others_served(
    tmp_path: Path, broken: type[LastValue], caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("good", "sick"):
        model_folder(tmp_path, name)
    registry = ModelRegistry(tmp_path, load=lambda path: broken() if path.name == "sick" else LastValue()).open()
    client = create_app(Settings(), registry=registry).test_client()
    listed = client.get("/v1/models").json
    assert listed is not None
    assert [(model["name"], model["status"]) for model in listed["models"]] == [("good", "ready"), ("sick", "failed")]
    assert model_of(client.post("/v1/forecast", json=BODY)) == "good"
    assert client.post("/v1/forecast", json=BODY | {"model": "sick"}).status_code == 422
    assert any("sick" in str(vars(record).get("fields")) for record in caplog.records)


def test_a_damaged_model_does_not_stop_the_service(tmp_path: Path) -> None:
    (model_folder(tmp_path, "cut") / "model.json").write_text('{"frequency":', encoding="utf-8")
    model_folder(tmp_path, "old")
    (tmp_path / "old" / "SHA256SUMS").unlink()

    def load(path: Path) -> LastValue:
        if path.name == "newer":
            raise ModelFormatError("format 99")
        return load_fake(path)

    model_folder(tmp_path, "newer")
    registry = ModelRegistry(tmp_path, load=load).open()
    assert registry.failed == {"cut", "newer", "old"}
    assert not registry.models


def test_folders_that_are_being_written_are_not_models(tmp_path: Path) -> None:
    model_folder(tmp_path, ".writing")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    registry = ModelRegistry(tmp_path, load=load_fake).open()
    assert not registry.models
    assert not registry.failed


def test_models_are_listed_with_what_they_are(client: FlaskClient) -> None:
    listed = client.get("/v1/models").json
    assert listed is not None
    (model,) = listed["models"]
    assert model["default"] is True
    assert model["info"]["horizon"] == 4
    assert model["sha256"] == {"model.json": "0" * 64, "weights.safetensors": "1" * 64}


DATED = {"series": [{"unique_id": "a", "ds": ["2024-01-01", "2024-02-01", "2024-03-01"], "y": [1, 2, 3]}]}


def test_of_several_models_the_one_of_the_same_frequency_answers(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    model_folder(tmp_path, "monthly", frequency="MS")
    client = client_of(tmp_path)
    assert model_of(client.post("/v1/forecast", json=DATED)) == "monthly"
    assert model_of(client.post("/v1/forecast", json=BODY | {"freq": "D"})) == "daily"
    assert client.post("/v1/forecast", json=DATED | {"model": "daily"}).status_code == 422
    assert model_of(client.post("/v1/forecast", json=BODY | {"model": "monthly"})) == "monthly"
    undecided = client.post("/v1/forecast", json=BODY)
    assert undecided.status_code == 422
    assert "daily (D), monthly (MS)" in undecided.text
    weekly = client.post("/v1/forecast", json=BODY | {"freq": "W"})
    assert weekly.status_code == 422
    assert weekly.json is not None
    assert weekly.json["errors"][0]["field"] == "freq"


def test_the_default_model_is_a_setting(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    model_folder(tmp_path, "monthly", frequency="MS")
    client = client_of(tmp_path, default_model="daily")
    assert model_of(client.post("/v1/forecast", json=BODY)) == "daily"
    assert model_of(client.post("/v1/forecast", json=DATED)) == "monthly"


@pytest.mark.parametrize(("default", "told"), [("yearly", "names none of them"), ("sick", "could not be loaded")])
def test_a_default_model_that_is_not_there_is_named_as_the_cause(
    tmp_path: Path, default: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    model_folder(tmp_path, "daily")
    (model_folder(tmp_path, "sick") / "SHA256SUMS").unlink()
    client = client_of(tmp_path, default_model=default)
    for response in (client.get("/readyz"), client.post("/v1/forecast", json=BODY)):
        assert response.status_code == 503
        assert response.json is not None
        assert response.json["detail"].startswith("The models daily (D) are ready, but FORECASTER_DEFAULT_MODEL ")
        assert told in response.json["detail"]
    (record,) = [record for record in caplog.records if "FORECASTER_DEFAULT_MODEL" in record.message]
    assert record.levelname == "ERROR"
    assert vars(record)["fields"] == {"model": default, "ready": ["daily"], "failed": ["sick"]}


def test_threads_share_a_model(client: FlaskClient) -> None:
    app = client.application
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        series = [{"unique_id": str(number), "y": [number] * 5}]
        response = app.test_client().post("/v1/forecast", json={"series": series, "h": 3})
        answers[number] = response.json["forecasts"][0]["LSTM"] if response.json else None

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=10)
    assert answers == {number: [number] * 3 for number in range(16)}
