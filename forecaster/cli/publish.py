"""``forecaster publish``."""

from __future__ import annotations

from pathlib import Path

import click

from forecaster.cli.options import FILE, check_servable, example, models_option, models_store


@click.command(
    short_help="Make a model a new version that is served.",
    epilog=example(
        "forecaster train sales.csv --h 14 --model sales-model", "forecaster publish sales-model sales --models models"
    ),
)
@click.argument("model", type=FILE)
@click.argument("name")
@models_option
def publish(model: Path, name: str, models: str | None) -> None:
    """Copy the model in folder MODEL to the models as a new version of NAME, and put it into use.

    A service that runs takes it up within seconds. Earlier versions stay: forecaster rollback goes back to them.
    """
    from forecaster.versions import new_version

    check_servable(model)  # what could not be served is not published
    store, version = models_store(models, new=True), new_version()
    store.add(name, version, model)
    store.set_current(name, version)
    click.echo(f"{name}: version {version} is in use in {store}.")
