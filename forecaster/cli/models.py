"""``forecaster models``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from forecaster.cli.options import FILE, example, model_folders
from forecaster.cli.report import PARTIAL, show_table
from forecaster.errors import ModelFormatError


@click.command(short_help="List the models in a folder.", epilog=example("forecaster models"))
@click.argument("folder", type=FILE, required=False)
def models(folder: Path | None) -> int:
    """List the models in FOLDER (default: FORECASTER_MODELS, or ./models)."""
    folder = folder or Path(os.environ.get("FORECASTER_MODELS") or "models")
    rows, damaged = [], 0
    for place in model_folders(folder):
        try:
            rows.append(_row(place))
        except ModelFormatError as error:
            damaged += 1
            click.echo(f"damaged {place.name}: {error}", err=True)
    if rows:
        show_table(f"Models in {folder}", rows)
    return PARTIAL if damaged else 0


def _row(place: Path) -> dict[str, str]:
    from forecaster.storage import describe_model

    info = describe_model(place)
    training, mase = info["training"], (info["accuracy"] or {}).get("mase")
    return {
        "model": place.name,
        "frequency": str(info["frequency"]),
        "h": str(info["horizon"]),
        "series": f"{training['series']:,}",
        "from": str(training["first"]),
        "to": str(training["last"]),
        "MASE": "" if mase is None else f"{mase:.3f}",
    }
