"""A file of series to a file of forecasts: the same as all of them at once, whatever the pieces."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecaster import Forecaster, read_panel, write_forecast
from forecaster.batch import BatchProgress, forecast_file, reading
from forecaster.columns import ColumnNames
from forecaster.executors import Serial
from tests.batch.tables import (
    WRITERS,
    Row,
    assert_same,
    errors_of,
    expected,
    scattered,
    series_rows,
    sorted_lines,
    write_csv,
    write_parquet,
)

ENDINGS = (".csv", ".csv.gz", ".parquet")
ROWS = series_rows([20 + number % 13 for number in range(40)])


@pytest.mark.parametrize("ending_out", ENDINGS)
@pytest.mark.parametrize("ending_in", ENDINGS)
@pytest.mark.usefixtures("in_pieces")
def test_in_pieces_it_is_what_it_is_at_once(ending_in: str, ending_out: str, model: Forecaster, tmp_path: Path) -> None:
    source, output = WRITERS[ending_in](tmp_path / f"in{ending_in}", ROWS), tmp_path / f"out{ending_out}"
    told: list[BatchProgress] = []
    result = forecast_file(model, source, output, h=5, level=90, progress=told.append)
    assert_same(output, expected(model, ROWS, output, h=5, level=90))
    assert (result.output, result.series, result.skipped, result.rows) == (output, 40, 0, len(ROWS))
    assert (result.h, result.errors, result.named, result.resumed) == (5, None, (), 0)
    assert {path.name for path in tmp_path.iterdir()} >= {source.name, output.name}
    assert not output.with_name(output.name + ".parts").exists()
    parts = [progress for progress in told if progress.stage == "forecasting"]
    assert len(parts) > 5
    assert [progress.rows for progress in parts] == sorted(progress.rows for progress in parts)
    assert (parts[-1].rows, parts[-1].total, parts[-1].series) == (len(ROWS), len(ROWS), 40)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.usefixtures("in_pieces")
def test_scattered_rows_are_brought_together(ending: str, model: Forecaster, tmp_path: Path) -> None:
    rows = scattered(ROWS)
    source, output = WRITERS[ending](tmp_path / f"in{ending}", rows), tmp_path / "out.csv"
    told: list[BatchProgress] = []
    assert forecast_file(model, source, output, progress=told.append).series == 40
    assert sorted_lines(output) == sorted_lines(expected(model, rows, output))
    assert "bringing rows together" in {progress.stage for progress in told}


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_little_file_is_read_at_once(ending: str, model: Forecaster, tmp_path: Path) -> None:
    rows = scattered(ROWS)
    source, output = WRITERS[ending](tmp_path / f"in{ending}", rows), tmp_path / "out.csv"
    forecast_file(model, source, output)
    assert_same(output, expected(model, rows, output))


@pytest.mark.parametrize("executor", ["serial", "threads"])
@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.usefixtures("in_pieces")
def test_whoever_runs_it_gives_the_same(executor: str, workers: int, model: Forecaster, tmp_path: Path) -> None:
    source, output = write_parquet(tmp_path / "in.parquet", ROWS), tmp_path / "out.csv"
    forecast_file(model, source, output, executor=executor, workers=workers, quantiles=[0.1, 0.5, 0.9])
    assert_same(output, expected(model, ROWS, output, quantiles=[0.1, 0.5, 0.9]))


@pytest.mark.parametrize(("is_here", "ahead"), [(True, 2), (False, None)])
@pytest.mark.usefixtures("in_pieces")
def test_how_many_pieces_are_ahead_is_left_to_a_cluster(
    is_here: bool, ahead: int | None, model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that began with a machine or none would never grow if the number of its first processors were the limit."""
    asked: list[int | None] = []

    class Noted(Serial):
        def stream(self, *arguments: Any, ahead: int | None = None, **more: Any) -> Iterator[Any]:
            asked.append(ahead)
            return super().stream(*arguments, **more)

    monkeypatch.setattr(Noted, "is_here", is_here)
    source = write_parquet(tmp_path / "in.parquet", ROWS)
    assert forecast_file(model, source, tmp_path / "out.csv", executor=Noted()).series == 40
    assert asked == [ahead]


