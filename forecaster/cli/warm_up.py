"""``forecaster warm-up``."""

from __future__ import annotations

from typing import Any

import click

from forecaster.cli.options import example
from forecaster.errors import ConfigError


def _levels(_context: click.Context, _option: click.Parameter, value: str) -> tuple[str, ...]:
    from forecaster.kernels._level import levels

    chosen = levels() if value == "all" else tuple(part.strip() for part in value.split(",") if part.strip())
    if not set(chosen) <= set(levels()):
        raise click.BadParameter(f"expected all, or some of {', '.join(levels())}, got {value!r}.")
    return chosen


@click.command(
    "warm-up",
    short_help="Compile the kernels now, so that nobody waits later.",
    epilog=example("forecaster warm-up", "forecaster warm-up --levels all --check"),
)
@click.option(
    "--levels",
    callback=_levels,
    default="",
    metavar="LEVELS",
    help="Compile for other processors as well: v2,v3,v4 (the levels of x86-64) or all.",
)
@click.option("--check", is_flag=True, help="Fail if a kernel had to be compiled: the cache was not warm.")
def warm_up(levels: tuple[str, ...], check: bool) -> None:
    """Compile all kernels, or load them from the cache folder (FORECASTER_CACHE_DIR)."""
    from forecaster.warm_up import bake
    from forecaster.warm_up import warm_up as warm_up_kernels

    done = warm_up_kernels()
    click.echo(f"{done['kernels']} kernels: {_said(done)} ({done['folder']})")
    compiled = done["compiled"]
    for level in levels:
        done = bake(level)
        click.echo(f"for {level}: {_said(done)}")
        compiled += done["compiled"]
    if check and compiled:
        raise ConfigError(f"The cache was not warm: {compiled} signatures were compiled. Run forecaster warm-up first.")


def _said(done: dict[str, Any]) -> str:
    compiled, loaded, stored = done["compiled"], done["loaded"], done["stored"]
    kept = "" if stored == compiled else f" ({compiled - stored} could not be kept)"
    # A compiled kernel is counted beside those it calls; a loaded one holds them.
    said = f"{compiled} signatures compiled{kept}, {loaded} loaded with those they call"
    return f"{said}, in {done['seconds']:.1f} s"
