from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.batch import report
from benchmarks.batch.block import batch_block
from benchmarks.batch.processes import measured
from benchmarks.batch.report import Sizes, run
from benchmarks.results import Figure, Report, load
from benchmarks.tables import BATCH_BEGIN, BATCH_END, FILES, with_batch

REPORT = Report(
    "2026-01-31",
    {"cpu": "A chip", "workers": 2, "numba": "0.68.1", "statsforecast": "2.1"},
    [
        Figure("rate_1000", "1,000 series, file to file", 21_000.0, "1/s"),
        Figure("core_1000", "1,000 series, file to file, by core", 10_500.0, "1/s"),
        Figure("share_1000", "1,000 series, beside the kernels alone", 0.66, "share"),
        Figure("peak_1000", "1,000 series, most memory", 4e8, "bytes"),
        Figure("peer_AutoETS_1000_series", "AutoETS, 1,000 series", 40.0, "1/s", note="of the first 50 series, 1.2 s"),
        Figure("peak_peer_AutoETS_1000_series", "AutoETS, most memory", 7e8, "bytes"),
        Figure("peer_LSTM", "LSTM", None, "1/s", note="neuralforecast is not installed"),
    ],
)


def test_the_table_has_a_line_for_everybody_who_was_there() -> None:
    lines = batch_block(REPORT).splitlines()
    assert lines[2] == "| 1,000 series | 21,000 /s | 10,500 /s | 66% | 400 MB |"
    assert lines[3] == "| AutoETS, 1,000 series (of the first 50) | 40 /s |  |  | 700 MB |"
    assert lines[4] == ""
    assert "2026-01-31: A chip, 2 cores, Numba 0.68.1, statsforecast 2.1" in lines[5]
    assert with_batch(f"{BATCH_BEGIN}\nold\n{BATCH_END}", None).splitlines()[1].startswith("Not measured yet")


def test_the_figures_in_the_docs_are_the_measured_ones() -> None:
    text = FILES.read_text(encoding="utf-8")
    assert with_batch(text, load("batch")) == text, "run: python -m benchmarks.tables"


def test_little_files_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "_KERNEL_SECONDS", 0.0)
    monkeypatch.setattr(report, "_KERNEL_SERIES", 64)
    monkeypatch.setattr(report, "_versions", dict)
    made = run(Sizes(series=(50,), peers=10, ets=5, m4=None, workers=1), tmp_path, keep=False)
    found = {figure.key: figure for figure in made.figures}
    for kind in ("rate", "core", "kernels", "share", "peak"):
        assert (found[f"{kind}_50"].value or 0) > 0
    assert found["peer_AutoETS_50_series"].value is None
    assert "statsforecast is not installed" in found["peer_AutoETS_50_series"].note


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no such file"):
        measured(["/usr/bin/env", "sh", "-c", "echo no such file >&2; exit 3"])
