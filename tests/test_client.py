"""The client against a server that fails in every way it can."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster import Client, ColumnNames, ConfigError, InputError, MissingExtraError, OutputError, ServiceError
from forecaster.bodies import series_of
from tests.scripted import Reply, Script, scripted

ANSWER = {
    "model": "base",
    "freq": "D",
    "h": 2,
    "level": [80],
    "forecasts": [
        {"unique_id": "a", "ds": ["2024-01-05", "2024-01-06"], "LSTM": [1.0, 2.0], "LSTM-lo-80": [0.0, 1.0]},
    ],
    "skipped": [{"unique_id": "b", "reason": "too short"}],
}
JOB = {
    "id": "0a1b",
    "kind": "forecast",
    "status": "running",
    "progress": {"percent": 10},
    "created": "2024-05-01T12:00:00Z",
    "attempts": 1,
    "options": {},
    "result": None,
    "model": None,
    "error": None,
    "of a newer service": 1,
}
ENDED = JOB | {"status": "succeeded", "progress": {"percent": 100}}


def reply(value: Any, status: int = 200, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


def problem(status: int, kind: str = "busy", **headers: str) -> Reply:
    body = {
        "type": f"urn:problem-type:forecaster:{kind}",
        "title": "x",
        "status": status,
        "detail": "It says why.",
        "request_id": "abc",
        "errors": [{"field": "h", "expected": "less"}],
    }
    return reply(body, status, **headers)


@pytest.fixture
def server() -> Iterator[Script]:
    with scripted() as server:
        yield server
        assert server.replies == []


@pytest.fixture
def client(server: Script) -> Iterator[Client]:
    with Client(server.url, "fk_a_b", timeout=30) as client:
        yield client


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr("forecaster.transport.sleep", waited.append)
    return waited


# --- what is made again


@pytest.mark.parametrize("status", [408, 409, 429, 502, 503, 504])
def test_answers_that_pass_are_asked_for_again(client: Client, server: Script, waits: list[float], status: int) -> None:
    server.replies = [problem(status), problem(status), reply(ANSWER)]
    assert client.forecast([1, 2, 3], h=2).model == "base"
    assert len({request.body for request in server.requests}) == 1
    assert len(waits) == 2
    assert 0.125 <= waits[0] <= 0.25
    assert 0.25 <= waits[1] <= 0.5


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413, 415, 422, 500, 501])
def test_other_refusals_are_final(client: Client, server: Script, waits: list[float], status: int) -> None:
    server.replies = [problem(status, "invalid-request")]
    with pytest.raises(ServiceError, match=r"It says why\. \(\d+ invalid-request, request abc\)") as caught:
        client.forecast([1, 2, 3])
    error = caught.value
    assert (error.status, error.kind, error.detail, error.request_id) == (
        status,
        "invalid-request",
        "It says why.",
        "abc",
    )
    assert error.errors == ({"field": "h", "expected": "less"},)
    assert waits == []


@pytest.mark.parametrize("fault", ["at once", "in the body"])
def test_connections_that_break_are_made_again(client: Client, server: Script, waits: list[float], fault: str) -> None:
    server.replies = [Reply(body=json.dumps(ANSWER).encode(), fault=fault), reply(ANSWER)]
    assert client.forecast([1, 2, 3]).h == 2
    assert len(waits) == 1


def test_it_gives_up_in_the_end(server: Script, waits: list[float]) -> None:
    server.replies = [problem(503)] * 3
    with Client(server.url, retries=2) as client, pytest.raises(ServiceError) as caught:
        client.models()
    assert caught.value.status == 503
    assert len(waits) == 2
    server.replies = [Reply(fault="at once")] * 3
    with Client(server.url, retries=2) as client, pytest.raises(ServiceError, match="cannot be reached") as caught:
        client.models()
    assert (caught.value.status, caught.value.kind) == (0, "unreachable")


def test_nobody_listens() -> None:
    with Client("http://127.0.0.1:9", retries=1, timeout=5) as client:
        with pytest.raises(ServiceError, match=r"http://127.0.0.1:9 cannot be reached"):
            client.models()
        assert client.ready() is False


RETRY_AFTER = {"7": 7.0, "86400": 30.0, "soon": 0.25, "": 0.25, "-5": 0.25, "٣": 0.25}


@pytest.mark.parametrize("text", RETRY_AFTER)
def test_the_service_may_ask_for_a_longer_wait_but_not_for_any(
    client: Client, server: Script, waits: list[float], text: str
) -> None:
    server.replies = [
        problem(429, "too-many", **{"Retry-After": text.encode().decode("latin-1")}),
        reply({"models": []}),
    ]
    client.models()
    assert RETRY_AFTER[text] / 2 <= waits[0] <= RETRY_AFTER[text]


def test_a_retry_after_may_be_a_date(client: Client, server: Script, waits: list[float]) -> None:
    date = email.utils.formatdate(time.time() + 20, usegmt=True)
    server.replies = [problem(503, **{"Retry-After": date}), reply({"models": []})]
    client.models()
    assert 10 < waits[0] <= 20


def test_redirects_are_not_followed_since_the_key_would_go_along(client: Client, server: Script) -> None:
    server.replies = [Reply(302, b"", {"Location": f"{server.url}/elsewhere"})]
    with pytest.raises(ServiceError, match="HTTP status 302"):
        client.models()


def test_answers_of_others_are_told_apart(client: Client, server: Script) -> None:
    server.replies = [Reply(200, b"<html>"), Reply(500, b"<html>", {"X-Request-ID": "p1"})]
    with pytest.raises(ServiceError, match="not JSON"):
        client.models()
    with pytest.raises(ServiceError, match=r"HTTP status 500, and no problem that says why. \(500 , request p1\)"):
        client.models()


def test_whether_it_is_ready_is_asked_once(client: Client, server: Script, waits: list[float]) -> None:
    server.replies = [problem(503, "not-ready"), reply({"status": "ready"}), problem(400, "untrusted-host")]
    assert client.ready() is False
    assert client.ready() is True
    with pytest.raises(ServiceError):
        client.ready()
    assert waits == []


# --- what is sent


def test_the_key_and_the_options_are_sent(client: Client, server: Script) -> None:
    server.replies = [reply(ANSWER)]
    client.forecast({"a": np.array([1.5, np.nan]), "b": [1, None]}, h=2, level=(80, 95), freq="D", model="sales")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/forecast")
    assert request.headers["Authorization"] == "Bearer fk_a_b"
    assert request.headers["Content-Type"] == request.headers["Accept"] == "application/json"
    assert json.loads(request.body) == {
        "series": [{"unique_id": "a", "y": [1.5, None]}, {"unique_id": "b", "y": [1, None]}],
        "h": 2,
        "level": [80, 95],
        "freq": "D",
        "model": "sales",
    }


def test_a_data_frame_is_answered_with_one(client: Client, server: Script) -> None:
    days = pd.date_range("2024-01-01", periods=4)
    frame = pd.DataFrame({"store": list("aabb"), "day": days, "units": [1, 2, None, 4]})
    server.replies = [reply(ANSWER)]
    names = ColumnNames("store", "day", "units")
    forecast = client.forecast(frame, names=names, h=2)
    assert json.loads(server.requests[0].body)["series"] == [
        {"unique_id": "a", "ds": ["2024-01-01T00:00:00", "2024-01-02T00:00:00"], "y": [1, 2]},
        {"unique_id": "b", "ds": ["2024-01-03T00:00:00", "2024-01-04T00:00:00"], "y": [None, 4]},
    ]
    assert list(forecast.columns) == ["store", "day", "LSTM", "LSTM-lo-80"]
    assert list(forecast["day"]) == [pd.Timestamp("2024-01-05"), pd.Timestamp("2024-01-06")]
    assert forecast.attrs == {"model": "base", "skipped": {"b": "too short"}}


def test_time_zones_go_and_come_back(client: Client, server: Script) -> None:
    hours = pd.date_range("2024-01-01", periods=2, freq="h", tz="Europe/Berlin")
    ahead = {"unique_id": "y", "ds": ["2024-01-01 02:00:00+01:00"], "LSTM": [1.0]}
    server.replies = [reply(ANSWER | {"forecasts": [ahead]})]
    forecast = client.forecast(pd.DataFrame({"ds": hours, "y": [1, 2]}))
    sent = json.loads(server.requests[0].body)
    assert sent["timezone"] == "Europe/Berlin"
    assert sent["series"][0] == {
        "unique_id": "y",
        "ds": ["2024-01-01T00:00:00+01:00", "2024-01-01T01:00:00+01:00"],
        "y": [1, 2],
    }
    assert forecast["ds"][0] == pd.Timestamp("2024-01-01 02:00", tz="Europe/Berlin")


def test_wide_frames_steps_and_nothing_at_all(client: Client, server: Script) -> None:
    frame = pd.DataFrame({"ds": [1, 2], "north": pd.array([1, None], dtype="Int64"), "south": [0.5, 2.5]})
    assert series_of(frame, ColumnNames()) == [
        {"unique_id": "north", "ds": [1, 2], "y": [1.0, None]},
        {"unique_id": "south", "ds": [1, 2], "y": [0.5, 2.5]},
    ]
    server.replies = [reply(ANSWER | {"forecasts": []})]
    assert list(client.forecast(frame).columns) == ["unique_id", "ds"]


def test_series_as_the_service_takes_them_go_as_they_are() -> None:
    series = [{"unique_id": "a", "ds": [1, 2], "y": [1, float("nan")]}]
    assert series_of(series, ColumnNames()) == [{"unique_id": "a", "ds": [1, 2], "y": [1, None]}]


@pytest.mark.parametrize("name", ["sales.csv", "sales.csv.gz"])
def test_a_csv_file_goes_as_it_is(client: Client, server: Script, tmp_path: Path, name: str) -> None:
    text = b"unique_id,ds,y\na,1,2\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    server.replies = [reply(ANSWER)]
    forecast = client.forecast(tmp_path / name, h=2, level=[80.5])
    (request,) = server.requests
    assert request.path == "/v1/forecast?id_col=unique_id&time_col=ds&target_col=y&h=2&level=80.5"
    assert (request.body, request.headers["Content-Type"]) == (text, "text/csv")
    assert forecast.skipped == {"b": "too short"}
    assert list(forecast.to_frame()["LSTM"]) == [1, 2]


WRONG: dict[str, tuple[Any, str]] = {
    "no data": (7, "Expected a data frame"),
    "no CSV": ("sales.xlsx", "expected a file named .csv"),
    "no file": ("nowhere.csv", "cannot be read: No such file"),
    "infinite": ([1, float("inf")], "cannot be sent as JSON"),
    "an object": ([1, object()], "cannot be sent as JSON"),
    "words": (pd.DataFrame({"ds": [1], "y": ["x"]}), "Column 'y' holds something else than numbers"),
    "no id": (pd.DataFrame({"unique_id": ["a", None], "ds": [1, 2], "y": [1, 2]}), "A row has no id"),
    "no time": (pd.DataFrame({"y": [1]}), "There is no column 'ds'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_sent(client: Client, case: str) -> None:
    data, message = WRONG[case]
    with pytest.raises(InputError, match=message):
        client.forecast(data)


def test_a_damaged_archive_is_no_csv(client: Client, tmp_path: Path) -> None:
    for content in (b"no gzip", gzip.compress(b"x" * 99)[:-9]):
        (tmp_path / "a.csv.gz").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read"):
            client.forecast(tmp_path / "a.csv.gz")


@pytest.mark.parametrize(
    "options",
    [{"url": "localhost:8000"}, {"key": "a b"}, {"key": "a\r\nHost: x"}, {"key": "é"}, {"timeout": 0}, {"retries": -1}],
)
def test_settings_that_cannot_be(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Client(**options)


def test_without_urllib3_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urllib3", None)
    with pytest.raises(MissingExtraError, match=r'pip install "forecaster\[client\]"'):
        Client()


# --- models, backtests and jobs


def test_models(client: Client, server: Script) -> None:
    server.replies = [reply({"models": [{"name": "a/b"}]}), reply({"name": "a/b"}), reply({"name": "a/b"})]
    assert client.models() == [{"name": "a/b"}]
    assert client.model("a/b") == client.set_current("a/b", "v1") == {"name": "a/b"}
    assert [f"{request.method} {request.path}" for request in server.requests] == [
        "GET /v1/models",
        "GET /v1/models/a%2Fb",
        "PUT /v1/models/a%2Fb/current",
    ]
    assert json.loads(server.requests[-1].body) == {"version": "v1"}


def test_a_backtest(client: Client, server: Script) -> None:
    server.replies = [reply({"accuracy": []})]
    assert client.backtest([1, 2, 3], h=1, n_windows=2) == {"accuracy": []}
    assert json.loads(server.requests[0].body) == {
        "series": [{"unique_id": "y", "y": [1, 2, 3]}],
        "h": 1,
        "n_windows": 2,
    }


LAYER = {name: [[0.5, 0.25], [1, 2], [3, 4]] for name in ("input_gate", "forget_gate", "candidate", "output_gate")}
LAYER |= {"layer": 1, "units": 3, "cell_state": [[0, 1], [2, 3], [4, 5]], "hidden_state": [[0, 0]] * 3, "movers": []}
EXPLANATION = {
    "model": "base",
    "version": "v1",
    "freq": "D",
    "engine": "compiled",
    "networks": 2,
    "layers": [2, 2],
    "explanations": [
        {
            "unique_id": "a",
            "ds": ["2024-01-05", "2024-01-06", "2024-01-07"],
            "y": [1.0, None, 3.0],
            "networks": [{"network": 0, "steps": 2, "layers": [LAYER]}],
        }
    ],
    "skipped": [{"unique_id": "b", "reason": "too short"}],
    "of a newer service": 1,
}


def test_an_explanation(client: Client, server: Script) -> None:
    server.replies = [reply(EXPLANATION)]
    days = pd.date_range("2024-01-05", periods=3, tz="Europe/Berlin")
    made = client.explain(
        pd.DataFrame({"shop": "a", "ds": days, "y": [1, None, 3]}), names=ColumnNames("shop"), layer=1
    )
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/explain")
    sent = json.loads(request.body)
    assert (sent["layer"], sent["timezone"], sent["series"][0]["y"]) == (1, "Europe/Berlin", [1, None, 3])
    assert (made.version, made.engine, made.networks, made.layers) == ("v1", "compiled", 2, (2, 2))
    assert made.skipped == {"b": "too short"}
    assert made.explanations[0]["networks"][0]["layers"][0]["cell_state"][2] == [4, 5]
    frame = made.to_frame()
    assert frame.columns.tolist()[:6] == ["unique_id", "ds", "y", "network", "layer", "unit"]
    assert frame.ds.tolist() == ["2024-01-06", "2024-01-07"] * 3  # the network looks back on two steps
    assert frame.unit.tolist() == [0, 0, 1, 1, 2, 2]
    assert frame.cell_state.tolist() == [0, 1, 2, 3, 4, 5]


def test_nothing_explained_is_an_empty_frame(client: Client, server: Script) -> None:
    server.replies = [reply(EXPLANATION | {"explanations": []})]
    assert client.explain([1, 2, 3]).to_frame().empty


def test_files_are_not_explained(client: Client) -> None:
    with pytest.raises(InputError, match=r"'sales\.csv'\. Read a file into a data frame first"):
        client.explain("sales.csv")


def test_a_job_is_sent_again_under_the_same_key(client: Client, server: Script, tmp_path: Path) -> None:
    text = b"ds,y\n" + b"1,2\n" * 100_000
    (tmp_path / "sales.csv").write_bytes(text)
    server.replies = [Reply(fault="at once"), problem(409, "conflict"), reply(JOB, 202)]
    job = client.submit_forecast(tmp_path / "sales.csv", h=14, level=(80, 95))
    assert (job.id, job.status, job.has_ended) == ("0a1b", "running", False)
    assert [request.body for request in server.requests] == [text] * 3
    assert len({request.headers["Idempotency-Key"] for request in server.requests}) == 1
    assert server.requests[0].path == "/v1/jobs?kind=forecast&h=14&level=80%2C95"
    server.replies = [reply(JOB, 202)]
    client.submit_forecast(tmp_path / "sales.csv")
    assert server.requests[-1].headers["Idempotency-Key"] != server.requests[0].headers["Idempotency-Key"]


def test_training_sends_archives_as_they_are(client: Client, server: Script, tmp_path: Path) -> None:
    (tmp_path / "sales.csv.gz").write_bytes(gzip.compress(b"ds,y\n1,2\n"))
    server.replies = [reply(JOB, 202)]
    client.submit_train(tmp_path / "sales.csv.gz", "sales", publish=False, seed=None)
    (request,) = server.requests
    assert request.path == "/v1/jobs?kind=train&name=sales&publish=false"
    assert request.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(request.body) == b"ds,y\n1,2\n"
    with pytest.raises(InputError, match=r"nowhere.csv cannot be read"):
        client.submit_train(tmp_path / "nowhere.csv", "sales")


def test_jobs_are_listed_cancelled_and_deleted(client: Client, server: Script) -> None:
    server.replies = [reply({"jobs": [JOB]}), reply(JOB | {"status": "cancelled"}), Reply(204, b"")]
    (job,) = client.jobs(limit=1)
    assert client.cancel(job).has_ended
    client.delete(job)
    assert [f"{request.method} {request.path}" for request in server.requests] == [
        "GET /v1/jobs?limit=1",
        "POST /v1/jobs/0a1b/cancel",
        "DELETE /v1/jobs/0a1b",
    ]


def test_waiting_follows_the_job(client: Client, server: Script, waits: list[float]) -> None:
    server.replies = [reply(JOB, **{"Retry-After": "2"}), reply(JOB), problem(503), reply(JOB), reply(ENDED)]
    seen: list[int] = []
    job = client.wait("0a1b", progress=lambda job: seen.append(job.progress["percent"]))
    assert job.status == "succeeded"
    assert seen == [10, 10, 10, 100]
    assert waits[0] == 2
    assert waits[1] == 0.75


def test_a_job_that_failed_is_an_error(client: Client, server: Script) -> None:
    error = {"type": "urn:problem-type:forecaster:invalid-request", "detail": "Line 3.", "errors": [{"field": "y"}]}
    server.replies = [reply(JOB | {"status": "failed", "error": error})]
    with pytest.raises(ServiceError, match=r"Job 0a1b failed: Line 3\.") as caught:
        client.wait("0a1b")
    assert (caught.value.kind, caught.value.errors) == ("invalid-request", ({"field": "y"},))


def test_waiting_ends_in_time(client: Client, server: Script) -> None:
    server.replies = [reply(JOB)]
    with pytest.raises(ServiceError, match=r"has not ended in 0.1 s. It goes on.") as caught:
        client.wait("0a1b", timeout=0.1)
    assert caught.value.kind == "still-running"


RESULT = b"unique_id,ds,LSTM\n" + b"a,1,2\n" * 10_000
DONE = ENDED | {"result": {"bytes": len(RESULT), "sha256": hashlib.sha256(RESULT).hexdigest(), "rows": 10_000}}


def test_a_result_is_whole_though_the_connection_breaks(client: Client, server: Script, tmp_path: Path) -> None:
    server.replies = [
        reply(DONE),
        Reply(body=RESULT, fault="in the body"),
        Reply(body=RESULT.replace(b"2", b"3", 1)),
        Reply(body=RESULT),
    ]
    place = client.result("0a1b", tmp_path / "result.csv")
    assert place.read_bytes() == RESULT
    assert [path.name for path in tmp_path.iterdir()] == ["result.csv"]


def test_a_damaged_result_is_not_left_behind(server: Script, tmp_path: Path) -> None:
    server.replies = [reply(DONE), Reply(body=b"other"), Reply(body=b"other")]
    with Client(server.url, retries=1) as client, pytest.raises(ServiceError, match="not what the service made"):
        client.result("0a1b", tmp_path / "result.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_result_that_cannot_be_written(client: Client, server: Script, tmp_path: Path) -> None:
    server.replies = [reply(DONE)]
    with pytest.raises(OutputError, match="cannot be written"):
        client.result("0a1b", tmp_path / "nowhere" / "result.csv")


def test_importing_it_needs_neither_pandas_nor_urllib3() -> None:
    code = (
        "import sys; from forecaster import Client; sys.exit(bool({'pandas', 'urllib3', 'numba'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=180)  # noqa: S603 - our own code
