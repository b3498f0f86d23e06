"""What no run makes a forecast of, and leaves nothing of."""

from __future__ import annotations

import gzip
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from forecaster import ConfigError, Forecaster, InputError, OutputError, TooShortError
from forecaster.batch import BatchProgress, forecast_file, reading
from forecaster.batch.inputs import difference, find_input
from forecaster.columns import ColumnNames
from tests.batch.tables import errors_of, series_rows, write_csv, write_parquet
from tests.examples import TINY, tiny, weekly

ROWS = series_rows([20 + number % 13 for number in range(40)])


def nothing_left(folder: Path) -> bool:
    return {path.name for path in folder.iterdir()} <= {"in.csv", "in.parquet", "in"}


@pytest.mark.parametrize("at_once", [False, True])
def test_where_no_series_can_be_forecast_nothing_is_written(
    at_once: bool, model: Forecaster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not at_once:
        request.getfixturevalue("in_pieces")
    source = write_csv(tmp_path / "in.csv", [(f"a{number:02}", "2024-01-01", 1.0) for number in range(30)])
    said = r"No series is long enough\. Series 'a00' has 1 observed values.*Each is named in .*out\.csv\.errors\.csv\."
    with pytest.raises(TooShortError, match=said):
        forecast_file(model, source, tmp_path / "out.csv", freq="D")
    assert sorted(line["unique_id"] for line in errors_of(tmp_path / "out.csv")) == [f"a{n:02}" for n in range(30)]
    (tmp_path / "out.csv.errors.csv").unlink()
    assert nothing_left(tmp_path)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("base", [False, True])
def test_where_every_series_has_a_fault_all_of_them_are_named(
    at_once: bool, base: bool, model: Forecaster, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if not at_once:
        request.getfixturevalue("in_pieces")
    rows: list[Any] = [(f"a{n:02}", f"2024-01-{day:02}", "many") for n in range(9) for day in (1, 2, 3)]
    freq = None if at_once or not base else "D"  # the first of several pieces shows none
    with pytest.raises(InputError, match=r"column 'y': expected a number, got 'many'"):
        forecast_file("base" if base else model, write_csv(tmp_path / "in.csv", rows), tmp_path / "out.csv", freq=freq)
    found = {line["unique_id"]: (line["row"], line["column"]) for line in errors_of(tmp_path / "out.csv")}
    assert found == {f"a{n:02}": (str(2 + 3 * n), "y") for n in range(9)}
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.usefixtures("in_pieces")
def test_a_model_of_another_frequency_is_refused(model: Forecaster, tmp_path: Path) -> None:
    months = [(f"a{at:02}", f"2024-{month:02}-01", 1.0) for at in range(30) for month in range(1, 13)]
    with pytest.raises(InputError, match="the model was trained on 'D'"):
        forecast_file(model, write_csv(tmp_path / "in.csv", months), tmp_path / "out.csv")
    assert nothing_left(tmp_path)


@pytest.mark.usefixtures("in_pieces")
def test_an_input_that_changes_meanwhile_is_refused(model: Forecaster, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)

    def touch(progress: BatchProgress) -> None:
        if progress.stage == "forecasting" and progress.series > 20:
            os.utime(source, ns=(1, 1))

    with pytest.raises(InputError, match="has changed while it was read"):
        forecast_file(model, source, tmp_path / "out.csv", progress=touch)
    assert nothing_left(tmp_path)


def folder_of(path: Path, names: str) -> Path:
    path.mkdir()
    for name in names:
        write_csv(path / f"{name}.csv", [(f"{name}{one}", day, value) for one, day, value in ROWS])
    return path


@pytest.mark.usefixtures("in_pieces")
def test_the_file_of_a_folder_that_changes_meanwhile_is_named(model: Forecaster, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "abc")

    def touch(progress: BatchProgress) -> None:
        if progress.stage == "forecasting" and progress.series > 20:
            os.utime(source / "b.csv", ns=(1, 1))

    with pytest.raises(InputError, match=r"in/b\.csv has changed while it was read"):
        forecast_file(model, source, tmp_path / "out.csv", progress=touch)
    assert nothing_left(tmp_path)


@pytest.mark.usefixtures("in_pieces")
def test_files_that_come_into_a_folder_meanwhile_are_counted(model: Forecaster, tmp_path: Path) -> None:
    source = folder_of(tmp_path / "in", "ab")

    def add(progress: BatchProgress) -> None:
        if progress.stage == "forecasting" and progress.series > 20:
            for name in ("new.csv", "other.tmp", ".hidden"):
                (source / name).touch()

    with pytest.warns(UserWarning, match=r"2 files came into .*in meanwhile, and were not read"):
        result = forecast_file(model, source, tmp_path / "out.csv", progress=add)
    assert result.series == 80


def test_what_is_different_between_two_inputs() -> None:
    before = [["a.csv", 1, 2, "x"], ["b.csv", 3, 4, "y"]]
    assert difference(before, before) == ""
    assert difference(before, [["a.csv", 1, 9, "x"], before[1]]) == "a.csv has changed"
    assert difference(before, before[1:]) == "a.csv is gone"
    now = [before[0], ["d.csv", 1, 1, ""], ["c.csv", 1, 1, ""]]
    assert difference(before, now) == "b.csv is gone, 2 files such as c.csv are new"


@pytest.mark.parametrize("ending", [".csv.gz"])
@pytest.mark.parametrize("at_once", [False, True])
def test_half_a_gzip_file_is_refused(
    ending: str,
    at_once: bool,
    model: Forecaster,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if not at_once:
        request.getfixturevalue("in_pieces")
    (tmp_path / "in").mkdir()
    source = write_csv(tmp_path / "in" / f"in{ending}", ROWS)
    source.write_bytes(source.read_bytes()[:-100])
    with pytest.raises(InputError, match="is not a complete gzip file"):
        forecast_file(model, source, tmp_path / "out.csv")
    assert nothing_left(tmp_path)


def test_what_cannot_be_written_is_told_before_the_work(model: Forecaster, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "part-0.parquet").touch()  # as pyarrow and Dask call theirs
    (tmp_path / "in").mkdir()
    write_csv(tmp_path / "in" / "a.csv", ROWS)
    for output, said in {
        f"{tmp_path}/none/out.csv": "there is no folder",
        f"{tmp_path}/none/out/": "there is no folder",
        f"{tmp_path}/out.xls": "the format follows from the name",
        f"{tmp_path}/full": "holds thesis.txt, no part of a forecast",
        f"{tmp_path}/other/": r"holds part-0\.parquet, no part of a forecast",
        f"{tmp_path}/in.csv/": "is a file, not a folder",
        str(source): "is the file that is read",
    }.items():
        with pytest.raises(OutputError, match=said):
            forecast_file(model, source, output)
    with pytest.raises(OutputError, match=r"is in the folder .* that is read"):
        forecast_file(model, tmp_path / "in", tmp_path / "in" / "out.csv")
    with pytest.raises(InputError, match=r"holds thesis\.txt: expected only files named"):
        forecast_file(model, tmp_path / "full", tmp_path / "out.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "in", "full", "other"}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"memory": "10M"}, "memory must be at least"),
        ({"memory": "much"}, "memory must be a size"),
        ({"season": 7}, "--season is for base only"),
        ({"level": 80, "quantiles": [0.1]}, "not both"),
        ({"names": ColumnNames("unique_id", "LSTM")}, "would be lost"),
        ({"executor": "clouds"}, "executor must be one of"),
        ({"h": 0}, "h must be from 1"),
    ],
)
def test_what_is_asked_wrong_is_told(asked: dict[str, Any], said: str, model: Forecaster, tmp_path: Path) -> None:
    source = write_csv(tmp_path / "in.csv", ROWS)
    with pytest.raises(ConfigError, match=said):
        forecast_file(model, source, tmp_path / "out.csv", **asked)
    assert nothing_left(tmp_path)


def test_a_column_called_as_the_forecasts_of_another_cell_is_refused(tmp_path: Path) -> None:
    model = tiny(network=replace(TINY, cell="gru")).fit(weekly())
    source = write_csv(tmp_path / "in.csv", ROWS)
    with pytest.raises(ConfigError, match="'GRU' of the ids or times would be lost"):
        forecast_file(model, source, tmp_path / "out.csv", names=ColumnNames("unique_id", "GRU"))
    with pytest.raises(InputError, match="There is no column 'LSTM'"):
        forecast_file(model, source, tmp_path / "out.csv", names=ColumnNames("unique_id", "LSTM"))


def test_text_that_is_not_utf8_in_parquet_is_told(model: Forecaster, tmp_path: Path) -> None:
    ids = pa.array([b"\xff\xfe"] * 20 + [b"b"] * 20).view(pa.string())
    rows = series_rows([20, 20])
    (tmp_path / "in").mkdir()
    write_parquet(tmp_path / "in" / "a.parquet", rows, unique_id=ids)
    with pytest.raises(InputError, match=r"a\.parquet is not a Parquet file, or it is damaged"):
        forecast_file(model, tmp_path / "in", tmp_path / "out.csv")
    assert nothing_left(tmp_path)


def test_a_folder_that_leads_back_into_itself_is_told(model: Forecaster, tmp_path: Path) -> None:
    (tmp_path / "in" / "a").mkdir(parents=True)
    write_csv(tmp_path / "in" / "a" / "x.csv", ROWS)
    (tmp_path / "in" / "b").symlink_to(tmp_path / "in")
    with pytest.raises(InputError, match="twice, by a link"):
        forecast_file(model, tmp_path / "in", tmp_path / "out.csv")
    (tmp_path / "in" / "b").unlink()
    os.mkfifo(tmp_path / "in" / "pipe.csv")
    with pytest.raises(InputError, match=r"pipe\.csv is not a file"):
        forecast_file(model, tmp_path / "in", tmp_path / "out.csv")
    with pytest.raises(InputError, match="It is read more than once"):
        forecast_file(model, tmp_path / "in" / "pipe.csv", tmp_path / "out.csv")


def test_a_packed_file_that_unpacks_without_end_is_not_unpacked_to_be_weighed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_csv(tmp_path / "in.csv.gz", ROWS)
    size = source.stat().st_size
    monkeypatch.setattr(reading, "_LITTLE", size)
    read: list[int] = []
    unpack = gzip.GzipFile.read
    monkeypatch.setattr(gzip.GzipFile, "read", lambda self, size=-1: read.append(size) or unpack(self, 128))
    assert not reading._is_little(find_input(source))
    assert len(read) == size // 128 + 1


def test_a_mount_point_is_refused_before_any_work(
    model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda self: self.name == "out")
    with pytest.raises(OutputError, match="is a mount point"):
        forecast_file(model, write_csv(tmp_path / "in.csv", ROWS), f"{tmp_path}/out/")
