"""M4: the competition's scores on examples done by hand, a run on a folder of a few series, the table of the docs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose

from benchmarks import results
from benchmarks.m4 import __main__ as m4
from benchmarks.m4 import report
from benchmarks.m4.data import KINDS, Kind, Series, read
from benchmarks.m4.report import PUBLISHED, RUNS, m4_block
from benchmarks.m4.score import in_sample_scale, means, naive2, naive2_scores, score
from forecaster.recipes import recipe_of
from tests.examples import BRIEF, TINY, Floats, numbered

PATTERN = np.array([1.0, 2.0, 3.0, 2.0])


def series(known: dict[str, Any], actual: Any, *, season: int = 1) -> Series:
    came = np.array(actual, np.float64)
    return Series(Kind("yearly", came.shape[1], "YE", season, season, 1.0), numbered(known), came)


@pytest.mark.parametrize("length", [24, 22, 21])
def test_naive2_goes_on_with_the_season(length: int) -> None:
    values = 10 * np.tile(PATTERN, 7)
    forecast = naive2(numbered({"a": values[:length]}), 4, 4)
    assert_allclose(forecast, [values[length : length + 4]])


def test_naive2_is_the_last_value_where_no_season_is_found() -> None:
    rough = np.random.default_rng(0).standard_normal(24).cumsum() + 50
    panel = numbered({"constant": [5.0] * 24, "rough": rough, "short": 10 * PATTERN})
    assert_allclose(naive2(panel, 4, 2), [[5, 5], [rough[-1]] * 2, [20, 20]])
    seasonal = numbered({"a": np.tile(PATTERN, 6)})
    assert_allclose(naive2(seasonal, 1, 3), [[2, 2, 2]])


def test_the_scale_is_the_mean_change_over_a_season_within_each_series() -> None:
    panel = numbered({"a": [0, 2, 4, 8], "b": [100, 100, 100], "c": [1]})
    assert_allclose(in_sample_scale(panel, 1), [8 / 3, np.nan, np.nan])
    assert_allclose(in_sample_scale(panel, 2), [(4 + 6) / 2, np.nan, np.nan])


def test_scores_are_those_of_the_competition() -> None:
    one = series({"a": [0, 2, 4]}, [[10, 20]])
    point, lower, upper = np.array([[11.0, 18.0]]), np.array([[8.0, 21.0]]), np.array([[12.0, 25.0]])
    scores = score(one, point, lower, upper)
    assert_allclose(scores.smape, [(200 * 1 / 21 + 200 * 2 / 38) / 2])
    assert_allclose(scores.mase, [1.5 / 2])
    assert_allclose(scores.msis, [(4 + (4 + 2 / 0.05 * 1)) / 2 / 2])  # the second value lies one below its interval
    assert_allclose(scores.coverage, [0.5])


def test_a_value_at_the_end_of_an_interval_is_inside_and_two_zeros_are_no_error() -> None:
    one = series({"a": [0, 2, 4]}, [[0, 5]])
    at = np.array([[0.0, 5.0]])
    scores = score(one, at, at, at)
    assert_allclose((scores.smape, scores.mase, scores.msis, scores.coverage), [[0], [0], [0], [1]])


def test_owa_divides_means_by_the_means_of_naive2() -> None:
    one = series({"a": [0, 2, 4], "b": [3, 4, 5], "still": [7, 7, 7]}, [[6, 8], [5, 7], [7, 7]])
    naive = naive2_scores(one)
    assert means([naive], [naive])["owa"] == pytest.approx(1)
    point = np.array([[6.0, 8.0], [6.0, 7.0], [7.0, 7.0]])
    found = means([score(one, point, point, point)], [naive])
    smape = (200 * 1 / 11 / 2) / 3
    naive_smape = (200 * (2 / 10 + 4 / 12) / 2 + 200 * (2 / 12) / 2) / 3
    mase, naive_mase = (0 + 0.5 / 1) / 2, (3 / 2 + 1 / 1) / 2  # the one that never changes has none
    assert found["owa"] == pytest.approx((smape / naive_smape + mase / naive_mase) / 2)
    assert found["mase"] == pytest.approx(mase)


def values_of(kind: str, count: int) -> list[Floats]:
    rng = np.random.default_rng(len(kind))
    return [50 + 10 * np.tile(PATTERN, 20)[: 50 + i] + rng.standard_normal(50 + i) for i in range(count)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder like that of M4, of three kinds with a few series each."""
    for kind in KINDS:
        if kind.name not in ("yearly", "quarterly", "daily"):
            continue
        known = values_of(kind.name, 5)
        for part, cut in (
            ("train", slice(None, -kind.horizon)),
            ("test", slice(-kind.horizon, None)),
        ):
            rows = [values[cut] for values in known]
            ids = np.repeat([f"{kind.name[0].upper()}{i}" for i in range(len(rows))], [len(row) for row in rows])
            steps = np.concatenate([np.arange(len(row), dtype=np.int32) for row in rows])
            table = pa.table({"unique_id": ids, "ds": steps, "y": np.concatenate(rows).astype(np.float32)})
            pq.write_table(table, tmp_path / f"{kind.name}_{part}.parquet")
    return tmp_path


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where results go instead of benchmarks/results."""
    monkeypatch.setattr(results, "FOLDER", tmp_path / "results")
    return tmp_path / "results"


def run(folder: Path, *arguments: str) -> None:
    m4.main(["--data", str(folder), "--threads", "1", *arguments])


def check_table(path: Path, series: dict[str, int]) -> None:
    """Check that a table is what the scorer takes."""
    table = pq.read_table(path)
    assert table.column_names == ["unique_id", "step", "yhat", "lo", "hi"]
    ids, steps = table["unique_id"].to_pylist(), table["step"].to_pylist()
    expected = [(name, step) for name, horizon in series.items() for step in range(1, horizon + 1)]
    assert sorted(zip(ids, steps, strict=True)) == sorted(expected)
    point, low, high = (table[name].to_numpy() for name in ("yhat", "lo", "hi"))
    assert all(np.isfinite(column).all() for column in (point, low, high))
    assert (low <= point).all()
    assert (point <= high).all()


def test_a_run_writes_the_scorers_table_and_the_scores(
    folder: Path, written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(m4, "recipe_of", lambda kind: replace(recipe_of(kind), networks=(TINY,), training=BRIEF))
    output = folder / "out" / "m4.parquet"
    run(folder, "--budget-seconds", "1", "--kinds", "yearly", "quarterly", "--output", str(output), "--result", "tiny")
    check_table(output, {f"Y{i}": 6 for i in range(5)} | {f"Q{i}": 8 for i in range(5)})
    told = json.loads((written / "tiny.json").read_text(encoding="utf-8"))
    assert (told["part"], told["budget_seconds"], told["threads"]) == ("test", 1, 1)
    rows = {row["kind"]: row for row in told["rows"]}
    assert list(rows) == ["yearly", "quarterly", "total"]
    assert rows["total"]["series"] == 10
    assert rows["total"]["networks"] == rows["yearly"]["networks"] + rows["quarterly"]["networks"] >= 2
    assert all(0 < row["owa"] < 10 and 0 <= row["coverage"] <= 1 for row in rows.values())
    assert "milliseconds" not in rows["total"]


def test_base_weights_forecast_without_training(
    folder: Path, written: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(m4, "_fit", None)
    output = folder / "m4.parquet"
    run(folder, "--base", "--kinds", "daily", "--output", str(output), "--result", "base")
    check_table(output, {f"D{i}": 14 for i in range(5)})
    told = json.loads((written / "base.json").read_text(encoding="utf-8"))
    assert told["budget_seconds"] is None
    assert all(row["milliseconds"] > 0 for row in told["rows"])
    assert "one in" in capsys.readouterr().out


def test_validation_forecasts_the_last_horizon_of_the_training_part(folder: Path) -> None:
    kind = next(one for one in KINDS if one.name == "quarterly")
    tested, validated = read(folder, kind), read(folder, kind, validation=True)
    whole = tested.panel.series(0)
    assert_allclose(np.concatenate((validated.panel.series(0), validated.actual[0])), whole)
    assert_allclose(np.concatenate((whole, tested.actual[0])), values_of("quarterly", 1)[0], rtol=1e-6)


def test_a_test_part_of_other_series_is_refused(folder: Path) -> None:
    (folder / "daily_test.parquet").write_bytes((folder / "yearly_test.parquet").read_bytes())
    with pytest.raises(SystemExit, match="does not fit"):
        run(folder, "--base", "--kinds", "daily")


RUN = {
    "date": "2026-01-31",
    "budget_seconds": 600,
    "threads": 2,
    "machine": {"cpu": "A chip", "numba": "0.68.1"},
    "rows": [
        {"kind": "yearly", "owa": 0.7812},
        {"kind": "total", "owa": 0.8346, "msis": 12.346, "coverage": 0.9456, "networks": 21, "seconds": 590.4},
    ],
}


def test_the_table_shows_ours_beside_what_others_published() -> None:
    block = m4_block(dict.fromkeys(RUNS) | {"m4_600": RUN})
    row = "| Forecaster: trained within 600 s, 21 networks | 590 | 0.781 |  |  |  |  |  | **0.835** | 12.35 | 0.004 |"
    assert row in block
    assert "Not measured yet: `m4_1800`, `m4_base`." in block
    assert "on 2026-01-31: A chip, 2 threads, Numba 0.68.1" in block
    assert all(one.method in block for one in PUBLISHED)
    widths = {line.count("|") for line in block.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_base_weights_have_no_budget_in_the_table() -> None:
    rows = [RUN["rows"][0], RUN["rows"][1] | {"milliseconds": 0.62}]  # type: ignore[index]  # a list of rows
    block = m4_block({"m4_base": RUN | {"budget_seconds": None, "rows": rows}})
    assert "| Forecaster, base weights: nothing trained, 21 networks, one forecast 0.6 ms |" in block
    assert "Not measured yet" not in block


@pytest.mark.parametrize(("count", "said"), [(None, "TO FILL IN"), (1, "test parts once"), (3, "test parts 3 times")])
def test_it_is_told_how_often_the_test_parts_were_scored(
    count: int | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "TEST_PARTS_SCORED", count)
    assert said in m4_block(dict.fromkeys(RUNS))


def test_published_methods_have_all_kinds_or_none() -> None:
    assert {len(one.kinds) for one in PUBLISHED} == {0, 6}
