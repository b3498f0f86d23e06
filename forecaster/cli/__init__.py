"""The command line: ``forecaster train | tune | predict | simulate | backtest | report | serve | models | …``.

Modules of this package import click and nothing heavy; what a command needs is imported when it runs, so that
``forecaster --help`` answers at once.

Exit codes: 0 done; 2 wrong usage or input, nothing written; 3 some series could not be forecast, the others were
written; 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from forecaster import __version__
from forecaster.cli.interrupts import INTERRUPTED
from forecaster.cli.options import example
from forecaster.errors import ForecasterError

__all__ = ["commands", "main", "run"]

WRONG = 2

_NAMES = (
    "train",
    "tune",
    "predict",
    "simulate",
    "backtest",
    "report",
    "learn",
    "suggest",
    "serve",
    "worker",
    "keys",
    "models",
    "publish",
    "rollback",
    "diagnose",
    "warm-up",
)
_MODULES = {name: name.replace("-", "_") for name in _NAMES}


class _Commands(click.Group):
    """Commands that are imported when they are asked for; each is named like its module."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(f"forecaster.cli.{module}"), module)
        return command


@click.group(
    cls=_Commands,
    context_settings={"max_content_width": 100},
    epilog=example(
        "forecaster train sales.csv --h 14 --model sales-model",
        "forecaster predict sales-model sales.csv --output forecast.csv",
    ),
)
@click.version_option(__version__, message="forecaster %(version)s")
def commands() -> None:
    """Forecast many time series at once with an LSTM."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    os.environ.setdefault("FORECASTER_CPU_LEVEL", "auto")  # this process is ours: no other code in it uses Numba
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # a tenth less memory for a large file, no slower
    sys.exit(run())


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    The one place where an error becomes a message: what this library raises on purpose is for the user to mend and
    gets one line; anything else is a fault of the program and keeps its traceback.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            code = commands.main(arguments, prog_name="forecaster", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("Interrupted.", err=True)
        return INTERRUPTED
    except ForecasterError as error:
        click.echo(f"error: {error}", err=True)
        return WRONG
    return int(code or 0)


def _show_warning(message: Warning | str, *_place: Any, **_more: Any) -> None:
    """Show a warning as a line; which line of this program gave it tells a user nothing."""
    click.echo(f"warning: {message}", err=True)
