"""The scaffolding: locked requirements, make targets, names that must not be in the project's files."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LOCKS = {name: ROOT / "requirements" / f"{name}.txt" for name in ("run", "demo", "dev", "build", "scale")}
PINS = {
    name: set(re.findall(r"^([a-z0-9-]+)==", path.read_text(encoding="utf-8"), re.MULTILINE))
    for name, path in LOCKS.items()
}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def names(requirements: list[str]) -> set[str]:
    return {
        re.split(r"[\[<>=!~ ;]", text)[0].lower() for text in requirements if not text.startswith(PROJECT["name"] + "[")
    }


@pytest.mark.parametrize("path", LOCKS.values(), ids=lambda path: path.name)
def test_every_requirement_is_pinned_by_hash_and_no_index_is_named(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"https?:|file:|--index|--extra-index|--find-links|/", text)
    for entry in re.split(r"\n(?=\S)", "\n".join(line for line in text.splitlines() if not line.startswith("#"))):
        assert re.match(r"[a-z0-9-]+==\S+( ; .*)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry


def test_the_locks_hold_what_pyproject_asks_for() -> None:
    extras = PROJECT["optional-dependencies"]
    base = names(PROJECT["dependencies"])
    assert base | names(extras["postgres"]) | names(extras["remote"]) <= PINS["run"]  # what the image offers
    assert base | names(extras["plot"]) | {"hatchling"} <= PINS["demo"]
    assert names(extras["dev"]) | names(extras["parquet"]) | PINS["demo"] | PINS["run"] <= PINS["dev"]
    assert (
        names(extras["ray"]) | names(extras["polars"]) | names(extras["dask"]) | names(extras["spark"]) <= PINS["scale"]
    )
    assert PINS["run"].isdisjoint(
        {"optuna", "polars", "pyspark", "ray", "pytest", "matplotlib", "pyarrow", "scipy", "torch"}
    )


def test_the_locks_agree_with_each_other() -> None:
    pins = {
        name: set(re.findall(r"^\S+==[^\\]+", path.read_text(encoding="utf-8"), re.MULTILINE))
        for name, path in LOCKS.items()
    }
    for name in ("run", "demo", "build"):
        assert pins[name] <= pins["dev"], name
    own = {pin for pin in pins["scale"] if pin.partition("==")[0] not in PINS["dev"]}
    assert pins["scale"] - own <= pins["dev"], "scale.txt is installed beside dev.txt"


def test_make_lists_the_targets_that_the_documents_name() -> None:
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout  # noqa: S603, S607 - our own Makefile
    targets = set(re.findall(r"^  make (\w+)", listed, re.MULTILINE))
    assert {"demo", "test", "lint", "bench", "serve", "image", "clean", "help"} <= targets
    for document in ("README.md", "CONTRIBUTING.md"):
        named = set(
            re.findall(r"^make (\w+)|`make (\w+)`", (ROOT / document).read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert {name for pair in named for name in pair if name} <= targets


def test_an_old_python_is_refused_by_name(tmp_path: Path) -> None:
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")  # what the version check answers on Python 3.10
    old.chmod(0o755)
    command = ["make", "-C", str(ROOT), f"VENV={tmp_path / 'venv'}", f"PYTHON={old}", "demo"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own Makefile
    assert done.returncode == 2
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (tmp_path / "venv").exists()
