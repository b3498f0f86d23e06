"""Options that several commands share, and what they stand for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from forecaster.config import BASE, INITS, LOSSES, check_levels, check_quantiles, is_base, state_folder
from forecaster.errors import ConfigError, InputError, ModelFormatError, OutputError
from forecaster.shape import CELLS

if TYPE_CHECKING:
    from forecaster.audit import Audit
    from forecaster.model import Forecaster
    from forecaster.panel import Panel
    from forecaster.store import ModelStore
    from forecaster.tables import ColumnNames

Command = TypeVar("Command", bound=Callable[..., Any])

FILE = click.Path(path_type=Path)


EXECUTORS = ("serial", "threads", "ray")
"""As in `forecaster.executors`, which ``--help`` has no need to import."""


def example(*lines: str) -> str:
    """Return the end of a help text: an example, its lines as they are."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))


def levels_option(command: Command) -> Command:
    """Add ``--level``."""
    text = "Levels of the intervals, in per cent."
    option = click.option("--level", callback=_levels, default="80,95", metavar="LEVELS", show_default=True, help=text)
    return option(command)


def quantiles_option(command: Command) -> Command:
    """Add ``--quantiles``, for `spread_asked`."""
    text = "Quantiles from 0 to 1 in place of the intervals, such as 0.1,0.5,0.9."
    return click.option("--quantiles", callback=_quantiles, metavar="QUANTILES", help=text)(command)


def spread_asked(level: tuple[float, ...], quantiles: tuple[float, ...] | None) -> dict[str, Any]:
    """Return levels or quantiles as `Forecaster.forecast` takes them; ``--level`` has a default, which gives way."""
    context = click.get_current_context()
    is_default = context.get_parameter_source("level") is click.core.ParameterSource.DEFAULT
    return {"level": None if is_default and quantiles is not None else level, "quantiles": quantiles}


