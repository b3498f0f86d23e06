"""From a panel to an engine: what each network learns from, and when it goes on with all values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import Forecaster
from forecaster.config import TrainingConfig
from forecaster.executors import Serial, Threads
from forecaster.learning import BLIND_STEPS, Learned, learn
from forecaster.network import ForecastNetwork
from forecaster.panel import Panel
from forecaster.prediction import future_quantiles
from forecaster.scaling import scale_panel
from forecaster.tasks.forecasting import ForecastTask
from forecaster.training import Progress, train
from tests.examples import BRIEF, TINY, Floats, H, bits_of, last_replaced, numbered, tiny, weekly, with_values

SEASONLESS = replace(TINY, lags=3, hidden=4, deseasonalise=True)
BOTH = (TINY, SEASONLESS)
ONCE = replace(BRIEF, refit=0.0)


def learned(
    panel: Panel, *, configs: Any = BOTH, training: TrainingConfig = ONCE, seed: int = 0, **options: Any
) -> Learned:
    networks = [ForecastNetwork(config, H) for config in configs]
    return learn(panel, networks, season=7, training=training, seed=seed, executor=Serial(), **options)


def weights(of: Learned) -> list[Floats]:
    return [network.weights for network in of.engine.networks]


def mixed_scales() -> Panel:
    """Return series some of which are on a logarithm, some not."""
    return with_values(weekly(), weekly().values - 6)


@pytest.mark.parametrize("planted", [1e9, -1e9, 0.0])
def test_nothing_held_out_reaches_the_weights(planted: float) -> None:
    one_look = replace(ONCE, validate_every=8)
    plain = learned(mixed_scales(), training=one_look)
    other = learned(last_replaced(mixed_scales(), H, planted), training=one_look)
    assert plain.verdict.accuracy != other.verdict.accuracy
    for one, another in zip(weights(plain), weights(other), strict=True):
        assert one.tobytes() == another.tobytes()


def test_what_comes_before_reaches_the_weights_of_all_networks() -> None:
    panel = weekly()
    values = panel.values.copy()
    values[panel.offsets[1:] - H - 1] *= 1.5
    for one, another in zip(weights(learned(panel)), weights(learned(with_values(panel, values))), strict=True):
        assert (one != another).any()


def test_all_values_are_learned_from_in_the_end() -> None:
    on = replace(ONCE, refit=0.5)
    before, after = learned(weekly()), learned(weekly(), training=on)
    for one, another in zip(weights(before), weights(after), strict=True):
        assert (one != another).any()
    assert after.verdict.accuracy == before.verdict.accuracy  # which is that of the networks before
    assert [history.best_step for history in after.histories] == [history.best_step for history in before.histories]
    planted = learned(last_replaced(weekly(), 1, 3.0), training=replace(on, validate_every=8))
    unplanted = learned(weekly(), training=replace(on, validate_every=8))
    for one, another in zip(weights(unplanted), weights(planted), strict=True):
        assert (one != another).any()


def test_the_engine_forecasts_with_the_weights_that_are_kept() -> None:
    said = learned(weekly(), training=replace(ONCE, refit=1.0))
    panel = scale_panel(weekly(), season=7)
    again = [ForecastNetwork(network.config, H) for network in said.engine.networks]
    for network, other in zip(again, said.engine.networks, strict=True):
        network.weights[:] = other.weights
    assert_array_equal(
        future_quantiles(said.engine, panel, H, Serial()),
        future_quantiles(type(said.engine)(again, 7), panel, H, Serial()),
    )


def test_each_network_is_trained_as_it_would_be_alone_on_what_it_is_to_see() -> None:
    panel = scale_panel(weekly(), season=7, held_out=H)
    first, second = weights(learned(weekly()))
    for seed, config, seen, expected in (
        (0, TINY, panel, first),
        ([0, 1], SEASONLESS, panel.without_season(), second),
    ):
        rng, network = np.random.default_rng(seed), ForecastNetwork(config, H)
        network.initialise(rng)
        task = ForecastTask(network, seen, config=ONCE, season=7, held_out=H, validation=np.arange(6), rng=rng)
        train(task, config=ONCE, rng=rng, executor=Serial())
        assert_array_equal(network.weights, expected)


def test_networks_of_one_shape_differ_in_their_random_numbers() -> None:
    one, other = weights(learned(weekly(), configs=(TINY, TINY)))
    assert (one != other).any()
    alone, *_ = weights(learned(weekly(), configs=(TINY,)))
    assert_array_equal(alone, one)
    assert (weights(learned(weekly(), configs=(TINY,), seed=1))[0] != alone).any()


def test_without_a_judge_training_is_short_and_does_not_go_on() -> None:
    short = numbered({"a": [3.0, 5.0, 4.0, 6.0, 5.0]})
    said = learned(short, training=replace(BRIEF, steps=500, refit=1.0))
    assert said.verdict.accuracy is None
    assert [history.last.step for history in said.histories] == [BLIND_STEPS, BLIND_STEPS]
    same = learned(short, training=replace(BRIEF, steps=500, refit=0.0))
    for one, another in zip(weights(said), weights(same), strict=True):
        assert_array_equal(one, another)


def test_progress_goes_on_over_all_networks() -> None:
    reports: list[Progress] = []
    said = learned(weekly(), progress=reports.append)
    assert [report.step for report in reports] == [4, 8, 12, 16]
    assert {report.steps for report in reports} == {16}
    assert all(report.best_step in (12, 16) for report in reports[2:])
    seconds = [report.seconds for report in reports]
    assert seconds == sorted(seconds)
    assert 0 < seconds[-1] <= said.seconds
    assert [history.last.step for history in said.histories] == [8, 8]


def test_a_pure_season_is_forecast_by_a_network_that_does_not_see_it() -> None:
    rng, steps = np.random.default_rng(0), np.arange(60 + H)
    rows = [50 + (i + 1) * rng.standard_normal(7)[steps % 7] for i in range(4)]
    panel = numbered({f"s{i}": row[:60] for i, row in enumerate(rows)})
    errors = {}
    for deseasonalise in (False, True):
        said = tiny(season=7, network=replace(TINY, deseasonalise=deseasonalise)).fit(panel).forecast().point
        errors[deseasonalise] = np.abs(said - [row[60:] for row in rows]).mean()
    assert errors[True] < 0.2
    assert errors[True] < 0.1 * errors[False]


def test_several_networks_forecast_the_mean_of_their_quantiles() -> None:
    panel = weekly()
    said = learned(panel)
    scaled = scale_panel(panel, season=7)
    alone = [future_quantiles(type(said.engine)([network], 7), scaled, H, Serial()) for network in said.engine.networks]
    assert_allclose(future_quantiles(said.engine, scaled, H, Serial()), np.mean(alone, axis=0), rtol=1e-12)


@pytest.mark.parametrize("base", [False, True])
def test_networks_trained_beside_each_other_get_the_same_weights(base: bool) -> None:
    """Also those that go on with all values, and adapted ones, which are brought back towards where they started."""
    training = replace(BRIEF, refit=0.5, validate_every=2)
    configs = (TINY, SEASONLESS, TINY)
    prior = Forecaster.pretrained("D")._ready().calibration.ahead(H) if base else None
    alone = learned(mixed_scales(), configs=configs, training=training, base=prior)
    with Threads(2) as executor:
        beside = learned(mixed_scales(), configs=configs, training=training, base=prior, together=executor)
    for one, other in zip(weights(alone), weights(beside), strict=True):
        assert_array_equal(one, other)
    assert [one.best_step for one in alone.histories] == [one.best_step for one in beside.histories]
    assert alone.verdict.accuracy == beside.verdict.accuracy


def test_fit_takes_an_executor() -> None:
    models = [tiny(network=BOTH).fit(weekly(), executor=name) for name in ("serial", "threads")]
    assert bits_of(models[0]) == bits_of(models[1])
    assert models[0].info["calibration"] == models[1].info["calibration"]
