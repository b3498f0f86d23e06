"""POST /v1/forecast with a JSON body."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter

from service.schemas.forecasts import ForecastAnswer

from .conftest import make_app, model_folder

DAYS = ["2024-02-27", "2024-02-28", "2024-02-29", "2024-03-01"]


def series(unique_id: str = "a", **fields: Any) -> dict[str, Any]:
    return {"unique_id": unique_id, "ds": DAYS, "y": [1, 2, 3, 4]} | fields


def ask(client: FlaskClient, **body: Any) -> Any:
    response = client.post("/v1/forecast", json=body)
    assert response.status_code == 200, response.text
    TypeAdapter(ForecastAnswer).validate_json(response.data, strict=True)
    return response.json


def refused(client: FlaskClient, **body: Any) -> Any:
    response = client.post("/v1/forecast", json=body)
    assert response.status_code == 422, response.text
    assert response.content_type == "application/problem+json"
    return response.json


def test_one_series_gets_a_forecast_in_the_columns_of_the_library(client: FlaskClient) -> None:
    answer = ask(client, series=[series()], h=2, freq="D", level=[95, 80, 95])
    assert answer["model"] == "daily"
    assert answer["freq"] == "D"
    assert answer["level"] == [80, 95]
    assert answer["skipped"] == []
    (forecast,) = answer["forecasts"]
    assert list(forecast) == ["unique_id", "ds", "LSTM", "LSTM-lo-95", "LSTM-lo-80", "LSTM-hi-80", "LSTM-hi-95"]
    assert forecast["ds"] == ["2024-03-02", "2024-03-03"]
    assert forecast["LSTM"] == [4, 4]
    assert forecast["LSTM-lo-95"] == [-91, -91]


def test_a_series_that_a_wrong_year_makes_too_long_is_named(client: FlaskClient) -> None:
    problem = refused(client, series=[series(), series("typo", ds=["0001-01-01", *DAYS[1:]])], freq="D")
    (error,) = problem["errors"]
    assert (error["field"], error["series"]) == ("series", "typo")
    for text in (problem["detail"], error["expected"]):
        assert "'typo', has 738946 steps for 4 values" in text


def test_a_series_that_ends_where_the_calendar_does_is_skipped(client: FlaskClient) -> None:
    days = [f"9999-12-{day}" for day in range(28, 32)]
    body = [*(series(str(number)) for number in range(6)), series("last", ds=days), series("fine")]
    answer = ask(client, series=body, freq="D")
    assert [forecast["unique_id"] for forecast in answer["forecasts"]] == ["0", "1", "2", "3", "4", "5", "fine"]
    (skipped,) = answer["skipped"]
    assert skipped["unique_id"] == "last"
    assert "'last' ends at 9999-12-31" in skipped["reason"]
    problem = refused(client, series=[series("last", ds=days)], freq="D")
    assert problem["type"].endswith("no-forecast")
    assert "year 9999" in problem["detail"]


def test_horizon_and_levels_have_defaults(client: FlaskClient) -> None:
    answer = ask(client, series=[series()])
    assert answer["h"] == 4
    assert answer["level"] == [80, 95]


def test_no_levels_is_the_point_forecast_alone(client: FlaskClient) -> None:
    assert set(ask(client, series=[series()], level=[])["forecasts"][0]) == {"unique_id", "ds", "LSTM"}


def test_without_timestamps_steps_are_counted(client: FlaskClient) -> None:
    answer = ask(client, series=[{"unique_id": "a", "y": [1, 2, None, 4]}, {"unique_id": "b", "y": [7] * 9}], h=2)
    assert [forecast["ds"] for forecast in answer["forecasts"]] == [[5, 6], [10, 11]]


def test_a_frequency_without_timestamps_only_says_what_the_steps_are(client: FlaskClient) -> None:
    answer = ask(client, series=[{"unique_id": "a", "y": [1, 2, 3]}], h=1, freq="D")
    assert answer["forecasts"][0]["ds"] == [4]


def test_integer_timestamps(client: FlaskClient) -> None:
    assert ask(client, series=[series(ds=[10, 20, 30, 40])], h=1)["forecasts"][0]["ds"] == [50]


def test_rows_may_be_in_any_order(client: FlaskClient) -> None:
    answer = ask(client, series=[series(ds=DAYS[::-1])], h=1)
    assert answer["forecasts"][0]["LSTM"] == [1]


def test_instants_with_changing_offsets_need_a_zone(client: FlaskClient) -> None:
    stamps = ["2024-03-30T00:00:00+01:00", "2024-03-31T00:00:00+01:00", "2024-04-01T00:00:00+02:00"]
    problem = refused(client, series=[series(ds=stamps, y=[1, 2, 3])])
    assert "timezone" in problem["detail"]
    answer = ask(client, series=[series(ds=stamps, y=[1, 2, 3])], h=1, timezone="Europe/Berlin", freq="D")
    assert answer["forecasts"][0]["ds"][0].startswith("2024-04-02")


BAD_SERIES = {
    "duplicate timestamp": {"ds": [*DAYS[:3], DAYS[2]]},
    "timestamp that is none": {"ds": [*DAYS[:3], "tomorrow"]},
    "mixed kinds of timestamps": {"ds": [*DAYS[:3], 4]},
    "fewer timestamps than values": {"ds": DAYS[:3]},
    "off the grid": {"ds": [*DAYS[:3], "2024-03-01T12:00:00"]},
    "year that does not exist": {"ds": [*DAYS[:3], "0000-01-01"]},
    "too short": {"ds": DAYS[:2], "y": [1, 2]},
    "nothing but missing values": {"y": [None] * 4},
}


@pytest.mark.parametrize("fault", BAD_SERIES)
def test_a_bad_series_does_not_lose_the_others(client: FlaskClient, fault: str) -> None:
    body = [series("good"), series("bad", **BAD_SERIES[fault]), series("fine")]
    answer = ask(client, series=body, freq="D")
    assert [forecast["unique_id"] for forecast in answer["forecasts"]] == ["good", "fine"]
    ((skipped),) = answer["skipped"]
    assert skipped["unique_id"] == "bad"
    assert len(skipped["reason"]) > 20


@pytest.mark.parametrize("fault", BAD_SERIES)
def test_bad_series_alone_are_a_problem_that_names_them(client: FlaskClient, fault: str) -> None:
    problem = refused(client, series=[series("bad", **BAD_SERIES[fault])], freq="D")
    assert problem["errors"][0]["series"] == "bad"


def test_if_the_good_ones_are_too_short_all_are_named(client: FlaskClient) -> None:
    body = [series("short", **BAD_SERIES["too short"]), series("twice", **BAD_SERIES["duplicate timestamp"])]
    problem = refused(client, series=body, freq="D")
    assert problem["type"].endswith("no-forecast")
    assert [error["series"] for error in problem["errors"]] == ["short", "twice"]


def test_the_place_of_a_bad_timestamp_is_a_path(client: FlaskClient) -> None:
    bad = series("bad", **BAD_SERIES["timestamp that is none"])
    problem = refused(client, series=[bad, bad | {"unique_id": "worse", "ds": [*DAYS[:3], DAYS[0]]}], freq="D")
    assert [error["field"] for error in problem["errors"]] == ["series[0].ds[3]", "series[1].ds[3]"]


def test_series_of_different_frequencies_are_refused_together_unless_one_is_given(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    model_folder(tmp_path, "monthly", frequency="MS")
    client = make_app(tmp_path).test_client()
    monthly = series("monthly", ds=["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"])
    assert "freq" in refused(client, series=[series(), monthly])["detail"]
    assert ask(client, series=[series(), monthly], freq="D")["skipped"] == []
    answer = ask(client, series=[series(), monthly], freq="MS")
    assert [skipped["unique_id"] for skipped in answer["skipped"]] == ["a"]


def test_dates_and_numbers_cannot_be_in_one_request(client: FlaskClient) -> None:
    refused(client, series=[series(), series("b", ds=[1, 2, 3, 4])])
    problem = refused(client, series=[series(), {"unique_id": "b", "y": [1, 2, 3]}])
    assert problem["errors"][0]["field"] == "series[1].ds"


def test_ids_are_unique(client: FlaskClient) -> None:
    problem = refused(client, series=[series(), series()])
    assert problem["errors"][0]["field"] == "series[1].unique_id"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no series field": ({"h": 1}, "series"),
    "no series": ({"series": []}, "series"),
    "no values": ({"series": [series(y=[], ds=[])]}, "series[0].y"),
    "no id": ({"series": [{"y": [1, 2, 3]}]}, "series[0].unique_id"),
    "empty id": ({"series": [series("")]}, "series[0].unique_id"),
    "text in y": ({"series": [series(y=[1, 2, "3", 4])]}, "series[0].y[2]"),
    "true in y": ({"series": [series(y=[1, 2, True, 4])]}, "series[0].y[2]"),
    "null in ds": ({"series": [series(ds=[None, *DAYS[1:]])]}, "series[0].ds[0]"),
    "fraction in ds": ({"series": [series(ds=[1.5, 2, 3, 4])]}, "series[0].ds[0]"),
    "series not a list": ({"series": "a"}, "series"),
    "series an object of something else": ({"series": {"a": [1, 2]}}, "series.a"),
    "horizon 0": ({"series": [series()], "h": 0}, "h"),
    "horizon negative": ({"series": [series()], "h": -7}, "h"),
    "horizon absurd": ({"series": [series()], "h": 10**6}, "h"),
    "horizon beyond integers": ({"series": [series()], "h": 10**40}, "h"),
    "horizon a fraction": ({"series": [series()], "h": 1.5}, "h"),
    "horizon text": ({"series": [series()], "h": "7"}, "h"),
    "level 0": ({"series": [series()], "level": [80, 0]}, "level[1]"),
    "level 100": ({"series": [series()], "level": [100]}, "level[0]"),
    "level not a list": ({"series": [series()], "level": 80}, "level"),
    "too many levels": ({"series": [series()], "level": list(range(1, 30))}, "level"),
    "unknown frequency": ({"series": [series()], "freq": "fortnightly"}, "freq"),
    "frequency 0": ({"series": [series()], "freq": 0}, "freq"),
    "frequency a list": ({"series": [series()], "freq": ["D"]}, "freq"),
    "unknown field": ({"series": [series()], "levels": [80]}, "levels"),
    "unknown field of a series": ({"series": [series(x=[1])]}, "series[0].x"),
    "unknown model": ({"series": [series()], "model": "secret"}, "model"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_by_its_field(client: FlaskClient, case: str) -> None:
    body, field = WRONG[case]
    problem = refused(client, **body)
    assert field in [error["field"] for error in problem["errors"]]
    assert all(error["expected"] for error in problem["errors"])


def test_options_belong_in_the_body(client: FlaskClient) -> None:
    assert client.post("/v1/forecast?h=3", json={"series": [series()]}).status_code == 422


def test_json_in_csv_out(client: FlaskClient) -> None:
    response = client.post("/v1/forecast", json={"series": [series()], "h": 1}, headers={"Accept": "text/csv"})
    assert response.content_type == "text/csv; charset=utf-8"
    assert response.text.splitlines()[0] == "unique_id,ds,LSTM,LSTM-lo-95,LSTM-lo-80,LSTM-hi-80,LSTM-hi-95"
    assert response.text.splitlines()[1].startswith("a,2024-03-02,4")
    assert response.headers["Forecast-Skipped"] == "0"


def test_every_series_of_many_has_an_outcome(client: FlaskClient) -> None:
    body = [series(str(number), y=[number] * 4) for number in range(300)]
    for number in range(0, 300, 7):
        body[number]["ds"] = ["2024-01-01"] * 4
    answer = ask(client, series=body, h=1, freq="D")
    assert len(answer["skipped"]) == len(range(0, 300, 7))
    assert {forecast["unique_id"]: forecast["LSTM"][0] for forecast in answer["forecasts"]} == {
        str(number): number for number in range(300) if number % 7
    }


def test_escapes_in_keys_and_ids_are_understood(client: FlaskClient) -> None:
    body = json.dumps({"series": [series("Ünï:\"'\n")]}).replace('"y"', '"\\u0079"')
    response = client.post("/v1/forecast", data=body, content_type="application/json; charset=UTF-8")
    assert response.json is not None
    assert response.json["forecasts"][0]["unique_id"] == "Ünï:\"'\n"


def columns(**fields: Any) -> dict[str, Any]:
    return {"y": [1, 2, 3, 4, 7, 8, 9], "sizes": [4, 3]} | fields


def test_series_in_columns(client: FlaskClient) -> None:
    answer = ask(client, series=columns(), h=1, level=[])
    assert answer["forecasts"] == [
        {"unique_id": "0", "ds": [5], "LSTM": [4]},
        {"unique_id": "1", "ds": [4], "LSTM": [9]},
    ]
    dated = columns(unique_id=["north", "south"], ds=[*DAYS, *DAYS[:3]])
    answer = ask(client, series=dated, h=1, freq="D")
    assert [(one["unique_id"], one["ds"]) for one in answer["forecasts"]] == [
        ("north", ["2024-03-02"]),
        ("south", ["2024-03-01"]),
    ]


def test_columns_and_a_list_get_the_same_answer(client: FlaskClient) -> None:
    listed = [series("a"), series("b", ds=DAYS[:3], y=[7, None, 9])]
    in_columns = {"y": [1, 2, 3, 4, 7, None, 9], "sizes": [4, 3], "ds": DAYS + DAYS[:3], "unique_id": ["a", "b"]}
    assert ask(client, series=in_columns, freq="D") == ask(client, series=listed, freq="D")


WRONG_COLUMNS: dict[str, tuple[dict[str, Any], str]] = {
    "sizes that do not add up": (columns(sizes=[4, 4]), "series.sizes"),
    "no sizes": ({"y": [1, 2]}, "series.sizes"),
    "a size of nothing": (columns(sizes=[4, 3, 0]), "series.sizes[2]"),
    "a size below nothing": (columns(sizes=[4, 4, -1]), "series.sizes[2]"),
    "a size that is a fraction": (columns(sizes=[4, 1.5, 1.5]), "series.sizes[1]"),
    "text in y": (columns(y=[1, 2, 3, 4, 7, 8, "9"]), "series.y[6]"),
    "nothing in y": ({"y": [], "sizes": []}, "series.y"),
    "too few ids": (columns(unique_id=["a"]), "series.unique_id"),
    "an id twice": (columns(unique_id=["a", "a"]), "series.unique_id[1]"),
    "an empty id": (columns(unique_id=["a", ""]), "series.unique_id[1]"),
    "too few timestamps": (columns(ds=DAYS), "series.ds"),
    "another field": (columns(X=[]), "series.X"),
}


@pytest.mark.parametrize("case", WRONG_COLUMNS)
def test_what_is_wrong_with_columns_is_named_once_by_its_path(client: FlaskClient, case: str) -> None:
    body, field = WRONG_COLUMNS[case]
    problem = refused(client, series=body)
    assert field in [error["field"] for error in problem["errors"]]
    assert len({error["field"] for error in problem["errors"]}) == len(problem["errors"])
    assert "(" not in "".join(error["field"] for error in problem["errors"])


def test_the_place_of_a_bad_timestamp_in_columns_is_a_path(client: FlaskClient) -> None:
    bad = columns(ds=[*DAYS[:3], "tomorrow", *DAYS[:2], DAYS[1]])
    problem = refused(client, series=bad, freq="D")
    assert [error["field"] for error in problem["errors"]] == ["series.ds[3]", "series.ds[6]"]
    (skipped,) = ask(client, series=columns(ds=[*DAYS, *DAYS[:2], "tomorrow"]), freq="D")["skipped"]
    assert skipped["unique_id"] == "1"


def test_the_same_key_twice_in_columns_is_refused(client: FlaskClient) -> None:
    body = json.dumps({"series": columns(unique_id=["a:b", "c"])})
    assert client.post("/v1/forecast", data=body, content_type="application/json").status_code == 200
    twice = body.replace('"sizes"', '"sizes": [7], "sizes"')
    assert client.post("/v1/forecast", data=twice, content_type="application/json").status_code == 400


def test_quantiles_in_place_of_levels(client: FlaskClient) -> None:
    answer = ask(client, series=[series()], h=1, quantiles=[0.9, 0.1, 0.5])
    assert (answer["level"], answer["quantiles"]) == ([], [0.1, 0.5, 0.9])
    assert answer["forecasts"] == [
        {"unique_id": "a", "ds": ["2024-03-02"], "LSTM": [4], "LSTM-q-10": [-76], "LSTM-q-50": [4], "LSTM-q-90": [84]}
    ]


WRONG_QUANTILES = {"0": [0.0], "1": [0.5, 1], "none": [], "text": ["0.5"], "too near 0": [1e-9], "a number": 0.5}


@pytest.mark.parametrize("case", WRONG_QUANTILES)
def test_wrong_quantiles(client: FlaskClient, case: str) -> None:
    problem = refused(client, series=[series()], quantiles=WRONG_QUANTILES[case])
    assert problem["errors"][0]["field"].startswith("quantiles")


def test_quantiles_or_levels_and_not_both(client: FlaskClient) -> None:
    problem = refused(client, series=[series()], quantiles=[0.1], level=[80])
    assert problem["errors"][0]["field"] == "quantiles"


def test_each_series_that_is_too_short_has_its_own_reason(client: FlaskClient) -> None:
    short = [series(name, ds=DAYS[:count], y=[1] * count) for name, count in (("one", 1), ("two", 2))]
    problem = refused(client, series=short, freq="D")
    assert [error["expected"] for error in problem["errors"]] == [
        "Series 'one' has 1 values, 3 are needed.",
        "Series 'two' has 2 values, 3 are needed.",
    ]


def test_time_steps_beyond_64_bits_set_their_series_aside(client: FlaskClient) -> None:
    body = [series(ds=[1, 2, 3, 4]), series("far", ds=[1, 2, 3, 2**70])]
    (skipped,) = ask(client, series=body)["skipped"]
    assert skipped["unique_id"] == "far"
