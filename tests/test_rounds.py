"""Rows drawn for training."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from forecaster.rounds import Rounds


@pytest.mark.parametrize("count", [1, 3, 5, 12])
def test_each_comes_once_a_round(count: int) -> None:
    rounds, rng = Rounds(np.array([2, 3, 5, 7, 11])), np.random.default_rng(0)
    drawn = np.concatenate([rounds.draw(rng, count) for _ in range(10)])
    for at in range(0, len(drawn) - 4, 5):
        assert_array_equal(np.sort(drawn[at : at + 5]), [2, 3, 5, 7, 11])
    assert len({tuple(drawn[at : at + 5]) for at in range(0, len(drawn) - 4, 5)}) > 1
