"""Which implementation forecasts, and when."""

from __future__ import annotations

import threading
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import ConfigError, Forecaster, engine
from forecaster.config import engine_choice
from forecaster.engine import Engine
from forecaster.executors import Serial
from forecaster.network import ForecastNetwork
from forecaster.plain import plain_quantiles
from forecaster.prediction import future_quantiles
from forecaster.scaling import scale_panel
from forecaster.trunk import Packed
from forecaster.windows import window_quantiles
from tests.examples import TINY, Floats, H, numbered, tiny, weekly

PANEL = scale_panel(weekly(5))
ARGUMENTS = (PANEL, np.arange(5), PANEL.offsets[1:] - 1)


def network() -> ForecastNetwork:
    result = ForecastNetwork(TINY, H)
    result.initialise(np.random.default_rng(0))
    return result


@cache
def plain() -> Floats:
    return plain_quantiles(network(), *ARGUMENTS)


@cache
def compiled() -> Floats:
    return window_quantiles(Packed(network()), *ARGUMENTS, Serial())


class Kernels:
    """Stands in for the loader: ready when the test says so."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ready, self.asked = threading.Event(), []
        monkeypatch.setattr(engine, "LOADER", SimpleNamespace(ready=self.ready, load=self.load, begin=self.begin))

    def load(self) -> None:
        self.asked.append("load")
        self.ready.set()

    def begin(self, *, at_once: bool) -> None:
        self.asked.append("at once" if at_once else "soon")


@pytest.fixture
def kernels(monkeypatch: pytest.MonkeyPatch) -> Kernels:
    monkeypatch.delenv("FORECASTER_ENGINE")
    return Kernels(monkeypatch)


def forecast(of: Engine) -> Floats:
    return of.quantiles(*ARGUMENTS, Serial())


def test_the_two_can_be_told_apart_by_their_last_digits() -> None:
    assert (plain() != compiled()).any()
    assert_allclose(plain(), compiled(), rtol=1e-5, atol=1e-6)


def test_numpy_answers_until_the_kernels_are_ready(kernels: Kernels) -> None:
    ours = Engine([network()])
    assert_array_equal(forecast(ours), plain())
    assert kernels.asked == ["soon"]
    kernels.ready.set()
    assert_array_equal(forecast(ours), compiled())
    assert_array_equal(forecast(ours), compiled())
    assert kernels.asked == ["soon"]


def test_many_windows_are_worth_the_loading(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = Engine([network()])
    monkeypatch.setattr(engine, "_LITTLE", 5 * TINY.positions * ours.networks[0].weights.size)
    forecast(ours)
    monkeypatch.setattr(engine, "_LITTLE", engine._LITTLE - 1)
    assert_array_equal(forecast(ours), plain())  # it came out that there is something to compile
    assert kernels.asked == ["soon", "at once"]


def test_compiled_waits(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", "compiled")
    assert_array_equal(forecast(Engine([network()])), compiled())
    assert kernels.asked == ["load"]


def test_plain_stays_plain(kernels: Kernels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", "plain")
    ours = Engine([network()])
    ours.load()
    kernels.ready.set()
    assert_array_equal(forecast(ours), plain())
    assert kernels.asked == []


@pytest.mark.usefixtures("kernels")
def test_after_training_the_kernels_are_used() -> None:
    model = tiny().fit(weekly())
    fitted: Any = model._fitted
    assert engine.LOADER.ready.is_set()
    assert len(fitted.engine._packed) == 1  # by the forecasts of the held-out values already


@pytest.mark.parametrize("value", ["numpy", "AUTO", " plain"])
def test_another_choice_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", value)
    with pytest.raises(ConfigError, match=r"FORECASTER_ENGINE must be one of auto, compiled, plain"):
        Engine([network()])


@pytest.mark.parametrize("value", [None, ""])
def test_no_choice_is_auto(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORECASTER_ENGINE")
    if value is not None:
        monkeypatch.setenv("FORECASTER_ENGINE", value)
    assert engine_choice() == "auto"


def test_threads_may_ask_at_the_same_time(kernels: Kernels) -> None:
    ours = Engine([network()])
    results: list[Floats] = []
    threads = [threading.Thread(target=lambda: results.extend(forecast(ours) for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    kernels.ready.set()
    for thread in threads:
        thread.join()
    assert len(results) == 80
    for result in results:
        assert (result == plain()).all() or (result == compiled()).all()


def test_a_model_says_nearly_the_same_with_both(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny().fit(weekly()).save(tmp_path / "model")
    said = {}
    for choice in ("plain", "compiled"):
        monkeypatch.setenv("FORECASTER_ENGINE", choice)
        said[choice] = Forecaster.load(tmp_path / "model").forecast(weekly(), h=7)
    for name in ("point", "lower", "upper"):
        assert_allclose(getattr(said["plain"], name), getattr(said["compiled"], name), rtol=1e-5)


# --- several networks ---------------------------------------------------------------------------------------------


def fresh(seed: int, horizon: int = H, **settings: Any) -> ForecastNetwork:
    result = ForecastNetwork(replace(TINY, **settings), horizon)
    result.initialise(np.random.default_rng(seed))
    return result


@pytest.mark.parametrize("choice", ["plain", "compiled"])
def test_two_networks_say_the_mean_of_what_each_says(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", choice)
    one, other = fresh(0), fresh(1, lags=7, positions=11, layers=1, hidden=3)
    together = Engine([one, other])
    assert (together.horizon, together.probabilities, together.reach) == (H, TINY.quantiles, 18)
    said = forecast(together)
    alone = [forecast(Engine([each])) for each in (one, other)]
    assert (alone[0] != alone[1]).all()
    assert_allclose(said, (alone[0] + alone[1]) / 2, rtol=1e-12)
    assert_array_equal(forecast(Engine([other, one])), said)
    assert_allclose(forecast(Engine([one, one, one])), alone[0], rtol=1e-12)


def silent(*, deseasonalise: bool) -> ForecastNetwork:
    """Return a network that always says "no change"."""
    result = fresh(0, deseasonalise=deseasonalise)
    for name in ("head.weight", "skip.weight"):
        result.parts[name].real(result.weights)[:] = 0
    return result


@pytest.mark.parametrize("choice", ["plain", "compiled"])
def test_a_network_that_does_not_see_the_season_goes_on_with_it(choice: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", choice)
    wave = np.array([3.0, -1.0, 0.5, -4.0, 1.5])
    steps = np.arange(43)
    rows = {"a": wave[steps[:38] % 5], "b": 10 * wave[(steps + 2) % 5] - 70}
    panel = scale_panel(numbered(rows), season=5)
    ends = panel.offsets[1:] - 1
    ours = Engine([silent(deseasonalise=True)], 5)
    said = ours.quantiles(panel, np.arange(2), ends, Serial())
    assert ours.season == 5
    units = panel.scaling.unit
    ahead = np.arange(H)
    later = np.array([wave[(38 + ahead) % 5], 10 * wave[(43 + 2 + ahead) % 5] - 70])
    expected = np.repeat(later[..., None] / units[:, None, None], 3, axis=2)
    assert_allclose(said, expected, rtol=1e-6, atol=1e-9)
    # Beyond the horizon it goes on as well, and beside one that sees the season it has half of the say.
    long = future_quantiles(ours, panel, 13, Serial())[0, :, 1]
    assert_allclose(long, wave[(38 + np.arange(13)) % 5] / units[0], rtol=1e-6, atol=1e-9)
    half = Engine([silent(deseasonalise=False), silent(deseasonalise=True)], 5)
    newest = panel.filled[ends][:, None, None]
    assert_allclose(half.quantiles(panel, np.arange(2), ends, Serial()), (newest + said) / 2, rtol=1e-6, atol=1e-9)


def test_the_season_counts_only_for_networks_that_do_not_see_it() -> None:
    assert Engine([fresh(0), fresh(1)], 7).season == 1
    assert Engine([fresh(0), fresh(1, deseasonalise=True)], 7).season == 7


def test_networks_that_cannot_be_averaged_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"same quantiles.*\(0\.1, 0\.5, 0\.9\), \(0\.5,\)") as caught:
        Engine([fresh(0), fresh(1, loss="absolute")])
    assert caught.value.column == "network"
    with pytest.raises(ConfigError, match="no network"):
        Engine([])
    with pytest.raises(ConfigError, match="same quantiles"):
        tiny(network=[TINY, replace(TINY, quantiles=(0.2, 0.5, 0.8))]).fit(weekly())
