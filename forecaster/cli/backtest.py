"""``forecaster backtest``."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.options import (
    FILE,
    check_outputs,
    column_names,
    example,
    levels_option,
    new_forecaster,
    read,
    reading_options,
    training_options,
)
from forecaster.cli.shown import TrainingProgress, count, name_skipped, show_table

if TYPE_CHECKING:
    from forecaster.backtest import Backtest
    from forecaster.panel import Panel


def _peers(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    if value is None:
        return ()
    from forecaster.peers import check_peers

    return check_peers([name.strip() for name in value.split(",")])


@click.command(
    short_help="Measure the accuracy of forecasts against simple ones.",
    epilog=example("forecaster backtest sales.csv --h 14"),
)
@click.argument("csv", type=FILE)
@click.option("--h", type=int, required=True, help="Horizon: steps to forecast ahead.")
@click.option("--windows", type=int, default=3, show_default=True, help="Cutoffs to forecast from.")
@click.option("--step-size", type=int, help="Steps between cutoffs. [the horizon]")
@click.option("--refit", is_flag=True, help="Train anew at every cutoff, not at the oldest only.")
@levels_option
@click.option("--peers", callback=_peers, metavar="NAMES", help="Also compare with AutoETS,Theta (statsforecast).")
@click.option("--pretrained", is_flag=True, help="Also compare with the base weights (Base).")
@click.option("--output", type=FILE, help="File for all forecasts: .csv, .csv.gz or .parquet.")
@click.option("--metrics", type=FILE, help="File for the accuracy on each series, as --output.")
@click.option("--plot", type=FILE, help="Draw up to 12 series to this .png, .svg or .pdf.")
@reading_options
@training_options
def backtest(
    csv: Path,
    h: int,
    windows: int,
    step_size: int | None,
    refit: bool,
    level: tuple[float, ...],
    peers: tuple[str, ...],
    pretrained: bool,
    output: Path | None,
    metrics: Path | None,
    plot: Path | None,
    **options: Any,
) -> int:
    """Forecast the end of each series in CSV from what came before, and compare with what happened.

    The LSTM stands beside the last value (Naive), the last season (SeasonalNaive) and the line through the first and
    the last value (Drift). Lower is better; coverage should be near its level.
    """
    check_outputs(csv, output, plot, metrics)
    forecaster = new_forecaster(h, options)
    panel = read(csv, options)
    label = f"Training on {count(len(panel), 'series')}"
    with TrainingProgress(label, executor=options["executor"]) as progress:
        result = forecaster.backtest(
            panel,
            n_windows=windows,
            step_size=step_size,
            refit=refit,
            level=level,
            peers=peers,
            init=options["init"],
            pretrained=pretrained,
            progress=progress,
            executor=options["executor"],
            **asdict(column_names(options)),
        )
    _show(result, h)
    if output is not None:
        _write(result, output)
    if metrics is not None:
        _write_metrics(result, metrics)
    if plot is not None:
        _plot(panel, result, plot)
    return name_skipped(result.skipped)


def _show(result: Backtest, h: int) -> None:
    table = result.table
    series, cutoffs = count(len(result.folds[0].known), "series"), count(len(result.folds), "cutoffs")
    title = f"{series}, {count(h, 'steps')} ahead from {cutoffs}"
    best = min(range(len(table)), key=lambda number: _or_infinity(table[number]["MASE"]))
    rows = [{_heading(key): _cell(key, value) for key, value in row.items() if _is_shown(key)} for row in table]
    show_table(title, rows, best=best)


def _or_infinity(value: float) -> float:
    return math.inf if math.isnan(value) else value


def _is_shown(key: str) -> bool:
    return not key.startswith("MSIS")  # with two levels of it the table would be wider than most terminals


def _heading(key: str) -> str:
    name, _, level = key.partition("_")
    return f"{name} {level} %" if level else key


def _cell(key: str, value: str | float) -> str:
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "n/a"
    return f"{100 * value:.1f} %" if key.startswith("coverage") else f"{value:.3f}"


def _write(result: Backtest, output: Path) -> None:
    from forecaster.outputs import extension_of
    from forecaster.tables import EXTENSIONS, write_columns

    frame = result.frame()
    columns: dict[str, Any] = {str(name): frame[name].to_numpy() for name in frame}
    time_col = result.names.time_col
    if extension_of(output, EXTENSIONS) == ".parquet":
        columns[time_col], columns["cutoff"] = frame[time_col], frame["cutoff"]
    else:
        columns[time_col], columns["cutoff"] = _time_labels(result)
    write_columns(columns, output)
    click.echo(f"{output}: {count(len(frame), 'rows')}")


def _write_metrics(result: Backtest, metrics: Path) -> None:
    from forecaster.tables import write_columns

    frame = result.by_series()
    columns: dict[str, Any] = {str(name): frame[name].to_numpy() for name in frame}
    write_columns(columns, metrics)
    click.echo(f"{metrics}: {count(len(frame), 'rows')}")


def _time_labels(result: Backtest) -> tuple[list[str], list[str]]:
    """Return the columns of times and cutoffs, written as forecasts are."""
    times: list[str] = []
    cutoffs: list[str] = []
    for fold in result.folds:
        labels = next(iter(fold.forecasts.values())).labels
        for number, own in enumerate(labels):
            times += own
            cutoffs += fold.known.time_labels(number)[-1:] * len(own)
    return times, cutoffs


def _plot(panel: Panel, result: Backtest, plot: Path) -> None:
    from forecaster.plots import plot_backtest

    plot_backtest(panel, [next(iter(fold.forecasts.values())) for fold in result.folds], plot)
    click.echo(f"{plot}: plot of {count(min(len(result.folds[0].known), 12), 'series')}")