@pytest.mark.usefixtures("in_pieces")
def test_a_folder_becomes_a_folder(model: Forecaster, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / "in" / f"region={number}").mkdir(parents=True)
        write_parquet(tmp_path / "in" / f"region={number}" / "part.parquet", ROWS[number * 250 : number * 250 + 250])
    result = forecast_file(model, tmp_path / "in", f"{tmp_path}/out/")
    parts = sorted((tmp_path / "out").iterdir())
    assert [part.name for part in parts] == [f"part-{number:05}.parquet" for number in range(len(parts))]
    assert len(parts) > 3
    whole = expected(model, ROWS[:1000], tmp_path / "out.parquet")
    assert pd.concat(map(pd.read_parquet, parts), ignore_index=True).equals(pd.read_parquet(whole))
    assert result.series == whole_series(ROWS[:1000])
    forecast_file(model, tmp_path / "in", tmp_path / "out", h=1)  # it is one of ours, and is replaced
    assert pd.read_parquet(tmp_path / "out").groupby("unique_id").size().max() == 1


def whole_series(rows: Sequence[Row]) -> int:
    return len({name for name, _, _ in rows})


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.usefixtures("in_pieces")
def test_each_file_of_a_folder_of_csv_is_a_table(ending: str, model: Forecaster, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)
    forecast_file(model, source, f"{tmp_path}/out{ending}/")
    found = pd.concat(map(pd.read_csv, sorted((tmp_path / f"out{ending}").iterdir())), ignore_index=True)
    assert found.equals(pd.read_csv(expected(model, ROWS, tmp_path / "out.csv")))


@pytest.mark.usefixtures("in_pieces")
def test_base_weights_are_those_of_the_frequency(tmp_path: Path) -> None:
    source, output = write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    result = forecast_file("base", source, output, season=7, h=3)
    assert_same(output, expected(Forecaster.pretrained("D", season=7), ROWS, output, h=3))
    assert result.model is not None
    assert result.model.info["base"] == "daily"


FAULTY = {
    "s3": ("duplicate timestamp 2024-01-04", lambda rows: [*rows, rows[3]]),
    "s11": ("expected a number, got 'abc'", lambda rows: [(*rows[0][:2], "abc"), *rows[1:]]),
    "s12": ("the value is infinite", lambda rows: [(*rows[0][:2], "inf"), *rows[1:]]),
    "s20": ("Expected a date", lambda rows: [*rows[:5], (rows[5][0], "5th of May", 1.0), *rows[6:]]),
    "s21": ("the timestamp is missing", lambda rows: [*rows[:5], (rows[5][0], "", 1.0), *rows[6:]]),
    "s22": ("is not on the grid", lambda rows: [*rows[:5], (rows[5][0], "2024-01-06 13:00:00", 1.0), *rows[6:]]),
    "s23": ("has '5D' (every 5 days), the others have 'D' (days)", lambda rows: rows[::5]),
    "s24": ("has 1 observed values; at least 2 are needed", lambda rows: rows[:1]),
    "s25": ("beyond the year 9999", lambda _rows: [("s25", f"9999-12-{day}", 1.0) for day in range(12, 32)]),
    "s26": ("rows begin here, more than the 400", lambda _rows: series_rows([401] * 27)[-401:]),
}


@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.usefixtures("in_pieces")
def test_faulty_series_are_named_with_their_rows_and_the_others_are_forecast(
    spread: bool, model: Forecaster, tmp_path: Path
) -> None:
    by_series: dict[str, list[Row]] = {}
    for row in ROWS:
        by_series.setdefault(row[0], []).append(row)
    good = [row for row in ROWS if row[0] not in FAULTY]
    for name, (_, spoil) in FAULTY.items():
        by_series[name] = spoil(by_series[name])
    rows = [row for own in by_series.values() for row in own]
    rows = scattered(rows) if spread else rows
    output = tmp_path / "out.csv"
    result = forecast_file(model, write_csv(tmp_path / "in.csv", rows), output)
    assert sorted_lines(output) == sorted_lines(expected(model, good, output))
    found = {line["unique_id"]: line for line in errors_of(output)}
    assert found.keys() == FAULTY.keys()
    lines = (tmp_path / "in.csv").read_text().splitlines()
    for name, (reason, _) in FAULTY.items():
        assert reason in found[name]["reason"], name
        assert found[name]["file"] == "in.csv"
        assert lines[int(found[name]["row"]) - 1].startswith(f"{name},"), name
    assert (result.series, result.skipped, result.errors) == (30, 10, tmp_path / "out.csv.errors.csv")
    assert dict(result.named).keys() == FAULTY.keys()


