"""From a panel to windows: filled gaps, tails, extensions, samples, and what the network says after a window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from forecaster.config import NetworkConfig
from forecaster.executors import Serial, Threads
from forecaster.network import ForecastNetwork
from forecaster.passes import Workspace
from forecaster.scaling import Integers, ScaledPanel, scale_panel
from forecaster.trunk import SHARD_ROWS, Packed
from forecaster.windows import Sampler, load_inputs, load_targets, window_quantiles
from tests.examples import TINY, Floats, numbered

HORIZON = 3
NAN = np.nan


def linear(*series: list[float]) -> ScaledPanel:
    """Return a scaled panel whose first value, 0, keeps it off the logarithm."""
    return scale_panel(numbered({f"s{i}": values for i, values in enumerate(series)}))


def ramp(*lengths: int) -> ScaledPanel:
    """Return a panel whose values, before scaling, count through all series."""
    offsets = np.concatenate(([0], np.cumsum(lengths)))
    values = np.arange(float(offsets[-1])) - 1
    return scale_panel(numbered({f"s{i}": values[a:b] for i, (a, b) in enumerate(pairwise(offsets))}))


def parts(panel: ScaledPanel, values: np.ndarray) -> list[list[float]]:
    return [values[a:b].tolist() for a, b in zip(panel.offsets[:-1], panel.offsets[1:], strict=True)]


def packed(config: NetworkConfig = TINY, *, skip: float = 0.2) -> Packed:
    network = ForecastNetwork(config, HORIZON)
    rng = np.random.default_rng(0)
    network.initialise(rng)
    view = network.parts["skip.weight"].real(network.weights)
    view[:] = skip * rng.standard_normal(view.shape)
    return Packed(network)


def test_gaps_carry_the_last_value_on_and_are_not_observed() -> None:
    panel = linear([0.0, 2.0, NAN, NAN, 4.0, NAN], [-3.0, NAN])
    assert parts(panel, panel.filled) == [[0.0, 1.0, 1.0, 1.0, 2.0, 2.0], [-1.0, -1.0]]
    assert parts(panel, panel.observed) == [[True, True, False, False, True, False], [True, False]]
    assert len(panel) == 2


def test_what_the_scale_cannot_show_counts_as_missing() -> None:
    panel = scale_panel(
        numbered({"a": [5.0, 6.0, 5.0, 0.0, -3.0, 7.0], "b": [0.0, 2.0, 0.0, 0.0, 1.0, 1.0]}), held_out=3
    )
    assert_allclose(panel.filled[:6], np.log([5, 6, 5, 5, 5, 7]))
    assert panel.observed.tolist() == [True, True, True, False, False, True] + [True] * 6


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 8))
def test_a_tail_holds_the_last_values(lengths: list[int], count: int) -> None:
    panel = ramp(*lengths)
    tail = panel.tail(count)
    assert parts(tail, tail.filled) == [values[-count:] for values in parts(panel, panel.filled)]
    assert parts(tail, tail.observed) == [flags[-count:] for flags in parts(panel, panel.observed)]
    assert tail.scaling is panel.scaling


@given(st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 4))
def test_an_extension_is_appended_to_each_series_as_if_observed(lengths: list[int], count: int) -> None:
    panel = ramp(*lengths)
    before = panel.filled.copy()
    added = 100 + np.arange(float(len(lengths) * count)).reshape(len(lengths), count)
    longer = panel.extended(added)
    assert parts(longer, longer.filled) == [
        [*values, *more] for values, more in zip(parts(panel, before), added.tolist(), strict=True)
    ]
    assert parts(longer, longer.observed) == [[*flags, *[True] * count] for flags in parts(panel, panel.observed)]
    assert_array_equal(panel.filled, before)


def test_volatility_is_the_mean_size_of_a_change_within_the_series() -> None:
    panel = linear([0.0, 3.0, NAN, 1.0, 4.0], [-50.0, -50.0], [-7.0], [-1.0, 3.0])
    # unit 2: steps 1.5, 0, 1, 1.5; a constant one and a single value: never quite zero
    assert_allclose(panel.volatility, [1.0, 1e-9, 1e-9, 2.0])


def test_targets_stop_where_the_held_out_values_begin_and_judging_starts_there() -> None:
    panel = ramp(20)
    network = ForecastNetwork(TINY, HORIZON)
    series, ends = np.array([0]), np.array([18])
    targets = {}
    for judging in (False, True):
        space = Workspace(network, TINY.positions, 1, first=0, training=True)
        load_inputs(panel, series, ends, TINY.lags, space)
        count = load_targets(panel, series, ends, space, held_out=5, judging=judging)
        positions, steps = np.nonzero(space.weights)
        at = (18 - TINY.positions + 1) + positions + 1 + steps
        assert count == len(at)
        assert_allclose(space.targets[positions, steps], panel.filled[at] - space.levels[positions, 0], rtol=1e-6)
        targets[judging] = set(at.tolist())
    assert targets[False] == {12, 13, 14}
    assert targets[True] == {15, 16, 17, 18, 19}


def sampler(panel: ScaledPanel, *, positions: int, held_out: int = 0, recent: int = 1) -> Sampler:
    return Sampler(panel, positions=positions, held_out=held_out, recent=recent)


def drawn(of: Sampler, count: int = 2000, seed: int = 0) -> tuple[Integers, Integers]:
    return of.draw(np.random.default_rng(seed), count)


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=5), st.integers(1, 12), st.integers(0, 5),
    st.sampled_from([1, 3, 5000]), st.sampled_from([1, 4, 40, 4096]),
)  # fmt: skip
def test_windows_end_inside_their_series_with_a_target_left(
    lengths: list[int], positions: int, held_out: int, recent: int, least: int
) -> None:
    panel = ramp(*lengths)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("forecaster.windows._LEAST_WINDOWS", least)
        if max(lengths) - held_out < 2:
            with pytest.raises(ValueError, match="no series has a window"):
                sampler(panel, positions=positions, held_out=held_out, recent=recent)
            return
        series, ends = drawn(sampler(panel, positions=positions, held_out=held_out, recent=recent), 200)
    begins, borders = panel.offsets[series], panel.offsets[series + 1] - held_out
    assert (ends >= begins).all()
    assert (ends + 1 < borders).all()
    full = borders - 1 - begins >= positions  # so many positions have a target
    assert (ends[full] - begins[full] + 1 >= positions).all()
    assert (ends[~full] == borders[~full] - 2).all()
    usable = sum(length - held_out >= 2 for length in lengths)
    assert (ends >= borders - 1 - max(recent, -(-least // usable))).all()


def test_every_series_is_drawn_once_a_round() -> None:
    panel = ramp(41, 21, 1, 11, 2)
    ours, rng = sampler(panel, positions=10), np.random.default_rng(0)
    assert ours.windows == 4 + 2 + 1 + 1
    orders = set()
    for _ in range(30):
        series, _ = ours.draw(rng, 4)
        assert sorted(series.tolist()) == [0, 1, 3, 4]  # the third has no window
        orders.add(tuple(series.tolist()))
    assert len(orders) > 10
    together, _ = sampler(panel, positions=10).draw(np.random.default_rng(0), 7)  # a batch need not end with a round
    assert sorted(together[:4].tolist()) == [0, 1, 3, 4]
    assert len(set(together[4:].tolist())) == 3


def test_what_is_left_of_a_round_comes_first_in_the_next_batch() -> None:
    ours, rng = sampler(ramp(20, 20, 20), positions=4), np.random.default_rng(0)
    series = np.concatenate([ours.draw(rng, 2)[0] for _ in range(6)])
    assert (np.sort(series.reshape(4, 3), axis=1) == [0, 1, 2]).all()


def test_windows_end_at_the_newest_positions_and_at_more_where_series_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = ramp(41, 21, 11, 2)

    def ends_of(series: int, **options: int) -> set[int]:
        drawn_series, ends = drawn(sampler(panel, positions=10, **options), 2000)
        return set((ends[drawn_series == series] - panel.offsets[series]).tolist())

    monkeypatch.setattr("forecaster.windows._LEAST_WINDOWS", 1)
    assert [ends_of(k) for k in range(4)] == [{39}, {19}, {9}, {0}]
    assert [ends_of(k, recent=3) for k in range(4)] == [{37, 38, 39}, {17, 18, 19}, {9}, {0}]
    assert ends_of(0, recent=3, held_out=4) == {33, 34, 35}
    assert ends_of(0, recent=1000) == set(range(9, 40))
    monkeypatch.setattr("forecaster.windows._LEAST_WINDOWS", 13)  # four series: four positions of each
    assert [ends_of(k) for k in range(4)] == [{36, 37, 38, 39}, {16, 17, 18, 19}, {9}, {0}]
    assert ends_of(0, recent=6) == set(range(34, 40))


def test_the_same_generator_draws_the_same_windows() -> None:
    def ours() -> Sampler:
        return sampler(ramp(30, 40), positions=8, held_out=3)

    for one, other in zip(drawn(ours(), 50, seed=1), drawn(ours(), 50, seed=1), strict=True):
        assert_array_equal(one, other)
    assert (drawn(ours(), 50, seed=1)[1] != drawn(ours(), 50, seed=2)[1]).any()


def many(count: int = 2 * SHARD_ROWS + 7, length: int = 15) -> ScaledPanel:
    rng = np.random.default_rng(0)
    return linear(*[[-1.0, *rng.standard_normal(length - 1).tolist()] for _ in range(count)])


def test_quantiles_ascend_and_do_not_depend_on_who_is_beside() -> None:
    panel, network = many(), packed()
    everyone, ends = np.arange(len(panel)), panel.offsets[1:] - 1
    together = window_quantiles(network, panel, everyone, ends, Serial())
    assert together.shape == (len(panel), HORIZON, 3)
    assert (np.diff(together, axis=2) > 0).all()
    alone = [window_quantiles(network, panel, everyone[i : i + 1], ends[i : i + 1], Serial())[0] for i in everyone]
    assert_allclose(together, alone, rtol=0, atol=1e-6)
    backwards = window_quantiles(network, panel, everyone[::-1], ends[::-1], Serial())
    assert_allclose(backwards[::-1], together, rtol=0, atol=1e-6)


def test_threads_give_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.windows._TASK_ROWS", SHARD_ROWS)
    panel, network = many(5 * SHARD_ROWS - 1), packed()
    everyone, ends = np.arange(len(panel)), panel.offsets[1:] - 1
    serial = window_quantiles(network, panel, everyone, ends, Serial())
    with Threads(3) as executor:
        assert_array_equal(window_quantiles(network, panel, everyone, ends, executor), serial)


def test_windows_may_end_anywhere_and_see_nothing_later() -> None:
    panel, network = many(3), packed()
    everyone, ends = np.arange(3), panel.offsets[:-1] + 9
    said = window_quantiles(network, panel, everyone, ends, Serial())
    later = np.concatenate([np.arange(end + 1, stop) for end, stop in zip(ends, panel.offsets[1:], strict=True)])
    filled: Floats = panel.filled.copy()
    filled[later] = 1e9
    planted = ScaledPanel(filled, panel.observed, panel.offsets, panel.scaling)
    assert_array_equal(window_quantiles(network, planted, everyone, ends, Serial()), said)


def test_forecasts_move_with_the_level() -> None:
    panel, network = many(4), packed()
    everyone, ends = np.arange(4), panel.offsets[1:] - 1
    shifted = ScaledPanel(panel.filled + 1000, panel.observed, panel.offsets, panel.scaling)
    said = window_quantiles(network, panel, everyone, ends, Serial())
    assert_allclose(window_quantiles(network, shifted, everyone, ends, Serial()), said + 1000, rtol=0, atol=1e-5)


def test_a_fresh_network_says_no_change_roughly() -> None:
    panel, network = many(4), packed(skip=0.0)
    network.network.parts["head.weight"].real(network.network.weights)[:] = 0
    network.refresh()
    ends = panel.offsets[1:] - 1
    said = window_quantiles(network, panel, np.arange(4), ends, Serial())
    assert_array_equal(said, np.broadcast_to(panel.filled[ends][:, None, None], said.shape))
