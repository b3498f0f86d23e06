"""A service with a model that needs no training: it repeats the last value."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from forecaster import (
    Explanation,
    Forecast,
    Forecaster,
    NetworkConfig,
    Panel,
    SymbolForecaster,
    TooShortError,
    TrainingConfig,
    open_store,
)
from service import create_app
from service.models.registry import ModelRegistry
from service.settings import STATE, Settings
from tests.service import processes

ENOUGH = 3
BODY = {"series": [{"unique_id": "a", "y": [1, 2, 3, 4, 5]}], "h": 2}


class LastValue:
    """Stands in for a fitted Forecaster: the last observed value, plus or minus the level."""

    def __init__(self, **info: Any) -> None:
        self.info: dict[str, Any] = {
            "format_version": 1,
            "frequency": "D",
            "horizon": 4,
            "season": 7,
            "accuracy": {"mase": 0.9},
        } | info

    def forecast(
        self, panel: Panel | None = None, *, h: int | None = None, level: tuple[float, ...] = (80, 95)
    ) -> Forecast:
        assert panel is not None
        h = h or self.info["horizon"]
        reasons = {
            panel.ids[i]: f"Series {panel.ids[i]!r} has {count} values, {ENOUGH} are needed."
            for i, count in enumerate(panel.observed)
            if count < ENOUGH
        }
        kept = panel.select(np.flatnonzero(panel.observed >= ENOUGH))
        if not len(kept):
            error = TooShortError(next(iter(reasons.values())), series=panel.ids[0])
            error.skipped = reasons
            raise error
        last = np.array([kept.series(i)[~np.isnan(kept.series(i))][-1] for i in range(len(kept))])
        point = np.repeat(last[:, None], h, axis=1)
        spread = np.array(level, np.float64)[None, :, None]
        return Forecast(
            ids=kept.ids,
            times=kept.future_times(h),
            frequency=kept.frequency,
            point=point,
            levels=level,
            lower=point[:, None, :] - spread,
            upper=point[:, None, :] + spread,
            skipped=reasons,
            timezone=kept.timezone,
        )

    def explain(self, df: Panel, *, network: int | None = None, layer: int | None = None) -> Explanation:
        """Explain what some network does, that has little to do with the last value."""
        if not (df.observed >= ENOUGH).any():
            raise TooShortError(f"Series {df.ids[0]!r} has too few values.", series=df.ids[0])
        model = Forecaster.pretrained(df.frequency.alias)
        return model.explain(df, network=0 if network is None else network, layer=layer)


def model_folder(parent: Path, name: str, **info: Any) -> Path:
    """Write what the registry looks for; the model itself is `load_fake`."""
    folder = parent / name
    folder.mkdir(parents=True)
    (folder / "model.json").write_text(json.dumps(info), encoding="utf-8")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  model.json\n{'1' * 64}  weights.safetensors\n", encoding="utf-8")
    return folder


def load_fake(folder: Path) -> LastValue:
    return LastValue(**json.loads((folder / "model.json").read_text(encoding="utf-8")))


def fake_base(alias: str, *, season: int | None = None) -> LastValue:
    """Stand in for `Forecaster.pretrained`: a horizon of 6, and the season asked for."""
    return LastValue(frequency=alias, horizon=6, season=season)


def new_registry(folder: Path, **options: Any) -> ModelRegistry:
    store = open_store(folder, cache=folder / ".copies")
    return ModelRegistry(store, **{"load": load_fake, "pretrained": fake_base, **options})


def open_registry(folder: Path, **options: Any) -> ModelRegistry:
    return new_registry(folder, **options).open()


def make_app(folder: Path, settings: Settings | None = None) -> Flask:
    settings = settings or Settings()
    if settings.state == STATE:  # that of whoever runs the tests
        settings = replace(settings, state=folder / ".state")
    app = create_app(settings, registry=open_registry(folder, default=settings.default_model))
    app.config["PROPAGATE_EXCEPTIONS"] = False  # as in production: a failure is an answer
    return app


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    model_folder(tmp_path, "daily")
    return make_app(tmp_path, Settings(default_model="daily"))


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


@pytest.fixture(scope="module", autouse=True)
def _numpy() -> Iterator[None]:
    """Have services in processes of their own forecast in NumPy: they start in half the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(processes.DEFAULTS, "ENGINE", "plain")
        yield


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model of symbols, states of a machine."""
    folder = tmp_path_factory.mktemp("symbols") / "machine"
    model = SymbolForecaster(units="symbols", training={"steps": 100, "learning_rate": 0.02}, threads=1)
    model.fit(["idle", "busy", "idle", "error", "reset"] * 40).save(folder)
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one tiny model."""
    folder = tmp_path_factory.mktemp("models")
    days = np.arange(120)
    panel = Panel.from_columns(["a"] * 120, np.datetime64("2023-01-01") + days, 10 + days % 7 + np.sin(days), freq="D")
    network = NetworkConfig(lags=7, positions=14, layers=1, hidden=8, dense=8)
    Forecaster(h=4, network=network, training=TrainingConfig(steps=4, batch_size=8)).fit(panel).save(folder / "tiny")
    return folder
