"""``forecaster predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecaster.cli.options import FILE, check_outputs, column_names, example, levels_option, read, reading_options
from forecaster.cli.report import count, name_skipped


@click.command(
    short_help="Forecast a table of series with a model.",
    epilog=example("forecaster predict sales-model sales.csv --output forecast.csv --plot forecast.png"),
)
@click.argument("model", type=FILE)
@click.argument("csv", type=FILE)
@click.option("--output", type=FILE, required=True, help="File for the forecast: .csv, .csv.gz or .parquet.")
@click.option("--h", type=int, help="Steps to forecast ahead. [as trained]")
@levels_option
@click.option("--plot", type=FILE, help="Also draw up to 12 series to this .png, .svg or .pdf.")
@reading_options
def predict(
    model: Path, csv: Path, output: Path, h: int | None, level: tuple[float, ...], plot: Path | None, **options: Any
) -> int:
    """Forecast the series of CSV with the model in folder MODEL.

    The model need not have seen the series. Series that are too short are named, the others are written.
    """
    from forecaster import Forecaster
    from forecaster.tables import write_forecast

    check_outputs(csv, output, plot)
    forecaster = Forecaster.load(model)
    panel = read(csv, options)
    forecast = forecaster.forecast(panel, h=h, level=level)
    write_forecast(forecast, output, column_names(options))
    click.echo(f"{output}: {count(len(forecast), 'series')}, {count(forecast.h, 'steps')} ahead")
    if plot is not None:
        from forecaster.plots import plot_forecast

        plot_forecast(panel, forecast, plot)
        click.echo(f"{plot}: plot of {count(min(len(forecast), 12), 'series')}")
    return name_skipped(forecast.skipped)
