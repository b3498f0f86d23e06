"""POST /v1/explain: the library's numbers, to the last bit, and what becomes of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import TypeAdapter

from forecaster import Forecaster, Panel
from forecaster.prediction import look_ahead
from service import create_app
from service.admission import Admission
from service.explaining import shortest
from service.schemas.explanations import ExplainAnswer
from service.settings import Settings

from .conftest import LastValue, model_folder, open_registry

STATES = ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state")
DAYS = [str(day) for day in np.datetime64("2024-01-01") + np.arange(40)]
VALUES: list[float | None] = [float(20 + day % 7 + day // 5) for day in range(40)]
VALUES[30] = None
LONG = {"unique_id": "long", "ds": DAYS, "y": VALUES}
SHORT = {"unique_id": "short", "ds": DAYS[:5], "y": [3, 4, 6, 5, 7]}
BRIEF = {"unique_id": "brief", "ds": DAYS[:1], "y": [3]}


@pytest.fixture(scope="module")
def client(models: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    state = tmp_path_factory.mktemp("state")
    settings = Settings(models=models, state=state, default_model="tiny", reload_seconds=0)
    return create_app(settings).test_client()


def ask(client: FlaskClient, *series: dict[str, Any], **options: Any) -> Any:
    response = client.post("/v1/explain", json={"series": list(series), **options})
    assert response.status_code == 200, response.text
    TypeAdapter(ExplainAnswer).validate_json(response.data, strict=True)
    return response.json


def refused(client: FlaskClient, *series: dict[str, Any], **options: Any) -> Any:
    response = client.post("/v1/explain", json={"series": list(series), **options})
    assert response.status_code == 422, response.text
    return response.json


def panel_of(*series: dict[str, Any]) -> Panel:
    ids = [one["unique_id"] for one in series for _ in one["y"]]
    days = np.array([day for one in series for day in one["ds"]], "datetime64[D]")
    values = np.array([np.nan if value is None else value for one in series for value in one["y"]])
    return Panel.from_columns(ids, days, values, freq="D")


@pytest.fixture(params=["tiny", "base"])
def model(request: pytest.FixtureRequest, models: Path) -> tuple[str, Forecaster]:
    """One network with one layer, and three of which two see no season."""
    name = str(request.param)
    return name, Forecaster.load(models / "tiny") if name == "tiny" else Forecaster.pretrained("D")


# --- the same numbers -----------------------------------------------------------------------------------------------


def test_its_numbers_are_the_librarys(client: FlaskClient, model: tuple[str, Forecaster]) -> None:
    name, library = model
    answer = ask(client, LONG, SHORT, model=name)
    made = library.explain(panel_of(LONG, SHORT))
    assert answer["engine"] == made.engine == "compiled"
    assert (answer["networks"], answer["layers"]) == (len(made.networks), [len(one.layers) for one in made.networks])
    for i, series in enumerate(answer["explanations"]):
        assert series["unique_id"] == made.ids[i]
        assert series["ds"] == made.time_labels(i)
        assert_array_equal(np.array(series["y"], float), made.values(i))
        for shown, trace in zip(series["networks"], made.networks, strict=True):
            known = trace.steps - trace.padding[i]
            assert (shown["network"], shown["steps"], shown["padding"]) == (trace.network, known, trace.padding[i])
            assert (shown["horizon"], shown["season_removed"]) == (trace.horizon, trace.season_removed)
            assert_array_equal(shown["inputs"], trace.inputs[i, -known:])
            for layer, states in zip(shown["layers"], trace.layers, strict=True):
                assert (layer["layer"], layer["units"]) == (states.layer, states.units)
                for one in STATES:
                    numbers = np.array(layer[one], np.float32)
                    assert_array_equal(numbers, getattr(states, one)[i, -known:].T, err_msg=one)


def test_they_lead_to_the_forecast(client: FlaskClient, model: tuple[str, Forecaster]) -> None:
    """From what was answered and the weights, by (22) to (24) of docs/lstm.md, to what /v1/forecast answers."""
    name, library = model
    (series,) = ask(client, LONG, model=name)["explanations"]
    fitted: Any = library._fitted
    said = np.mean([_said(fitted.engine.networks[one["network"]], one, series["y"]) for one in series["networks"]], 0)
    made = library.explain(panel_of(LONG))
    said += np.mean([trace.season[0] for trace in made.networks], axis=0)[:, None]
    horizon = said.shape[0]
    outlook = replace(look_ahead(fitted.engine, panel_of(LONG), horizon, 1), quantiles=said[None])
    point, lower, upper = outlook.ends(fitted.calibration, (80.0,))
    body = {"series": [LONG], "model": name, "h": horizon, "level": [80]}
    answer = client.post("/v1/forecast", json=body).json
    assert answer is not None
    (forecast,) = answer["forecasts"]
    assert_allclose(forecast["LSTM"], point[0], rtol=1e-5)
    assert_allclose(forecast["LSTM-lo-80"], lower[0, 0], rtol=1e-5)
    assert_allclose(forecast["LSTM-hi-80"], upper[0, 0], rtol=1e-5)
    assert answer["version"] == ask(client, LONG, model=name)["version"]


def _said(network: Any, shown: dict[str, Any], y: list[float | None]) -> Any:
    weights = {name: weight.astype(np.float64) for name, weight in network.named_weights().items()}
    inputs = np.array(shown["inputs"])
    x = np.append(inputs[-network.config.lags :] - inputs[-1], y[-1] is not None)
    stack = sum(np.array(layer["hidden_state"])[:, -1] for layer in shown["layers"])
    z = np.tanh(weights["dense.weight"] @ stack + weights["dense.bias"])
    outputs = weights["head.weight"] @ z + weights["skip.weight"] @ x + weights["head.bias"]
    return np.sort(inputs[-1] + outputs.reshape(network.horizon, -1), axis=1)


def test_many_series_are_answered_in_pieces_of_the_same_bits(client: FlaskClient) -> None:
    series = [LONG | {"unique_id": f"s{i}", "y": [value and value + i for value in VALUES]} for i in range(40)]
    together = ask(client, *series, model="base", network=1, layer=0)["explanations"]
    assert [one["unique_id"] for one in together] == [one["unique_id"] for one in series]
    assert ask(client, series[17], model="base", network=1, layer=0)["explanations"] == [together[17]]


def test_numbers_have_as_few_digits_as_float32_has(client: FlaskClient) -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([np.tanh(rng.standard_normal(20_000)), rng.standard_normal(996) * 1e9, [0.0, -0.0, 0.5, 1]])
    values = values.astype(np.float32)
    short = shortest(values.reshape(-1, 7))
    assert_array_equal(short.astype(np.float32).reshape(-1), values)
    assert [repr(one) for one in short.reshape(-1).tolist()] == [repr(float(str(one))) for one in values]
    odd = np.array([1e-45, 1e-30, 3.4e38, -3e-39, np.inf, np.nan], np.float32)
    assert_array_equal(shortest(odd).astype(np.float32), odd)
    assert_array_equal(
        shortest(values[:21_000].reshape(3, 7, 1000).T), short.reshape(-1)[:21_000].reshape(3, 7, 1000).T
    )
    (network,) = ask(client, SHORT)["explanations"][0]["networks"]
    for name in STATES:
        text = json.dumps(network["layers"][0][name])
        assert max(len(part.strip("[]- ")) for part in text.split(",") if "e" not in part) <= 13


# --- what is asked for -----------------------------------------------------------------------------------------------


def test_a_network_and_layer_can_be_chosen(client: FlaskClient) -> None:
    answer = ask(client, LONG, model="base", network=2, layer=1)
    (network,) = answer["explanations"][0]["networks"]
    assert network["network"] == 2
    assert network["season_removed"] is True
    assert [layer["layer"] for layer in network["layers"]] == [1]
    assert (answer["networks"], answer["layers"]) == (3, [2, 2, 2])  # what there is to choose from


def test_movers_are_units_of_the_same_answer(client: FlaskClient) -> None:
    (network,) = ask(client, LONG)["explanations"][0]["networks"]
    (layer,) = network["layers"]
    assert layer["movers_steps"] == 7
    changes = [np.abs(np.diff(cells))[-7:].sum() for cells in layer["cell_state"]]
    assert [one["unit"] for one in layer["movers"]] == np.argsort(changes)[::-1][:5].tolist()
    for one in layer["movers"]:
        cells = layer["cell_state"][one["unit"]]
        assert (one["cell_state_before"], one["cell_state"]) == (cells[-8], cells[-1])
        assert one["change"] == pytest.approx(changes[one["unit"]])


def test_steps_without_dates_and_another_season(client: FlaskClient) -> None:
    body = {"series": {"y": VALUES, "sizes": [40]}, "model": "base", "season": 5, "freq": 1}
    response = client.post("/v1/explain", json=body)
    assert response.status_code == 200, response.text
    assert response.json is not None
    (series,) = response.json["explanations"]
    assert (response.json["freq"], series["ds"][-1]) == ("1", 40)
    assert series["networks"][0]["layers"][0]["movers_steps"] == 5
    assert series["y"].count(None) == 1


def test_series_that_cannot_be_forecast_are_skipped(client: FlaskClient) -> None:
    answer = ask(client, BRIEF, SHORT, LONG | {"unique_id": "odd", "ds": ["x"] * 40})
    assert [one["unique_id"] for one in answer["explanations"]] == ["short"]
    assert {one["unique_id"] for one in answer["skipped"]} == {"brief", "odd"}
    problem = refused(client, BRIEF, freq="D")
    assert problem["type"].endswith("no-forecast")
    forecast = client.post("/v1/forecast", json={"series": [BRIEF], "freq": "D"}).json
    assert forecast is not None
    assert problem["detail"] == forecast["detail"]


def test_an_explanation_is_not_counted_as_a_forecast(models: Path, tmp_path: Path) -> None:
    settings = Settings(models=models, state=tmp_path, default_model="tiny", reload_seconds=0)
    client = create_app(settings).test_client()
    ask(client, LONG)
    counted = client.get("/metrics").text
    assert 'route="/v1/explain"' in counted
    assert "forecaster_series_forecast_total 0.0" in counted
    client.post("/v1/forecast", json={"series": [LONG]})
    assert "forecaster_series_forecast_total 1.0" in client.get("/metrics").text


# --- what is refused --------------------------------------------------------------------------------------------------

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no such network": ({"network": 1}, "network"),
    "no such layer": ({"layer": 1}, "layer"),
    "no such layer of this network": ({"model": "base", "network": 0, "layer": 2}, "layer"),
    "less than none": ({"network": -1}, "network"),
    "a truth": ({"layer": True}, "layer"),
    "a horizon": ({"h": 3}, "h"),
    "another model": ({"model": "other"}, "model"),
    "a season of a trained model": ({"season": 5}, "season"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_by_its_field(client: FlaskClient, case: str) -> None:
    options, field = WRONG[case]
    assert [error["field"] for error in refused(client, LONG, **options)["errors"]] == [field]


def test_neither_csv_nor_a_query(client: FlaskClient) -> None:
    assert client.post("/v1/explain", data="ds,y\n1,2\n", content_type="text/csv").status_code == 415
    assert client.post("/v1/explain?layer=0", json={"series": [LONG]}).status_code == 422
    assert client.post("/v1/explain", json={"series": [LONG]}, headers={"Accept": "text/csv"}).status_code == 406


def test_all_numbers_of_an_answer_count(models: Path, tmp_path: Path) -> None:
    numbers = (14 + 5) * (1 + 6 * 8)
    for most, status in ((numbers, 200), (numbers - 1, 422)):
        settings = Settings(models=models, state=tmp_path, default_model="tiny", reload_seconds=0, max_points=most)
        response = create_app(settings).test_client().post("/v1/explain", json={"series": [LONG, SHORT]})
        assert response.status_code == status, response.text
    assert response.json is not None
    assert response.json["type"].endswith("limit-exceeded")
    assert str(numbers) in response.json["detail"]


def test_work_is_given_up_when_its_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]

    class Slow(LastValue):
        def explain(self, df: Panel, **which: Any) -> Any:
            now[0] += 1
            return super().explain(df, **which)

    monkeypatch.setattr("service.app.Admission", lambda settings, **more: Admission(settings, lambda: now[0], **more))
    model_folder(tmp_path, "daily")
    registry = open_registry(tmp_path, default="daily", load=lambda _: Slow())
    settings = Settings(models=tmp_path, state=tmp_path / ".state", request_seconds=3, max_points=10**8)
    client = create_app(settings, registry=registry).test_client()
    body = {"series": {"y": [1, 2, 3, 4, 5, 6] * 200, "sizes": [6] * 200}, "layer": 0}
    response = client.post("/v1/explain", json=body)
    assert response.status_code == 504, response.text
    assert now[0] == 3  # not after all pieces


def test_it_answers_before_there_are_kernels_and_says_so(models: Path, tmp_path: Path) -> None:
    code = f"""
import json, sys
from pathlib import Path
from service import create_app
from service.settings import Settings
settings = Settings(models=Path({str(models)!r}), state=Path({str(tmp_path)!r}), default_model="tiny")
response = create_app(settings).test_client().post("/v1/explain", json={{"series": [{LONG}]}})
assert response.status_code == 200
assert not {{"pandas", "scipy", "matplotlib", "numba"}} & set(sys.modules)
print(response.json["engine"])
"""
    environment = {"FORECASTER_ENGINE": "plain", "PATH": "", "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(  # noqa: S603 - our own words
        [sys.executable, "-c", code], check=True, timeout=180, capture_output=True, text=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == "plain"
