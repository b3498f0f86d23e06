"""What commands show while they work (on stderr) and when they are done (on stdout)."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from forecaster.outputs import is_device

if TYPE_CHECKING:
    from forecaster.batch import BatchProgress, BatchResult
    from forecaster.training import Progress

PARTIAL = 3
_SECONDS_OF_SILENCE = 2.0
_SECONDS_BETWEEN_LINES = 3.0
_MOST_NAMED = 20


class TrainingProgress:
    """Shows a training: a bar on a terminal, a line every few seconds elsewhere; on stderr.

    Of what an executor other than the serial one does at once it shows only that something is going on.
    """

    def __init__(self, label: str = "Training", *, executor: str = "serial") -> None:
        self._label = label
        self._note = "preparing the kernels" if executor == "serial" else f"several at once ({executor})"
        self._bar: Any = None
        self._task: Any = None
        self._shown = time.monotonic()

    def __enter__(self) -> Self:
        """Start the bar."""
        if sys.stderr.isatty():
            self._bar = rich_bar()
            self._task = self._bar.add_task(self._label, total=None, note=self._note)
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


class BatchBar:
    """Shows a run over a file that takes more than a moment: a bar on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._bar: Any = None
        self._task: Any = None
        self._began = self._shown = time.monotonic()
        self._stage = ""

    def __enter__(self) -> Self:
        """Return self; nothing is shown yet."""
        return self

    def __call__(self, progress: BatchProgress) -> None:
        """Show where the run is."""
        now = time.monotonic()
        if now - self._began < _SECONDS_OF_SILENCE:
            return
        if sys.stderr.isatty():
            self._draw(progress)
        elif now - self._shown >= max(_SECONDS_BETWEEN_LINES, (now - self._began) / 10):
            self._shown = now
            notes = ", ".join(_batch_notes(progress))
            click.echo(f"  {progress.stage}: {notes}" if notes else f"  {progress.stage}", err=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the bar."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, progress: BatchProgress) -> None:
        if self._bar is None:
            self._bar = _rich_batch_bar()
            self._task = self._bar.add_task("", total=None, note="")
            self._bar.start()
        self._bar.update(
            self._task,
            description=progress.stage.capitalize(),
            total=progress.total,
            completed=progress.rows,
            note=", ".join(_batch_notes(progress)),
        )


def _batch_notes(progress: BatchProgress) -> list[str]:
    """Return rows, series a second and time left, as far as they are known."""
    of = "" if progress.total is None else f" of {progress.total:,}"
    notes = [f"{progress.rows:,}{of} rows"] if progress.rows else []
    rows, series = progress.rows - progress.rows_before, progress.series - progress.series_before
    if series and progress.seconds:
        rate = series / progress.seconds
        notes.append(f"{rate:,.0f} series/s" if rate >= 10 else f"{rate:.1f} series/s")
    if rows and progress.total is not None:
        notes.append(f"{_duration((progress.total - progress.rows) * progress.seconds / rows)} left")
    return notes


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


def _rich_batch_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
    return Progress(*columns, console=Console(stderr=True))


def rich_bar() -> Any:
    """Return a bar with a note beside it."""
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


def tell_written(output: str | Path, said: str) -> None:
    """Say what has been written where; on stderr where it went to a device or pipe, which may be stdout itself."""
    click.echo(f"{output}: {said}", err=is_device(Path(output)))


def name_skipped(skipped: Mapping[str, str]) -> int:
    """Name on stderr the series that have no forecast, and return the exit code that follows."""
    for unique_id, reason in list(skipped.items())[:_MOST_NAMED]:
        click.echo(f"skipped {unique_id}: {reason}", err=True)
    if len(skipped) > _MOST_NAMED:
        click.echo(f"skipped {len(skipped) - _MOST_NAMED:,} more series for the like reasons", err=True)
    return PARTIAL if skipped else 0


def name_left_out(result: BatchResult) -> int:
    """Name on stderr the series of a file that have no forecast, and return the exit code that follows."""
    for unique_id, reason in result.named:
        click.echo(f"skipped {unique_id}: {reason}", err=True)
    if result.skipped > len(result.named):
        click.echo(f"skipped {result.skipped - len(result.named):,} more series", err=True)
    if result.errors is not None:
        click.echo(f"{result.errors}: {count(result.skipped, 'series')} without a forecast", err=True)
    return PARTIAL if result.skipped else 0
