"""The forecasting job: forecasts of the series of a file, a piece at a time."""

from __future__ import annotations

import hashlib
from typing import Any, BinaryIO, NamedTuple

from forecaster import ColumnNames, Forecaster, Panel, describe_model, forecast_csv, kind_of, write_columns
from service.forecasting import Piece, forecast_pieces, no_forecast
from service.intake import intervals_of, too_many
from service.jobs.files import written
from service.jobs.task import Done, Task
from service.models.base import BASE
from service.models.served import Model, Served, digests
from service.models.snapshot import Snapshot, not_a_forecaster
from service.models.store import store_of
from service.panels import Intake
from service.problems import Problem
from service.schemas.base import FieldError
from service.schemas.jobs import JobProgress
from service.settings import Settings

__all__ = ["forecast_job"]

_PIECES_BETWEEN_LOOKS = 64


class _Chosen(NamedTuple):
    model: Model
    name: str
    version: str | None


def _choose(task: Task, panel: Panel) -> _Chosen:
    """Return the model asked for, or the default one, loaded from the store."""
    name = task.options.model or task.settings.default_model or BASE
    store = store_of(task.settings)
    version = store.current(name) if name in store.names() else None
    threads = task.threads
    if version is None:
        if name == BASE:
            made = Forecaster.pretrained(panel.frequency.alias, season=task.options.season, threads=threads)
            return _Chosen(made, BASE, None)
        error = FieldError(field="model", expected="a name that GET /v1/models lists", got="another name")
        raise Problem("unknown-model", "model: expected a name that GET /v1/models lists.", errors=[error])
    folder = store.folder(name, version)
    kind = kind_of(describe_model(folder))
    if kind != "forecaster":
        raise not_a_forecaster(name, kind)
    model = Forecaster.load(folder, threads=threads)
    snapshot = Snapshot({name: Served(name, model, model.info, digests(folder), version)})
    chosen = snapshot.choose(name, panel.frequency, task.options.season, default=task.options.model is None)
    return _Chosen(chosen.model, name, version)


def forecast_job(task: Task, intake: Intake) -> Done:
    """Forecast all series; those that cannot be forecast are listed in a file of their own."""
    panel, spread = intake.panel, intervals_of(task.options.level, task.options.quantiles)
    chosen = _choose(task, panel)
    h = task.options.h or int(chosen.model.info["horizon"])
    _check_size(task.settings, panel, h, spread.columns)
    progress = JobProgress(rows_total=len(panel.values), series_total=len(panel))
    table, skipped = _Table(intake.names), dict(intake.skipped)
    pieces = forecast_pieces(chosen.model, panel, h=h, level=spread.levels, quantiles=spread.quantiles)
    with written(task.place(".csv")) as file:
        for number, piece in enumerate(pieces):
            if number % _PIECES_BETWEEN_LOOKS == 0:
                task.files.check_room()
            table.add(piece, file)
            skipped |= piece.skipped
            progress = _further(progress, piece)
            task.report(progress.model_dump())
        if not table.rows:
            raise no_forecast(skipped)
        write_columns({"unique_id": list(skipped), "reason": list(skipped.values())}, task.place(".skipped.csv"))
    model = {"name": chosen.name, "version": chosen.version}
    result = table.described() | {"file": task.place(".csv").name, "skipped": len(skipped)}
    return Done(result, model, progress.model_copy(update={"percent": 100.0}).model_dump())


def _check_size(settings: Settings, panel: Panel, h: int, columns: int) -> None:
    longest = min(settings.max_horizon, max(1, settings.max_job_points // (columns * len(panel))))
    if h > longest:
        raise too_many("h", f"at most {longest} steps for {len(panel)} series in {columns} columns")


def _further(progress: JobProgress, piece: Piece) -> JobProgress:
    series, rows = progress.series + piece.series, progress.rows + piece.values
    percent = round(100 * rows / max(1, progress.rows_total or 0), 1)
    return progress.model_copy(update={"series": series, "rows": rows, "percent": percent})


class _Table:
    """The table of all forecasts, written piece by piece."""

    def __init__(self, names: ColumnNames | None) -> None:
        self.rows = 0
        self._names = names
        self._bytes = 0
        self._digest = hashlib.sha256()

    def add(self, piece: Piece, file: BinaryIO) -> None:
        if piece.forecast is None:
            return
        rows = forecast_csv(piece.forecast, self._names, header=not self.rows).encode()
        file.write(rows)
        self._digest.update(rows)
        self._bytes += len(rows)
        self.rows += len(piece.forecast.ids) * piece.forecast.h

    def described(self) -> dict[str, Any]:
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest(), "rows": self.rows}
