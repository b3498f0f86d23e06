"""What a job does, by its kind."""

from __future__ import annotations

from service.jobs.forecasts import forecast_job
from service.jobs.task import Done, Task
from service.jobs.trainings import train_job
from service.schemas.jobs import JobProgress

__all__ = ["do_job"]


def do_job(task: Task) -> Done:
    """Do a job; its result is on the disk when this returns.

    Raises
    ------
    Problem, forecaster.ForecasterError
        The file or the options are at fault.
    OSError
        A file cannot be read or written.
    """
    task.report(JobProgress().model_dump())
    intake = task.read()
    return train_job(task, intake) if task.options.kind == "train" else forecast_job(task, intake)
