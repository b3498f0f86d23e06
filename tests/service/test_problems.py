"""Errors: always a problem, nothing of the data in the log, and the next request is served."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import TypeAdapter
from werkzeug.test import TestResponse

import service
from forecaster import InputError
from service.logs import JsonFormatter
from service.problems import KINDS, LONGEST_MESSAGE, message_of
from service.schemas.base import ProblemDetails
from service.settings import Settings

from .conftest import BODY, make_app, model_folder

CANARY = "canary77"
JSON = "application/json"
START = '{"series": [{"unique_id": "a", "y": [1, 2, 3'


def text(body: Any) -> bytes:
    return json.dumps(body).encode()


HOSTILE: dict[str, tuple[bytes, int]] = {
    "empty": (b"", 400),
    "blank": (b"   \n", 400),
    "NUL bytes": (b"\0" * 1000, 400),
    "not JSON": (f"<{CANARY}>".encode(), 400),
    "truncated": (START.encode(), 400),
    "truncated in a key": (b'{"ser', 400),
    "two documents": (text(BODY) * 2, 400),
    "trailing comma": (f"{START},]}}]}}".encode(), 400),
    "comment": (b"/* " + CANARY.encode() + b" */" + text(BODY), 400),
    "single quotes": (text(BODY).replace(b'"', b"'"), 400),
    "200,000 arrays deep": (b"[" * 200_000, 400),
    "200,000 objects deep": (b'{"series":' * 200_000, 422),
    "deep in an unknown field": (b'{"x":' + b"[" * 150 + b"]" * 150 + b"}", 422),
    "UTF-16": (json.dumps(BODY).encode("utf-16"), 400),
    "UTF-32": (json.dumps(BODY).encode("utf-32"), 400),
    "byte order mark": (b"\xef\xbb\xbf" + text(BODY), 400),
    "Latin-1": (f'{{"model": "{CANARY}é"}}'.encode("latin-1"), 400),
    "lone surrogate": (b'{"model": "' + CANARY.encode() + b'\\ud800"}', 400),
    "overlong UTF-8": (b'{"model": "\xc0\xaf"}', 400),
    "gzip": (gzip.compress(text(BODY)), 400),
    "NaN": (f"{START}, NaN]}}]}}".encode(), 422),
    "Infinity": (f"{START}, -Infinity]}}]}}".encode(), 422),
    "1e400": (f"{START}, 1e400]}}]}}".encode(), 422),
    "a thousand digits": (f"{START}, {'9' * 1000}]}}]}}".encode(), 422),
    "a million digits": (f"{START}, {'9' * 1_000_000}]}}]}}".encode(), 400),
    "horizon of 5,000 digits": (text(BODY).replace(b'"h": 2', b'"h": ' + b"7" * 4_000), 422),
    "hexadecimal": (f"{START}, 0x10]}}]}}".encode(), 400),
    "the same key twice": (text(BODY)[:-1] + b', "h": 3}', 400),
    "the same key twice, one escaped": (text(BODY)[:-1] + b', "\\u0068": 3}', 400),
    "the same key twice in a series": (f'{START}], "y": [1, 2, 3, 4]}}]}}'.encode(), 400),
    "a null": (b"null", 422),
    "a list": (b"[]", 422),
    "a string": (f'"{CANARY}"'.encode(), 422),
    "a number": (b"7", 422),
    "nothing in it": (b"{}", 422),
    "unknown field": (text(BODY | {CANARY * 9: CANARY}), 422),
    "__proto__": (text(BODY | {"__proto__": {CANARY: 1}}), 422),
    "text for numbers": (text({"series": [{"unique_id": "a", "y": [CANARY] * 1000}]}), 422),
    "numbers for text": (text({"series": [{"unique_id": 7, "y": [1]}] * 100}), 422),
    "objects in y": (text({"series": [{"unique_id": "a", "y": [{CANARY: 1}]}]}), 422),
    "an id of a megabyte": (text({"series": [{"unique_id": CANARY * 100_000, "y": [1]}]}), 422),
    "a frequency of a megabyte": (text(BODY | {"freq": CANARY * 100_000}), 422),
    "a frequency that is none": (text(BODY | {"freq": CANARY}), 422),
    "a model that is none": (text(BODY | {"model": CANARY}), 422),
    "a model that is a path": (text(BODY | {"model": "../../etc/passwd"}), 422),
    "a time zone that is a path": (
        text(
            {"series": [{"unique_id": "a", "ds": ["2024-01-01"] * 3, "y": [1, 2, 3]}], "timezone": "../../etc/passwd"}
        ),
        422,
    ),
    "timestamps that are none": (text({"series": [{"unique_id": "a", "ds": ["tomorrow"], "y": [1]}]}), 422),
    "a year far away": (
        text({"series": [{"unique_id": "a", "ds": ["0001-01-01", "9999-12-31", "9999-12-30"], "y": [1, 2, 3]}]}),
        422,
    ),
    "steps far apart": (
        text({"series": [{"unique_id": "a", "ds": [1, 2, 2**52], "y": [1, 2, 3]}], "freq": 1}),
        422,
    ),
    "steps beyond 64 bits": (text({"series": [{"unique_id": "a", "ds": [2**80] * 3, "y": [1, 2, 3]}]}), 422),
    "more values than allowed": (f"{START}{', 1' * 600_000}]}}]}}".encode(), 422),
    "more series than allowed": (text({"series": [{"unique_id": str(n), "y": [1]} for n in range(10_001)]}), 422),
    "more commas than values": (b"[" + b"1," * 2_000_000, 422),
    "larger than allowed": (b" " * (16 * 2**20 + 1), 413),
}


def check_problem(response: TestResponse, status: int) -> ProblemDetails:
    assert response.status_code == status, response.text
    assert response.content_type == "application/problem+json"
    problem: ProblemDetails = TypeAdapter(ProblemDetails).validate_json(response.data, strict=True)
    assert problem.status == status
    assert problem.type.removeprefix("urn:problem-type:forecaster:") in KINDS
    assert problem.request_id == response.headers["X-Request-ID"]
    assert CANARY not in response.text
    assert "Traceback" not in response.text
    assert len(response.data) < 8_000
    return problem


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_bodies_are_refused_and_the_next_request_is_served(client: FlaskClient, case: str) -> None:
    body, status = HOSTILE[case]
    check_problem(client.post("/v1/forecast", data=body, content_type=JSON), status)
    assert client.post("/v1/forecast", json=BODY).status_code == 200


MEDIA_TYPES = {
    "none": None,
    "form": "application/x-www-form-urlencoded",
    "multipart": "multipart/form-data; boundary=x",
    "plain text": "text/plain",
    "another charset": "application/json; charset=utf-16",
    "JSON lines": "application/jsonl",
    "nonsense": ";;;=",
}


@pytest.mark.parametrize("case", MEDIA_TYPES)
def test_other_media_types_are_refused(client: FlaskClient, case: str) -> None:
    response = client.post("/v1/forecast", data=text(BODY), content_type=MEDIA_TYPES[case])
    check_problem(response, 415)
    assert response.headers["Accept-Post"] == "application/json, text/csv"


def test_encoded_bodies_are_refused(client: FlaskClient) -> None:
    headers = {"Content-Encoding": "gzip"}
    check_problem(
        client.post("/v1/forecast", data=gzip.compress(b"0" * 10**7), content_type=JSON, headers=headers), 415
    )


def test_an_answer_nobody_can_make_is_refused(client: FlaskClient) -> None:
    check_problem(client.post("/v1/forecast", json=BODY, headers={"Accept": "application/xml"}), 406)


def test_unknown_paths(client: FlaskClient) -> None:
    for path in (f"/{CANARY}", "/v1", "/v1/forecast/", f"/v1/models/{CANARY}", "/%2e%2e/etc/passwd", "/livez%00"):
        check_problem(client.get(path), 404)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"])
def test_other_methods_are_refused_and_the_right_ones_named(client: FlaskClient, method: str) -> None:
    response = client.open("/v1/forecast", method=method)
    check_problem(response, 405)
    assert "POST" in response.headers["Allow"]


def test_unexpected_errors_are_logged_and_not_told(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError(CANARY)

    monkeypatch.setattr("service.routes.forecast.check_limits", fail)
    problem = check_problem(client.post("/v1/forecast", json=BODY), 500)
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
    fields = vars(record)["fields"]
    assert fields["request_id"] == problem.request_id
    assert fields["error"] == "RuntimeError"
    assert any("test_problems.py" in place for place in fields["at"])
    assert CANARY not in caplog.text


@pytest.mark.parametrize("count", [60_000, 200_000])
def test_many_unknown_names_are_refused_in_few_words(client: FlaskClient, count: int) -> None:
    body = "{" + ",".join(f'"{number}": 1' for number in range(count)) + "}"
    problem = check_problem(client.post("/v1/forecast", data=body, content_type=JSON), 422)
    assert len(problem.model_dump_json()) < 1_000


def test_limits_are_settings(tmp_path: Path) -> None:
    model_folder(tmp_path, "daily")
    limits = Settings(max_series=2, max_points=40, max_horizon=9, max_bytes=2_000)
    client = make_app(tmp_path, limits).test_client()

    def ask(*lengths: int, h: int = 1) -> TestResponse:
        series = [{"unique_id": str(n), "y": [1] * length} for n, length in enumerate(lengths)]
        return client.post("/v1/forecast", json={"series": series, "h": h, "level": []})

    assert ask(20, 20, h=9).status_code == 200
    check_problem(ask(20, 21), 422)
    check_problem(ask(1, 1, 1), 422)
    check_problem(ask(20, h=10), 422)
    check_problem(client.post("/v1/forecast", data=b" " * 2_001, content_type=JSON), 413)
    gaps = {"series": [{"unique_id": "a", "ds": [1, 2, 60], "y": [1, 2, 3]}], "freq": 1}
    check_problem(client.post("/v1/forecast", json=gaps), 422)


def test_messages_of_the_library_lose_hints_for_the_command_line_alone() -> None:
    message = "Series 'a' (of two): got 'x', give freq='D' (--freq D), or ids (id_col=, --id-col). Write \"1.5\"."
    assert message_of(InputError(message)) == ("Series 'a' (of two): got 'x', give freq='D', or ids. Write \"1.5\".")
    assert len(message_of(InputError("x" * 100_000))) == LONGEST_MESSAGE + 1


def test_what_the_library_says_is_told_whole_and_never_logged(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    series = {"unique_id": CANARY, "ds": ["2024-01-01", "2024-01-01"], "y": [77001, 2]}
    answer = client.post("/v1/forecast", json={"series": [series], "freq": "D"})
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["detail"] == (
        f"Series '{CANARY}', row 2: duplicate timestamp 2024-01-01, already in row 1. A series has one value at a "
        "time: remove one, add them up, or tell the series apart by their ids."
    )
    logged = "".join(JsonFormatter().format(record) for record in caplog.records)
    assert "/v1/forecast" in logged
    assert not re.search(rf"{CANARY}|2024-01-01|7700", logged.replace(answer.headers["X-Request-ID"], ""))


def test_an_unknown_time_zone_is_answered_with_examples(client: FlaskClient) -> None:
    dated = {"series": [{"unique_id": "a", "ds": ["2024-01-01", "2024-01-02"], "y": [1, 2]}], "timezone": "Mars"}
    problem = client.post("/v1/forecast", json=dated).json
    assert problem is not None
    assert problem["errors"][0]["field"] == "timezone"
    assert "Unknown time zone 'Mars'. Expected an IANA name such as 'Europe/Berlin', 'UTC'" in problem["detail"]


def test_every_kind_of_problem_is_raised_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in Path(service.__file__).parent.rglob("*.py"))
    for kind in KINDS:
        assert len(re.findall(f'"{kind}"', source)) > 1, kind


def test_library_errors_outside_of_series_are_problems_too(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise InputError("The series are odd.", series="a", column="ds")

    monkeypatch.setattr("service.routes.forecast._forecast", refuse)
    problem = check_problem(client.post("/v1/forecast", json=BODY), 422)
    assert problem.errors[0].field == "ds"
