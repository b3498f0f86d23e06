"""What a batch over many machines is limited by: ``python -m benchmarks.scale`` (``--quick``: little, nothing written).

Measures what one core forecasts, what the driver alone can read, hand out, take back and write, how many bytes travel
for a series, and what a single long series takes. Writes ``benchmarks/results/scale.json``, from which docs/scale.md
gets its tables, with the rate of whole runs in ``batch.json`` where that is there (``python -m benchmarks.tables``).
"""

from __future__ import annotations

import argparse
import pickle
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.batch.report import train
from benchmarks.batch.tables import DAYS_AHEAD, LENGTH, draw
from benchmarks.machine import machine
from benchmarks.results import Figure, Report, load, save, text_table
from forecaster import Forecaster, forecast_file
from forecaster.batch.pieces import Piece
from forecaster.batch.work import Job, Made, forecast_piece
from forecaster.executors import Serial

SERIES = 100_000
LONG_ROWS = 2_000_000
RUNS = 5

SHAPE = f"two layers of 64 over 48 steps, {LENGTH} days in and {DAYS_AHEAD} out with two intervals, Parquet to Parquet"

SIZES = (10**6, 10**7, 10**8)
CORES = (2, 8, 32, 128)
PRICE = 0.05
"""Dollars that an hour of one core costs, about what cloud machines of several cores cost on demand."""

NETWORK_BYTES = 10e9 / 8
"""A second, through a machine's network of 10 Gbit/s."""


class Canned:
    """An executor whose workers take no time: each piece gets the forecasts of the first one of its size.

    What a run with it takes is what the driver takes, whoever forecasts.
    """

    threads_each = 1
    is_here = False

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.first: tuple[Piece, Made, Job] | None = None
        self.seconds = 0.0
        self._made: dict[int, Made] = {}

    def map(self, function: Callable[..., Any], items: Iterable[Any], *, shared: Sequence[Any] = ()) -> list[Any]:
        """As `Executor.map`."""
        return list(self.stream(function, items, shared=shared))

    def stream(
        self,
        function: Callable[..., Any],
        items: Iterable[Any],
        *,
        shared: Sequence[Any] = (),
        ahead: int | None = None,  # noqa: ARG002 - nothing is ahead
    ) -> Iterator[Any]:
        """As `Executor.stream`, but for the work; pieces and results are packed as they are to be sent."""
        for piece in items:
            count = len(piece.table.names)
            if count not in self._made:
                began = time.perf_counter()
                self._made[count] = function(piece, *shared)
                self.seconds += time.perf_counter() - began
                self.first = self.first or (piece, self._made[count], shared[0])
            pickle.dumps(piece, pickle.HIGHEST_PROTOCOL)
            sent = pickle.dumps(self._made[count], pickle.HIGHEST_PROTOCOL)
            made: Made = pickle.loads(sent)  # noqa: S301 - made the line before
            yield Made(made.content, made.series, made.failures, piece.rows, piece.end)


class _Driver(NamedTuple):
    """What a run without work took, and what it was made of."""

    seconds: float
    first: tuple[Piece, Made, Job]


def measure(series: int = SERIES, runs: int = RUNS, long_rows: int = LONG_ROWS) -> Report:
    """Return the figures."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = Forecaster.load(train(folder / "model"), threads=1).prepare()
        source = draw(folder / "in.parquet", series).path
        drivers = [_drive(model, source, folder / "out.parquet") for _ in range(runs)]
        piece, made, job = drivers[0].first
        rates = [made.series / _seconds(forecast_piece, piece, job) for _ in range(runs)]
        long = [_long(folder / "long.parquet", long_rows) for _ in range(min(runs, 3))]
    sent, back = len(pickle.dumps(piece, pickle.HIGHEST_PROTOCOL)), len(pickle.dumps(made, pickle.HIGHEST_PROTOCOL))
    driver = [series / one.seconds for one in drivers]
    figures = [
        _figure("core", "Forecast by one core", rates, "1/s", note=SHAPE),
        _figure("driver", "Read, sent, taken back and written by the driver alone", driver, "1/s", note=SHAPE),
        _figure("sent", "Sent to a worker for a series", [sent / made.series], "bytes"),
        _figure("back", "Sent back for a series", [back / made.series], "bytes"),
        _figure("row", "A million rows of one series", [1e6 * one / long_rows for one in long], "s"),
    ]
    return Report(datetime.now(UTC).date().isoformat(), machine(), figures)


def _figure(key: str, what: str, values: Sequence[float], unit: str, note: str = "") -> Figure:
    low, high = min(values), max(values)
    return Figure(key, what, statistics.median(values), unit, runs=len(values), low=low, high=high, note=note)


def _drive(model: Forecaster, source: Path, output: Path) -> _Driver:
    """Run over a file with workers that take no time."""
    executor = Canned(workers=2)
    seconds = _seconds(forecast_file, model, source, output, executor=executor)
    output.unlink()
    if executor.first is None:
        raise ValueError("the file is forecast in one piece: there are too few series in it to measure with.")
    return _Driver(seconds - executor.seconds, executor.first)


def _long(path: Path, rows: int) -> float:
    """Return the seconds to forecast a file of one series of so many rows."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    minutes = (np.datetime64("1900-01-01") + np.arange(rows).astype("timedelta64[m]")).astype("datetime64[us]")
    pq.write_table(pa.table({"unique_id": ["long"] * rows, "ds": minutes, "y": np.arange(rows) % 1440.0}), path)
    forecaster = Forecaster.pretrained("min")
    return _seconds(forecast_file, forecaster, path, path.with_name("out.parquet"), executor=Serial(), memory="8G")


