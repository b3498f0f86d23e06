"""The table of M4 in docs/accuracy.md: what `benchmarks.m4` measured, beside what others published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

RUNS = {"m4_600": "Forecaster", "m4_1800": "Forecaster", "m4_base": "Forecaster, base weights"}
"""Results that are shown, if there are any, and their names there."""

TEST_PARTS_SCORED: int | None = 5
"""How often forecasts were scored on the test parts in all, by whatever settings: one more with every such run. The
first time it was an experiment with quarterly series alone.
"""

_KINDS = ("yearly", "quarterly", "monthly", "weekly", "daily", "hourly")
_LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Published:
    """What others published of a method.

    Attributes
    ----------
    method : str
        Its name.
    total : float, optional
        OWA over all 100,000 series.
    kinds : tuple of float
        OWA of the kinds, in the order of the table, where it is known.
    msis, off : float, optional
        Of 95 % intervals over all series: MSIS, and how far their coverage is from .95.
    source : str
        Number of the source below the table.
    """

    method: str
    total: float | None
    kinds: tuple[float, ...] = ()
    msis: float | None = None
    off: float | None = None
    source: str = "1"


PUBLISHED = (
    Published("Naive2", 1.0, (1.0,) * 6),
    Published("Comb: mean of three kinds of exponential smoothing", 0.898, (0.867, 0.890, 0.920, 0.926, 0.978, 1.556)),
    Published("Theta", 0.897, (0.872, 0.917, 0.907, 0.971, 0.999, 1.006)),
    Published("ETS, the intervals' benchmark", None, msis=15.68, off=0.037),
    Published(
        "FFORMA, second of the competition", 0.838, (0.799, 0.847, 0.858, 0.796, 1.019, 0.484), msis=14.33, off=0.010
    ),
    Published("ES-RNN, the winner", 0.821, (0.778, 0.847, 0.836, 0.851, 1.046, 0.440), msis=12.23, off=0.002),
    Published("N-BEATS, 18 networks", 0.800, source="2, 4"),
    Published("N-BEATS, 180 networks", 0.795, source="2"),
    Published("DeepAR", 1.368, source="4"),
    Published("TiRex, zero-shot", 0.882, source="3, 4"),
    Published("Chronos-2, zero-shot", 0.867, source="3, 4"),
)

_SOURCES = """\
1. S. Makridakis, E. Spiliotis, V. Assimakopoulos, The M4 Competition: 100,000 time series and 61 forecasting methods,
   International Journal of Forecasting 36, 2020, and the scores of all entrants published with it.
2. B. Oreshkin, D. Carpov, N. Chapados, Y. Bengio, N-BEATS: Neural basis expansion analysis for interpretable time
   series forecasting, ICLR 2020.
3. Said to be published by the models' authors. What such models have seen in training is wide, and M4 can be in it.
4. Taken over as quoted to us; we have not found the figure in the publication."""


def m4_block(runs: Mapping[str, Any]) -> str:
    """Return the table for docs/accuracy.md from what ``--result`` wrote, by name; None where it wrote nothing."""
    columns = "".join(f" {kind} |" for kind in (*_KINDS, "**all**"))
    head = [f"| OWA | seconds |{columns} MSIS | off .95 | source |", "|---|---:|" + "---:|" * 9 + "---|"]
    ours = [_ours(RUNS[name], run) for name, run in runs.items() if run is not None]
    missing = [f"`{name}`" for name, run in runs.items() if run is None]
    parts = ["\n".join([*head, *ours, *map(_others, PUBLISHED)])]
    if missing:
        parts.append(f"Not measured yet: {', '.join(missing)}.")
    parts += [_measured_on(run) for run in runs.values() if run is not None][:1]
    parts += [_how_often(), _SOURCES]
    return "\n\n".join(parts)


def ladder_block(runs: Mapping[str, Any]) -> str:
    """Return the short table for the README: OWA and MSIS over all series, the best first."""
    rungs: list[tuple[float, str]] = []
    for run in runs.values():
        if run is not None:
            total = run["rows"][-1]
            budget = run["budget_seconds"]
            how = "base weights, nothing trained" if budget is None else f"trained within {budget / 60:.0f} minutes"
            what = f"**Forecaster, {how}**"
            rungs.append((total["owa"], _cells([what, f"**{total['owa']:.3f}**", f"{total['msis']:.2f}"])))
    if not rungs:
        return "Not measured yet: `python -m benchmarks.m4`."
    for one in PUBLISHED:
        if one.total is not None and "4" not in one.source:
            msis = "" if one.msis is None else f"{one.msis:.2f}"
            rungs.append((one.total, _cells([one.method, f"{one.total:.3f}", msis])))
    rows = [row for _, row in sorted(rungs)]
    return "\n".join(["| M4, 100,000 series, two cores | OWA | MSIS of 95 % intervals |", "|---|---:|---:|", *rows])


def _ours(name: str, run: Mapping[str, Any]) -> str:
    rows = {row["kind"]: row for row in run["rows"]}
    total = rows["total"]
    budget, one = run["budget_seconds"], total.get("milliseconds")
    how = f"trained within {budget:,.0f} s" if budget is not None else "nothing trained"
    how += f", {total['networks']} networks" + ("" if one is None else f", one forecast {one:.1f} ms")
    kinds = [f"{rows[kind]['owa']:.3f}" if kind in rows else "" for kind in _KINDS]
    off = abs(total["coverage"] - _LEVEL)
    cells = [f"{name}: {how}", f"{total['seconds']:,.0f}", *kinds, f"**{total['owa']:.3f}**", f"{total['msis']:.2f}"]
    return _cells([*cells, f"{off:.3f}", "measured"])


def _others(one: Published) -> str:
    kinds = [f"{owa:.3f}" for owa in one.kinds] or [""] * len(_KINDS)
    total = "" if one.total is None else f"**{one.total:.3f}**"
    msis = "" if one.msis is None else f"{one.msis:.2f}"
    off = "" if one.off is None else f"{one.off:.3f}"
    return _cells([one.method, "", *kinds, total, msis, off, one.source])


def _cells(cells: list[str]) -> str:
    return "|" + "".join(f" {cell} |" for cell in cells)


def _measured_on(run: Mapping[str, Any]) -> str:
    facts = run["machine"]
    date = f" on {run['date']}" if "date" in run else ""
    return (
        f"Ours measured{date}: {facts['cpu']}, {run['threads']} threads, Numba {facts['numba']} "
        "(`python -m benchmarks.m4`)."
    )


def _how_often() -> str:
    if TEST_PARTS_SCORED is None:
        return "**TO FILL IN: how often the test parts were scored** (`TEST_PARTS_SCORED` in benchmarks/m4/report.py)."
    times = "once" if TEST_PARTS_SCORED == 1 else f"{TEST_PARTS_SCORED} times"
    return f"Forecasts were scored on the test parts {times} in all."
