"""``forecaster models``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from forecaster.cli.options import example, models_store
from forecaster.cli.shown import PARTIAL, show_table
from forecaster.config import BASE
from forecaster.errors import ModelFormatError, UnknownVersionError

if TYPE_CHECKING:
    from forecaster.store import ModelStore

Row = dict[str, str]


@click.command(
    short_help="List models and their versions.", epilog=example("forecaster models", "forecaster models --versions")
)
@click.argument("folder", required=False)
@click.option("--versions", is_flag=True, help="List all versions, the newest of each model first.")
def models(folder: str | None, versions: bool) -> int:
    """List the models in FOLDER, each with the version in use, and the base weights of the package.

    FOLDER is a folder or a URL such as s3://bucket/models (default: MODEL_STORE, FORECASTER_MODELS, or ./models).
    """
    store = models_store(folder)
    rows: list[Row] = []
    damaged: list[str] = []
    for name in store.names():
        _add_rows(store, name, rows, damaged, every=versions)
    if all(row["model"] != BASE for row in rows):
        rows.append(_base_row())
    for fault in damaged:
        click.echo(f"damaged {fault}", err=True)
    show_table(f"Models in {store}", rows)
    return PARTIAL if damaged else 0


def _add_rows(store: ModelStore, name: str, rows: list[Row], damaged: list[str], *, every: bool) -> None:
    """Add a row for the version in use, or for all, and what is wrong with those that have none."""
    current = None
    try:
        current = store.current(name)
    except ModelFormatError as error:
        damaged.append(f"{name}: {error}")
    chosen = [] if current is None else [current]
    for version in store.versions(name) if every else chosen:
        try:
            rows.append(_row(store, name, version, in_use=version == current))
        except (ModelFormatError, UnknownVersionError) as error:
            damaged.append(f"{name}: {error}")


def _row(store: ModelStore, name: str, version: str, *, in_use: bool) -> Row:
    from forecaster.storage import describe_model

    info = describe_model(store.folder(name, version))
    return {"model": name, **_said_of(info), "version": version, "in use": "yes" if in_use else "no"}


def _said_of(info: dict[str, Any]) -> Row:
    """Return what a description says in the columns of the table."""
    from forecaster.storage import kind_of

    training, mase = info["training"], (info["accuracy"] or {}).get("mase")
    if kind_of(info) != "forecaster":  # sequences have neither times nor a horizon
        columns = dict.fromkeys(("frequency", "h", "series", "from", "to", "MASE"), "")
        return columns | {"frequency": kind_of(info), "series": f"{training['sequences']:,}"}
    return {
        "frequency": str(info["frequency"]),
        "h": str(info["horizon"]),
        "series": f"{training['series']:,}",
        "from": str(training["first"]),
        "to": str(training["last"]),
        "MASE": "" if mase is None else f"{mase:.3f}",
    }


def _base_row() -> Row:
    from forecaster.recipes import RECIPES

    horizons = [recipe.horizon for recipe in RECIPES]
    empty = dict.fromkeys(("series", "from", "to", "MASE", "version", "in use"), "")
    return {"model": BASE, "frequency": "any", "h": f"{min(horizons)}-{max(horizons)}", **empty}
