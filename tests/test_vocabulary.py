"""Text to symbols and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from forecaster.errors import ConfigError, InputError
from forecaster.shape import Units
from forecaster.vocabulary import BOUNDARY, RESERVED, UNKNOWN, Vocabulary, as_sequences, without

TEXT = "The cat sat on the mat, and the rat didn't: it ran (far-off)."


def test_words_and_marks() -> None:
    words = Vocabulary("words", ()).split(TEXT)
    assert " ".join(words) == "The cat sat on the mat , and the rat didn't : it ran ( far-off ) ."


def test_join_takes_back_what_split_did() -> None:
    empty = Vocabulary("words", ())
    assert empty.join(empty.split("The cat, it sat. Didn't it?")) == "The cat, it sat. Didn't it?"
    assert Vocabulary("characters", ()).join("a b") == "a b"
    assert Vocabulary("symbols", ()).join(["on", "off"]) == "on off"
    assert empty.join([]) == ""


def test_the_most_frequent_come_first_and_ties_by_name() -> None:
    made = Vocabulary.of([TEXT], lowercase=True)
    assert made.symbols[:2] == ("the", "(")
    assert len(made) == len(made.symbols) + RESERVED
    assert made.encode("The mat").tolist() == [RESERVED, made.encode("mat")[0]]
    assert made.symbol(RESERVED) == "the"


def test_unknown_and_rare_symbols_have_the_number_0() -> None:
    made = Vocabulary.of(["a a b b c"], most=1)
    assert made.symbols == ("a",)
    assert Vocabulary.of(["a a b b c"], least=2).symbols == ("a", "b")
    assert made.encode("a c b").tolist() == [RESERVED, UNKNOWN, UNKNOWN]
    assert "a" in made
    assert "b" not in made
    assert BOUNDARY < RESERVED


@pytest.mark.parametrize(
    ("units", "given", "symbols"),
    [
        ("characters", "ab a", ["a", "b", " ", "a"]),
        ("symbols", "on off  on", ["on", "off", "on"]),
        ("symbols", ["on", "half on"], ["on", "half on"]),
        ("symbols", ("on",), ["on"]),
        ("words", ["New York", "is"], ["New York", "is"]),
        ("words", "", []),
    ],
)
def test_what_a_sequence_can_be(units: Units, given: Any, symbols: list[str]) -> None:
    assert list(Vocabulary(units, ()).split(given)) == symbols


@pytest.mark.parametrize("given", [3, None, b"bytes", {"a": 1}, ["a", 1], ["a", ""], [["a"]]])
def test_what_no_sequence_is(given: Any) -> None:
    with pytest.raises(InputError, match="expected"):
        Vocabulary("symbols", ()).split(given)


def test_nothing_that_comes_often_enough() -> None:
    with pytest.raises(InputError, match="3 times or more"):
        Vocabulary.of(["a b"], least=3)


@pytest.mark.parametrize("symbols", [("a", "a"), ("",), (1,)])
def test_a_vocabulary_of_what_are_no_symbols(symbols: Any) -> None:
    with pytest.raises(ConfigError):
        Vocabulary("words", symbols)


def test_units_there_are_not() -> None:
    with pytest.raises(ConfigError, match="letters"):
        Vocabulary("letters", ())  # type: ignore[arg-type]  # the very mistake


@pytest.mark.parametrize(
    ("units", "given", "count"),
    [("words", "a b", 1), ("words", ["a b", "c"], 2), ("symbols", ["a", "b"], 1), ("symbols", [["a"], ["b"]], 2)],
)
def test_one_sequence_or_several(units: Units, given: Any, count: int) -> None:
    assert len(as_sequences(given, units)) == count


def test_symbols_of_an_array_are_plain_text() -> None:
    for lowercase in (False, True):
        assert [type(one) for one in Vocabulary("symbols", (), lowercase).split(np.array(["On", "off"]))] == [str, str]


@pytest.mark.parametrize("given", [3, None, b"a", {"a": "b"}, pd.DataFrame({"text": ["a b"]})])
def test_what_cannot_be_learned_from(given: Any) -> None:
    with pytest.raises(InputError, match="expected a text"):
        as_sequences(given, "words")


def test_an_accent_by_itself_is_that_of_the_letter() -> None:
    words = Vocabulary.of(["un café"], "words")
    assert words.encode("un cafe\u0301").tolist() == words.encode("un caf\u00e9").tolist() == [3, 2]
    assert list(Vocabulary("characters", ()).split("e\u0301")) == ["\u00e9"]
    assert Vocabulary("symbols", ()).split("e\u0301") == ["e\u0301"]  # names of states stay as they are


def test_what_is_learned_from_lies_between_what_is_held_out() -> None:
    sequences = [["a", "b", "c"], ["d", "e"]]
    held_out = np.array([False, True, False, False, False, False, True, True])  # | a b c | d e |
    assert without(sequences, held_out) == [["b", "c"], ["d"]]
