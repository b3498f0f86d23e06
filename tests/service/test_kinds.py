"""Models of every kind and cell in one folder: each route answers, or says what the model is and who can be asked."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from forecaster import (
    Client,
    Forecaster,
    NetworkConfig,
    Panel,
    SequenceClassifier,
    ServiceError,
    TrainingConfig,
    new_version,
    open_store,
)
from service import create_app
from service.models.loading import load_folder
from service.schemas.backtests import BacktestAnswer
from service.schemas.forecasts import ForecastAnswer
from service.settings import Settings

from .conftest import open_registry
from .jobs import TABLE, JobService
from .processes import threaded

ROWS = [["cat", "mat", "rat"], ["cat", "rat", "rat"], ["mat", "mat", "cat"]]
SERIES = [{"unique_id": "a", "y": [float(k % 7 + 1) for k in range(60)]}]
FORECASTS = {
    "/v1/forecast": {"series": SERIES},
    "/v1/backtest": {"series": SERIES},
    "/v1/explain": {"series": SERIES},
    "/v1/timeseries/forecast": {
        "inputs": [{"name": "a", "series": SERIES[0]["y"], "frequency": "D"}],
        "options": {"horizon": 2},
    },
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, machine: Path) -> Path:
    """A model folder of each kind."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(machine, folder / "machine")
    SequenceClassifier(training={"steps": 5}, threads=1).fit(ROWS, [0, 0, 1]).save(folder / "labels")
    days = np.datetime64("2023-01-01") + np.arange(120)
    panel = Panel.from_columns(["a"] * 120, days, 10.0 + np.arange(120) % 7, freq="D")
    for cell in ("gru", "rnn"):
        network = NetworkConfig(cell=cell, lags=7, positions=14, layers=1, hidden=8, dense=8)  # type: ignore[arg-type]  # one of them
        model = Forecaster(h=4, network=network, training=TrainingConfig(steps=4, batch_size=8), threads=1)
        model.fit(panel).save(folder / cell)
    return folder


def published(made: Path, folder: Path) -> Path:
    """Return a store in which a version of each is in use."""
    store = open_store(folder, cache=folder.parent / "copies")
    for one in sorted(made.iterdir()):
        version = new_version()
        store.add(one.name, version, one)
        store.set_current(one.name, version)
    return folder


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    return published(made, tmp_path / "models")


def client_of(store: Path, **settings: Any) -> FlaskClient:
    app = create_app(Settings(models=store, state=store.parent / "state", reload_seconds=0, **settings))
    app.config["PROPAGATE_EXCEPTIONS"] = False  # as in production: a failure is an answer
    return app.test_client()


@pytest.fixture
def client(store: Path) -> Iterator[FlaskClient]:
    with client_of(store) as client:
        yield client


