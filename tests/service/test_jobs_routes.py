"""The routes of jobs: what is taken in, what is refused, and what is told to whom."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import json
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from gunicorn.http.errors import InvalidChunkSize
from pydantic import TypeAdapter
from sqlalchemy import update
from werkzeug.test import TestResponse

from forecaster import Forecaster, forecast_csv, parse_csv
from service.forecasting import forecast_pieces
from service.jobs.database import jobs, open_database
from service.jobs.desk import PAUSE_SECONDS, JobDesk
from service.jobs.job import QueueFigures
from service.problems import KINDS
from service.schemas.base import ProblemDetails
from service.schemas.jobs import JobDescription, JobList, TrainedModel
from tests.postgres import Cluster

from .conftest import BODY
from .jobs import CSV, TABLE, JobService


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[JobService]:
    made = JobService(tmp_path, database_url)
    yield made
    made.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[JobService]:
    limits = {"max_bytes": 2_000, "max_job_bytes": 3_000, "max_jobs": 3, "max_jobs_per_key": 2, "max_horizon": 50}
    made = JobService(tmp_path, **limits)
    yield made
    made.close()


def check_problem(answer: TestResponse, kind: str) -> ProblemDetails:
    assert answer.status_code == KINDS[kind].status, answer.text
    problem = TypeAdapter(ProblemDetails).validate_json(answer.data)
    assert problem.type == f"urn:problem-type:forecaster:{kind}"
    return problem


def files_of(service: JobService) -> list[str]:
    folders = (service.files.uploads, service.files.results)
    return sorted(path.name for folder in folders if folder.exists() for path in folder.iterdir())


# --- a job's way ------------------------------------------------------------------------------------------------------


def test_a_forecast_from_the_file_to_the_result(service: JobService) -> None:
    answer = service.post(query="kind=forecast&h=3&level=90&model=base")
    assert answer.status_code == 202
    described = JobDescription.model_validate_json(answer.data)
    location = answer.headers["Location"]
    assert location == f"/v1/jobs/{described.id}"
    assert answer.headers["Retry-After"] == "1"
    assert (described.status, described.attempts, described.options["h"]) == ("queued", 0, 3)
    assert service.client.get(location).headers["Retry-After"] == "1"
    check_problem(service.fetch(f"{location}/result"), "conflict")
    service.work()
    answer = service.client.get(location)
    assert "Retry-After" not in answer.headers
    described = JobDescription.model_validate_json(answer.data)
    assert (described.status, described.attempts) == ("succeeded", 1)
    assert described.progress.percent == 100
    assert (described.progress.series, described.progress.rows) == (2, 60)
    assert described.model is not None
    assert (described.model.name, described.model.version) == ("base", None)
    result = service.fetch(f"{location}/result")
    panel = parse_csv(TABLE)
    assert result.text == forecast_csv(Forecaster.pretrained("D").forecast(panel, h=3, level=(90,)))
    assert result.content_type == "text/csv; charset=utf-8"
    assert result.content_length == len(result.data)
    digest = hashlib.sha256(result.data)
    assert described.result is not None
    assert (described.result.rows, described.result.bytes) == (6, len(result.data))
    assert described.result.sha256 == digest.hexdigest()
    assert result.headers["Repr-Digest"] == f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
    assert result.headers["Content-Disposition"] == f'attachment; filename="forecast-{described.id[:8]}.csv"'
    assert result.headers["X-Content-Type-Options"] == "nosniff"
    assert files_of(service) == sorted([result_name(service), result_name(service).replace(".csv", ".skipped.csv")])


def result_name(service: JobService) -> str:
    (name,) = (path.name for path in service.files.results.glob("*-????????.csv"))
    return name


def test_a_training_from_the_file_to_a_model_that_forecasts(service: JobService) -> None:
    location = service.hand_in(query="kind=train&h=3&name=shops&steps=4&init=random&seed=5")
    service.work()
    described = JobDescription.model_validate(service.look(location))
    assert described.status == "succeeded", described.error
    assert described.model is not None
    assert described.progress.losses
    assert described.progress.step == described.progress.losses[-1][0]
    result = service.fetch(f"{location}/result")
    assert result.content_type == "application/json"
    trained = TrainedModel.model_validate_json(result.data)
    assert (trained.name, trained.version, trained.published) == ("shops", described.model.version, True)
    assert (trained.info["horizon"], trained.info["training"]["seed"]) == (3, 5)
    assert trained.version.endswith(f"-{described.id[:8]}")
    check_problem(service.fetch(f"{location}/skipped"), "conflict")
    location = service.hand_in(query="kind=forecast&model=shops")
    service.work()
    forecast = service.look(location)
    assert forecast["model"] == {"name": "shops", "version": trained.version}
    assert forecast["result"]["rows"] == 6


def test_a_training_of_another_cell(service: JobService) -> None:
    location = service.hand_in(query="kind=train&h=2&name=shops&steps=2&cell=gru")
    service.work()
    trained = TrainedModel.model_validate_json(service.fetch(f"{location}/result").data)
    assert (trained.info["architecture"]["cell"], trained.info["training"]["init"]) == ("gru", "random")
    location = service.hand_in(query="kind=forecast&model=shops")
    service.work()
    assert service.fetch(f"{location}/result").text.startswith("unique_id,ds,GRU,GRU-lo-95")


def test_a_training_begun_again_after_it_added_its_version_only_tells_of_it(service: JobService) -> None:
    location = service.hand_in(query="kind=train&h=2&name=shops&steps=2&init=random&publish=false")
    service.work()
    first = service.fetch(f"{location}/result").get_json()
    assert first["published"] is False
    engine = open_database(service.settings)
    with engine.begin() as connection:  # as after a crash: the version is there, and the row does not say so
        connection.execute(update(jobs).values(status="queued", result=None))
    engine.dispose()
    service.files.upload(location[-32:]).write_bytes(TABLE)
    service.work()
    assert service.fetch(f"{location}/result").get_json() == first | {"warnings": []}


def test_series_without_a_forecast_are_listed(service: JobService) -> None:
    location = service.hand_in(TABLE + b"=short,2024-01-01,5\n", query="kind=forecast&h=2&freq=D")
    service.work()
    assert service.look(location)["result"]["skipped"] == 1
    answer = service.fetch(f"{location}/skipped")
    header, row = csv.reader(io.StringIO(answer.text))
    assert header == ["unique_id", "reason"]
    assert row[0] == "'=short"  # a spreadsheet does not run it
    assert "at least 2 are needed" in row[1]


def test_pieces_of_a_table_make_one_table(service: JobService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.jobs.forecasts.forecast_pieces", in_pieces_of_one)
    query = "kind=forecast&h=2&id_col=the%20%22id%22%0Aof%20it"
    table = TABLE.replace(b"unique_id", b'"the ""id""\nof it"').replace(b"shop", b'"a\rb"')
    location = service.hand_in(table, query=query)
    service.work()
    rows = list(csv.reader(io.StringIO(service.fetch(f"{location}/result").text, newline="")))
    assert [row[0] for row in rows] == ['the "id"\nof it', "a\rb", "a\rb", "web", "web"]
    assert service.look(location)["result"]["rows"] == 4


def test_a_table_without_ids_is_one_series(service: JobService) -> None:
    table = b"mood,day,sold\n" + b"".join(b"x%d,2024-01-%02d,%d\n" % (k, k + 1, k % 7) for k in range(30))
    location = service.hand_in(table, query="kind=forecast&h=2&id_col=&time_col=day&target_col=sold")
    service.work()
    lines = service.fetch(f"{location}/result").text.splitlines()
    assert [line.split(",")[:2] for line in lines] == [
        ["unique_id", "day"],
        ["sold", "2024-01-31"],
        ["sold", "2024-02-01"],
    ]
    location = service.hand_in(table.replace(b"mood", b"y"), query="kind=forecast&h=2&target_col=&time_col=day")
    service.work()
    assert [line.split(",")[0] for line in service.fetch(f"{location}/result").text.splitlines()[1:]] == [
        "sold",
        "sold",
    ]


def in_pieces_of_one(*arguments: Any, **options: Any) -> Any:
    return forecast_pieces(*arguments, **options, size=1)


FAULTY = {
    "a short row": (TABLE + b"web,2024-02-01\n", "kind=forecast", "invalid-request", 62),
    "no table": (b"hello", "kind=forecast", "invalid-request", None),
    "not UTF-8": (b"\xff\xfe\x00", "kind=forecast", "invalid-request", None),
    "nothing": (b"", "kind=forecast", "invalid-request", None),
    "too short": (b"ds,y\n2024-01-01,5\n", "kind=forecast&freq=D", "no-forecast", None),
    "unknown model": (TABLE, "kind=forecast&model=other", "unknown-model", None),
    "too short to learn from": (b"ds,y\n2024-01-01,5\n", "kind=train&name=x&h=3&freq=D", "invalid-request", None),
    "too much": (TABLE, "kind=forecast&h=1000&level=1,2,3,4,5,6,7,8,9,10", "limit-exceeded", None),
}


@pytest.mark.parametrize("case", FAULTY)
def test_what_is_wrong_with_the_file_is_the_error_of_the_job(case: str, tmp_path: Path) -> None:
    service = JobService(tmp_path, max_job_points=1_000)
    body, query, kind, row = FAULTY[case]
    location = service.hand_in(body, query=query)
    service.work()
    job = service.look(location)
    assert (job["status"], job["result"]) == ("failed", None)
    assert job["error"]["type"] == f"urn:problem-type:forecaster:{kind}"
    assert job["error"]["errors"][0]["row"] == row
    assert str(tmp_path) not in json.dumps(job)
    check_problem(service.fetch(f"{location}/result"), "conflict")
    service.close()


# --- what is taken in -------------------------------------------------------------------------------------------------


def test_a_packed_file_is_unpacked(service: JobService) -> None:
    packed = gzip.compress(TABLE[:500]) + gzip.compress(TABLE[500:])  # members are allowed to follow each other
    job = service.hand_in(packed, Content_Encoding="gzip").rpartition("/")[2]
    assert service.files.upload(job).read_bytes() == TABLE


BROKEN = {
    "truncated gzip": (gzip.compress(TABLE)[:-9], {"Content_Encoding": "gzip"}, "malformed-body"),
    "gzip that is none": (TABLE, {"Content_Encoding": "gzip"}, "malformed-body"),
    "gzip and more": (gzip.compress(TABLE) + b"more", {"Content_Encoding": "gzip"}, "malformed-body"),
    "flipped gzip": (gzip.compress(TABLE)[:-8] + b"\0" * 8, {"Content_Encoding": "gzip"}, "malformed-body"),
    "deflate": (zlib.compress(TABLE), {"Content_Encoding": "deflate"}, "unsupported-media-type"),
    "a bomb": (gzip.compress(bytes(2**22)), {"Content_Encoding": "gzip"}, "too-large"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_of_a_broken_body_nothing_is_kept(case: str, tmp_path: Path) -> None:
    service = JobService(tmp_path)
    body, headers, kind = BROKEN[case]
    check_problem(service.post(body, **headers), kind)
    assert not files_of(service)
    assert service.client.get("/v1/jobs").get_json()["jobs"] == []
    service.close()


def test_a_bomb_is_cut_off_at_the_limit_too(small: JobService) -> None:
    check_problem(small.post(gzip.compress(bytes(3_001)), Content_Encoding="gzip"), "too-large")
    assert not files_of(small)


def test_a_file_has_a_limit_of_its_own(small: JobService) -> None:
    small.hand_in(b"x" * 3_000)
    check_problem(small.post(b"x" * 3_001), "too-large")
    no_length = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    chunked = small.client.post(
        "/v1/jobs?kind=forecast", input_stream=io.BytesIO(b"x" * 3_001), content_type=CSV, environ_overrides=no_length
    )
    check_problem(chunked, "too-large")
    assert len(files_of(small)) == 1
    check_problem(small.client.post("/v1/forecast", data=b" " * 2_001, content_type="application/json"), "too-large")


def test_a_body_that_ends_early_leaves_nothing(service: JobService) -> None:
    early = {"CONTENT_LENGTH": "5000", "wsgi.input_terminated": True}  # as gunicorn has it
    answer = service.client.post(
        "/v1/jobs?kind=forecast", input_stream=io.BytesIO(TABLE), content_type=CSV, environ_overrides=early
    )
    check_problem(answer, "malformed-body")
    assert not files_of(service)


def test_chunks_that_are_none_are_the_senders_fault(service: JobService) -> None:
    class Broken(io.BytesIO):
        def readinto(self, _: Any) -> int:
            raise InvalidChunkSize(b"canary77")

    chunked = {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}
    answer = service.client.post(
        "/v1/jobs?kind=forecast", input_stream=Broken(), content_type=CSV, environ_overrides=chunked
    )
    check_problem(answer, "malformed-body")
    assert not files_of(service)


@pytest.mark.parametrize("content_type", ["application/json", "text/csv; charset=utf-16", None])
def test_other_types_are_refused(service: JobService, content_type: str | None) -> None:
    answer = service.client.post("/v1/jobs?kind=forecast", data=TABLE, content_type=content_type)
    check_problem(answer, "unsupported-media-type")
    assert answer.headers["Accept-Post"] == CSV


WRONG = {
    "": "kind",
    "kind=dance": "kind",
    "kind=forecast&kind=forecast": "query string",
    "kind=forecast&unknown=1": "unknown",
    "kind=forecast&name=x": "name",
    "kind=forecast&publish=true": "publish",
    "kind=train&h=2&name=x&level=80": "level",
    "kind=forecast&freq=sometimes": "freq",
    "kind=train&name=x": "h",
    "kind=train&h=2": "name",
    "kind=train&h=2&name=..": "name",
    "kind=train&h=2&name=a/b": "name",
    "kind=train&h=2&name=base": "name",
    "kind=train&h=2&name=x&model=base": "model",
    "kind=train&h=2&name=x&steps=0": "steps",
    "kind=train&h=2&name=x&seed=-1": "seed",
    "kind=train&h=2&name=x&init=zero": "init",
    "kind=train&h=2&name=x&cell=cnn": "cell",
    "kind=train&h=2&name=x&cell=gru&init=base": "init",
    "kind=forecast&cell=gru": "cell",
    "kind=train&h=2&name=x&publish=perhaps": "publish",
}


@pytest.mark.parametrize("query", WRONG)
def test_wrong_options_are_refused_before_the_file_is_read(small: JobService, query: str) -> None:
    problem = check_problem(small.post(query=query), "invalid-request")
    assert problem.errors[0].field == WRONG[query]
    assert not files_of(small)


def test_a_horizon_beyond_the_limit_is_refused(small: JobService) -> None:
    check_problem(small.post(query="kind=forecast&h=51"), "limit-exceeded")


def test_limits_on_jobs_are_answered_with_when_to_come_again(small: JobService) -> None:
    everyone = "forecast,train,admin"
    for number in range(2):
        small.hand_in(key=f"a:{everyone}", query=f"kind=forecast&h={1 + number}")
    answer = small.post(key=f"a:{everyone}")
    check_problem(answer, "too-many")
    assert answer.headers["Retry-After"] == "5"
    small.hand_in(key=f"b:{everyone}")
    check_problem(small.post(key=f"c:{everyone}"), "busy")
    assert len(files_of(small)) == 3


# --- the same request again -------------------------------------------------------------------------------------------


def test_the_same_request_sent_again_is_answered_with_its_job(service: JobService) -> None:
    first = service.hand_in(Idempotency_Key="k 1")
    again = service.post(Idempotency_Key="k 1")
    assert (again.status_code, again.headers["Location"]) == (202, first)
    packed = service.post(gzip.compress(TABLE), Idempotency_Key="k 1", Content_Encoding="gzip")
    assert packed.headers["Location"] == first
    for other in ({"body": TABLE + b"web,2024-01-31,1\n"}, {"query": "kind=forecast&h=3"}):
        problem = check_problem(service.post(Idempotency_Key="k 1", **other), "invalid-request")  # type: ignore[arg-type]  # a file or a query
        assert problem.errors[0].field == "Idempotency-Key"
    assert service.hand_in(Idempotency_Key="k 2") != first
    assert service.hand_in(key="b:forecast", Idempotency_Key="k 1") != first
    service.work()
    assert service.post(Idempotency_Key="k 1").get_json()["status"] == "succeeded"
    assert len(service.client.get("/v1/jobs").get_json()["jobs"]) == 3


def in_another_thread(ask: Callable[[], TestResponse]) -> TestResponse:
    """Make a request while this thread is in the midst of one: both would have the same `flask.g`."""
    with ThreadPoolExecutor(1) as other:
        return other.submit(ask).result(60)


def test_while_the_first_is_received_the_second_is_told_to_wait(service: JobService) -> None:
    answers = []

    class Slow(io.BytesIO):
        """A body of which, while it comes, the request is sent a second time."""

        def readinto(self, buffer: Any) -> int:
            if not answers:
                answers.append(in_another_thread(lambda: service.post(Idempotency_Key="k")))
            return super().readinto(buffer)

    chunked = {"wsgi.input_terminated": True, "HTTP_IDEMPOTENCY_KEY": "k"}
    first = service.client.post(
        "/v1/jobs?kind=forecast&h=2", input_stream=Slow(TABLE), content_type=CSV, environ_overrides=chunked
    )
    assert first.status_code == 202
    check_problem(answers[0], "conflict")
    assert answers[0].headers["Retry-After"] == "1"
    assert service.post(Idempotency_Key="k").headers["Location"] == first.headers["Location"]


def test_a_job_removed_while_its_request_comes_again_is_not_made_without_its_file(service: JobService) -> None:
    first = service.hand_in(Idempotency_Key="k")
    service.work()

    class Removing(io.BytesIO):
        """A body of which, while it comes, the job is removed."""

        def readinto(self, buffer: Any) -> int:
            in_another_thread(lambda: service.client.delete(first))
            return super().readinto(buffer)

    again = service.client.post(
        "/v1/jobs?kind=forecast&h=2",
        input_stream=Removing(TABLE),
        content_type=CSV,
        environ_overrides={"wsgi.input_terminated": True, "HTTP_IDEMPOTENCY_KEY": "k"},
    )
    check_problem(again, "conflict")
    assert service.client.get("/v1/jobs").get_json()["jobs"] == []
    assert service.hand_in(Idempotency_Key="k") != first


@pytest.mark.parametrize("key", ["", "x" * 256, "é"])
def test_keys_that_are_none_are_refused(small: JobService, key: str) -> None:
    check_problem(small.post(Idempotency_Key=key), "invalid-request")


# --- who sees what ----------------------------------------------------------------------------------------------------


def test_jobs_are_seen_by_the_key_that_made_them_and_by_admins(service: JobService) -> None:
    location = service.hand_in(key="a:forecast")
    other, admin = {"key": "b:forecast"}, {"key": "c:forecast,admin"}
    client = service.client
    for path in ("", "/result", "/skipped"):
        check_problem(client.get(location + path, headers=other), "unknown-job")
    check_problem(client.post(f"{location}/cancel", headers=other), "unknown-job")
    check_problem(client.delete(location, headers=other), "unknown-job")
    assert client.get("/v1/jobs", headers=other).get_json() == {"jobs": [], "next": None}
    assert [job["id"] for job in client.get("/v1/jobs", headers=admin).get_json()["jobs"]] == [location[-32:]]
    assert client.get(location, headers=admin).get_json()["status"] == "queued"
    assert client.post(f"{location}/cancel", headers={"key": "a:forecast"}).get_json()["status"] == "cancelled"


def test_training_needs_its_scope(service: JobService) -> None:
    query = "kind=train&h=2&name=x"
    check_problem(service.post(query=query, key="a:forecast"), "not-allowed")
    service.hand_in(query=query, key="a:forecast,train")


@pytest.mark.parametrize("job_id", ["x", "0" * 32, "0" * 33, "%00" * 32, "A" * 32, "..%2f.."])
def test_what_is_no_job_is_not_found(service: JobService, job_id: str) -> None:
    for path in ("", "/result", "/skipped"):
        assert service.client.get(f"/v1/jobs/{job_id}{path}").status_code == 404
    assert service.client.post(f"/v1/jobs/{job_id}/cancel").status_code == 404
    assert service.client.delete(f"/v1/jobs/{job_id}").status_code == 404


def test_lists_have_pages(service: JobService) -> None:
    made = [service.hand_in().rpartition("/")[2] for _ in range(3)]
    page = JobList.model_validate_json(service.client.get("/v1/jobs?limit=2").data)
    assert ([job.id for job in page.jobs], page.next) == ([made[2], made[1]], made[1])
    page = JobList.model_validate_json(service.client.get(f"/v1/jobs?limit=2&before={page.next}").data)
    assert ([job.id for job in page.jobs], page.next) == ([made[0]], None)
    check_problem(service.client.get("/v1/jobs?limit=0"), "invalid-request")
    check_problem(service.client.get("/v1/jobs?before=x"), "unknown-job")


# --- the end of jobs --------------------------------------------------------------------------------------------------


def test_a_cancelled_job_leaves_no_file(service: JobService) -> None:
    location = service.hand_in()
    for _ in range(2):
        assert service.client.post(f"{location}/cancel").get_json()["status"] == "cancelled"
    assert not files_of(service)
    check_problem(service.fetch(f"{location}/result"), "conflict")


def test_finished_jobs_cannot_be_cancelled_and_others_not_deleted(service: JobService) -> None:
    location = service.hand_in()
    check_problem(service.client.delete(location), "conflict")
    service.work()
    check_problem(service.client.post(f"{location}/cancel"), "conflict")
    assert service.client.delete(location).status_code == 204
    assert not files_of(service)
    check_problem(service.client.get(location), "unknown-job")


def test_a_result_that_is_no_longer_kept_is_gone(service: JobService) -> None:
    location = service.hand_in()
    service.work()
    with service.client.get(f"{location}/result", buffered=False) as answer:
        service.files.remove(location[-32:])  # while it is sent
        assert len(b"".join(answer.response)) == answer.content_length  # type: ignore[arg-type]  # bytes, not text
    check_problem(service.fetch(f"{location}/result"), "gone")
    check_problem(service.fetch(f"{location}/skipped"), "gone")
    assert service.look(location)["status"] == "succeeded"


# --- when something is missing ----------------------------------------------------------------------------------------


def check_only_forecasts(service: JobService) -> None:
    for answer in (service.post(), service.client.get("/v1/jobs"), service.client.get(f"/v1/jobs/{'0' * 32}")):
        check_problem(answer, "unavailable")
        assert answer.headers["Retry-After"] == "5"
    assert service.client.get("/readyz").status_code == 200
    assert service.client.post("/v1/forecast", json=BODY | {"model": "base"}).status_code == 200


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database be asked again at once after it did not answer."""
    monkeypatch.setattr("service.jobs.desk.PAUSE_SECONDS", -1)


