"""Trained models under threads, hot reload under load, and what is never done to load one."""

from __future__ import annotations

import json
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from forecaster import Forecaster, new_version, open_store
from service import create_app
from service.models.registry import ModelRegistry
from service.settings import Settings
from tests.examples import tiny, trained, weekly

THREADS = 8
PATIENCE = 180
BODY = json.dumps({"series": [{"unique_id": "a", "y": [5, 7, 9, 8, 6, 3, 2] * 6}], "h": 5}).encode()


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return the folders of two models that forecast differently."""
    parent = tmp_path_factory.mktemp("trained")
    for name, model in (("a", trained()), ("b", tiny(seed=5).fit(weekly()))):
        model.save(parent / name)
    return [parent / "a", parent / "b"]


@pytest.fixture
def served(tmp_path: Path, folders: list[Path]) -> tuple[Flask, ModelRegistry, list[str]]:
    """Return a service with two versions of its default model, the first in use."""
    store = open_store(tmp_path, cache=tmp_path)
    versions = [new_version() for _ in folders]
    for version, folder in zip(versions, folders, strict=True):
        store.add("sales", version, folder)
    store.set_current("sales", versions[0])
    registry = ModelRegistry(store, default="sales").open()
    app = create_app(Settings(default_model="sales"), registry=registry)
    return app, registry, versions


def together(work: Callable[[], None], count: int = THREADS) -> Iterator[None]:
    """Run `work` in threads until the one who asks has done what comes between."""
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=guarded) for _ in range(count)]
    for thread in threads:
        thread.start()
    yield
    for thread in threads:
        thread.join(PATIENCE)
    assert not failures


def forecast_of(app: Flask) -> dict[str, Any]:
    response = app.test_client().post("/v1/forecast", data=BODY, content_type="application/json")
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json or {}
    return answer


def test_no_answer_fails_or_mixes_two_versions_while_they_change(
    served: tuple[Flask, ModelRegistry, list[str]],
) -> None:
    app, registry, versions = served
    expected = {}
    for version in versions:
        registry.publish("sales", version)
        answer = forecast_of(app)
        assert answer.pop("version") == version
        expected[version] = answer
    assert expected[versions[0]] != expected[versions[1]]
    seen: set[str] = set()
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            answer = forecast_of(app)
            version = answer.pop("version")
            assert answer == expected[version]
            seen.add(version)

    for _ in together(ask):
        for turn in range(20):
            version = versions[turn % 2]
            if turn % 4 < 2:
                registry.publish("sales", version)
            else:
                registry.store.set_current("sales", version)
                registry.refresh()
        done.set()
    assert seen == set(versions)


def test_csv_answers_name_the_version_too(served: tuple[Flask, ModelRegistry, list[str]]) -> None:
    app, _, versions = served
    csv = "ds,y\n" + "".join(f"{step},{step % 7}\n" for step in range(40))
    response = app.test_client().post("/v1/forecast?h=2", data=csv, content_type="text/csv")
    assert response.status_code == 200
    assert response.headers["Forecast-Model"] == "sales"
    assert response.headers["Forecast-Model-Version"] == versions[0]


def test_threads_share_weights_and_forecast_the_same_bits(folders: list[Path]) -> None:
    model = Forecaster.load(folders[0], threads=2)
    panels = [weekly(count, length=40 + count) for count in range(1, 9)]

    def bits(panel: Any) -> bytes:
        made = model.forecast(panel, h=8)
        return b"".join(part.tobytes() for part in (made.point, made.lower, made.upper))

    alone = [bits(panel) for panel in panels]
    turns = iter(range(THREADS))

    def forecast() -> None:
        first = next(turns)
        for turn in range(3 * len(panels)):
            place = (first + turn) % len(panels)
            assert bits(panels[place]) == alone[place]

    for _ in together(forecast):
        pass


class RefusedError(Exception):
    """Something was unpickled."""


def test_nothing_is_ever_unpickled(tmp_path: Path, folders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Numba's compiled kernels are the exception (docs/decisions/0001), so the forecast here is NumPy's."""

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise RefusedError

    monkeypatch.setenv("FORECASTER_ENGINE", "plain")
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, refuse)
    with pytest.raises(RefusedError):
        pickle.loads(b"")  # noqa: S301 - it is refused
    store = open_store(tmp_path, cache=tmp_path)
    version = new_version()
    store.add("sales", version, folders[0])
    store.set_current("sales", version)
    registry = ModelRegistry(store, default="sales").open()
    assert [served.name for served in registry.served] == ["sales", "base"]
    app = create_app(Settings(default_model="sales"), registry=registry)
    assert forecast_of(app)["version"] == version
