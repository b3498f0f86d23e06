"""What the page costs: the table shows what was measured, and what was measured keeps to the limits."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.page import page_block
from benchmarks.results import load_json
from benchmarks.tables import OPERATIONS, with_page

REPORT: dict[str, Any] = {
    "date": "2026-01-31",
    "machine": {"cpu": "A chip", "cores": 2},
    "runs": {"started": [1.2, 1.0, 1.1], "cold": [0.7, 0.5, 0.6], "warm": [0.4, 0.3, 0.2]},
    "bytes": {"uplot.js": 22_000, "/": 4_400},
}


def test_the_table_holds_median_and_worst_of_every_way() -> None:
    block = page_block(REPORT)
    assert "the first after the service's start | 1.10 s | 1.20 s |" in block
    assert "on a page just opened | 0.60 s | 0.70 s |" in block
    assert "on a page that has drawn one before | 0.30 s | 0.40 s |" in block
    assert "weighs 26 kB in 2 answers" in block
    assert "A chip, 2 cores" in block
    assert "python -m benchmarks.page" in page_block(None)


def test_the_document_shows_what_was_measured() -> None:
    text = OPERATIONS.read_text(encoding="utf-8")
    assert with_page(text, load_json("page")) == text, "run: python -m benchmarks.tables"


def test_what_was_measured_keeps_to_the_limits() -> None:
    report = load_json("page")
    if report is None:
        pytest.skip("The page was never measured: python -m benchmarks.page.")
    assert sum(report["bytes"].values()) <= 120_000
    for way in ("cold", "warm"):
        assert len(report["runs"][way]) >= 10
        assert max(report["runs"][way]) < 1.5
    assert max(report["runs"]["started"]) < 1.5
