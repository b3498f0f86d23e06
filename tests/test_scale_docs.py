"""docs/scale.md does what it says: its commands, its Python, and each recipe where its engine is installed."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from benchmarks import scale
from benchmarks.results import Figure, Report, load
from benchmarks.tables import with_scale
from forecaster import Forecaster

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- recipe: (\w+) -->\n)?```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = [(match[1], match[2], match[3]) for match in BLOCK.finditer(TEXT)]
RECIPES = [(engine, code) for engine, _, code in BLOCKS if engine]
NEEDED = {"optuna": "tune", "pyarrow": "parquet"}
QUIET = {
    "RAY_ADDRESS": "local",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on loopback only
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_SUBMIT_ARGS": "--master local[2] --conf spark.ui.enabled=false --conf spark.driver.host=127.0.0.1 "
    "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.sql.shuffle.partitions=2 pyspark-shell",
}


def execute(command: list[str], folder: Path, **variables: str) -> str:
    """Run a program in a folder as a user would who has this package installed."""
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(  # noqa: S603 - our own documents
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=500
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone in which all has been run that needs no other engine."""
    for package, extra in NEEDED.items():
        pytest.importorskip(package, reason=f'{package} is not installed: pip install "forecaster[{extra}]"')
    place = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "data", place / "data")
    (place / "bin").mkdir()
    shim = place / "bin" / "forecaster"  # quick trainings and one trial; the rest as it stands
    brief = 'case $1 in train) set -- "$@" --steps 5;; tune) set -- "$@" --steps 5 --trials 1;; esac'
    shim.write_text(f'#!/bin/sh\n{brief}\nexec {sys.executable} -m forecaster.cli "$@"\n')
    shim.chmod(0o755)
    for _, language, code in BLOCKS:
        if language == "bash":
            execute(["bash", "-euc", code], place, PATH=f"{place / 'bin'}:{os.environ['PATH']}")
    code = "\n".join(code for engine, language, code in BLOCKS if language == "python" and not engine)
    execute([sys.executable, "-c", code], place)
    return place


def test_the_commands_make_what_is_said(folder: Path) -> None:
    made = ("forecast.parquet", "trials.csv", "tuned.study", "tuned/model.json", "flights-model/model.json")
    assert [name for name in made if not (folder / name).exists()] == []
    assert len(pd.read_parquet(folder / "forecast.parquet")) == 29 * 14


@pytest.mark.parametrize(("engine", "code"), RECIPES, ids=[f"{engine} {k}" for k, (engine, _) in enumerate(RECIPES)])
def test_a_recipe(engine: str, code: str, folder: Path) -> None:
    """Each gives the forecasts that `Forecaster.predict` gives, to the bit."""
    if importlib.util.find_spec(engine) is None:
        pytest.skip(f"{engine} is not installed: make test SCALE=1")
    if engine == "pyspark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java, which is not installed")
    said = execute([sys.executable, "-c", code], folder)
    if "print(forecast.schema" in code:
        assert said == "Date\n"
    elif "one_file" in code:
        assert said == "29\n"
    else:
        (place,) = re.findall(r'parquet\("(.*)"\)', code)
        assert_same(pd.read_parquet(folder / place), folder)


def assert_same(forecast: pd.DataFrame, folder: Path) -> None:
    flights = pd.read_csv(folder / "data" / "flights_daily.csv", parse_dates=["ds"])
    expected = Forecaster.load(folder / "flights-model").predict(flights, h=14, level=[80])
    made = forecast[list(expected)].astype(expected.dtypes.to_dict())
    order = ["unique_id", "ds"]
    pd.testing.assert_frame_equal(
        made.sort_values(order, ignore_index=True), expected.sort_values(order, ignore_index=True), check_exact=True
    )


def test_all_engines_have_a_recipe() -> None:
    assert {engine for engine, _ in RECIPES} == {"polars", "pyspark", "dask", "ray"}


def test_the_tables_are_the_measured_ones() -> None:
    assert with_scale(TEXT, load("scale"), load("batch")) == TEXT, "run: python -m benchmarks.tables"


def test_the_benchmark_runs() -> None:
    pytest.importorskip("pyarrow", reason='pyarrow is not installed: pip install "forecaster[parquet]"')
    report = scale.measure(20_000, 1, 10_000)
    assert [figure.key for figure in report.figures] == ["core", "driver", "sent", "back", "row"]
    assert all(figure.value for figure in report.figures)
    sizing = scale.sizing_block(report)
    whole = [
        Figure("core_10", "few", 1.0, "1/s"),
        Figure("core_200", "many", 50.0, "1/s"),
        Figure("core_m4", "", 9.0, ""),
    ]
    assert scale.core_rate(report, Report("", {}, whole)) == (50.0, "benchmarks.batch")
    assert len([line for line in sizing.splitlines() if line.startswith("| 1")]) == 3
    assert "series/s" in scale.limits_block(report)
