"""POST /v1/inspect."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from forecaster import Client, ColumnNames, InputError, ServiceError
from service.schemas.inspections import InspectAnswer
from service.settings import Settings
from tests.test_docs import ROOT

from .conftest import make_app, model_folder
from .processes import threaded

DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]
SALES = "shop,day,sold\n" + "".join(f"{shop},{day},{k}\n" for shop in "ab" for k, day in enumerate(DAYS))


def ask(client: FlaskClient, body: str | bytes, query: str = "") -> Any:
    response = client.post(f"/v1/inspect?{query}", data=body, content_type="text/csv")
    assert response.status_code == 200, response.text
    TypeAdapter(InspectAnswer).validate_json(response.data, strict=True)
    return response.json


def refused(client: FlaskClient, body: str | bytes, query: str = "", status: int = 422) -> Any:
    response = client.post(f"/v1/inspect?{query}", data=body, content_type="text/csv")
    assert response.status_code == status, response.text
    return response.json


def forecast_of(client: FlaskClient, **request: Any) -> Any:
    response = client.post("/v1/forecast", **request)
    assert response.status_code == 200, response.text
    return response.json


def test_what_a_table_holds(client: FlaskClient) -> None:
    answer = ask(client, SALES)
    assert answer == {
        "columns": [
            {"name": "shop", "role": "id"},
            {"name": "day", "role": "time"},
            {"name": "sold", "role": "target"},
        ],
        "layout": "long",
        "id_col": "shop",
        "time_col": "day",
        "target_col": "sold",
        "rows": 60,
        "freq": "D",
        "season": 7,
        "timezone": None,
        "series": [{"unique_id": name, "start": DAYS[0], "end": DAYS[-1], "length": 30, "missing": 0} for name in "ab"],
        "findings": [],
        "findings_total": 0,
        "values": None,
    }


TABLES = {
    "long": (SALES, ""),
    "integer steps": ("step,level\n" + "".join(f"{k},{k % 7}\n" for k in range(20) if k != 9), ""),
    "wide": ("day,north,south\n" + "".join(f"{day},{k},{k % 3 or ''}\n" for k, day in enumerate(DAYS)), ""),
    "wide, said": ("day,y,z\n" + "".join(f"{day},{k},{k % 3}\n" for k, day in enumerate(DAYS)), "target_col="),
    "one series and more": ("day,mood,sold\n" + "".join(f"{day},x{k},{k}\n" for k, day in enumerate(DAYS)), ""),
    "no ids, said": ("unique_id,ds,y\n" + "".join(f"{k},{day},{k}\n" for k, day in enumerate(DAYS)), "id_col="),
    "gaps": ("shop,day,sold\n" + "".join(f"a,{day},{k}\n" for k, day in enumerate(DAYS) if k % 5), ""),
    "hours in a zone": (
        "ds,y\n" + "".join(f"2024-03-31T{k:02d}:00:00+0{1 + (k > 2)}:00,{k}\n" for k in range(24) if k != 2),
        "timezone=Europe/Berlin",
    ),
    "at six o'clock": ("ds,y\n" + "".join(f"{day}T06:00,{k}\n" for k, day in enumerate(DAYS)), ""),
    "a series at fault": (SALES + "".join(f"c,{day},x\n" for day in DAYS), ""),
}


@pytest.mark.parametrize("name", TABLES)
def test_values_and_names_give_the_forecast_of_the_table(client: FlaskClient, name: str) -> None:
    """The page forecasts what `values` holds; a download asks for the table, with the names of the answer."""
    table, query = TABLES[name]
    seen = ask(client, table, f"values=true&{query}")
    assert sum(seen["values"]["sizes"]) == len(seen["values"]["y"]) == len(seen["values"]["ds"])
    assert seen["values"]["unique_id"] == [one["unique_id"] for one in seen["series"]]
    assert seen["values"]["sizes"] == [one["length"] for one in seen["series"]]
    assert seen["values"]["y"].count(None) == sum(one["missing"] for one in seen["series"])
    options = {"h": 3, "model": "base", "freq": seen["freq"]}
    options |= {"timezone": seen["timezone"]} if seen["timezone"] else {}
    by_values = forecast_of(client, json={"series": seen["values"], **options})
    names = {key: seen[key] for key in ("id_col", "time_col", "target_col") if seen[key] is not None}
    by_table = forecast_of(
        client,
        data=table,
        query_string=options | names,
        headers={"Accept": "application/json"},
        content_type="text/csv",
    )
    assert by_values["forecasts"] == by_table["forecasts"]


def test_integer_steps_stay_numbers(client: FlaskClient) -> None:
    answer = ask(client, TABLES["integer steps"][0], "values=true")
    assert (answer["freq"], answer["season"], answer["layout"]) == ("1", 1, "single")
    assert answer["series"][0] == {"unique_id": "level", "start": 0, "end": 19, "length": 20, "missing": 1}
    assert answer["values"]["ds"] == list(range(20))
    assert answer["values"]["y"][9] is None


def test_a_wide_table_needs_no_names(client: FlaskClient) -> None:
    answer = ask(client, TABLES["wide"][0])
    assert (answer["layout"], answer["id_col"], answer["time_col"], answer["target_col"]) == ("wide", None, "day", None)
    assert [column["role"] for column in answer["columns"]] == ["time", "series", "series"]
    told = ask(client, TABLES["wide, said"][0], "target_col=")
    assert (told["id_col"], told["target_col"]) == (None, "")
    single = ask(client, TABLES["one series and more"][0])
    assert (single["id_col"], single["target_col"]) == ("", "sold")


def test_faults_are_found_by_line(client: FlaskClient) -> None:
    answer = ask(client, SALES + "c,2024-01-01,x\nc,2024-01-02,1\n")
    (finding,) = answer["findings"]
    assert finding == {
        "line": 62,
        "unique_id": "c",
        "column": "sold",
        "severity": "error",
        "problem": "Line 62, column 'sold': expected a number, got 'x'.",
        "action": "The series is left out.",
    }
    assert [one["unique_id"] for one in answer["series"]] == ["a", "b"]


def test_findings_say_nothing_of_the_command_line(client: FlaskClient) -> None:
    twice = ask(client, "shop,day,sold\na,2024-01-01,1\na,2024-01-01,1\na,2024-01-02,1\n")
    assert "duplicate timestamp" in twice["findings"][0]["problem"]
    assert "--" not in json.dumps(twice)


def test_where_no_series_can_be_read_the_findings_say_why(client: FlaskClient) -> None:
    answer = ask(client, "day,sold\n2024-01-01,x\n2024-01-02,y\n", "values=true")
    assert (answer["freq"], answer["season"], answer["series"], answer["values"]) == (None, None, [], None)
    assert [(one["line"], one["severity"]) for one in answer["findings"]] == [(2, "error"), (3, "error")]


def test_findings_are_capped(client: FlaskClient) -> None:
    answer = ask(client, SALES + "".join(f"c,{k},x\n" for k in range(900)))
    assert (len(answer["findings"]), answer["findings_total"] >= 900) == (200, True)


WHOLE = {
    "empty": ("", "series", None),
    "a ragged row": (SALES + "a,b\n", "series", 62),
    "no times": ("foo,bar\nx,y\n", "time_col", None),
    "no values": ("day,mood,tone\n2024-01-01,a,b\n", "target_col", None),
    "a column that is not there": (SALES, "store", None),
    "mixed frequencies": (SALES + "".join(f"c,2024-01-01T{k:02d}:00,1\n" for k in range(9)), "series", None),
}


@pytest.mark.parametrize("name", WHOLE)
def test_a_fault_of_the_table_as_a_whole_is_a_problem(client: FlaskClient, name: str) -> None:
    table, field, row = WHOLE[name]
    problem = refused(client, table, "id_col=store" if "not there" in name else "")
    assert problem["type"].endswith(":invalid-request")
    assert problem["errors"][0]["field"] in {field, "series"}
    assert problem["errors"][0].get("row") == row
    assert "--" not in problem["detail"]


WRONG_QUERY = {
    "time_col=": "time_col",
    "freq=fortnight": "freq",
    "timezone=Mars/Olympus": "timezone",
    "values=perhaps": "values",
    "h=3": "h",
    "id_col=day&time_col=day": "id_col",
    "id_col=shop&target_col=": "target_col",
}


@pytest.mark.parametrize("query", WRONG_QUERY)
def test_wrong_options_are_named(client: FlaskClient, query: str) -> None:
    assert refused(client, SALES, query)["errors"][0]["field"] == WRONG_QUERY[query]


def test_bodies_are_csv_and_answers_json(client: FlaskClient) -> None:
    assert client.post("/v1/inspect", json={"series": []}).status_code == 415
    response = client.post("/v1/inspect", data=SALES, content_type="text/csv", headers={"Accept": "text/csv"})
    assert response.status_code == 406
    assert refused(client, SALES.encode() + b"\xff,2024-01-01,1\n")["errors"][0]["row"] == 62


LIMITS = {
    "rows": (Settings(max_points=50), SALES, "There are more than 50 rows"),
    "series": (Settings(max_series=2), SALES + "c,2024-01-01,1\n", "There are more than 2 series"),
    "columns": (Settings(max_series=1), TABLES["wide"][0], "The header has 3 columns"),
    "gaps": (Settings(max_points=90), "ds,y\n2024-01-01,1\n2024-01-02,1\n2024-05-02,1\n", "at most 90 values in all"),
}


@pytest.mark.parametrize("name", LIMITS)
def test_limits_are_those_of_a_forecast(tmp_path: Path, name: str) -> None:
    settings, table, detail = LIMITS[name]
    client = make_app(tmp_path, settings).test_client()
    problem = refused(client, table)
    assert detail in problem["detail"]
    assert problem["type"].endswith(":limit-exceeded")


def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    client = make_app(tmp_path, Settings(max_bytes=1024)).test_client()
    assert refused(client, SALES * 2, status=413)["type"].endswith(":too-large")


def test_it_needs_no_model(tmp_path: Path) -> None:
    client = make_app(tmp_path, Settings(default_model="missing")).test_client()
    assert client.get("/readyz").status_code == 503
    assert ask(client, SALES)["rows"] == 60


def test_it_loads_no_pandas() -> None:
    code = (
        "import sys, pathlib\n"
        "from service.__main__ import described_app\n"
        "body = pathlib.Path('data/flights_daily.csv').read_bytes()\n"
        "answer = described_app().test_client().post('/v1/inspect?values=true', data=body, content_type='text/csv')\n"
        "print(answer.status_code, answer.json['rows'], {'pandas', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603 - our own code
    assert done.stdout == "200 10585 set()\n"


def test_the_client_asks_it(tmp_path: Path) -> None:
    import pandas as pd

    model_folder(tmp_path / "models", "daily")
    table = tmp_path / "sales.csv"
    table.write_text(SALES + "c,2024-01-01,x\n")
    app = make_app(tmp_path / "models", Settings(default_model="daily"))
    with threaded(app) as url, Client(url, retries=0) as client:
        seen = client.inspect(table, values=True)
        assert seen.names == ColumnNames("shop", "day", "sold")
        assert (seen.layout, seen.freq, seen.season, seen.rows, len(seen.series)) == ("long", "D", 7, 61, 2)
        assert (seen.findings[0]["line"], seen.findings_total) == (62, 1)
        assert seen.values is not None
        assert seen.values["sizes"] == [30, 30]
        assert client.forecast(table, names=seen.names, h=2).skipped.keys() == {"c"}
        frame = pd.read_csv(table)
        alone = client.inspect(frame[frame["shop"] == "a"], id_col="", freq="D")
        assert (alone.layout, alone.names) == ("single", ColumnNames("", "day", "sold"))
        wide = client.inspect(frame[["day"]].assign(one=1, two=2).drop_duplicates())
        assert (wide.layout, wide.names) == ("wide", ColumnNames(time_col="day"))
        with pytest.raises(ServiceError) as caught:
            client.inspect(table, time_col="week")
        assert caught.value.status == 422
        with pytest.raises(InputError, match="name of a CSV file or a data frame, got list"):
            client.inspect([1, 2, 3])
