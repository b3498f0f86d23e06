"""Memory of training beyond the data: ``python -m benchmarks.kernels.memory 1000`` prints it for so many series."""

from __future__ import annotations

import ctypes
import gc
import subprocess
import sys
from pathlib import Path

from benchmarks.kernels.peers import ROOT

SIZES = (1_000, 10_000)
LENGTH = 120


def measure() -> dict[int, int] | None:
    """Return by number of series the bytes training took at its peak beyond the data; None where Linux does not tell.

    Each size has a process of its own.
    """
    print("\nMemory of training at its peak, beyond the data")
    taken = {}
    for size in SIZES:
        asked = [sys.executable, "-m", "benchmarks.kernels.memory", str(size)]
        answer = subprocess.run(asked, check=True, capture_output=True, text=True, cwd=ROOT)  # noqa: S603 - our own
        if not answer.stdout.strip():
            print("  not measured: /proc does not tell")
            return None
        taken[size] = int(answer.stdout)
        data = size * LENGTH * 8
        print(f"  {size:6,d} series of {LENGTH} values ({data / 1e6:.1f} MB): {taken[size] / 1e6:.1f} MB", flush=True)
    return taken


def peak_beyond_data(series: int) -> int | None:
    """Train and return how far the memory rose above what it was with the data loaded and everything compiled."""
    from benchmarks.kernels.forecasting import months, random_walks
    from forecaster import Forecaster
    from forecaster.config import TrainingConfig

    settings = TrainingConfig(steps=25)
    Forecaster(h=12, training=settings).fit(months(random_walks(8, LENGTH)))
    panel = months(random_walks(series, LENGTH))
    before = _reset_peak()
    Forecaster(h=12, training=settings).fit(panel)
    peak = _status("VmHWM")
    return None if before is None or peak is None else peak - before


def _reset_peak() -> int | None:
    """Give back what is free, let the peak begin anew and return the memory in use."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)  # or training would fill what making the series left, and seem to take nothing
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except (OSError, AttributeError):
        return None
    return _status("VmRSS")


def _status(name: str) -> int | None:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return 1024 * int(line.split()[1])
    return None


if __name__ == "__main__":
    found = peak_beyond_data(int(sys.argv[1]))
    print("" if found is None else found)
