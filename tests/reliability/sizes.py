"""How much a test of reliability does: little with all other tests, what the issue asks for with ``make soak``."""

from __future__ import annotations

import os
from typing import TypeVar

Size = TypeVar("Size")


def size(small: Size, full: Size) -> Size:
    """Return the full size where FORECASTER_SOAK is set."""
    return full if os.environ.get("FORECASTER_SOAK") else small


def say(line: str) -> None:
    """Tell a figure, shown with ``-s``."""
    print(line)  # noqa: T201 - that is what it is for
