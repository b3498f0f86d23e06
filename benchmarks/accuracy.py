"""How good forecasts of the small sets in data/ are: ``python -m benchmarks.accuracy`` writes ``accuracy.json``.

Rolling origin: each method forecasts from several cutoffs, and is given only what was known there. The LSTM stands
there with its base weights as they are, trained on from them, and trained from nothing; beside it the baselines and,
where statsforecast is installed, its AutoETS and Theta. docs/accuracy.md follows with ``python -m benchmarks.tables``.
"""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from benchmarks.machine import machine
from benchmarks.results import duration, load_json, save_json
from forecaster import Forecast, Forecaster, Panel, TrainingConfig, read_panel
from forecaster.backtest import Model, rolling_backtest
from forecaster.baselines import BASELINES, baseline_forecast
from forecaster.executors import usable_cpus
from forecaster.loading import LOADER
from forecaster.peers import PEERS, peer_forecast
from forecaster.timestamps import labels_of

DATA = Path(__file__).parents[1] / "data"
NAME = "accuracy"
HORIZON = 14
MEASURES = ("MASE", "WAPE", "MSIS_95", "coverage_80", "coverage_95")
"""Columns of `Backtest.table` that are kept."""


@dataclass(frozen=True, slots=True)
class Case:
    """A set of series and the cutoffs from which it is forecast.

    Attributes
    ----------
    what : str
        Name for readers.
    file : str
        Name in data/.
    windows, step_size : int
        Cutoffs, and the steps between them.
    left_off : int
        Newest steps of the file that take no part.
    """

    what: str
    file: str
    windows: int
    step_size: int
    left_off: int = 0


# Steps of 20 and 30 days are no multiples of 7, so that cutoffs fall on all days of the week.
CASES = (
    Case("Flights, Thanksgiving to New Year", "flights_daily.csv", windows=4, step_size=14),
    Case("Flights, the rest of the year", "flights_daily.csv", windows=12, step_size=20, left_off=4 * 14),
    Case("Seattle temperatures", "seattle_weather_daily.csv", windows=12, step_size=30),
)


@dataclass(frozen=True, slots=True)
class Score:
    """How good a method was in a case, over all series and cutoffs, and the seconds of all its fits and forecasts."""

    method: str
    date: str
    MASE: float
    WAPE: float
    MSIS_95: float
    coverage_80: float
    coverage_95: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Measured:
    """A case as it was found, and its scores."""

    what: str
    series: int
    h: int
    windows: int
    step_size: int
    first: str
    last: str
    scores: list[Score]

    def is_as(self, other: Measured) -> bool:
        """Tell whether the scores of both can stand in one table."""
        return {**asdict(self), "scores": []} == {**asdict(other), "scores": []}


@dataclass(frozen=True, slots=True)
class Accuracy:
    """All cases of one run, and the machine their seconds hold for."""

    date: str
    machine: dict[str, str | int]
    threads: int
    note: str
    cases: list[Measured]


Fit = Callable[[Panel], Model]


@dataclass(frozen=True, slots=True)
class Method:
    """What is measured: how it is fitted, and whether anew at each cutoff or at the oldest only."""

    name: str
    fit: Fit
    refit: bool = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.partition("\n")[0])
    parser.add_argument("--threads", type=int, default=usable_cpus(), help="of the LSTM; the others have one")
    asked = parser.parse_args(arguments)
    report = measure(asked.threads, earlier=load())
    path = save_json(NAME, asdict(report))
    print(
        f"\n{accuracy_block(report)}\n\nWritten to {path}. docs/accuracy.md follows with: python -m benchmarks.tables"
    )


def measure(threads: int, *, earlier: Accuracy | None) -> Accuracy:
    """Return the scores of all methods in all cases; those of peers that are not installed are the `earlier` ones."""
    today = datetime.now(UTC).date().isoformat()
    compared = _compared()
    used = methods(threads, peers=PEERS if compared else ())
    _warm_up(used[-len(PEERS) :] if compared else [])
    cases = []
    for case in CASES:
        panel = read_panel(DATA / case.file)
        panel = panel.head(case.left_off) if case.left_off else panel
        scores = []
        for method in used:
            scores.append(_score(panel, case, method, today))
            print(f"{case.what}: {_line(scores[-1])}", flush=True)
        cases.append(_measured(panel, case, scores))
    kept = [] if compared else _keep_peers(cases, earlier)
    facts = machine() | ({"statsforecast": version("statsforecast")} if compared else {})
    return Accuracy(today, facts, threads, "" if compared else _without_peers(kept), cases)


def _compared() -> bool:
    """Tell whether statsforecast is installed."""
    return importlib.util.find_spec("statsforecast") is not None


def methods(threads: int, peers: Sequence[str]) -> list[Method]:
    """Return what is measured, the `peers` last."""

    def fitted(init: Literal["base", "random"]) -> Fit:
        return lambda known: Forecaster(h=HORIZON, threads=threads).fit(known, init=init)

    return [
        Method("LSTM, base weights, not trained", lambda _: Forecaster.pretrained("D", threads=threads)),
        Method("LSTM, trained from them at the oldest cutoff", fitted("base")),
        Method("LSTM, trained from them at each cutoff", fitted("base"), refit=True),
        Method("LSTM, trained from random weights at the oldest cutoff", fitted("random")),
        *(Method(name, _Untrained(name, baseline_forecast)) for name in BASELINES),
        *(Method(name, _Untrained(name, peer_forecast)) for name in peers),
    ]


