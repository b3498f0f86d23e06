"""A job as it is worked on: what was asked, where its files are, and whom to tell how it goes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from forecaster import usable_cpus
from service.intake import too_many
from service.jobs.files import JobFiles
from service.jobs.job import Assignment
from service.panels import Intake, panel_of_csv
from service.schemas.jobs import JobOptions
from service.settings import Settings

__all__ = ["Done", "Task"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A job, and whom to tell how it goes.

    Attributes
    ----------
    assignment
        The job.
    settings
        Limits, and where files and models are.
    report
        Takes the progress, as often as there is some.
    may_publish
        Asks whether the job is still ours; what others see is changed only then.
    """

    assignment: Assignment
    settings: Settings
    report: Callable[[dict[str, Any]], None]
    may_publish: Callable[[], bool]

    @property
    def options(self) -> JobOptions:
        """What was asked."""
        return JobOptions.model_validate(self.assignment.options)

    @property
    def files(self) -> JobFiles:
        """Where its file is, and its results go."""
        return JobFiles(self.settings)

    def place(self, ending: str) -> Path:
        """Return where this attempt writes."""
        return self.files.attempt(self.assignment.id, self.assignment.token, ending)

    @property
    def threads(self) -> int:
        """Threads to work with: the processors are shared out among the job workers."""
        return max(1, usable_cpus() // max(1, self.settings.job_workers))

    def read(self) -> Intake:
        """Read the file; a series with a fault of its own is set aside.

        Raises
        ------
        Problem, forecaster.ForecasterError
            The file is not a table of series, or too large, or all series are at fault.
        """
        most = self.settings.max_job_points
        with self.files.upload(self.assignment.id).open("rb") as file:
            intake = panel_of_csv(file, self.options, self.options, self.settings, name="The file", most=most)
        if len(intake.panel.values) > most:
            raise too_many("series", f"at most {most} values, gaps in time included")
        return intake


class Done(NamedTuple):
    """What came of a job: its result, the model it used or made, and where it was at the end."""

    result: dict[str, Any]
    model: dict[str, Any]
    progress: dict[str, Any]
