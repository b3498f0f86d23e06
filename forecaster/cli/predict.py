"""``forecaster predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecaster.cli.options import (
    FILE,
    check_outputs,
    column_names,
    example,
    levels_option,
    load_and_read,
    quantiles_option,
    reading_options,
    said_of,
    season_option,
    spread_asked,
)
from forecaster.cli.shown import count, name_skipped


@click.command(
    short_help="Forecast a table of series with a model.",
    epilog=example(
        "forecaster predict base sales.csv --output forecast.csv",
        "forecaster predict sales-model sales.csv --output forecast.csv --plot forecast.png",
    ),
)
@click.argument("model", type=FILE)
@click.argument("csv", type=FILE)
@click.option("--output", type=FILE, required=True, help="File for the forecast: .csv, .csv.gz or .parquet.")
@click.option("--h", type=int, help="Steps to forecast ahead. [as trained]")
@levels_option
@quantiles_option
@click.option("--plot", type=FILE, help="Also draw up to 12 series to this .png, .svg or .pdf.")
@season_option
@reading_options
def predict(
    model: Path,
    csv: Path,
    output: Path,
    h: int | None,
    level: tuple[float, ...],
    quantiles: tuple[float, ...] | None,
    plot: Path | None,
    **options: Any,
) -> int:
    """Forecast the series of CSV with the model in folder MODEL.

    The model need not have seen the series. MODEL base, unless a folder of this name holds a model, stands for the base
    weights of the package, which need no training. Series that are too short are named, the others are written.
    """
    from forecaster.tables import write_forecast

    check_outputs(csv, output, plot)
    forecaster, panel = load_and_read(model, csv, options)
    forecast = forecaster.forecast(panel, h=h, **spread_asked(level, quantiles))
    write_forecast(forecast, output, column_names(options))
    ahead = f"{count(len(forecast), 'series')}, {count(forecast.h, 'steps')} ahead"
    click.echo(f"{output}: {ahead}{said_of(forecaster)}")
    if plot is not None:
        from forecaster.plots import plot_forecast

        plot_forecast(panel, forecast, plot)
        click.echo(f"{plot}: plot of {count(min(len(forecast), 12), 'series')}")
    return name_skipped(forecast.skipped)
