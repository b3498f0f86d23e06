"""Every metric of the service: the recorder makes them from this table, and so does docs/operations.md.

Labels take few values: a route is the rule and never the path, and nothing that a user chose is one.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

__all__ = ["BUCKETS", "METRICS", "Definition", "metrics_table"]

BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""Upper ends in seconds: from a probe, half a millisecond, to what FORECASTER_REQUEST_SECONDS allows."""

Joined = Literal["livesum", "livemax", "livemin", "scrape"]
"""How gauges of several workers become one; scrape: the worker that answers finds the value at that moment."""


class Definition(NamedTuple):
    """One metric."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    labels: tuple[str, ...] = ()
    joined: Joined | None = None


_TABLE = (
    Definition("forecaster_requests_total", "counter", "Requests answered.", ("route", "method", "status")),
    Definition("forecaster_request_duration_seconds", "histogram", "Seconds from request to answer.", ("route",)),
    Definition("forecaster_requests_in_flight", "gauge", "Requests being worked on.", joined="livesum"),
    Definition("forecaster_problems_total", "counter", "Requests answered with a problem.", ("kind",)),
    Definition("forecaster_series_forecast_total", "counter", "Series that got a forecast."),
    Definition("forecaster_series_skipped_total", "counter", "Series of a request that got none."),
    Definition("forecaster_values_read_total", "counter", "Values of the series that were to be forecast."),
    Definition(
        "forecaster_large_requests",
        "gauge",
        "Large requests: state running, or waiting for one of these to end.",
        ("state",),
        "livesum",
    ),
    Definition(
        "forecaster_model_loads_total",
        "counter",
        "Versions of models that were loaded: outcome ready, or failed for those that made no forecast.",
        ("outcome",),
    ),
    Definition(
        "forecaster_model_reload_failed",
        "gauge",
        "1 while the newest look for models, of any worker, found one that cannot be served.",
        joined="livemax",
    ),
    Definition(
        "forecaster_model_reload_success_timestamp_seconds",
        "gauge",
        "When the last look for models went well; of the worker where that is longest ago.",
        joined="livemin",
    ),
    Definition(
        "forecaster_model_info",
        "gauge",
        "1 for each model and the version that answers.",
        ("model", "version"),
        "scrape",
    ),
    Definition("forecaster_ready", "gauge", "1 if /readyz answers 200.", joined="scrape"),
    Definition("forecaster_jobs", "gauge", "Jobs by kind and status.", ("kind", "status"), "scrape"),
    Definition(
        "forecaster_jobs_oldest_waiting_seconds", "gauge", "Age of the job that waits longest; 0 if none.", (), "scrape"
    ),
    Definition("forecaster_job_workers", "gauge", "Job workers that have given a sign of life.", (), "scrape"),
    Definition(
        "forecaster_jobs_database_up",
        "gauge",
        "1 if the database of the jobs answers; without it there are no other figures of jobs.",
        joined="scrape",
    ),
    Definition(
        "forecaster_process_resident_memory_bytes", "gauge", "Memory of a worker of the API.", ("worker",), "scrape"
    ),
    Definition("forecaster_process_cpu_seconds_total", "counter", "Processor time of a worker.", ("worker",), "scrape"),
    Definition(
        "forecaster_process_start_time_seconds",
        "gauge",
        "When a worker was started; it changes when one was started in the place of another.",
        ("worker",),
        "scrape",
    ),
    Definition("forecaster_log_lines_lost_total", "counter", "Log lines that could not be written."),
    Definition(
        "forecaster_engine_info",
        "gauge",
        "1 for what forecasts: compiled kernels, or plain NumPy.",
        ("engine",),
        "scrape",
    ),
    Definition("forecaster_build_info", "gauge", "1, with the versions.", ("version", "python"), "scrape"),
)
METRICS = {metric.name: metric for metric in _TABLE}


def metrics_table() -> str:
    """Return the table of metrics for docs/operations.md."""
    rows = ["| Metric | Kind | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for metric in _TABLE:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        rows.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.text} |")
    return "\n".join(rows)
