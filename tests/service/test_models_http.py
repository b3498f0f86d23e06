"""``/v1/models``: models and versions over HTTP, and choosing another."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from forecaster import OutputError, StoreError
from service import create_app
from service.models.watcher import Watcher
from service.settings import Settings

from .conftest import BODY, model_folder, open_registry

FIRST, SECOND, THIRD = (f"20260{month}01T000000Z-00000000" for month in (1, 2, 3))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of models: one with two versions, one that is not published, and one that is damaged."""
    for version, horizon in ((FIRST, 3), (SECOND, 5)):
        model_folder(tmp_path / "sales", version, horizon=horizon)
    (tmp_path / "sales" / "current").write_text(FIRST, encoding="ascii")
    model_folder(tmp_path / "web", FIRST)
    (model_folder(tmp_path, "sick") / "model.json").write_text("{", encoding="ascii")
    return tmp_path


@pytest.fixture
def registry(folder: Path) -> Any:
    return open_registry(folder)


@pytest.fixture
def client(registry: Any) -> FlaskClient:
    return create_app(Settings(), registry=registry).test_client()


def put(client: FlaskClient, name: str, version: str) -> TestResponse:
    return client.put(f"/v1/models/{name}/current", json={"version": version})


def kind_of(response: TestResponse) -> str:
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    return f"{response.status_code} {response.json['type'].rpartition(':')[2]}"


def ok(response: TestResponse) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    return response.json or {}


