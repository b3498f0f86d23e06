"""Quantiles of the next steps: the trained horizon, and beyond."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.config import NetworkConfig
from forecaster.engine import Engine
from forecaster.executors import Serial, Threads
from forecaster.network import ForecastNetwork
from forecaster.prediction import future_quantiles
from forecaster.scaling import ScaledPanel, scale_panel
from tests.examples import TINY, Floats, weekly

HORIZON = 3
MIDDLE = TINY.quantiles.index(0.5)


def network(config: NetworkConfig = TINY) -> ForecastNetwork:
    result = ForecastNetwork(config, HORIZON)
    rng = np.random.default_rng(0)
    result.initialise(rng)
    for name in ("skip.weight", "head.bias"):
        view = result.parts[name].real(result.weights)
        view[:] = 0.1 * rng.standard_normal(view.shape)
    return result


def constant(quantiles: Floats) -> Engine:
    """Return a network that says the same, (F, Q) around the newest value, whatever it sees."""
    result = ForecastNetwork(TINY, HORIZON)
    result.parts["head.bias"].real(result.weights)[0] = quantiles.ravel()
    return Engine([result])


@pytest.fixture(scope="module")
def panel() -> ScaledPanel:
    return scale_panel(weekly(5))


def future(panel: ScaledPanel, h: int, engine: Engine | None = None) -> Floats:
    return future_quantiles(engine or Engine([network()]), panel, h, Serial())


@pytest.mark.parametrize("h", [1, 2, 3, 4, 7, 20])
def test_any_horizon_has_finite_ascending_quantiles(panel: ScaledPanel, h: int) -> None:
    quantiles = future(panel, h)
    assert quantiles.shape == (5, h, 3)
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=2) >= 0).all()


def test_a_longer_horizon_begins_with_the_shorter_one(panel: ScaledPanel) -> None:
    long = future(panel, 20)
    for h in (1, 3, 5, 9):
        assert_array_equal(future(panel, h), long[:, :h])


def test_beyond_the_trained_horizon_medians_stand_for_values(panel: ScaledPanel) -> None:
    long = future(panel, 3 * HORIZON)
    known = panel
    for begin in range(0, 3 * HORIZON, HORIZON):
        medians = future(known, HORIZON)[..., MIDDLE]
        assert_allclose(long[:, begin : begin + HORIZON, MIDDLE], medians, rtol=0, atol=1e-6)
        known = known.extended(medians)


def test_uncertainty_adds_up_over_a_seam_as_independent_errors_do(panel: ScaledPanel) -> None:
    head = np.array([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-3.0, 0.0, 4.0]])
    said = future(panel, 7, constant(head)) - panel.filled[panel.offsets[1:] - 1][:, None, None]
    assert_allclose(said[0, 3:6, 0], -np.hypot([1, 2, 3], 3), rtol=1e-6)
    assert_allclose(said[0, 3:6, 2], np.hypot([1, 2, 4], 4), rtol=1e-6)
    assert_allclose(said[0, 6, [0, 2]], [-np.hypot(1, np.hypot(3, 3)), np.hypot(1, np.hypot(4, 4))], rtol=1e-6)
    assert_array_equal(said[..., 1], 0)


@pytest.mark.parametrize(
    "head",
    [
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [-1.0, 0.0, 1.0]],  # certain at first: what was uncertain stays so
        [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [-1.0, 0.5, 0.5]],  # quantiles that meet
        [[-9.0, 0.0, 9.0], [-4.0, 0.0, 4.0], [-1.0, 0.0, 1.0]],
    ],
)
def test_no_interval_is_narrower_beyond_a_seam_than_before_it(panel: ScaledPanel, head: list[list[float]]) -> None:
    said = future(panel, 4 * HORIZON, constant(np.array(head)))
    distances = np.abs(said - said[..., MIDDLE : MIDDLE + 1])
    for seam in range(HORIZON, 4 * HORIZON, HORIZON):
        assert (distances[:, seam:] >= distances[:, seam - 1 : seam] - 1e-9).all()
    assert (np.diff(said, axis=2) >= 0).all()


def test_only_the_newest_values_are_seen(panel: ScaledPanel) -> None:
    seen = TINY.positions + TINY.lags - 1
    old = np.concatenate([np.arange(a, b - seen) for a, b in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)])
    filled = panel.filled.copy()
    filled[old] += 5
    assert_array_equal(future(ScaledPanel(filled, panel.observed, panel.offsets, panel.scaling), 8), future(panel, 8))


def test_the_newest_value_is_seen_at_the_first_step(panel: ScaledPanel) -> None:
    filled = panel.filled.copy()
    filled[panel.offsets[1:] - 1] += 1
    moved = future(ScaledPanel(filled, panel.observed, panel.offsets, panel.scaling), 1) - future(panel, 1)
    assert (moved > 0.5).all()


def test_threads_give_the_same_bits(panel: ScaledPanel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.windows._TASK_ROWS", 2)
    with Threads(3) as executor:
        assert_array_equal(future_quantiles(Engine([network()]), panel, 7, executor), future(panel, 7))
