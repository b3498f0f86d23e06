"""One run: our rates and memory by size, the kernels' own rate, the peers on the same file; all of it as figures."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np

from benchmarks.batch.peer_side import NEURALFORECAST, STATSFORECAST
from benchmarks.batch.processes import ROOT, Run, measured, ours
from benchmarks.batch.tables import DAYS_AHEAD, LENGTH, WEEK, Table, draw, m4, walks
from benchmarks.kernels.clock import repeated, take_turns
from benchmarks.kernels.peers import INTERPRETER, command, environment
from benchmarks.machine import machine
from benchmarks.results import Figure, Report, save, shown
from forecaster import Forecaster, Panel
from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.executors import Threads
from forecaster.scaling import scale_panel
from forecaster.trunk import Packed
from forecaster.windows import window_quantiles

SHAPE = NetworkConfig(lags=24, positions=48, layers=2, hidden=64)
_KERNEL_SERIES = 4_096
_KERNEL_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much is measured.

    Attributes
    ----------
    series : sequence of int
        Series of the files that are drawn.
    peers, ets : int
        Series of the first of them that the peers forecast, 0 for no peers; AutoETS, which takes a thousand times as
        long, fewer.
    m4 : Path or None
        Folder of M4.
    workers : int
        Processors that everybody may use.
    repeats : int
        Runs of ours over each file, between runs of the kernels alone.
    """

    series: Sequence[int]
    peers: int
    ets: int
    m4: Path | None
    workers: int
    repeats: int = 1


def run(sizes: Sizes, folder: Path, *, keep: bool) -> Report:
    """Measure, print and, if to be kept, write ``results/batch.json``."""
    model = train(folder / "model")
    figures: list[Figure] = []

    def tell(figure: Figure) -> None:
        figures.append(figure)
        print(f"  {figure.what}: {shown(figure)}" + (f" ({figure.note})" if figure.note else ""), flush=True)

    print(f"\nA network of two layers of 64 over 48 steps, {LENGTH} days in, {DAYS_AHEAD} days out, Parquet to Parquet")
    tables = [draw(folder / f"{series}.parquet", series) for series in sizes.series]
    for table in tables:
        for figure in _ours(model, table, folder, sizes):
            tell(figure)
        if table is not tables[0]:
            table.path.unlink()  # hundreds of megabytes
    peaks = [figure.value or 0.0 for figure in figures if figure.key.startswith("peak_")]
    tell(
        Figure(
            "peak_growth", "Memory of the largest file beside that of the smallest", peaks[-1] / peaks[0] - 1, "share"
        )
    )
    installed = _versions() if sizes.peers else {}
    for figure in _peers(installed, tables[0], folder, sizes) if sizes.peers else ():
        tell(figure)
    if sizes.m4 is not None:
        for figure in _m4(sizes.m4, installed, folder, sizes):
            tell(figure)
    facts = machine() | {"workers": sizes.workers} | installed
    report = Report(datetime.now(UTC).date().isoformat(), facts, figures)
    if keep:
        save("batch", report)
    return report


def train(folder: Path) -> Path:
    """Save a network that has hardly been trained: what its forecasts cost does not depend on its weights."""
    values = walks(np.random.default_rng(1), 20)
    model = Forecaster(h=DAYS_AHEAD, freq="D", season=WEEK, network=SHAPE, training=TrainingConfig(steps=2))
    model.fit(panel_of(values)).save(folder)
    return folder


def panel_of(values: np.ndarray[tuple[int, int], np.dtype[np.float64]]) -> Panel:
    """Return daily series as a panel."""
    days = np.datetime64("2026-01-01") + np.arange(values.shape[1])
    codes = np.repeat(np.arange(len(values)), values.shape[1])
    return Panel.from_codes(
        [f"s{n}" for n in range(len(values))], codes, np.tile(days, len(values)), values.ravel(), freq="D"
    )


def kernel_rate(folder: Path, workers: int) -> float:
    """Return the series a second that the kernels forecast by themselves: windows in memory in, quantiles out."""
    fitted = Forecaster.load(folder).prepare()._fitted
    if fitted is None:
        raise RuntimeError("the model is not trained.")
    scaled, packed = (
        scale_panel(panel_of(walks(np.random.default_rng(0), _KERNEL_SERIES))),
        Packed(fitted.engine.networks[0]),
    )
    series = np.arange(_KERNEL_SERIES)
    with Threads(workers) as executor:
        side = repeated(lambda: window_quantiles(packed, scaled, series, scaled.offsets[1:] - 1, executor))
        seconds = take_turns({"kernels": side}, budget=_KERNEL_SECONDS)["kernels"]
    return _KERNEL_SERIES / seconds