def _seconds(function: Callable[..., Any], *arguments: Any, **options: Any) -> float:
    began = time.perf_counter()
    function(*arguments, **options)
    return time.perf_counter() - began


def core_rate(report: Report, batch: Report | None) -> tuple[float, str]:
    """Return the series a second and core, and what measured it: whole runs over the largest file, where they were."""
    whole = [figure for figure in ([] if batch is None else batch.figures) if re.fullmatch(r"core_\d+", figure.key)]
    if whole:
        largest = max(whole, key=lambda figure: int(figure.key.removeprefix("core_")))
        return largest.value or 0.0, "benchmarks.batch"
    return next(figure.value or 0.0 for figure in report.figures if figure.key == "core"), "benchmarks.scale"


def sizing_block(report: Report, batch: Report | None = None) -> str:
    """Return how long and how much, by series and cores."""
    core, source = core_rate(report, batch)
    driver = next(figure.value or 0.0 for figure in report.figures if figure.key == "driver")
    head = ["| series | " + " | ".join(f"{cores} cores" for cores in CORES) + " | core hours | about |"]
    head.append("|---:|" + "---:|" * (len(CORES) + 2))
    rows = []
    for series in SIZES:
        times = [_time(series, cores * core, driver) for cores in CORES]
        hours = series / core / 3600
        rows.append(f"| {series:,} | {' | '.join(times)} | {hours:,.2g} | {_dollars(hours * PRICE)} |")
    where = f"Measured on {report.date}: {report.machine['cpu']} (`python -m {source}`)."
    said = (
        f"{core:,.0f} series a second and core: {SHAPE}. A core hour is taken for ${PRICE:.2f}. Bold: "
        "one driver is the limit."
    )
    return "\n".join([*head, *rows, "", said, where])


def limits_block(report: Report) -> str:
    """Return where one driver stops scaling, as arithmetic on what was measured."""
    value = {figure.key: figure.value or 0.0 for figure in report.figures}
    core, driver, row = value["core"], value["driver"], value["row"]
    travels = value["sent"] + value["back"]
    network = NETWORK_BYTES / travels
    rows = [
        ("the driver reads, hands out, takes back, writes", f"{driver:,.0f} series/s", driver),
        (f"its network of 10 Gbit/s carries {travels:,.0f} bytes a series", f"{network:,.0f} series/s", network),
    ]
    lines = [f"| {what} | {rate} | {_cores(limit / core)} |" for what, rate, limit in rows]
    long = f"A series of a million rows takes {row:.1f} s, however many cores there are."
    return "\n".join(["| limit | rate | cores it keeps busy |", "|---|---:|---:|", *lines, "", long])


def _cores(count: float) -> str:
    return f"{count:.1f}" if count < 10 else f"{count:,.0f}"


def _time(series: int, workers: float, driver: float) -> str:
    """Return how long so many series take at these rates; bold where more workers would be of no use."""
    seconds = series / min(workers, driver)
    said = f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:,.0f} min"
    if seconds >= 6000:
        said = f"{seconds / 3600:,.1f} h"
    return said if workers < driver else f"**{said}**"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}" if amount >= 0.01 else "< $0.01"


def main() -> None:
    """Measure, write and show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little, and nothing is written")
    quick = parser.parse_args().quick
    report = measure(20_000, 1, 200_000) if quick else measure()
    if not quick:
        save("scale", report)
    print(text_table(report))
    print(f"\n{sizing_block(report, load('batch'))}\n\n{limits_block(report)}")


if __name__ == "__main__":
    main()