class _Untrained:
    """A baseline or a peer in the place of a model: there is nothing to train before its forecast."""

    def __init__(self, name: str, forecast: Callable[..., Forecast]) -> None:
        self._name, self._forecast = name, forecast

    def __call__(self, _known: Panel) -> Model:
        return self

    def forecast(self, panel: Panel, *, h: int, level: tuple[float, ...]) -> Forecast:
        """Forecast the series of a panel."""
        return self._forecast(self._name, panel, h=h, levels=level, season=panel.frequency.season)


class _Timed:
    """A fit, and then the model that it gave; counts the seconds of both."""

    def __init__(self, fit: Fit) -> None:
        self._fit, self.seconds = fit, 0.0

    def __call__(self, known: Panel) -> Model:
        began = time.perf_counter()
        self._model = self._fit(known)
        self.seconds += time.perf_counter() - began
        return self

    def forecast(self, panel: Panel, *, h: int, level: tuple[float, ...]) -> Forecast:
        """Forecast the series of a panel."""
        began = time.perf_counter()
        made = self._model.forecast(panel, h=h, level=level)
        self.seconds += time.perf_counter() - began
        return made


def _score(panel: Panel, case: Case, method: Method, today: str) -> Score:
    timed = _Timed(method.fit)
    done = rolling_backtest(
        panel,
        timed,
        h=HORIZON,
        season=panel.frequency.season,
        n_windows=case.windows,
        step_size=case.step_size,
        refit=method.refit,
    )
    row = done.table[0]  # the others are the baselines, which come by themselves
    measures = {name: round(row[name], 4) for name in MEASURES}
    return Score(method.name, today, **measures, seconds=round(timed.seconds, 4))


def _measured(panel: Panel, case: Case, scores: list[Score]) -> Measured:
    reach = HORIZON + (case.windows - 1) * case.step_size
    first, last = labels_of(panel.times(0)[[-reach, -1]], panel.frequency, panel.timezone)
    return Measured(case.what, len(panel), HORIZON, case.windows, case.step_size, first, last, scores)


def _warm_up(peers: Sequence[Method]) -> None:
    """Compile what the kernels and the peers compile once, before anything is timed."""
    LOADER.load()
    panel = read_panel(DATA / CASES[0].file).select([0])
    brief = TrainingConfig(steps=2, validate_every=1)
    for init in ("base", "random"):
        Forecaster(h=HORIZON, training=brief).fit(panel, init=init)
    for peer in peers:
        peer.fit(panel).forecast(panel, h=HORIZON, level=(80, 95))


def _keep_peers(cases: list[Measured], earlier: Accuracy | None) -> list[Score]:
    """Put the peers' earlier scores beside those of the same cases, and return them."""
    kept = []
    for case in cases:
        for before in earlier.cases if earlier else []:
            if before.is_as(case):
                found = [score for score in before.scores if score.method in PEERS]
                case.scores.extend(found)
                kept += found
    return kept


def _without_peers(kept: Sequence[Score]) -> str:
    missing = f"statsforecast was not installed: {' and '.join(PEERS)} "
    if not kept:
        return missing + "are missing."
    return missing + f"are those of {', '.join(sorted({score.date for score in kept}))}."


def load() -> Accuracy | None:
    """Return the report of the last run, or None if there was none."""
    content = load_json(NAME)
    if content is None:
        return None
    cases = [Measured(**{**case, "scores": [Score(**one) for one in case["scores"]]}) for case in content["cases"]]
    return Accuracy(**{**content, "cases": cases})


def accuracy_block(report: Accuracy) -> str:
    """Return the tables for docs/accuracy.md."""
    facts: dict[str, Any] = report.machine
    peers = f", statsforecast {facts['statsforecast']}" if "statsforecast" in facts else ""
    told = f"Measured on {report.date}: {facts['cpu']}, {report.threads} threads, Numba {facts['numba']}{peers}"
    parts = [_case_table(case) for case in report.cases]
    return "\n\n".join([*parts, " ".join([f"{told} (`python -m benchmarks.accuracy`).", report.note]).rstrip()])


def _case_table(case: Measured) -> str:
    head = (
        f"**{case.what}**: {case.series} series, {case.h} days ahead from {case.windows} cutoffs {case.step_size} days "
        f"apart, {case.first} to {case.last}."
    )
    errors = [
        _least_in_bold([one.MASE for one in case.scores], "{:.3f}"),
        _least_in_bold([100 * one.WAPE for one in case.scores], "{:.1f} %"),
        _least_in_bold([one.MSIS_95 for one in case.scores], "{:.1f}"),
    ]
    rows = [
        f"| {one.method} | {' | '.join(cells)} | {100 * one.coverage_80:.0f} % | {100 * one.coverage_95:.0f} % "
        f"| {duration(one.seconds)} |"
        for one, *cells in zip(case.scores, *errors, strict=True)
    ]
    columns = ["| | MASE | WAPE | MSIS 95 % | in 80 % | in 95 % | time |", "|---|---:|---:|---:|---:|---:|---:|"]
    return "\n".join([head, "", *columns, *rows])


def _least_in_bold(values: Sequence[float], form: str) -> list[str]:
    shown = [form.format(value) for value in values]
    best = form.format(min(values))
    return [f"**{one}**" if one == best else one for one in shown]


def _line(one: Score) -> str:
    return (
        f"{one.method}  MASE {one.MASE:.3f}  WAPE {one.WAPE:.4f}  MSIS {one.MSIS_95:.2f}  "
        f"coverage {one.coverage_80:.3f} {one.coverage_95:.3f}  {one.seconds:.2f} s"
    )


if __name__ == "__main__":
    main()
