"""Two sizes of the same test: a small one for every day, the full one for ``make soak``."""

from __future__ import annotations

import os


def size(small: int, full: int) -> int:
    return full if os.environ.get("FORECASTER_SOAK") else small
