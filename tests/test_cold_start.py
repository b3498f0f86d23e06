"""A fresh process: what it loads, and that it answers before, without and in spite of the compiled kernels."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks import cold_start
from forecaster import Forecaster
from tests.examples import trained, weekly

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0
"""Seconds for what takes twenty where nothing else runs."""


def run(code: str, *, cache: Path | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter that forecasts as it does where nothing is set."""
    kept = {name: value for name, value in os.environ.items() if name != "FORECASTER_ENGINE"}
    if cache is not None:
        kept["FORECASTER_CACHE_DIR"] = str(cache)
    return subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-W", "error", "-c", code],
        check=False, cwd=ROOT, env=kept | variables, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


def answer_of(code: str, *, cache: Path | None = None, **variables: str) -> Any:
    """Run code and return what its last line says in JSON."""
    done = run(code, cache=cache, **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


# --- what is loaded ----------------------------------------------------------------------------------------------

PACKAGES = "\nimport json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"


def packages(code: str, **variables: str) -> set[str]:
    """Return the packages beside the standard library that a process which runs `code` has imported at its end."""
    standard = set(sys.stdlib_module_names) | {"__mp_main__"}
    return {name for name in answer_of(code + PACKAGES, **variables) if name not in standard and name[0] != "_"}


def test_the_package_alone_loads_itself() -> None:
    assert packages("import forecaster") == {"forecaster"}


def test_the_help_loads_click() -> None:
    code = "from forecaster.cli import run; assert run(['--help']) == 0"
    assert packages(code) == {"forecaster", "click"}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    trained().save(folder)
    return folder


LATER = "from forecaster import loading\nloading._GRACE = 3600.0\n"
"""Has kernels begun an hour after the first forecast: whoever waits for them is seen, however slow the machine is."""


def forecast_code(model: Path, *, after: str = "") -> str:
    """Return a program that forecasts a hundred series, and says so with the packages it has imported by then."""
    return (
        "import json, sys\n"
        "from forecaster import Forecaster\n"
        "from tests.examples import weekly\n"
        f"model = Forecaster.load({str(model)!r})\n"
        "point = model.forecast(weekly(100)).point\n"
        f"{after}\n"
        "print(json.dumps({'point': point.tolist(), 'numba': 'numba' in sys.modules}), flush=True)\n"
    )


@pytest.fixture(scope="module")
def expected(model: Path) -> Any:
    """The same forecast by compiled kernels."""
    return Forecaster.load(model).forecast(weekly(100)).point


def test_a_forecast_loads_numpy_and_the_reader_of_weights(model: Path) -> None:
    code = f"from forecaster import Forecaster, Panel\nmodel = Forecaster.load({str(model)!r})\n"
    code += "model.forecast(Panel.from_columns(['a'] * 9, range(9), range(9), freq=1))"
    assert packages(code) == {"forecaster", "numpy", "safetensors"}


# --- it answers at once, whatever the cache is like --------------------------------------------------------------


def absent(folder: Path) -> None:
    pass


def in_the_way(folder: Path) -> None:
    folder.write_text("a file where the folder should be")


def read_only(folder: Path) -> None:
    folder.mkdir(mode=0o555)


def broken(folder: Path, *, largest: float = math.inf) -> None:
    """Cut all files of kernels; or those up to a size, which are soon compiled."""
    from forecaster.kernels._cache import cache_folder

    shutil.copytree(cache_folder(), folder, ignore=shutil.ignore_patterns(".writing-*"))  # others may be at work there
    for path in folder.iterdir():
        if path.stat().st_size <= largest:
            os.truncate(path, path.stat().st_size // 2)


def warm(folder: Path) -> None:
    from forecaster.kernels._cache import cache_folder

    folder.symlink_to(cache_folder().absolute())


@pytest.mark.parametrize("make", [absent, in_the_way, read_only, broken, warm])
def test_the_first_forecast_waits_for_no_kernel(make: Any, tmp_path: Path, model: Path, expected: Any) -> None:
    make(tmp_path / "cache")
    answer = answer_of(LATER + forecast_code(model), cache=tmp_path / "cache")
    assert answer["numba"] is False
    assert_allclose(answer["point"], expected, rtol=1e-5)


def test_forecasts_go_on_compiled_and_stay_right(tmp_path: Path, model: Path, expected: Any) -> None:
    """Through a damaged cache, when what is broken has been compiled in the background."""
    broken(tmp_path / "cache", largest=2**16)
    after = (
        "from forecaster.loading import LOADER\n"
        "from forecaster.kernels._cache import Counts\n"
        "first = point\n"
        f"assert LOADER.ready.wait({PATIENCE})\n"
        "point = model.forecast(weekly(100)).point\n"
        "assert Counts.compiled > 0 < Counts.loaded\n"
        "assert (point != first).any()"  # other digits at the end: it was the kernels
    )
    answer = answer_of(forecast_code(model, after=after), cache=tmp_path / "cache")
    assert answer["numba"] is True
    np.testing.assert_array_equal(answer["point"], expected)


def test_without_numba_it_forecasts_as_well(model: Path, expected: Any) -> None:
    """The loader fails, which is a warning and not more; training says what is missing."""
    code = "import sys\nsys.modules['numba'] = None\n" + forecast_code(
        model, after="from forecaster.loading import LOADER\nLOADER.begin(at_once=True)"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert "forecasts go on in NumPy: ModuleNotFoundError" in done.stderr
    assert_allclose(json.loads(done.stdout)["point"], expected, rtol=1e-5)


def test_many_series_take_the_kernels_if_they_need_only_be_loaded(model: Path, expected: Any) -> None:
    code = "from forecaster import engine\nengine._LITTLE = 0\n" + forecast_code(model)
    answer = answer_of(code)
    assert answer["numba"] is True
    np.testing.assert_array_equal(answer["point"], expected)


def test_a_process_may_end_while_it_compiles(tmp_path: Path, model: Path) -> None:
    """And what it has compiled by then is kept."""
    wait = (
        f"import pathlib, time\nwhile not list(pathlib.Path({str(tmp_path)!r}).glob('cache/*.bin')): time.sleep(0.01)"
    )
    # What is registered first is called last, when the loader has been ended.
    last = "import atexit\natexit.register(lambda: print(LOADER.ready.is_set()))\n"
    code = last + "from forecaster.loading import LOADER\n" + forecast_code(model, after=wait)
    done = run(code, cache=tmp_path / "cache")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == "False", "it did not wait for the other kernels"
    assert list((tmp_path / "cache").glob("*.bin"))


def test_the_service_answers_before_it_has_kernels(tmp_path: Path, model: Path) -> None:
    code = LATER + (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from service import create_app\n"
        "from service.settings import Settings\n"
        f"client = create_app(Settings(models=Path({str(model.parent)!r}))).test_client()\n"
        "body = {'series': [{'unique_id': 'a', 'y': [5, 7, 9, 8, 6, 3, 2, 5, 8, 9, 8, 7, 4, 2]}], 'h': 3}\n"
        "said = [client.get('/readyz').status_code, client.post('/v1/forecast', json=body).status_code]\n"
        "print(json.dumps([*said, 'numba' in sys.modules]))"
    )
    assert answer_of(code, cache=tmp_path / "cache") == [200, 200, False]


def test_the_benchmark_runs() -> None:
    assert set(cold_start.measure(1)) == {"warm", "absent", "broken"}
