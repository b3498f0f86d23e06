"""Kernels compiled ahead: for this processor and for others, whose code this one need not be able to run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forecaster import ConfigError, warm_up
from forecaster.kernels._level import levels
from forecaster.kernels.optimisers import adam, sum_gradients
from forecaster.warm_up import bake

ROOT = Path(__file__).parents[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a library of two kernels, one of which has been used."""
    monkeypatch.setattr(warm_up, "KERNELS", [sum_gradients, adam])
    sum_gradients(np.ones((2, 16), np.float32), 0, 16, np.zeros(16, np.float32))
    monkeypatch.setenv("FORECASTER_CACHE_DIR", str(tmp_path))
    return tmp_path


def counts(done: dict[str, Any]) -> tuple[int, int, int]:
    return done["compiled"], done["loaded"], done["stored"]


LOAD = """
import numpy as np
from forecaster.kernels._cache import Counts
from forecaster.kernels.optimisers import sum_gradients
total = np.zeros(16, np.float32)
sum_gradients(np.ones((2, 16), np.float32), 0, 16, total)
print(Counts.loaded, Counts.compiled, (total == 2).all())
"""


def test_a_level_is_baked_once_and_then_found_by_processes_of_that_level(folder: Path) -> None:
    level = levels()[0]
    signatures = len(sum_gradients.signatures) + len(adam.signatures)
    assert counts(bake(level)) == (signatures, 0, signatures)
    files = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    assert len(files) == signatures
    assert counts(bake(level)) == (0, signatures, 0)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == files
    # At the lowest level every processor of the architecture can run it; and it is right.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU")}
    done = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", LOAD], cwd=ROOT, env=kept | {"FORECASTER_CPU_LEVEL": level}, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == ["1", "0", "True"]


def test_the_highest_level_is_baked_wherever(folder: Path) -> None:
    done = bake(levels()[-1])
    assert done["compiled"] == done["stored"] == len(list(folder.iterdir()))


def test_a_folder_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "file").touch()
    monkeypatch.setenv("FORECASTER_CACHE_DIR", str(folder / "file"))
    done = bake(levels()[0])
    assert done["compiled"] >= 1
    assert done["stored"] == 0


def test_without_a_home_it_asks_for_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.delenv("FORECASTER_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(ConfigError, match="set FORECASTER_CACHE_DIR"):
        warm_up.warm_up()
