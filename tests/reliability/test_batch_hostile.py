"""Files that are large in the wrong way, or broken, and disks without room: told, and never forecast wrongly."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.reliability.batch_runs import LEAST, Batch, Done, contents, draw_parquet, save_model
from tests.reliability.disks import PAGE, Disk, small_disk
from tests.reliability.sizes import say, size

GOOD = 2_000
MEMORY = 2**20 * int(LEAST.removesuffix("M"))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_model(tmp_path_factory.mktemp("models") / "model")


def errors_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "out.parquet.errors.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def forecasts(folder: Path) -> int:
    """Return how many series have a forecast, each of whole three steps."""
    table = pq.read_table(folder / "out.parquet", columns=["unique_id"])
    counts = table.group_by("unique_id").aggregate([([], "count_all")])
    assert set(counts.column("count_all").to_pylist()) == {3}
    return len(counts)


def check_memory(done: Done) -> None:
    assert done.peak < 1.1 * MEMORY, f"{done.peak / 2**20:.0f} MB"


@pytest.mark.parametrize("scattered", [False, True])
def test_one_series_of_very_many_rows_is_left_out(scattered: bool, model: Path, tmp_path: Path) -> None:
    """It would have to be in memory as a whole: scale and season come from all its values."""
    rows = size(300_000, 10_000_000)
    lengths = [20] * (GOOD // 2) + [rows] + [20] * (GOOD // 2)
    source = draw_parquet(tmp_path / "in.parquet", lengths, scattered=scattered)
    batch = Batch(model, source, f"{tmp_path}/out.parquet", tmp_path / "said")
    done = batch.run("--freq", "D")
    assert done.code == 3, done.err
    (error,) = errors_of(tmp_path)
    assert error["unique_id"] == f"series {GOOD // 2:07}"
    assert f"{rows:,} rows begin here, more than the" in error["reason"]
    assert "--memory" in error["reason"]
    assert forecasts(tmp_path) == GOOD
    check_memory(done)
    way = "scattered" if scattered else "together"
    say(f"a series of {rows:,} rows, {way}: {done.peak / 2**20:.0f} MB at the most")


def test_with_enough_memory_it_is_forecast(model: Path, tmp_path: Path) -> None:
    rows = size(100_000, 2_500_000)  # days up to the year 8644
    source = draw_parquet(tmp_path / "in.parquet", [20] * GOOD + [rows])
    memory = size(512, 6 * 1024)
    batch = Batch(
        model, source, f"{tmp_path}/out.parquet", tmp_path / "said", ("--memory", f"{memory}M", "--workers", "2")
    )
    done = batch.run()
    assert done.code == 0, done.err
    assert forecasts(tmp_path) == GOOD + 1
    assert done.peak < memory * 2**20
    say(f"a series of {rows:,} rows is forecast with {done.peak / 2**20:.0f} MB of {memory} MB")


@pytest.mark.parametrize("scattered", [False, True])
def test_very_many_series_of_one_row_are_named(scattered: bool, model: Path, tmp_path: Path) -> None:
    lonely = size(20_000, 1_000_000)
    lengths = [1] * (lonely // 2) + [20] * GOOD + [1] * (lonely // 2)
    source = draw_parquet(tmp_path / "in.parquet", lengths, scattered=scattered)
    done = Batch(model, source, f"{tmp_path}/out.parquet", tmp_path / "said").run()
    assert done.code == 3, done.err
    assert f"{GOOD:,} series" in done.out
    found = errors_of(tmp_path)
    assert len(found) == len({error["unique_id"] for error in found}) == lonely
    assert {error["reason"] for error in found} == {"has 1 observed values; at least 2 are needed"}
    assert forecasts(tmp_path) == GOOD
    check_memory(done)
    way = "scattered" if scattered else "together"
    say(f"{lonely:,} series of one row, {way}: {done.peak / 2**20:.0f} MB at the most")


def test_a_packed_file_that_was_cut_short_is_refused_before_any_work(model: Path, tmp_path: Path) -> None:
    lines = (
        f"s{number:06},2024-01-{day:02},{day}\n" for number in range(size(10_000, 400_000)) for day in range(1, 31)
    )
    source = tmp_path / "in.csv.gz"
    with gzip.open(source, "wt", compresslevel=1) as file:
        file.write("unique_id,ds,y\n")
        file.writelines(lines)
    whole = source.read_bytes()
    for length in (len(whole) // 2, len(whole) - 1, 20):
        source.write_bytes(whole[:length])
        done = Batch(model, source, f"{tmp_path}/out.parquet", tmp_path / "said").run()
        assert (done.code, done.out) == (2, "")
        assert "is not a complete gzip file" in done.err
        assert "Traceback" not in done.err
        assert {path.name for path in tmp_path.iterdir()} == {"in.csv.gz", "said"}
        check_memory(done)


def test_ids_in_several_files_of_a_folder_are_one_series(model: Path, tmp_path: Path) -> None:
    """Half of the files hold other days of the same series; one holds the same days again."""
    (tmp_path / "in").mkdir()
    whole = pq.read_table(draw_parquet(tmp_path / "whole.parquet", [30] * size(3_000, 30_000)))
    rows = len(whole)
    steps = 7
    for number in range(steps):
        pq.write_table(whole.take(list(range(number, rows, steps))), tmp_path / "in" / f"part-{number}.parquet")
    pq.write_table(whole.slice(0, 10), tmp_path / "in" / "part-9.parquet")
    done = Batch(model, tmp_path / "in", f"{tmp_path}/out.parquet", tmp_path / "said").run()
    assert done.code == 3, done.err
    (error,) = errors_of(tmp_path)
    assert (error["unique_id"], error["file"], error["row"]) == ("series 0000000", "part-9.parquet", "1")
    assert "row 1: duplicate timestamp 1800-01-01, already in row 1 of part-0.parquet" in error["reason"]
    alone = Batch(model, tmp_path / "whole.parquet", f"{tmp_path}/alone.parquet", tmp_path / "said")
    assert alone.here().code == 0
    expected = pq.read_table(tmp_path / "alone.parquet").slice(3)  # without the first series
    keys = [("unique_id", "ascending"), ("ds", "ascending")]
    assert pq.read_table(tmp_path / "out.parquet").sort_by(keys).equals(expected.sort_by(keys))


# --- full disks


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk", 64 * 2**20, files=2_000) as disk:
        yield disk


@pytest.mark.parametrize("source", ["together", "scattered"])
def test_a_disk_that_fills_up_leaves_what_was_there_and_what_is_done(
    source: str, disk: Disk, model: Path, tmp_path: Path
) -> None:
    """The output is on another file system than the input."""
    series, is_scattered = size(4_000, 20_000), source == "scattered"
    table = draw_parquet(tmp_path / "in.parquet", [30] * series, scattered=is_scattered)
    batch = Batch(model, table, f"{disk.path}/out.parquet", tmp_path / "said")
    assert batch.here().code == 0
    clean = contents(disk.path, "out.parquet")
    need = 3 * len(clean["out.parquet"]) + 6 * 2**20 + 60 * 30 * series * is_scattered
    outcomes = {"full": 0, "written": 0}
    (disk.path / "out.parquet").write_bytes(b"an earlier result")
    for leave in range(0, need, need // size(3, 40)):
        disk.fill(leave=leave // PAGE * PAGE)
        done = batch.here("--resume")
        outcomes["written" if done.code == 0 else "full"] += 1
        if done.code:
            assert done.code == 2, done.err
            assert "cannot be written" in done.err
            assert "Traceback" not in done.err
            assert (disk.path / "out.parquet").read_bytes() == b"an earlier result"
        else:
            assert contents(disk.path, "out.parquet") == clean
            (disk.path / "out.parquet").write_bytes(b"an earlier result")
        disk.empty()
    disk.empty()
    done = batch.here("--resume")
    assert done.code == 0, done.err
    assert contents(disk.path, "out.parquet") == clean
    assert [path.name for path in disk.path.iterdir()] == ["out.parquet"]
    assert all(outcomes.values()), outcomes
    say(f"{source}: {outcomes}")


def test_a_disk_without_room_for_another_file(disk: Disk, model: Path, tmp_path: Path) -> None:
    table = draw_parquet(tmp_path / "in.parquet", [30] * 4_000)
    batch = Batch(model, table, f"{disk.path}/out.parquet", tmp_path / "said")
    for left in range(0, 12, size(6, 1)):
        disk.use_files(leave=left)
        done = batch.here("--resume")
        assert done.code in (0, 2), done.err
        assert (done.code == 2) == ("cannot be written" in done.err)
        assert (done.code == 0) == (disk.path / "out.parquet").exists()
        (disk.path / "out.parquet").unlink(missing_ok=True)
        disk.empty()
    assert batch.here("--resume").code == 0
