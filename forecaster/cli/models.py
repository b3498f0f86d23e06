"""``forecaster models``."""

from __future__ import annotations

from pathlib import Path

import click

from forecaster.cli.options import BASE, FILE, example, models_folder, models_in
from forecaster.cli.report import PARTIAL, show_table
from forecaster.errors import ModelFormatError


@click.command(short_help="List the models in a folder.", epilog=example("forecaster models"))
@click.argument("folder", type=FILE, required=False)
def models(folder: Path | None) -> int:
    """List the models in FOLDER (default: FORECASTER_MODELS, or ./models), and the base weights of the package."""
    folder = models_folder(folder)
    rows, damaged = [], 0
    for place in models_in(folder):
        try:
            rows.append(_row(place))
        except ModelFormatError as error:
            damaged += 1
            click.echo(f"damaged {place.name}: {error}", err=True)
    if all(row["model"] != BASE for row in rows):
        rows.append(_base_row())
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


def _base_row() -> dict[str, str]:
    from forecaster.recipes import RECIPES

    horizons = [recipe.horizon for recipe in RECIPES]
    empty = dict.fromkeys(("series", "from", "to", "MASE"), "")
    return {"model": BASE, "frequency": "any", "h": f"{min(horizons)}-{max(horizons)}", **empty}
