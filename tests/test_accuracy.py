"""Error measures against numbers worked out by hand, and against utilsforecast."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from utilsforecast import losses

from forecaster import accuracy

NAN = np.nan
ACTUAL = np.array([[1.0, 2.0, NAN], [4.0, 0.0, -6.0]])
SAID = np.array([[2.0, 0.0, 9.0], [4.0, 0.0, -2.0]])


def test_by_hand() -> None:
    # errors 1, 2, 0, 0, 4; the missing value takes no part
    assert accuracy.mae(ACTUAL, SAID) == pytest.approx(7 / 5)
    assert accuracy.rmse(ACTUAL, SAID) == pytest.approx(np.sqrt(21 / 5))
    # 200 times 1/3, 2/2, 0/8, 0 for two zeros, 4/8
    assert accuracy.smape(ACTUAL, SAID) == pytest.approx(200 * (1 / 3 + 1 + 0 + 0 + 0.5) / 5)
    # actual minus forecast: -1, 2, 0, 0, -4
    assert accuracy.pinball(ACTUAL, SAID, 0.9) == pytest.approx((0.1 * 1 + 0.9 * 2 + 0.1 * 4) / 5)
    assert accuracy.pinball(ACTUAL, SAID, 0.5) == pytest.approx(accuracy.mae(ACTUAL, SAID) / 2)
    # the values are 1, 2, 4, 0, 6 far from zero
    assert accuracy.wape(ACTUAL, SAID) == pytest.approx(7 / 13)
    assert np.isnan(accuracy.wape(np.zeros(3), np.ones(3)))


def test_coverage_counts_the_ends_in_and_missing_values_out() -> None:
    lower, upper = ACTUAL - np.array([0.0, -0.5, 1.0]), ACTUAL + np.array([0.0, 1.0, 1.0])
    assert accuracy.coverage(ACTUAL, lower, upper) == pytest.approx(3 / 5)


@pytest.mark.parametrize(
    ("values", "season", "scale"),
    [
        ([1, 2, 4, 8], 1, 7 / 3), ([1, 2, 4, 8], 2, 9 / 2), ([1, NAN, 4, 8, 5], 2, 2.0),
        ([1, 2, 4], 7, 1.5),  # shorter than a season: its neighbours
        ([1, 5, 1, 5], 2, 4.0),  # no change from season to season: its neighbours
        ([5, 5, 5], 1, NAN), ([5], 1, NAN), ([], 1, NAN), ([1, NAN, 2], 1, NAN),
    ],
)  # fmt: skip
def test_the_scale_of_mase(values: list[float], season: int, scale: float) -> None:
    assert accuracy.seasonal_scale(np.array(values, float), season) == pytest.approx(scale, nan_ok=True)


def test_mase_is_the_mean_of_each_series_own_ratio_and_constants_have_none() -> None:
    histories = [np.array([1.0, 3.0, 5.0]), np.array([0.0, 10.0]), np.array([7.0, 7.0])]
    actual = np.array([[1.0, NAN], [0.0, 0.0], [1.0, 1.0]])
    said = np.array([[5.0, 0.0], [5.0, 15.0], [0.0, 0.0]])
    scales = accuracy.seasonal_scales(histories, 1)
    assert accuracy.mase(actual, said, scales) == pytest.approx((4 / 2 + 10 / 10) / 2)
    assert np.isnan(accuracy.mase(actual[2:], said[2:], scales[2:]))


def test_msis_adds_to_the_width_how_far_values_lie_outside() -> None:
    actual = np.array([[1.0, NAN, 7.0], [0.0, 3.0, 0.0], [1.0, 1.0, 1.0]])
    lower, upper = np.full((3, 3), 2.0), np.full((3, 3), 4.0)
    # at 80 per cent, ten times the distance: 1 below and 3 above; 2 below, none, 2 below; the last has no scale
    by_hand = (np.mean([2 + 10, 2 + 30]) / 4 + np.mean([2 + 20, 2, 2 + 20]) / 0.5) / 2
    assert accuracy.msis(actual, lower, upper, 80, np.array([4.0, 0.5, NAN])) == pytest.approx(by_hand)
    assert np.isnan(accuracy.msis(actual[2:], lower[2:], upper[2:], 80, np.array([NAN])))


def test_every_series_needs_its_scale() -> None:
    with pytest.raises(ValueError, match="shorter"):
        accuracy.mase(ACTUAL, SAID, np.ones(1))


def test_nothing_observed_has_no_error() -> None:
    nothing = np.full((2, 3), NAN)
    for measure in (accuracy.mae, accuracy.rmse, accuracy.smape, accuracy.wape):
        assert np.isnan(measure(nothing, SAID))
    assert np.isnan(accuracy.mase(nothing, SAID, np.ones(2)))
    assert np.isnan(accuracy.msis(nothing, SAID, SAID, 80, np.ones(2)))
    assert np.isnan(accuracy.pinball(nothing, SAID, 0.9))
    assert np.isnan(accuracy.coverage(nothing, SAID, SAID))


@pytest.mark.parametrize("size", [1e-300, 1e300])
def test_the_ends_of_float64_have_errors_like_others(size: float) -> None:
    assert accuracy.mae(size * ACTUAL, size * SAID) == pytest.approx(size * 7 / 5, rel=1e-12)
    assert accuracy.rmse(size * ACTUAL, size * SAID) == pytest.approx(size * np.sqrt(21 / 5), rel=1e-12)
    assert accuracy.smape(size * ACTUAL, size * SAID) == pytest.approx(accuracy.smape(ACTUAL, SAID))
    assert accuracy.wape(size * ACTUAL, size * SAID) == pytest.approx(7 / 13)


errors = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=10)


@given(errors)
def test_a_perfect_forecast_has_no_error_and_rmse_is_never_below_mae(values: list[float]) -> None:
    actual = np.array(values)
    for measure in (accuracy.mae, accuracy.rmse, accuracy.smape):
        assert measure(actual, actual) == 0
    other = np.zeros(len(actual))
    assert accuracy.rmse(actual, other) >= accuracy.mae(actual, other) * (1 - 1e-12)
    assert 0 <= accuracy.smape(actual, other) <= 200 * (1 + 1e-12)


@pytest.fixture(scope="module")
def frames() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return forecasts of three series, and what was known before."""
    rng = np.random.default_rng(0)
    history = pd.DataFrame(
        {"unique_id": np.repeat(["a", "b", "c"], 30), "ds": np.tile(np.arange(30), 3), "y": rng.normal(5, 2, 90)}
    )
    ahead = pd.DataFrame(
        {"unique_id": np.repeat(["a", "b", "c"], 6), "ds": np.tile(np.arange(30, 36), 3), "y": rng.normal(5, 2, 18)}
    )
    ahead["m"] = rng.normal(5, 2, 18)
    ahead["m-lo-80"], ahead["m-hi-80"] = ahead["m"] - 2, ahead["m"] + 2
    return ahead, history


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (accuracy.mae, lambda frame: losses.mae(frame, ["m"])),
        (accuracy.rmse, lambda frame: losses.rmse(frame, ["m"])),
        (lambda a, f: accuracy.smape(a, f) / 200, lambda frame: losses.smape(frame, ["m"])),
        (accuracy.wape, lambda frame: losses.wape(frame, ["m"])),
        (
            lambda a, f: accuracy.msis(a[None], f[None] - 2, f[None] + 2, 80, np.ones(1)),
            lambda frame: losses.winkler_score(frame, ["m"], level=80),
        ),
        (lambda a, f: accuracy.pinball(a, f, 0.9), lambda frame: losses.quantile_loss(frame, {"m": "m"}, q=0.9)),
        (lambda a, f: accuracy.coverage(a, f - 2, f + 2), lambda frame: losses.coverage(frame, ["m"], level=80)),
    ],
    ids=["mae", "rmse", "smape", "wape", "interval score", "pinball", "coverage"],
)
def test_series_by_series_as_in_utilsforecast(
    frames: tuple[pd.DataFrame, pd.DataFrame],
    ours: Callable[..., float],
    theirs: Callable[[pd.DataFrame], pd.DataFrame],
) -> None:
    ahead, _ = frames
    expected = theirs(ahead).set_index("unique_id")["m"]
    for name, rows in ahead.groupby("unique_id"):
        assert_allclose(ours(rows["y"].to_numpy(), rows["m"].to_numpy()), expected[name])


@pytest.mark.parametrize("season", [1, 7])
def test_mase_as_in_utilsforecast(frames: tuple[pd.DataFrame, pd.DataFrame], season: int) -> None:
    ahead, history = frames
    expected = losses.mase(ahead, ["m"], seasonality=season, train_df=history)["m"].mean()
    scales = accuracy.seasonal_scales(list(history["y"].to_numpy().reshape(3, 30)), season)
    actual, said = (ahead[name].to_numpy().reshape(3, 6) for name in ("y", "m"))
    assert_allclose(accuracy.mase(actual, said, scales), expected)


def test_a_forecast_that_is_not_a_number_is_noticed() -> None:
    actual, said = np.array([[1.0, 2.0, np.nan]]), np.array([[1.0, np.nan, 3.0]])
    for measure in (accuracy.mae, accuracy.rmse, accuracy.smape, accuracy.wape):
        assert np.isnan(measure(actual, said))
    assert np.isnan(accuracy.pinball(actual, said, 0.1))
    assert np.isnan(accuracy.coverage(actual, said, said + 1))
    assert np.isnan(accuracy.mase(actual, said, np.ones(1)))
    assert np.isnan(accuracy.msis(actual, said, said + 1, 80, np.ones(1)))
