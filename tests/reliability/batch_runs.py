"""``forecaster predict`` as a process of its own, over files that are drawn at random."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from forecaster.cli import run
from tests.examples import trained

ROOT = Path(__file__).parents[2]
LEAST = "352M"
"""The least memory that a run may be told to keep to: many small pieces."""


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a process: its exit code, what it said, and the most memory it had in bytes."""

    code: int
    out: str
    err: str
    peak: int


@dataclass(slots=True)
class Batch:
    """A command, to be run once or many times; what it says goes to files in a folder of its own."""

    model: Path
    source: Path
    output: str
    said: Path
    options: Sequence[str] = ("--memory", LEAST, "--workers", "2")

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        """Start it."""
        self.said.mkdir(exist_ok=True)
        words = [sys.executable, "-m", "forecaster.cli", "predict", str(self.model), str(self.source)]
        with (self.said / "out").open("wb") as out, (self.said / "err").open("wb") as err:
            return subprocess.Popen(  # noqa: S603 - our own command
                [*words, "--output", self.output, *self.options, *more],
                cwd=ROOT, stdout=out, stderr=err, env=os.environ | {"FORECASTER_ENGINE": "compiled"},
            )  # fmt: skip

    def end(self, process: subprocess.Popen[bytes]) -> Done:
        """Wait for its end."""
        peak = 0
        while process.poll() is None:
            peak = max(peak, _most_memory(process.pid))
            time.sleep(0.01)
        texts = [(self.said / name).read_text(encoding="utf-8") for name in ("out", "err")]
        return Done(process.returncode, texts[0], texts[1], peak)

    def run(self, *more: str) -> Done:
        """Run it to its end."""
        return self.end(self.start(*more))

    def here(self, *more: str) -> Done:
        """Do in this process what `run` does, where neither its end nor its memory matters: in a fifth of the time.

        That time is Python's, to import all that is needed.
        """
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
            code = run(["predict", str(self.model), str(self.source), "--output", self.output, *self.options, *more])
        return Done(code, out.getvalue(), err.getvalue(), 0)


def _most_memory(pid: int) -> int:
    """Return the most memory that a process has had; what `wait4` says has that of its parent in it."""
    with suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(encoding="ascii"))
        return 1024 * int(found[1]) if found else 0
    return 0


def save_model(folder: Path) -> Path:
    """Save the model of the examples, which forecasts days."""
    trained().save(folder)
    return folder


def draw_parquet(path: Path, lengths: Iterator[int] | Sequence[int], *, scattered: bool = False) -> Path:
    """Write daily series of these lengths, one after the other or by day, without having them all in memory."""
    rng = np.random.default_rng(0)
    writer, number = None, 0
    sizes = list(lengths)
    for some in (sizes[at : at + 2000] for at in range(0, len(sizes), 2000)):
        ids = pa.array([f"series {number + place:07}" for place in range(len(some))])
        codes = np.repeat(np.arange(len(some)), some)
        steps = np.concatenate([np.arange(size) for size in some])
        waves = np.exp(0.02 * rng.standard_normal(len(codes)) + 0.1 * np.sin(steps * 2 * np.pi / 7))
        order = np.argsort(steps, kind="stable") if scattered else np.arange(len(codes))
        days = np.datetime64("1800-01-01", "s") + steps.astype("timedelta64[D]")
        columns = {
            "unique_id": ids.take(pa.array(codes[order])),
            "ds": days[order].astype("datetime64[ms]"),
            "y": ((100 + codes % 50) * waves)[order],
        }
        table = pa.table(columns)
        writer = writer or pq.ParquetWriter(path, table.schema)
        writer.write_table(table)
        number += len(some)
    if writer is not None:
        writer.close()
    return path


def contents(folder: Path, name: str) -> dict[str, bytes]:
    """Return the files of a result, whether it is a file or a folder, with its errors."""
    found = [*folder.glob(f"{name}"), *folder.glob(f"{name}.errors.csv"), *folder.glob(f"{name}/*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in found if path.is_file()}
