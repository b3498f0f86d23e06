"""Counting what happens, and telling Prometheus."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from service.guard import method_of, route_of
from service.logs import LineHandler
from service.metrics.definitions import BUCKETS, METRICS
from service.metrics.folder import VARIABLE, live_workers, reading
from service.metrics.sources import ScrapeCollector, Sources

if TYPE_CHECKING:
    from prometheus_client import Metric

logger = logging.getLogger(__name__)

__all__ = ["CONTENT_TYPE", "Metrics", "register_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """The numbers of this process, and at a scrape those of all workers.

    Attributes
    ----------
    sources
        Whom a scrape asks; set its fields to tell more.
    """

    def __init__(self) -> None:
        # Imported here, in the worker: gunicorn's process has named the folder in the environment before (`folder`).
        from prometheus_client import CollectorRegistry, disable_created_metrics, values

        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has none; a second series for every counter

        self.sources = Sources()
        # No space for this worker, or no gunicorn above it; gunicorn's process may have imported this before.
        if not Path(os.environ.get(VARIABLE, "none")).is_dir():
            values.ValueClass = values.MutexValue
        self._folder = Path(os.environ[VARIABLE]) if values.ValueClass._multiprocess else None
        self._registry = CollectorRegistry()
        made = {name: self._make(name) for name, metric in METRICS.items() if metric.joined != "scrape"}
        self._requests = made["forecaster_requests_total"]
        self._seconds = made["forecaster_request_duration_seconds"]
        self._in_flight = made["forecaster_requests_in_flight"]
        self._problems = made["forecaster_problems_total"]
        self._forecast = made["forecaster_series_forecast_total"]
        self._skipped = made["forecaster_series_skipped_total"]
        self._values = made["forecaster_values_read_total"]
        self._large = made["forecaster_large_requests"]
        self._loads = made["forecaster_model_loads_total"]
        self._reload_failed = made["forecaster_model_reload_failed"]
        self._reload_time = made["forecaster_model_reload_success_timestamp_seconds"]
        self._lost = made["forecaster_log_lines_lost_total"]
        self._reload_time.set(time.time())
        self._collect()
        LineHandler.lost = self._lost

    def _make(self, name: str) -> Any:
        from prometheus_client import Counter, Gauge, Histogram

        metric, registry = METRICS[name], None if self._folder else self._registry
        if metric.kind == "counter":
            return Counter(name, metric.text, metric.labels, registry=registry)
        if metric.kind == "histogram":
            return Histogram(name, metric.text, metric.labels, registry=registry, buckets=BUCKETS)
        joined: Any = metric.joined
        return Gauge(name, metric.text, metric.labels, registry=registry, multiprocess_mode=joined)

    def _collect(self) -> None:
        if self._folder is None:
            self.sources.workers = lambda: {"0": os.getpid()}
        else:
            folder = self._folder
            self.sources.workers = lambda: live_workers(folder)
            self._registry.register(_SharedCollector(folder))
        self._registry.register(ScrapeCollector(self.sources))

    def text(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        from prometheus_client import generate_latest

        return generate_latest(self._registry)

    def begun(self) -> None:
        """Count a request as being worked on, until `ended`."""
        self._in_flight.inc()

    def ended(self) -> None:
        """Take back what `begun` counted."""
        self._in_flight.dec()

    def answered(self, route: str, method: str, status: int, seconds: float, fields: Mapping[str, Any]) -> None:
        """Count an answer.

        Parameters
        ----------
        route, method
            As in the log: rule, not path.
        status, seconds
            Of the answer.
        fields
            Those of the log line; `series`, `skipped`, `values` and `problem` are counted.
        """
        self._requests.labels(route, method, str(status)).inc()
        self._seconds.labels(route).observe(seconds)
        if "problem" in fields:
            self._problems.labels(fields["problem"]).inc()
        if "skipped" in fields:  # only now it is known that there were forecasts
            self._skipped.inc(fields["skipped"])
            self._forecast.inc(max(0, fields.get("series", 0) - fields["skipped"]))
            self._values.inc(fields.get("values", 0))

    def refused(self, status: int, kind: str) -> None:
        """Count an answer to what was no request, so that it has no route and no time."""
        self._requests.labels("(none)", "(other)", str(status)).inc()
        self._problems.labels(kind).inc()

    def large_requests(self, running: int, waiting: int) -> None:
        """Set how many large requests this worker works on, and how many wait for that."""
        self._large.labels("running").set(running)
        self._large.labels("waiting").set(waiting)

    def model_loaded(self, *, ready: bool) -> None:
        """Count a version of a model that was loaded, or failed to."""
        self._loads.labels("ready" if ready else "failed").inc()

    def looked_for_models(self, *, failed: bool) -> None:
        """Set how the newest look for models went: failed if one that is there cannot be served."""
        self._reload_failed.set(int(failed))
        if not failed:
            self._reload_time.set(time.time())


class _SharedCollector:
    """The files of all workers, the dead included."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.multiprocess import MultiProcessCollector

        found: list[Metric] = []
        try:
            with reading(self._folder):
                found = list(MultiProcessCollector(None, str(self._folder)).collect())  # type: ignore[no-untyped-call]  # it has none
        except (OSError, ValueError, RuntimeError) as error:  # somebody removed the folder, or wrote into it
            logger.warning("no shared metrics", extra={"fields": {"error": type(error).__name__}})
        yield from found


def register_metrics(app: Flask, metrics: Metrics) -> None:
    """Count every request of `app`; to be called before anything else is put around its requests."""
    app.extensions["metrics"] = metrics
    app.before_request(_begin(metrics))
    app.after_request(_count(metrics))
    app.teardown_request(_end(metrics))


def _begin(metrics: Metrics) -> Callable[[], None]:
    def begin() -> None:
        g.metered = time.perf_counter()
        metrics.begun()

    return begin


def _count(metrics: Metrics) -> Callable[[Response], Response]:
    def count(response: Response) -> Response:
        asked, kept = request._get_current_object(), g._get_current_object()  # type: ignore[attr-defined]  # half the time: each look through them costs
        seconds = time.perf_counter() - kept.metered
        metrics.answered(route_of(asked), method_of(asked), response.status_code, seconds, kept.get("fields", {}))
        return response

    return count


def _end(metrics: Metrics) -> Callable[[BaseException | None], None]:
    def end(_: BaseException | None) -> None:
        if g.pop("metered", None) is not None:
            metrics.ended()

    return end
