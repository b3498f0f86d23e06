"""Windows cut from a panel against their twin, and what they must never see."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from forecaster.kernels.windows import gather_inputs, gather_targets
from tests.kernels.arrays import Array32
from tests.reference import Array, windows

Flags = NDArray[np.bool_]
Integers = NDArray[np.int64]


class Panel(NamedTuple):
    """Series end to end, and the windows to be cut: one a row."""

    filled: Array
    observed: Flags
    begins: Integers
    ends: Integers
    floors: Integers
    limits: Integers


class Cut(NamedTuple):
    """What the kernels write."""

    x: Array32  # (T, B, padded I)
    levels: Array  # (T, B)
    targets: Array32  # ((T - first) * B, F)
    weights: Array32
    total: float


def draw_panel(rng: np.random.Generator, lengths: list[int], held_out: int) -> Panel:
    """Series of `lengths`, each with one window that ends at any of its positions."""
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    filled, observed = rng.normal(size=offsets[-1]), rng.random(offsets[-1]) < rng.choice([0.2, 0.7, 1.0])
    ends = offsets[:-1] + rng.integers(lengths)
    limits = np.maximum(offsets[1:] - held_out, offsets[:-1])
    floors = rng.integers(offsets[:-1], limits + 1)
    return Panel(filled, observed, offsets[:-1], ends, floors, limits)


def cut(panel: Panel, *, lags: int, steps: int, first: int, horizon: int, columns: int = 16) -> Cut:
    rows = len(panel.ends)
    x, levels = np.full((steps, rows, columns), np.nan, np.float32), np.full((steps, rows), np.nan)
    targets, weights = np.full((2, (steps - first) * rows, horizon), np.nan, np.float32)
    filled, observed, begins, ends, floors, limits = panel
    gather_inputs(filled, observed, begins, ends, lags, x, levels)
    total = gather_targets(filled, observed, begins, ends, floors, limits, levels, first, targets, weights)
    return Cut(x, levels, targets, weights, total)


def check(panel: Panel, *, lags: int, steps: int, first: int, horizon: int) -> None:
    got, rows = cut(panel, lags=lags, steps=steps, first=first, horizon=horizon), len(panel.ends)
    targets, weights = got.targets.reshape(-1, rows, horizon), got.weights.reshape(-1, rows, horizon)
    filled, observed, *_ = panel
    for b, (begin, end, floor, limit) in enumerate(zip(*panel[2:], strict=True)):
        x, levels = windows.inputs(filled, observed, begin, end, lags, steps)
        assert_array_equal(got.x[:, b, : lags + 1], x.astype(np.float32))
        assert_array_equal(got.levels[:, b], levels)
        expected = windows.targets(filled, observed, begin, end, floor, limit, levels, horizon)
        assert_array_equal(targets[:, b], expected[0][first:].astype(np.float32))
        assert_array_equal(weights[:, b], expected[1][first:])
    assert not got.x[..., lags + 1 :].any()  # padding
    assert got.total == weights.sum()


@pytest.mark.parametrize("lags", [1, 2, 7, 15])
@pytest.mark.parametrize("steps", [1, 5])
def test_windows_are_those_of_the_twin(steps: int, lags: int) -> None:
    panel = draw_panel(np.random.default_rng(0), [20, 1, 3, 20, 8], 2)
    for first in range(steps):
        check(panel, lags=lags, steps=steps, first=first, horizon=3)


@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 12), min_size=1, max_size=5),
    st.integers(0, 4),
    st.integers(1, 15),
    st.integers(1, 8),
    st.integers(1, 6),
)
@settings(deadline=None)
def test_any_windows(seed: int, lengths: list[int], held_out: int, lags: int, steps: int, horizon: int) -> None:
    rng = np.random.default_rng(seed)
    check(draw_panel(rng, lengths, held_out), lags=lags, steps=steps, first=int(rng.integers(steps)), horizon=horizon)


def test_by_hand() -> None:
    filled, observed = np.array([1.0, 2.0, 4.0, 4.0, 16.0]), np.array([True, True, True, False, True])
    zero, five = np.zeros(1, np.int64), np.full(1, 5)
    got = cut(Panel(filled, observed, zero, np.array([3]), zero, five), lags=2, steps=3, first=1, horizon=2)
    assert_array_equal(got.x[:, 0, :3], [[-1, 0, 1], [-2, 0, 1], [0, 0, 0]])
    assert_array_equal(got.levels[:, 0], [2, 4, 4])
    assert_array_equal(got.targets, [[0, 12], [12, 0]])  # not observed; 16 - 4; 16 - 4; past the end
    assert_array_equal(got.weights, [[0, 1], [1, 0]])
    assert got.total == 2.0


def test_targets_below_the_floor_do_not_count() -> None:
    ones, floor = np.ones(8, np.bool_), np.full(1, 5)
    panel = Panel(np.arange(8.0), ones, np.zeros(1, np.int64), np.array([4]), floor, np.full(1, 8))
    got = cut(panel, lags=1, steps=3, first=0, horizon=2)
    assert_array_equal(got.weights, [[0, 0], [0, 1], [1, 1]])  # of 3 and 4, 4 and 5, 5 and 6
    assert_array_equal(got.targets, [[0, 0], [0, 2], [1, 2]])


def test_what_follows_a_gap_longer_than_the_horizon_is_no_target() -> None:
    observed = np.array([True, False, False, False, True, True])
    zero, six = np.zeros(1, np.int64), np.full(1, 6)
    got = cut(Panel(np.arange(6.0), observed, zero, np.array([4]), zero, six), lags=1, steps=5, first=0, horizon=2)
    # The newest value is 0, 1, 2, 3 and 0 steps old: at 3 steps the level says too little.
    assert_array_equal(got.weights, [[0, 0], [0, 0], [0, 1], [0, 0], [1, 0]])


def test_no_window_sees_what_it_must_not() -> None:
    """Values of other series, values after the end (inputs), held-out values (targets): NaN in them shows nowhere."""
    panel = draw_panel(np.random.default_rng(1), [30, 30, 30], 4)
    panel.ends[1] = panel.begins[1] + 20
    panel.floors[:] = panel.begins
    only = Panel(panel.filled, panel.observed, *(places[1:2] for places in panel[2:]))
    begin, end, _, limit = (int(places[0]) for places in only[2:])
    observed = np.ones(90, np.bool_)
    sizes = {"lags": 7, "steps": 25, "first": 0, "horizon": 9}
    before = cut(only._replace(observed=observed), **sizes)

    seen_by_targets = np.full(90, np.nan)
    seen_by_targets[begin:limit] = only.filled[begin:limit]
    after = cut(only._replace(filled=seen_by_targets, observed=observed), **sizes)
    for ours, mine in zip(before, after, strict=True):
        assert_array_equal(ours, mine)
    assert np.isfinite(after.targets).all()

    seen_by_inputs = np.full(90, np.nan)
    seen_by_inputs[begin : end + 1] = only.filled[begin : end + 1]
    after = cut(only._replace(filled=seen_by_inputs, observed=observed), **sizes)
    assert_array_equal(before.x, after.x)
    assert_array_equal(before.levels, after.levels)


def test_inputs_and_targets_do_not_depend_on_the_level() -> None:
    panel = draw_panel(np.random.default_rng(2), [20, 30], 0)
    on_a_grid = panel._replace(filled=np.round(panel.filled * 64) / 64)  # so that sums are exact
    sizes = {"lags": 7, "steps": 5, "first": 0, "horizon": 3}
    low, high = cut(on_a_grid, **sizes), cut(on_a_grid._replace(filled=on_a_grid.filled + 1e6), **sizes)
    assert_array_equal(low.x, high.x)
    assert_array_equal(low.targets, high.targets)
    assert_array_equal(low.levels + 1e6, high.levels)