@pytest.mark.parametrize("at_once", [False, True])
def test_what_is_wrong_is_the_same_in_a_little_file(
    at_once: bool, model: Forecaster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not at_once:
        request.getfixturevalue("in_pieces")
    rows: list[Row] = [*ROWS, ("s1", "2024-01-03", 1.0), ("x", "2024-01-01", "one")]
    output = tmp_path / "out.csv"
    forecast_file(model, write_csv(tmp_path / "in.csv", rows), output)
    again, one = len(ROWS) + 2, len(ROWS) + 3
    found = {line["unique_id"]: (line["row"], line["column"], line["reason"]) for line in errors_of(output)}
    assert found.keys() == {"s1", "x"}
    assert found["x"] == (str(one), "y", f"Line {one}, column 'y': expected a number, got 'one'.")
    said = f"Series 's1', line {again}: duplicate timestamp 2024-01-03, already in line 24. A series has one value"
    assert found["s1"][:2] == (str(again), "ds")
    assert found["s1"][2].startswith(said)


@pytest.mark.usefixtures("in_pieces")
def test_an_id_in_two_files_is_one_series_and_what_is_twice_is_told_by_both_files(
    model: Forecaster, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_parquet(folder / "a.parquet", ROWS[:500])
    write_parquet(folder / "b.parquet", ROWS[500:] + ROWS[20:22])
    output = tmp_path / "out.csv"
    forecast_file(model, folder, output)
    assert sorted_lines(output) == sorted_lines(expected(model, [row for row in ROWS if row[0] != "s1"], output))
    (error,) = errors_of(output)
    assert (error["unique_id"], error["file"], error["row"]) == ("s1", "b.parquet", str(len(ROWS) - 499))
    assert f"row {len(ROWS) - 499}: duplicate timestamp 2024-01-01, already in row 21 of a.parquet" in error["reason"]


@pytest.mark.usefixtures("in_pieces")
def test_times_that_come_in_another_zone_are_faults(tmp_path: Path) -> None:
    model = Forecaster.pretrained("h")
    rows: list[Row] = []
    for number in range(20):
        offset = "+02:00" if number in (12, 19) else "+01:00"
        rows += [
            (f"s{number:02}", f"2024-03-{1 + hour // 24:02}T{hour % 24:02}:00:00{offset}", 5 + hour % 24)
            for hour in range(60)
        ]
    output = tmp_path / "out.csv"
    assert forecast_file(model, write_csv(tmp_path / "in.csv", rows), output, h=2).skipped == 2
    assert [line["unique_id"] for line in errors_of(output)] == ["s12", "s19"]
    assert "UTC offset +02:00, others have +01:00" in errors_of(output)[0]["reason"]
    assert_same(output, expected(model, [row for row in rows if row[0] not in ("s12", "s19")], output, h=2))
    forecast_file(model, tmp_path / "in.csv", output, h=2, timezone="Europe/Berlin")
    assert_same(output, expected_in_zone(model, rows, output))


def expected_in_zone(model: Forecaster, rows: Sequence[Row], output: Path) -> Path:
    place = output.with_name("expected.csv")
    panel = read_panel(write_csv(output.with_name("expected-in.csv"), rows), timezone="Europe/Berlin")
    write_forecast(model.forecast(panel, h=2), place)
    return place


@pytest.mark.usefixtures("in_pieces")
def test_columns_keep_their_names(model: Forecaster, tmp_path: Path) -> None:
    names = ColumnNames("shop", "day", "sales")
    source = write_csv(tmp_path / "in.csv", [*ROWS, ("s1", "x", 1.0)], header=("shop", "day", "sales"))
    output = tmp_path / "out.csv"
    forecast_file(model, source, output, names=names)
    assert output.read_text().splitlines()[0].startswith("shop,day,LSTM,")
    assert errors_of(output)[0]["column"] == "day"


@pytest.mark.usefixtures("in_pieces")
def test_ids_that_csv_has_to_quote_come_back(model: Forecaster, tmp_path: Path) -> None:
    odd = ["a,b", 'say "x"', "two\nlines", "=SUM(A1)", " blank", "é", "'", "-", "a\rb"]
    rows = [(odd[int(name[1:])], day, value) for name, day, value in ROWS if int(name[1:]) < len(odd)]
    source, output = write_parquet(tmp_path / "in.parquet", rows), tmp_path / "out.csv"
    forecast_file(model, source, output)
    write_forecast(model.forecast(read_panel(source)), tmp_path / "expected.csv")
    with output.open(newline="") as one, (tmp_path / "expected.csv").open(newline="") as other:
        assert list(csv.reader(one)) == list(csv.reader(other))


@pytest.mark.usefixtures("in_pieces")
def test_a_wide_table_is_read_in_pieces(model: Forecaster, tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, columns=["unique_id", "ds", "y"]).pivot_table(
        index="ds", columns="unique_id", values="y"
    )
    frame.to_csv(tmp_path / "in.csv")
    output = tmp_path / "out.csv"
    assert forecast_file(model, tmp_path / "in.csv", output).series == 40
    write_forecast(model.forecast(read_panel(tmp_path / "in.csv")), tmp_path / "expected.csv")
    assert sorted_lines(output) == sorted_lines(tmp_path / "expected.csv")


@pytest.mark.usefixtures("in_pieces")
def test_where_the_first_series_tell_no_frequency_the_models_holds(model: Forecaster, tmp_path: Path) -> None:
    lonely = [(f"a{number:02}", "2024-01-01", 1.0) for number in range(30)]
    output = tmp_path / "out.csv"
    result = forecast_file(model, write_csv(tmp_path / "in.csv", [*lonely, *ROWS]), output)
    assert (result.series, result.skipped) == (40, 30)
    assert_same(output, expected(model, ROWS, output))


@pytest.mark.usefixtures("in_pieces")
def test_a_sample_is_given_back(model: Forecaster, tmp_path: Path) -> None:
    result = forecast_file(model, write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", sample=3)
    assert result.sample is not None
    panel, forecast = result.sample
    assert panel.ids == forecast.ids == ("s0", "s1", "s2")


@pytest.mark.usefixtures("in_pieces")
def test_results_can_go_down_a_pipe(model: Forecaster, tmp_path: Path) -> None:
    source, pipe = write_csv(tmp_path / "in.csv", ROWS), tmp_path / "pipe.csv"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    forecast_file(model, source, pipe, h=1)
    content = b"".join(iter(lambda: os.read(reader, 65536), b""))
    os.close(reader)
    assert content == expected(model, ROWS, tmp_path / "out.csv", h=1).read_bytes()


def test_a_link_stays_a_link(model: Forecaster, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    output = tmp_path / "out.csv"
    output.symlink_to(tmp_path / "elsewhere" / "real.csv")
    forecast_file(model, write_csv(tmp_path / "in.csv", ROWS), output)
    assert output.is_symlink()
    assert (tmp_path / "elsewhere" / "real.csv").exists()


def test_errors_of_an_earlier_result_go_with_it(model: Forecaster, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    forecast_file(model, write_csv(tmp_path / "in.csv", [*ROWS, ("t", "2024-01-01", 1.0)]), output)
    assert len(errors_of(output)) == 1
    forecast_file(model, write_csv(tmp_path / "in.csv", ROWS), output)
    assert not output.with_name("out.csv.errors.csv").exists()


def test_without_pyarrow_csv_is_read_at_once(
    model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "find_spec", lambda _name: None)
    monkeypatch.setattr(reading, "_LITTLE", 0)
    source, output = write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    forecast_file(model, source, output)
    assert_same(output, expected(model, ROWS, output))
    shutil.rmtree(tmp_path, ignore_errors=True)
