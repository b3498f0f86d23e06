"""``python -m service openapi | problems | metrics | settings`` prints what the documentation holds of them.

``python -m service tables FILE...`` writes the tables in these documents again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from flask import Flask

from service.app import create_app
from service.metrics.definitions import metrics_table
from service.models.registry import ModelRegistry
from service.models.store import store_of
from service.openapi import openapi_text
from service.problems import kinds_table
from service.settings import Settings, settings_table

PRINTED: dict[str, Callable[[], str]] = {
    "openapi": lambda: openapi_text(described_app()),
    "problems": lambda: kinds_table() + "\n",
    "metrics": lambda: metrics_table() + "\n",
    "settings": lambda: settings_table() + "\n",
}


def described_app() -> Flask:
    """Return the application with no model loaded, for its description."""
    return create_app(Settings(), registry=ModelRegistry(store_of(Settings())))


_TABLE = re.compile(r"(<!-- generated: python -m service (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return a document with its generated tables made new.

    Raises
    ------
    ValueError
        It has none.
    """
    made, count = _TABLE.subn(lambda found: found[1] + PRINTED[found[2]]() + found[3], text)
    if not count:
        raise ValueError("The document has lost the markers of its table (<!-- generated: … -->); put them back.")
    return made


def _main(arguments: list[str]) -> None:
    if arguments[:1] == ["tables"] and len(arguments) > 1:
        for path in map(Path, arguments[1:]):
            path.write_text(with_tables(path.read_text(encoding="utf-8")), encoding="utf-8")
    elif len(arguments) == 1 and arguments[0] in PRINTED:
        sys.stdout.write(PRINTED[arguments[0]]())
    else:
        sys.exit(f"usage: python -m service {' | '.join(PRINTED)} | tables FILE...")


if __name__ == "__main__":
    _main(sys.argv[1:])
