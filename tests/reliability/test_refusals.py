"""What a refusal says: which field, what was expected, what kind came; and never what was sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.processes import GUNICORN, Running, running

MARK = "canary77"
FORECAST, BACKTEST, EXPLAIN, NEXT, KSERVE, CURRENT = (
    "/v1/forecast",
    "/v1/backtest",
    "/v1/explain",
    "/v1/next",
    "/v1/timeseries/forecast",
    "/v1/models/tiny/current",
)
GOOD = {"unique_id": "a", "y": [1, 2, 3, 4, 5, 6, 7, 8, 9]}
INPUT = {"name": "a", "series": [1, 2, 3], "frequency": "D"}


def series(**more: Any) -> dict[str, Any]:
    return {"series": [GOOD], **more}


def kserve(options: Any = None, **more: Any) -> dict[str, Any]:
    return {"model": "base", "inputs": [INPUT | more], "options": {"horizon": 2} if options is None else options}


JSON = [
    (FORECAST, series(h=MARK), "h", "a whole number", "string"),
    (FORECAST, series(h=0), "h", "greater than or equal to 1", "number"),
    (FORECAST, series(h=10**6), "h", "at most 1000 steps for 1 series in 5 columns", "more"),
    (FORECAST, {"series": [GOOD, GOOD]}, "series[1].unique_id", "an id that no other series has", "one used before"),
    (FORECAST, {"series": [GOOD | {"y": [1, MARK]}]}, "series[0].y[1]", "a number", "string"),
    (FORECAST, {"series": [GOOD | {"y": []}]}, "series[0].y", "at least 1 items", "0 items"),
    (FORECAST, {"series": [GOOD | {"unique_id": 77}]}, "series[0].unique_id", "a string", "number"),
    (FORECAST, {"series": [GOOD | {MARK * 4: 1}]}, "series[0].(unknown)", "no field of this name", "number"),
    (FORECAST, {"series": MARK}, "series", "an array or an object", "string"),
    (FORECAST, {"h": 2}, "series", "this field to be there", "nothing"),
    (FORECAST, {"series": {"y": [1], "sizes": [MARK]}}, "series.sizes[0]", "a whole number", "string"),
    (FORECAST, series(level=[80, 120]), "level[1]", "less than 100", "number"),
    (FORECAST, series(model=True), "model", "a string", "boolean"),
    (FORECAST, series(season=[]), "season", "a whole number", "array"),
    (FORECAST, series(freq={}), "freq", "a string or a whole number", "object"),
    (BACKTEST, series(windows=0), "windows", "greater than or equal to 1", "number"),
    (BACKTEST, series(details=MARK), "details", "true or false", "string"),
    (EXPLAIN, series(network=MARK), "network", "a whole number", "string"),
    (EXPLAIN, series(network=77), "network", "a network from 0 to 1", "a larger number"),
    (EXPLAIN, series(layer=-1), "layer", "greater than or equal to 0", "number"),
    (EXPLAIN, {"series": [GOOD], MARK * 4: 1}, "(unknown)", "no field of this name", "number"),
    (NEXT, {"context": 77}, "context", "a string", "number"),
    (NEXT, {"context": [MARK, None]}, "context[1]", "a string", "null"),
    (NEXT, {"context": MARK, "k": MARK}, "k", "a whole number", "string"),
    (NEXT, {"context": MARK, MARK * 4: 1}, "(unknown)", "no field of this name", "number"),
    (KSERVE, kserve(series=[[1]]), "inputs[0].series[0]", "a number", "array"),
    (KSERVE, kserve(name=None), "inputs[0].name", "a string", "null"),
    (KSERVE, kserve({}), "options.horizon", "this field to be there", "nothing"),
    (KSERVE, kserve({"horizon": 2, "quantiles": [77]}), "options.quantiles[0]", "less than 1", "number"),
    (CURRENT, {}, "version", "this field to be there", "nothing"),
    (CURRENT, {"version": 77}, "version", "a string", "number"),
]
QUERIES = [
    (f"{FORECAST}?h={MARK}", "h", "a whole number", "string"),
    (f"{FORECAST}?{MARK * 4}=1", "(unknown)", "no field of this name", "string"),
    (f"{FORECAST}?level={MARK}", "level[0]", "a number", "string"),
    (f"{BACKTEST}?details={MARK}", "details", "true or false", "string"),
    ("/v1/jobs", "kind", "this field to be there", "nothing"),
    (f"/v1/jobs?kind={MARK}", "kind", "'forecast' or 'train'", "string"),
    ("/v1/jobs?kind=train", "h", "the steps ahead that the model is trained for", "nothing"),
]


@pytest.fixture(scope="module")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("refusals"), models=models, command=GUNICORN, WORKERS="1") as service:
        yield service


@pytest.mark.parametrize(("path", "body", "field", "expected", "got"), JSON)
def test_of_json(service: Running, path: str, body: Any, field: str, expected: str, got: str) -> None:
    answer = service.ask("PUT" if path == CURRENT else "POST", path, body)
    assert (answer.status, answer.json["errors"]) == (422, [{"field": field, "expected": expected, "got": got}])
    assert answer.json["detail"].startswith(f"{field}: expected {expected}.")
    assert MARK not in json.dumps(answer.json)


@pytest.mark.parametrize(("path", "field", "expected", "got"), QUERIES)
def test_of_a_query(service: Running, path: str, field: str, expected: str, got: str) -> None:
    answer = service.ask("POST", path, b"ds,y\n1,7\n2,7\n3,7\n", {"Content-Type": "text/csv"})
    assert (answer.status, answer.json["errors"]) == (422, [{"field": field, "expected": expected, "got": got}])
    assert MARK not in json.dumps(answer.json)
