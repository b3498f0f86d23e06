"""Runs that are stopped, and those that go on where they were."""

from __future__ import annotations

import errno
import gzip
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from forecaster import ConfigError, Forecaster, InputError, OutputError
from forecaster.batch import BatchProgress, forecast_file
from forecaster.batch.csv_chunks import CsvSource
from forecaster.batch.parquet_chunks import ParquetSource
from forecaster.batch.parts import _sealed
from tests.batch.tables import WRITERS, assert_same, expected, scattered, series_rows, set_sizes, write_csv
from tests.examples import tiny, weekly

ENDINGS = (".csv", ".csv.gz", ".parquet")
ROWS = series_rows([20 + number % 13 for number in range(40)])


@dataclass
class Stop:
    """Interrupts a run after some pieces, or at a stage."""

    after: int
    stage: str = "forecasting"

    def __call__(self, progress: BatchProgress) -> None:
        if progress.stage == self.stage:
            self.after -= 1
            if self.after < 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.usefixtures("in_pieces")
def test_a_run_goes_on_after_each_interruption(
    spread: bool, ending: str, model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*ROWS, ("t", "2024-01-01", 1.0), ("u", "x", 1.0)]
    rows = scattered(rows) if spread else rows
    source, output = write_csv(tmp_path / "in.csv", rows), tmp_path / f"out{ending}"
    forecast_file(model, source, output)
    clean = {path.name: path.read_bytes() for path in tmp_path.glob("out*")}
    for path in tmp_path.glob("out*"):
        path.unlink()
    resumed = []
    for stop in [Stop(3), Stop(2), Stop(0, "joining"), Stop(99)]:
        if stop.after < 99:
            with pytest.raises(KeyboardInterrupt):
                forecast_file(model, source, output, resume=True, progress=stop)
            assert {path.name for path in tmp_path.iterdir()} == {"in.csv", f"out{ending}.parts"}
            set_sizes(monkeypatch, rows=100, series=5, chunk=50)  # with less memory the next time
        else:
            resumed.append(forecast_file(model, source, output, resume=True, progress=stop))
    assert resumed[0].series == 40
    assert resumed[0].resumed == 42
    if spread:
        assert sorted_table(output) == sorted_table_of(clean[f"out{ending}"], output)
    elif ending == ".parquet":
        assert pq.read_table(output).equals(table_of(clean[f"out{ending}"], output))
    else:
        assert gunzipped(output.read_bytes()) == gunzipped(clean[f"out{ending}"])
    errors = (tmp_path / f"out{ending}.errors.csv").read_bytes()
    assert sorted(errors.splitlines()) == sorted(clean[f"out{ending}.errors.csv"].splitlines())
    assert not (tmp_path / f"out{ending}.parts").exists()


def gunzipped(content: bytes) -> bytes:
    return gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content


def table_of(content: bytes, like: Path) -> Any:
    place = like.with_name("clean" + "".join(like.suffixes))
    place.write_bytes(content)
    return pq.read_table(place) if like.suffix == ".parquet" else pd.read_csv(place)


def sorted_table(path: Path) -> Any:
    frame = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
    return frame.sort_values(["unique_id", "ds"]).to_dict("records")


def sorted_table_of(content: bytes, like: Path) -> Any:
    place = like.with_name("clean" + "".join(like.suffixes))
    place.write_bytes(content)
    return sorted_table(place)


