"""What the gates did: the numbers of the very pass that the forecast comes from."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import forecaster.explanation
from forecaster import (
    ConfigError,
    Explanation,
    Forecaster,
    LayerTrace,
    NetworkConfig,
    NetworkTrace,
    NotFittedError,
    Panel,
    TooShortError,
    passes,
    plain,
)
from forecaster.engine import Engine
from forecaster.executors import Serial
from forecaster.network import ForecastNetwork
from forecaster.prediction import look_ahead
from forecaster.scaling import scale_panel
from forecaster.traces import trace_for
from forecaster.trunk import Packed
from forecaster.windows import window_quantiles
from tests.examples import TINY, Floats, numbered, tiny, trained, weekly
from tests.reference import network as twin

STATES = ("input_gate", "forget_gate", "candidate", "output_gate", "cell_state", "hidden_state")
EACH_ENGINE = pytest.mark.parametrize("engine", ["compiled", "plain"])
NAN = np.nan
ODD = NetworkConfig(lags=6, positions=11, layers=3, hidden=21, dense=9, quantiles=(0.1, 0.5, 0.9))
SHAPES = {
    "two layers of 5": TINY,
    "three layers of 21": ODD,
    "one layer": replace(ODD, layers=1),
    "one unit": replace(TINY, hidden=1, layers=2),
    "whole panels": replace(TINY, hidden=32),
    "one step": replace(TINY, positions=1),
}


def network_of(config: NetworkConfig, horizon: int = 3, *, seed: int = 0) -> ForecastNetwork:
    """Return a network all of whose weights count."""
    result = ForecastNetwork(config, horizon)
    rng = np.random.default_rng(seed)
    result.initialise(rng)
    for part in result.parts.values():
        view = part.real(result.weights)
        view += 0.5 * rng.standard_normal(view.shape).astype(np.float32) / np.sqrt(max(part.columns, 1))
    return result


def uneven() -> Panel:
    """Return series that are long, short, with gaps, constant, with zeros and negative values, large and small."""
    rng = np.random.default_rng(1)
    walk = 20 + rng.standard_normal(60).cumsum()
    gaps = walk[:40].copy()
    gaps[[5, 17, 18, 19, 38, 39]] = NAN
    rows: dict[str, Floats] = {
        "long": np.abs(walk) + 1,
        "gaps": np.abs(gaps),
        "short": np.array([3.0, 5.0, 4.0]),
        "two": np.array([1.0, 2.0]),
        "constant": np.full(25, 7.0),
        "zeros": np.maximum(walk - 20, 0)[:30],
        "negative": 1e6 * (walk - 20)[:33],
        "small": 1e-7 * np.abs(walk[:50]),
        "week": 50 + 10 * np.sin(2 * np.pi * np.arange(50) / 7) + rng.standard_normal(50),
    }
    return numbered(rows)


@cache
def base() -> Forecaster:
    """Three networks, two of which see series without their season."""
    return Forecaster.pretrained("D")


def explained(
    model: Forecaster, engine: str, monkeypatch: pytest.MonkeyPatch, panel: Panel, **which: Any
) -> Explanation:
    choose(model, engine, monkeypatch)
    made = model.explain(panel, **which)
    assert made.engine == engine
    return made


def choose(model: Forecaster, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fitted: Any = model._fitted
    monkeypatch.setattr(fitted.engine, "_choice", engine)


def traced(network: ForecastNetwork, panel: Panel, engine: str, monkeypatch: pytest.MonkeyPatch) -> NetworkTrace:
    """Return the trace of one network, all layers."""
    monkeypatch.setenv("FORECASTER_ENGINE", engine)
    scaled = scale_panel(panel)
    lengths = np.diff(scaled.offsets)
    trace = trace_for(network, 0, range(network.config.layers), lengths)
    made_by = Engine([network]).trace(scaled, np.arange(len(panel)), scaled.offsets[1:] - 1, Serial(), [trace])
    assert made_by == engine
    return trace


def networks_of(model: Forecaster) -> list[ForecastNetwork]:
    fitted: Any = model._fitted
    return list(fitted.engine.networks)


def named(network: ForecastNetwork) -> dict[str, Floats]:
    """Return the weights in float64, by the names the twin has for them."""
    names = {f"lstm.{kind}_l{k}": f"{kind}_l{k}" for k in range(16) for kind in ("weight_ih", "weight_hh", "bias")}
    names |= {f"{where}.{kind}": f"{kind}_{where}" for where in ("dense", "head") for kind in ("weight", "bias")}
    names["skip.weight"] = "weight_skip"
    return {names[name]: weight.astype(np.float64) for name, weight in network.named_weights().items()}


def said_by_hand(network: ForecastNetwork, trace: NetworkTrace) -> Floats:
    """Return the quantiles that the last hidden states lead to: (22) to (24) of docs/lstm.md, in float64."""
    weights = {name: weight.astype(np.float64) for name, weight in network.named_weights().items()}
    y = sum(layer.hidden_state[:, -1].astype(np.float64) for layer in trace.layers)  # (22)
    z = np.tanh(y @ weights["dense.weight"].T + weights["dense.bias"])  # (23)
    skip = trace.x[:, -1].astype(np.float64) @ weights["skip.weight"].T
    outputs = z @ weights["head.weight"].T + skip + weights["head.bias"]  # (24)
    ahead = outputs.reshape(len(y), network.horizon, -1)
    return np.sort(trace.inputs[:, -1, None, None] + ahead, axis=2)


# --- the forecast comes from these numbers ------------------------------------------------------------------------


@EACH_ENGINE
@pytest.mark.parametrize("shape", SHAPES)
def test_last_hidden_states_and_weights_give_what_a_network_says(
    shape: str, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_of(SHAPES[shape])
    trace = traced(network, uneven(), engine, monkeypatch)
    assert_allclose(trace.quantiles, said_by_hand(network, trace), rtol=2e-6, atol=2e-6)


@EACH_ENGINE
@pytest.mark.parametrize("model", [base, trained], ids=["base", "trained"])
def test_they_give_the_forecast_in_its_own_units(model: Any, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through all networks, with seasons put back, to the calibrated ends of the intervals."""
    model = model()
    made = explained(model, engine, monkeypatch, uneven())
    by_hand = [
        said_by_hand(network, trace) + trace.season[..., None]
        for network, trace in zip(networks_of(model), made.networks, strict=True)
    ]
    fitted: Any = model._fitted
    outlook = look_ahead(fitted.engine, made.panel, made.networks[0].horizon, 1)
    outlook = replace(outlook, quantiles=np.mean(by_hand, axis=0))
    point, lower, upper = outlook.ends(fitted.calibration, (80.0, 95.0))
    said = model.forecast(uneven(), h=made.networks[0].horizon)
    assert said.ids == made.ids
    size = np.abs(np.concatenate([said.point, said.lower[:, 0], said.upper[:, 0]], axis=1)).max(axis=1)
    for ours, theirs in ((point, said.point), (lower, said.lower), (upper, said.upper)):
        error = np.abs(ours - theirs).reshape(len(size), -1).max(axis=1)
        assert (error <= 1e-5 * size).all()


