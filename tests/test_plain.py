"""The forecast in NumPy alone against the compiled one: the same, but for the last digits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster import plain
from forecaster.config import NetworkConfig, SequenceConfig
from forecaster.engine import Engine
from forecaster.executors import Serial
from forecaster.network import ForecastNetwork, Network
from forecaster.passes import Workspace
from forecaster.plain import enter, plain_quantiles
from forecaster.prediction import future_quantiles
from forecaster.scaling import ScaledPanel, scale_panel
from forecaster.shape import CELLS, Cell, Shape
from forecaster.trunk import Packed
from forecaster.windows import load_inputs, window_quantiles
from tests.examples import TINY, Floats, numbered
from tests.reference import network as twin

NAN = np.nan


def network_of(config: NetworkConfig, horizon: int, *, seed: int = 0) -> ForecastNetwork:
    """Return a network all of whose weights count, larger than training would leave them."""
    network = ForecastNetwork(config, horizon)
    rng = np.random.default_rng(seed)
    network.initialise(rng)
    for part in network.parts.values():
        view = part.real(network.weights)
        view += 0.5 * rng.standard_normal(view.shape).astype(np.float32) / np.sqrt(max(part.columns, 1))
    return network


def panel_of(lengths: list[int], *, missing: float = 0.0, seed: int = 0) -> ScaledPanel:
    """Return series of these lengths, the first value of each observed."""
    rng = np.random.default_rng(seed)
    series: dict[str, Floats] = {}
    for i, length in enumerate(lengths):
        values = np.exp(0.1 * rng.standard_normal(length).cumsum()) * 10.0 ** rng.integers(-3, 4)
        values[1:][rng.random(length - 1) < missing] = NAN
        series[f"s{i}"] = values if i % 3 else values - values[0]  # every third on the linear scale
    return scale_panel(numbered(series))


def assert_same(network: ForecastNetwork, panel: ScaledPanel) -> None:
    """What NumPy says is what the kernels say: to 1e-5 of the size of the values."""
    everyone, ends = np.arange(len(panel)), panel.offsets[1:] - 1
    said = plain_quantiles(network, panel, everyone, ends)
    expected = window_quantiles(Packed(network), panel, everyone, ends, Serial())
    assert said.shape == expected.shape == (len(panel), network.horizon, len(network.config.quantiles))
    assert said.dtype == np.float64
    assert (np.diff(said, axis=2) >= 0).all()
    assert_allclose(said, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("hidden", [1, 5, 16, 17, 48, 130])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_networks_of_any_shape(cell: Cell, hidden: int, layers: int) -> None:
    config = NetworkConfig(lags=7, positions=14, layers=layers, hidden=hidden, dense=9, cell=cell)
    assert_same(network_of(config, 5), panel_of([1, 2, 10, 20, 40], missing=0.2))


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=6),
    lags=st.integers(1, 40),
    positions=st.integers(1, 40),
    dense=st.integers(1, 20),
    horizon=st.integers(1, 9),
    quantiles=st.sampled_from([(0.5,), (0.1, 0.5), (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)]),
    missing=st.sampled_from([0.0, 0.3, 0.9]),
    seed=st.integers(0, 9),
)
def test_series_of_any_length_with_any_gaps(
    lengths: list[int],
    lags: int,
    positions: int,
    dense: int,
    horizon: int,
    quantiles: tuple[float, ...],
    missing: float,
    seed: int,
) -> None:
    config = NetworkConfig(lags=lags, positions=positions, layers=2, hidden=6, dense=dense, quantiles=quantiles)
    assert_same(network_of(config, horizon, seed=seed), panel_of(lengths, missing=missing, seed=seed))


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 150])
def test_any_number_of_series(count: int) -> None:
    assert_same(network_of(TINY, 3), panel_of([20] * count))


def test_a_series_is_forecast_alone_as_among_others() -> None:
    network, panel = network_of(NetworkConfig(lags=4, positions=8, hidden=40), 3), panel_of([20] * 70)
    together = plain_quantiles(network, panel, np.arange(70), panel.offsets[1:] - 1)
    for i in (0, 31, 32, 69):
        alone = plain_quantiles(network, panel, np.array([i]), panel.offsets[i + 1 : i + 2] - 1)
        assert_allclose(alone[0], together[i], rtol=1e-6, atol=1e-6)


def test_inputs_are_those_of_the_kernel_bit_for_bit() -> None:
    panel, network = panel_of([1, 3, 9, 30], missing=0.4), network_of(TINY, 3)
    everyone = np.arange(4)
    for ends in (panel.offsets[1:] - 1, panel.offsets[:-1]):  # with all of the series behind them, and nothing
        x, levels = plain.inputs(network, panel, everyone, ends)
        space = Workspace(network, TINY.positions, 4, first=0, training=False)
        load_inputs(panel, everyone, ends, TINY.lags, space)
        assert_array_equal(x, space.x[..., : network.inputs])
        assert_array_equal(levels, space.levels)


@pytest.mark.parametrize("cell", CELLS)
def test_the_pass_is_that_of_the_twin(cell: Cell) -> None:
    network = network_of(NetworkConfig(lags=3, positions=6, layers=3, hidden=7, dense=5, cell=cell), 4)
    x = np.random.default_rng(1).standard_normal((6, 5, 4)).astype(np.float32)
    names = {f"{cell}.{kind}_l{k}": f"{kind}_l{k}" for k in range(3) for kind in ("weight_ih", "weight_hh", "bias")}
    names |= {f"{where}.{kind}": f"{kind}_{where}" for where in ("dense", "head") for kind in ("weight", "bias")}
    names["skip.weight"] = "weight_skip"
    weights = {names[name]: weight.astype(np.float64) for name, weight in network.named_weights().items()}
    expected = twin.forward(x.astype(np.float64), weights, cell).output[-1]
    assert_allclose(plain.forward(network, x), expected, rtol=0, atol=2e-6)


@pytest.mark.parametrize("h", [1, 3, 4, 20])
def test_horizons_beyond_the_trained_one(h: int, monkeypatch: pytest.MonkeyPatch) -> None:
    network, panel = network_of(TINY, 3), panel_of([2, 10, 40], missing=0.2)
    said = {}
    for choice in ("plain", "compiled"):
        monkeypatch.setenv("FORECASTER_ENGINE", choice)
        said[choice] = future_quantiles(Engine([network]), panel, h, Serial())
    assert_allclose(said["plain"], said["compiled"], rtol=1e-5, atol=1e-5)


def test_weights_that_leave_float32_give_no_warning() -> None:
    network = network_of(TINY, 3)
    network.weights *= np.float32(1e38)
    assert plain_quantiles(network, panel_of([20]), np.array([0]), np.array([19])).shape == (1, 3, 3)


def test_the_weights_are_left_as_they_are() -> None:
    network = network_of(TINY, 3)
    before = network.weights.copy()
    assert_same(network, panel_of([20]))
    assert_array_equal(network.weights, before)


def test_unknown_symbols_come_in_as_zeros() -> None:
    for embedding in (0, 4):
        network = Network(SequenceConfig(hidden=4, embedding=embedding).shape(symbols=3, outputs=1))
        network.initialise(np.random.default_rng(0))
        x = enter(network, np.array([[2, -1], [-1, 0]]))
        assert x.shape == (2, 2, embedding or 3)
        assert not x[0, 1].any()
        assert not x[1, 0].any()
        assert x[0, 0].any()


def test_a_large_vocabulary_is_worked_through_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    network = Network(Shape(symbols=300, embedding=5, hidden=5, outputs=300, softmax=True))
    network.initialise(np.random.default_rng(0))
    for lead in ((), (3,), (2, 3)):
        y = np.random.default_rng(1).normal(size=(*lead, 5)).astype(np.float32)
        whole = plain.head(network, y)
        assert whole.shape == (*lead, 300)
        with monkeypatch.context() as patched:
            patched.setattr(plain, "_SMALL", 5)
            assert_allclose(plain.head(network, y), whole, rtol=1e-5, atol=1e-7)
