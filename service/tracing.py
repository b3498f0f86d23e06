"""OpenTelemetry traces, sent where the standard OTEL_ variables say; without these nothing is imported or done.

Spans are made here and not by the instrumentation for Flask: that one records paths and query strings, which are the
user's. They leave by a thread of their own, from a queue that drops what it cannot hold, so a collector that is down
costs no request anything.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, has_request_context, request

import forecaster
from service.guard import method_of, route_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

__all__ = ["register_tracing", "step"]

logger = logging.getLogger(__name__)

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
PROTOCOL = "http/protobuf"
UNTRACED = {"/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"}
TOLD = ("model", "version", "series", "values", "skipped", "h", "problem", "job")
"""Fields of the log line that a span has too, after ``forecaster.``; none holds what a user sent."""
FLUSH_SECONDS = 3.0
"""How long the end of a worker may wait for a collector."""


def register_tracing(app: Flask, *, provider: TracerProvider | None = None) -> None:
    """Trace the requests of `app`, if an endpoint is configured.

    Parameters
    ----------
    app
        Nothing that refuses requests may have been put around its requests before.
    provider
        Makes the spans; default: one for the endpoint.
    """
    provider = provider or _configured()
    if provider is None:
        return
    tracer = provider.get_tracer("forecaster", forecaster.__version__)
    app.before_request(lambda: _begin(tracer))
    app.after_request(_describe)
    app.teardown_request(_end)


def _configured() -> TracerProvider | None:
    endpoint = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_TRACES_EXPORTER") == "none"
    if endpoint is None or off:
        return None
    protocol = next((name for name in PROTOCOLS if os.environ.get(name, PROTOCOL) != PROTOCOL), None)
    if protocol is not None:
        logger.warning("%s must be %s. There are no traces.", protocol, PROTOCOL)
        return None
    try:
        return _provider()
    except ImportError:
        advice = 'pip install "forecaster[tracing]"'
        logger.warning("%s is set and OpenTelemetry is not installed: %s. There are no traces.", endpoint, advice)
    except Exception as error:  # noqa: BLE001 - whatever the variables hold, forecasts are served
        fields = {"error": type(error).__name__, "reason": str(error)}
        logger.warning("The OTEL_ variables cannot be used. There are no traces.", extra={"fields": fields})
    return None


def _provider() -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    logging.getLogger("opentelemetry").setLevel(logging.ERROR)  # else a line for each attempt to reach a collector
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    name = {} if named else {"service.name": "forecaster"}
    resource = Resource.create({"service.version": forecaster.__version__, **name})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _end_with_process(provider)
    return provider


def _end_with_process(provider: TracerProvider) -> None:
    """Send what is left when the process ends, but do not wait for long: the exporter would, for half a minute.

    The thread is started now, since Python starts none any more when a process ends.
    """
    ending = threading.Event()

    def close() -> None:
        ending.wait()
        provider.shutdown()

    closing = threading.Thread(target=close, name="forecaster-tracing", daemon=True)
    closing.start()

    def end() -> None:
        ending.set()
        closing.join(FLUSH_SECONDS)

    atexit.register(end)


def _begin(tracer: Tracer) -> None:
    from opentelemetry.trace import SpanKind, format_trace_id
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    route = route_of(request)
    if route in UNTRACED:
        return
    parent = TraceContextTextMapPropagator().extract({name.lower(): value for name, value in request.headers.items()})
    attributes = {"http.request.method": method_of(request), "http.route": route}
    g.tracer = tracer
    g.span = tracer.start_span(f"{method_of(request)} {route}", parent, SpanKind.SERVER, attributes)
    g.trace_id = format_trace_id(g.span.get_span_context().trace_id)


def _describe(response: Response) -> Response:
    if "span" not in g or not g.span.is_recording():
        return response
    from opentelemetry.trace import StatusCode

    fields: dict[str, Any] = g.get("fields", {})
    told = {f"forecaster.{name}": fields[name] for name in TOLD if fields.get(name) is not None}
    g.span.set_attributes({"http.response.status_code": response.status_code, **told})
    g.span.set_attribute("forecaster.request_id", g.get("request_id", ""))
    if response.status_code >= 500:
        g.span.set_status(StatusCode.ERROR)
        g.span.set_attribute("error.type", str(fields.get("problem", response.status_code)))
    return response


def _end(_: BaseException | None) -> None:
    span = g.pop("span", None)
    if span is not None:
        span.end()


@contextmanager
def step(name: str) -> Iterator[None]:
    """Make a span below that of the request, for a step of the work on it such as ``parse``; nothing if none is traced.

    Parameters
    ----------
    name
        One of few words, never the user's.
    """
    if not has_request_context() or "span" not in g:
        yield
        return
    from opentelemetry.trace import set_span_in_context

    span = g.tracer.start_span(name, set_span_in_context(g.span))
    try:
        yield
    except BaseException as error:
        span.set_attribute("error.type", type(error).__name__)  # its message may hold values
        raise
    finally:
        span.end()
