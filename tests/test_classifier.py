"""Labels of sequences: learned, kept, refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import (
    ConfigError,
    Forecaster,
    InputError,
    ModelFormatError,
    NotFittedError,
    SequenceClassifier,
    SequenceConfig,
)
from forecaster.classifier import usual_training
from forecaster.cli import run
from forecaster.heads import Readout, readout_forward
from forecaster.network import Network
from forecaster.plain import trunk
from forecaster.storage import load_model, save_model
from forecaster.tasks.labelled import Sequences
from forecaster.trunk import Packed
from tests.examples import trained

TOY = [["cat", "mat", "rat"], ["cat", "rat", "rat"], ["mat", "mat", "cat"]]
SMALL = {"hidden": 8, "embedding": 4}
BRIEF = {"steps": 60, "validate_every": 10}


def small(**settings: Any) -> SequenceClassifier:
    return SequenceClassifier(**{"network": SMALL, "training": BRIEF, "threads": 1, **settings})


def first_words(count: int, *, seed: int = 0) -> tuple[list[list[str]], list[str]]:
    """Return sequences of 1 to 6 words, each of the class of its first."""
    rng = np.random.default_rng(seed)
    rows = [[str(word) for word in rng.choice(["cat", "mat", "rat"], rng.integers(1, 7))] for _ in range(count)]
    return rows, [row[0].upper() for row in rows]


def waves(count: int, *, numbers: int = 1, seed: int = 0) -> tuple[list[Any], list[bool]]:
    """Return series that rise or fall, at a level and of a scale far from 0 and 1."""
    rng = np.random.default_rng(seed)
    rises = rng.random(count) < 0.5
    rows = [
        1000 + 50 * (np.linspace(0, 1 if up else -1, rng.integers(5, 15))[:, None] + rng.normal(0, 0.1, (1, numbers)))
        for up in rises
    ]
    return [row[:, 0] if numbers == 1 else row for row in rows], rises.tolist()


@pytest.mark.parametrize("embedding", [0, 4])
def test_the_notes_toy_set(embedding: int) -> None:
    model = small(network={"hidden": 8, "embedding": embedding}, training={"steps": 200}).fit(TOY, [0, 0, 1])
    assert model.predict(TOY).tolist() == [0, 0, 1]
    assert model.classes == [0, 1]
    said = model.predict_proba(TOY)
    assert_allclose(said.sum(1), 1)
    assert said[2, 1] > 0.8
    assert model.info["architecture"]["networks"][0]["loss"] == "binary"
    assert model.info["training"]["held_out"] == 0
    assert model.info["accuracy"] is None


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_words_of_any_number_with_a_class_each(cell: str) -> None:
    rows, labels = first_words(300)
    model = small(network={"hidden": 16, "embedding": 4, "cell": cell}, training={"steps": 300}).fit(rows, labels)
    assert model.classes == ["CAT", "MAT", "RAT"]
    assert model.score(*first_words(100, seed=1))["accuracy"] > 0.9
    assert model.info["accuracy"]["accuracy"] > 0.9
    assert model.info["training"]["held_out"] == sum(int(0.2 * labels.count(one)) for one in model.classes)
    assert model.predict(rows[:3]).tolist() == labels[:3]


@pytest.mark.parametrize("numbers", [1, 3])
def test_numbers_of_any_scale(numbers: int) -> None:
    rows, labels = waves(200, numbers=numbers)
    model = small(training={"steps": 150}).fit(rows, labels)
    assert model.classes == [False, True]
    assert model.predict(rows).dtype == bool
    assert model.score(*waves(100, numbers=numbers, seed=1))["accuracy"] > 0.95


def test_a_softmax_head_for_two_classes_when_asked_for() -> None:
    model = small(network=SequenceConfig(hidden=8, embedding=0)).fit(TOY, ["no", "no", "yes"])
    assert model.predict_proba(TOY).shape == (3, 2)
    assert model.predict(TOY).tolist() == ["no", "no", "yes"]


def test_it_answers_as_the_kernels_do() -> None:
    rows, labels = first_words(60)
    model = small().fit(rows, labels)
    fitted = model._fitted
    assert fitted is not None
    asked = [*rows[:20], ["mat", "dog", "rat"]]
    sequences = Sequences(*fitted.encoder.encode(_given(asked)))
    space = sequences.load(np.arange(21), Readout(fitted.network, 9, 21, training=False))
    logits = readout_forward(Packed(fitted.network), space)[:, :3].astype(float)
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert_allclose(model.predict_proba(asked), expected, rtol=1e-4, atol=1e-6)


def _given(rows: list[Any]) -> Any:
    from forecaster.encoders import given

    return given(rows)


def test_what_stands_beside_a_sequence_does_not_change_its_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = first_words(60)
    model = small().fit(rows, labels)
    together = model.predict_proba(rows)
    assert_allclose([model.predict_proba([row])[0] for row in rows[:10]], together[:10], rtol=1e-5)
    monkeypatch.setattr("forecaster.classifier._NUMBERS_AT_ONCE", 200)
    assert_allclose(model.predict_proba(rows), together, rtol=1e-5)


@pytest.mark.parametrize("hidden", [8, 64, 256])
def test_few_sequences_go_together(hidden: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(network={"hidden": hidden}, training={"steps": 1}).fit(*waves(9))
    seen: list[int] = []

    def counted(network: Network, x: Any) -> Any:
        seen.append(x.shape[1])
        return trunk(network, x)

    monkeypatch.setattr("forecaster.classifier.plain.trunk", counted)
    rows, _ = waves(99)
    assert len(model.predict_proba(rows)) == sum(seen) == 99
    # OpenBLAS takes more threads from 2**18 multiply-adds on: beside other work that took 20 times as long.
    assert max(seen) <= max(4, 2**18 // (4 * hidden * hidden))


def test_an_unknown_word_stands_for_nothing() -> None:
    model = small().fit(TOY, [0, 0, 1])
    assert_array_equal(model.predict_proba([["dog", "mat"]]), model.predict_proba([["pig", "mat"]]))
    assert np.isfinite(model.predict_proba([["dog"]])).all()


@pytest.mark.parametrize(
    ("count", "steps", "batch_size", "validate_every"),
    [
        (3, 600, 8, 20),
        (100, 600, 24, 20),
        (3000, 600, 64, 20),
        (20_000, 3120, 64, 104),
        (1_000_000, 20_000, 64, 666),
        (2_000_000, 31_250, 64, 1041),
    ],
)
def test_how_long_it_trains_follows_the_sequences(count: int, steps: int, batch_size: int, validate_every: int) -> None:
    usual = usual_training(count)
    assert (usual.steps, usual.batch_size, usual.validate_every) == (steps, batch_size, validate_every)


def test_settings_that_are_asked_for_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.classifier._LEAST_STEPS", 60)
    rows, labels = first_words(300)
    expected = {"steps": 60, "batch_size": 56, "validate_every": 2, "learning_rate": 0.01}
    for asked in ({}, {"steps": 7}, {"batch_size": 16}, {"steps": 8, "validate_every": 4}):
        told = small(training=asked).fit(rows, labels).info["training"]["settings"]
        assert {name: told[name] for name in expected} == expected | asked


def test_words_that_only_came_where_it_is_judged_are_unknown() -> None:
    rows, labels = first_words(100)
    model = small(training={"steps": 2}).fit([[*row, f"only{k}"] for k, row in enumerate(rows)], labels)
    known = set(model.info["inputs"]["symbols"])
    assert len(known) == 3 + 100 - model.info["training"]["held_out"]


def test_a_seed_gives_the_same_model_with_any_number_of_threads() -> None:
    rows, labels = first_words(80)
    said = [
        small(seed=seed, threads=threads).fit(rows, labels).predict_proba(rows[:5])
        for seed, threads in ((1, 1), (1, 2), (2, 1))
    ]
    assert_array_equal(said[0], said[1])
    assert not np.array_equal(said[0], said[2])


def test_saved_and_loaded(tmp_path: Path) -> None:
    for number, (rows, labels) in enumerate((first_words(40), waves(40, numbers=2), (TOY, [0, 0, 1]))):
        model = small(training={"steps": 10}).fit(rows, labels)
        model.save(tmp_path / str(number))
        other = SequenceClassifier.load(tmp_path / str(number))
        assert_array_equal(other.predict_proba(rows), model.predict_proba(rows))
        assert other.classes == model.classes
        assert other.info == model.info
        assert other.predict(rows).dtype == model.predict(rows).dtype
        with pytest.raises(NotFittedError, match="was loaded, not trained"):
            _ = other.history


def test_a_prediction_does_without_numba(tmp_path: Path) -> None:
    small(training={"steps": 2}).fit(TOY, [0, 0, 1]).save(tmp_path / "m")
    code = (
        "import sys; from forecaster import SequenceClassifier;"
        "SequenceClassifier.load(sys.argv[1]).predict([['cat', 'mat']]);"
        "assert not {'numba', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "m")], check=True)  # noqa: S603 - our own code


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    small(training={"steps": 2}).fit(TOY, [0, 0, 1]).save(tmp_path / "labels")
    trained().save(tmp_path / "forecasts")
    with pytest.raises(ModelFormatError, match="of the kind classifier, expected one of the kind forecaster"):
        Forecaster.load(tmp_path / "labels")
    with pytest.raises(ModelFormatError, match="of the kind forecaster, expected one of the kind classifier"):
        SequenceClassifier.load(tmp_path / "forecasts")


def test_the_list_of_models_says_what_kind_one_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small(training={"steps": 2}).fit(TOY, [0, 0, 1]).save(tmp_path / "labels")
    assert run(["models", str(tmp_path)]) == 0
    assert "classifier" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "oracle"}, "kind must be one of forecaster, classifier"),
        ({"classes": ["a"]}, "two or more"),
        ({"classes": ["a", 1]}, "classes must be all"),
        ({"classes": []}, "classes must be all"),
        ({"classes": [0, 1, 2]}, "loss of 3 classes"),
        ({"classes": 7}, "classes must be a list"),
        ({"inputs": {}}, "expected symbols, or means and scales"),
        ({"inputs": {"symbols": ["a", "a"]}}, "different from each other"),
        ({"inputs": {"symbols": ["a", 1]}}, "list of texts"),
        ({"inputs": {"symbols": ["a"]}}, "shape"),
        ({"inputs": {"means": [0.0], "scales": [0.0]}}, "above 0"),
        ({"inputs": {"means": ["0"], "scales": [1.0]}}, "finite numbers"),
        ({"inputs": {"means": [0.0], "scales": [1.0]}}, "expected the weights"),
    ],
)
def test_a_damaged_description_is_refused(tmp_path: Path, change: dict[str, Any], says: str) -> None:
    small(training={"steps": 2}).fit(TOY, [0, 0, 1]).save(tmp_path / "m")
    info, weights = load_model(tmp_path / "m")
    assert json.loads((tmp_path / "m/model.json").read_text())["kind"] == "classifier"
    save_model(tmp_path / "m", info | change, weights)
    with pytest.raises(ModelFormatError, match=says):
        SequenceClassifier.load(tmp_path / "m")


@pytest.mark.parametrize(
    ("rows", "labels", "says"),
    [
        ([], [], "there are no sequences"),
        ("cat mat", [0, 1], "sequences must be a list"),
        (7, [0, 1], "sequences must be a list"),
        (["cat mat", "rat"], [0, 1], "sequence 0 is a text.*split"),
        ({"cat": 0, "mat": 1}, [0, 1], "sequences must be a list"),
        ([{"cat", "mat"}, ["rat"]], [0, 1], "sequence 0 is {"),
        ([np.array(1.0), [1.0]], [0, 1], "sequence 0 is array"),
        ([np.array([1.0, None]), [1.0]], [0, 1], "sequence 0 is neither"),
        ([["cat"], []], [0, 1], "sequence 1 is empty"),
        ([["cat"], 7], [0, 1], "sequence 1 is 7"),
        ([["cat"], [1.0]], [0, 1], "sequence 1 has 1 numbers a step where sequence 0 has symbols"),
        ([[[1.0, 2.0]], [1.0]], [0, 1], "sequence 1 has 1 numbers a step where sequence 0 has 2"),
        ([["cat", 1], ["mat"]], [0, 1], "sequence 0, step 1: expected text"),
        ([[1, "cat"], ["mat"]], [0, 1], "sequence 0 is neither all text nor all numbers"),
        ([[None], ["mat"]], [0, 1], "sequence 0 is neither"),
        ([[[1.0], [1.0, 2.0]], [1.0]], [0, 1], "sequence 0 is neither"),
        ([np.zeros((2, 2, 2)), [1.0]], [0, 1], "sequence 0 must have one number a step"),
        ([[1.0], [2.0, float("nan")]], [0, 1], "sequence 1, step 1: expected a finite number, got nan"),
        ([[1.0], [1e308], [-1e308]], [0, 1, 1], "too large for a mean"),
        (TOY, [0, 0], "3 sequences and 2 labels"),
        (TOY, [0, 0, 0], "all labels are 0"),
        (TOY, "001", "labels must be a list"),
        (TOY, [0, 0, 0.5], "label 2 must be text, a whole number or a boolean"),
        (TOY, [0, 0, "1"], "label 2 is '1' where label 0 is 0"),
        (TOY, [0, 0, 2**70], "label 2 is too large"),
    ],
)
def test_faults_in_what_is_given(rows: Any, labels: Any, says: str) -> None:
    with pytest.raises(InputError, match=says):
        small().fit(rows, labels)


def test_data_frames_and_arrays_of_objects_are_their_values() -> None:
    rows, labels = waves(9)
    model = small(training={"steps": 2}).fit(rows, labels)
    said = model.predict_proba(rows)
    one_column = [pd.DataFrame({"volts": row}) for row in rows]
    for same in (one_column, [pd.Series(row, index=range(7, 7 + len(row))) for row in rows]):
        assert_array_equal(model.predict_proba(same), said)
    assert_array_equal(model.predict_proba([np.array(row, object) for row in rows]), said)
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(4, 7)))
    assert_array_equal(model.predict_proba(table), model.predict_proba(table.to_numpy()))


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"threads": "two"}, "threads must be a whole number"),
        ({"threads": 0}, "threads must be"),
        ({"network": {"units": 3}}, "no setting 'units'"),
        ({"network": 3}, "network must be"),
        ({"network": {"cell": "gpu"}}, "cell must be one of"),
        ({"training": {"epochs": 3}}, "no setting 'epochs'"),
        ({"held_out": 1.0}, "held_out must be"),
        ({"held_out": True}, "held_out must be"),
        ({"seed": -1}, "seed must be"),
    ],
)
def test_faults_in_settings(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        small(**settings)


def test_losses_that_do_not_go_with_the_classes() -> None:
    for loss, says in (("squared", "must be binary or categorical"), ("binary", "3 classes must be categorical")):
        with pytest.raises(ConfigError, match=says):
            small(network={**SMALL, "loss": loss}).fit(TOY, [0, 1, 2 if loss == "binary" else 1])
    with pytest.raises(ConfigError, match="too many for one-hot"):
        small(network={"embedding": 0}).fit([[f"w{k}" for k in range(2000)], ["a"]], [0, 1])


def test_faults_in_what_is_asked() -> None:
    with pytest.raises(NotFittedError, match="not trained yet"):
        small().predict(TOY)
    words, series = small(training={"steps": 2}).fit(TOY, [0, 0, 1]), small(training={"steps": 2}).fit(*waves(9))
    with pytest.raises(InputError, match="knows sequences of symbols, got 1 numbers a step"):
        words.predict([[1.0]])
    with pytest.raises(InputError, match="knows 1 numbers a step, got symbols"):
        series.predict(TOY)
    with pytest.raises(InputError, match="sequence 1: a number is too large"):
        series.predict([[1.0], [1.0, 1e300]])
    with pytest.raises(InputError, match="sequence 0 is empty"):
        words.predict([[]])
    with pytest.raises(InputError, match="label 1 is 7, which was not there in training; the model knows 0, 1"):
        words.score(TOY, [0, 7, 1])
    with pytest.raises(InputError, match="3 sequences and 1 labels"):
        words.score(TOY, [0])


def test_a_failed_training_leaves_the_model_as_it_was() -> None:
    model = small(training={"steps": 2}).fit(TOY, [0, 0, 1])
    before = model.predict_proba(TOY)
    with pytest.raises(InputError):
        model.fit(TOY, [1, 1, 1])
    assert_array_equal(model.predict_proba(TOY), before)


def test_history_says_when_gradients_were_clipped() -> None:
    rows, labels = first_words(60)
    seen: list[int] = []
    model = small(training={**BRIEF, "clip_norm": 1e-6}).fit(rows, labels, progress=lambda one: seen.append(one.step))
    assert model.history.clipped == model.info["training"]["clipped_steps"] == model.history.steps == seen[-1]
    assert small(training={**BRIEF, "clip_norm": 1e6}).fit(rows, labels).history.clipped == 0
