"""Writes docs/cli.md from the help texts: ``python -m forecaster.cli.reference > docs/cli.md``."""

from __future__ import annotations

from collections.abc import Iterator

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
        return "\n".join([_HEAD, *_sections("forecaster", top)])


def _sections(title: str, context: click.Context) -> Iterator[str]:
    """Give the section of a command, and after it those of the commands below it."""
    yield _section(title, context)
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            command = context.command.get_command(context, name)
            if command is not None:
                with _context(command, name, context) as below:
                    yield from _sections(f"{title} {name}", below)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    return click.Context(command, info_name=name, parent=parent, terminal_width=96, max_content_width=96)


def _section(title: str, context: click.Context) -> str:
    return f"## {title}\n\n```text\n{context.get_help().rstrip()}\n```\n"


if __name__ == "__main__":
    click.echo(reference(), nl=False)
