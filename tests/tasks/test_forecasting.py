"""What forecasts learn: what an error is worth, windows mixed of two, which series judge."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import training
from forecaster.executors import Serial
from forecaster.network import ForecastNetwork
from forecaster.passes import Workspace
from forecaster.scaling import ScaledPanel, scale_panel
from forecaster.tasks import forecasting
from forecaster.tasks.forecasting import ForecastTask, Windows, draw, importances, mix
from forecaster.trunk import Packed
from forecaster.windows import Sampler
from tests.examples import BRIEF, TINY, Floats, H, every_scale, last_replaced, numbered, weekly

NONE = np.empty(0, np.int64)
SEASON = 7


def new_network() -> ForecastNetwork:
    network = ForecastNetwork(TINY, H)
    network.initialise(np.random.default_rng(1))
    return network


def task_of(panel: ScaledPanel, size: int, worth: Any) -> ForecastTask:
    """Return a task with batches of so many windows, and what an error is worth in each series."""
    rng, config = np.random.default_rng(0), replace(BRIEF, batch_size=size)
    task = ForecastTask(new_network(), panel, config=config, season=SEASON, held_out=0, validation=NONE, rng=rng)
    task.size, task._worth = size, worth
    return task


def test_many_series_are_judged_by_a_sample_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasting, "_VALIDATION_SERIES", 3)
    held_out = {"held_out": H, "validation": np.array([0, 2, 3, 5, 7])}
    rng = np.random.default_rng(0)
    task = ForecastTask(new_network(), scale_panel(weekly(8)), config=BRIEF, season=SEASON, rng=rng, **held_out)
    (series,) = task.held_out
    assert len(series) == len(set(series.tolist())) == 3
    assert set(series.tolist()) < {0, 2, 3, 5, 7}
    assert (np.diff(series) > 0).all()
    assert task.judge(Packed(task.network), series)[0] > 0


# --- what an error is worth ---------------------------------------------------------------------------------------


def worth(*series: list[float] | Floats, season: int = 1, held_out: int = 0) -> Floats:
    panel = scale_panel(numbered({f"s{i}": values for i, values in enumerate(series)}), held_out=held_out)
    said = importances(panel, season=season, held_out=held_out)
    assert said.dtype == np.float32
    assert np.isfinite(said).all()
    assert (said >= 0.5).all()
    return said.astype(np.float64)


def test_an_error_is_worth_1_on_average_and_more_in_a_steady_series() -> None:
    steps = np.random.default_rng(0).standard_normal((6, 60))
    sizes = np.array([0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
    said = worth(*(row - 20 for row in sizes[:, None] * steps))
    assert said.mean() == pytest.approx(1, rel=1e-6)
    assert (np.diff(said) < 0).all()


def test_half_of_what_an_error_is_worth_goes_by_the_differences() -> None:
    said = worth([-3.0, -1.0, -3.0, -1.0, -2.0], [-7.0, -3.0, -7.0, -3.0, -5.0])  # mean sizes of 2 and 5
    # Mean differences 7 / 4 / 2 and 14 / 4 / 5; of their inverses the larger one counts up to a quantile of 0.995.
    first, second = 8 / 7, 8 / 7 + 0.995 * 2 / 7
    assert_allclose(said, [0.5 + first / (first + second), 0.5 + second / (first + second)], rtol=1e-6)


def test_differences_are_taken_over_a_season_where_there_is_one() -> None:
    steps = np.arange(40)
    wild = 10 * np.sin(2 * np.pi * steps / 4 + 0.5) + np.where(steps // 4 % 2, 0.2, -0.2)
    calm = np.cumsum(np.full(40, 0.5)) - 30
    assert np.diff(worth(wild, calm, season=1)) > 0
    assert np.diff(worth(wild, calm, season=4)) < 0
    assert np.diff(worth(wild[:4], calm[:4], season=4)) > 0  # too short for one: over a step


@pytest.mark.parametrize("value", [5.0, 0.0, -3.0, 1e300, 1e-300, 5e-324])
def test_what_an_error_of_a_constant_series_is_worth(value: float) -> None:
    assert_array_equal(worth([value] * 20), [1.0])
    assert worth([value] * 20, [-1.0, 2.0, -3.0, 4.0])[0] == 0.5
    assert worth([value], [-1.0, 2.0, -3.0, 4.0])[0] == 0.5
    assert worth([value], [-1.0, 2.0, -3.0, 4.0], held_out=2)[0] == 0.5


def test_a_series_that_hardly_moves_does_not_get_all_the_say() -> None:
    rng = np.random.default_rng(0)
    series = [rng.standard_normal(20) - 30 for _ in range(400)]
    still = np.full(20, -5.0)
    still[3] += 1e-9
    said = worth(*series, still)
    assert said[-1] < 1.3 * np.sort(said)[-3]
    # No more than rounding: as if it did not move at all, and no inverse that is infinite.
    assert worth([0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 5e-324, 0.0, 0.0], [-1.0, 2.0] * 5, season=7)[0] == 0.5


@pytest.mark.parametrize("planted", [1e9, -1e9, 0.0, np.nan])
def test_what_an_error_is_worth_knows_nothing_of_the_held_out_values(planted: float) -> None:
    plain, other = (
        importances(scale_panel(panel, held_out=H), season=SEASON, held_out=H)
        for panel in (every_scale(), last_replaced(every_scale(), H, planted))
    )
    assert_array_equal(plain, other)


def test_gradients_are_weighted_by_what_an_error_is_worth() -> None:
    panel = scale_panel(weekly(3))
    share = np.array([0.5, 1.0, 1.5], np.float32)
    windows_of = [
        Windows(*(np.full(8, one) for one in (k, panel.offsets[k + 1] - 4, k, 9)), np.ones(8, np.float32))
        for k in range(3)
    ]

    def totals(weights: Any, of: int) -> tuple[Any, float]:
        batch = training._Batch(task_of(panel, 8, weights), Serial())
        batch.gradient(windows_of[of])
        return batch.total.copy(), batch.weight

    for k in range(3):
        plain, count = totals(np.ones(3, np.float32), k)
        weighted, weight = totals(share, k)
        assert plain.any()
        assert weight == pytest.approx(share[k] * count)
        assert_allclose(weighted, share[k] * plain, rtol=1e-5, atol=1e-6)


# --- windows mixed of two -----------------------------------------------------------------------------------------


def test_windows_are_mixed_as_in_a_loop() -> None:
    rng, rows = np.random.default_rng(0), 5
    space, other = (Workspace(new_network(), TINY.positions, rows, first=2, training=True) for _ in range(2))
    shares = np.array([1.0, 0.0, 0.25, 0.5, 1.0], np.float32)
    for one in (space, other):
        one.x[:] = rng.standard_normal(one.x.shape)
        one.targets[:] = rng.standard_normal(one.targets.shape)
        one.weights[:] = rng.choice([0.0, 0.75, 1.25], one.weights.shape)
    before = [(one.x.copy(), one.targets.copy(), one.weights.copy()) for one in (space, other)]
    mix(space, other, shares)
    (x, targets, weights), (x_2, targets_2, weights_2) = before
    for row, share in enumerate(shares.tolist()):
        assert_allclose(space.x[:, row], share * x[:, row] + (1 - share) * x_2[:, row], rtol=1e-6, atol=1e-7)
        for at in range(row, len(targets), rows):
            expected = share * targets[at] + (1 - share) * targets_2[at]
            assert_allclose(space.targets[at], expected, rtol=1e-6, atol=1e-7)
            for f in range(H):
                own, foreign = weights[at, f], weights_2[at, f]
                both = share * own + (1 - share) * foreign if share == 1 or (own and foreign) else 0.0
                assert space.weights[at, f] == pytest.approx(both, rel=1e-6)
    for now, then in zip((other.x, other.targets, other.weights), before[1], strict=True):
        assert_array_equal(now, then)


def test_as_many_windows_are_mixed_as_asked_for() -> None:
    panel = scale_panel(weekly(6))
    for share in (0.0, 0.3, 1.0):
        sampler = Sampler(panel, positions=8, held_out=0, recent=5)
        drawn = draw(sampler, np.random.default_rng(0), 3000, share)
        assert drawn.shares.dtype == np.float32
        assert (drawn.shares < 1).mean() == pytest.approx(share, abs=0.03)
        assert ((drawn.shares >= 0) & (drawn.shares <= 1)).all()
        for series, ends in ((drawn.series, drawn.ends), (drawn.others, drawn.other_ends)):
            assert_array_equal(np.bincount(series), [500] * 6)
            assert (ends < panel.offsets[series + 1]).all()
            assert (ends >= panel.offsets[series]).all()
    assert np.mean((drawn.shares < 0.1) | (drawn.shares > 0.9)) > 0.35  # mostly near one of the two
    part = drawn.rows(slice(3, 7))
    assert [len(each) for each in part] == [4] * 5
    assert_array_equal(part.other_ends, drawn.other_ends[3:7])


def test_a_window_of_its_own_share_learns_alone() -> None:
    panel, ones = scale_panel(weekly(4)), np.ones(4, np.float32)
    drawn = draw(Sampler(panel, positions=8, held_out=0, recent=5), np.random.default_rng(0), 16, 0.5)
    alone = drawn._replace(shares=np.ones(16, np.float32))

    def gradient(windows: Any) -> Any:
        batch = training._Batch(task_of(panel, 16, ones), Serial())
        batch.gradient(windows)
        return batch.total.copy()

    assert_array_equal(gradient(alone), gradient(alone._replace(others=drawn.series, other_ends=drawn.ends)))
    assert (gradient(drawn) != gradient(alone)).any()
    # Mixed with itself a window is what it was.
    itself = drawn._replace(others=drawn.series, other_ends=drawn.ends)
    assert_allclose(gradient(itself), gradient(alone), rtol=1e-3, atol=1e-4)
