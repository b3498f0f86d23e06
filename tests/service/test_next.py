"""POST /v1/next."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from forecaster import SymbolForecaster
from service import create_app
from service.admission import SMALL, next_cost
from service.keys import create_key
from service.logs import JsonFormatter
from service.schemas.symbols import NextAnswer
from service.settings import Settings
from tests.examples import letters

from .test_documents import documented_requests


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, models: Path, machine: Path) -> Path:
    folder = tmp_path_factory.mktemp("next")
    (folder / "machine").symlink_to(machine)
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
    ("body", "status", "kind"),
    [
        (b"", 400, "malformed-body"),
        (b"{", 400, "malformed-body"),
        (b"idle", 400, "malformed-body"),
        (b'"idle"', 422, "invalid-request"),
        (b"null", 422, "invalid-request"),
        (b'{"context": "a", "context": "b"}', 400, "malformed-body"),
        (b'{"context": NaN}', 422, "invalid-request"),
        (b'{"context": "\xff"}', 400, "malformed-body"),
        (b'{"context": "\\ud800"}', 400, "malformed-body"),
        (b'{"context": "a", "k": 1e400}', 422, "invalid-request"),
        (b'{"context": ' + b"[" * 100_000, 400, "malformed-body"),
        (b'{"context": "' + b"idle " * 200_000 + b'"}', 422, "invalid-request"),
        (b'{"context": [' + b'"idle",' * 10_000 + b'"idle"]}', 422, "invalid-request"),
        (b'{"context": "' + b"a" * 17 * 2**20 + b'"}', 413, "too-large"),
    ],
    ids=range(14),
)
def test_bodies_that_are_none(client: FlaskClient, body: bytes, status: int, kind: str) -> None:
    answer = client.post("/v1/next", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["type"].rpartition(":")[2]) == (status, kind)  # type: ignore[index]  # it has a body
    assert len(answer.data) < 2_000


def test_bodies_of_another_type(client: FlaskClient) -> None:
    assert client.post("/v1/next", data=b"context=idle").status_code == 415
    assert client.post("/v1/next", json={"context": "idle"}, headers={"Accept": "text/csv"}).status_code == 406
    assert client.post("/v1/next?k=3", json={"context": "idle"}).status_code == 422
    assert client.get("/v1/next").status_code == 405


@pytest.mark.parametrize(
    "context", [" ", "\x00", "\u200b" * 100, "🙂" * 20_000, "idle " * 4_000, ["\n"], ["idle"] * 2_000]
)
def test_odd_contexts_are_answered(client: FlaskClient, context: str | list[str]) -> None:
    answer = ask(client, context=context)
    assert sum(one["probability"] for one in answer["suggestions"]) <= 1


def test_only_the_newest_symbols_count(client: FlaskClient) -> None:
    told = ask(client, context=["error"] * 1_000 + ["busy", "idle"] * 128)
    assert told["suggestions"] == ask(client, context=["busy", "idle"] * 128)["suggestions"]


def test_a_key_needs_the_scope(folder: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys.json"
    tokens = {scope: create_key(keys, scope, [scope])[1] for scope in ("forecast", "metrics")}
    app = create_app(Settings(models=folder, state=tmp_path, keys=keys, reload_seconds=0))
    with app.test_client() as client:
        for token, status in ((tokens["forecast"], 200), (tokens["metrics"], 403), ("nonsense", 401)):
            headers = {"Authorization": f"Bearer {token}"}
            assert client.post("/v1/next", json={"context": "idle"}, headers=headers).status_code == status
        assert client.post("/v1/next", json={"context": "idle"}).status_code == 401


def test_its_cost_grows_with_the_model_and_the_context_up_to_what_is_looked_at() -> None:
    small, large = ({"architecture": {"weights": weights}} for weights in (10_000, 10_000_000))
    assert next_cost(small, symbols=5) < SMALL
    assert next_cost(small, symbols=5) < next_cost(large, symbols=5) < next_cost(large, symbols=256)
    assert next_cost(large, symbols=256) == next_cost(large, symbols=20_000)


def test_metrics_and_log_have_the_route(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    ask(client, context="busy canary77")
    (line,) = [json.loads(JsonFormatter().format(one)) for one in caplog.records if one.name == "service.request"]
    assert (line["route"], line["status"], line["model"], line["symbols"]) == ("/v1/next", 200, "machine", 2)
    assert "canary77" not in json.dumps(line)
    text = client.get("/metrics").text
    assert re.search(r'forecaster_requests_total\{method="POST",route="/v1/next",status="200"\} \d', text)
    assert "canary77" not in text


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
