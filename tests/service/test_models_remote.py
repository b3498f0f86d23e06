"""The service with its models on object storage: a server on this machine that speaks S3."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from forecaster import open_store
from service import create_app
from service.settings import Settings
from tests.examples import tiny, trained, weekly
from tests.stores import URL, Storage

FIRST, SECOND = (f"20260{month}01T000000Z-00000000" for month in (1, 2))
BODY = {"series": [{"unique_id": "a", "y": [5, 7, 9, 8, 6, 3, 2] * 6}], "h": 5}


def service(state: Path) -> FlaskClient:
    settings = Settings(model_store=URL, state=state, default_model="sales", reload_seconds=0)
    return create_app(settings).test_client()


def answer_of(client: FlaskClient) -> dict[str, Any]:
    response = client.post("/v1/forecast", json=BODY)
    assert response.status_code == 200, response.text
    return response.json or {}


def listed(client: FlaskClient) -> dict[str, Any]:
    return {model["name"]: model for model in (client.get("/v1/models").json or {})["models"]}


def test_models_are_pulled_served_published_and_served_again_without_the_store(
    object_storage: Storage, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(URL, cache=tmp_path / "elsewhere")
    for version, model in ((FIRST, trained()), (SECOND, tiny(seed=5).fit(weekly()))):
        model.save(tmp_path / version)
        store.add("sales", version, tmp_path / version)
    store.set_current("sales", FIRST)

    client = service(tmp_path / "state")
    first = answer_of(client)
    assert first["version"] == FIRST
    assert client.put("/v1/models/sales/current", json={"version": SECOND}).status_code == 200
    assert store.current("sales") == SECOND
    assert answer_of(client)["version"] == SECOND

    client = service(tmp_path / "state")  # a restart, which leaves copies of what is in use
    second = answer_of(client)
    assert second["version"] == SECOND
    assert second["forecasts"] != first["forecasts"]

    object_storage.put(f"sales/{FIRST}/weights.safetensors", b"damaged")
    for copy in (tmp_path / "state").glob(f"models-cache/*/sales/{FIRST}/weights.safetensors"):
        copy.write_bytes(b"damaged")
    assert client.put("/v1/models/sales/current", json={"version": FIRST}).status_code == 409
    assert answer_of(client) == second

    object_storage.stop()
    caplog.clear()
    client = service(tmp_path / "state")
    assert client.get("/readyz").status_code == 200
    assert answer_of(client) == second
    assert listed(client)["sales"]["version"] == SECOND
    assert client.get("/v1/models/sales").status_code == 503
    told = [record.message for record in caplog.records if record.name.startswith("service.models")]
    assert told == ["the store of models does not answer"]


def test_a_service_without_store_and_copies_is_not_ready(object_storage: Storage, tmp_path: Path) -> None:
    object_storage.stop()
    client = service(tmp_path / "state")
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.post("/v1/forecast", json=BODY).status_code == 503
    assert listed(client).keys() == {"base"}
