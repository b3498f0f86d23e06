"""Models: which are served, which answers, and what happens to those that cannot."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from forecaster import NewerFormatError, base_folders
from service import create_app
from service.settings import Settings

from .conftest import BODY, LastValue, fake_base, load_fake, make_app, model_folder, new_registry, open_registry


def client_of(folder: Path, **settings: Any) -> FlaskClient:
    return make_app(folder, Settings(**settings)).test_client()


def model_of(response: TestResponse) -> str:
    assert response.status_code == 200, response.text
    assert response.json is not None
    return str(response.json["model"])


def listed(client: FlaskClient) -> dict[str, Any]:
    answer = client.get("/v1/models").json
    assert answer is not None
    return {model["name"]: model for model in answer["models"]}


def problem_of(response: TestResponse) -> dict[str, Any]:
    assert response.status_code == 422, response.text
    assert response.json is not None
    problem: dict[str, Any] = response.json
    return problem


def test_a_service_without_models_answers_with_the_base_weights(tmp_path: Path) -> None:
    client = client_of(tmp_path / "missing")
    assert client.get("/readyz").json == {"status": "ready"}
    (base,) = listed(client).values()
    assert (base["name"], base["status"], base["default"]) == ("base", "ready", True)
    assert list(base["info"]["kinds"]) == list(base_folders())
    assert set(base["info"]["kinds"]["daily"]) == {"horizon", "season"}
    assert len(base["sha256"]) == 2 * len(base_folders())
    assert base["sha256"].keys() >= {"daily/model.json", "hourly/weights.safetensors"}
    for asked in (BODY, DATED, BODY | {"model": "base"}, BODY | {"season": 12}):
        assert model_of(client.post("/v1/forecast", json=asked)) == "base"
    assert client.post("/v1/forecast", json=BODY | {"model": "other"}).status_code == 422


def test_a_service_without_anything_lives_but_is_not_ready(tmp_path: Path) -> None:
    registry = open_registry(tmp_path, load=lambda _: Failing())
    client = create_app(Settings(), registry=registry).test_client()
    assert client.get("/livez").json == {"status": "ok"}
    for response in (client.get("/readyz"), client.post("/v1/forecast", json=BODY)):
        assert response.status_code == 503
        assert response.content_type == "application/problem+json"
        assert int(response.headers["Retry-After"]) > 0
    assert {name: model["status"] for name, model in listed(client).items()} == {"base": "failed"}


def test_base_weights_answer_where_all_that_was_trained_has_failed(tmp_path: Path) -> None:
    (model_folder(tmp_path, "sick") / "SHA256SUMS").unlink()
    client = client_of(tmp_path)
    assert {name: model["status"] for name, model in listed(client).items()} == {"base": "ready", "sick": "failed"}
    assert client.get("/readyz").status_code == 200
    assert model_of(client.post("/v1/forecast", json=BODY)) == "base"
    assert client.post("/v1/forecast", json=BODY | {"model": "sick"}).status_code == 422


def test_base_weights_stand_beside_what_was_trained(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    client = client_of(tmp_path, default_model="daily")
    assert {name: model["default"] for name, model in listed(client).items()} == {"daily": True, "base": False}
    assert model_of(client.post("/v1/forecast", json=BODY)) == "daily"
    assert model_of(client.post("/v1/forecast", json=DATED | {"model": "base"})) == "base"
    for field, asked in (("freq", DATED), ("model", BODY | {"model": "other"}), ("season", BODY | {"season": 7})):
        problem = problem_of(client.post("/v1/forecast", json=asked))
        assert [error["field"] for error in problem["errors"]] == [field]
        assert "base" in problem["detail"]


def test_a_trained_model_has_a_season_of_its_own(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    client = client_of(tmp_path, default_model="daily")
    asked = BODY | {"season": 7, "model": "daily"}
    csv = client.post("/v1/forecast?season=7", data="ds,y\n1,1\n2,2\n3,3\n", content_type="text/csv")
    for response in (client.post("/v1/forecast", json=asked), csv):
        problem = problem_of(response)
        assert problem["type"].endswith("invalid-request")
        assert "the model daily was trained with a season of its own; or the model base" in problem["detail"]


def test_frequency_season_and_horizon_reach_the_base_weights(tmp_path: Path) -> None:
    made: list[tuple[str, int | None]] = []

    def watched(alias: str, *, season: int | None = None) -> LastValue:
        made.append((alias, season))
        return fake_base(alias, season=season)

    client = create_app(Settings(), registry=open_registry(tmp_path, pretrained=watched)).test_client()
    csv = "ds,y\n2024-01-01,1\n2024-02-01,2\n2024-03-01,3\n"
    undated = {name: value for name, value in BODY.items() if name != "h"}
    answers = [
        client.post("/v1/forecast", json=DATED),
        client.post("/v1/forecast?season=6&h=2", data=csv, content_type="text/csv", headers={"Accept": "*/json"}),
        client.post("/v1/forecast?season=6", data=csv, content_type="text/csv", headers={"Accept": "application/json"}),
        client.post("/v1/forecast", json=undated | {"season": 4}),
        client.post("/v1/forecast", json=undated | {"freq": "h", "h": 3}),
        client.post("/v1/forecast", json=DATED),
    ]
    assert [response.status_code for response in answers] == [200, 406, 200, 200, 200, 200]
    assert [response.json["h"] for response in answers if response.json and "h" in response.json] == [6, 6, 6, 3, 6]
    assert made == [("MS", None), ("MS", 6), ("1", 4), ("h", None)]  # the last was kept


@pytest.mark.parametrize("season", [0, -7, 1.5, "7", [7]])
def test_a_season_is_a_whole_number(client: FlaskClient, season: Any) -> None:
    problem = problem_of(client.post("/v1/forecast", json=BODY | {"season": season}))
    assert problem["errors"][0]["field"] == "season"


def test_a_folder_called_base_is_the_users_own(tmp_path: Path) -> None:
    model_folder(tmp_path, "base", accuracy={"mase": 0.5})
    client = client_of(tmp_path)
    assert listed(client)["base"]["info"]["accuracy"] == {"mase": 0.5}
    assert client.post("/v1/forecast", json=DATED | {"model": "base"}).status_code == 422
    assert model_of(client.post("/v1/forecast", json=BODY | {"model": "base"})) == "base"
    (tmp_path / "base" / "SHA256SUMS").unlink()
    model_folder(tmp_path, "daily")
    assert client_of(tmp_path).get("/readyz").status_code == 503
    client = client_of(tmp_path, default_model="daily")
    assert listed(client)["base"]["status"] == "failed"
    assert client.post("/v1/forecast", json=BODY | {"model": "base"}).status_code == 422


def test_the_base_weights_are_the_default(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    client = client_of(tmp_path)
    assert client.get("/readyz").status_code == 200
    assert {name: model["default"] for name, model in listed(client).items()} == {"daily": False, "base": True}
    assert model_of(client.post("/v1/forecast", json=BODY)) == "base"
    assert model_of(client.post("/v1/forecast", json=BODY | {"model": "daily"})) == "daily"


def test_it_is_ready_once_a_model_has_made_a_forecast(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    asked: list[int] = []

    class Watched(LastValue):
        def forecast(self, *args: Any, **options: Any) -> Any:
            asked.append(1)
            return super().forecast(*args, **options)

    registry = new_registry(tmp_path, load=lambda _: Watched(), default="daily")
    client = create_app(Settings(), registry=registry).test_client()
    assert client.get("/readyz").status_code == 503
    registry.open()
    assert len(asked) == 1 + len(base_folders())
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
    registry = open_registry(tmp_path, load=lambda path: broken() if path.name == "sick" else LastValue())
    client = create_app(Settings(), registry=registry).test_client()
    statuses = {name: model["status"] for name, model in listed(client).items()}
    assert statuses == {"good": "ready", "base": "ready", "sick": "failed"}
    assert listed(client)["sick"]["fault"] == "no-forecast"
    assert model_of(client.post("/v1/forecast", json=BODY | {"model": "good"})) == "good"
    assert client.post("/v1/forecast", json=BODY | {"model": "sick"}).status_code == 422
    assert any("sick" in str(vars(record).get("fields")) for record in caplog.records)


def test_a_damaged_model_does_not_stop_the_service(tmp_path: Path) -> None:
    (model_folder(tmp_path, "cut") / "model.json").write_text('{"frequency":', encoding="utf-8")
    model_folder(tmp_path, "old")
    (tmp_path / "old" / "SHA256SUMS").unlink()

    def load(path: Path) -> LastValue:
        if path.name == "newer":
            raise NewerFormatError("format 99")
        return load_fake(path)

    model_folder(tmp_path, "newer")
    registry = open_registry(tmp_path, load=load)
    faults = {name: failure.fault for name, failure in registry.snapshot.failures.items()}
    assert faults == {"cut": "error", "newer": "newer-format", "old": "error"}
    assert not registry.snapshot.models


def test_folders_that_are_being_written_are_not_models(tmp_path: Path) -> None:
    model_folder(tmp_path, ".writing")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    registry = open_registry(tmp_path)
    assert not registry.snapshot.models
    assert not registry.snapshot.failures


def test_models_are_listed_with_what_they_are(client: FlaskClient) -> None:
    model = listed(client)["daily"]
    assert model["default"] is True
    assert model["info"]["horizon"] == 4
    assert model["sha256"] == {"model.json": "0" * 64, "weights.safetensors": "1" * 64}


DATED = {"series": [{"unique_id": "a", "ds": ["2024-01-01", "2024-02-01", "2024-03-01"], "y": [1, 2, 3]}]}


def test_a_model_answers_for_its_frequency_and_for_steps_without_dates(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    model_folder(tmp_path, "monthly", frequency="MS")
    client = client_of(tmp_path)
    assert model_of(client.post("/v1/forecast", json=DATED | {"model": "monthly"})) == "monthly"
    assert model_of(client.post("/v1/forecast", json=BODY | {"model": "monthly"})) == "monthly"
    problem = problem_of(client.post("/v1/forecast", json=DATED | {"model": "daily"}))
    assert problem["detail"].startswith("freq: expected D, the frequency of the model daily; or the model base")
    unknown = problem_of(client.post("/v1/forecast", json=BODY | {"model": "hourly"}))
    assert "base (any), daily (D), monthly (MS)" in unknown["detail"]


def test_the_default_model_is_a_setting_and_no_other_steps_in(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    model_folder(tmp_path, "monthly", frequency="MS")
    client = client_of(tmp_path, default_model="daily")
    assert model_of(client.post("/v1/forecast", json=BODY)) == "daily"
    problem = problem_of(client.post("/v1/forecast", json=DATED))
    assert problem["detail"].startswith(
        "freq: expected D, the frequency of the default model, daily; or the model base"
    )
    assert problem["errors"][0] == {"field": "freq", "expected": problem["errors"][0]["expected"], "got": "MS"}


@pytest.mark.parametrize(("default", "told"), [("yearly", "is not there"), ("sick", "could not be loaded")])
def test_a_default_model_that_is_not_there_is_named_as_the_cause(
    tmp_path: Path, default: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    model_folder(tmp_path, "daily")
    (model_folder(tmp_path, "sick") / "SHA256SUMS").unlink()
    client = client_of(tmp_path, default_model=default)
    for response in (client.get("/readyz"), client.post("/v1/forecast", json=BODY)):
        assert response.status_code == 503
        assert response.json is not None
        assert response.json["detail"].startswith(f"The default model, {default}, {told}")
    (record,) = [record for record in caplog.records if record.message == "the default model is not ready"]
    assert record.levelname == "ERROR"
    assert vars(record)["fields"] == {"model": default}


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
        thread.join(timeout=60)
    assert answers == {number: [number] * 3 for number in range(16)}
