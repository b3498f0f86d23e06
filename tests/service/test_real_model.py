"""The service with a trained model: in process and in a fresh interpreter."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from forecaster import Forecaster, Frequency, Panel
from service import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]
BODY = {"series": [{"unique_id": "a", "ds": DAYS, "y": [10 + day % 7 for day in range(30)]}], "h": 5}
PATIENCE = 180


@pytest.fixture(scope="module")
def client(models: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    state = tmp_path_factory.mktemp("state")
    return create_app(Settings(models=models, state=state, default_model="tiny", reload_seconds=0)).test_client()


def test_it_is_ready_and_lists_the_model_as_it_is_on_disk(client: FlaskClient, models: Path) -> None:
    assert client.get("/readyz").status_code == 200
    listed = client.get("/v1/models").json
    assert listed is not None
    model, base = listed["models"]
    assert (model["name"], base["name"]) == ("tiny", "base")
    assert model["info"] == json.loads((models / "tiny" / "model.json").read_text(encoding="utf-8"))
    assert set(model["sha256"]) == {"model.json", "weights.safetensors"}


def test_the_answer_is_the_librarys_forecast(client: FlaskClient, models: Path) -> None:
    answer = client.post("/v1/forecast", json=BODY).json
    assert answer is not None
    series = BODY["series"][0]  # type: ignore[index]  # a list of dictionaries
    panel = Panel.from_columns(["a"] * 30, np.array(DAYS, "datetime64[D]"), np.array(series["y"]), freq="D")
    made = Forecaster.load(models / "tiny").forecast(panel, h=5)
    (forecast,) = answer["forecasts"]
    assert forecast["ds"] == made.labels[0]
    np.testing.assert_array_equal(forecast["LSTM"], made.point[0])
    np.testing.assert_array_equal(forecast["LSTM-lo-80"], made.lower[0, 0])
    np.testing.assert_array_equal(forecast["LSTM-hi-95"], made.upper[0, 1])


def test_another_frequency_than_the_models_is_refused(client: FlaskClient) -> None:
    series = {"unique_id": "a", "ds": ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], "y": [1, 2, 3, 4]}
    response = client.post("/v1/forecast", json={"series": [series]})
    assert response.status_code == 422
    assert response.json is not None
    assert response.json["errors"][0]["field"] == "freq"
    assert "the default model, tiny" in response.json["detail"]


def test_series_without_timestamps_work_with_every_model(client: FlaskClient) -> None:
    response = client.post("/v1/forecast", json={"series": [{"unique_id": "a", "y": [5, 7, 9, 8] * 5}]})
    assert response.json is not None
    assert response.json["forecasts"][0]["ds"] == [21, 22, 23, 24]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A service in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")
    return create_app(Settings(models=folder, state=folder / ".state", reload_seconds=0)).test_client()


def test_where_nothing_is_trained_the_base_weights_answer_at_once(untrained: FlaskClient) -> None:
    assert untrained.get("/readyz").status_code == 200
    (base,) = untrained.get("/v1/models").json["models"]  # type: ignore[index]  # it is JSON
    assert base["info"]["kinds"]["daily"] == {"horizon": 28, "season": 7}
    series = BODY["series"][0]  # type: ignore[index]  # a list of dictionaries
    panel = Panel.from_columns(["a"] * 30, np.array(DAYS, "datetime64[D]"), np.array(series["y"]), freq="D")
    for asked in ({}, {"season": 10}, {"h": 40}):
        answer = untrained.post("/v1/forecast", json={"series": [series], **asked}).json
        assert answer is not None
        made = Forecaster.pretrained("D", season=asked.get("season")).forecast(panel, h=asked.get("h"))
        assert (answer["model"], answer["h"]) == ("base", made.h)
        (forecast,) = answer["forecasts"]
        np.testing.assert_array_equal(forecast["LSTM"], made.point[0])
        np.testing.assert_array_equal(forecast["LSTM-lo-80"], made.lower[0, 0])


@pytest.mark.parametrize("alias", ["D", "B", "W-MON", "MS", "QS", "YS", "h", "15min", "2W", "3"])
def test_every_frequency_has_base_weights(untrained: FlaskClient, alias: str) -> None:
    frequency = Frequency.parse(alias)
    times = frequency.from_ordinals(np.arange(20))
    labels = times.tolist() if frequency.is_integer else [str(time) for time in times]
    body = {"series": [{"unique_id": "a", "ds": labels, "y": [5.0, 7.0] * 10}], "freq": alias}
    answer = untrained.post("/v1/forecast", json=body).json
    assert answer is not None
    assert answer["h"] == Forecaster.pretrained(alias).h == len(answer["forecasts"][0]["ds"])


@pytest.mark.parametrize("season", [10_001, 10**9])
def test_a_season_longer_than_any_is_refused(untrained: FlaskClient, season: int) -> None:
    response = untrained.post("/v1/forecast", json=BODY | {"season": season})
    assert response.status_code == 422
    assert response.json is not None
    assert response.json["errors"][0]["field"] == "season"


EXTREME = {
    "constant": [7.0] * 30,
    "zeros": [0.0] * 30,
    "negative": [-5.0, -3.0] * 15,
    "huge": [1e308, -1e308] * 15,
    "tiny": [5e-324] * 30,
    "one jump to the largest number": [1.0] * 29 + [1.7e308],
    "two values": [1.0, 2.0],
    "mostly missing": [1.0, *[None] * 28, 2.0],
    "missing at the end": [1.0, 2.0, *[None] * 28],
    "one value": [1.0],
    "none": [None],
}


@pytest.mark.parametrize("case", EXTREME)
@pytest.mark.parametrize("asked", [{}, {"model": "base"}, {"model": "base", "season": 3}])
def test_extreme_series_are_forecast_or_refused_in_valid_json(
    client: FlaskClient, case: str, asked: dict[str, Any]
) -> None:
    response = client.post("/v1/forecast", json={"series": [{"unique_id": "a", "y": EXTREME[case]}]} | asked)
    assert response.status_code in {200, 422}, response.text
    json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    if response.status_code == 200:
        assert all(isinstance(value, float) for value in response.json["forecasts"][0]["LSTM"])  # type: ignore[index]  # it is JSON


def test_threads_share_the_weights(client: FlaskClient) -> None:
    """The same series asked for by many threads at once has the same forecast, to the last bit."""
    app, answers, lock = client.application, set[bytes](), threading.Lock()

    def ask() -> None:
        for _ in range(5):
            data = app.test_client().post("/v1/forecast", json=BODY).data
            with lock:
                answers.add(data)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert len(answers) == 1


LIGHT = """
import json, sys
from pathlib import Path
from service import create_app
from service.settings import Settings
client = create_app(Settings(models=Path(sys.argv[1]), state=Path(sys.argv[3]))).test_client()
body = json.loads(sys.argv[2])
assert client.post("/v1/forecast", json=body, headers={"Accept": "text/csv"}).status_code == 200
csv = "unique_id,ds,y\\n" + "".join(f"a,2024-01-{day:02d},{day}\\n" for day in range(1, 20))
assert client.post("/v1/forecast", data=csv, content_type="text/csv").status_code == 200
heavy = {"pandas", "scipy", "matplotlib", "pyarrow", "rich", "torch"}
print(*sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_serving_never_imports_pandas_or_its_like(models: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", LIGHT, str(models), json.dumps(BODY), str(tmp_path)]
    made = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == ""
