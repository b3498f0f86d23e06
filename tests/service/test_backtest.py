"""POST /v1/backtest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from service.schemas.backtests import BacktestAnswer
from service.settings import Settings

from .conftest import make_app, model_folder

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]
VALUES = [float(10 + day % 7 + day // 5) for day in range(30)]


def series(unique_id: str = "a", **fields: Any) -> dict[str, Any]:
    return {"unique_id": unique_id, "ds": DAYS, "y": VALUES} | fields


def ask(client: FlaskClient, **body: Any) -> Any:
    response = client.post("/v1/backtest", json=body)
    assert response.status_code == 200, response.text
    TypeAdapter(BacktestAnswer).validate_json(response.data, strict=True)
    return response.json


def refused(client: FlaskClient, **body: Any) -> Any:
    response = client.post("/v1/backtest", json=body)
    assert response.status_code == 422, response.text
    return response.json


def test_the_accuracy_of_a_model_beside_simple_methods(client: FlaskClient) -> None:
    answer = ask(client, series=[series(), series("b", y=VALUES[::-1])], h=3, windows=2, step=4, level=[80])
    assert {name: answer[name] for name in ("model", "h", "freq", "season", "cutoffs", "series", "level")} == {
        "model": "daily",
        "h": 3,
        "freq": "D",
        "season": 7,
        "cutoffs": 2,
        "series": 2,
        "level": [80],
    }
    rows = {row.pop("model"): row for row in answer["accuracy"]}
    assert list(rows) == ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    assert rows["LSTM"]["MAE"] == rows["Naive"]["MAE"] > 0  # the model of these tests repeats the last value
    assert set(rows["LSTM"]) == {"MAE", "RMSE", "sMAPE", "WAPE", "MASE", "MSIS_80", "pinball", "coverage_80"}
    assert answer["forecasts"] is None
    assert answer["skipped"] == []


def test_details_are_the_forecasts_beside_what_came(client: FlaskClient) -> None:
    answer = ask(client, series=[series()], h=2, windows=2, level=[80], details=True)
    first, second = answer["forecasts"]
    assert (first["cutoff"], second["cutoff"]) == (DAYS[-5], DAYS[-3])
    assert second["ds"] == DAYS[-2:]
    assert second["y"] == VALUES[-2:]
    assert second["LSTM"] == [VALUES[-3]] * 2
    assert second["LSTM-lo-80"] == [VALUES[-3] - 80] * 2
    assert {"Naive", "Naive-hi-80", "SeasonalNaive", "Drift"} <= set(second)


def test_steps_without_dates(client: FlaskClient) -> None:
    answer = ask(client, series={"y": VALUES * 2, "sizes": [30, 30]}, h=2, windows=1, details=True)
    assert [(one["unique_id"], one["cutoff"], one["ds"]) for one in answer["forecasts"]] == [
        ("0", 28, [29, 30]),
        ("1", 28, [29, 30]),
    ]


def test_what_no_number_says_is_null(client: FlaskClient) -> None:
    answer = ask(client, series=[series(y=[5] * 29 + [None])], h=1, windows=2, level=[], details=True)
    assert answer["accuracy"][0]["MASE"] is None
    assert answer["forecasts"][-1]["y"] == [None]


def test_csv_in(client: FlaskClient) -> None:
    rows = "".join(f"a,{day},{value}\nbad,{day},x\n" for day, value in zip(DAYS, VALUES, strict=True))
    query = "h=2&windows=2&level=90&details=true&id_col=shop&freq=D"
    response = client.post(f"/v1/backtest?{query}", data=f"shop,ds,y\n{rows}", content_type="text/csv")
    assert response.status_code == 200, response.text
    assert response.json is not None
    assert len(response.json["forecasts"]) == 2
    assert [one["unique_id"] for one in response.json["skipped"]] == ["bad"]


def test_series_that_are_too_short_take_no_part(client: FlaskClient) -> None:
    answer = ask(client, series=[series(), series("short", ds=DAYS[:4], y=[1, 2, 3, 4])], h=2, windows=2)
    assert answer["series"] == 1
    assert answer["skipped"][0]["unique_id"] == "short"
    problem = refused(client, series=[series()], h=20, windows=3)
    assert problem["type"].endswith("no-forecast")


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "windows 0": ({"windows": 0}, "windows"),
    "too many windows": ({"windows": 101}, "windows"),
    "step 0": ({"step": 0}, "step"),
    "details text": ({"details": "yes"}, "details"),
    "quantiles": ({"quantiles": [0.1]}, "quantiles"),
    "horizon": ({"h": 10**6}, "h"),
    "unknown model": ({"model": "other"}, "model"),
    "level": ({"level": [0]}, "level[0]"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_by_its_field(client: FlaskClient, case: str) -> None:
    body, field = WRONG[case]
    assert [error["field"] for error in refused(client, series=[series()], **body)["errors"]] == [field]


def test_all_numbers_of_all_models_and_cutoffs_count(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    client = make_app(tmp_path, Settings(max_points=200)).test_client()
    body = {"series": [series()], "level": [80], "windows": 4}  # four models, three columns: 48 numbers a step
    assert client.post("/v1/backtest", json=body | {"h": 4}).status_code == 200
    problem = client.post("/v1/backtest", json=body | {"h": 5})
    assert problem.json is not None
    assert problem.json["errors"][0]["field"] == "h"


def test_pandas_is_not_imported(tmp_path: Path) -> None:
    code = f"""
import sys
from service import create_app
from service.settings import Settings
client = create_app(Settings(models={str(tmp_path)!r} and __import__("pathlib").Path({str(tmp_path)!r}))).test_client()
body = {{"series": {{"y": {VALUES}, "sizes": [30]}}, "h": 2, "details": True}}
assert client.post("/v1/backtest", json=body).status_code == 200
assert not {{"pandas", "scipy", "matplotlib"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=180)  # noqa: S603 - our own words