def test_where_the_state_cannot_be_written_forecasts_go_on(tmp_path: Path) -> None:
    service = JobService(tmp_path)
    (tmp_path / "file").write_text("in the way")
    desk: JobDesk = service.app.extensions["jobs"]
    object.__setattr__(service.settings, "state", tmp_path / "file" / "state")
    desk.files.uploads = tmp_path / "file" / "state" / "uploads"
    check_only_forecasts(service)


def test_where_the_disk_is_full_nothing_is_kept_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    service = JobService(tmp_path)
    location = service.hand_in()
    monkeypatch.setattr("service.jobs.files.os.fsync", fail)
    check_problem(service.post(Idempotency_Key="k"), "unavailable")
    assert len(files_of(service)) == 1
    assert not list(service.files.locks.iterdir())
    assert service.look(location)["status"] == "queued"
    monkeypatch.undo()
    service.hand_in(Idempotency_Key="k")
    service.close()


@pytest.mark.usefixtures("no_pause")
def test_where_the_database_is_damaged_forecasts_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    service = JobService(tmp_path)
    path = tmp_path / "state" / "jobs.db"
    path.write_bytes(b"damaged" * 100)
    check_only_forecasts(service)
    assert path.read_bytes() == b"damaged" * 100
    assert "is damaged, or not a database" in str([vars(record).get("fields") for record in caplog.records])
    path.unlink()
    service.hand_in()
    service.close()


