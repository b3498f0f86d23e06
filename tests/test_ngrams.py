"""Counts of symbols, held against a slow twin that counts in dictionaries."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from numpy.testing import assert_allclose

from forecaster.errors import InputError
from forecaster.ngrams import NGrams, _discounts


def slow_chance(symbols: list[int], size: int, context: tuple[int, ...], symbol: int) -> float:
    """Return the interpolated Kneser-Ney chance of a symbol after a context of up to two."""
    grams = [Counter[tuple[int, ...]]() for _ in range(4)]
    highest = 3
    grams[highest].update(zip(*(symbols[k:] for k in range(highest)), strict=False))
    for length in (2, 1):
        for gram in grams[length + 1]:
            grams[length][gram[1:]] += 1
    chance = 1 / size
    for length in range(1, len(context) + 2):
        before = context[len(context) - length + 1 :]
        discounts = _discounts(np.array(list(grams[length].values())))
        follow = {gram[-1]: count for gram, count in grams[length].items() if gram[:-1] == before}
        total = sum(follow.values())
        if total:
            left = sum(discounts[min(count, 3)] for count in follow.values())
            own = follow.get(symbol, 0)
            chance = (max(own - discounts[min(own, 3)], 0) + left * chance) / total
    return float(chance)


@pytest.fixture
def symbols() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.minimum(rng.geometric(0.3, 300) - 1, 7)


def test_as_the_slow_twin(symbols: np.ndarray) -> None:
    told = np.random.default_rng(1).integers(0, 9, 60)  # 8 never came
    ours = NGrams(symbols, 9, 3).probabilities(told)
    slow = [
        slow_chance(symbols.tolist(), 9, tuple(told[max(at - 2, 0) : at].tolist()), int(told[at]))
        for at in range(1, len(told))
    ]
    assert_allclose(ours, slow, rtol=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("context", [(0, 0), (3, 7), (8, 8), (5, 8), (8, 1)])
def test_chances_add_up_to_one(symbols: np.ndarray, order: int, context: tuple[int, int]) -> None:
    counted = NGrams(symbols, 9, order)
    chances = [counted.probabilities(np.array([*context, symbol]))[-1] for symbol in range(9)]
    assert min(chances) > 0
    assert_allclose(sum(chances), 1, rtol=1e-12)


def test_more_order_tells_more_where_there_is_some() -> None:
    rule = np.tile([0, 1, 0, 2, 0, 3], 50)
    one, two, three = (NGrams(rule, 4, order).perplexity(rule) for order in (1, 2, 3))
    assert one > two > three
    assert three < 1.1


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("length", [0, 1, 2, 3, 4])
def test_each_symbol_but_the_first_has_a_chance(symbols: np.ndarray, order: int, length: int) -> None:
    assert NGrams(symbols, 9, order).probabilities(symbols[:length]).shape == (max(length - 1, 0),)


def test_a_unigram_is_near_the_shares(symbols: np.ndarray) -> None:
    counted = NGrams(symbols, 9, 1)
    shares = np.bincount(symbols, minlength=9) / len(symbols)
    chances = [counted.probabilities(np.array([0, symbol]))[0] for symbol in range(9)]
    assert_allclose(chances, shares, atol=0.02)


def test_repetitions_are_no_reason_to_fail() -> None:
    assert NGrams(np.zeros(10, np.int64), 1, 3).perplexity(np.zeros(5, np.int64)) == pytest.approx(1)


@pytest.mark.parametrize(("length", "size"), [(2, 5), (10, 3_000_000)])
def test_what_cannot_be_counted_is_refused(length: int, size: int) -> None:
    with pytest.raises(InputError):
        NGrams(np.zeros(length, np.int64), size, 3)
