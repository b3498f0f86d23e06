"""``forecaster warm-up``."""

from __future__ import annotations

import click

from forecaster.cli.options import example
from forecaster.errors import ConfigError


@click.command(
    "warm-up",
    short_help="Compile the kernels now, so that nobody waits later.",
    epilog=example("forecaster warm-up", "forecaster warm-up --check"),
)
@click.option("--check", is_flag=True, help="Fail if a kernel had to be compiled: the cache was not warm.")
def warm_up(check: bool) -> None:
    """Compile all kernels, or load them from the cache folder (FORECASTER_CACHE_DIR)."""
    from forecaster.warm_up import warm_up as warm_up_kernels

    done = warm_up_kernels()
    compiled, loaded, seconds = done["compiled"], done["loaded"], done["seconds"]
    click.echo(
        f"{done['kernels']} kernels, {compiled + loaded} signatures: {compiled} compiled, {loaded} loaded, "
        f"in {seconds:.1f} s ({done['folder']})"
    )
    if check and compiled:
        raise ConfigError(f"The cache was not warm: {compiled} signatures were compiled. Run forecaster warm-up first.")
