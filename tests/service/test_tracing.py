"""Traces: a span for each request, without a word of the user's, and never in a request's way."""

from __future__ import annotations

import gzip
import http.server
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from service.contract import Answer, operation
from service.guard import register_guard
from service.logs import JsonFormatter
from service.problems import register_problems
from service.settings import Settings
from service.tracing import ENDPOINTS, PROTOCOLS, register_tracing, step

from .conftest import BODY, make_app, model_folder
from .processes import GUNICORN, running

pytest.importorskip("opentelemetry.sdk", reason="the extra tracing is not installed")
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = {"traceparent": f"00-{TRACE}-{PARENT}-01"}


@pytest.fixture(autouse=True)
def without_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENDPOINTS, *PROTOCOLS, "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def memory() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(tmp_path: Path, memory: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr("service.tracing._configured", lambda: provider)
    model_folder(tmp_path, "daily")
    return make_app(tmp_path).test_client()


def only(memory: InMemorySpanExporter) -> ReadableSpan:
    (span,) = (span for span in memory.get_finished_spans() if span.kind == SpanKind.SERVER)
    return span


def test_a_request_is_a_span_of_the_callers_trace(
    traced: FlaskClient, memory: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    body = {"series": [{"unique_id": "canary77", "y": [77001, 77002, 77003]}], "h": 2}
    response = traced.post("/v1/forecast?", json=body, headers=TRACEPARENT)
    assert response.json is not None
    span = only(memory)
    assert span.name == "POST /v1/forecast"
    assert span.kind == SpanKind.SERVER
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == PARENT
    assert f"{span.context.trace_id:032x}" == TRACE
    attributes = dict(span.attributes or {})
    assert attributes.pop("forecaster.request_id") == response.headers["X-Request-ID"]
    assert attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/forecast",
        "http.response.status_code": 200,
        "forecaster.model": "base",
        "forecaster.version": response.json["version"],
        "forecaster.series": 1,
        "forecaster.values": 3,
        "forecaster.skipped": 0,
        "forecaster.h": 2,
    }
    assert json.loads(JsonFormatter().format(caplog.records[-1]))["trace_id"] == TRACE


def test_nothing_of_the_user_is_in_a_span(traced: FlaskClient, memory: InMemorySpanExporter) -> None:
    traced.open("/canary77?canary77", method="CANARY77", headers={"User-Agent": "canary77"})
    span = only(memory)
    assert span.name == "(other) (none)"
    assert "canary77" not in span.to_json().lower()


