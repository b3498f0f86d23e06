"""The forecasts that need no model, worked out by hand."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.baselines import BASELINES, baseline_forecast, drift, naive, seasonal_naive
from tests.examples import Floats, numbered, weekly

NAN = np.nan


def floats(*values: float) -> Floats:
    return np.array(values, np.float64)


def test_naive_repeats_the_last_value() -> None:
    point, deviation = naive(floats(1, 3, 2), 7, 3)
    assert_array_equal(point, [2, 2, 2])
    assert_allclose(deviation, np.sqrt((4 + 1) / 2) * np.sqrt([1, 2, 3]))


def test_naive_looks_behind_a_gap() -> None:
    point, deviation = naive(floats(1, 3, NAN, 5, NAN), 7, 2)
    assert_array_equal(point, [5, 5])
    assert_allclose(deviation, 2 * np.sqrt([1, 2]))


def test_seasonal_naive_repeats_the_last_season() -> None:
    point, deviation = seasonal_naive(floats(1, 2, 3, 4, 6, 5), 3, 7)
    assert_array_equal(point, [4, 6, 5, 4, 6, 5, 4])
    assert_allclose(deviation, np.sqrt((9 + 16 + 4) / 3) * np.sqrt([1, 1, 1, 2, 2, 2, 3]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, 2, 3, 4, NAN, 6], [4, 2, 6]),  # one season earlier
        ([1, 2, 3, NAN, NAN, NAN, 7, NAN, NAN], [7, 2, 3]),  # two seasons earlier
        ([NAN, 2, NAN, 4, NAN, NAN], [4, 2, 4]),  # never seen: the last value of all
        ([5, 1, 2, 3, 4, NAN, 6], [4, 2, 6]),  # not a whole number of seasons
    ],
)
def test_seasonal_naive_looks_behind_gaps(values: list[float], expected: list[float]) -> None:
    assert_array_equal(seasonal_naive(floats(*values), 3, 3)[0], expected)


@pytest.mark.parametrize("values", [[3.0], [1.0, 2.0, 3.0]])
def test_seasonal_naive_of_a_series_without_a_season_is_naive(values: list[float]) -> None:
    for one, other in zip(seasonal_naive(floats(*values), 3, 4), naive(floats(*values), 3, 4), strict=True):
        assert_array_equal(one, other)


def test_drift_goes_on_along_the_line_through_the_ends() -> None:
    point, deviation = drift(floats(1, 4, 7, 7), 7, 2)
    assert_allclose(point, [9, 11])
    assert_allclose(deviation, np.sqrt((1 + 1 + 4) / 3) * np.sqrt([1 * (1 + 1 / 3), 2 * (1 + 2 / 3)]))


def test_drift_counts_steps_over_gaps_and_from_the_last_value_seen() -> None:
    point, deviation = drift(floats(1, NAN, 5, NAN), 7, 2)
    assert_allclose(point, [9, 11])
    assert_array_equal(deviation, [0, 0])


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize(
    "values", [[5.0], [5.0, NAN], [0.0] * 9, [-1.0, NAN, NAN, 3.0], [1e300, -1e300] * 5, [1e-300, 2e-300] * 5]
)
def test_odd_series_have_finite_forecasts(name: str, values: list[float]) -> None:
    said = baseline_forecast(name, numbered({"a": values}), h=10, levels=(80.0, 95.0), season=3)
    for array in (said.point, said.lower, said.upper):
        assert np.isfinite(array).all()
    assert (said.lower[:, 1] <= said.lower[:, 0]).all()
    assert (said.lower[:, 0] <= said.point).all()
    assert (said.point <= said.upper[:, 0]).all()
    assert (said.upper[:, 0] <= said.upper[:, 1]).all()


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_spread_of_the_smallest_and_largest_values_is_not_lost(size: float) -> None:
    _, deviation = naive(size * floats(1, 3, 2), 1, 1)
    assert_allclose(deviation, size * np.sqrt(2.5), rtol=1e-12)


@pytest.mark.parametrize("name", BASELINES)
def test_a_forecast_of_a_panel(name: str) -> None:
    panel = weekly(3)
    said = baseline_forecast(name, panel, h=4, levels=(80.0, 95.0), season=7)
    assert said.alias == name
    assert said.ids == panel.ids
    assert said.labels == panel.future_labels(4)
    assert_array_equal(said.times, panel.future_times(4))
    for i in range(3):
        point, deviation = BASELINES[name](panel.series(i), 7, 4)
        assert_array_equal(said.point[i], point)
        for k, level in enumerate((0.9, 0.975)):
            assert_allclose(said.upper[i, k], point + NormalDist().inv_cdf(level) * deviation)
            assert_allclose(said.lower[i, k], point - NormalDist().inv_cdf(level) * deviation)


def test_a_random_walk_is_covered_as_stated() -> None:
    walks = np.cumsum(np.random.default_rng(0).standard_normal((400, 64)), axis=1)
    panel = numbered({f"s{i}": walk[:60] for i, walk in enumerate(walks)})
    said = baseline_forecast("Naive", panel, h=4, levels=(80.0, 95.0), season=1)
    for k, level in enumerate((0.8, 0.95)):
        inside = (walks[:, 60:] >= said.lower[:, k]) & (walks[:, 60:] <= said.upper[:, k])
        assert inside.mean() == pytest.approx(level, abs=0.03)
