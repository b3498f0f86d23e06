"""The description of the API and the tables of the documentation say what the code does."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import openapi_spec_validator
import pytest
from flask import Flask
from flask.testing import FlaskClient

from service import create_app
from service.__main__ import described_app, with_tables
from service.contract import Answer, operation
from service.examples import EXAMPLES, Example
from service.openapi import openapi_text
from service.problems import KINDS, Problem
from service.schemas.base import ProblemDetails
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads(openapi_text(described_app()))


def test_the_committed_description_is_the_generated_one() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert committed == openapi_text(described_app()), "run: make docs"


def test_the_service_answers_it(client: FlaskClient) -> None:
    assert client.get("/openapi.json").json == DOCUMENT


def test_every_route_is_described_and_every_description_has_a_route(app: Flask) -> None:
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert routes == {(path, method) for path, item in DOCUMENT["paths"].items() for method in item}


def references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if "$ref" in node else set()
        return own.union(*map(references, node.values()))
    return set().union(*map(references, node)) if isinstance(node, list) else set()


def test_every_reference_leads_somewhere() -> None:
    rooms = ("schemas", "responses")
    known = {f"#/components/{room}/{name}" for room in rooms for name in DOCUMENT["components"][room]}
    assert references(DOCUMENT) == known


def test_it_is_openapi() -> None:
    openapi_spec_validator.validate(DOCUMENT)


def operations() -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method} {path}", item) for path, methods in DOCUMENT["paths"].items() for method, item in methods.items()
    ]


def test_every_operation_says_what_it_may_answer() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    identities = [item["operationId"] for _, item in operations()]
    assert len(set(identities)) == len(identities)
    for name, item in operations():
        assert set(item["tags"]) <= tags, name
        assert {"400", "408", "414", "431", "500"} <= set(item["responses"]), name
        assert ("403" in item["responses"]) or name.startswith("get "), name
        for status, answer in item["responses"].items():
            if "$ref" in answer:
                continue
            assert "X-Request-ID" in answer["headers"], (name, status)
            assert "Retry-After" in answer["headers"] or status not in {"429", "503"}, (name, status)
            if status >= "400":
                assert list(answer["content"]) == ["application/problem+json"], (name, status)


def test_problems_are_shown_as_they_are_answered() -> None:
    for name, item in operations():
        for status, answer in item["responses"].items():
            for media in answer.get("content", {}).values():
                for kind, example in media.get("examples", {}).items():
                    problem = ProblemDetails.model_validate(example["value"])
                    assert problem.status == int(status) == KINDS[kind].status, name
                    assert problem.type.endswith(f":{kind}")


def test_what_can_be_told_to_wait_is_told_how_long(client: FlaskClient, app: Flask) -> None:
    promises: dict[str, Any] = {"summary": "Full", "scope": None, "answers": {200: Answer("It is not.")}}

    @app.get("/full")
    @operation(id="full", **promises)
    def full() -> None:
        raise Problem("busy", "Wait.")

    @app.get("/later")
    @operation(id="later", **promises)
    def later() -> None:
        raise Problem("too-many", "Wait.", headers={"Retry-After": "17"})

    assert client.get("/full").headers["Retry-After"] == "5"
    assert client.get("/later").headers["Retry-After"] == "17"


def test_other_methods_and_paths_are_answered_as_described(client: FlaskClient) -> None:
    for path in DOCUMENT["paths"]:
        refused = client.open(path, method="TRACE")
        assert refused.status_code == 405
        assert set(DOCUMENT["paths"][path]) <= {
            method.strip().lower() for method in refused.headers["Allow"].split(",")
        }
        assert client.open(path, method="OPTIONS").status_code == 200
        if "get" in DOCUMENT["paths"][path]:
            assert client.head(path).status_code == client.get(path).status_code
            assert client.head(path).data == b""


def test_query_parameters_are_what_a_query_string_can_say() -> None:
    for name, item in operations():
        for parameter in item["parameters"]:
            assert '"null"' not in json.dumps(parameter), name
            assert parameter["schema"].get("default", "") is not None, name


EXAMPLE_ANSWERS = [
    (f"{method.upper()} {path}", example)
    for path, methods in DOCUMENT["paths"].items()
    for method in methods
    for example in EXAMPLES.get(f"{method.upper()} {path}", ())
    if example.answer is not None
]


def test_every_route_that_needs_more_than_its_path_has_an_example() -> None:
    needing = {
        f"{method.upper()} {path}"
        for path, methods in DOCUMENT["paths"].items()
        for method, item in methods.items()
        if "{" in path or "requestBody" in item
    }
    assert needing <= set(EXAMPLES)


@pytest.mark.parametrize(("route", "example"), EXAMPLE_ANSWERS)
def test_examples_of_the_description_are_answered_as_shown(client: FlaskClient, route: str, example: Example) -> None:
    method, path = route.split()
    body = example.body if isinstance(example.body, str) or example.body is None else json.dumps(example.body)
    if body is not None:
        body = body.replace('"model": "base"', '"model": "daily"')
    headers = {"Content-Type": example.media_type} if example.media_type else {}
    response = client.open(path, method=method, query_string=dict(example.query), data=body, headers=headers)
    assert response.status_code == 200, response.text
    if isinstance(example.answer, str):
        assert response.text.splitlines()[0] == example.answer.splitlines()[0]
        assert len(response.text.splitlines()) == len(example.answer.splitlines())
    else:
        assert keys_of(response.json) == keys_of(example.answer)


def keys_of(value: Any) -> Any:
    """Return the shape of a JSON value: its keys, all the way down, and the length of its arrays."""
    if isinstance(value, dict):
        return {name: keys_of(item) for name, item in value.items()}
    return [keys_of(item) for item in value] if isinstance(value, list) else None


def test_every_field_and_parameter_is_explained_or_has_a_telling_name() -> None:
    for name in (
        "ForecastRequest",
        "Series",
        "Columns",
        "BacktestRequest",
        "ExplainRequest",
        "TimeSeriesRequest",
        "TimeSeriesInput",
        "ModelDescription",
        "FieldError",
    ):
        for field, schema in DOCUMENT["components"]["schemas"][name]["properties"].items():
            assert schema.get("description") or field in {"name", "expected"}, (name, field)


EXAMPLES_OF_SHAPES = {
    "ForecastRequest": "/v1/forecast",
    "BacktestRequest": "/v1/backtest",
    "ExplainRequest": "/v1/explain",
    "TimeSeriesRequest": "/v1/timeseries/forecast",
}


@pytest.mark.parametrize("name", EXAMPLES_OF_SHAPES)
def test_examples_are_requests_that_work(client: FlaskClient, name: str) -> None:
    example = DOCUMENT["components"]["schemas"][name]["example"]
    assert client.post(EXAMPLES_OF_SHAPES[name], json=example).status_code == 200


TABLES = {"problems": "http-api.md", "settings": "operations.md", "metrics": "operations.md"}


@pytest.mark.parametrize("table", TABLES)
def test_tables_are_generated(table: str) -> None:
    text = (ROOT / "docs" / TABLES[table]).read_text(encoding="utf-8")
    assert text.count(f"<!-- generated: python -m service {table} -->\n| ") == 1
    assert with_tables(text) == text, "run: make docs"


def test_tables_are_written_again_by_a_command(tmp_path: Path) -> None:
    paths = [tmp_path / f"{table}.md" for table in TABLES]
    for path, table in zip(paths, TABLES, strict=True):
        path.write_text(f"before\n<!-- generated: python -m service {table} -->\nold\n<!-- end -->\nafter\n")
    command = [sys.executable, "-W", "error", "-m", "service", "tables", *map(str, paths)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=180)  # noqa: S603 - our own words
    for path in paths:
        assert re.fullmatch(r"before\n<!-- .* -->\n(\| .*\|\n){5,}<!-- end -->\nafter\n", path.read_text())
    with pytest.raises(ValueError, match="markers"):
        with_tables("no table")


def test_gunicorns_settings_use_only_the_front_door_of_the_library() -> None:
    text = (ROOT / "service" / "gunicorn.conf.py").read_text(encoding="utf-8")  # no module, so unseen by lint-imports
    assert not re.search(r"(from|import) forecaster\.", text)


def documented_requests() -> list[tuple[str, str]]:
    """Return path and body of the curl lines with a JSON body."""
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    pattern = r"curl http://127\.0\.0\.1:8000(/\S+) -H 'Content-Type: application/json' -d '(.*?)'\n"
    return re.findall(pattern, text, re.DOTALL)


def documented_uploads() -> list[tuple[str, str]]:
    """Return path and file of the curl lines with a CSV body."""
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    pattern = r"curl 'http://127\.0\.0\.1:8000(/v1/(?!jobs)\S+)' -H 'Content-Type: text/csv' --data-binary @(\S+)"
    return re.findall(pattern, text)


def test_curl_lines_of_the_documentation_work(client: FlaskClient, machine: Path, tmp_path: Path) -> None:
    shutil.copytree(machine, tmp_path / "kinds" / "machine")
    symbols = create_app(Settings(models=tmp_path / "kinds", state=tmp_path / ".state", reload_seconds=0)).test_client()
    paths = {path for path, _ in documented_requests()}
    assert {"/v1/forecast", "/v1/backtest", "/v1/explain", "/v1/timeseries/forecast", "/v1/next"} <= paths
    for path, body in documented_requests():
        if path == "/v1/next":
            continue  # asks a model of symbols: test_next.py
        ours = body.replace('"flights"', '"daily"')
        asked = symbols if path == "/v1/next" else client
        response = asked.post(path, data=ours, content_type="application/json")
        assert response.status_code == 200, response.text
    assert documented_uploads()
    for path, file in documented_uploads():
        ours = path.replace("model=flights", "model=daily")
        response = client.post(ours, data=(ROOT / file).read_bytes(), content_type="text/csv")
        assert response.status_code == 200, response.text
