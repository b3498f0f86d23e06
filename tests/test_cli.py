from __future__ import annotations

import csv
import importlib
import io
import math
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from forecaster import Forecaster, Frequency, ModelFormatError
from forecaster.batch import BatchProgress
from forecaster.cli import run
from forecaster.cli.reference import reference
from forecaster.cli.shown import BatchBar, TrainingProgress, plain_table
from forecaster.cli.train import describe
from forecaster.config import as_settings
from forecaster.recipes import recipe_for
from forecaster.training import Progress

ROOT = Path(__file__).parents[1]
NOTES = ROOT / "data" / "notes_daily.csv"
HEAVY = {"numba", "numpy", "pandas", "rich", "matplotlib", "flask", "safetensors"}
COMMANDS = (
    "train",
    "tune",
    "predict",
    "simulate",
    "backtest",
    "learn",
    "suggest",
    "serve",
    "worker",
    "keys",
    "models",
    "publish",
    "rollback",
    "diagnose",
    "warm-up",
)


def daily_csv(path: Path, lengths: dict[str, int]) -> Path:
    lines = ["unique_id,ds,y"]
    for unique_id, length in lengths.items():
        lines += [f"{unique_id},{day},{20 + day % 7 + day % 3}" for day in range(1, length + 1)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return daily_csv(tmp_path_factory.mktemp("data") / "long.csv", {"a": 60, "b": 45})


@pytest.fixture(scope="module")
def model(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "small"
    assert run(["train", str(table), "--h", "3", "--model", str(folder), "--steps", "5"]) == 0
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def width(row: dict[str, str], level: str) -> float:
    return float(row[f"LSTM-hi-{level}"]) - float(row[f"LSTM-lo-{level}"])


def modules_after(arguments: list[str]) -> set[str]:
    code = "import sys; from forecaster.cli import run; run(sys.argv[1:]); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [["--help"], *([name, "--help"] for name in COMMANDS)], ids=" ".join)
def test_help_is_short_has_an_example_and_imports_nothing_heavy(arguments: list[str]) -> None:
    code = "import sys; from forecaster.cli import run; run(sys.argv[1:]); sys.exit(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - our own command
    assert HEAVY.isdisjoint(done.stderr.split())
    assert "Example:\n    forecaster" in done.stdout
    assert len(done.stdout.splitlines()) < 40


def test_predicting_a_csv_imports_no_pandas(model: Path, table: Path, tmp_path: Path) -> None:
    loaded = modules_after(["predict", str(model), str(table), "--output", str(tmp_path / "out.csv")])
    assert "numba" in loaded
    assert {"pandas", "scipy", "matplotlib", "rich", "flask"}.isdisjoint(loaded)


def test_the_reference_in_the_docs_is_what_the_help_texts_say() -> None:
    assert (ROOT / "docs" / "cli.md").read_text(encoding="utf-8") == reference(), "run: make docs"


@pytest.mark.filterwarnings("default:no series is long enough to hold out its end")
def test_the_notes_are_forecast_for_days_31_to_37(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder, output = str(tmp_path / "notes"), tmp_path / "notes.csv"
    assert run(["train", str(NOTES), "--h", "7", "--model", folder, "--steps", "10"]) == 0
    assert run(["predict", folder, str(NOTES), "--output", str(output)]) == 0
    rows = rows_of(output)
    assert [row["ds"] for row in rows] == [str(day) for day in range(31, 38)]
    assert all(math.isfinite(float(row["LSTM"])) for row in rows)
    shown = capsys.readouterr()
    assert "trained on 1 series" in shown.out
    assert "7 steps ahead" in shown.out
    assert "Training on 1 series, 7 values" in shown.err
    assert "warning: no series is long enough to hold out its end" in shown.err
    for level in ("95", "80"):
        assert width(rows[6], level) > width(rows[0], level) > 0


def test_predict_writes_what_the_library_forecasts(model: Path, table: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert run(["predict", str(model), str(table), "--output", str(output), "--level", "90,50", "--h", "5"]) == 0
    rows = rows_of(output)
    assert list(rows[0]) == ["unique_id", "ds", "LSTM", "LSTM-lo-90", "LSTM-lo-50", "LSTM-hi-50", "LSTM-hi-90"]
    from forecaster import read_panel

    forecast = Forecaster.load(model).forecast(read_panel(table), h=5, level=(50, 90))
    assert [float(row["LSTM"]) for row in rows] == forecast.point.ravel().tolist()
    assert [float(row["LSTM-hi-90"]) for row in rows] == forecast.upper[:, 1].ravel().tolist()


def test_predict_writes_quantiles(model: Path, table: Path, tmp_path: Path) -> None:
    output = tmp_path / "out.csv"
    assert run(["predict", str(model), str(table), "--output", str(output), "--quantiles", "0.9,0.1"]) == 0
    assert list(rows_of(output)[0]) == ["unique_id", "ds", "LSTM", "LSTM-q-10", "LSTM-q-90"]


def test_simulate_writes_what_the_library_draws(
    model: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "paths.csv"
    asked = ["simulate", str(model), str(table), "--output", str(output), "--paths", "7", "--h", "5", "--seed", "3"]
    assert run(asked) == 0
    assert f"{output}: 2 series, 7 paths, 5 steps ahead" in capsys.readouterr().out
    rows = rows_of(output)
    assert list(rows[0]) == ["unique_id", "ds", "path", "LSTM"]
    from forecaster import read_panel

    drawn = Forecaster.load(model).paths(read_panel(table), n_paths=7, h=5, seed=3)
    assert [float(row["LSTM"]) for row in rows] == drawn.values.ravel().tolist()
    assert [row["path"] for row in rows] == [str(path) for path in range(7) for _ in range(5)] * 2
    assert [row["ds"] for row in rows[:35]] == [str(day) for day in range(61, 66)] * 7


@pytest.mark.parametrize("season", [None, 7])
def test_base_weights_forecast_what_nothing_was_trained_for(
    season: int | None, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from forecaster import read_panel

    monkeypatch.chdir(tmp_path)
    expected, panel = Forecaster.pretrained(season=season), read_panel(table)
    options = [] if season is None else ["--season", str(season)]
    assert run(["predict", "base", str(table), "--output", "out.csv", *options]) == 0
    assert run(["simulate", "base", str(table), "--output", "paths.csv", "--paths", "2", "--h", "4", *options]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"out.csv: 2 series, 28 steps ahead, by the base weights for daily series with a season of {season or 1}",
        "paths.csv: 2 series, 2 paths, 4 steps ahead, by the base weights for "
        f"daily series with a season of {season or 1}",
    ]
    said = [float(row["LSTM"]) for row in rows_of(tmp_path / "out.csv")]
    assert said == expected.forecast(panel).point.ravel().tolist()
    drawn = [float(row["LSTM"]) for row in rows_of(tmp_path / "paths.csv")]
    assert drawn == expected.paths(panel, n_paths=2, h=4).values.ravel().tolist()


def test_base_weights_are_those_of_the_frequency(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    days = [f"2024-{month:02}-01,{10 + month % 3}" for month in range(1, 13)]
    Path("months.csv").write_text("\n".join(["ds,y", *days, ""]), encoding="utf-8")
    Path("base").mkdir()  # no model in it
    assert run(["predict", "base", "months.csv", "--output", "out.csv"]) == 0
    rows = rows_of(tmp_path / "out.csv")
    assert len(rows) == Forecaster.pretrained("MS").h == 24
    assert rows[0]["ds"] == "2025-01-01"


def test_a_folder_called_base_with_a_model_is_that_model(
    model: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model, tmp_path / "base")
    assert run(["predict", "base", str(table), "--output", "out.csv"]) == 0
    assert capsys.readouterr().out == "out.csv: 2 series, 3 steps ahead\n"
    assert run(["predict", "base", str(table), "--output", "out.csv", "--season", "7"]) == 2


@pytest.mark.parametrize("init", ["base", "random"])
def test_training_starts_from_what_is_asked_for(
    init: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["train", str(table), "--h", "3", "--model", str(tmp_path / "model"), "--season", "7", "--steps", "4"]
    assert run([*asked, "--init", init]) == 0
    training = Forecaster.load(tmp_path / "model").info["training"]
    daily = recipe_for(Frequency.parse(1), 7)
    usual = daily.tuning if init == "base" else daily.training
    assert training["init"] == init
    assert training["settings"] == as_settings(replace(usual, steps=4))
    assert run([*asked, "--init", init, "--steps", "7"]) == 0
    assert Forecaster.load(tmp_path / "model").info["training"]["settings"]["steps"] == 7
    assert "Training on 2 series, 105 values ..." in capsys.readouterr().err


@pytest.mark.parametrize(("name", "loss"), [("mae", "absolute"), ("mse", "squared"), ("rmse", "squared")])
def test_a_loss_is_asked_for(
    name: str, loss: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["train", str(table), "--h", "3", "--season", "7", "--steps", "2", "--loss", name]
    assert run([*asked, "--model", str(tmp_path / "model")]) == 0
    assert "LSTM trained from random weights" in capsys.readouterr().out
    networks = Forecaster.load(tmp_path / "model").info["architecture"]["networks"]
    assert {network["loss"] for network in networks} == {loss}
    assert run([*asked, "--model", str(tmp_path / "model"), "--init", "base"]) == 2
    assert f"can be no start for the {loss} loss" in capsys.readouterr().err


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_another_cell_starts_from_random_weights(
    cell: str, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "model"
    asked = [str(table), "--h", "3", "--season", "7", "--steps", "3", "--cell", cell]
    assert run(["train", *asked, "--model", str(target)]) == 0
    assert f"{target}: {cell.upper()} trained from random weights on 2 series in" in capsys.readouterr().out
    info = Forecaster.load(target).info
    assert (info["architecture"]["cell"], info["training"]["init"]) == (cell, "random")
    assert run(["backtest", *asked, "--windows", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[0] == cell.upper()
    assert run(["train", *asked, "--model", str(target), "--init", "base"]) == 2
    assert f"can be no start for a {cell}" in capsys.readouterr().err


def test_progress_counts_the_steps_of_all_networks(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[int, int]] = []
    monkeypatch.setattr(TrainingProgress, "__call__", lambda _, one: shown.append((one.step, one.steps)))
    asked = ["train", str(table), "--h", "3", "--model", str(tmp_path / "model"), "--season", "7", "--steps", "10"]
    assert run(asked) == 0
    assert shown == [(10, 30), (20, 30), (30, 30)]


def test_backtest_sets_the_base_weights_beside_what_was_trained(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["backtest", str(table), "--h", "3", "--windows", "1", "--steps", "3", "--season", "7"]
    assert run([*asked, "--pretrained", "--init", "random"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["LSTM", "Base", "Naive", "SeasonalNaive", "Drift"]
    assert run([*asked, "--init", "random"]) == 0
    assert capsys.readouterr().out.splitlines()[1].split() == lines[1].split()
    assert run(asked) == 0
    assert capsys.readouterr().out.splitlines()[1].split() != lines[1].split()


def test_columns_keep_the_names_they_came_with(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "sales.csv"
    source.write_text("shop,day,sold\n" + "".join(f"x,{day},{day % 5}\n" for day in range(1, 40)), encoding="utf-8")
    names = ["--id-col", "shop", "--time-col", "day", "--target-col", "sold"]
    output = tmp_path / "out.csv"
    assert run(["predict", str(model), str(source), "--output", str(output), *names]) == 0
    assert list(rows_of(output)[0])[:3] == ["shop", "day", "LSTM"]


def test_a_table_without_ids_is_one_series(model: Path, tmp_path: Path) -> None:
    source = tmp_path / "sales.csv"
    source.write_text("mood,day,sold\n" + "".join(f"m{k},{k},{k % 5}\n" for k in range(1, 40)), encoding="utf-8")
    names = ["--id-col", "", "--time-col", "day", "--target-col", "sold"]
    output = tmp_path / "out.csv"
    assert run(["predict", str(model), str(source), "--output", str(output), *names]) == 0
    assert {row["unique_id"] for row in rows_of(output)} == {"sold"}
    assert run(["backtest", str(source), "--h", "3", "--steps", "2", "--output", str(output), *names]) == 0
    assert {row["unique_id"] for row in rows_of(output)} == {"sold"}


def test_predict_plots(model: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = tmp_path / "out.png"
    assert run(["predict", str(model), str(table), "--output", str(tmp_path / "out.csv"), "--plot", str(plot)]) == 0
    assert plot.read_bytes().startswith(b"\x89PNG")
    assert f"{plot}: plot of 2 series" in capsys.readouterr().out


def test_series_too_short_are_named_and_the_others_are_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = daily_csv(tmp_path / "mixed.csv", {"long": 50, "lonely": 1})
    output = tmp_path / "out.csv"
    assert run(["predict", str(model), str(source), "--output", str(output), "--freq", "1"]) == 3
    assert {row["unique_id"] for row in rows_of(output)} == {"long"}
    assert "skipped lonely: " in capsys.readouterr().err


def test_faulty_series_are_named_with_their_lines_and_the_others_are_written(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = daily_csv(tmp_path / "mixed.csv", {"a": 20, "b": 20, "c": 20})
    source.write_text(source.read_text(encoding="utf-8").replace("b,7,", "b,7,x"), encoding="utf-8")
    output = tmp_path / "out.csv"
    assert run(["predict", str(model), str(source), "--output", str(output)]) == 3
    assert {row["unique_id"] for row in rows_of(output)} == {"a", "c"}
    (error,) = rows_of(tmp_path / "out.csv.errors.csv")
    assert (error["unique_id"], error["file"], error["row"], error["column"]) == ("b", "mixed.csv", "28", "y")
    shown = capsys.readouterr()
    assert shown.out == f"{output}: 2 series, 3 steps ahead\n"
    assert "skipped b: Line 28, column 'y': expected a number" in shown.err
    assert f"{output}.errors.csv: 1 series without a forecast" in shown.err


def test_many_series_without_a_forecast_are_counted(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = daily_csv(tmp_path / "mixed.csv", {"long": 50, **{f"s{number}": 1 for number in range(30)}})
    assert run(["predict", str(model), str(source), "--output", str(tmp_path / "out.csv"), "--freq", "1"]) == 3
    shown = capsys.readouterr().err
    assert shown.count("skipped s") == 20
    assert "skipped 10 more series" in shown


def test_predict_reads_and_writes_folders(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    daily_csv(tmp_path / "in" / "1.csv", {"a": 40, "b": 30})
    daily_csv(tmp_path / "in" / "2.csv", {"c": 40})
    output = f"{tmp_path}/out.csv/"
    assert run(["predict", str(model), str(tmp_path / "in"), "--output", output, "--executor", "serial"]) == 0
    assert {row["unique_id"] for row in rows_of(tmp_path / "out.csv" / "part-00000.csv")} == {"a", "b", "c"}
    assert capsys.readouterr().out == f"{output}: 3 series, 3 steps ahead\n"


@pytest.mark.parametrize("command", ["predict", "simulate"])
def test_a_table_that_goes_to_stdout_is_alone_there(command: str, model: Path, table: Path) -> None:
    arguments = [command, str(model), str(table), "--output", "/dev/stdout"]
    asked = [sys.executable, "-m", "forecaster.cli", *arguments]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    lines = done.stdout.splitlines()
    assert {line.count(",") for line in lines} == {lines[0].count(",")}
    assert done.stderr.splitlines()[-1].startswith("/dev/stdout: 2 series, ")  # where it took long, how far it is first


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_during_a_forecast_leaves_nothing_of_a_little_one(
    stop: signal.Signals, code: int, model: Path, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def forecast(*_arguments: object, **_more: object) -> None:
        os.kill(os.getpid(), stop)
        time.sleep(10)

    monkeypatch.setattr(Forecaster, "forecast", forecast)
    before = signal.getsignal(signal.SIGTERM)
    assert run(["predict", str(model), str(table), "--output", str(tmp_path / "out.csv")]) == code
    assert capsys.readouterr().err == "Interrupted. Nothing was written.\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.parametrize("form", [".csv", ".csv.gz", ".parquet"])
def test_a_large_file_is_gone_on_with_after_ctrl_c(
    form: str, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Stopped after some parts; the same command with --resume makes what one clean run makes, errors and all."""
    monkeypatch.setattr("forecaster.batch.reading._LITTLE", 0)  # so that little counts as large
    monkeypatch.setattr("forecaster.batch.sizes._MOST_SERIES", 4)
    table = daily_csv(tmp_path / "sales.csv", {f"s{number:02}": 20 + number % 5 for number in range(20)})
    with table.open("a", encoding="utf-8") as file:
        file.write("t,2024-01-01,many\n")
    clean, output = tmp_path / f"clean{form}", tmp_path / f"out{form}"
    assert run(["predict", str(model), str(table), "--output", str(clean)]) == 3
    said = capsys.readouterr()
    line = len(table.read_text(encoding="utf-8").splitlines())
    assert said.out == f"{clean}: 20 series, 3 steps ahead\n"
    assert f"{clean}.errors.csv: 1 series without a forecast" in said.err
    assert [row["row"] for row in rows_of(Path(f"{clean}.errors.csv"))] == [str(line)]

    def stopping(_bar: BatchBar, progress: BatchProgress) -> None:
        if progress.series >= 8:
            raise KeyboardInterrupt

    command = ["predict", str(model), str(table), "--output", str(output)]
    with monkeypatch.context() as patched:
        patched.setattr(BatchBar, "__call__", stopping)
        assert run(command) == 130
    assert f"What is done is kept in {output}.parts: go on with --resume." in capsys.readouterr().err
    assert not output.exists()
    assert run([*command, "--h", "2", "--resume"]) == 2
    assert "is of a run with another h, which cannot be gone on with" in capsys.readouterr().err
    assert run([*command, "--executor", "serial", "--resume"]) == 3
    assert output.read_bytes() == clean.read_bytes()
    assert Path(f"{output}.errors.csv").read_bytes() == Path(f"{clean}.errors.csv").read_bytes()
    assert not Path(f"{output}.parts").exists()


def bad_calls(model: Path, table: Path, tmp: Path) -> dict[str, tuple[list[str], str]]:
    csv_path, out, new = str(table), str(tmp / "out.csv"), str(tmp / "new")
    no_column = tmp / "no-column.csv"
    no_column.write_text("unique_id,ds\na,1\n", encoding="utf-8")
    paths = daily_csv(tmp / "paths.csv", {"a": 20})
    paths.write_text(paths.read_text(encoding="utf-8").replace("unique_id", "path"), encoding="utf-8")
    stranger = tmp / "stranger"
    stranger.mkdir()
    (stranger / "thesis.txt").write_text("years of work", encoding="utf-8")
    return {
        "no file": (["train", str(tmp / "none.csv"), "--h", "3", "--model", new], "no such file"),
        "horizon 0": (["train", csv_path, "--h", "0", "--model", new], "h must be from 1"),
        "horizon absurd": (["train", csv_path, "--h", "1000000", "--model", new], "h must be from 1"),
        "no column": (["train", str(no_column), "--h", "3", "--model", new], "column 'y'"),
        "frequency": (["train", csv_path, "--h", "3", "--model", new, "--freq", "fortnight"], "fortnight"),
        "no model": (["predict", str(tmp / "none"), csv_path, "--output", out], "no model folder"),
        "no folder": (["predict", str(model), csv_path, "--output", str(tmp / "none" / "out.csv")], "no folder"),
        "extension": (["predict", str(model), csv_path, "--output", str(tmp / "out.xlsx")], ".parquet"),
        "level": (["predict", str(model), csv_path, "--output", out, "--level", "80,100"], "below 100"),
        "level and quantiles": (
            ["predict", str(model), csv_path, "--output", out, "--level", "80", "--quantiles", "0.1"],
            "not both",
        ),
        "quantiles text": (["predict", str(model), csv_path, "--output", out, "--quantiles", "low"], "0.1,0.5,0.9"),
        "quantile 1": (["predict", str(model), csv_path, "--output", out, "--quantiles", "0.5,1"], "0.999999"),
        "level text": (["predict", str(model), csv_path, "--output", out, "--level", "high"], "80,95"),
        "plot": (["predict", str(model), csv_path, "--output", out, "--plot", str(tmp / "p.gif")], ".png"),
        "negative": (["predict", str(model), csv_path, "--output", out, "--h", "-4"], "h must be from 1"),
        "paths": (["simulate", str(model), csv_path, "--output", out, "--paths", "0"], "n_paths must be from 1"),
        "column lost": (["simulate", str(model), str(paths), "--output", out, "--id-col", "path"], "would be lost"),
        "windows": (["backtest", csv_path, "--h", "3", "--windows", "0"], "n_windows"),
        "too long": (["backtest", csv_path, "--h", "3", "--windows", "90"], "No series is long enough"),
        "other folder": (["train", csv_path, "--h", "3", "--model", str(stranger)], "not a model folder"),
        "a file": (["train", csv_path, "--h", "3", "--model", csv_path], "not a model folder"),
        "over its source": (
            ["predict", str(model), csv_path, "--output", f"{table.parent}/../{table.parent.name}/long.csv"],
            "the file that is read",
        ),
        "not taught": (
            ["train", csv_path, "--h", "1000", "--model", new, "--init", "random"],
            "Give a series of 1001 values, better 2004",
        ),
        "level rounded": (["predict", str(model), csv_path, "--output", out, "--level", "99.99999"], "six digits"),
        "no models": (["models", str(tmp / "none")], "There is no folder"),
        "nothing to serve": (["serve", "--models", str(tmp / "none")], "There is no folder"),
        "season of a model": (
            ["predict", str(model), csv_path, "--output", out, "--season", "7"],
            f"--season is for base only: {model} was trained on seasons of 1 steps",
        ),
        "season of paths": (["simulate", str(model), csv_path, "--output", out, "--season", "7"], "for base only"),
        "no workers": (
            ["predict", str(model), csv_path, "--output", out, "--workers", "0"],
            "workers must be at least",
        ),
        "too little memory": (["predict", str(model), csv_path, "--output", out, "--memory", "1M"], "must be at least"),
        "season absurd": (["predict", "base", csv_path, "--output", out, "--season", "0"], "season must be from 1"),
        "init": (["train", csv_path, "--h", "3", "--model", new, "--init", "zero"], "'zero' is not one of"),
        "steps": (["train", csv_path, "--h", "3", "--model", new, "--steps", "0"], "steps must be from 1"),
        "usage": (["predict", str(model), csv_path], "--output"),
    }


@pytest.mark.parametrize("case", [
    "no file", "horizon 0", "horizon absurd", "no column", "frequency", "no model", "no folder", "extension", "level",
    "level text", "plot", "negative", "windows", "too long", "other folder", "a file", "no models", "nothing to serve",
    "usage", "over its source", "not taught", "level rounded", "paths", "column lost", "season of a model",
    "season of paths", "season absurd", "init", "steps", "no workers", "too little memory",
])  # fmt: skip
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(
    case: str, model: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, expected = bad_calls(model, table, tmp_path)[case]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert expected in shown.err
    assert "error: " in shown.err.lower()
    assert "Traceback" not in shown.err
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise AssertionError("work was begun")

    for name in ("fit", "load", "backtest"):
        monkeypatch.setattr(Forecaster, name, refuse)


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize("target", ["out.xlsx", "none/out.csv"])
@pytest.mark.parametrize("command", ["train", "predict", "simulate", "backtest", "metrics"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(
    command: str, target: str, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "out.xlsx").write_text("not a folder", encoding="utf-8")
    (tmp_path / "none").write_text("not a folder either", encoding="utf-8")
    path = str(tmp_path / target)
    arguments = {
        "train": ["train", str(table), "--h", "3", "--model", path],
        "predict": ["predict", "model", str(table), "--output", path],
        "simulate": ["simulate", "model", str(table), "--output", path],
        "backtest": ["backtest", str(table), "--h", "3", "--output", path],
        "metrics": ["backtest", str(table), "--h", "3", "--metrics", path],
    }
    assert run(arguments[command]) == 2


@pytest.mark.usefixtures("no_work")
@pytest.mark.parametrize(
    ("command", "option"),
    [(command, option) for command in ("predict", "backtest") for option in ("--output", "--plot")]
    + [("backtest", "--metrics")],
)
@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to])
def test_the_file_that_is_read_is_never_written_over(
    option: str, command: str, link: Callable[[Path, Path], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = daily_csv(tmp_path / "data.csv", {"a": 20})
    before = source.read_bytes()
    same = tmp_path / ("same.png" if option == "--plot" else "same.csv")
    link(same, source)
    output = [] if option == "--output" or command == "backtest" else ["--output", str(tmp_path / "out.csv")]
    arguments = {"predict": ["predict", "model", str(source)], "backtest": ["backtest", str(source), "--h", "3"]}
    assert run([*arguments[command], *output, option, str(same)]) == 2
    assert f"{option} {same} is the file that is read" in capsys.readouterr().err
    assert source.read_bytes() == before


@pytest.mark.usefixtures("no_work")
def test_one_result_is_never_written_over_the_other(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = ["--output", str(tmp_path / "out.csv"), "--metrics", f"{tmp_path}/../{tmp_path.name}/out.csv"]
    assert run(["backtest", str(table), "--h", "3", *both]) == 2
    assert "--output and --metrics are both" in capsys.readouterr().err


def test_a_model_folder_is_replaced(table: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    for h in ("2", "4"):
        assert run(["train", str(table), "--h", h, "--model", str(folder), "--steps", "2"]) == 0
    assert Forecaster.load(folder).h == 4
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_interrupted_training_leaves_nothing(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_data: Any, **_options: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Forecaster, "fit", interrupted)
    assert run(["train", str(table), "--h", "3", "--model", str(tmp_path / "model")]) == 130
    assert "Interrupted." in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_the_program_keeps_its_traceback(table: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_data: Any, **_options: Any) -> None:
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(Forecaster, "fit", broken)
    with pytest.raises(ZeroDivisionError):
        run(["train", str(table), "--h", "3", "--model", "model"])


def test_warnings_are_lines(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = importlib.import_module("forecaster.cli.warm_up")

    def warn(**_options: Any) -> None:
        warnings.simplefilter("always")
        warnings.warn("the series 'a' is short", stacklevel=1)

    monkeypatch.setattr(module.warm_up, "callback", warn)
    assert run(["warm-up"]) == 0
    assert capsys.readouterr().err == "warning: the series 'a' is short\n"


def test_backtest_compares_with_simple_forecasts(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, metrics, plot = tmp_path / "folds.csv", tmp_path / "metrics.csv", tmp_path / "folds.png"
    arguments = ["backtest", str(table), "--h", "3", "--windows", "2", "--step-size", "2", "--steps", "3"]
    assert run([*arguments, "--output", str(output), "--metrics", str(metrics), "--plot", str(plot)]) == 0
    lines = capsys.readouterr().out.splitlines()
    headings = "model MAE RMSE sMAPE WAPE MASE pinball coverage 80 % coverage 95 %"
    assert lines[0].split() == headings.split()
    assert max(map(len, lines[:5])) <= 100
    assert lines[5:] == [f"{output}: 12 rows", f"{metrics}: 8 rows", f"{plot}: plot of 2 series"]
    assert [line.split()[0] for line in lines[1:5]] == ["LSTM", "Naive", "SeasonalNaive", "Drift"]
    rows = rows_of(output)
    assert len(rows) == 2 * 2 * 3
    assert list(rows[0])[:5] == ["unique_id", "ds", "cutoff", "y", "LSTM"]
    assert [(row["unique_id"], row["ds"], row["cutoff"]) for row in rows[:4]] == [
        ("a", "56", "55"), ("a", "57", "55"), ("a", "58", "55"), ("b", "41", "40"),
    ]  # fmt: skip
    assert float(rows[0]["y"]) == 20 + 56 % 7 + 56 % 3
    by_series = rows_of(metrics)
    assert [(row["unique_id"], row["model"]) for row in by_series[::4]] == [("a", "LSTM"), ("b", "LSTM")]
    assert {"MASE", "MSIS_80", "MSIS_95", "coverage_95"} < set(by_series[0])
    ours = [float(row["LSTM"]) - float(row["y"]) for row in rows if row["unique_id"] == "a"]
    assert float(by_series[0]["MAE"]) == pytest.approx(sum(map(abs, ours)) / 6)
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_backtest_and_train_say_the_same_whatever_runs_them(table: Path, tmp_path: Path) -> None:
    for name in ("serial", "threads"):
        options = [str(table), "--h", "3", "--steps", "5", "--executor", name]
        assert run(["backtest", *options, "--windows", "2", "--refit", "--output", str(tmp_path / f"{name}.csv")]) == 0
        assert run(["train", *options, "--model", str(tmp_path / name)]) == 0
    assert (tmp_path / "serial.csv").read_bytes() == (tmp_path / "threads.csv").read_bytes()
    weights = [(tmp_path / name / "weights.safetensors").read_bytes() for name in ("serial", "threads")]
    assert weights[0] == weights[1]


def test_backtest_writes_dates_as_predict_does(tmp_path: Path) -> None:
    import pandas as pd

    source = tmp_path / "dates.csv"
    days = pd.date_range("2024-01-01", periods=40, freq="D").strftime("%Y-%m-%d")
    source.write_text("ds,y\n" + "".join(f"{day},{n % 7}\n" for n, day in enumerate(days)), encoding="utf-8")
    command = ["backtest", str(source), "--h", "2", "--windows", "1", "--steps", "2"]
    for name in ("folds.csv", "folds.PARQUET"):
        metrics = ["--metrics", str(tmp_path / f"metrics-{name}")]
        assert run([*command, "--output", str(tmp_path / name), *metrics]) == 0
    row = rows_of(tmp_path / "folds.csv")[0]
    assert (row["ds"], row["cutoff"]) == ("2024-02-08", "2024-02-07")
    frame = pd.read_parquet(tmp_path / "folds.PARQUET")
    assert frame["ds"].tolist() == [pd.Timestamp("2024-02-08"), pd.Timestamp("2024-02-09")]
    tables = pd.read_csv(tmp_path / "metrics-folds.csv"), pd.read_parquet(tmp_path / "metrics-folds.PARQUET")
    pd.testing.assert_frame_equal(*tables, check_dtype=False)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def progress_at(step: int) -> Progress:
    return Progress(step=step, steps=100, loss=0.5, validation_loss=0.25, best_step=step, seconds=step / 10)


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm-256color")
    with TrainingProgress("Training") as progress:
        progress(progress_at(40))
        progress(progress_at(100))
    assert "100/100" in terminal.getvalue()
    assert "loss 0.5000, held-out 0.2500, best at step 100" in terminal.getvalue()


def test_progress_is_a_line_every_few_seconds_elsewhere(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 1.0, 3.5, 3.5, 4.0, 7.0, 7.0])
    monkeypatch.setattr("forecaster.cli.shown.time.monotonic", lambda: next(clock))
    with TrainingProgress("Training") as progress:
        for step in (10, 30, 40, 70):
            progress(progress_at(step))
    assert capsys.readouterr().err.splitlines() == [
        "Training ...",
        "  step 30 of 100, 3 s: loss 0.5000, held-out 0.2500, best at step 30",
        "  step 70 of 100, 7 s: loss 0.5000, held-out 0.2500, best at step 70",
    ]


def batch_progress(seconds: float, rows: int = 50_000) -> BatchProgress:
    return BatchProgress("forecasting", rows, 200_000, rows // 10, 10_000, 1_000, seconds)


def test_a_run_over_a_file_shows_nothing_for_a_moment_and_then_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    times = iter([0.0, 1.0, 4.0, 6.0, 8.0, 300.0, 305.0])
    monkeypatch.setattr("time.monotonic", lambda: next(times))
    with BatchBar() as bar:
        bar(batch_progress(1.0))  # too early
        bar(batch_progress(4.0))
        bar(batch_progress(6.0))  # too soon
        bar(BatchProgress("reading ids"))
        bar(batch_progress(300.0, rows=190_000))
        bar(batch_progress(305.0))  # too soon: lines get rarer
    assert capsys.readouterr().err.splitlines() == [
        "  forecasting: 50,000 of 200,000 rows, 1,000 series/s, 0:00:15 left",
        "  reading ids",
        "  forecasting: 190,000 of 200,000 rows, 60 series/s, 0:00:17 left",
    ]


def test_a_run_over_a_file_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]  # as a terminal says
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr("forecaster.cli.shown._SECONDS_OF_SILENCE", 0.0)
    monkeypatch.setenv("COLUMNS", "120")
    with BatchBar() as bar:
        bar(batch_progress(1.0))
        bar(batch_progress(2.0))
    assert "Forecasting" in screen.getvalue()
    assert "50,000 of 200,000 rows, 2,000 series/s, 0:00:08 left" in screen.getvalue()


def test_a_table_is_drawn_on_a_terminal_and_plain_elsewhere(monkeypatch: pytest.MonkeyPatch, model: Path) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setenv("COLUMNS", "120")
    assert run(["models", str(model.parent)]) == 0
    assert "Models in" in terminal.getvalue()
    assert "│ small │" in terminal.getvalue()
    assert plain_table([{"model": "a", "MAE": "1.5"}, {"model": "bcd", "MAE": "10.5"}]) == (
        "model   MAE\na       1.5\nbcd    10.5"
    )


def test_models_lists_them_and_names_the_damaged(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = tmp_path / "good", tmp_path / "bad"
    for folder in (good, bad):
        assert run(["train", str(table), "--h", "3", "--model", str(folder), "--steps", "2"]) == 0
    (bad / "model.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ModelFormatError):
        Forecaster.load(bad)
    capsys.readouterr()
    assert run(["models", str(tmp_path)]) == 3
    shown = capsys.readouterr()
    assert "damaged bad: " in shown.err
    lines = shown.out.splitlines()
    assert lines[0].split() == ["model", "frequency", "h", "series", "from", "to", "MASE", "version", "in", "use"]
    assert lines[1].split()[:6] == ["good", "1", "3", "2", "1", "60"]
    assert [line.split() for line in lines[2:]] == [["base", "any", "8-48"]]


def test_a_model_called_base_is_listed_in_the_place_of_the_base_weights(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(model, tmp_path / "base")
    assert run(["models", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[1:]] == [["base", "1"]]


@pytest.fixture
def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_half_written_model_is_none(tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(model, tmp_path / ".small-abcdefgh.writing")
    assert run(["models", str(tmp_path)]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["model", "base"]


@pytest.mark.parametrize("named", [True, False])
def test_where_nothing_is_trained_the_base_weights_are_served(
    named: bool, started: list[list[str]], free_port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    options = ["--models", str(tmp_path)] if named else []
    assert run(["serve", "--port", free_port, *options]) == 0
    said = capsys.readouterr().err
    assert (
        said == f"No model in {tmp_path if named else 'models'}: forecasts come from the base weights of the package.\n"
    )
    assert os.environ["FORECASTER_MODELS"] == str(tmp_path if named else tmp_path / "models")
    assert len(started) == 1


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    calls: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _path, arguments: calls.append(arguments))
    for name in ("HOST", "PORT", "MODELS", "WORKERS", "CACHE_DIR"):
        monkeypatch.setenv(f"FORECASTER_{name}", "")  # so that what the command sets is taken back
    monkeypatch.chdir(Path.cwd())  # likewise
    return calls


def test_serve_starts_the_service_with_the_options_in_the_environment(
    model: Path, started: list[list[str]], free_port: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent.parent)
    monkeypatch.setenv("FORECASTER_HOST", "localhost")
    assert run(["serve", "--models", model.parent.name, "--port", free_port, "--workers", "3"]) == 0
    assert {name: os.environ[f"FORECASTER_{name}"] for name in ("HOST", "PORT", "MODELS", "WORKERS", "CACHE_DIR")} == {
        "HOST": "localhost",
        "PORT": free_port,
        "MODELS": str(model.parent),  # absolute, since gunicorn works elsewhere
        "WORKERS": "3",
        "CACHE_DIR": "",
    }
    (command,) = started
    assert command == [sys.executable, "-P", "-m", "service.supervisor"]


@pytest.mark.parametrize("command", ["serve", "models"])
def test_a_home_that_is_not_known_is_told(
    command: str,
    model: Path,
    started: list[list[str]],
    free_port: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("FORECASTER_STATE", "~nobody-of-this-name/state")
    given = ["--models", str(model.parent), "--port", free_port] if command == "serve" else [str(model.parent)]
    assert run([command, *given]) == 2
    assert "FORECASTER_STATE" in capsys.readouterr().err
    assert not started


def test_a_service_package_in_the_users_folder_is_not_taken_for_ours(
    model: Path, started: list[list[str]], free_port: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service").mkdir()
    (tmp_path / "service" / "__init__.py").write_text("raise RuntimeError('a stranger')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert run(["serve", "--models", str(model.parent), "--port", free_port]) == 0
    (command,) = started
    check = [*command[:2], "-m", "gunicorn", "--check-config", "service.wsgi:app"]  # where serve has gone to
    subprocess.run(check, check=True, capture_output=True)  # noqa: S603 - our own command


def test_a_port_in_use_is_refused_before_anything_starts(
    model: Path, started: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert run(["serve", "--models", str(model.parent), "--port", port]) == 2
    assert capsys.readouterr().err == f"error: Port {port} of 127.0.0.1 is in use. Choose another with --port.\n"
    assert not started


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b", "é..x", "2001:db8::1"])
def test_an_address_of_another_machine_is_refused(
    model: Path, started: list[list[str]], free_port: str, host: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "--models", str(model.parent), "--host", host, "--port", free_port]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: Cannot listen on {host}, port {free_port}: ")
    assert "with --host" in error
    assert not started


@pytest.mark.usefixtures("started")
def test_a_port_that_is_none_is_left_to_the_settings_of_the_service(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for port in ("eighty", "99999"):
        monkeypatch.setenv("FORECASTER_PORT", port)
        assert run(["serve", "--models", str(model.parent)]) == 0  # the service, in this process's place, would refuse


@pytest.fixture
def warmed(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def set_compiled(compiled: int) -> None:
        done = {"compiled": compiled, "loaded": 9 - compiled, "stored": compiled, "seconds": 0.25}
        monkeypatch.setattr("forecaster.warm_up.warm_up", lambda: done | {"kernels": 9, "folder": "/cache"})
        monkeypatch.setattr(
            "forecaster.warm_up.bake", lambda level: done | {"stored": 0 if level == "v2" else compiled}
        )

    return set_compiled


def test_warm_up_says_what_it_did(warmed: Callable[[int], None], capsys: pytest.CaptureFixture[str]) -> None:
    warmed(4)
    assert run(["warm-up"]) == 0
    assert capsys.readouterr().out == (
        "9 kernels: 4 signatures compiled, 5 loaded with those they call, in 0.2 s (/cache)\n"
    )


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="levels are those of x86-64")
def test_warm_up_says_what_it_did_for_each_level(
    warmed: Callable[[int], None], capsys: pytest.CaptureFixture[str]
) -> None:
    warmed(4)
    assert run(["warm-up", "--levels", "v2,v3"]) == 0
    assert capsys.readouterr().out.splitlines()[1:] == [
        "for v2: 4 signatures compiled (4 could not be kept), 5 loaded with those they call, in 0.2 s",
        "for v3: 4 signatures compiled, 5 loaded with those they call, in 0.2 s",
    ]
    assert run(["warm-up", "--levels", "all"]) == 0
    assert [line[:6] for line in capsys.readouterr().out.splitlines()[1:]] == ["for v2", "for v3", "for v4"]
    assert run(["warm-up", "--levels", "v2,v9"]) == 2
    assert "'v2,v9'" in capsys.readouterr().err


def test_warm_up_can_check_that_the_cache_was_warm(warmed: Callable[[int], None]) -> None:
    warmed(1)
    assert run(["warm-up", "--check"]) == 2
    warmed(0)
    assert run(["warm-up", "--check"]) == 0


@pytest.mark.parametrize(("clipped", "said"), [(0, False), (3, True)])
def test_train_says_in_how_many_steps_gradients_were_clipped(clipped: int, said: bool) -> None:
    training = {"series": 2, "seconds": 1.0, "steps": [10, 10], "clipped_steps": [clipped, 0]}
    text = describe({"training": training, "accuracy": None, "architecture": {"cell": "lstm"}})
    assert ("gradients clipped in 3 of 20 steps" in text) is said
