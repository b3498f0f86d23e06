"""``python -m service openapi | problems | settings`` prints what the documentation holds of them."""

from __future__ import annotations

import sys
from collections.abc import Callable

from service.openapi import openapi_text
from service.problems import kinds_table
from service.settings import settings_table

PRINTED: dict[str, Callable[[], str]] = {
    "openapi": openapi_text,
    "problems": lambda: kinds_table() + "\n",
    "settings": lambda: settings_table() + "\n",
}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in PRINTED:
        sys.exit(f"usage: python -m service {' | '.join(PRINTED)}")
    sys.stdout.write(PRINTED[sys.argv[1]]())