def _ours(model: Path, table: Table, folder: Path, sizes: Sizes) -> list[Figure]:
    """Measure one file some times, the kernels before and after each: the speed of a machine drifts."""
    workers, name, what = sizes.workers, table.series, f"{table.name}, file to file"
    kernels, runs = [kernel_rate(model, workers)], list[Run]()
    for _ in range(sizes.repeats):
        runs.append(ours(model, table.path, folder / "out.parquet", workers=workers))
        kernels.append(kernel_rate(model, workers))
    rates = [table.series / run.seconds for run in runs]
    shares = [rate / statistics.mean(beside) for rate, beside in zip(rates, pairwise(kernels), strict=True)]
    seconds, cpu = (statistics.median(values) for values in zip(*((run.seconds, run.cpu) for run in runs), strict=True))
    note = f"{seconds:.1f} s from exec to the end, {1e6 * cpu / table.series:.0f} µs of a processor a series"
    return [
        _median(f"rate_{name}", what, rates, "1/s", note),
        _median(f"core_{name}", f"{what}, by core", [rate / workers for rate in rates], "1/s"),
        _median(f"kernels_{name}", "The kernels alone, before and after each", kernels, "1/s"),
        _median(f"share_{name}", f"{table.name}, beside the kernels alone", shares, "share"),
        Figure(f"peak_{name}", f"{table.name}, most memory", float(max(run.peak for run in runs)), "bytes"),
    ]


def _median(key: str, what: str, values: Sequence[float], unit: str, note: str = "") -> Figure:
    return Figure(key, what, statistics.median(values), unit, len(values), min(values), max(values), note)


def _versions() -> dict[str, str]:
    said = subprocess.run(_peer("versions"), capture_output=True, check=True, text=True, cwd=ROOT)  # noqa: S603 - our own
    versions: dict[str, str] = json.loads(said.stdout)
    return versions


def _peer(*words: str) -> list[str]:
    return [command("")[0], "-m", "benchmarks.batch.peer_side", *words]


def _peers(installed: dict[str, str], table: Table, folder: Path, sizes: Sizes) -> list[Figure]:
    """Measure the peers on one file; those that are not installed are told."""
    figures = []
    for name in (*STATSFORECAST, NEURALFORECAST):
        package = NEURALFORECAST.partition(" ")[0] if name == NEURALFORECAST else "statsforecast"
        key = f"{name}_{table.name}".replace(" ", "_").replace(",", "")
        if package not in installed:
            figures.append(Figure(f"peer_{key}", name, None, "1/s", note=f"{package} is not installed; {INTERPRETER}"))
            continue
        count = min(sizes.ets if name == "AutoETS" else sizes.peers, table.series)
        done = _forecast(name, table, count, folder, sizes.workers)
        figures += [
            Figure(f"peer_{key}", f"{name}, {table.name}", count / done.seconds, "1/s", note=_note(done, count, table)),
            Figure(f"peak_peer_{key}", f"{name}, {table.name}, most memory", float(done.peak), "bytes"),
        ]
    return figures


def _forecast(name: str, table: Table, count: int, folder: Path, cores: int) -> Run:
    model = folder / f"peer-{table.h}-{table.freq}"
    if name == NEURALFORECAST and not model.exists():
        measured(_peer("train", str(model), str(table.path), str(table.h), table.freq), environment())
    numbers = (str(count), str(table.h), str(table.season))
    words = (
        "forecast",
        name,
        str(table.path),
        str(folder / "peer.parquet"),
        *numbers,
        table.freq,
        str(cores),
        str(model),
    )
    return measured(_peer(*words), environment())


def _note(done: Run, count: int, table: Table) -> str:
    part = "" if count == table.series else f"of the first {count:,} series, "
    return f"{part}{done.seconds:.1f} s from exec to the end"


def _m4(folder: Path, installed: dict[str, str], work: Path, sizes: Sizes) -> list[Figure]:
    """Measure the base weights and SeasonalNaive on all series of M4, kind by kind."""
    tables, mine, naive = m4(folder), [], []
    for table in tables:
        options = ("--h", str(table.h), "--season", str(table.season))
        mine.append(ours("base", table.path, work / "out.parquet", workers=sizes.workers, options=options))
        if "statsforecast" in installed:
            naive.append(_forecast("SeasonalNaive", table, table.series, work, sizes.workers))
    series = sum(table.series for table in tables)
    figures = []
    for key, name, runs in (("m4", "Base weights", mine), ("m4_naive", "SeasonalNaive", naive)):
        if runs:
            seconds, peak = sum(done.seconds for done in runs), max(done.peak for done in runs)
            what, note = f"{name}, M4 ({series:,} series)", f"{seconds:.1f} s in {len(runs)} processes"
            figures += [
                Figure(f"rate_{key}", what, series / seconds, "1/s", note=note),
                Figure(f"peak_{key}", f"{what}, most memory", float(peak), "bytes"),
            ]
    return figures
