from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from benchmarks.synthetic import draw, draw_panel


@pytest.mark.parametrize("season", [1, 4, 52])
def test_drawn_series_are_finite_and_never_below_zero(season: int) -> None:
    panel = draw_panel(np.random.default_rng(3), 200, 5, 300, season)
    assert np.isfinite(panel.values).all()
    assert (panel.values >= 0).all()


def test_lengths_are_within_what_was_asked_for() -> None:
    panel = draw_panel(np.random.default_rng(3), 400, 20, 90, 7)
    assert len(panel) == 400
    assert panel.lengths.min() >= 20
    assert panel.lengths.max() <= 90
    assert np.median(panel.lengths) < 50  # of equal ratios, not of equal differences
    assert panel.offsets[-1] == len(panel.values)
    assert len(set(panel.ids)) == 400


def test_the_same_seed_draws_the_same_series() -> None:
    one, other = (draw_panel(np.random.default_rng(seed), 20, 10, 60, 12) for seed in (5, 5))
    assert_array_equal(one.values, other.values)
    assert_array_equal(one.offsets, other.offsets)
    another = draw_panel(np.random.default_rng(6), 20, 10, 60, 12)
    assert len(another.values) != len(one.values) or (another.values != one.values).any()


def test_a_series_has_the_length_asked_for_and_some_are_counts() -> None:
    rng = np.random.default_rng(0)
    drawn = [draw(rng, 40, 7) for _ in range(100)]
    assert {len(values) for values in drawn} == {40}
    assert 0 < sum(bool((values == values.round()).all()) for values in drawn) < 40
