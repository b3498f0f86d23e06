"""A run over a file that is killed again and again, and goes on each time: the output is that of one clean run."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.reliability.batch_runs import Batch, contents, draw_parquet, save_model
from tests.reliability.sizes import say, size

SERIES = size(6_000, 40_000)
KILLS = size(2, 30)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and tables, some series of which are too short."""
    folder = tmp_path_factory.mktemp("batch")
    save_model(folder / "model")
    lengths = [1 if number % 997 == 5 else 20 + number % 13 for number in range(SERIES)]
    draw_parquet(folder / "together.parquet", lengths)
    draw_parquet(folder / "scattered.parquet", lengths, scattered=True)
    return folder


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("together", "out.parquet"),
        ("scattered", "out.csv"),
        *size(0, 1) * [("together", "out.csv.gz"), ("scattered", "out")],
    ],
)
def test_killed_at_any_moment_it_goes_on(source: str, output: str, place: Path, tmp_path: Path) -> None:
    folder_mark = "/" if output == "out" else ""
    clean = Batch(
        place / "model",
        place / f"{source}.parquet",
        f"{tmp_path}/clean/{output}{folder_mark}",
        tmp_path / "clean" / "said",
    )
    (tmp_path / "clean").mkdir()
    began = time.monotonic()
    assert clean.run().code == 3
    lasts = time.monotonic() - began
    expected = contents(tmp_path / "clean", output)
    killed = Batch(
        place / "model", place / f"{source}.parquet", f"{tmp_path}/{output}{folder_mark}", tmp_path / "clean" / "said"
    )
    moments, hits, runs = random.Random(source + output), 0, 0  # noqa: S311 - not for secrets
    while hits < KILLS:
        process = killed.start("--resume")
        # Some early, most while pieces are forecast, and some when little is left to be done.
        hits += not _ends_within(process, moments.uniform(0, lasts))
        runs += 1
        left = {path.name for path in tmp_path.iterdir()} - {"clean"}
        assert left <= {output, f"{output}.errors.csv", f"{output}.parts", *temporary(left)}, left
        if output in left and f"{output}.parts" not in left:
            assert contents(tmp_path, output) == expected
    done = killed.here("--resume")
    assert done.code == 3, done.err
    assert contents(tmp_path, output) == expected
    assert not (tmp_path / f"{output}.parts").exists()
    count = sum(map(len, expected.values()))
    say(f"{source} to {output}: {hits} kills in {runs} runs of {lasts:.1f} s; the same {count:,} bytes")


def temporary(names: set[str]) -> set[str]:
    """Return the names of files that were being written beside their place."""
    return {name for name in names if name.startswith(".out.") and name.endswith(".tmp")}


def _ends_within(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Kill a process after so many seconds; return whether it had ended by then."""
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return False
    return True


@pytest.mark.parametrize(
    ("source", "signal_sent", "code"),
    [
        ("together", signal.SIGINT, 130),
        ("scattered", signal.SIGTERM, 143),
        *size(0, 1) * [("together", signal.SIGTERM, 143), ("scattered", signal.SIGINT, 130)],
    ],
)
def test_a_signal_leaves_what_can_be_gone_on_with(
    source: str,
    signal_sent: signal.Signals,
    code: int,
    place: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    batch = Batch(
        place / "model", place / f"{source}.parquet", f"{tmp_path}/out.parquet", tmp_path_factory.mktemp("said")
    )
    process = batch.start()
    parts = tmp_path / "out.parquet.parts"
    while not (parts / "0000001").exists():  # by then the journal has the one before
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal_sent)
    stopped = batch.end(process)
    assert stopped.code == code, stopped.err
    assert f"Interrupted. What is done is kept in {parts}: go on with --resume." in stopped.err
    assert "Traceback" not in stopped.err
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet.parts"]
    resumed = batch.here("--resume")
    assert resumed.code == 3, resumed.err
    assert f"{SERIES - len(range(5, SERIES, 997)):,} series" in resumed.out


def test_two_at_once_do_not_write_one_output(
    place: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    batch = Batch(
        place / "model", place / "together.parquet", f"{tmp_path}/out.parquet", tmp_path_factory.mktemp("said")
    )
    first = batch.start()
    while not (tmp_path / "out.parquet.parts" / "journal").exists():
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)  # so that it has not ended when the second one looks
    second = batch.here("--resume")
    first.send_signal(signal.SIGCONT)
    assert second.code == 2
    assert "another run is writing it" in second.err
    assert batch.end(first).code == 3
    assert {path.name for path in tmp_path.iterdir()} == {"out.parquet", "out.parquet.errors.csv"}
