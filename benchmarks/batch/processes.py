"""A process from its start to its end: how long, and how much memory it and what it starts have."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_SECONDS_BETWEEN_LOOKS = 0.02


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from exec to the end, seconds of processor time, and the most bytes of memory of all its processes."""

    seconds: float
    cpu: float
    peak: int


def measured(words: Sequence[str], environment: dict[str, str] | None = None) -> Run:
    """Run a command to its end.

    Raises
    ------
    RuntimeError
        It failed; the message is what it said last.
    """
    with tempfile.TemporaryFile() as said:
        before, began, peak = os.times(), time.perf_counter(), 0
        process = subprocess.Popen(  # noqa: S603 - our own commands
            words, cwd=ROOT, stdout=said, stderr=said, env=environment
        )
        while process.poll() is None:
            peak = max(peak, sum(map(_most_memory, _family(process.pid))))
            time.sleep(_SECONDS_BETWEEN_LOOKS)
        seconds, after = time.perf_counter() - began, os.times()
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}: {said.read().decode()[-2000:]}")
    children = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(seconds, children, peak)


def ours(model: Path | str, source: Path, output: Path, *, workers: int, options: Sequence[str] = ()) -> Run:
    """Run ``forecaster predict``."""
    words = [sys.executable, "-m", "forecaster.cli", "predict", str(model), str(source), "--output", str(output)]
    return measured([*words, "--workers", str(workers), *options])


def _family(pid: int) -> Iterator[int]:
    """Yield a process and all that it has started and that are still there."""
    yield pid
    for task in Path("/proc", str(pid), "task").glob("*"):
        try:
            children = (task / "children").read_text(encoding="ascii").split()
        except OSError:
            continue
        for child in children:
            yield from _family(int(child))


def _most_memory(pid: int) -> int:
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0
