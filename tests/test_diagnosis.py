"""How far back gradients reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import ConfigError
from forecaster.cli import run
from forecaster.config import SequenceConfig
from forecaster.diagnosis import _PROBLEMS, GradientFlow, _norms, gradient_flow
from forecaster.network import Network
from forecaster.plain import head, trunk
from forecaster.shape import CELLS, Cell


def flow(cell: Cell = "lstm", **settings: Any) -> GradientFlow:
    return gradient_flow(cell, **{"steps": 12, "hidden": 8, "threads": 1, "trained": False, **settings})


@pytest.mark.parametrize("cell", CELLS)
def test_norms_are_those_of_the_slopes(cell: Cell) -> None:
    """What the loss does when the hidden state after a step is moved a little."""
    rng, steps = np.random.default_rng(0), 6
    network = Network(SequenceConfig(cell=cell, hidden=3, loss="squared").shape(outputs=1, numbers=2))
    network.initialise(rng)
    problem = _PROBLEMS["adding"](steps, rng)
    x = problem.sequences.values.reshape(-1, steps, 2)[:64].swapaxes(0, 1)
    targets = problem.targets[:64]

    def loss(after: int, moved: np.ndarray) -> np.ndarray:
        _, states = trunk(network, x[:after])
        states = states.copy()
        states[0, 0] += moved
        y = states[0, 0] if after == steps else trunk(network, x[after:], states)[0][-1]
        return (targets.astype(float) - head(network, y)) ** 2  # type: ignore[no-any-return]  # of arrays without types

    norms, little = [], 0.02
    for after in range(1, steps + 1):
        slopes = [
            (loss(after, little * unit) - loss(after, -little * unit)) / (2 * little)
            for unit in np.eye(3, dtype=np.float32)
        ]
        norms.append(np.sqrt((np.array(slopes) ** 2).sum()))
    assert_allclose(_norms(network, problem, "squared"), np.array(norms) / norms[-1], rtol=0.01)


def test_a_plain_network_forgets_sooner_than_an_lstm() -> None:
    plain, lstm = (flow(cell, steps=50, hidden=32).norms for cell in ("rnn", "lstm"))
    assert plain.shape == (50,)
    assert plain[-1] == lstm[-1] == 1
    assert plain[0] < 1e-9 < 1e-7 < lstm[0]


def test_large_weights_make_gradients_explode() -> None:
    assert flow("rnn", gain=4.0, steps=50, hidden=32).norms.max() > 100
    assert flow("rnn", gain=0.2, steps=12).norms[0] < 1e-9


@pytest.mark.parametrize("task", ["adding", "copy"])
def test_training_finds_a_short_dependency(task: Any) -> None:
    learned = flow("gru", steps=4, hidden=16, task=task, trained=True, training={"steps": 300})
    assert learned.history is not None
    assert learned.loss is not None
    assert learned.loss < 0.3 * learned.chance
    assert learned.trained_norms is not None
    assert not np.array_equal(learned.trained_norms, learned.norms)
    assert learned.history.steps == 300


def test_a_seed_gives_the_same_figures() -> None:
    assert_array_equal(flow(seed=1).norms, flow(seed=1).norms)
    assert not np.array_equal(flow(seed=1).norms, flow(seed=2).norms)
    untrained = flow(seed=1)
    assert (untrained.trained_norms, untrained.loss, untrained.history) == (None, None, None)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"cell": "gpu"}, "cell must be one of"),
        ({"steps": 1}, "steps must be from 2"),
        ({"hidden": 0}, "hidden must be from 1"),
        ({"task": "sorting"}, "task must be one of adding, copy"),
        ({"gain": 0}, "gain must be a number above 0"),
        ({"gain": True}, "gain must be"),
        ({"training": {"epochs": 1}}, "no setting 'epochs'"),
        ({"seed": -1}, "seed must be"),
        ({"threads": "two"}, "threads must be"),
    ],
)
def test_faults_in_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        flow(**settings)


def test_the_command_shows_and_draws_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "gradients.png"
    options = ["--length", "8", "--hidden", "4", "--threads", "1"]
    assert run(["diagnose", *options, "--steps", "10", "--plot", str(picture)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == [
        "steps",
        "back",
        "LSTM",
        "LSTM",
        "trained",
        "GRU",
        "GRU",
        "trained",
        "RNN",
        "RNN",
        "trained",
    ]
    assert said[1].split() == ["0", *["1"] * 6]
    assert [line.split()[0] for line in said[2:6]] == ["1", "2", "5", "7"]
    assert "without memory 0.167), gradients clipped in" in said[6]
    assert picture.stat().st_size > 10_000
    assert run(["diagnose", *options, "--steps", "0", "--cell", "rnn", "--plot", str(picture)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].split() == ["steps", "back", "RNN"]
    assert run(["diagnose", "--plot", "gradients.txt"]) == 2
    assert run(["diagnose", "--length", "1"]) == 2
