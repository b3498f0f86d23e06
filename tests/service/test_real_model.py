"""The service with a trained model: in process, in a fresh interpreter, and behind gunicorn."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

import service
from forecaster import Forecaster, Frequency, NetworkConfig, Panel, TrainingConfig
from service import create_app
from service.settings import Settings

ROOT = Path(__file__).parents[2]
DAYS = [f"2024-01-{day:02d}" for day in range(1, 31)]
BODY = {"series": [{"unique_id": "a", "ds": DAYS, "y": [10 + day % 7 for day in range(30)]}], "h": 5}
PATIENCE = 60


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with one tiny model."""
    folder = tmp_path_factory.mktemp("models")
    days = np.arange(120)
    panel = Panel.from_columns(["a"] * 120, np.datetime64("2023-01-01") + days, 10 + days % 7 + np.sin(days), freq="D")
    network = NetworkConfig(lags=7, positions=14, layers=1, hidden=8, dense=8)
    Forecaster(h=4, network=network, training=TrainingConfig(steps=4, batch_size=8)).fit(panel).save(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def client(models: Path) -> FlaskClient:
    return create_app(Settings(models=models, default_model="tiny", reload_seconds=0)).test_client()


def test_it_is_ready_and_lists_the_model_as_it_is_on_disk(client: FlaskClient, models: Path) -> None:
    assert client.get("/readyz").status_code == 200
    listed = client.get("/v1/models").json
    assert listed is not None
    model, base = listed["models"]
    assert (model["name"], base["name"]) == ("tiny", "base")
    assert model["info"] == json.loads((models / "tiny" / "model.json").read_text(encoding="utf-8"))
    assert set(model["sha256"]) == {"model.json", "weights.safetensors"}


def test_the_answer_is_the_librarys_forecast(client: FlaskClient, models: Path) -> None:
    answer = client.post("/v1/forecast", json=BODY).json
    assert answer is not None
    series = BODY["series"][0]  # type: ignore[index]  # a list of dictionaries
    panel = Panel.from_columns(["a"] * 30, np.array(DAYS, "datetime64[D]"), np.array(series["y"]), freq="D")
    made = Forecaster.load(models / "tiny").forecast(panel, h=5)
    (forecast,) = answer["forecasts"]
    assert forecast["ds"] == made.labels[0]
    np.testing.assert_array_equal(forecast["LSTM"], made.point[0])
    np.testing.assert_array_equal(forecast["LSTM-lo-80"], made.lower[0, 0])
    np.testing.assert_array_equal(forecast["LSTM-hi-95"], made.upper[0, 1])


def test_another_frequency_than_the_models_is_refused(client: FlaskClient) -> None:
    series = {"unique_id": "a", "ds": ["2024-01-01", "2024-02-01", "2024-03-01", "2024-04-01"], "y": [1, 2, 3, 4]}
    response = client.post("/v1/forecast", json={"series": [series]})
    assert response.status_code == 422
    assert response.json is not None
    assert response.json["errors"][0]["field"] == "freq"
    assert "the default model, tiny" in response.json["detail"]


def test_series_without_timestamps_work_with_every_model(client: FlaskClient) -> None:
    response = client.post("/v1/forecast", json={"series": [{"unique_id": "a", "y": [5, 7, 9, 8] * 5}]})
    assert response.json is not None
    assert response.json["forecasts"][0]["ds"] == [21, 22, 23, 24]


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """A service in an empty folder."""
    return create_app(Settings(models=tmp_path_factory.mktemp("empty"), reload_seconds=0)).test_client()


def test_where_nothing_is_trained_the_base_weights_answer_at_once(untrained: FlaskClient) -> None:
    assert untrained.get("/readyz").status_code == 200
    (base,) = untrained.get("/v1/models").json["models"]  # type: ignore[index]  # it is JSON
    assert base["info"]["kinds"]["daily"] == {"horizon": 28, "season": 7}
    series = BODY["series"][0]  # type: ignore[index]  # a list of dictionaries
    panel = Panel.from_columns(["a"] * 30, np.array(DAYS, "datetime64[D]"), np.array(series["y"]), freq="D")
    for asked in ({}, {"season": 10}, {"h": 40}):
        answer = untrained.post("/v1/forecast", json={"series": [series], **asked}).json
        assert answer is not None
        made = Forecaster.pretrained("D", season=asked.get("season")).forecast(panel, h=asked.get("h"))
        assert (answer["model"], answer["h"]) == ("base", made.h)
        (forecast,) = answer["forecasts"]
        np.testing.assert_array_equal(forecast["LSTM"], made.point[0])
        np.testing.assert_array_equal(forecast["LSTM-lo-80"], made.lower[0, 0])


@pytest.mark.parametrize("alias", ["D", "B", "W-MON", "MS", "QS", "YS", "h", "15min", "2W", "3"])
def test_every_frequency_has_base_weights(untrained: FlaskClient, alias: str) -> None:
    frequency = Frequency.parse(alias)
    times = frequency.from_ordinals(np.arange(20))
    labels = times.tolist() if frequency.is_integer else [str(time) for time in times]
    body = {"series": [{"unique_id": "a", "ds": labels, "y": [5.0, 7.0] * 10}], "freq": alias}
    answer = untrained.post("/v1/forecast", json=body).json
    assert answer is not None
    assert answer["h"] == Forecaster.pretrained(alias).h == len(answer["forecasts"][0]["ds"])


@pytest.mark.parametrize("season", [10_001, 10**9])
def test_a_season_longer_than_any_is_refused(untrained: FlaskClient, season: int) -> None:
    response = untrained.post("/v1/forecast", json=BODY | {"season": season})
    assert response.status_code == 422
    assert response.json is not None
    assert response.json["errors"][0]["field"] == "season"


EXTREME = {
    "constant": [7.0] * 30,
    "zeros": [0.0] * 30,
    "negative": [-5.0, -3.0] * 15,
    "huge": [1e308, -1e308] * 15,
    "tiny": [5e-324] * 30,
    "one jump to the largest number": [1.0] * 29 + [1.7e308],
    "two values": [1.0, 2.0],
    "mostly missing": [1.0, *[None] * 28, 2.0],
    "missing at the end": [1.0, 2.0, *[None] * 28],
    "one value": [1.0],
    "none": [None],
}


@pytest.mark.parametrize("case", EXTREME)
@pytest.mark.parametrize("asked", [{}, {"model": "base"}, {"model": "base", "season": 3}])
def test_extreme_series_are_forecast_or_refused_in_valid_json(
    client: FlaskClient, case: str, asked: dict[str, Any]
) -> None:
    response = client.post("/v1/forecast", json={"series": [{"unique_id": "a", "y": EXTREME[case]}]} | asked)
    assert response.status_code in {200, 422}, response.text
    json.loads(response.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    if response.status_code == 200:
        assert all(isinstance(value, float) for value in response.json["forecasts"][0]["LSTM"])  # type: ignore[index]


def test_threads_share_the_weights(client: FlaskClient) -> None:
    """The same series asked for by many threads at once has the same forecast, to the last bit."""
    app, answers, lock = client.application, set[bytes](), threading.Lock()

    def ask() -> None:
        for _ in range(5):
            data = app.test_client().post("/v1/forecast", json=BODY).data
            with lock:
                answers.add(data)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=PATIENCE)
    assert len(answers) == 1


LIGHT = """
import json, sys
from pathlib import Path
from service import create_app
from service.settings import Settings
client = create_app(Settings(models=Path(sys.argv[1]))).test_client()
body = json.loads(sys.argv[2])
assert client.post("/v1/forecast", json=body, headers={"Accept": "text/csv"}).status_code == 200
csv = "unique_id,ds,y\\n" + "".join(f"a,2024-01-{day:02d},{day}\\n" for day in range(1, 20))
assert client.post("/v1/forecast", data=csv, content_type="text/csv").status_code == 200
heavy = {"pandas", "scipy", "matplotlib", "pyarrow", "rich", "torch"}
print(*sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
"""


def test_serving_never_imports_pandas_or_its_like(models: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", LIGHT, str(models), json.dumps(BODY)]
    made = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, cwd=ROOT, timeout=PATIENCE, check=False
    )
    assert made.returncode == 0, made.stderr
    assert made.stdout.strip() == ""


class Server:
    """The service behind gunicorn on a free port of this machine."""

    def __init__(self, models: Path, log: Path, **settings: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        given = {"MODELS": str(models), "PORT": str(self.port), "WORKERS": "2", "THREADS": "2", **settings}
        environment = os.environ | {f"FORECASTER_{name}": value for name, value in given.items()}
        configuration = Path(service.__file__).with_name("gunicorn.conf.py")
        command = [sys.executable, "-m", "gunicorn", "-c", str(configuration)]
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=file)  # noqa: S603 - our words

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text()
            try:
                if self.ask("GET", "/readyz")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        pytest.fail(f"not ready: {self.log.read_text()}")

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def server(models: Path, tmp_path: Path) -> Iterator[Server]:
    server = Server(models, tmp_path / "log", MAX_BYTES="100000")
    try:
        server.wait()
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


def test_gunicorn_serves_and_ends_cleanly(server: Server) -> None:
    body = json.dumps(BODY).encode()
    status, answer = server.ask("POST", "/v1/forecast", body, Content_Type="application/json", X_Request_ID="mine")
    assert status == 200
    assert len(json.loads(answer)["forecasts"][0]["LSTM"]) == 5

    for length in (10, 100_000):
        chunks = iter([body[:length], body[length:]])
        assert server.ask("POST", "/v1/forecast", chunks, Content_Type="application/json") == (200, answer)  # type: ignore[arg-type]  # sent in chunks, without a length
    chunks = iter([b" " * 50_000] * 3)
    status, answer = server.ask("POST", "/v1/forecast", chunks, Content_Type="application/json")  # type: ignore[arg-type]  # sent in chunks, without a length
    assert status == 413, answer

    assert server.ask("GET", "/livez")[0] == 200
    assert server.stop() == 0
    lines = server.lines()
    assert [line["status"] for line in lines if line.get("request_id") == "mine"] == [200]
    assert not [line for line in lines if line["level"] in {"WARNING", "ERROR", "CRITICAL"}]


NOT_HTTP = {
    b"canary77 /v1/forecast?canary77\r\n\r\n": 400,
    b"GET /canary77 HTTP/7.7\r\n\r\n": 400,
    b"\x16\x03\x01\x02\x00canary77\r\n\r\n": 400,
    b"GET /" + b"canary77" * 600 + b" HTTP/1.1\r\n\r\n": 414,
    b"GET / HTTP/1.1\r\nHost: localhost\r\ncanary 77: 1\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\n" + b"".join(b"canary77-%d: 1\r\n" % n for n in range(200)) + b"\r\n": 431,
    b"POST / HTTP/1.1\r\nTransfer-Encoding: canary77\r\n\r\n": 501,
}


def test_what_is_not_http_is_answered_with_a_problem_and_not_logged(server: Server) -> None:
    ids = []
    for sent, status in NOT_HTTP.items():
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
            connection.sendall(sent)
            response = HTTPResponse(connection)
            response.begin()
            problem = json.loads(response.read())
        assert (response.status, problem["status"]) == (status, status), sent[:40]
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert problem["request_id"] == response.headers["X-Request-ID"]
        ids.append(problem["request_id"])
    assert server.ask("GET", "/livez")[0] == 200
    assert server.stop() == 0
    logged = {line["request_id"]: line["status"] for line in server.lines() if "request_id" in line}
    assert [logged[request_id] for request_id in ids] == list(NOT_HTTP.values())
    assert not re.search("canary", server.log.read_text(), re.IGNORECASE)


def test_the_containers_health_check_asks_the_service(server: Server) -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^HEALTHCHECK.*\n\s+CMD (\[.*\])$", text, re.MULTILINE)
    arguments = [sys.executable, *json.loads(command)[1:]]

    def healthy() -> bool:
        environment = os.environ | {"FORECASTER_PORT": str(server.port)}
        run = subprocess.run(  # noqa: S603 - our own words
            arguments, env=environment, capture_output=True, timeout=PATIENCE, check=False
        )
        return run.returncode == 0

    assert healthy()
    assert server.stop() == 0
    assert not healthy()


def head(media_type: str, length: int) -> bytes:
    lines = (
        "POST /v1/forecast HTTP/1.1",
        "Host: localhost",
        f"Content-Type: {media_type}",
        f"Content-Length: {length}",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def test_half_a_table_is_not_forecast(server: Server) -> None:
    body = b"unique_id,ds,y\n" + b"".join(b"a,%d,%d\n" % (day, day) for day in range(40))
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(head("text/csv", len(body)) + body[:200])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    chunks = iter([body, b"a,99,1\n" * 16_000])
    assert server.ask("POST", "/v1/forecast", chunks, Content_Type="text/csv")[0] == 413  # type: ignore[arg-type]  # sent in chunks
    assert server.ask("POST", "/v1/forecast", body, Content_Type="text/csv")[0] == 200


def test_a_request_in_flight_at_sigterm_is_answered(server: Server) -> None:
    body = json.dumps(BODY).encode()
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(head("application/json", len(body)) + body[:20])
        time.sleep(0.3)  # the request is being read when the signal comes
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        connection.sendall(body[20:])
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert server.process.wait(timeout=PATIENCE) == 0


def test_a_wrong_setting_stops_the_start_with_its_name(models: Path, tmp_path: Path) -> None:
    server = Server(models, tmp_path / "log", THREADS="many")
    assert server.process.wait(timeout=PATIENCE) == 2
    assert server.log.read_text() == "error: FORECASTER_THREADS must be a whole number, not 'many'.\n"
