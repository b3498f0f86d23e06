"""``forecaster predict``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from forecaster.cli.interrupts import INTERRUPTED, TERMINATED, TerminatedError, terminated_as_error
from forecaster.cli.options import (
    FILE,
    check_outputs,
    column_names,
    example,
    executor_option,
    levels_option,
    quantiles_option,
    reading_options,
    said_of,
    season_option,
    spread_asked,
    workers_option,
)
from forecaster.cli.shown import BatchBar, count, name_left_out, tell_written


@click.command(
    short_help="Forecast a table of series with a model.",
    epilog=example(
        "forecaster predict base sales.csv --output forecast.csv",
        "forecaster predict sales-model sales/ --output forecasts/ --resume",
    ),
)
@click.argument("model", type=FILE)
@click.argument("csv", type=FILE)
@click.option("--output", required=True, help="File for the forecast, .csv, .csv.gz or .parquet; or a folder/.")
@click.option("--h", type=int, help="Steps to forecast ahead. [as trained]")
@levels_option
@quantiles_option
@click.option("--plot", type=FILE, help="Also draw up to 12 series to this .png, .svg or .pdf.")
@season_option
@reading_options
@click.option("--memory", metavar="SIZE", help="What to keep to, such as 2G. [256M, and 128M a worker]")
@click.option("--resume", is_flag=True, help="Go on where the same command was stopped.")
@executor_option("threads")
@workers_option
def predict(
    model: Path,
    csv: Path,
    output: str,
    h: int | None,
    level: tuple[float, ...],
    quantiles: tuple[float, ...] | None,
    plot: Path | None,
    season: int | None,
    memory: str | None,
    resume: bool,
    executor: str,
    workers: int | None,
    **options: Any,
) -> int:
    """Forecast the series of CSV, a file or a folder of files, with the model in folder MODEL.

    MODEL base, unless a folder of this name holds a model, stands for the base weights of the package, which need no
    training. Series that cannot be forecast are named in OUTPUT.errors.csv, the others are written.
    """
    from forecaster.batch import forecast_file
    from forecaster.batch.allocation import keep_freed_memory

    keep_freed_memory()
    check_outputs(csv, None if _is_folder(output) else Path(output), plot)
    try:
        with terminated_as_error(), BatchBar() as bar:
            result = forecast_file(
                model, csv, output,
                h=h, season=season, freq=options["freq"], timezone=options["timezone"], names=column_names(options),
                memory=memory, resume=resume, executor=executor, workers=workers,
                sample=0 if plot is None else 12, progress=bar, **spread_asked(level, quantiles),
            )  # fmt: skip
    except (KeyboardInterrupt, TerminatedError) as stopped:
        click.echo(f"Interrupted.{_kept(output)}", err=True)
        return TERMINATED if isinstance(stopped, TerminatedError) else INTERRUPTED
    ahead = f"{count(result.series, 'series')}, {count(result.h, 'steps')} ahead"
    tell_written(output, f"{ahead}{'' if result.model is None else said_of(result.model)}")
    if plot is not None and result.sample is not None:
        from forecaster.plots import plot_forecast

        plot_forecast(*result.sample, plot)
        click.echo(f"{plot}: plot of {count(len(result.sample[1]), 'series')}")
    return name_left_out(result)


def _is_folder(output: str) -> bool:
    return output.endswith(("/", os.sep)) or Path(output).is_dir()


def _kept(output: str) -> str:
    """Return what is left of an interrupted run, as the end of a line."""
    from forecaster.batch.parts import parts_folder

    folder = parts_folder(Path(output))
    return f" What is done is kept in {folder}: go on with --resume." if folder.is_dir() else " Nothing was written."
