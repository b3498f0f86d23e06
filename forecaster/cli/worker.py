"""``forecaster worker``."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path

import click

from forecaster.cli.options import FILE, example, models_folder
from forecaster.cli.serve import service_folder
from forecaster.config import engine_choice


@click.command(
    short_help="Work on jobs handed in to the service.",
    epilog=example("forecaster worker --models models --state state"),
)
@click.option("--models", type=FILE, help="Folder whose sub-folders are the models. [models]")
@click.option("--state", type=FILE, help="Folder of jobs and their files. [~/.local/state/forecaster]")
def worker(models: Path | None, state: Path | None) -> None:
    """Work on the jobs that are handed in to the service, one at a time, until interrupted.

    The service itself starts workers beside it (FORECASTER_JOB_WORKERS); this one runs alone, with the same folders
    and database as the service. Options win over the environment variables FORECASTER_MODELS and FORECASTER_STATE.
    """
    given = {"MODELS": models, "STATE": state}
    os.environ.update({f"FORECASTER_{name}": str(value) for name, value in given.items() if value is not None})
    os.environ["FORECASTER_MODELS"] = str(models_folder(None))
    engine_choice()
    service_folder()  # says what is missing if the service is not installed
    importlib.import_module("forecaster.kernels")  # settles the processor's level, here where a wrong one gets a line
    # Not from the working folder, where a stranger's "service" package could stand.
    command = [sys.executable, "-P", "-m", "service.jobs.worker"]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted; the worker takes this process's place and signals
