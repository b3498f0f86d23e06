"""The front door: light to open, and everything that is promised is behind it."""

from __future__ import annotations

import ast
import doctest
import importlib.metadata
import subprocess
import sys
from pathlib import Path

import pytest

import forecaster
from forecaster import Forecaster, TrainingConfig
from forecaster.kernels._jit import KERNELS
from tests.examples import tiny, weekly

ROOT = Path(__file__).parents[1]
HEAVY = {
    "numpy",
    "numba",
    "llvmlite",
    "pandas",
    "rich",
    "click",
    "scipy",
    "matplotlib",
    "pyarrow",
    "flask",
    "safetensors",
}


def modules_after(code: str) -> set[str]:
    """Run code in a fresh interpreter and return the packages it imported."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=120)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_importing_it_imports_nothing_heavy() -> None:
    assert not modules_after("import forecaster; forecaster.__version__; dir(forecaster)") & HEAVY


def test_neither_do_the_errors_and_settings() -> None:
    assert not modules_after("from forecaster import ConfigError, NetworkConfig, TrainingConfig") & HEAVY


def test_a_forecast_needs_neither_pandas_nor_scipy() -> None:
    code = (
        "from forecaster import Forecaster, forecast_csv, read_panel\n"
        "panel = read_panel('tests/data/tiny_series.csv')\n"
        "print(forecast_csv(Forecaster.load('tests/data/tiny_model').forecast(panel)))"
    )
    assert not modules_after(code) & {"pandas", "scipy", "matplotlib", "pyarrow", "rich", "click", "flask"}


def test_neither_does_training() -> None:
    code = (
        "from forecaster import Forecaster, NetworkConfig, TrainingConfig\n"
        "network = NetworkConfig(lags=2, positions=4, layers=1, hidden=3, dense=2)\n"
        "Forecaster(h=2, network=network, training=TrainingConfig(steps=2)).fit([1, 3, 2, 4, 3, 5, 4, 6]).forecast()"
    )
    assert not modules_after(code) & {"pandas", "scipy", "matplotlib", "pyarrow", "rich", "click", "flask"}


@pytest.mark.parametrize("name", forecaster.__all__)
def test_every_public_name_is_there_and_says_what_it_is(name: str) -> None:
    thing = getattr(forecaster, name)
    assert name in dir(forecaster)
    if name != "__version__":
        assert thing.__doc__
        assert thing.__module__ == f"forecaster.{forecaster._HOME[name]}"
        assert thing.__name__ == name


@pytest.mark.parametrize("name", forecaster.__all__)
def test_the_examples_of_its_documentation_are_true(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some write a model
    thing = getattr(forecaster, name)
    for example in doctest.DocTestFinder(recurse=False).find(thing, name, globs={}):
        assert doctest.DocTestRunner().run(example).failed == 0


def test_names_come_in_all_ways() -> None:
    names: dict[str, object] = {}
    exec("from forecaster import *", names)  # noqa: S102 - a star cannot be imported inside a function
    assert set(forecaster.__all__) <= set(names)


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Forcaster'"):
        forecaster.Forcaster  # noqa: B018 - the look is the test
    with pytest.raises(ImportError):
        from forecaster import forcast  # type: ignore[attr-defined]  # noqa: F401 - that is the test


def test_type_checkers_see_the_same_names() -> None:
    tree = ast.parse(Path(forecaster.__file__).read_text(encoding="utf-8"))
    seen = {
        (alias.asname, str(node.module).removeprefix("forecaster."))
        for block in tree.body
        if isinstance(block, ast.If)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == set(forecaster._HOME.items())


def test_the_version_is_that_of_the_package() -> None:
    assert forecaster.__version__ == importlib.metadata.version("forecaster")


def test_after_warming_up_nothing_is_left_to_compile_or_load() -> None:
    from forecaster.kernels._cache import Counts
    from forecaster.warm_up import warm_up

    done = warm_up()
    assert set(done) == {"kernels", "compiled", "loaded", "stored", "seconds", "folder"}
    assert done["kernels"] == len(KERNELS)
    assert Path(done["folder"]).is_dir()
    before = (Counts.compiled, Counts.loaded)
    tiny().fit(weekly(40)).forecast(h=7)
    Forecaster.load(ROOT / "tests" / "data" / "tiny_model").forecast(weekly(40), h=7)  # its weights are read-only
    tiny(training=TrainingConfig(steps=2, batch_size=150)).fit([1, None, 3, 4, 5, 0, 7, -8, 9, 10]).forecast()
    assert (Counts.compiled, Counts.loaded) == before
    assert (warm_up()["compiled"], warm_up()["loaded"]) == before