@EACH_ENGINE
@pytest.mark.parametrize("count", [1, 3, 7, 8, 31, 32, 33, 100])
def test_what_networks_say_while_watched_is_the_forecast_bit_for_bit(
    count: int, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = explained(base(), engine, monkeypatch, weekly(count))
    total = np.zeros_like(made.networks[0].quantiles)
    for trace in made.networks:
        if trace.season_removed:
            total += trace.season[..., None]
        total += trace.quantiles
    fitted: Any = base()._fitted
    said = look_ahead(fitted.engine, weekly(count), made.networks[0].horizon, 1)
    assert_array_equal(total / len(made.networks), said.quantiles)


@EACH_ENGINE
def test_a_forecast_is_the_same_bits_before_and_after(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(base(), engine, monkeypatch)
    before = base().forecast(weekly(40))
    base().explain(weekly(40))
    after = base().forecast(weekly(40))
    for name in ("point", "lower", "upper"):
        assert_array_equal(getattr(before, name), getattr(after, name))


@pytest.mark.parametrize("shape", SHAPES)
def test_compiled_states_are_those_of_the_buffers_that_forecasts_use(shape: str) -> None:
    """With few rows the buffers of a usual forecast hold every gate: they are read after it, and are the same bits."""
    network, panel = network_of(SHAPES[shape]), scale_panel(weekly(5))
    packed, everyone, ends = Packed(network), np.arange(5), panel.offsets[1:] - 1
    window_quantiles(packed, panel, everyone, ends, Serial())
    (space,) = packed._kept[5]  # lent to that forecast
    used = trace_for(network, 0, range(network.config.layers), np.diff(panel.offsets))
    used.keep(slice(0, 5), space.levels, space.x, space.states)
    trace = trace_for(network, 0, range(network.config.layers), np.diff(panel.offsets))
    window_quantiles(packed, panel, everyone, ends, Serial(), trace)
    assert_same_bits(used, trace)


def assert_same_bits(one: NetworkTrace, other: NetworkTrace) -> None:
    assert_array_equal(one.inputs, other.inputs)
    assert_array_equal(one.x, other.x)
    assert len(one.layers) == len(other.layers)
    for ours, theirs in zip(one.layers, other.layers, strict=True):
        for name in STATES:
            assert_array_equal(getattr(ours, name), getattr(theirs, name), err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_no_bit_depends_on_the_series_beside_it_or_the_size_of_a_shard(
    shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it is the pass of every forecast of the series, whatever it was forecast with."""
    network, panel = network_of(SHAPES[shape]), weekly(45)
    together = traced(network, panel, "compiled", monkeypatch)
    monkeypatch.setattr(passes, "_TRACED", 1)  # one row at a time
    assert passes.traced_rows(network) == 1
    assert_same_bits(traced(network, panel, "compiled", monkeypatch), together)
    alone = traced(network, panel.select([44]), "compiled", monkeypatch)
    for name in STATES:
        for ours, theirs in zip(alone.layers, together.layers, strict=True):
            assert_array_equal(getattr(ours, name)[0], getattr(theirs, name)[44])


def test_longer_horizons_are_explained_by_their_first_pass() -> None:
    made = base().explain(weekly())
    short, long = base().forecast(weekly()), base().forecast(weekly(), h=100)
    steps = made.networks[0].horizon
    assert steps == short.h < long.h
    assert_array_equal(short.point, long.point[:, :steps])


# --- they are the cell's --------------------------------------------------------------------------------------------


def assert_cell(layer: LayerTrace) -> None:
    """(6) and (7), step by step; the sums and products of float32 differ from those of float64 by its rounding."""
    i, f, g, o, c, h = (getattr(layer, name).astype(np.float64) for name in STATES)
    before = np.concatenate([np.zeros_like(c[:, :1]), c[:, :-1]], axis=1)
    assert_allclose(c, f * before + i * g, rtol=1e-6, atol=2e-7)
    assert_allclose(h, o * np.tanh(c), rtol=1e-6, atol=2e-7)
    for gate in (i, f, o):
        assert ((gate >= 0) & (gate <= 1)).all()
    assert (np.abs(g) <= 1).all()


@EACH_ENGINE
@pytest.mark.parametrize("shape", SHAPES)
def test_every_step_follows_from_the_one_before(shape: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for layer in traced(network_of(SHAPES[shape]), uneven(), engine, monkeypatch).layers:
        assert_cell(layer)


@EACH_ENGINE
def test_so_it_is_with_base_weights(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for trace in explained(base(), engine, monkeypatch, uneven()).networks:
        for layer in trace.layers:
            assert_cell(layer)


@EACH_ENGINE
@pytest.mark.parametrize("shape", SHAPES)
def test_they_are_the_slow_twins(shape: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(SHAPES[shape])
    trace = traced(network, uneven(), engine, monkeypatch)
    passed = twin.forward(trace.x.swapaxes(0, 1).astype(np.float64), named(network))
    for layer, slow in zip(trace.layers, passed.layers, strict=True):
        expected = [*np.split(slow.gates, 4, axis=2), slow.c, slow.h]
        for name, of_twin in zip(STATES, expected, strict=True):
            assert_allclose(getattr(layer, name), of_twin.swapaxes(0, 1), rtol=0, atol=5e-6, err_msg=name)


@pytest.mark.parametrize("shape", SHAPES)
def test_both_engines_go_through_the_same(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = network_of(SHAPES[shape])
    compiled, numpy = (traced(network, uneven(), engine, monkeypatch) for engine in ("compiled", "plain"))
    assert_array_equal(compiled.inputs, numpy.inputs)
    assert_array_equal(compiled.x, numpy.x)
    for ours, theirs in zip(compiled.layers, numpy.layers, strict=True):
        for name in STATES:
            assert_allclose(getattr(ours, name), getattr(theirs, name), rtol=1e-5, atol=1e-5, err_msg=name)


def test_padded_units_are_never_shown() -> None:
    made = trained().explain(weekly())
    assert [layer.units for layer in made.networks[0].layers] == [5, 5]
    for layer in made.networks[0].layers:
        for name in STATES:
            assert getattr(layer, name).shape == (6, 8, 5)
            assert getattr(layer, name).dtype == np.float32
            assert (getattr(layer, name) != 0).all()  # those of padding are


# --- what belongs to what ------------------------------------------------------------------------------------------


def test_times_and_values_are_those_of_the_series() -> None:
    panel = weekly()
    made = trained().explain(panel)
    assert (len(made), made.ids, made.steps, made.season) == (6, panel.ids, 8, 7)
    for i in range(6):
        assert_array_equal(made.times(i), panel.times(i)[-8:])
        assert made.time_labels(i) == panel.time_labels(i)[-8:]
        assert_array_equal(made.values(i), panel.series(i)[-8:])
        assert_allclose(made.networks[0].inputs[i], np.log(panel.series(i)[-8:]))


def test_what_lies_before_a_short_series_is_told_apart() -> None:
    made = trained().explain(numbered({"long": np.arange(1.0, 21), "short": np.array([5.0, 6.0, 4.0])}))
    (trace,) = made.networks
    assert trace.padding.tolist() == [0, 5]
    assert made.time_labels(1) == ["1", "2", "3"]
    assert made.values(1).tolist() == [5, 6, 4]
    assert (trace.x[1, :5] == 0).all()
    assert trace.x[1, 5:, -1].tolist() == [1, 1, 1]
    assert_allclose(trace.inputs[1], np.log([5] * 5 + [5, 6, 4]))
    assert made.frame().query("unique_id == 'short'").ds.unique().tolist() == [1, 2, 3]


def test_gaps_are_seen_as_the_value_before() -> None:
    made = trained().explain(numbered({"a": [1.0, 2, 3, 4, 5, 6, None, None, 9.0]}))
    (trace,) = made.networks
    assert_allclose(trace.inputs[0], np.log([2, 3, 4, 5, 6, 6, 6, 9]))
    assert trace.x[0, :, -1].tolist() == [1, 1, 1, 1, 1, 0, 0, 1]
    assert_array_equal(made.values(0), [2, 3, 4, 5, 6, NAN, NAN, 9])


def test_networks_that_see_no_season_are_told_apart() -> None:
    made = base().explain(weekly())
    assert [trace.season_removed for trace in made.networks] == [False, True, True]
    plainly, without, _ = made.networks
    for i in range(6):
        assert_allclose(plainly.inputs[i], np.log(made.values(i)))
    assert np.ptp(without.inputs[0]) < 0.5 * np.ptp(plainly.inputs[0])
    assert (plainly.season == 0).all()
    assert np.ptp(without.season[0]) > 0


def test_networks_of_different_length_end_at_the_same_step() -> None:
    model = tiny(network=[TINY, replace(TINY, positions=12, layers=1, hidden=3)]).fit(weekly())
    made = model.explain(weekly())
    assert [trace.steps for trace in made.networks] == [8, 12]
    assert made.steps == len(made.times(0)) == 12
    assert_array_equal(made.networks[0].inputs, made.networks[1].inputs[:, -8:])


def test_a_network_or_layer_can_be_chosen() -> None:
    everything = base().explain(weekly(2))
    assert [len(trace.layers) for trace in everything.networks] == [2, 2, 2]
    made = base().explain(weekly(2), network=2, layer=1)
    (trace,) = made.networks
    (layer,) = trace.layers
    assert (trace.network, layer.layer) == (2, 1)
    assert_array_equal(layer.cell_state, everything.networks[2].layers[1].cell_state)
    assert_array_equal(trace.inputs, everything.networks[2].inputs)  # without the season, as in company
    assert [trace.network for trace in base().explain(weekly(2), layer=0).networks] == [0, 1, 2]


def test_networks_without_such_a_layer_are_left_out() -> None:
    model = tiny(network=[TINY, replace(TINY, layers=1)]).fit(weekly())
    assert [trace.network for trace in model.explain(weekly(), layer=1).networks] == [0]


def test_whatever_holds_series_is_taken() -> None:
    panel = weekly(2)
    frame = pd.concat(
        pd.DataFrame({"shop": panel.ids[i], "day": panel.times(i), "sales": panel.series(i)}) for i in range(2)
    )
    made = trained().explain(frame, id_col="shop", time_col="day", target_col="sales")
    assert_same_bits(made.networks[0], trained().explain(panel).networks[0])
    assert made.frame().columns.tolist()[:3] == ["shop", "day", "sales"]
    alone = trained().explain(frame[frame["shop"] == "s0"], id_col="", time_col="day", target_col="sales")
    assert alone.frame().columns.tolist()[:3] == ["unique_id", "day", "sales"]
    assert trained().explain([3, 5, 8, 7]).ids == ("y",)
    assert trained().explain().ids == weekly().ids


# --- as a table, and in short --------------------------------------------------------------------------------------


def test_the_frame_has_a_row_for_each_series_network_layer_step_and_unit() -> None:
    panel = numbered({"a": np.arange(1.0, 30), "b": np.array([4.0, 6.0, 5.0])})
    made = trained().explain(panel)
    frame = made.frame()
    assert frame.columns.tolist() == ["unique_id", "ds", "y", "network", "layer", "unit", *STATES]
    assert len(frame) == (8 + 3) * 2 * 5
    row = frame[(frame.unique_id == "b") & (frame.layer == 1) & (frame.ds == 2) & (frame.unit == 3)].iloc[0]
    assert row.y == 6
    for name in STATES:
        assert row[name] == getattr(made.networks[0].layers[1], name)[1, -2, 3]
        assert frame[name].dtype == np.float32


def test_the_frame_has_times_as_forecasts_do() -> None:
    made, forecast = trained().explain(weekly()), trained().predict(weekly())
    assert made.frame().ds.dtype == forecast.ds.dtype
    hours = pd.date_range("2024-03-30T20:00", periods=12, freq="h", tz="Europe/Berlin")  # the clock is put forward
    frame = pd.DataFrame({"unique_id": "a", "ds": hours, "y": np.arange(1.0, 13)})
    hourly = Forecaster.pretrained("h").explain(frame, network=2, layer=0)
    assert hourly.frame().ds.drop_duplicates().tolist() == hours.tolist()
    assert (hourly.time_labels(0)[0], hourly.time_labels(0)[-1]) == (hours[0].isoformat(), hours[-1].isoformat())


def test_columns_of_the_frame_may_not_hide_each_other() -> None:
    frame = pd.DataFrame({"layer": "a", "ds": pd.date_range("2024-01-01", periods=9), "y": range(9)})
    with pytest.raises(ConfigError, match="'layer' of the series would be lost"):
        trained().explain(frame, id_col="layer").frame()


def test_movers_are_the_units_whose_cell_state_moved_most_over_a_season() -> None:
    made = base().explain(weekly(3))
    movers = made.movers(4)
    assert len(movers) == 3 * 3 * 2 * 4
    first = [one for one in movers if (one.unique_id, one.network, one.layer) == ("s1", 2, 1)]
    cells = made.networks[2].layers[1].cell_state[1].astype(np.float64)
    changes = np.abs(np.diff(cells, axis=0))[-7:].sum(axis=0)
    assert [one.unit for one in first] == np.argsort(-changes, kind="stable")[:4].tolist()
    for one in first:
        assert one.steps == made.season == 7
        assert one.change == pytest.approx(changes[one.unit])
        assert (one.cell_state_before, one.cell_state) == (cells[-8, one.unit], cells[-1, one.unit])


def test_without_a_season_the_horizon_counts_and_never_more_than_there_is() -> None:
    model = Forecaster.pretrained(season=1)
    made = model.explain(numbered({"long": np.arange(1.0, 99), "short": np.array([3.0, 4.0, 6.0])}), network=0, layer=0)
    (trace,) = made.networks
    assert (trace.horizon, trace.steps) == (28, 28)
    long, short = made.movers(1)
    assert (long.steps, short.steps) == (28, 3)
    assert long.cell_state_before == 0  # the state before the first step
    assert short.cell_state_before == trace.layers[0].cell_state[1, 24, short.unit]
    assert len(made.movers(1000)) == 2 * 48


# --- what is refused -----------------------------------------------------------------------------------------------


def test_series_that_cannot_be_forecast_are_named() -> None:
    made = trained().explain(numbered({"a": np.arange(1.0, 9), "brief": np.array([1.0])}))
    assert made.ids == ("a",)
    assert list(made.skipped) == ["brief"]
    with pytest.raises(TooShortError, match="No series is long enough"):
        trained().explain([1.0])


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ({"network": 1}, r"network must be from 0 to 0, got 1"),
        ({"network": -1}, r"network must be from 0 to 0"),
        ({"layer": 2}, r"layer must be from 0 to 1, got 2"),
        ({"layer": "top"}, r"layer must be a whole number"),
        ({"network": True}, r"network must be a whole number"),
    ],
)
def test_what_is_not_there_is_refused(which: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        trained().explain(weekly(), **which)


def test_a_model_that_is_not_trained_has_nothing_to_explain() -> None:
    with pytest.raises(NotFittedError):
        tiny().explain(weekly())


@pytest.mark.parametrize("count", [0, 2.5, None])
def test_movers_are_counted(count: Any) -> None:
    with pytest.raises(ConfigError, match="count must be"):
        trained().explain(weekly()).movers(count)


def test_what_would_not_fit_is_refused_with_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = sum(trace.inputs.size + trace.x.size for trace in base().explain(weekly()).networks)
    numbers += sum(6 * layer.cell_state.size for trace in base().explain(weekly()).networks for layer in trace.layers)
    monkeypatch.setattr(forecaster.explanation, "MOST_NUMBERS", numbers)
    base().explain(weekly())
    monkeypatch.setattr(forecaster.explanation, "MOST_NUMBERS", numbers - 1)
    with pytest.raises(ConfigError, match=r"6 series would hold [\d,]+ numbers; .* Explain 5 series at a time"):
        base().explain(weekly())
    assert len(base().explain(weekly(), network=0)) == 6


# --- what it costs --------------------------------------------------------------------------------------------------


@EACH_ENGINE
def test_a_forecast_keeps_no_trace(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither copies are made, nor, with many rows, are gates of more than one step kept."""
    choose(base(), engine, monkeypatch)

    def refused(*_: Any) -> None:
        raise AssertionError("a forecast was traced")

    monkeypatch.setattr(NetworkTrace, "keep", refused)
    monkeypatch.setattr(LayerTrace, "keep", refused)
    base().forecast(weekly(40))
    space = passes.Workspace(network_of(TINY), 8, 32, first=7, training=False)
    assert [gates.shape[0] for gates in space.gates] == [1, 1]


def test_traced_passes_stay_within_their_memory() -> None:
    large = NetworkConfig(lags=1, positions=4096, layers=2, hidden=64, dense=1)
    assert passes.traced_rows(network_of(TINY)) == 32
    assert passes.traced_rows(network_of(large)) == 4


def test_layers_are_traced_by_the_one_pass_there_is() -> None:
    """What a forecast in NumPy computes is handed out, layer by layer; there is no second pass to fall behind it."""
    network = network_of(ODD)
    states: list[Any] = []
    x = np.random.default_rng(0).standard_normal((11, 4, 7)).astype(np.float32)
    assert_array_equal(plain.forward(network, x, states), plain.forward(network, x))
    assert [state.c.shape for state in states] == [(12, 4, 21)] * 3
