"""POST /v1/forecast with a CSV body."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.logs import JsonFormatter
from service.settings import Settings

from .conftest import make_app

LONG = (
    "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-03,3\n"
    "b,2023-12-31,7\nb,2024-01-01,7\nb,2024-01-02,\nb,2024-01-03,9\n"
)

ALONE = "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\na,2024-01-03,3\n"


def post(client: FlaskClient, body: str | bytes, query: str = "", **headers: str) -> TestResponse:
    return client.post(f"/v1/forecast?{query}", data=body, content_type="text/csv", headers=headers)


def test_csv_in_csv_out_with_options_in_the_query_string(client: FlaskClient) -> None:
    response = post(client, LONG, "h=2&level=80,90&freq=D&model=daily")
    assert response.status_code == 200, response.text
    lines = response.text.splitlines()
    assert lines[0] == "unique_id,ds,LSTM,LSTM-lo-90,LSTM-lo-80,LSTM-hi-80,LSTM-hi-90"
    assert [line.split(",")[:2] for line in lines[1:]] == [
        ["a", "2024-01-04"],
        ["a", "2024-01-05"],
        ["b", "2024-01-04"],
        ["b", "2024-01-05"],
    ]
    assert float(lines[4].split(",")[2]) == 9
    assert response.headers["Forecast-Model"] == "daily"


def test_csv_in_json_out(client: FlaskClient) -> None:
    response = post(client, LONG, "h=1&level=", Accept="application/json")
    assert response.json is not None
    assert response.json["forecasts"][1] == {"unique_id": "b", "ds": ["2024-01-04"], "LSTM": [9.0]}


@pytest.mark.parametrize("accept", ["*/*", "text/*", "text/csv, */*;q=0.1", "text/csv;q=0.5, application/json;q=0.4"])
def test_csv_is_answered_unless_json_is_preferred(client: FlaskClient, accept: str) -> None:
    assert post(client, LONG, Accept=accept).mimetype == "text/csv"


def test_one_column_for_each_series(client: FlaskClient) -> None:
    response = post(client, "ds,north,south\n1,1,10\n2,2,20\n3,3,30\n", "h=1", Accept="application/json")
    assert response.json is not None
    assert [forecast["LSTM"] for forecast in response.json["forecasts"]] == [[3], [30]]


def test_a_series_that_is_too_short_is_counted_and_the_others_forecast(client: FlaskClient) -> None:
    response = post(client, LONG + "c,2024-01-01,1\n", "h=1")
    assert response.status_code == 200
    assert response.headers["Forecast-Skipped"] == "1"
    assert len(response.text.splitlines()) == 3


def test_ids_that_a_spreadsheet_would_run_are_made_harmless(client: FlaskClient) -> None:
    response = post(client, LONG.replace("a,", "=cmd(),"), "h=1")
    assert any(line.startswith("'=cmd()") for line in response.text.splitlines())


def test_byte_order_mark_and_windows_line_ends(client: FlaskClient) -> None:
    assert post(client, b"\xef\xbb\xbf" + LONG.replace("\n", "\r\n").encode()).status_code == 200


WRONG = {
    "an id of a hundred thousand characters": b"unique_id,ds,y\n" + b"canary77" * 12_500 + b",2024-01-01,x\n",
    "empty": b"",
    "header only": b"unique_id,ds,y\n",
    "no time column": b"unique_id,y\na,1\n",
    "no value column": b"unique_id,ds\na,1\n",
    "text in y": ALONE.replace("02,2", "02,canary77").encode(),
    "timestamp that is none": ALONE.replace("2024-01-02", "canary77").encode(),
    "duplicate timestamp": ALONE.replace("-02,2", "-01,2").encode(),
    "infinite": ALONE.replace("02,2", "02,inf").encode(),
    "no id": LONG.encode() + b",2024-01-04,canary77\n",
    "ragged": LONG.encode() + b"a,2024-01-04,1,canary77\n",
    "mixed frequencies": LONG.encode() + b"c,2024-01-01,1\nc,2024-02-01,1\nc,2024-03-01,1\nc,2024-04-01,1\n",
    "Latin-1": LONG.replace("a,", "canary77é,").encode("latin-1"),
    "UTF-16": LONG.encode("utf-16"),
    "NUL": LONG.encode() + b"\0",
    "open quote": LONG.encode() + b'"canary77\n' * 3,
    "a million columns": b"ds," + b"x," * 1_000_000 + b"x\n1" + b",1" * 1_000_001,
    "JSON": b'{"series": []}',
    "gzip": b"\x1f\x8b\x08\x00canary77",
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_csv_is_a_problem_and_its_values_are_not_logged(
    client: FlaskClient, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    response = post(client, WRONG[case], "h=1")
    assert response.status_code == 422, response.text
    assert response.content_type == "application/problem+json"
    assert len(response.data) < 4_000
    assert response.json is not None
    assert response.json["errors"][0]["expected"]
    assert caplog.records
    assert not any("canary77" in JsonFormatter().format(record) for record in caplog.records)


def test_the_line_at_fault_is_named(client: FlaskClient) -> None:
    response = post(client, WRONG["text in y"])
    assert response.json is not None
    error = response.json["errors"][0]
    assert (error["field"], error["row"], error["series"]) == ("y", 3, "a")


WRONG_QUERY = {
    "h=two": "h",
    "h=0": "h",
    "h=1e3": "h",
    "level=80,ninety": "level[1]",
    "level=101": "level[0]",
    "level=nan": "level[0]",
    "freq=fortnight": "freq",
    "model=": "model",
    "model=other": "model",
    "horizon=3": "horizon",
    "h=1&h=2": "query string",
    "timezone=Mars/Olympus": "timezone",
    "time_col=": "time_col",
    "id_col=ds": "id_col",
    "id_col=a&target_col=": "target_col",
}


@pytest.mark.parametrize("query", WRONG_QUERY)
def test_wrong_options_are_named(client: FlaskClient, query: str) -> None:
    response = post(client, LONG, query)
    assert response.status_code == 422
    assert response.json is not None
    assert [error["field"] for error in response.json["errors"]] == [WRONG_QUERY[query]]


def test_columns_of_other_names_are_named_in_the_query_string(client: FlaskClient) -> None:
    renamed = LONG.replace("unique_id,ds,y", "store,day,units sold")
    problem = post(client, renamed).json
    assert problem is not None
    assert problem["errors"][0]["field"] == "ds"
    assert problem["detail"] == (
        "The body: There is no column 'ds'; found 'store', 'day', 'units sold'. Name the column that holds the "
        "timestamps with time_col=."
    )
    query = "h=1&id_col=store&time_col=day&target_col=units%20sold"
    response = post(client, renamed, query)
    assert response.status_code == 200, response.text
    assert response.text.splitlines()[0].startswith("store,day,LSTM")
    answer = post(client, renamed, query, Accept="application/json").json
    assert answer is not None
    assert [forecast["unique_id"] for forecast in answer["forecasts"]] == ["a", "b"]
    alone = "store,day,units sold\na,2024-01-02,two\n"
    problem = post(client, alone, query).json
    assert problem is not None
    assert (problem["errors"][0]["field"], problem["errors"][0]["row"]) == ("units sold", 2)


def test_a_table_without_ids_is_one_series(client: FlaskClient) -> None:
    table = "mood,day,sold,y\n" + "".join(f"x{day},2024-01-{day:02d},{day},{-day}\n" for day in range(1, 9))
    answer = post(client, table, "h=1&level=&id_col=&time_col=day&target_col=sold")
    assert answer.status_code == 200, answer.text
    assert answer.text.splitlines() == ["unique_id,day,LSTM", "sold,2024-01-09,8.0"]
    answer = post(client, table, "h=1&level=&time_col=day&target_col=", Accept="application/json")
    assert answer.json is not None
    assert [one["unique_id"] for one in answer.json["forecasts"]] == ["sold", "y"]
    assert [one["unique_id"] for one in answer.json["skipped"]] == ["mood"]


FAULTS = {
    "a value that is no number": ("two,2024-01-02,x", 10, "expected a number, got 'x'"),
    "an infinite value": ("two,2024-01-02,inf", 10, "the value is infinite"),
    "a timestamp that is none": ("two,tomorrow,1", 10, "got 'tomorrow'"),
    "a timestamp that is missing": ("two,,1", 10, "the timestamp is missing"),
    "a timestamp twice": ("two,2024-01-01,1", 10, "duplicate timestamp 2024-01-01, already in line 9"),
    "a timestamp off the grid": ("two,2024-01-01T12:00,1", 10, "is not on the grid"),
    "too few values": ("two,2024-01-02,", None, "values"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_one_series_does_not_lose_the_others(client: FlaskClient, fault: str) -> None:
    row, line, reason = FAULTS[fault]
    body = LONG + f"two,2024-01-01,4\n{row}\n"
    lines = post(client, body, "h=1&freq=D")
    assert lines.status_code == 200, lines.text
    assert lines.headers["Forecast-Skipped"] == "1"
    assert [text.split(",")[0] for text in lines.text.splitlines()[1:]] == ["a", "b"]
    answer = post(client, body, "h=1&freq=D", Accept="application/json").json
    assert answer is not None
    assert answer["forecasts"] == post(client, LONG, "h=1&freq=D", Accept="application/json").json["forecasts"]  # type: ignore[index]  # it is JSON
    (skipped,) = answer["skipped"]
    assert skipped["unique_id"] == "two"
    assert reason in skipped["reason"]
    assert line is None or f"ine {line}" in skipped["reason"]


def test_the_frequency_is_found_without_the_bad_series(client: FlaskClient) -> None:
    response = post(client, LONG + "two,2024-01-01,1\ntwo,2024-01-01,1\n", "h=1")
    assert response.text.splitlines()[1].startswith("a,2024-01-04")


def test_all_series_at_fault_are_a_problem_that_names_them_and_their_lines(client: FlaskClient) -> None:
    problem = post(client, "unique_id,ds,y\na,2024-01-01,x\nb,2024-01-01,1\nb,2024-01-01,2\n", "freq=D").json
    assert problem is not None
    assert problem["type"].endswith("invalid-request")
    assert [(error["series"], error["row"]) for error in problem["errors"]] == [("a", 2), ("b", 4)]


def test_each_series_that_is_too_short_has_its_own_reason(client: FlaskClient) -> None:
    problem = post(client, "unique_id,ds,y\na,2024-01-01,1\nb,2024-01-01,2\nb,2024-01-02,2\n", "freq=D").json
    assert problem is not None
    assert problem["type"].endswith("no-forecast")
    assert [error["series"] for error in problem["errors"]] == ["a", "b"]
    assert "1 values" in problem["errors"][0]["expected"]
    assert "2 values" in problem["errors"][1]["expected"]


def test_pieces_of_a_table_make_one_table(client: FlaskClient) -> None:
    many = "".join(f"s{number},{step},{step}\n" for number in range(600) for step in range(1, 4))
    response = post(client, '"the ""id""\nof it",ds,y\n' + many, "h=1&level=&id_col=the%20%22id%22%0Aof%20it")
    rows = list(csv.reader(io.StringIO(response.text, newline="")))
    assert [row[0] for row in rows] == ['the "id"\nof it', *(f"s{number}" for number in range(600))]


def test_quantiles_in_place_of_levels(client: FlaskClient) -> None:
    response = post(client, LONG, "h=1&quantiles=0.9,0.1,0.5,0.025")
    assert response.text.splitlines()[0] == "unique_id,ds,LSTM,LSTM-q-2.5,LSTM-q-10,LSTM-q-50,LSTM-q-90"
    assert response.text.splitlines()[1] == "a,2024-01-04,3.0,-92.0,-77.0,3.0,83.0"
    problem = post(client, LONG, "quantiles=0.1&level=80").json
    assert problem is not None
    assert problem["errors"][0]["field"] == "quantiles"


def test_hints_of_the_library_arrive(client: FlaskClient) -> None:
    assert "Save it as 'CSV UTF-8'" in str(post(client, WRONG["UTF-16"]).json)
    assert "The column 'y' is there twice" in str(post(client, "unique_id,ds,y,y\na,1,1,1\n").json)


LARGE = {
    "rows": (Settings(max_points=10), "unique_id,ds,y\n" + "".join(f"a,2024-01-{day:02d},1\n" for day in range(1, 20))),
    "series": (Settings(max_series=1), "unique_id,ds,y\na,2024-01-01,1\nb,2024-01-01,1\n"),
    "columns": (Settings(max_series=1), "ds,a,b,c\n2024-01-01,1,2,3\n"),
}


@pytest.mark.parametrize("limit", LARGE)
def test_a_table_with_more_than_a_request_may_have_is_told_from_a_wrong_one(tmp_path: Path, limit: str) -> None:
    """Whoever sees it can hand the same file in as a job."""
    settings, table = LARGE[limit]
    response = make_app(tmp_path, settings).test_client().post("/v1/forecast", data=table, content_type="text/csv")
    assert response.status_code == 422
    assert response.json is not None
    assert response.json["type"].endswith(":limit-exceeded")
