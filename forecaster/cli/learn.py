"""``forecaster learn``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecaster.cli.options import FILE, example
from forecaster.cli.shown import TrainingProgress, clipped_in, count
from forecaster.shape import CELLS, UNITS
from forecaster.textfile import PARTS


@click.command(
    short_help="Train a model on a text, for suggest.",
    epilog=example(
        "forecaster learn letters.txt --model letters",
        "forecaster learn machine.log --units symbols --parts lines --model machine",
    ),
)
@click.argument("text", type=FILE)
@click.option(
    "--model", type=FILE, required=True, help="Folder to save the model in; an older model there is replaced."
)
@click.option(
    "--units",
    type=click.Choice(UNITS),
    default=UNITS[0],
    show_default=True,
    help="What a symbol is. Symbols, such as states of a machine, are parted by white space.",
)
@click.option(
    "--parts",
    type=click.Choice(PARTS),
    default=PARTS[0],
    show_default=True,
    help="What a sequence of its own is, with a beginning and an end.",
)
@click.option("--cell", type=click.Choice(CELLS), default=CELLS[0], show_default=True, help="Recurrent cell.")
@click.option("--most", type=int, default=20_000, show_default=True, help="Symbols known at the most.")
@click.option("--seed", type=int, default=0, show_default=True, help="Same seed: same model.")
@click.option("--steps", type=int, help="Training steps at the most. [by the length of the text]")
@click.option("--threads", type=int, help="Threads to train with. [one a processor]")
def learn(text: Path, model: Path, parts: Any, steps: int | None, **options: Any) -> None:
    """Train a model on TEXT, a file in UTF-8 (.txt, .txt.gz), that tells which word, character or state comes next.

    A twentieth is held out. The weights that guess it best are kept, and how well is told beside what counting pairs
    and triples would do.
    """
    from forecaster import SymbolForecaster
    from forecaster.storage import check_model_target
    from forecaster.textfile import read_texts

    check_model_target(model)
    forecaster = SymbolForecaster(training=None if steps is None else {"steps": steps}, **options)
    texts: list[Any] = read_texts(text, parts)
    if forecaster.units == "symbols":  # a list of texts would be one sequence of them
        texts = [each.split() for each in texts]
    with TrainingProgress(f"Training on {count(len(texts), 'sequences')}") as progress:
        forecaster.fit(texts, progress=progress)
    forecaster.save(model)
    click.echo(f"{model}: {_describe(forecaster.info, forecaster.units)}")


def _describe(info: dict[str, Any], units: str) -> str:
    """Return what a newly trained model is like, in a line."""
    training, accuracy = info["training"], info["accuracy"]
    told = f"trained on {count(training['values'], units)} in {training['seconds']:.1f} s"
    told += f", knows {count(len(info['vocabulary']['symbols']), units)}"
    if accuracy is not None:
        counted = ", ".join(f"{name} {accuracy[name]:.1f}" for name in ("unigram", "bigram", "trigram"))
        told += f"; held-out perplexity {accuracy['perplexity']:.1f}, by which the weights were chosen ({counted})"
    return told + clipped_in(training["clipped_steps"], training["steps"])
