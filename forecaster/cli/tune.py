"""``forecaster tune``."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from forecaster.cli.options import (
    FILE,
    check_outputs,
    example,
    executor_option,
    read,
    reading_options,
)
from forecaster.cli.shown import count, name_skipped, show_table

if TYPE_CHECKING:
    from forecaster.search import Progress, Tuned

_MOST_SHOWN = 10


@click.command(
    short_help="Look for the settings that forecast a table of series best.",
    epilog=example("forecaster tune sales.csv --h 14 --trials 50 --model sales-model"),
)
@click.argument("csv", type=FILE)
@click.option("--h", type=int, required=True, help="Horizon: steps to forecast ahead.")
@click.option("--trials", type=int, default=50, show_default=True, help="Settings to try, earlier runs counted.")
@click.option("--model", type=FILE, required=True, help="Folder to save the best model in.")
@click.option("--study", type=FILE, help="File that keeps the trials, to go on from. [MODEL.study]")
@click.option("--output", type=FILE, help="File for the table of trials: .csv, .csv.gz or .parquet.")
@click.option("--metric", default="MASE", show_default=True, help="What is to be small: MASE, MAE, WAPE, pinball, ...")
@click.option("--windows", type=int, default=3, show_default=True, help="Cutoffs to forecast from.")
@click.option("--step-size", type=int, help="Steps between cutoffs. [the horizon]")
@click.option("--at-once", type=int, default=4, show_default=True, help="Trials of a round, run beside each other.")
@click.option("--season", type=int, help="Steps in a season, such as 7 for days. [from the frequency]")
@click.option("--steps", type=int, help="Training steps at the most. [by the frequency]")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed: same trials and model.")
@click.option("--threads", type=int, help="Threads. [one a processor]")
@executor_option("serial")
@reading_options
def tune(
    csv: Path,
    h: int,
    trials: int,
    model: Path,
    study: Path | None,
    output: Path | None,
    windows: int,
    **options: Any,
) -> int:
    """Try settings of a network on CSV with a rolling backtest, train a model with the best and save it.

    Where no trial does better than what train does, that is what is saved. After Ctrl-C or a crash the same command
    goes on where it was.
    """
    from forecaster.search import tune as search
    from forecaster.storage import check_model_target

    study = study or model.with_name(f"{model.name}.study")
    check_outputs(csv, output, None)
    check_model_target(model)
    panel = read(csv, options)
    try:
        with _Shown(f"Tuning on {count(len(panel), 'series')}") as progress:
            tuned = search(
                panel,
                h=h,
                trials=trials,
                study=study,
                n_windows=windows,
                progress=progress,
                **{name: options[name] for name in ("metric", "step_size", "at_once", "season", "steps", "seed")},
                **{name: options[name] for name in ("threads", "executor")},
            )
    except KeyboardInterrupt:
        click.echo(f"The trials so far are in {study}: the same command goes on.", err=True)
        raise
    tuned.model.save(model)
    _show(tuned)
    if output is not None:
        _write(tuned, output)
    click.echo(f"{model}: {_said(tuned)}")
    return name_skipped(tuned.skipped)


class _Shown:
    """Shows a search: a bar on a terminal, a line for each trial elsewhere; on stderr."""

    def __init__(self, label: str) -> None:
        self._label, self._done = label, -1
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Start the bar."""
        if sys.stderr.isatty():
            from forecaster.cli.shown import rich_bar

            self._bar = rich_bar()
            self._task = self._bar.add_task(self._label, total=None, note="preparing the kernels")
            self._bar.start()
        else:
            click.echo(f"{self._label} ...", err=True)
        return self

    def __call__(self, progress: Progress) -> None:
        """Show where the search is."""
        note = "" if progress.best is None else f"best {progress.best:.4f}"
        if self._bar is not None:
            fold = f"fold {progress.fold} of {progress.folds}"
            self._bar.update(self._task, completed=progress.done, total=progress.trials, note=f"{fold} {note}".strip())
        elif progress.done != self._done:
            self._done = progress.done
            click.echo(f"  {progress.done} of {progress.trials} trials{note and ', '}{note}", err=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.stop()


def _show(tuned: Tuned) -> None:
    table = tuned.table[:_MOST_SHOWN]
    rows = [{name: _cell(value) for name, value in row.items()} for row in table]
    show_table(f"The best of {count(len(tuned.trials), 'trials')}", rows, best=None if tuned.best is None else 0)


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "n/a" if math.isnan(value) else f"{value:.4g}"
    return str(value)


def _write(tuned: Tuned, output: Path) -> None:
    from forecaster.tables import write_columns

    table = tuned.table
    write_columns({name: [row[name] for row in table] for name in table[0]}, output)
    click.echo(f"{output}: {count(len(table), 'rows')}")


def _said(tuned: Tuned) -> str:
    """Return what the model is that was saved, in a line."""
    default = f"{tuned.metric} {tuned.default:.3f}"
    if tuned.best is None:
        return f"as forecaster train makes it, {default}: no trial did better"
    return f"as trial {tuned.best.place}, {tuned.metric} {tuned.best.value:.3f}; without tuning it is {default}"
