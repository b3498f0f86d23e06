"""``forecaster suggest``."""

from __future__ import annotations

from pathlib import Path

import click

from forecaster.cli.options import FILE, example

_MOST_LISTED = 5


@click.command(
    short_help="Tell what comes next in a text.",
    epilog=example(
        'forecaster suggest letters "thanks for reaching"',
        'forecaster suggest letters "thanks for" --generate 20 --temperature 0.7',
    ),
)
@click.argument("model", type=FILE)
@click.argument("context", default="")
@click.option("--k", type=int, default=5, show_default=True, help="Suggestions.")
@click.option("--generate", type=int, metavar="N", help="Go on with up to N symbols, drawn at random, instead.")
@click.option("--temperature", type=float, default=1.0, show_default=True, help="Of --generate; 0: the likeliest.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of --generate; same seed: same text.")
def suggest(model: Path, context: str, k: int, generate: int | None, temperature: float, seed: int) -> None:
    """Tell which symbols are likely to follow CONTEXT, with the model in folder MODEL, which `learn` has trained.

    Each line is a symbol and its probability in per cent, the likeliest first.
    """
    from forecaster import SymbolForecaster

    forecaster = SymbolForecaster.load(model)
    vocabulary = forecaster.vocabulary
    unknown = list(dict.fromkeys(one for one in vocabulary.split(context) if one not in vocabulary))
    if unknown:
        click.echo(f"not known to the model: {_listed(unknown)}", err=True)
    if generate is not None:
        drawn = forecaster.generate(generate, context, temperature=temperature, seed=seed)
        click.echo(vocabulary.join(drawn))
        return
    for symbol, probability in forecaster.next(context, k=k):
        click.echo(f"{100 * probability:5.1f}  {_shown(symbol)}")


def _listed(symbols: list[str]) -> str:
    """Return the first symbols, and how many there are beside them."""
    more = len(symbols) - _MOST_LISTED
    return ", ".join(map(_shown, symbols[:_MOST_LISTED])) + (f" and {more:,} more" if more > 0 else "")


def _shown(symbol: str) -> str:
    """Return a symbol as it is, unless it cannot be seen."""
    return symbol if symbol.isprintable() and not symbol.isspace() else repr(symbol)
