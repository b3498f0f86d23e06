"""Forecasters of symbols: what they learn, say, draw and keep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import ConfigError, Forecaster, InputError, ModelFormatError, NotFittedError, SymbolForecaster
from forecaster import symbol_learning as learning
from forecaster.config import SequenceConfig
from forecaster.errors import TooShortError
from forecaster.network import Network
from forecaster.ngrams import NGrams
from forecaster.shape import CELLS, Cell
from forecaster.symbol_learning import _begin_as_often, held_out_places, usual_network, usual_training
from forecaster.symbols import CONTEXT
from forecaster.tasks.streams import stream_loss
from forecaster.trunk import Packed
from forecaster.vocabulary import BOUNDARY, UNKNOWN

SMALL = SequenceConfig(hidden=16, embedding=0)
STATES = ["idle", "busy", "idle", "error", "reset"] * 80
"""After idle comes busy or error, depending on what was before."""
VERSES = ["The cat sat on the mat.", "The rat sat on the cat.", "The mat sat on nobody."] * 30
QUICK = {"steps": 200, "learning_rate": 0.02}


@pytest.fixture(scope="module")
def machine() -> SymbolForecaster:
    return SymbolForecaster(units="symbols", network=SMALL, training=QUICK, threads=1).fit(STATES)


@pytest.fixture(scope="module")
def verses() -> SymbolForecaster:
    network = SequenceConfig(hidden=16, embedding=16, tied=True)
    return SymbolForecaster(network=network, training=QUICK, threads=1).fit(VERSES)


def test_what_was_before_decides(machine: SymbolForecaster) -> None:
    assert machine.next(["busy", "idle"], k=1)[0].symbol == "error"
    assert machine.next(["reset", "idle"], k=1)[0].symbol == "busy"
    assert machine.next("busy idle error", k=1)[0].symbol == "reset"
    assert machine.perplexity(STATES[:50]) < 1.3


def test_suggestions_are_the_likeliest_in_order(machine: SymbolForecaster) -> None:
    chances = machine.probabilities(["idle"])
    assert_allclose(chances.sum(), 1)
    made = machine.next(["idle"], k=3)
    assert [one.probability for one in made] == sorted((float(one) for one in chances[2:]), reverse=True)[:3]
    every = machine.next(["idle"], k=100)
    assert sorted(one.symbol for one in every) == sorted(set(STATES))
    assert every[:3] == made


def test_words_between_boundaries(verses: SymbolForecaster) -> None:
    assert verses.next("the cat sat on the", k=2)[0].symbol in {"mat", "cat"}
    assert verses.next("THE RAT SAT", k=1) == verses.next("the rat sat", k=1)
    assert verses.next()[0].symbol == "the"  # so they begin
    assert verses.probabilities("the mat sat on nobody.")[BOUNDARY] > 0.8  # and so they end


def test_unknown_words_are_heard_and_never_said(verses: SymbolForecaster) -> None:
    made = verses.next("the elephant sat", k=100)
    assert len(made) == len(verses.vocabulary.symbols)
    assert verses.next("the giraffe sat", k=1) == verses.next("the elephant sat", k=1)
    assert verses.perplexity("the elephant sat on the mat.") > verses.perplexity("the cat sat on the mat.")


def test_generated_symbols_follow_what_was_learned(machine: SymbolForecaster, verses: SymbolForecaster) -> None:
    assert machine.generate(6, ["busy", "idle"], temperature=0) == ["error", "reset", "idle", "busy", "idle", "error"]
    assert machine.generate(30, seed=1) == machine.generate(30, seed=1)
    assert len(machine.generate(30, seed=1)) == 30
    told = verses.generate(100, "the rat", temperature=0)
    assert verses.vocabulary.join(told) in {"sat on the cat.", "sat on the mat.", "sat on nobody."}


def test_a_high_temperature_draws_what_is_unlikely(machine: SymbolForecaster) -> None:
    drawn = {machine.generate(1, ["busy", "idle"], temperature=100, seed=seed)[0] for seed in range(40)}
    assert drawn == set(STATES)


@pytest.mark.parametrize("cell", CELLS)
def test_step_by_step_in_numpy_is_the_compiled_perplexity(cell: Cell) -> None:
    network = SequenceConfig(cell=cell, hidden=16, embedding=8)
    model = SymbolForecaster(units="symbols", network=network, training={"steps": 5}, threads=1).fit(STATES)
    said = STATES[:40]
    chances = [model.probabilities(said[:at])[model.vocabulary.encode([said[at]])[0]] for at in range(1, len(said))]
    assert_allclose(np.exp(-np.log(chances).mean()), model.perplexity(said), rtol=1e-5)


def test_only_the_newest_of_a_context_is_looked_at(machine: SymbolForecaster) -> None:
    long = STATES[:300]
    assert_array_equal(machine.probabilities(["error", *long]), machine.probabilities(long))
    assert_array_equal(machine.probabilities(long), machine.probabilities(long[-CONTEXT:]))


def test_save_and_load(machine: SymbolForecaster, verses: SymbolForecaster, tmp_path: Path) -> None:
    for name, model, context in (("a", machine, ["idle"]), ("b", verses, "the cat")):
        model.save(tmp_path / name)
        loaded = SymbolForecaster.load(tmp_path / name)
        assert_array_equal(loaded.probabilities(context), model.probabilities(context))
        assert loaded.generate(5, context) == model.generate(5, context)
        assert loaded.info == model.info
        loaded.save(tmp_path / name)


def test_a_suggestion_needs_no_numba(machine: SymbolForecaster, tmp_path: Path) -> None:
    machine.save(tmp_path / "model")
    code = (
        "import sys; from forecaster import SymbolForecaster; "
        f"print(SymbolForecaster.load({str(tmp_path / 'model')!r}).next(['busy', 'idle'], k=1)[0].symbol, "
        "'numba' in sys.modules, 'pandas' in sys.modules)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    assert told.stdout.split() == ["error", "False", "False"]


def test_models_of_another_kind_are_refused(machine: SymbolForecaster, tmp_path: Path) -> None:
    machine.save(tmp_path / "symbols")
    with pytest.raises(ModelFormatError, match="symbols"):
        Forecaster.load(tmp_path / "symbols")
    with pytest.raises(ModelFormatError, match="forecaster"):
        SymbolForecaster.load(Path(__file__).parent.parent / "forecaster" / "weights" / "daily")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("vocabulary", "units"), "letters"),
        (("vocabulary", "symbols"), ["a", "a"]),
        (("vocabulary", "symbols"), ["a"]),
        (("architecture", "networks"), [{}]),
        (("architecture", "networks"), [{}, {}]),
    ],
)
def test_descriptions_that_do_not_fit(
    machine: SymbolForecaster, tmp_path: Path, place: tuple[str, str], value: Any
) -> None:
    from forecaster.description import named_weights
    from forecaster.storage import save_model

    info = json.loads(json.dumps(machine.info))
    info[place[0]][place[1]] = value
    save_model(tmp_path / "model", info, named_weights([machine._ready().network]))
    with pytest.raises(ModelFormatError, match="does not describe a model"):
        SymbolForecaster.load(tmp_path / "model")


def test_perplexity_on_what_was_held_out_is_told_beside_counting() -> None:
    rng = np.random.default_rng(0)
    text = "".join(rng.choice(["ab", "cd", "ef"], 2000))
    model = SymbolForecaster(units="characters", network=SMALL, training=QUICK, threads=1).fit(text)
    told = model.info["accuracy"]
    assert set(told) == {"perplexity", "unigram", "bigram", "trigram"}
    assert 1.5 < told["perplexity"] < 1.1 * told["bigram"] < told["unigram"]
    assert told["bigram"] == pytest.approx(3**0.5, rel=0.05)


def test_the_end_of_a_single_sequence_is_not_held_out() -> None:
    text = "the cat sat on the mat . " * 200
    model = SymbolForecaster(network=SMALL, training=QUICK, threads=1).fit(text)
    assert model.info["training"]["values"] == 1400
    assert model.info["accuracy"]["perplexity"] < 1.1  # with an end among the 70 held out it was 1.3


def test_the_vocabulary_is_that_of_what_is_learned_from() -> None:
    """Words of the held-out end are unknown, as they would be in any other text."""
    text = "the cat sat on the mat . " * 200 + "nobody saw the dog . " * 4 + "a rat ran"
    model = SymbolForecaster(network=SMALL, training=QUICK, threads=1).fit(text)
    assert set(model.vocabulary.symbols) == {"the", "cat", "sat", "on", "mat", "."}
    assert model.info["training"]["unknown"] == 4 * 3 + 3
    learned_only = SymbolForecaster(network=SMALL, training=QUICK, threads=1).fit("the cat sat on the mat . " * 203)
    assert model.info["accuracy"]["perplexity"] > learned_only.info["accuracy"]["perplexity"]


@pytest.mark.parametrize(("count", "known"), [(300, {"a", "b", "c"}), (1200, {"a", "b"})])
def test_what_comes_once_is_learned_as_unknown_where_some_is_held_out(count: int, known: set[str]) -> None:
    """Else nothing would teach how likely the unknown symbol is, and those held out would end the training."""
    model = SymbolForecaster(training={"steps": 2}, threads=1).fit("c " + "a b " * (count // 2))
    assert set(model.vocabulary.symbols) == known
    model = SymbolForecaster(training={"steps": 2}, least=1, threads=1).fit("c " + "a b " * (count // 2))
    assert set(model.vocabulary.symbols) == {"a", "b", "c"}


def test_a_training_that_goes_astray_has_a_perplexity_too(tmp_path: Path) -> None:
    model = SymbolForecaster(network=SMALL, training={"steps": 3, "learning_rate": 1e6}, threads=1)
    model.fit("a b c d " * 400).save(tmp_path / "model")
    assert 4 < SymbolForecaster.load(tmp_path / "model").info["accuracy"]["perplexity"] < np.inf
    assert model.perplexity("a b c d") < np.inf


@pytest.mark.parametrize(
    ("count", "pieces", "share"),
    [(999, 0, 0), (1000, 1, 50), (4000, 1, 200), (90_000, 9, 4500), (900_000, 20, 45_000), (2_000_000, 20, 50_000)],
)
def test_what_is_held_out_comes_from_everywhere(count: int, pieces: int, share: int) -> None:
    held_out = np.flatnonzero(held_out_places(count))
    assert len(held_out) == share
    begins = held_out[np.flatnonzero(np.diff(held_out, prepend=-2) > 1)]
    assert len(begins) == pieces
    if pieces:
        assert held_out[-1] == count - 1
        assert_allclose(np.diff(begins), count / pieces, atol=1)


def test_a_network_begins_by_saying_each_symbol_as_often_as_it_comes() -> None:
    network = Network(SMALL.shape(outputs=4, symbols=4, softmax=True))
    _begin_as_often(network, np.array([3] * 96 + [1]))
    chances = np.exp(network.parts["head.bias"].real(network.weights)[0])
    assert_allclose(chances, [1 / 101, 2 / 101, 1 / 101, 97 / 101], rtol=1e-5)


def test_counts_and_network_are_held_against_the_same_symbols(verses: SymbolForecaster) -> None:
    numbers = verses.numbers(VERSES[:3])
    assert numbers[0] == numbers[-1] == BOUNDARY
    assert (numbers == BOUNDARY).sum() == 4
    assert UNKNOWN not in numbers
    loss, count = stream_loss(Packed(verses._ready().network), numbers[:, None], 8)
    assert verses.perplexity(VERSES[:3]) == pytest.approx(np.exp(loss / count))
    assert NGrams(numbers, len(verses.vocabulary)).perplexity(numbers) > 1


def test_the_same_seed_gives_the_same_bits() -> None:
    made = [
        SymbolForecaster(units="symbols", training={"steps": 5}, seed=seed, threads=threads).fit(STATES)
        for seed, threads in ((1, 1), (1, 2), (2, 1))
    ]
    bits = [model.probabilities(["idle"]).tobytes() for model in made]
    assert bits[0] == bits[1] != bits[2]


def test_of_many_symbols_few_are_chosen_among_while_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suggestions and perplexities are those among all, and right."""
    monkeypatch.setattr(learning, "_MANY", 4)
    monkeypatch.setattr(learning, "_DRAWN", 2)
    model = SymbolForecaster(units="symbols", network=SMALL, training=QUICK, threads=1).fit(STATES)
    assert model.next(["busy", "idle"], k=1)[0].symbol == "error"
    assert model.next(["reset", "idle"], k=1)[0].symbol == "busy"
    assert model.perplexity(STATES[:50]) < 1.3
    monkeypatch.setattr(learning, "_MANY", 7)  # four states and two that are reserved: not so many
    all_of_them = SymbolForecaster(units="symbols", network=SMALL, training=QUICK, threads=1).fit(STATES)
    assert all_of_them.probabilities(["idle"]).tobytes() != model.probabilities(["idle"]).tobytes()