@pytest.fixture
def stopped(model: Forecaster, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A run that was interrupted; its folder of parts."""
    request.getfixturevalue("in_pieces")
    with pytest.raises(KeyboardInterrupt):
        forecast_file(model, write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", progress=Stop(4))
    return tmp_path / "out.csv.parts"


def test_without_resume_it_begins_anew(stopped: Path, model: Forecaster, tmp_path: Path) -> None:
    result = forecast_file(model, tmp_path / "in.csv", tmp_path / "out.csv", h=2)
    assert result.resumed == 0
    assert not stopped.exists()
    assert_same(tmp_path / "out.csv", expected(model, ROWS, tmp_path / "out.csv", h=2))


@pytest.mark.parametrize(
    ("asked", "what"),
    [({"h": 2}, "h"), ({"level": 50}, "level"), ({"freq": "D"}, "freq"), ({"quantiles": [0.5]}, "level and quantiles")],
)
@pytest.mark.usefixtures("stopped")
def test_another_run_is_not_gone_on_with(asked: dict[str, Any], what: str, model: Forecaster, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"is of a run with another {what}, which cannot be gone on with"):
        forecast_file(model, tmp_path / "in.csv", tmp_path / "out.csv", resume=True, **asked)
    assert forecast_file(model, tmp_path / "in.csv", tmp_path / "out.csv", resume=True).resumed > 20


def test_another_input_or_model_is_not_gone_on_with(stopped: Path, model: Forecaster, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="another model"):
        forecast_file(tiny(seed=7).fit(weekly()), tmp_path / "in.csv", tmp_path / "out.csv", resume=True)
    write_csv(tmp_path / "in.csv", [*ROWS[:-1], (*ROWS[-1][:2], 5.0)])
    with pytest.raises(ConfigError, match=r"another input \(in\.csv has changed\)"):
        forecast_file(model, tmp_path / "in.csv", tmp_path / "out.csv", resume=True)
    assert stopped.exists()


def test_damaged_parts_are_made_again(stopped: Path, model: Forecaster, tmp_path: Path) -> None:
    (stopped / "0000002").write_bytes(b"half")
    result = forecast_file(model, tmp_path / "in.csv", tmp_path / "out.csv", resume=True)
    assert result.resumed == 13  # two parts of seven or six series each
    assert_same(tmp_path / "out.csv", expected(model, ROWS, tmp_path / "out.csv"))


@pytest.mark.parametrize("cut", range(0, 2400, 97))
def test_a_journal_that_was_cut_short_is_true_as_far_as_it_goes(
    cut: int, stopped: Path, model: Forecaster, tmp_path: Path
) -> None:
    journal = stopped / "journal"
    os.truncate(journal, min(cut, journal.stat().st_size))
    forecast_file(model, tmp_path / "in.csv", tmp_path / "out.csv", resume=True)
    assert_same(tmp_path / "out.csv", expected(model, ROWS, tmp_path / "out.csv"))
    assert not stopped.exists()


@pytest.mark.usefixtures("in_pieces")
def test_a_run_that_was_done_is_found_done(model: Forecaster, tmp_path: Path) -> None:
    """Killed between the output and the removal of the parts."""
    source, output = write_csv(tmp_path / "in.csv", [*ROWS, ("t", "2024-01-01", 1.0)]), tmp_path / "out.csv"
    first = forecast_file(model, source, output)
    with pytest.raises(KeyboardInterrupt):
        forecast_file(model, source, output, progress=Stop(0, "joining"))
    journal = tmp_path / "out.csv.parts" / "journal"

    journal.write_text(journal.read_text() + _sealed({"committed": True}))
    again = forecast_file(model, source, output, resume=True)
    assert (again.series, again.skipped, again.named, again.h) == (first.series, first.skipped, first.named, first.h)
    assert again.model is None
    assert not journal.exists()


def test_a_folder_of_somebody_elses_is_left_alone(model: Forecaster, tmp_path: Path) -> None:
    (tmp_path / "out.csv.parts").mkdir()
    (tmp_path / "out.csv.parts" / "thesis.txt").write_text("years of work")
    for resume in (False, True):
        with pytest.raises(OutputError, match=r"holds thesis\.txt, which is not of this program"):
            forecast_file(model, write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv", resume=resume)
    assert (tmp_path / "out.csv.parts" / "thesis.txt").read_text() == "years of work"


@pytest.mark.usefixtures("in_pieces")
def test_two_runs_at_once_do_not_write_one_output(model: Forecaster, tmp_path: Path) -> None:
    source, output = write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    refused: list[str] = []

    def run_another(progress: BatchProgress) -> None:
        if progress.stage == "forecasting" and not refused:
            for resume in (False, True):
                with pytest.raises(
                    OutputError, match=r"out\.csv cannot be written: another run is writing it"
                ) as error:
                    forecast_file(model, source, output, resume=resume)
                refused.append(str(error.value))

    forecast_file(model, source, output, progress=run_another)
    assert len(refused) == 2
    assert_same(output, expected(model, ROWS, output))


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
@pytest.mark.usefixtures("in_pieces")
def test_what_is_done_is_kept_when_the_input_cannot_be_read_for_a_while(
    ending: str, model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that is lost for a minute says nothing of the input."""
    source, output = WRITERS[ending](tmp_path / f"in{ending}", ROWS), tmp_path / "out.csv"
    kind = CsvSource if ending == ".csv" else ParquetSource
    read, chunks = kind._chunk, 0

    def lost(*arguments: Any, **more: Any) -> Any:
        nonlocal chunks
        chunks += 0 if more.get("ids_alone") else 1
        if chunks > 8:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(*arguments, **more)

    with monkeypatch.context() as patched:
        patched.setattr(kind, "_chunk", lost)
        with pytest.raises(InputError, match=r"cannot be read: Input/output error\. \d+ series are done and kept in"):
            forecast_file(model, source, output)
    result = forecast_file(model, source, output, resume=True)
    assert (result.series, result.resumed > 0) == (40, True)
    assert_same(output, expected(model, ROWS, output))


@pytest.mark.usefixtures("in_pieces")
def test_the_name_of_the_output_is_on_the_disk_before_the_parts_are_removed(
    model: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a power cut could take the one and the other."""
    source, output = write_csv(tmp_path / "in.csv", ROWS), tmp_path / "out.csv"
    flushed: list[tuple[Path, bool, bool]] = []
    monkeypatch.setattr(
        "forecaster.outputs.flush_folder",
        lambda folder: flushed.append((folder, output.exists(), any(tmp_path.glob("out.csv.parts/0*")))),
    )
    forecast_file(model, source, output)
    assert flushed == [(tmp_path, True, True)]
