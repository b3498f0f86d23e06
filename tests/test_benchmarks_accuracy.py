from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import accuracy, results
from benchmarks.accuracy import CASES, Case, Method, accuracy_block, load, measure
from benchmarks.tables import ACCURACY, m4_runs, with_accuracy
from forecaster import Panel, read_panel
from forecaster.backtest import Model
from forecaster.baselines import BASELINES, baseline_forecast
from forecaster.forecast import Forecast
from forecaster.peers import PEERS
from tests.examples import weekly


def as_naive(name: str, panel: Panel, *, h: int, levels: tuple[float, ...], season: int) -> Forecast:
    return replace(baseline_forecast("Naive", panel, h=h, levels=levels, season=season), alias=name)


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Put a small set in the place of those of data/, and return the lengths of what the one method is fitted on."""
    panel = weekly(3, 120)
    rows = [
        f"{panel.ids[i]},{day},{y}" for i in range(3) for day, y in zip(panel.times(i), panel.series(i), strict=True)
    ]
    (tmp_path / "small.csv").write_text("unique_id,ds,y\n" + "\n".join(rows), encoding="utf-8")
    fitted: list[int] = []

    def fit(known: Panel) -> Model:
        fitted.append(int(known.lengths[0]))
        return accuracy._Untrained("SeasonalNaive", baseline_forecast)

    def methods(threads: int, peers: tuple[str, ...]) -> list[Method]:  # noqa: ARG001 - nothing is trained
        ours = [Method("ours", fit), Method("ours, anew", fit, refit=True)]
        return ours + [Method(name, accuracy._Untrained(name, as_naive)) for name in peers]

    monkeypatch.setattr(accuracy, "DATA", tmp_path)
    monkeypatch.setattr(accuracy, "CASES", (Case("Small", "small.csv", windows=3, step_size=10, left_off=5),))
    monkeypatch.setattr(accuracy, "methods", methods)
    monkeypatch.setattr(accuracy, "_warm_up", lambda _: None)
    monkeypatch.setattr(accuracy, "version", lambda name: f"the version of {name}")
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return fitted


def compared(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr(accuracy, "_compared", lambda: answer)


def test_methods_are_fitted_at_the_oldest_cutoff_or_at_each(small: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    compared(monkeypatch, False)
    (case,) = measure(1, earlier=None).cases
    oldest = 120 - 5 - (14 + 2 * 10)
    assert small == [oldest, *(oldest, oldest + 10, oldest + 20)]
    assert (case.series, case.windows, case.last) == (3, 3, "2024-04-24")
    once, anew = case.scores
    assert (once.method, anew.method) == ("ours", "ours, anew")
    assert replace(once, method="", seconds=0) == replace(anew, method="", seconds=0)
    assert once.seconds > 0
    assert 0 < once.MASE < 2
    assert 0 <= once.coverage_80 <= once.coverage_95 <= 1


@pytest.mark.usefixtures("small")
def test_a_report_comes_back_as_it_was_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    compared(monkeypatch, True)
    assert load() is None
    accuracy.main(["--threads", "1"])
    report = load()
    assert report is not None
    assert [score.method for score in report.cases[0].scores] == ["ours", "ours, anew", *PEERS]
    assert report.note == ""
    block = accuracy_block(report)
    assert block in capsys.readouterr().out
    assert "**Small**: 3 series, 14 days ahead from 3 cutoffs 10 days apart" in block
    assert "statsforecast the version of statsforecast" in block


@pytest.mark.usefixtures("small")
def test_without_statsforecast_earlier_scores_of_the_peers_stay_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    compared(monkeypatch, True)
    earlier = measure(1, earlier=None)
    of_then = [replace(score, date="2020-02-02") for score in earlier.cases[0].scores]
    earlier = replace(earlier, cases=[replace(earlier.cases[0], scores=of_then)])
    compared(monkeypatch, False)
    report = measure(1, earlier=earlier)
    assert [score.method for score in report.cases[0].scores] == ["ours", "ours, anew", *PEERS]
    assert {score.date for score in report.cases[0].scores[:2]} != {"2020-02-02"}
    assert report.note == "statsforecast was not installed: AutoETS and Theta are those of 2020-02-02."
    assert report.note in accuracy_block(report)


@pytest.mark.usefixtures("small")
def test_scores_of_other_cutoffs_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    compared(monkeypatch, True)
    earlier = measure(1, earlier=None)
    earlier = replace(earlier, cases=[replace(earlier.cases[0], step_size=11)])
    compared(monkeypatch, False)
    report = measure(1, earlier=earlier)
    assert [score.method for score in report.cases[0].scores] == ["ours", "ours, anew"]
    assert report.note == "statsforecast was not installed: AutoETS and Theta are missing."


def test_the_least_errors_are_in_bold() -> None:
    assert accuracy._least_in_bold([0.301, 0.299, 0.5, 0.3004], "{:.2f}") == [
        "**0.30**",
        "**0.30**",
        "0.50",
        "**0.30**",
    ]


def test_every_method_has_a_name_of_its_own() -> None:
    names = [method.name for method in accuracy.methods(1, PEERS)]
    assert len(set(names)) == len(names)
    assert names[-len(PEERS) - len(BASELINES) :] == [*BASELINES, *PEERS]


def test_the_cases_are_within_their_files() -> None:
    for case in CASES:
        panel = read_panel(accuracy.DATA / case.file)
        reach = case.left_off + accuracy.HORIZON + (case.windows - 1) * case.step_size
        assert panel.lengths.min() - reach >= 2 * accuracy.HORIZON + 4, case.what  # what training can hold out


def test_the_temperatures_are_as_their_readme_says() -> None:
    panel = read_panel(accuracy.DATA / "seattle_weather_daily.csv")
    assert panel.ids == ("temp_max", "temp_min")
    assert panel.lengths.tolist() == [1461, 1461]
    assert panel.span_labels() == ("2012-01-01", "2015-12-31")
    assert not np.isnan(panel.values).any()
    assert (panel.series(0) >= panel.series(1)).all()


def test_the_document_shows_what_was_measured() -> None:
    text = ACCURACY.read_text(encoding="utf-8")
    assert with_accuracy(text, m4_runs(), load()) == text, "run: python -m benchmarks.tables"


def test_a_document_without_measurements_says_so() -> None:
    text = with_accuracy(ACCURACY.read_text(encoding="utf-8"), m4_runs(), None)
    assert "Not measured yet: `python -m benchmarks.accuracy`." in text
