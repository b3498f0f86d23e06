"""``forecaster train``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecaster.cli.options import FILE, example, new_forecaster, read, reading_options, training_options
from forecaster.cli.shown import TrainingProgress, clipped_in, count


@click.command(
    short_help="Train a model on a table of series.",
    epilog=example("forecaster train sales.csv --h 14 --model sales-model"),
)
@click.argument("csv", type=FILE)
@click.option("--h", type=int, required=True, help="Horizon: steps to forecast ahead.")
@click.option(
    "--model", type=FILE, required=True, help="Folder to save the model in; an older model there is replaced."
)
@reading_options
@training_options
def train(csv: Path, h: int, model: Path, **options: Any) -> None:
    """Train a model on CSV (.csv, .csv.gz or .parquet) and save it in a folder.

    The table is long, with columns unique_id, ds and y, or wide, with a column ds and one for each series. Training
    starts from base weights, which have learned from many series of this kind, or from random ones (--init random,
    another --cell than lstm, another --loss than pinball).
    """
    from forecaster.storage import check_model_target

    check_model_target(model)
    forecaster = new_forecaster(h, options)
    panel = read(csv, options)
    size = f"{count(len(panel), 'series')}, {count(int(panel.observed.sum()), 'values')}"
    with TrainingProgress(f"Training on {size}", executor=options["executor"]) as progress:
        forecaster.fit(panel, init=options["init"], progress=progress, executor=options["executor"])
    forecaster.save(model)
    click.echo(f"{model}: {describe(forecaster.info)}")


def describe(info: dict[str, Any]) -> str:
    """Return what a newly trained model is like, in a line."""
    training, accuracy = info["training"], info["accuracy"]
    cell = info["architecture"]["cell"].upper()
    how = "trained" if training.get("init") == "base" else f"{cell} trained from random weights"
    text = f"{how} on {count(training['series'], 'series')} in {training['seconds']:.1f} s"
    if accuracy and accuracy.get("mase") is not None:
        text += f"; MASE {accuracy['mase']:.3f} on the held-out horizon"
    return text + clipped_in(sum(training["clipped_steps"]), sum(training["steps"]))
