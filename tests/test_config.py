"""Settings: each checks itself, and says which one is wrong."""

from __future__ import annotations

import json
import math
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest

from forecaster.config import (
    MAX_HORIZON,
    NetworkConfig,
    SequenceConfig,
    TrainingConfig,
    as_settings,
    check_horizon,
    check_levels,
    check_seed,
    intervals_asked,
    network_config,
    sequence_config,
)
from forecaster.errors import ConfigError

NOT_WHOLE = [0, -1, 1.5, True, "4", None, 10**9, np.nan, [1]]


@pytest.mark.parametrize("value", NOT_WHOLE)
@pytest.mark.parametrize("name", ["lags", "positions", "layers", "hidden", "dense"])
def test_sizes_of_a_network_are_whole_numbers_in_range(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be") as caught:
        NetworkConfig(**{name: value})
    assert caught.value.column == name


@pytest.mark.parametrize("loss", ["huber", "", None, ["pinball"], 1])
def test_an_unknown_loss_is_refused_with_the_known_ones(loss: Any) -> None:
    with pytest.raises(ConfigError, match="one of pinball, absolute, squared, got") as caught:
        NetworkConfig(loss=loss)
    assert caught.value.column == "loss"


@pytest.mark.parametrize(
    "quantiles",
    [
        (), (0.1, 0.9), (0.1, 0.4999, 0.9), (0.9, 0.5, 0.1), (0.5, 0.5), (0.0, 0.5), (0.5, 1.0), (0.5, 1.5),
        (np.nan, 0.5), (0.5, "0.9"), (0.5, None), (0.5, True), "0.5", 0.5, None, b"\x01",
    ],
)  # fmt: skip
def test_quantiles_ascend_between_0_and_1_and_hold_the_median(quantiles: Any) -> None:
    with pytest.raises(ConfigError, match=r"^quantiles must") as caught:
        NetworkConfig(quantiles=quantiles)
    assert caught.value.column == "quantiles"


@pytest.mark.parametrize("kind", [NetworkConfig, SequenceConfig])
@pytest.mark.parametrize(("name", "loss"), [("mae", "absolute"), ("mse", "squared"), ("rmse", "squared")])
def test_losses_have_other_names(kind: type[NetworkConfig | SequenceConfig], name: Any, loss: str) -> None:
    assert kind(loss=name).loss == loss
    for wrong in ("MAE", "root", None, ["mse"]):
        with pytest.raises(ConfigError, match=r"^loss must be one of ") as caught:
            kind(loss=wrong)  # type: ignore[arg-type]  # that is the test
        assert caught.value.column == "loss"


@pytest.mark.parametrize("loss", ["absolute", "squared"])
def test_other_losses_train_the_point_forecast_alone(loss: Any) -> None:
    assert NetworkConfig(loss=loss).quantiles == (0.5,)


@pytest.mark.parametrize("value", NOT_WHOLE[:-3])
@pytest.mark.parametrize("name", ["steps", "batch_size", "validate_every", "patience", "recent"])
def test_counts_of_a_training_are_whole_numbers(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be") as caught:
        TrainingConfig(**{name: value})
    assert caught.value.column == name


@pytest.mark.parametrize("value", [0, -1, np.nan, np.inf, True, "x", None, 10**400, 2e6])
@pytest.mark.parametrize("name", ["learning_rate", "clip_norm"])
def test_rates_are_positive_numbers(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be a positive number") as caught:
        TrainingConfig(**{name: value})
    assert caught.value.column == name


@pytest.mark.parametrize("value", [-0.01, 1.01, np.nan, np.inf, True, "x", None, 10**400])
@pytest.mark.parametrize("name", ["mixed", "averaged", "refit"])
def test_shares_are_from_0_to_1(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be a share from 0 to 1, got") as caught:
        TrainingConfig(**{name: value})
    assert caught.value.column == name
    for fine in (0, 0.5, 1, np.float32(0.25)):
        assert getattr(TrainingConfig(**{name: fine}), name) == fine


@pytest.mark.parametrize("value", [0, 1, "true", None, np.nan])
def test_a_network_sees_the_season_or_not(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^deseasonalise must be true or false") as caught:
        NetworkConfig(deseasonalise=value)
    assert caught.value.column == "deseasonalise"
    assert as_settings(NetworkConfig(deseasonalise=True))["deseasonalise"] is True


def test_numpy_numbers_are_numbers_and_can_be_written_as_json() -> None:
    network = NetworkConfig(lags=np.int64(3), hidden=np.int32(4), quantiles=np.array([0.25, 0.5]))  # type: ignore[arg-type]  # looser on purpose
    training = TrainingConfig(steps=np.int64(5), learning_rate=np.float32(0.5))  # type: ignore[arg-type]  # the same
    assert network == NetworkConfig(lags=3, hidden=4, quantiles=(0.25, 0.5))
    assert training == TrainingConfig(steps=5, learning_rate=0.5)
    assert json.loads(json.dumps(as_settings(network)))["hidden"] == 4
    assert json.loads(json.dumps(as_settings(training)))["steps"] == 5


def test_settings_cannot_be_changed_behind_the_checks() -> None:
    with pytest.raises(FrozenInstanceError):
        NetworkConfig().hidden = -1  # type: ignore[misc]  # that is the test


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(),
        NetworkConfig(lags=3, quantiles=(0.5,)),
        NetworkConfig(loss="squared"),
        NetworkConfig(cell="gru"),
    ],
)
def test_a_network_comes_back_from_json(config: NetworkConfig) -> None:
    assert network_config(json.loads(json.dumps(as_settings(config))), config.cell) == config


@pytest.mark.parametrize(
    "change", [{"hidden": 0}, {"hiden": 4}, {"quantiles": "0.5"}, {"quantiles": [0.5, None]}, {"loss": ["pinball"]}]
)
def test_wrong_settings_of_a_network_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        network_config({**as_settings(NetworkConfig()), **change})


def test_a_missing_setting_of_a_network_is_refused() -> None:
    settings = as_settings(NetworkConfig())
    del settings["lags"]
    with pytest.raises(ConfigError, match="lags"):
        network_config(settings)


@pytest.mark.parametrize("h", [1, 14, MAX_HORIZON, np.int64(3), np.uint8(3)])
def test_horizons(h: Any) -> None:
    assert check_horizon(h) == int(h)
    assert type(check_horizon(h)) is int


@pytest.mark.parametrize("h", [0, -1, MAX_HORIZON + 1, 10**9, 1.5, 2.0, True, np.True_, "3", None, np.nan, [3]])
def test_wrong_horizons(h: Any) -> None:
    with pytest.raises(ConfigError, match=r"^h must be") as caught:
        check_horizon(h)
    assert caught.value.column == "h"
    assert isinstance(caught.value, ValueError)


def test_a_horizon_by_another_name() -> None:
    with pytest.raises(ConfigError, match=r"^step_size must be"):
        check_horizon(0, name="step_size")


@pytest.mark.parametrize("seed", [-1, 1.5, True, None, "x", 2**63, [1]])
def test_wrong_seeds(seed: Any) -> None:
    with pytest.raises(ConfigError, match=r"^seed must be"):
        check_seed(seed)


@pytest.mark.parametrize(
    ("level", "expected"),
    [
        (80, (80.0,)), ([95, 80], (80.0, 95.0)), ((80, 80.0), (80.0,)), ([], ()), (0.001, (0.001,)), (99.99, (99.99,)),
        (np.array([95, 80]), (80.0, 95.0)), (np.float32(50), (50.0,)), ({90: "x"}, (90.0,)),
        (range(10, 40, 10), (10.0, 20.0, 30.0)), (0.683 * 100, (68.3,)), ([80, 80.0000001], (80.0,)),
    ],
)  # fmt: skip
def test_levels_ascend_once_each_with_the_digits_of_their_column(level: Any, expected: tuple[float, ...]) -> None:
    assert check_levels(level) == expected
    assert len({f"{one:g}" for one in expected}) == len(expected)


@pytest.mark.parametrize(
    "level",
    [
        0, 100, -1, 101, np.nan, np.inf, True, "x", "80", ["80"], b"8", None, [None], [[80]], [80, 0], 99.99999999,
        10**400,
    ],
)  # fmt: skip
def test_wrong_levels(level: Any) -> None:
    with pytest.raises(ConfigError, match="level") as caught:
        check_levels(level)
    assert caught.value.column == "level"


def test_a_level_that_its_digits_make_100_says_so() -> None:
    with pytest.raises(ConfigError, match=r"got 99\.99999, which is 100 in the six digits a level has"):
        check_levels(99.99999)
    with pytest.raises(ConfigError, match=r"got 100\.$"):
        check_levels(100)


def test_quantiles_and_the_levels_whose_ends_they_are() -> None:
    assert intervals_asked(None, None) == ((80.0, 95.0), ())
    assert intervals_asked([90], None) == ((90.0,), ())
    assert intervals_asked(None, [0.9, 0.1, 0.5, 0.25]) == ((50.0, 80.0), (0.1, 0.25, 0.5, 0.9))
    assert intervals_asked(None, [0.5]) == ((), (0.5,))
    assert intervals_asked(None, np.arange(1, 10) / 10)[0] == (20.0, 40.0, 60.0, 80.0)
    assert intervals_asked(None, [0.000001, 0.499999]) == ((0.0002, 99.9998), (0.000001, 0.499999))


@pytest.mark.parametrize("quantiles", [[0], [1], [-0.1], [0.1, 2], [math.nan], ["x"], "0.5", 0.5, [True], [1e-9]])
def test_wrong_quantiles(quantiles: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        intervals_asked(None, quantiles)
    assert caught.value.column == "quantiles"


def test_quantiles_or_levels_and_not_both() -> None:
    with pytest.raises(ConfigError, match="not both"):
        intervals_asked([80], [0.1])


# --- sequences ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "config", [SequenceConfig(), SequenceConfig(cell="gru", embedding=0, loss="binary", dropout=0.25, dense=8)]
)
def test_a_network_for_sequences_comes_back_from_json(config: SequenceConfig) -> None:
    settings = json.loads(json.dumps(as_settings(config)))
    assert "cell" not in settings
    assert sequence_config(settings, config.cell) == config
    del settings["hidden"]
    with pytest.raises(ConfigError, match="hidden"):
        sequence_config(settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"cell": "cnn"}, "cell must be one of lstm, gru, rnn, got 'cnn'"),
        ({"layers": 0}, "layers must be from 1 to 16, got 0"),
        ({"dense": -1}, "dense must be from 0 to 2048, got -1"),
        ({"embedding": 2.5}, "embedding must be a whole number, got 2.5"),
        ({"loss": "pinball"}, "loss must be one of binary, categorical, absolute, squared, got 'pinball'"),
        ({"tied": 1}, "tied must be true or false, got 1"),
        ({"tied": True, "embedding": 32}, "tied needs an embedding as wide as the last layer, 64, got 32"),
        ({"tied": True, "embedding": 64, "dense": 16}, "tied needs .* as the last layer, 16, got 64"),
        ({"dropout": 1}, "dropout must be a share from 0 to below 1, got 1"),
        ({"dropout": "much"}, "dropout must be a share from 0 to below 1, got 'much'"),
    ],
)
def test_wrong_settings_of_a_network_for_sequences(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        SequenceConfig(**settings)
    assert caught.value.column == next(iter(settings))


def test_shapes_of_networks_for_sequences() -> None:
    config = SequenceConfig(embedding=8, dense=4)
    shape = config.shape(outputs=20, symbols=20, softmax=True)
    assert (shape.inputs, shape.top, shape.embedding, shape.softmax) == (8, 4, 8, True)
    shape = SequenceConfig(embedding=0).shape(outputs=2, symbols=20)
    assert (shape.inputs, shape.top, shape.embedding) == (20, 64, 0)
    shape = config.shape(outputs=2, numbers=3)
    assert (shape.inputs, shape.symbols, shape.embedding) == (3, 0, 0)


def test_too_many_symbols_for_one_hot_vectors_are_refused() -> None:
    config = SequenceConfig(embedding=0)
    assert config.shape(outputs=1024, symbols=1024).inputs == 1024
    with pytest.raises(ConfigError, match=r"1025 symbols are too many for one-hot vectors, .* choose an embedding"):
        config.shape(outputs=1025, symbols=1025)