def test_models_are_listed_with_what_became_of_them(client: FlaskClient) -> None:
    models = {model.pop("name"): model for model in ok(client.get("/v1/models"))["models"]}
    assert {name: (model["status"], model["version"], model["fault"]) for name, model in models.items()} == {
        "sales": ("ready", FIRST, None),
        "base": ("ready", models["base"]["version"], None),
        "sick": ("failed", None, "error"),
        "web": ("unpublished", None, None),
    }
    assert re.fullmatch(r"[0-9a-f]{12}", models["base"]["version"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", models["sales"]["loaded"])
    assert models["sales"]["info"]["horizon"] == 3
    assert models["sick"]["loaded"] is None


def test_a_model_is_shown_with_its_versions(client: FlaskClient) -> None:
    sales = ok(client.get("/v1/models/sales"))
    assert sales["versions"] == [{"version": SECOND, "answers": False}, {"version": FIRST, "answers": True}]
    assert sales["version"] == FIRST
    assert ok(client.get("/v1/models/web"))["versions"] == [{"version": FIRST, "answers": False}]
    assert ok(client.get("/v1/models/sick"))["fault"] == "error"
    base = ok(client.get("/v1/models/base"))
    assert base["versions"] == []
    assert base["default"] is True


@pytest.mark.parametrize("name", ["other", "..", ".hidden", "a%0ab", "%2e%2e%2fmodels", "a%5cb", "x" * 101])
def test_a_model_that_is_not_there(name: str, client: FlaskClient) -> None:
    assert kind_of(client.get(f"/v1/models/{name}")) == "404 unknown-path"
    assert kind_of(put(client, name, FIRST)) == "404 unknown-path"


def test_a_version_is_put_into_use_at_once_and_taken_back(client: FlaskClient, folder: Path) -> None:
    asked = {**BODY, "model": "sales"}
    for version in (SECOND, FIRST):
        model = ok(put(client, "sales", version))
        assert (model["version"], model["status"]) == (version, "ready")
        assert [entry["version"] for entry in model["versions"] if entry["answers"]] == [version]
        assert ok(client.post("/v1/forecast", json=asked))["version"] == version
        assert (folder / "sales" / "current").read_text(encoding="ascii") == f"{version}\n"
    assert ok(put(client, "web", FIRST))["status"] == "ready"
    names = [model["name"] for model in ok(client.get("/v1/models"))["models"]]
    assert names == ["sales", "web", "base", "sick"]


def test_a_version_that_is_not_there(client: FlaskClient) -> None:
    for name, version in (("sales", THIRD), ("sales", "../" + FIRST), ("sales", "current"), ("base", FIRST)):
        assert kind_of(put(client, name, version)) == "404 unknown-version"


def test_a_version_that_cannot_be_served_changes_nothing(
    client: FlaskClient, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "sales" / SECOND / "model.json").write_text("{", encoding="ascii")
    response = put(client, "sales", SECOND)
    assert kind_of(response) == "409 conflict"
    (record,) = [record for record in caplog.records if record.message == "version not put into use"]
    assert vars(record)["fields"]["error"] == "JSONDecodeError"
    assert str(folder) not in response.text
    assert (folder / "sales" / "current").read_text(encoding="ascii") == FIRST
    sales = ok(client.get("/v1/models/sales"))
    assert (sales["version"], sales["fault"]) == (FIRST, None)


def test_a_store_that_cannot_be_written_or_read_is_told(
    client: FlaskClient, registry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(error: Exception) -> Any:
        def call(*_: Any) -> None:
            raise error

        return call

    with monkeypatch.context() as patch:
        patch.setattr(registry.store, "set_current", fail(OutputError("read-only")))
        assert kind_of(put(client, "sales", SECOND)) == "503 unavailable"
    assert ok(client.get("/v1/models/sales"))["version"] == FIRST
    with monkeypatch.context() as patch:
        patch.setattr(registry.store, "versions", fail(StoreError("/a/path does not answer")))
        for response in (put(client, "sales", SECOND), client.get("/v1/models/sales")):
            assert kind_of(response) == "503 unavailable"
            assert "/a/path" not in response.text


BAD_BODIES: list[tuple[str, bytes]] = [
    ("400 malformed-body", b""),
    ("400 malformed-body", b"{"),
    ("400 malformed-body", b'{"version": "a", "version": "b"}'),
    ("400 malformed-body", b"\xff"),
    ("400 malformed-body", b"[" * 100_000),
    ("422 invalid-request", b"{}"),
    ("422 invalid-request", b"[]"),
    ("422 invalid-request", b'{"version": 3}'),
    ("422 invalid-request", b'{"version": ""}'),
    ("422 invalid-request", json.dumps({"version": "x" * 65}).encode()),
    ("422 invalid-request", json.dumps({"version": FIRST, "more": 1}).encode()),
]


@pytest.mark.parametrize(("kind", "body"), BAD_BODIES)
def test_bodies_that_are_wrong(kind: str, body: bytes, client: FlaskClient) -> None:
    response = client.put("/v1/models/sales/current", data=body, content_type="application/json")
    assert kind_of(response) == kind


def test_other_media_types_and_large_bodies_are_refused(registry: Any) -> None:
    client = create_app(Settings(max_bytes=1024), registry=registry).test_client()
    for content_type in ("application/json; charset=utf-16", "text/plain"):
        response = client.put("/v1/models/sales/current", data=FIRST, content_type=content_type)
        assert kind_of(response) == "415 unsupported-media-type"
    half = {"CONTENT_LENGTH": "100", "wsgi.input_terminated": True}
    response = client.put("/v1/models/sales/current", json={"version": FIRST}, environ_overrides=half)
    assert kind_of(response) == "400 malformed-body"
    response = client.put("/v1/models/sales/current", data=FIRST, content_type="text/plain")
    assert kind_of(response) == "415 unsupported-media-type"
    response = client.put("/v1/models/sales/current", data=b" " * 2000, content_type="application/json")
    assert kind_of(response) == "413 too-large"


def test_a_service_that_makes_its_own_registry_watches_the_store(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pointer that is moved by another process is seen without a request."""
    started: list[Watcher] = []
    start = Watcher.start

    def noted(watcher: Watcher) -> Watcher:
        watcher._seconds = 0.01
        started.append(watcher)
        return start(watcher)

    monkeypatch.setattr(Watcher, "start", noted)
    (folder / "sales" / "current").unlink()
    settings = Settings(models=folder, state=tmp_path / "state")
    create_app(Settings(models=folder, state=tmp_path / "state", reload_seconds=0))
    assert not started
    client = create_app(settings).test_client()
    (watcher,) = started
    try:
        assert "broken" not in names_of(client)
        (folder / "broken").mkdir()
        (folder / "broken" / "model.json").write_text("{", encoding="ascii")
        seen = threading.Event()
        for _ in range(1000):
            if "broken" in names_of(client):
                break
            seen.wait(0.01)
        assert "broken" in names_of(client)
    finally:
        watcher.stop()


def names_of(client: FlaskClient) -> list[str]:
    return [model["name"] for model in ok(client.get("/v1/models"))["models"]]
