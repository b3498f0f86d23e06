"""``forecaster simulate``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecaster.cli.options import (
    FILE,
    check_outputs,
    column_names,
    example,
    load_and_read,
    reading_options,
    said_of,
    season_option,
)
from forecaster.cli.shown import count, name_skipped, tell_written


@click.command(
    short_help="Draw sample paths of a table of series with a model.",
    epilog=example("forecaster simulate sales-model sales.csv --paths 1000 --output paths.csv.gz"),
)
@click.argument("model", type=FILE)
@click.argument("csv", type=FILE)
@click.option("--output", type=FILE, required=True, help="File for the paths: .csv, .csv.gz or .parquet.")
@click.option("--paths", type=int, default=100, show_default=True, help="Paths of each series.")
@click.option("--h", type=int, help="Steps to forecast ahead. [as trained]")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed: same paths.")
@season_option
@reading_options
def simulate(model: Path, csv: Path, output: Path, paths: int, h: int | None, seed: int, **options: Any) -> int:
    """Draw ways that the series of CSV may go, with the model in folder MODEL, or with the base weights (MODEL base).

    Each step is distributed as the intervals of predict say, and the steps of a path hang together, so that intervals
    of a sum over them can be told from the paths. Series that are too short are named, the others are written.
    """
    from forecaster.tables import write_forecast

    check_outputs(csv, output, None)
    forecaster, panel = load_and_read(model, csv, options)
    drawn = forecaster.paths(panel, n_paths=paths, h=h, seed=seed)
    write_forecast(drawn, output, column_names(options))
    ahead = f"{count(len(drawn), 'series')}, {count(paths, 'paths')}, {count(drawn.h, 'steps')} ahead"
    tell_written(output, f"{ahead}{said_of(forecaster)}")
    return name_skipped(drawn.skipped)
