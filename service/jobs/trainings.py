"""The training job: a model trained on the series of a file, as a new version in the store."""

from __future__ import annotations

import hashlib
import shutil
import warnings
from datetime import UTC, datetime
from typing import Any, Protocol

from forecaster import Forecaster, ModelStore, Panel
from service.jobs.files import written
from service.jobs.job import Assignment
from service.jobs.task import Done, Task
from service.models.store import store_of
from service.panels import Intake
from service.problems import Problem, message_of
from service.schemas.jobs import JobProgress, TrainedModel

__all__ = ["train_job"]

MOST_LOSSES = 200
"""Losses of a training that are kept; of more, every second one is dropped."""


class _Progress(Protocol):
    """What the library tells of a training."""

    @property
    def step(self) -> int: ...

    @property
    def steps(self) -> int: ...

    @property
    def loss(self) -> float: ...

    @property
    def validation_loss(self) -> float | None: ...


def train_job(task: Task, intake: Intake) -> Done:
    """Train a model and add it to the store; an attempt that comes after one that did so only tells of it."""
    store, name = store_of(task.settings), str(task.options.name)
    version, panel = _version_of(task.assignment), intake.panel
    told = _Told(task, panel)
    said = _fit(task, panel, told) if version not in _versions(store, name) else None
    if not task.may_publish():
        raise Problem("conflict", "The job was cancelled, or given to another worker.")
    if said is not None:
        store.add(name, version, task.place(".model"))
        shutil.rmtree(task.place(".model"))
    if task.options.publish:
        store.set_current(name, version)
    warned = [*intake.skipped.values(), *(said or [])]
    info = Forecaster.load(store.folder(name, version), threads=1).info
    made = TrainedModel(name=name, version=version, published=task.options.publish, info=info, warnings=warned)
    text = made.model_dump_json(indent=2).encode("utf-8")
    with written(task.place(".json")) as file:
        file.write(text)
    result = {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest(), "rows": 0, "skipped": 0}
    return Done(result | {"file": task.place(".json").name}, {"name": name, "version": version}, told.at_end())


def _version_of(assignment: Assignment) -> str:
    """Return the id of the version that a job makes: the same at each attempt, so that there is one however many."""
    return f"{datetime.fromtimestamp(assignment.created, UTC):%Y%m%dT%H%M%SZ}-{assignment.id[:8]}"


def _versions(store: ModelStore, name: str) -> list[str]:
    return store.versions(name) if name in store.names() else []


def _fit(task: Task, panel: Panel, told: _Told) -> list[str]:
    """Train on the panel, save the model in a folder, and return what the training had to say."""
    training = None if task.options.steps is None else {"steps": task.options.steps}
    model = Forecaster(
        h=task.options.h or 0,
        freq=panel.frequency.alias,
        season=task.options.season,
        cell=task.options.cell,
        training=training,
        seed=task.options.seed,
        threads=task.threads,
    )
    with warnings.catch_warnings(record=True) as caught:  # they name series: to the owner, never to the log
        warnings.simplefilter("always", UserWarning)
        model.fit(panel, init=task.options.init, progress=told)
    task.files.check_room()
    model.save(task.place(".model"))
    return [message_of(str(warning.message)) for warning in caught if issubclass(warning.category, UserWarning)]


class _Told:
    """Tells how a training goes."""

    def __init__(self, task: Task, panel: Panel) -> None:
        self._report = task.report
        whole = {"rows": len(panel.values), "rows_total": len(panel.values), "series_total": len(panel)}
        self._progress = JobProgress(**whole, series=len(panel), losses=[])
        self._losses: list[tuple[int, float]] = []
        self._report(self._progress.model_dump())

    def __call__(self, progress: _Progress) -> None:
        loss = progress.loss if progress.validation_loss is None else progress.validation_loss
        self._losses.append((progress.step, float(f"{loss:.6g}")))
        if len(self._losses) > MOST_LOSSES:
            self._losses = self._losses[1::2]
        percent = round(99 * progress.step / max(1, progress.steps), 1)
        told = {"percent": percent, "step": progress.step, "steps": progress.steps, "losses": list(self._losses)}
        self._progress = self._progress.model_copy(update=told)
        self._report(self._progress.model_dump())

    def at_end(self) -> dict[str, Any]:
        return self._progress.model_copy(update={"percent": 100.0}).model_dump()
