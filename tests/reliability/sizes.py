"""How large the tests of reliability are: small in `make test`, as large as they are meant in `make soak`."""

from __future__ import annotations

import os

__all__ = ["size"]


def size(small: int, full: int) -> int:
    """Return `full` in `make soak`, else `small`."""
    return full if os.environ.get("FORECASTER_SOAK") else small