@pytest.mark.usefixtures("no_pause")
def test_where_the_database_is_gone_forecasts_go_on_until_it_is_back(tmp_path: Path, postgres: Cluster) -> None:
    service = JobService(tmp_path, postgres.new_database())
    location = service.hand_in()
    postgres.stop()
    check_only_forecasts(service)
    postgres.start()
    assert service.look(location)["status"] == "queued"
    service.close()


def test_after_a_fault_the_database_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    desk = JobDesk(JobService(tmp_path).settings, monotonic=lambda: now)
    opened = []

    def fail(_: Any) -> None:
        opened.append(now)
        raise OSError("gone")

    monkeypatch.setattr("service.jobs.database.open_database", fail)
    for _ in range(3):
        with pytest.raises(Exception, match="Jobs are not available"):
            desk.queue_figures()
    assert opened == [100.0]
    now += PAUSE_SECONDS
    with pytest.raises(Exception, match="Jobs are not available"):
        desk.queue_figures()
    assert len(opened) == 2
    monkeypatch.undo()
    now += PAUSE_SECONDS
    assert desk.queue_figures() == QueueFigures()
    desk.close()


def test_after_a_fault_one_request_at_a_time_finds_out_whether_it_is_over(tmp_path: Path) -> None:
    now = 100.0
    desk = JobDesk(JobService(tmp_path).settings, monotonic=lambda: now)
    with pytest.raises(Exception, match="Jobs are not available"), desk.queue():
        raise OSError("gone")
    now += PAUSE_SECONDS
    with desk.queue():
        with pytest.raises(Exception, match="Jobs are not available"), desk.queue():
            pytest.fail("it is let in though nobody knows yet")
        now += PAUSE_SECONDS  # the first one hangs
        with desk.queue():
            pass
    with desk.queue(), desk.queue():
        pass
    desk.close()


def test_one_request_waits_for_a_database_that_hangs_and_the_others_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.jobs.desk.PAUSE_SECONDS", 0.1)
    desk = JobDesk(JobService(tmp_path).settings)
    hangs, let_go = threading.Event(), threading.Event()

    def hang(_: Any) -> None:
        hangs.set()
        let_go.wait(60)
        raise OSError("gone")

    def ask() -> None:
        with pytest.raises(Exception, match="Jobs are not available"):
            desk.queue_figures()

    monkeypatch.setattr("service.jobs.database.open_database", hang)
    first = threading.Thread(target=ask)
    first.start()
    assert hangs.wait(60)
    ask()
    assert first.is_alive()
    let_go.set()
    first.join()


def test_a_forecast_never_waits_for_sqlalchemy() -> None:
    code = (
        "import sys; from pathlib import Path; from service.__main__ import described_app\n"
        "client = described_app().test_client(); client.get('/livez')\n"
        "assert 'sqlalchemy' not in sys.modules and 'multiprocessing.forkserver' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=180)  # noqa: S603 - our own code