@pytest.mark.parametrize(
    ("count", "steps"),
    [(2, 300), (20_000, 300), (100_000, 1455), (900_000, 5268), (10_000_000, 20_000), (50_000_000, 48_828)],
)
def test_how_long_to_train(count: int, steps: int) -> None:
    assert usual_training(count).steps == steps


def test_how_large_a_network() -> None:
    usual = [usual_network("words", 8000, count, "gru") for count in (2, 30_000, 60_000, 200_000, 600_000)]
    assert [config.hidden for config in usual] == [64, 128, 192, 256, 384]
    assert all(config.tied and config.cell == "gru" and 0.2 <= config.dropout <= 0.5 for config in usual)
    assert usual_network("characters", 100, 10_000_000, "lstm").embedding == 0


def test_some_settings_of_the_network_by_name() -> None:
    text = "the cat sat on the mat . " * 10
    quick = {"steps": 2}
    for asked, tied, embedding in (
        ({"hidden": 24}, True, 24),
        ({"embedding": 8}, False, 8),
        ({"hidden": 24, "dense": 10}, False, 64),
        ({"cell": "gru", "hidden": 16, "tied": False}, False, 64),
    ):
        model = SymbolForecaster(network=asked, training=quick, threads=1).fit(text)
        (told,) = model.info["architecture"]["networks"]
        assert told["hidden"] == asked.get("hidden", 64)
        assert (told["tied"], told["embedding"]) == (tied, embedding)
        assert model.info["architecture"]["cell"] == asked.get("cell", "lstm")


