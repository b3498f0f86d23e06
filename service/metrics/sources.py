"""What is found out at the moment of a scrape, and cannot make it fail."""

from __future__ import annotations

import logging
import platform
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import forecaster
from forecaster import engine_in_use
from service.metrics.definitions import METRICS
from service.metrics.processes import process_of

if TYPE_CHECKING:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

__all__ = ["Patient", "QueueFigures", "ScrapeCollector", "Sources"]

logger = logging.getLogger(__name__)

Figure = TypeVar("Figure")
Labelled = tuple[tuple[str, ...], float]
PATIENCE = 2.0
"""Seconds that a scrape waits for the database; Prometheus gives a scrape ten."""


class QueueFigures(Protocol):
    """The jobs of the database, as the metrics tell them."""

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """How many, by kind and status."""

    @property
    def oldest_waiting_seconds(self) -> float:
        """Seconds that the oldest waiting job has waited; 0 if none waits."""

    @property
    def workers(self) -> int:
        """Job workers that have given a sign of life lately."""


@dataclass(slots=True)
class Sources:
    """Whom a scrape asks; what is None is not told.

    Attributes
    ----------
    ready
        Whether the service is ready.
    models
        Name and version of the models that answer.
    queue
        The jobs; it may raise, and take its time.
    workers
        Process ids of the workers by their place.
    """

    ready: Callable[[], bool] | None = None
    models: Callable[[], Iterable[tuple[str, str]]] | None = None
    queue: Callable[[], QueueFigures] | None = None
    workers: Callable[[], Mapping[str, int]] | None = None


class Patient(Generic[Figure]):
    """Asks what may hang: waits `seconds` for it, and never has two calls under way.

    Parameters
    ----------
    ask
        What is called, in a thread.
    seconds
        How long an answer is waited for; one that comes later is what the next call gets.
    """

    def __init__(self, ask: Callable[[], Figure], seconds: float = PATIENCE) -> None:
        self._ask = ask
        self._seconds = seconds
        self._lock = threading.Lock()
        self._asking: _Asked[Figure] | None = None

    def __call__(self) -> Figure | None:
        """Return the figure; None if it cannot be had now."""
        with self._lock:
            if self._asking is None:
                self._asking = _Asked(self._ask)
            asked = self._asking
        if not asked.done.wait(self._seconds):
            return None
        with self._lock:
            if self._asking is asked:
                self._asking = None
        return asked.figure


class _Asked(Generic[Figure]):
    def __init__(self, ask: Callable[[], Figure]) -> None:
        self.figure: Figure | None = None
        self.done = threading.Event()
        self._ask = ask
        threading.Thread(target=self._run, name="forecaster-metrics", daemon=True).start()

    def _run(self) -> None:
        try:
            self.figure = self._ask()
        except Exception as error:  # noqa: BLE001 - whatever ails the database, the other numbers are told
            logger.warning("no figures of jobs", extra={"fields": {"error": type(error).__name__}})
        finally:
            self.done.set()


class ScrapeCollector:
    """Tells prometheus_client what the sources say."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._queue: Patient[QueueFigures] | None = None

    def collect(self) -> Iterator[CounterMetricFamily | GaugeMetricFamily]:
        """Yield the families of metrics that have a value."""
        told: dict[str, list[Labelled]] = {
            "forecaster_build_info": [((forecaster.__version__, platform.python_version()), 1)],
            "forecaster_engine_info": [((engine_in_use(),), 1)],
        }
        if self._sources.ready is not None:
            told["forecaster_ready"] = [((), float(self._sources.ready()))]
        if self._sources.models is not None:
            told["forecaster_model_info"] = [(labels, 1) for labels in self._sources.models()]
        told |= self._processes() | self._jobs()
        yield from (_family(name, values) for name, values in told.items())

    def _processes(self) -> dict[str, list[Labelled]]:
        places = self._sources.workers() if self._sources.workers is not None else {}
        found = {(place,): process_of(pid) for place, pid in places.items()}
        known = {labels: process for labels, process in found.items() if process is not None}
        return {
            "forecaster_process_resident_memory_bytes": [(labels, p.memory) for labels, p in known.items()],
            "forecaster_process_cpu_seconds_total": [(labels, p.cpu_seconds) for labels, p in known.items()],
            "forecaster_process_start_time_seconds": [(labels, p.started) for labels, p in known.items()],
        }

    def _jobs(self) -> dict[str, list[Labelled]]:
        if self._sources.queue is None:
            return {}
        if self._queue is None:
            self._queue = Patient(self._sources.queue)
        figures = self._queue()
        told: dict[str, list[Labelled]] = {"forecaster_jobs_database_up": [((), float(figures is not None))]}
        if figures is not None:
            told["forecaster_jobs"] = [(labels, count) for labels, count in figures.counts.items()]
            told["forecaster_jobs_oldest_waiting_seconds"] = [((), figures.oldest_waiting_seconds)]
            told["forecaster_job_workers"] = [((), figures.workers)]
        return told


def _family(name: str, values: list[Labelled]) -> Any:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    metric = METRICS[name]
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(name, metric.text, labels=metric.labels)
    for labels, value in values:
        family.add_metric(labels, value)
    return family
