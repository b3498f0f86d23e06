"""Writes docs/cli.md from the help texts: ``python -m forecaster.cli.reference > docs/cli.md``."""

from __future__ import annotations

import click

from forecaster.cli import commands

_HEAD = """\
# Command line

Written by `make docs` from the help texts; a test holds the two together.

| exit code | meaning |
|---|---|
| 0 | done |
| 2 | wrong usage or input; nothing was written |
| 3 | some series could not be forecast and are named; the others were written |
| 130 | interrupted; no file is left half-written |
"""


def reference() -> str:
    """Return docs/cli.md."""
    with _context(commands, "forecaster", None) as top:
        parts = [_HEAD, _section("forecaster", top)]
        for name in commands.list_commands(top):
            command = commands.get_command(top, name)
            if command is not None:
                with _context(command, name, top) as context:
                    parts.append(_section(f"forecaster {name}", context))
    return "\n".join(parts)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, terminal_width=96, max_content_width=96)


def _section(title: str, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{context.get_help().rstrip()}\n```\n"


if __name__ == "__main__":
    click.echo(reference(), nl=False)