@pytest.mark.parametrize(
    "header", ["", "00-x", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é" * 99, "ff-" + "a" * 9000]
)
def test_a_header_that_is_none_begins_a_new_trace(
    traced: FlaskClient, memory: InMemorySpanExporter, header: str
) -> None:
    assert traced.post("/v1/forecast", json=BODY, headers={"traceparent": header}).status_code == 200
    assert only(memory).parent is None


def test_failures_of_the_service_are_errors_and_refusals_are_not(
    traced: FlaskClient, memory: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert traced.post("/v1/forecast", data=b"{", content_type="application/json").status_code == 400
    assert only(memory).status.is_unset
    assert (only(memory).attributes or {})["forecaster.problem"] == "malformed-body"
    memory.clear()

    def fail(*_: Any) -> None:
        raise RuntimeError("canary77")

    monkeypatch.setattr("service.routes.forecast.check_limits", fail)
    assert traced.post("/v1/forecast", json=BODY).status_code == 500
    assert not only(memory).status.is_ok
    assert not only(memory).status.is_unset
    assert (only(memory).attributes or {})["error.type"] == "internal-error"
    assert "canary77" not in only(memory).to_json()


def test_probes_are_not_traced(traced: FlaskClient, memory: InMemorySpanExporter) -> None:
    for path in ("/livez", "/readyz", "/metrics"):
        assert traced.get(path).status_code == 200
    assert not memory.get_finished_spans()


def test_steps_are_spans_below(memory: InMemorySpanExporter) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(memory))
    app = Flask("steps", static_folder=None)
    register_tracing(app, provider=provider)
    register_guard(app, Settings())
    register_problems(app)

    @app.get("/")
    @operation(id="x", summary="x", scope=None, answers={200: Answer("x")})
    def work() -> str:
        with step("parse"):
            pass
        with step("forecast"):
            raise ValueError("canary77")

    app.test_client().get("/")
    parse, forecast, request = memory.get_finished_spans()
    assert [parse.name, forecast.name, request.name] == ["parse", "forecast", "GET /"]
    for span in (parse, forecast):
        assert span.parent is not None
        assert span.parent.span_id == request.context.span_id
    assert dict(forecast.attributes or {}) == {"error.type": "ValueError"}
    assert "canary77" not in forecast.to_json()


def test_steps_without_a_trace_are_nothing(client: FlaskClient) -> None:
    with step("parse"):
        assert client.get("/livez").status_code == 200


# --- when it is on


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_without_an_endpoint_nothing_is_imported() -> None:
    code = "import service.__main__ as m; m.described_app(); import sys; sys.exit('opentelemetry' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=180)  # noqa: S603 - our own code


@pytest.mark.parametrize(("name", "value"), [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")])
def test_it_can_be_switched_off(app: Flask, monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(ENDPOINTS[0], "http://127.0.0.1:1/")
    monkeypatch.setenv(name, value)
    before = len(app.before_request_funcs[None])
    register_tracing(app)
    assert len(app.before_request_funcs[None]) == before


def test_a_missing_extra_is_a_warning(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINTS[1], "http://127.0.0.1:1/")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    register_tracing(app)
    assert app.test_client().post("/v1/forecast", json=BODY).status_code == 200
    assert warnings_of(caplog) == [
        'OTEL_EXPORTER_OTLP_ENDPOINT is set and OpenTelemetry is not installed: pip install "forecaster[tracing]". '
        "There are no traces."
    ]


def test_a_protocol_that_is_not_spoken_is_a_warning(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINTS[1], "http://127.0.0.1:1/")
    monkeypatch.setenv(PROTOCOLS[1], "grpc")
    register_tracing(app)
    assert warnings_of(caplog) == ["OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf. There are no traces."]


def test_variables_that_cannot_be_used_are_a_warning(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(ENDPOINTS[1], "http://127.0.0.1:1/")

    def fail() -> None:
        raise ValueError

    monkeypatch.setattr("service.tracing._provider", fail)
    register_tracing(app)
    assert warnings_of(caplog) == ["The OTEL_ variables cannot be used. There are no traces."]


class Collector(http.server.ThreadingHTTPServer):
    """Takes spans over HTTP, as a collector does."""

    spans: list[Any]
    names: set[str]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            found = {item.key: item.value.string_value for item in resource.resource.attributes}
            self.server.names.add(found["service.name"])  # type: ignore[attr-defined]  # a Collector
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)  # type: ignore[attr-defined]  # a Collector
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def collecting() -> Iterator[Collector]:
    with Collector(("127.0.0.1", 0), Handler) as server:
        server.spans, server.names = [], set()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def test_workers_send_their_spans_and_the_last_ones_when_they_end(tmp_path: Path) -> None:
    with collecting() as collector:
        where = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
            "OTEL_BSP_SCHEDULE_DELAY": "3600000",  # nothing would be sent for an hour: what arrives was sent at the end
        }
        with running(tmp_path, models=tmp_path / "none", command=GUNICORN, environment=where) as service:
            for _ in range(10):
                assert service.ask("GET", "/v1/models", headers=TRACEPARENT).status == 200
            assert collector.spans == []
            assert service.terminate() == 0
        assert [span.name for span in collector.spans] == ["GET /v1/models"] * 10
        assert {span.trace_id.hex() for span in collector.spans} == {TRACE}
        assert collector.names == {"forecaster"}


def test_a_collector_that_is_down_costs_no_request_and_no_end(tmp_path: Path) -> None:
    where = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with running(tmp_path, models=tmp_path / "none", command=GUNICORN, environment=where) as service:
        for _ in range(10):
            assert service.ask("GET", "/v1/models").status == 200
        assert service.terminate() == 0
