"""The description of the API and the tables of the documentation say what the code does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.__main__ import described_app, with_tables
from service.openapi import openapi_text

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = json.loads(openapi_text(described_app()))


def test_the_committed_description_is_the_generated_one() -> None:
    committed = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    assert committed == openapi_text(described_app()), "run: make docs"


def test_the_service_answers_it(client: FlaskClient) -> None:
    assert client.get("/openapi.json").json == DOCUMENT


def test_every_route_is_described_and_every_description_has_a_route(app: Flask) -> None:
    routes = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method.lower())
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
    known = {f"#/components/schemas/{name}" for name in DOCUMENT["components"]["schemas"]}
    assert references(DOCUMENT) == known


def test_every_field_and_parameter_is_explained_or_has_a_telling_name() -> None:
    for name in ("ForecastRequest", "Series", "ModelDescription", "FieldError"):
        for field, schema in DOCUMENT["components"]["schemas"][name]["properties"].items():
            assert schema.get("description") or field in {"name", "expected"}, (name, field)


def test_the_example_is_a_request_that_works(client: FlaskClient) -> None:
    example = DOCUMENT["components"]["schemas"]["ForecastRequest"]["example"]
    assert client.post("/v1/forecast", json=example).status_code == 200


TABLES = {"http-api.md": "problems", "operations.md": "settings"}


@pytest.mark.parametrize("document", TABLES)
def test_tables_are_generated(document: str) -> None:
    text = (ROOT / "docs" / document).read_text(encoding="utf-8")
    assert text.count(f"<!-- generated: python -m service {TABLES[document]} -->\n| ") == 1
    assert with_tables(text) == text, "run: make docs"


def test_tables_are_written_again_by_a_command(tmp_path: Path) -> None:
    paths = [tmp_path / document for document in TABLES]
    for path, table in zip(paths, TABLES.values(), strict=True):
        path.write_text(f"before\n<!-- generated: python -m service {table} -->\nold\n<!-- end -->\nafter\n")
    command = [sys.executable, "-W", "error", "-m", "service", "tables", *map(str, paths)]
    subprocess.run(command, check=True, cwd=ROOT, timeout=60)  # noqa: S603 - our own words
    for path in paths:
        assert re.fullmatch(r"before\n<!-- .* -->\n(\| .*\|\n){5,}<!-- end -->\nafter\n", path.read_text())
    with pytest.raises(ValueError, match="markers"):
        with_tables("no table")


def test_gunicorns_settings_use_only_the_front_door_of_the_library() -> None:
    text = (ROOT / "service" / "gunicorn.conf.py").read_text(encoding="utf-8")  # no module, so unseen by lint-imports
    assert not re.search(r"(from|import) forecaster\.", text)


def documented_bodies() -> list[str]:
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    return re.findall(r"application/json' -d '(.*?)'\n", text, re.DOTALL)


def test_curl_lines_of_the_documentation_work(client: FlaskClient) -> None:
    assert documented_bodies()
    for body in documented_bodies():
        ours = body.replace('"flights"', '"daily"')
        response = client.post("/v1/forecast", data=ours, content_type="application/json")
        assert response.status_code == 200, response.text
    page = client.get("/").text
    (body,) = re.findall(r"-d '(.*?)'", page)
    assert client.post("/v1/forecast", data=body, content_type="application/json").status_code == 200