def test_how_training_went(tmp_path: Path) -> None:
    model = SymbolForecaster(network=SMALL, training={"steps": 4, "validate_every": 2}, threads=1).fit("a b c d " * 300)
    assert [report.step for report in model.history.reports] == [2, 4]
    assert model.history.steps == model.info["training"]["steps"] == 4
    model.save(tmp_path / "model")
    with pytest.raises(NotFittedError, match="loaded"):
        _ = SymbolForecaster.load(tmp_path / "model").history


def test_rare_symbols_are_learned_as_unknown() -> None:
    model = SymbolForecaster(training={"steps": 5}, least=2, threads=1).fit("a b a b c a b")
    assert set(model.vocabulary.symbols) == {"a", "b"}
    assert model.info["training"]["unknown"] == 1
    assert SymbolForecaster(training={"steps": 5}, most=1, threads=1).fit("a b a").vocabulary.symbols == ("a",)


@pytest.mark.parametrize("text", ["", [], "one", ["", ""]])
def test_too_little_to_learn_from(text: Any) -> None:
    with pytest.raises(TooShortError, match="two words or more"):
        SymbolForecaster().fit(text)


@pytest.mark.parametrize("text", [None, 3, [1, 2], b"text", {"a": 1}])
def test_what_are_no_symbols(text: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        SymbolForecaster(units="symbols").fit(text)


@pytest.mark.parametrize(
    "settings",
    [
        {"units": "letters"},
        {"cell": "conv"},
        {"cell": "gru", "network": SMALL},
        {"network": SequenceConfig(loss="binary")},
        {"most": 0},
        {"least": 0},
        {"network": {"hiden": 8}},
        {"network": [8]},
        {"cell": "gru", "network": {"cell": "rnn"}},
        {"lowercase": "no"},
        {"threads": "two"},
        {"seed": -1},
        {"training": {"stepz": 1}},
    ],
)
def test_wrong_settings(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        SymbolForecaster(**settings)


def test_too_many_symbols_for_one_hot_vectors() -> None:
    states = [f"s{k}" for k in range(1100)] * 3
    with pytest.raises(ConfigError, match="one-hot"):
        SymbolForecaster(units="symbols", network=SMALL).fit(states)


@pytest.mark.parametrize("k", [0, -1, 1.5, True, "3"])
def test_wrong_counts(machine: SymbolForecaster, k: Any) -> None:
    with pytest.raises(ConfigError, match="k must"):
        machine.next(["idle"], k=k)


@pytest.mark.parametrize("temperature", [-1, float("nan"), 101, "warm", True])
def test_wrong_temperatures(machine: SymbolForecaster, temperature: Any) -> None:
    with pytest.raises(ConfigError, match="temperature"):
        machine.generate(1, temperature=temperature)


def test_nothing_works_before_training() -> None:
    model = SymbolForecaster()
    for use in (model.next, lambda: model.generate(1), lambda: model.perplexity("a b"), lambda: model.save("x")):
        with pytest.raises(NotFittedError):
            use()


def test_too_little_to_judge(machine: SymbolForecaster) -> None:
    with pytest.raises(TooShortError):
        machine.perplexity(["idle"])
