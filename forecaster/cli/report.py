"""``forecaster report``."""

from __future__ import annotations

import hashlib
import platform
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from forecaster.cli.options import (
    FILE,
    check_not_the_source,
    example,
    levels_option,
    looked_at,
    looking_options,
    new_forecaster,
    said_of,
    training_options,
)
from forecaster.cli.shown import TrainingProgress, count, name_skipped
from forecaster.config import BASE, LOSSES
from forecaster.errors import ConfigError
from forecaster.shape import CELLS

if TYPE_CHECKING:
    from forecaster.columns import ColumnNames
    from forecaster.reporting.sources import Source

_ENDINGS = (".html", ".htm")
_OF_TRAINING = ("cell", "loss", "init", "seed", "steps")
_UNSAID = {"cell": CELLS[0], "loss": LOSSES[0]}
"""What an option stands for that is left out."""


@click.command(
    short_help="Write a report of forecasts for people: one HTML file.",
    epilog=example("forecaster report sales.csv --h 14 --output report.html"),
)
@click.argument("csv", type=FILE)
@click.option("--h", type=int, required=True, help="Steps to forecast ahead.")
@click.option("--output", type=FILE, required=True, help="File for the report: .html.")
@click.option("--model", type=FILE, help="Folder of a saved model to forecast with. [the base weights]")
@click.option("--train", is_flag=True, help="Train a model on the file, and forecast with it.")
@click.option("--windows", type=int, default=3, show_default=True, help="Cutoffs of the backtest.")
@levels_option
@looking_options
@training_options
def report(
    csv: Path,
    h: int,
    output: Path,
    model: Path | None,
    train: bool,
    windows: int,
    level: tuple[float, ...],
    **options: Any,
) -> int:
    """Write what CSV holds, how good forecasts of it have been, and its forecasts, as a page for everyone.

    Forecasts are those of the base weights, for which nothing is trained; of --model; or of a model that is trained for
    the report (--train). Series that cannot be forecast are named in it.
    """
    _check(csv, output, h, windows, model, options, train=train)
    from forecaster.outputs import write_whole
    from forecaster.reporting import Made, Plan, make_content, render_page

    with _source(h, model, options, train=train) as source:
        audit = looked_at(csv, options)
        content, forecaster = make_content(audit, source, Plan(h=h, levels=level, windows=windows))
    asked = _Asked(csv, h, level, windows, model, train, audit.names, options)
    made = Made(
        source=csv.name,
        model=source.words(forecaster),
        seen=source.seen,
        facts=[*_facts(csv), *source.facts(forecaster)],
        report_command=asked.report(output),
        predict_command=asked.predict(),
    )
    text = render_page(content, made).encode("utf-8", errors="replace")
    write_whole(output, lambda stream: _write(stream, text))
    done = f"{count(len(content.forecast), 'series')}, {count(h, 'steps')} ahead"
    click.echo(f"{output}: {done}{said_of(forecaster)}")
    return name_skipped(audit.skipped | content.forecast.skipped)


def _check(
    csv: Path, output: Path, h: int, windows: int, model: Path | None, options: dict[str, Any], *, train: bool
) -> None:
    """Raise what can be said before any work is done."""
    from forecaster.config import check_horizon
    from forecaster.outputs import check_output
    from forecaster.plots import need_matplotlib

    check_horizon(h)
    check_horizon(windows, name="windows")
    check_not_the_source("--output", output, csv)
    check_output(output, _ENDINGS)
    need_matplotlib()
    if model is not None and train:
        raise ConfigError("--model and --train do not go together: forecasts are those of one model. Choose one.")
    context = click.get_current_context()
    for name in () if train else _OF_TRAINING:
        if context.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT:
            raise ConfigError(f"--{name} is for --train only: nothing else is trained here. Leave it out.")
    if model is not None and options["season"] is not None:
        raise ConfigError("--season is not for --model: a model has its own. Leave it out.")


@contextmanager
def _source(h: int, model: Path | None, options: dict[str, Any], *, train: bool) -> Iterator[Source]:
    """Give what forecasts; a model is loaded first, so that a wrong name is told before a long table is read."""
    from forecaster.reporting.sources import Base, Saved, Trained

    threads = options["threads"]
    if model is not None:
        yield Saved(model, threads=threads)
    elif not train:
        yield Base(season=options["season"], threads=threads)
    else:
        with TrainingProgress() as progress:
            yield Trained(lambda: new_forecaster(h, options), init=options["init"], progress=progress)


def _facts(csv: Path) -> list[tuple[str, str]]:
    import numpy as np

    from forecaster import __version__

    with csv.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return [
        ("Made", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"),
        ("File", f"{csv.name}, {csv.stat().st_size:,} bytes"),
        ("SHA-256 of the file", digest),
        ("Versions", f"Forecaster {__version__}, Python {platform.python_version()}, NumPy {np.__version__}"),
    ]


def _write(stream: BinaryIO, text: bytes) -> None:
    stream.write(text)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What was asked for, as command lines."""

    csv: Path
    h: int
    level: tuple[float, ...]
    windows: int
    model: Path | None
    train: bool
    names: ColumnNames
    options: dict[str, Any]

    def report(self, output: Path) -> str:
        """Return the command that makes the report again."""
        chosen = ["--model", str(self.model)] if self.model is not None else ["--train"] if self.train else []
        parts = [str(self.csv), "--h", str(self.h), "--output", str(output), *chosen, "--windows", str(self.windows)]
        return _line("report", *parts, *self._level(), *self._reading(), *self._training())

    def predict(self) -> str:
        """Return the commands that write all forecasts as a table."""
        model = str(self.model) if self.model is not None else "my-model" if self.train else BASE
        first = []
        if self.train:
            parts = [str(self.csv), "--h", str(self.h), "--model", model, *self._reading(), *self._training()]
            first.append(_line("train", *parts))
        season = [] if self.train else self._given("season")
        parts = [model, str(self.csv), "--h", str(self.h), *self._level(), *season, *self._reading()]
        return "\n".join([*first, _line("predict", *parts, "--output", "forecast.csv")])

    def _level(self) -> list[str]:
        return ["--level", ",".join(f"{level:g}" for level in self.level)]

    def _reading(self) -> list[str]:
        """Return how the file is read, with the columns that were guessed."""
        usual = {"id_col": "unique_id", "time_col": "ds", "target_col": "y"}
        named = {name: getattr(self.names, name) for name in usual}
        odd = [part for name, value in named.items() if value != usual[name] for part in (_flag(name), value)]
        return [*odd, *self._given("freq", "timezone")]

    def _training(self) -> list[str]:
        return self._given("season", *_OF_TRAINING) if self.train else self._given("season")

    def _given(self, *names: str) -> list[str]:
        values = {name: self.options[name] for name in names}
        return [
            part
            for name, value in values.items()
            if value not in (None, _UNSAID.get(name))
            for part in (_flag(name), str(value))
        ]


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _line(command: str, *parts: str) -> str:
    return shlex.join(["forecaster", command, *parts])
