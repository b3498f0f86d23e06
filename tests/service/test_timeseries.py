"""POST /v1/timeseries/forecast: KServe's shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from forecaster import InputError
from service.schemas.timeseries import EXAMPLE, TimeSeriesAnswer
from service.settings import Settings
from service.steps import frequency_at, time_after

from .conftest import make_app, model_folder


def one(name: str = "shop", **fields: Any) -> dict[str, Any]:
    return {
        "type": "univariate_time_series",
        "name": name,
        "series": [120, 122, 125, 127, 130, 133, 135],
        "frequency": "D",
        "start_timestamp": "2025-06-05T13:10:00Z",
    } | fields


def body(*inputs: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "base", "inputs": list(inputs) or [one()], "options": {"horizon": 2}} | fields


def ask(client: FlaskClient, *inputs: dict[str, Any], **fields: Any) -> Any:
    response = client.post("/v1/timeseries/forecast", json=body(*inputs, **fields))
    assert response.status_code == 200, response.text
    TypeAdapter(TimeSeriesAnswer).validate_json(response.data, strict=True)
    return response.json


def test_an_answer_in_the_published_shape(client: FlaskClient) -> None:
    answer = ask(client, options={"horizon": 4, "quantiles": [0.1, 0.5, 0.9]})
    (output,) = answer["outputs"]
    assert output["type"] == "time_series_forecast"
    assert (answer["status"], output["status"], answer["error"], output["error"]) == ("completed",) * 2 + (None,) * 2
    assert output["content"] == [
        {
            "type": "univariate_time_series",
            "name": "shop",
            "mean_forecast": [135] * 4,
            "frequency": "D",
            "start_timestamp": "2025-06-12T13:10:00Z",
            "quantiles": {"0.1": [55] * 4, "0.5": [135] * 4, "0.9": [215] * 4},
        }
    ]
    assert answer["usage"] == {"prompt_tokens": 7, "completion_tokens": 4, "total_tokens": 11}
    assert answer["model"] == "base"


def test_the_example_of_the_description(client: FlaskClient) -> None:
    assert client.post("/v1/timeseries/forecast", json=EXAMPLE).status_code == 200


def test_without_quantiles_the_point_forecast_alone(client: FlaskClient) -> None:
    assert ask(client)["outputs"][0]["content"][0]["quantiles"] is None


def test_inputs_of_several_frequencies_keep_their_places(client: FlaskClient) -> None:
    answer = ask(
        client, one(), one("humidity", frequency="H", series=[33, 34, 35, 36, 37]), one("late", series=[9] * 4)
    )
    contents = [output["content"][0] for output in answer["outputs"]]
    assert [(content["name"], content["start_timestamp"]) for content in contents] == [
        ("shop", "2025-06-12T13:10:00Z"),
        ("humidity", "2025-06-05T18:10:00Z"),
        ("late", "2025-06-09T13:10:00Z"),
    ]
    assert len({output["id"] for output in answer["outputs"]}) == 3


def test_every_input_has_an_outcome(client: FlaskClient) -> None:
    answer = ask(
        client,
        one(),
        one("short", series=[1]),
        one("lost", start_timestamp="soon"),
        one("end", start_timestamp="9999-12-24"),
    )
    assert answer["status"] == "partial"
    assert [output["status"] for output in answer["outputs"]] == ["completed", "error", "error", "error"]
    assert [(output["error"] or {}).get("param") for output in answer["outputs"]] == [
        None,
        "inputs[1].series",
        "inputs[2].start_timestamp",
        "inputs[3].start_timestamp",
    ]
    assert answer["outputs"][1]["error"]["type"] == "no-forecast"
    assert answer["usage"]["completion_tokens"] == 2
    assert ask(client, one(series=[None, 1]))["status"] == "error"


def test_a_trained_model_answers_series_of_its_frequency(client: FlaskClient) -> None:
    answer = ask(client, one(), one("hourly", frequency="hour"), model="daily")
    assert [output["status"] for output in answer["outputs"]] == ["completed", "error"]
    assert answer["outputs"][1]["error"]["param"] == "inputs[1].frequency"


def test_further_fields_are_let_pass(client: FlaskClient) -> None:
    options = {"horizon": 2, "other_options": "value"}
    ask(client, one(x=1), options=options, metadata={"request_id": "r", "deep": {"er": [1]}}, other_properties=["v"])


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "several variables": (body(one(type="multivariate_time_series")), "inputs[0].type"),
    "lists of lists": (body(one(series=[[1, 2], [3, 4]])), "inputs[0].series[0]"),
    "an unknown frequency": (body(one(frequency="fortnight")), "inputs[0].frequency"),
    "no frequency": (body({"name": "a", "series": [1, 2]}), "inputs[0].frequency"),
    "no inputs": (body() | {"inputs": []}, "inputs"),
    "no horizon": (body(options={}), "options.horizon"),
    "horizon 0": (body(options={"horizon": 0}), "options.horizon"),
    "horizon absurd": (body(options={"horizon": 10**6}), "options.horizon"),
    "quantile 1": (body(options={"horizon": 2, "quantiles": [1]}), "options.quantiles[0]"),
    "quantile too near 0": (body(options={"horizon": 2, "quantiles": [1e-9]}), "options.quantiles"),
    "a name twice": (body(one(), one()), "inputs[1].name"),
    "an unknown model": (body(model="other"), "model"),
    "no model": ({"inputs": [one()], "options": {"horizon": 1}}, "model"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_with_the_whole_is_a_problem(client: FlaskClient, case: str) -> None:
    wrong, field = WRONG[case]
    response = client.post("/v1/timeseries/forecast", json=wrong)
    assert response.status_code == 422, response.text
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert [error["field"] for error in response.json["errors"]] == [field]


def test_limits_are_those_of_the_service(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    client = make_app(tmp_path, Settings(max_series=2, max_points=20)).test_client()
    for inputs in ([one("a"), one("b"), one("c")], [one(series=[1] * 21)]):
        response = client.post("/v1/timeseries/forecast", json=body(*inputs))
        assert response.json is not None
        assert response.json["type"].endswith("limit-exceeded")


def test_other_media_types_and_queries_are_refused(client: FlaskClient) -> None:
    assert client.post("/v1/timeseries/forecast", data="a", content_type="text/csv").status_code == 415
    assert client.post("/v1/timeseries/forecast?h=1", json=body()).status_code == 422
    assert client.post("/v1/timeseries/forecast", json=body(), headers={"Accept": "text/csv"}).status_code == 406


FREQUENCIES = {
    ("S", None): "s",
    ("minute", "2024-01-01T00:00:30"): "min",
    ("day", "2024-02-30"): "D",  # what is wrong with it is said of the input, not of its frequency
    ("W", None): "W-SUN",
    ("week", "2024-01-01"): "W-MON",
    ("M", None): "MS",
    ("month", "2024-01-01"): "MS",
    ("month", "2023-12-31"): "ME",
    ("month", "2024-01-15"): "MS",
    ("quarter", "2024-02-01"): "QS-FEB",
    ("Y", "2024-12-31T00:00:00Z"): "YE-DEC",
}


@pytest.mark.parametrize("case", FREQUENCIES, ids=str)
def test_frequencies_are_ours(case: tuple[str, str | None]) -> None:
    assert frequency_at(*case).alias.removesuffix("-DEC") == FREQUENCIES[case].removesuffix("-DEC")


AFTER = {
    ("day", "2024-02-27T06:00:00Z", 3): "2024-03-01T06:00:00Z",
    ("D", "2024-02-27", 3): "2024-03-01",
    ("hour", "2024-03-31T00:00:00+01:00", 5): "2024-03-31T05:00:00+01:00",
    ("hour", "2024-01-01", 24): "2024-01-02",
    ("month", "2024-01-31", 1): "2024-02-29",
    ("quarter", "2023-11-30T12:00:00", 1): "2024-02-29T12:00:00",
    ("year", "2024-02-29", 1): "2025-02-28",
    ("W", None, 3): "",
}


@pytest.mark.parametrize("case", AFTER, ids=str)
def test_the_time_after_a_series(case: tuple[str, str | None, int]) -> None:
    assert time_after(*case) == AFTER[case]


def test_times_that_are_none() -> None:
    for name, start, count in (("D", "soon", 1), ("Y", "9999-01-01", 1), ("S", "9999-12-31T23:59:59", 1)):
        with pytest.raises(InputError):
            time_after(name, start, count)


def test_probes_of_the_open_inference_protocol(client: FlaskClient, tmp_path: Path) -> None:
    assert client.get("/v2/health/live").json == {"live": True}
    assert client.get("/v2/health/ready").json == {"ready": True}
    model_folder(tmp_path / "other", "daily")
    unready = make_app(tmp_path / "other", Settings(default_model="nothing")).test_client()
    assert unready.get("/v2/health/live").status_code == 200
    assert unready.get("/v2/health/ready").status_code == 503
