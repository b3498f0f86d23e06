"""``forecaster keys``."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from forecaster.cli.options import example
from forecaster.cli.shown import show_table

SCOPES = ("forecast", "train", "admin", "metrics")


@click.group(
    short_help="Make, list and revoke keys of the service.",
    epilog=example("forecaster keys create shop --scope forecast --days 90", "forecaster keys revoke 1f8a6c02"),
)
def keys() -> None:
    """Make, list and revoke keys of the service, which asks for one as soon as there is one.

    They stand in the file that FORECASTER_KEYS names, or in keys.json in FORECASTER_STATE. A running service follows
    the file.
    """


@keys.command(short_help="Make a key.", epilog=example("forecaster keys create shop --scope forecast --days 90"))
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    required=True,
    help="What the key may; give several by repeating the option.",
)
@click.option("--days", type=int, help="Days after which it expires. [never]")
def create(name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key called NAME, and print it: only its digest is kept, so it cannot be shown again.

    To rotate a key, make a second one, give it to whoever uses the first, then revoke that.
    """
    room, path = _room()
    key, token = room.create_key(path, name, scopes, days=days)
    until = f" until {key.expires}" if key.expires else ""
    click.echo(f"Key {key.id} may {', '.join(key.scopes)}{until}; kept in {path}. Note it now:", err=True)
    click.echo(token)


@keys.command("list", short_help="List the keys.", epilog=example("forecaster keys list"))
def list_keys() -> None:
    """List the keys, also those that have expired or were revoked; HINT is how a key ends."""
    room, path = _room()
    now = datetime.now(UTC)
    rows = [
        {
            "id": key.id,
            "name": key.name,
            "hint": key.hint,
            "scopes": " ".join(key.scopes),
            "state": key.state(now),
            "created": key.created,
            "expires": key.expires or "",
        }
        for key in room.read_keys(path)
    ]
    if rows:
        show_table(f"Keys in {path}", rows)
    else:
        click.echo(f"No key in {path}.", err=True)


@keys.command(short_help="Revoke a key.", epilog=example("forecaster keys revoke 1f8a6c02"))
@click.argument("key_id", metavar="ID")
def revoke(key_id: str) -> None:
    """Revoke the key ID: from the next request on it is refused."""
    room, path = _room()
    key = room.revoke_key(path, key_id)
    click.echo(f"Revoked {key.id} ({key.name}).", err=True)


def _room() -> tuple[Any, Path]:
    """Return the service's room of keys and the file they are in; the library itself never imports the service."""
    settings = importlib.import_module("service.settings").Settings.from_environment()
    return importlib.import_module("service.keys"), settings.keys_file
