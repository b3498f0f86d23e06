from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.machine import machine
from benchmarks.results import Figure, Report, load, save, shown, text_table
from benchmarks.stages import STAGES, stages_block
from benchmarks.tables import ARCHITECTURE, BEGIN, END, figures_block, with_figures, with_stages

REPORT = Report(
    "2026-01-31",
    {"cpu": "A chip", "cores": 2, "python": "3.13.1", "numba": "0.68.1"},
    [
        Figure("train", "Train the demo", 12.34, "s", runs=3, low=12.0, high=13.0),
        Figure("image", "Image", None, "bytes", note="no Docker engine answers"),
    ],
)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0712, "s", "0.071 s"),
        (0.5, "s", "0.5 s"),
        (12.34, "s", "12.3 s"),
        (471.6, "µs", "472 µs"),
        (123_456.0, "µs", "123 ms"),
        (412_345_678.0, "bytes", "412 MB"),
    ],
)
def test_figures_are_rounded_for_readers(value: float, unit: str, text: str) -> None:
    assert shown(Figure("key", "what", value, unit)) == text


def test_what_could_not_be_measured_says_why() -> None:
    assert shown(REPORT.figures[1]) == "not measured: no Docker engine answers"


def test_a_report_comes_back_as_it_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert load("demo") is None
    save("demo", REPORT)
    assert load("demo") == REPORT


def test_the_tables_hold_every_figure() -> None:
    assert "Train the demo  12.3 s" in text_table(REPORT)
    block = figures_block(REPORT)
    assert "| Train the demo | 12.3 s |" in block
    assert "A chip, 2 cores, Python 3.13.1, Numba 0.68.1" in block
    assert "make bench" in figures_block(None)


def test_only_what_is_between_the_markers_changes() -> None:
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    assert with_figures(text, None) == f"before\n{BEGIN}\n{figures_block(None)}\n{END}\nafter\n"
    with pytest.raises(ValueError, match="lost the markers"):
        with_figures("no markers", None)


def test_the_machine_is_named() -> None:
    facts = machine()
    assert facts["cpu"]
    assert int(facts["cores"]) >= 1
    assert {"python", "numba", "numpy", "forecaster"} <= facts.keys()


def test_the_stages_of_a_step_are_shown_with_their_share() -> None:
    figures = [Figure("loss", STAGES["loss"], 250.0, "µs"), Figure("step", "The whole step", 1000.0, "µs")]
    block = stages_block(Report("2026-01-31", REPORT.machine, figures))
    assert "| Pinball loss and its gradient | 250 | 25 % |" in block
    assert "| The whole step | 1,000 | 100 % |" in block
    assert "A chip, one thread" in block


def test_the_architecture_shows_the_stages_that_were_measured() -> None:
    text = ARCHITECTURE.read_text(encoding="utf-8")
    assert with_stages(text, load("stages")) == text
