"""``forecaster rollback``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from forecaster.cli.options import check_servable, example, models_option, models_store
from forecaster.errors import InputError, ModelFormatError

if TYPE_CHECKING:
    from forecaster.store import ModelStore


@click.command(
    short_help="Go back to an earlier version of a model.",
    epilog=example("forecaster models --versions", "forecaster rollback sales"),
)
@click.argument("name")
@click.argument("version", required=False)
@models_option
def rollback(name: str, version: str | None, models: str | None) -> None:
    """Put VERSION of the model NAME into use; by default the one before that in use.

    A service that runs takes it up within seconds. Newer versions stay, and are put into use in the same way.
    """
    store = models_store(models)
    version = version or _before(store, name)
    check_servable(store.folder(name, version))  # what could not be served is not put into use
    store.set_current(name, version)
    click.echo(f"{name}: version {version} is in use in {store}.")


def _before(store: ModelStore, name: str) -> str:
    """Return the version before the one in use."""
    versions = store.versions(name)
    try:
        current = store.current(name)
    except ModelFormatError:  # a damaged pointer: whoever calls names a version
        current = None
    if current not in versions:
        raise InputError(f"No version of {name!r} is in use in {store}. Name one: {', '.join(versions) or 'none'}.")
    older = versions[versions.index(current) + 1 :]
    if not older:
        raise InputError(f"There is no version of {name!r} before {current} in {store}.")
    return older[0]
