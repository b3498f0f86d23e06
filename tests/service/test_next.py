"""POST /v1/next."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from forecaster import SymbolForecaster
from service import create_app
from service.schemas.symbols import NextAnswer
from service.settings import Settings
from tests.examples import letters

from .test_documents import documented_requests

STATES = ["idle", "busy", "idle", "error", "reset"] * 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    folder = tmp_path_factory.mktemp("symbols")
    model = SymbolForecaster(units="symbols", training={"steps": 100, "learning_rate": 0.02}, threads=1)
    model.fit(STATES).save(folder / "machine")
    (folder / "tiny").symlink_to(models / "tiny")
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[FlaskClient]:
    app = create_app(Settings(models=folder, state=folder / ".state", reload_seconds=0))
    with app.test_client() as client:
        yield client


def ask(client: FlaskClient, **body: Any) -> Any:
    response = client.post("/v1/next", json=body)
    assert response.status_code == 200, response.text
    TypeAdapter(NextAnswer).validate_json(response.data, strict=True)
    return response.json


def refused(client: FlaskClient, status: int = 422, path: str = "/v1/next", **body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == status, response.text
    return response.json


def test_what_the_library_suggests(client: FlaskClient, folder: Path) -> None:
    model = SymbolForecaster.load(folder / "machine")
    for context in ("busy idle", ["busy", "idle"], "", []):
        answer = ask(client, context=context, k=3)
        told = [(one["symbol"], one["probability"]) for one in answer["suggestions"]]
        assert told == [tuple(one) for one in model.next(context, k=3)]
    assert {name: answer[name] for name in ("model", "units", "unknown")} == {
        "model": "machine",
        "units": "symbols",
        "unknown": 0,
    }


def test_the_line_of_the_documentation_works(tmp_path: Path) -> None:
    letters().save(tmp_path / "letters")
    lines = [body for path, body in documented_requests() if path == "/v1/next"]
    assert lines
    with create_app(Settings(models=tmp_path, state=tmp_path / ".state", reload_seconds=0)).test_client() as client:
        for body in lines:
            assert ask(client, **json.loads(body))["suggestions"][0]["symbol"] == "out"


def test_the_likeliest_is_first_and_what_is_unknown_is_counted(client: FlaskClient) -> None:
    answer = ask(client, context="on fire busy idle", model="machine")
    assert answer["unknown"] == 2
    assert len(answer["suggestions"]) == 4  # all there are
    assert answer["suggestions"][0]["symbol"] == "error"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "context"),
        ({"context": 3}, "context"),
        ({"context": ["a", 1]}, "context[1]"),
        ({"context": [""]}, "context[0]"),
        ({"context": "a" * 20_001}, "context"),
        ({"context": "a", "k": 0}, "k"),
        ({"context": "a", "k": 101}, "k"),
        ({"context": "a", "k": "3"}, "k"),
        ({"context": "a", "word": 1}, "word"),
    ],
)
def test_what_is_wrong_is_named(client: FlaskClient, body: dict[str, Any], field: str) -> None:
    answer = refused(client, **body)
    assert answer["type"].endswith("invalid-request")
    assert answer["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("model", "got"), [("tiny", "a model of another kind"), ("base", "a model of another kind"), ("no", "another name")]
)
def test_models_of_another_kind_are_refused(client: FlaskClient, model: str, got: str) -> None:
    answer = refused(client, context="idle", model=model)
    assert answer["type"].endswith("unknown-model")
    assert answer["errors"][0]["got"] == got
    assert "machine" in answer["detail"]


@pytest.mark.parametrize("path", ["/v1/forecast", "/v1/backtest"])
def test_models_of_symbols_do_not_forecast_series(client: FlaskClient, path: str) -> None:
    series = [{"unique_id": "a", "y": [1.0, 2.0, 3.0, 4.0] * 10}]
    answer = refused(client, path=path, series=series, model="machine")
    assert answer["type"].endswith("unknown-model")
    assert "/v1/next" in answer["detail"]


def test_without_a_model_of_symbols_there_is_none_to_ask(models: Path, tmp_path: Path) -> None:
    app = create_app(Settings(models=models, state=tmp_path, reload_seconds=0))
    with app.test_client() as client:
        assert "none is ready" in refused(client, context="idle")["detail"]


def test_models_lists_it(client: FlaskClient) -> None:
    listed = {one["name"]: one for one in client.get("/v1/models").json["models"]}  # type: ignore[index]  # it has a body
    assert listed["machine"]["status"] == "ready"
    assert listed["machine"]["info"]["kind"] == "symbols"