def refused(client: FlaskClient, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json is not None
    return answer.json


# Cells


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_forecasts_and_backtests_are_called_after_the_cell(client: FlaskClient, cell: str) -> None:
    name = cell.upper()
    answer = client.post("/v1/forecast", json={"series": SERIES, "model": cell, "level": [80]})
    TypeAdapter(ForecastAnswer).validate_json(answer.data, strict=True)
    (forecast,) = answer.json["forecasts"]  # type: ignore[index]  # it has a body
    assert list(forecast) == ["unique_id", "ds", name, f"{name}-lo-80", f"{name}-hi-80"]
    answer = client.post("/v1/backtest", json={"series": SERIES, "model": cell, "details": True})
    TypeAdapter(BacktestAnswer).validate_json(answer.data, strict=True)
    assert answer.json["accuracy"][0]["model"] == name  # type: ignore[index]  # it has a body
    assert len(answer.json["forecasts"][0][name]) == 4  # type: ignore[index]  # it has a body
    table = client.post(f"/v1/forecast?model={cell}&h=2&level=80", data=TABLE, content_type="text/csv")
    assert table.text.splitlines()[0] == f"unique_id,ds,{name},{name}-lo-80,{name}-hi-80"
    kserve = client.post("/v1/timeseries/forecast", json={**FORECASTS["/v1/timeseries/forecast"], "model": cell})
    assert kserve.json["status"] == "completed"  # type: ignore[index]  # it has a body


def test_only_lstms_have_the_gates_that_are_explained(client: FlaskClient) -> None:
    for cell in ("gru", "rnn"):
        problem = refused(client, "/v1/explain", series=SERIES, model=cell)
        assert problem["type"].endswith(":invalid-request")
        assert problem["errors"][0]["field"] == "model"
        assert f"those of {cell} are {cell.upper()}s" in problem["detail"]
    assert client.post("/v1/explain", json={"series": SERIES, "model": "base", "network": 0}).status_code == 200


def test_the_client_gets_the_columns_and_the_refusal(store: Path) -> None:
    app = client_of(store).application
    with threaded(app) as url, Client(url, retries=0) as asked:
        assert "GRU" in asked.forecast(SERIES[0]["y"], model="gru").forecasts[0]
        assert "GRU" in asked.forecast({"a": SERIES[0]["y"]}, model="gru").to_frame().columns
        with pytest.raises(ServiceError, match="LSTMs") as caught:
            asked.explain(SERIES[0]["y"], model="gru")
        assert caught.value.status == 422


# Kinds


@pytest.mark.parametrize("path", list(FORECASTS))
def test_forecasts_are_not_asked_of_other_kinds(client: FlaskClient, path: str) -> None:
    problem = refused(client, path, **FORECASTS[path], model="machine")
    assert problem["type"].endswith(":unknown-model")
    assert "machine, a model of the kind symbols: POST /v1/next asks it" in problem["detail"]
    problem = refused(client, path, **FORECASTS[path], model="labels")
    assert problem["type"].endswith(":unknown-model")
    assert "a model of a kind that answers in the library only" in problem["detail"]
    assert "gru (D)" in problem["detail"]
    assert "machine (" not in problem["detail"]


@pytest.mark.parametrize(
    ("model", "said"),
    [("gru", "a model of another kind"), ("labels", "a model of a kind that answers in the library only")],
)
def test_what_comes_next_is_not_asked_of_other_kinds(client: FlaskClient, model: str, said: str) -> None:
    problem = refused(client, "/v1/next", context="idle", model=model)
    assert problem["type"].endswith(":unknown-model")
    assert said in problem["detail"]
    assert "machine" in problem["detail"]


def test_each_is_listed_with_its_kind(client: FlaskClient) -> None:
    listed = {one["name"]: one for one in client.get("/v1/models").json["models"]}  # type: ignore[index]  # it has a body
    assert list(listed) == ["gru", "machine", "rnn", "base", "labels"]
    assert listed["gru"]["info"]["architecture"]["cell"] == "gru"
    assert listed["machine"]["info"]["kind"] == "symbols"
    assert listed["machine"]["info"]["vocabulary"] == {"units": "symbols", "lowercase": False, "size": 4}
    assert (listed["labels"]["status"], listed["labels"]["fault"]) == ("failed", "not-served")
    for name, one in listed.items():
        shown = client.get(f"/v1/models/{name}").json
        assert shown is not None
        assert shown["info"] == one["info"]
    assert client.get("/readyz").status_code == 200


def test_versions_of_symbols_are_published_and_rolled_back(store: Path, made: Path) -> None:
    kept = open_store(store, cache=store.parent / "copies")
    version = new_version()
    kept.add("machine", version, made / "machine")
    (before,) = set(kept.versions("machine")) - {version}
    with client_of(store) as client:
        for chosen in (version, before):
            answer = client.put("/v1/models/machine/current", json={"version": chosen})
            assert answer.status_code == 200
            assert client.post("/v1/next", json={"context": "idle"}).json["version"] == chosen  # type: ignore[index]  # it has a body


def test_a_classifier_cannot_be_published(store: Path, made: Path) -> None:
    kept = open_store(store, cache=store.parent / "copies")
    version, before = new_version(), kept.current("gru")
    kept.add("gru", version, made / "labels")
    with client_of(store) as client:
        answer = client.put("/v1/models/gru/current", json={"version": version})
        assert answer.status_code == 409
        assert "a classifier answers in the library only" in answer.json["detail"]  # type: ignore[index]  # it has a body
        assert client.get("/v1/models/gru").json["version"] == before  # type: ignore[index]  # it has a body


def test_a_classifier_is_told_once_in_the_log(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "service"):
        registry = open_registry(store, load=partial(load_folder, threads=1))
        for _ in range(5):
            registry.refresh()
    assert [record.getMessage() for record in caplog.records] == ["model left out"]


def test_a_default_of_another_kind_is_ready_and_forecasts_nothing(store: Path) -> None:
    with client_of(store, default_model="machine") as client:
        assert client.get("/readyz").status_code == 200
        assert client.post("/v1/next", json={"context": "idle"}).status_code == 200
        assert "machine, a model of the kind symbols" in refused(client, "/v1/forecast", series=SERIES)["detail"]
        assert client.post("/v1/forecast", json={"series": SERIES, "model": "base"}).status_code == 200
    with client_of(store, default_model="labels") as client:
        assert client.get("/readyz").status_code == 503
        assert client.post("/v1/next", json={"context": "idle"}).status_code == 503


# Jobs


@pytest.fixture
def jobs(made: Path, tmp_path: Path) -> Iterator[JobService]:
    service = JobService(tmp_path)
    published(made, service.settings.models)
    yield service
    service.close()


def ended(jobs: JobService, query: str) -> dict[str, Any]:
    place = jobs.hand_in(query=query)
    jobs.work()
    return jobs.look(place)


@pytest.mark.parametrize(("model", "asked"), [("machine", "POST /v1/next asks it"), ("labels", "in the library only")])
def test_a_job_says_that_a_model_makes_no_forecasts(jobs: JobService, model: str, asked: str) -> None:
    job = ended(jobs, f"kind=forecast&h=2&model={model}")
    assert job["status"] == "failed"
    assert job["error"]["type"].endswith(":unknown-model")
    assert model in job["error"]["detail"]
    assert asked in job["error"]["detail"]


def test_a_job_forecasts_with_another_cell(jobs: JobService) -> None:
    job = ended(jobs, "kind=forecast&h=2&model=gru&level=80")
    assert job["status"] == "succeeded", job
    table = jobs.fetch(f"/v1/jobs/{job['id']}/result").text
    assert table.splitlines()[0] == "unique_id,ds,GRU,GRU-lo-80,GRU-hi-80"


def test_a_job_trains_another_cell(jobs: JobService) -> None:
    job = ended(jobs, "kind=train&h=2&name=mine&cell=rnn&steps=2")
    assert job["status"] == "succeeded", job
    told = jobs.fetch(f"/v1/jobs/{job['id']}/result").json
    assert told is not None
    assert told["info"]["architecture"]["cell"] == "rnn"
    assert told["info"]["training"]["init"] == "random"
