"""The held-out horizon: who has one, and what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import accuracy
from forecaster.baselines import baseline_forecast
from forecaster.engine import Engine
from forecaster.executors import Serial
from forecaster.holdout import judge, judged_before, judges
from forecaster.network import Network
from tests.examples import BRIEF, TINY, Floats, H, last_replaced, numbered, tiny, weekly

NAN = np.nan


@pytest.mark.parametrize(
    ("values", "h", "can"),
    [
        (range(6), 2, True), (range(5), 2, False),  # four before, or fewer
        (range(13), 6, True), (range(12), 6, False),  # before the end the sixth step can be learned, or not any more
        ([1, 2, NAN, 3, 4, 5, NAN], 2, True), ([1, 2, NAN, 3, 4, NAN, NAN], 2, False),  # one of the last was seen
        ([1, NAN, 3, 4, 5, 6], 2, False), ([1], 2, False),
    ],
)  # fmt: skip
def test_a_series_is_held_out_if_enough_is_left(values: list[float], h: int, can: bool) -> None:
    panel = numbered({"short": [1.0], "a": list(values)})
    assert judges(panel, h).tolist() == ([1] if can else [])


def test_a_series_as_short_as_its_end_judges_if_another_teaches_the_horizon() -> None:
    panel = numbered({"short": range(12), "long": range(13)})
    assert judges(panel, 6).tolist() == [0, 1]


def test_the_accuracy_is_that_of_forecasts_made_before() -> None:
    panel, model = weekly(), tiny(training=replace(BRIEF, refit=0)).fit(weekly())
    actual, known = panel.tail_values(H), panel.head(H)
    said = model.forecast(known).point
    beside = baseline_forecast("SeasonalNaive", known, h=H, levels=(), season=7).point
    scales = accuracy.seasonal_scales([known.series(i) for i in range(len(known))], 7)
    expected = {}
    for point, ending in ((said, ""), (beside, "_seasonal_naive")):
        expected |= {
            f"mae{ending}": accuracy.mae(actual, point),
            f"rmse{ending}": accuracy.rmse(actual, point),
            f"smape{ending}": accuracy.smape(actual, point),
            f"mase{ending}": accuracy.mase(actual, point, scales),
        }
    assert model.info["accuracy"] == pytest.approx(expected, rel=1e-9)


def fresh() -> Engine:
    network = Network(TINY, H)
    network.initialise(np.random.default_rng(0))
    return Engine([network])


def test_without_series_nothing_is_said() -> None:
    verdict = judge(fresh(), weekly().select([]), 7, Serial())
    assert verdict.accuracy is None
    assert_array_equal(verdict.calibration.factors, np.ones_like(verdict.calibration.factors))


@pytest.mark.parametrize("value", [0.0, -3.0, 5.0])
def test_errors_that_are_none_are_left_out(value: float) -> None:
    said = judge(fresh(), numbered({"a": [value] * 20}), 7, Serial()).accuracy
    assert said is not None
    assert "mase" not in said  # a constant series has no scale
    assert all(np.isfinite(error) for error in said.values())


@pytest.mark.parametrize("value", [0.0, -1.0, 1e300, NAN])
def test_whatever_was_held_out_the_factors_are_usable(value: float) -> None:
    panel = last_replaced(numbered({"a": np.arange(1.0, 21), "b": np.zeros(20), "c": np.arange(20.0)}), 2, value)
    factors = judge(fresh(), panel, 7, Serial()).calibration.factors
    assert np.isfinite(factors).all()
    assert (factors > 0).all()


def test_networks_that_go_on_learning_keep_the_widths_they_were_judged_by() -> None:
    panel, wider = weekly(), fresh()
    verdict = judge(fresh(), panel, 7, Serial())
    (network,) = wider.networks
    head = network.parts["head.bias"].real(network.weights).reshape(H, 3)
    head += np.array([[-0.5, 0.25, 1.0]])  # about the median everything is moved, and wider
    moved = judged_before(verdict, wider, panel, Serial())
    assert moved.accuracy == verdict.accuracy
    before, after = verdict.spreads, judge(wider, panel, 7, Serial()).spreads
    assert before is not None
    assert after is not None
    assert before.shape == (5, H)
    assert (after > before).all()
    assert_allclose(moved.calibration.factors * after, verdict.calibration.factors * before, rtol=1e-9)
    same = judged_before(verdict, fresh(), panel, Serial())
    assert_allclose(same.calibration.factors, verdict.calibration.factors, rtol=1e-9)
    nobody = judge(fresh(), panel.select([]), 7, Serial())
    assert judged_before(nobody, wider, panel.select([]), Serial()) is nobody


def noise(count: int, length: int) -> Floats:
    return 100 + np.random.default_rng(3).standard_normal((count, length))


@pytest.mark.parametrize("refit", [0.0, 1.0])
@pytest.mark.parametrize("loss", ["pinball", "absolute"])
def test_intervals_of_400_noisy_series_cover_what_they_say(loss: str, refit: float) -> None:
    series = noise(400, 34)
    panel = numbered({f"s{i}": row[:30] for i, row in enumerate(series)})
    network = type(TINY)(lags=4, positions=8, layers=1, hidden=4, dense=4, quantiles=(0.1, 0.5, 0.9), loss=loss)  # type: ignore[arg-type]  # one of the literals
    said = tiny(h=4, network=network, training=replace(BRIEF, refit=refit)).fit(panel).forecast()
    for k, level in enumerate((0.8, 0.95)):
        assert accuracy.coverage(series[:, 30:], said.lower[:, k], said.upper[:, k]) == pytest.approx(level, abs=0.03)
