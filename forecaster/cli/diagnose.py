"""``forecaster diagnose``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from forecaster.cli.options import FILE, example
from forecaster.cli.shown import TrainingProgress, count, show_table
from forecaster.shape import CELLS, Cell

if TYPE_CHECKING:
    from forecaster.diagnosis import GradientFlow


@click.command(
    short_help="Measure how far back gradients reach through a cell.",
    epilog=example("forecaster diagnose --cell rnn --cell lstm --plot gradients.png"),
)
@click.option(
    "--cell", "cells", type=click.Choice(CELLS), multiple=True, help="Recurrent cell; can be repeated. [all of them]"
)
@click.option("--length", type=click.IntRange(2, 10_000), default=100, show_default=True, help="Steps of a sequence.")
@click.option("--hidden", type=int, default=32, show_default=True, help="Units of the layer.")
@click.option(
    "--task",
    type=click.Choice(("adding", "copy")),
    default="adding",
    show_default=True,
    help="Adding: the sum of two marked numbers. Copy: the first symbol, at the end.",
)
@click.option(
    "--steps", type=click.IntRange(min=0), default=3000, show_default=True, help="Training steps; 0: untrained only."
)
@click.option("--gain", type=float, default=1.0, show_default=True, help="Factor of the first recurrent weights.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed: same figures.")
@click.option("--threads", type=click.IntRange(min=1), help="Threads to train with. [one a processor]")
@click.option("--plot", type=FILE, help="File to draw the figures to: .png, .svg or .pdf.")
def diagnose(
    cells: tuple[Cell, ...],
    length: int,
    hidden: int,
    task: str,
    steps: int,
    gain: float,
    seed: int,
    threads: int | None,
    plot: Path | None,
) -> None:
    """Measure the gradient that reaches each earlier step of a sequence from an answer at its end.

    The last step's is 1. Where far less arrives, a network of this cell cannot learn from what was so long ago; where
    far more does, training jumps about unless gradients are clipped. Measured before and after training on a task that
    needs a long memory.
    """
    from forecaster.diagnosis import gradient_flow

    if plot is not None:
        from forecaster.plots import check_plot

        check_plot(plot)
    flows = []
    for cell in dict.fromkeys(cells or CELLS):
        with TrainingProgress(f"{'Training' if steps else 'Measurement'} of {cell.upper()}") as progress:
            flow = gradient_flow(
                cell, steps=length, hidden=hidden, task=task, training={"steps": steps or 1},  # type: ignore[arg-type]  # click checked it
                trained=steps != 0, gain=gain, seed=seed, threads=threads, progress=progress,
            )  # fmt: skip
        flows.append(flow)
    show_table(f"Gradient that reaches a step, {length} steps", _rows(flows))
    for flow in flows:
        if flow.history is not None:
            click.echo(_learned(flow))
    if plot is not None:
        from forecaster.plots import plot_gradients

        plot_gradients(flows, plot)
        click.echo(f"{plot}: {count(len(flows), 'cells')}")


def _rows(flows: list[GradientFlow]) -> list[dict[str, str]]:
    length = len(flows[0].norms)
    backs = [back for back in (0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000) if back < length - 1]
    rows = []
    for back in [*backs, length - 1]:
        row = {"steps back": f"{back:,}"}
        for flow in flows:
            name = flow.cell.upper()
            row[name] = f"{flow.norms[-1 - back]:.2g}"
            if flow.trained_norms is not None:
                row[f"{name} trained"] = f"{flow.trained_norms[-1 - back]:.2g}"
        rows.append(row)
    return rows


def _learned(flow: GradientFlow) -> str:
    history = flow.history
    if history is None or flow.loss is None:
        return f"{flow.cell.upper()}: not trained"
    measure = "mean squared error" if flow.task == "adding" else "cross-entropy"
    clipped = f"clipped in {history.clipped:,} of {count(history.steps, 'steps')}"
    return f"{flow.cell.upper()}: {measure} {flow.loss:.3g} (without memory {flow.chance:.3g}), gradients {clipped}"
