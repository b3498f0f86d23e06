"""What the kernel knows about a process."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

__all__ = ["Process", "process_of"]

_PROC = Path("/proc")


class Process(NamedTuple):
    """Memory, processor time and beginning of a process."""

    memory: int
    cpu_seconds: float
    started: float


def process_of(pid: int) -> Process | None:
    """Return the figures of a process; None if it is gone, or this is not Linux."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
        pages = int((_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return None
    values = stat.rpartition(")")[2].split()  # the name before it may hold anything
    ticks = os.sysconf("SC_CLK_TCK")
    cpu = (int(values[11]) + int(values[12])) / ticks
    return Process(pages * os.sysconf("SC_PAGE_SIZE"), cpu, _booted() + int(values[19]) / ticks)


@cache
def _booted() -> float:
    lines = (_PROC / "stat").read_text(encoding="ascii").splitlines()
    return next((float(line.split()[1]) for line in lines if line.startswith("btime ")), 0.0)
