"""What commands show while they work (on stderr) and when they are done (on stdout)."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

if TYPE_CHECKING:
    from forecaster.training import Progress

PARTIAL = 3
_SECONDS_BETWEEN_LINES = 3.0
_MOST_NAMED = 20


class TrainingProgress:
    """Shows a training: a bar on a terminal, a line every few seconds elsewhere; on stderr."""

    def __init__(self, label: str = "Training") -> None:
        self._label = label
        self._bar: Any = None
        self._task: Any = None
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        """Start the bar."""
        if sys.stderr.isatty():
            self._bar = _rich_bar()
            self._task = self._bar.add_task(self._label, total=None, note="preparing the kernels")
            self._bar.start()
        else:
            click.echo(f"{self._label} ...", err=True)
        return self

    def __call__(self, progress: Progress) -> None:
        """Show where the training is."""
        if self._bar is not None:
            self._bar.update(self._task, completed=progress.step, total=progress.steps, note=_note(progress))
        elif time.monotonic() - self._shown >= _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            done = f"step {progress.step} of {progress.steps}, {progress.seconds:.0f} s"
            click.echo(f"  {done}: {_note(progress)}", err=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.stop()


def _rich_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))


def _note(progress: Progress) -> str:
    note = f"loss {progress.loss:.4f}"
    if progress.validation_loss is not None:
        note += f", held-out {progress.validation_loss:.4f}"
    return note if progress.best_step is None else f"{note}, best at step {progress.best_step}"


def show_table(title: str, rows: Sequence[Mapping[str, str]], *, best: int | None = None) -> None:
    """Write rows as a table to stdout, drawn on a terminal and plain elsewhere; row `best` stands out."""
    if sys.stdout.isatty():
        _draw_table(title, rows, best)
    else:
        click.echo(plain_table(rows))


def plain_table(rows: Sequence[Mapping[str, str]]) -> str:
    """Return rows as text in columns, the first column to the left and the others to the right."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _draw_table(title: str, rows: Sequence[Mapping[str, str]], best: int | None) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(rows[0]):
        table.add_column(name, justify="right" if place else "left")
    for number, row in enumerate(rows):
        table.add_row(*map(Text, row.values()), style="bold" if number == best else None)
    Console().print(table)


def clipped_in(clipped: int, steps: int) -> str:
    """Return the end of a line on a training: in how many of its steps gradients were clipped, if in any."""
    return f"; gradients clipped in {clipped:,} of {count(steps, 'steps')}" if clipped else ""


def count(number: int, noun: str) -> str:
    """Return such as ``1,204 series`` or ``1 step``; `noun` is the plural."""
    return f"{number:,} {noun if number != 1 or noun == 'series' else noun.removesuffix('s')}"


def name_skipped(skipped: Mapping[str, str]) -> int:
    """Name on stderr the series that have no forecast, and return the exit code that follows."""
    for unique_id, reason in list(skipped.items())[:_MOST_NAMED]:
        click.echo(f"skipped {unique_id}: {reason}", err=True)
    if len(skipped) > _MOST_NAMED:
        click.echo(f"skipped {len(skipped) - _MOST_NAMED:,} more series for the like reasons", err=True)
    return PARTIAL if skipped else 0
