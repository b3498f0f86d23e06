"""Runs the parts, sums them up and keeps the figures: ``kernels.json``, and each cell in ``kernels_grid.csv``."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime

from benchmarks import cold_start
from benchmarks.kernels import forecasting, memory, processes, training
from benchmarks.kernels.forecasting import ALL, FRAMES, SHAPES, Forecasts
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.processes import Processes, Run
from benchmarks.kernels.shapes import Cell, grid, quick_grid
from benchmarks.kernels.training import Step, geometric_mean
from benchmarks.machine import machine
from benchmarks.results import Comparison, Comparisons, Figure, save, shown
from benchmarks.tables import PEERS

PARTS = ("training", "forecasting", "processes", "memory", "cold_start")
QUICK_PARTS = ("training", "forecasting")
_SHAPE = next(iter(SHAPES))


@dataclass(frozen=True, slots=True)
class _Spread:
    """Ours beside another side over many cells: geometric means, and the least and largest ratio with their cells."""

    ours: float
    other: float
    low: tuple[float, Cell]
    high: tuple[float, Cell]

    @property
    def ratio(self) -> float:
        return self.other / self.ours


def run(*, parts: Collection[str], quick: bool) -> None:
    """Measure `parts` and print them; a full run of all of them is kept."""
    began = time.perf_counter()
    comparisons: list[Comparison] = []
    figures: list[Figure] = []
    steps: list[Step] = []
    with Peers() as peers:
        print("Peers:", ", ".join(f"{name} {version}" for name, version in peers.versions.items()) or "not installed")
        if "training" in parts:
            steps = training.measure(quick_grid() if quick else grid(), peers, budget=0.2 if quick else 0.5)
            print(summary(steps))
            comparisons += compared_steps(steps)
        if "forecasting" in parts:
            comparisons += compared_forecasts(forecasting.measure(peers, budget=0.3 if quick else 2.0, quick=quick))
        if "processes" in parts:
            comparisons += compared_processes(processes.measure(peers, with_default=not quick))
        versions = peers.versions
    if "memory" in parts:
        figures += _memory()
    if "cold_start" in parts:
        figures += _first_forecasts()
    print(f"\nTook {time.perf_counter() - began:.0f} s.")
    if quick or set(parts) != set(PARTS):
        print("Nothing was written: only a full run is kept.")
        return
    facts = machine() | {name: versions.get(name, "not installed") for name in PEERS} | _rates(steps)
    path = save("kernels", Comparisons(datetime.now(UTC).date().isoformat(), facts, comparisons, figures))
    path.with_name("kernels_grid.csv").write_text(grid_csv(steps), encoding="utf-8")
    print(f"Written to {path}. The table in README.md follows with: python -m benchmarks.tables")


def summary(steps: Sequence[Step]) -> str:
    """Return the grid in a few lines."""
    lines = []
    whole, large = _beside_torch(steps), _beside_limit(steps)
    if whole is not None:
        lines.append(f"PyTorch's step takes {whole.ratio:.2f} times as long as ours (geometric mean)")
        lines.append(f"  least: {whole.low[0]:.2f} at {whole.low[1]}")
        lines += [f"  slower than PyTorch: {_named(step)}" for step in steps if step.torch and step.torch < step.ours]
    if large is not None:
        lines.append(f"hidden >= 64, batch >= 32: our step takes {1 / large.ratio:.2f} times its products alone")
        lines.append(f"  most: {1 / large.low[0]:.2f} at {large.low[1]}")
    lines += [f"{name}: {value}" for name, value in _rates(steps).items()]
    return "\n".join(lines)


def _named(step: Step) -> str:
    return f"{(step.torch or 0.0) / step.ours:.2f} at {step.cell}"


def _beside_torch(steps: Sequence[Step]) -> _Spread | None:
    return _spread([(step.ours, step.torch, step.cell) for step in steps if step.torch is not None])


def _beside_limit(steps: Sequence[Step]) -> _Spread | None:
    large = [step for step in steps if step.cell.hidden >= 64 and step.cell.batch >= 32]
    return _spread([(step.ours, step.limit, step.cell) for step in large])


def _spread(pairs: Sequence[tuple[float, float, Cell]]) -> _Spread | None:
    if not pairs:
        return None
    ratios = [(other / ours, cell) for ours, other, cell in pairs]
    low, high = min(ratios, key=lambda one: one[0]), max(ratios, key=lambda one: one[0])
    ours, others = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    return _Spread(geometric_mean(ours), geometric_mean(others), low, high)


def _rates(steps: Sequence[Step]) -> dict[str, int | str]:
    """Return the rate of large products, by threads: the limit, and whether the machine had them to give."""
    rates = {}
    for threads in sorted({step.cell.threads for step in steps}):
        found = sorted(step.cell.flops / step.limit / 1e9 for step in steps if step.cell.threads == threads)
        rates[f"sgemm GFLOP/s, threads {threads}"] = round(found[len(found) // 2])
    return {**rates}


def compared_steps(steps: Sequence[Step]) -> list[Comparison]:
    """Return the rows about training."""
    rows = []
    for key, what, peer, found in (
        ("step", f"Training step, geometric mean of {len(steps)} shapes", PEERS["torch"], _beside_torch(steps)),
        ("step_large", "the same, hidden ≥ 64 and batch ≥ 32", "its matrix products alone", _beside_limit(steps)),
    ):
        if found is None:
            rows.append(Comparison(key, what, geometric_mean([step.ours for step in steps]), {}))
        else:
            rows.append(Comparison(key, what, found.ours, {peer: found.other}, low=found.low[0], high=found.high[0]))
    return rows


def compared_forecasts(measured: Sequence[Forecasts]) -> list[Comparison]:
    """Return the rows about forecasts in process."""
    rows = []
    for one in measured:
        peers = {PEERS[side]: seconds for side, seconds in one.seconds.items() if side in PEERS}
        key = f"{'one' if one.rows == 1 else 'many'}_{_short(one)}"
        many = "1 series" if one.rows == 1 else f"{one.rows:,} series"
        threads = "" if one.rows == 1 or one.what == ALL else f", {one.threads} thread{'s'[: one.threads - 1]}"
        rows.append(Comparison(key, f"Forecast {many}, {one.what}{threads}", one.seconds["ours"], peers))
        if FRAMES in one.seconds:
            what = f"Forecast {many}, data frame in, data frame out"
            rows.append(Comparison(f"{key}_frames", what, one.seconds[FRAMES], peers))
    return rows


def _short(one: Forecasts) -> str:
    if one.what == ALL:
        return "forecast"
    name = "network" if one.what == _SHAPE else "default_network"
    return name if one.rows == 1 or one.threads == 2 else f"{name}_one_thread"


def compared_processes(measured: Processes | None) -> list[Comparison]:
    """Return the rows about whole processes."""
    what = "Train on 132 months and forecast 12, whole processes"
    if measured is None:
        return []
    rows = [_compared_run("processes", f"{what}, at equal error or its least", measured.ours, measured.peer)]
    if measured.peer_default is not None:
        rows.append(_compared_run("processes_default", f"{what}, as they come", measured.ours, measured.peer_default))
    return rows


def _compared_run(key: str, what: str, ours: Run, peer: Run) -> Comparison:
    note = f"sMAPE {ours.smape:.1f} % and {peer.smape:.1f} % ({peer.steps} steps)"
    return Comparison(key, what, ours.seconds, {PEERS["neuralforecast"]: peer.seconds}, note=note)


def _memory() -> list[Figure]:
    taken = memory.measure() or {}
    what = "Peak memory of training beyond the data"
    return [Figure(f"memory_{n}", f"{what}, {n:,} series", float(size), "bytes") for n, size in taken.items()]


def _first_forecasts() -> list[Figure]:
    what = "From exec to the first forecast, kernel cache"
    print(f"\n{what}")
    figures = [Figure(f"first_{name}", f"{what} {name}", taken, "s") for name, taken in cold_start.measure().items()]
    for figure in figures:
        print(f"  {figure.key.removeprefix('first_')}: {shown(figure)}")
    return figures


def grid_csv(steps: Sequence[Step]) -> str:
    """Return every cell as a line: its shape, and milliseconds."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in fields(Cell)] + ["ours_ms", "torch_ms", "products_ms"])
    for step in steps:
        times = ("" if one is None else f"{1e3 * one:.4g}" for one in (step.ours, step.torch, step.limit))
        writer.writerow([*asdict(step.cell).values(), *times])
    return text.getvalue()
