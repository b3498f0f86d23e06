"""The benchmark of the next word, on a text made here."""

from __future__ import annotations

import pytest

from benchmarks.symbols import INTERPRETER, measure, parted, symbols_block
from benchmarks.tables import WORDS_BEGIN, WORDS_END, with_words

LINES = [f"The {one} sees the {other}." for one in ("cat", "rat", "mat") for other in ("dog", "cow", "hen")] * 300


def test_blocks_of_lines_are_held_out_all_over_the_text() -> None:
    texts = [str(number) for number in range(4000)]
    known, held_out = parted(texts)
    assert sorted(known + held_out, key=int) == texts
    assert held_out == [str(number) for first in (1000, 3000) for number in range(first, first + 100)]


def test_what_is_measured_stands_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(INTERPRETER, raising=False)
    report = measure(LINES, steps=30)
    values = {figure.key: figure.value for figure in report.figures}
    assert values["torch_seconds"] is None
    text = symbols_block(report)
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][1:]
    assert [row[0] for row in rows] == ["unigrams counted", "bigrams counted", "trigrams counted", "network"]
    assert [row[1] for row in rows] == [f"{values[key]:.1f}" for key in ("unigram", "bigram", "trigram", "perplexity")]
    assert " ms (" in text


def test_nothing_measured_is_said() -> None:
    text = f"before\n{WORDS_BEGIN}\nold\n{WORDS_END}\nafter"
    assert "Not measured yet" in with_words(text, None)
    with pytest.raises(ValueError, match="lost the markers"):
        with_words("nothing", None)
