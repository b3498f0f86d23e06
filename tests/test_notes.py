"""The worked values of the notes, through the compiled kernels and NumPy alone; and docs/notes.md, all of it."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from benchmarks.tables import NOTES
from forecaster import plain
from forecaster.cli import run
from forecaster.network import Network
from forecaster.shape import Shape
from forecaster.trunk import Packed, Trunk, new_states, trunk_forward
from service import create_app
from service.settings import Settings

SHUT, HALF, OPEN = -40.0, 0.0, 40.0  # what a sigmoid makes 0, 0.5 and 1 of
MEMORY = [4.0, 5.0, 6.0]

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BRIEF = {"train": "5", "diagnose": "5", "learn": "150"}
"""Steps of the trainings here, which are not about how good they are."""


def rows_of_the_table() -> list[list[str]]:
    text = NOTES.read_text(encoding="utf-8").partition("| idea of the notes |")[2].partition("\n\n")[0]
    return [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]


def small() -> Network:
    return Network(Shape(numbers=4, hidden=3, outputs=1))


def with_gates(forget: float, write: float, candidate: list[float]) -> Network:
    """Return a network of the notes' sizes whose gates stand where the biases put them."""
    network = small()
    bias = network.parts["lstm.bias_l0"].real(network.weights)
    bias[0], bias[1], bias[2], bias[3] = write, forget, candidate, OPEN
    return network


def by_kernels(network: Network, steps: int) -> np.ndarray:
    trunk, states = Trunk(network, steps, 1, training=False), new_states(network, 1)
    states[0, 1, 0, :3] = MEMORY
    trunk.begin(states)
    trunk_forward(Packed(network), trunk)
    trunk.end(states)
    return states[0, 1, 0, :3]


def by_numpy(network: Network, steps: int) -> np.ndarray:
    states = np.zeros((1, 2, 1, 3), np.float32)
    states[0, 1, 0] = MEMORY
    _, after = plain.trunk(network, np.zeros((steps, 1, 4), np.float32), states)
    return after[0, 1, 0]


def test_the_sizes_of_the_notes() -> None:
    weights = small().named_weights()
    assert weights["lstm.weight_ih_l0"].shape == (4 * 3, 4)
    assert weights["lstm.weight_hh_l0"].shape == (4 * 3, 3)
    assert weights["lstm.weight_ih_l0"].size + weights["lstm.weight_hh_l0"].size == 4 * 21
    assert weights["lstm.bias_l0"].size == 4 * 3


@pytest.mark.parametrize("run", [by_kernels, by_numpy])
@pytest.mark.parametrize(
    ("forget", "write", "steps", "expected"),
    [
        (HALF, SHUT, 1, [2, 2.5, 3]),  # halves keep half
        (SHUT, SHUT, 1, [0, 0, 0]),  # zeros forget all
        (OPEN, SHUT, 1, MEMORY),  # ones, and nothing written: unchanged
        (OPEN, SHUT, 50, MEMORY),
        (OPEN, OPEN, 1, [4.1, 5.2, 6.3]),  # added to
        (SHUT, OPEN, 1, [0.1, 0.2, 0.3]),
        (HALF, SHUT, 50, [0, 0, 0]),  # 0.5^50: forgotten
    ],
)
def test_what_becomes_of_the_memory(run, forget: float, write: float, steps: int, expected: list[float]) -> None:  # type: ignore[no-untyped-def]  # run is what a document defines
    network = with_gates(forget, write, np.arctanh([0.1, 0.2, 0.3]).tolist())
    assert_allclose(run(network, steps), expected, rtol=1e-4, atol=1e-6)


def test_products_sums_and_powers() -> None:
    memory, other = np.array([4, 5, 6]), np.array([1, 2, 3])
    assert (memory * other).tolist() == [4, 10, 18]
    assert (memory + other).tolist() == [5, 7, 9]
    assert 2.0**50 > 1e15
    assert 0.2**50 < 1e-34


def test_all_blocks_of_the_page_run_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "document"}
    for number, (language, text) in enumerate(BLOCK.findall(NOTES.read_text(encoding="utf-8")), 1):
        if language == "python":
            exec(compile(text, f"notes.md, block {number}", "exec"), names)  # noqa: S102 - our own document
        else:
            assert language == "bash"
            for line in text.splitlines():
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", "no series is long enough", UserWarning)  # of seven values
                    run_line(shlex.split(line))
    assert len(Path("days-31-to-37.csv").read_text(encoding="utf-8").splitlines()) == 1 + 7


def run_line(line: list[str]) -> None:
    program, *words = line
    if program == "curl":
        client = create_app(Settings(models=Path("models"), state=Path(".state"), reload_seconds=0)).test_client()
        answer = client.post(words[0].partition("8000")[2], json=json.loads(words[-1]))
        assert answer.status_code == 200, answer.text
        assert answer.get_json()["suggestions"][0]["symbol"] == "out"
    elif words[0] != "serve":  # does not return; requests are made without a network
        assert program == "forecaster"
        assert run([*words, *(["--steps", BRIEF[words[0]]] if words[0] in BRIEF else [])]) == 0


@pytest.mark.parametrize("row", rows_of_the_table(), ids=lambda row: row[0][:40])
def test_each_idea_has_code_a_test_and_something_that_shows_it(row: list[str]) -> None:
    _, code, test, shown = row
    paths = re.findall(r"`([\w/]+\.py)`", code + test)
    assert all((ROOT / path).is_file() for path in paths), paths
    assert all(any(path.startswith(start) for path in paths) for start in ("forecaster/", "tests/"))
    assert shown
    for path, name in re.findall(r"`([\w/]+\.py)`: `(\w+)`", code):
        assert re.search(rf"\b{name}\b", (ROOT / path).read_text(encoding="utf-8")), name