def _quantiles(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    return None if value is None else check_quantiles(_numbers(value, "quantiles such as 0.1,0.5,0.9"))


def _numbers(value: str, expected: str) -> list[float]:
    try:
        return [float(part) for part in value.split(",")]
    except ValueError:
        raise click.BadParameter(f"expected {expected}, got {value!r}.") from None


def _levels(_context: click.Context, _option: click.Parameter, value: str) -> tuple[float, ...]:
    return check_levels(_numbers(value, "per cents such as 80,95"))


_TIMES = (
    click.option("--freq", help="Step of the series: D, B, h, 15min, W, MS, ... or 1 for whole numbers. [inferred]"),
    click.option("--timezone", metavar="ZONE", help="Time zone of the timestamps, such as Europe/Berlin."),
)


def reading_options(command: Command) -> Command:
    """Add the options that `read` takes: how the file's columns are called, their frequency and time zone."""
    options = (
        *_TIMES,
        click.option("--id-col", default="unique_id", show_default=True, help="Column of ids; '' if none."),
        click.option("--time-col", default="ds", show_default=True, help="Column of timestamps."),
        click.option("--target-col", default="y", show_default=True, help="Column of values."),
    )
    for option in reversed(options):
        command = option(command)
    return command


def looking_options(command: Command) -> Command:
    """Add the options that `looked_at` takes: those of `reading_options`, with columns told from the file."""
    options = (
        *_TIMES,
        click.option("--id-col", help="Column of series ids; '' if there is none. [guessed]"),
        click.option("--time-col", help="Column of timestamps. [guessed]"),
        click.option("--target-col", help="Column of values; '' if every column is a series. [guessed]"),
    )
    for option in reversed(options):
        command = option(command)
    return command


def looked_at(path: Path, options: dict[str, Any]) -> Audit:
    """Return what a file holds, read as the options of `looking_options` say."""
    from forecaster.audit import audit_file

    asked = ("id_col", "time_col", "target_col", "freq", "timezone")
    return audit_file(path, **{name: options[name] for name in asked})


def training_options(command: Command) -> Command:
    """Add the options that `new_forecaster` takes."""
    options = (
        click.option("--season", type=int, help="Steps in a season, such as 7. [by the frequency]"),
        click.option(
            "--cell",
            type=click.Choice(CELLS),
            default=CELLS[0],
            show_default=True,
            help="Recurrent cell.",
        ),
        click.option(
            "--loss",
            type=click.Choice(LOSSES),
            default=LOSSES[0],
            metavar="LOSS",
            help="pinball, mae or mse (rmse: the same). [pinball]",
        ),
        click.option("--init", type=click.Choice(INITS), help="Weights to start from. [base if lstm, pinball]"),
        click.option("--seed", type=int, default=0, show_default=True, help="Same seed: same model."),
        click.option("--steps", type=int, help="Training steps at the most. [by the frequency]"),
        click.option("--threads", type=int, help="Threads to train with. [one a processor]"),
        executor_option("serial"),
    )
    for option in reversed(options):
        command = option(command)
    return command


def executor_option(default: str) -> Callable[[Command], Command]:
    """Return what adds ``--executor``, for `executor_of`."""
    return click.option(
        "--executor",
        type=click.Choice(EXECUTORS),
        default=default,
        show_default=True,
        metavar="NAME",
        help="Run by serial, threads or ray.",
    )


def workers_option(command: Command) -> Command:
    """Add ``--workers``, for `executor_of`."""
    return click.option("--workers", type=int, help="Pieces at once. [one a processor]")(command)


def season_option(command: Command) -> Command:
    """Add ``--season``, for `load_and_read`."""
    text = f"Steps in a season, for {BASE} only: a model has its own. [from the frequency]"
    return click.option("--season", type=int, help=text)(command)


def column_names(options: dict[str, Any]) -> ColumnNames:
    """Return the names of the columns among `options`."""
    from forecaster.tables import ColumnNames

    return ColumnNames(**{key: options[key] for key in ("id_col", "time_col", "target_col")})


def read(path: Path, options: dict[str, Any]) -> Panel:
    """Read the series of a file as the options of `reading_options` say."""
    from forecaster.tables import read_panel

    return read_panel(path, freq=options["freq"], timezone=options["timezone"], names=column_names(options))


def check_not_the_source(option: str, path: Path, source: Path) -> None:
    """Check that a result would not be written over the data it comes from."""
    if path.is_file() and source.is_file() and path.samefile(source):
        raise OutputError(f"{option} {path} is the file that is read, and would be lost. Choose another name.")


def check_outputs(source: Path, output: Path | None, plot: Path | None, metrics: Path | None = None) -> None:
    """Check, before any work is done, that its results can be written, and not over the data they come from."""
    for option, path in (("--output", output), ("--metrics", metrics), ("--plot", plot)):
        if path is not None:
            check_not_the_source(option, path, source)
    if output is not None and metrics is not None and output.resolve() == metrics.resolve():
        raise OutputError(f"--output and --metrics are both {output}, and one would be lost. Choose another name.")
    for table in (output, metrics):
        if table is not None:
            from forecaster.tables import check_writable

            check_writable(table)
    if plot is not None:
        from forecaster.plots import check_plot

        check_plot(plot)


def load_and_read(model: Path, csv: Path, options: dict[str, Any]) -> tuple[Forecaster, Panel]:
    """Return the forecaster that MODEL names and the series of CSV.

    Raises
    ------
    ConfigError
        A season is given for a model that has one.
    """
    from forecaster import Forecaster

    season = options["season"]
    if is_base(model):
        panel = read(csv, options)
        return Forecaster.pretrained(panel.frequency.alias, season=season), panel
    forecaster = Forecaster.load(model)  # first, so that a wrong name is told before a long table is read
    if season is not None:
        raise ConfigError(
            f"--season is for {BASE} only: {model} was trained on seasons of {forecaster.season} steps. Leave it out, "
            "or train another model with it."
        )
    return forecaster, read(csv, options)


def said_of(forecaster: Forecaster) -> str:
    """Return which base weights forecast, if they do, as the end of a line."""
    kind = forecaster.info.get("base")
    return "" if kind is None else f", by the base weights for {kind} series with a season of {forecaster.season}"


def models_option(command: Command) -> Command:
    """Add ``--models``, for `models_store`."""
    text = "Folder of models, or a URL such as s3://bucket/models. [MODEL_STORE, FORECASTER_MODELS or ./models]"
    return click.option("--models", metavar="PLACE", help=text)(command)


def models_store(given: str | None, *, new: bool = False) -> ModelStore:
    """Return the store of models: the place given, that of MODEL_STORE, or `models_folder`; a `new` folder is made."""
    from forecaster.store import open_store

    place = given or os.environ.get("MODEL_STORE", "").strip()
    if "://" not in place:
        place = str(models_folder(Path(place) if place else None, new=new))
    return open_store(place, cache=state_folder() / "models-cache")


def check_servable(model: Path) -> None:
    """Check that a service can answer with the model in a folder, by loading it.

    Raises
    ------
    ModelFormatError
        It is damaged, or of a kind that answers in the library only.
    """
    from forecaster.storage import describe_model, kind_of

    kind = kind_of(describe_model(model))
    if kind == "symbols":
        from forecaster.symbols import SymbolForecaster

        SymbolForecaster.load(model)
    elif kind == "forecaster":
        from forecaster.model import Forecaster

        Forecaster.load(model)
    else:
        raise ModelFormatError(
            f"{model} is a {kind}, which answers in the library only: a service has no route for it."
        )


def models_folder(given: Path | None, *, new: bool = False) -> Path:
    """Return the folder of models: the one given, that of FORECASTER_MODELS, or ./models, which need not be there.

    Raises
    ------
    InputError
        The one that was named is no folder, and is not to be a `new` one.
    """
    named = given or os.environ.get("FORECASTER_MODELS")
    if named and not new and not Path(named).is_dir():
        raise InputError(f"There is no folder {named}. Models come there by: forecaster train ... --model {named}/NAME")
    return Path(named or "models")


def new_forecaster(h: int, options: dict[str, Any]) -> Forecaster:
    """Return an untrained forecaster as the options of `training_options` say."""
    from forecaster import Forecaster

    steps = options["steps"]
    return Forecaster(
        h=h,
        freq=options["freq"],
        training=None if steps is None else {"steps": steps},
        season=options["season"],
        cell=options["cell"],
        loss=options["loss"],
        seed=options["seed"],
        threads=options["threads"],
    )
