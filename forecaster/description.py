"""What a trained model says of itself: the content of ``model.json``."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import TrainingConfig, as_settings, check_cell, check_horizon, network_config
from forecaster.engine import Engine
from forecaster.errors import ModelFormatError
from forecaster.frequency import Frequency
from forecaster.intervals import Calibration, calibration
from forecaster.network import Array, ForecastNetwork, Network
from forecaster.panel import Panel
from forecaster.scaling import RULE
from forecaster.storage import FORMAT_VERSION

if TYPE_CHECKING:
    from forecaster.learning import Learned


def named_weights(networks: Sequence[Network]) -> dict[str, Array]:
    """Return the weights of all `networks` under names of their own: ``0.dense.bias`` is the first one's."""
    return {f"{k}.{name}": array for k, one in enumerate(networks) for name, array in one.named_weights().items()}


def set_named_weights(networks: Sequence[Network], weights: Mapping[str, Array]) -> None:
    """Give `networks` the weights that `named_weights` named, and freeze them.

    Raises
    ------
    ModelFormatError
        They are those of others.
    """
    known = {f"{k}.{name}" for k, network in enumerate(networks) for name in network.parts}
    if set(weights) != known:
        raise ModelFormatError(f"expected the weights {sorted(known)}, got {sorted(weights)}.")
    for k, network in enumerate(networks):
        begin = f"{k}."
        network.set_weights({name[len(begin) :]: array for name, array in weights.items() if name.startswith(begin)})
        network.freeze()


def fingerprint_of(info: Mapping[str, Any], networks: Sequence[Network]) -> str:
    """Return a digest of a model's description and weights."""
    digest = hashlib.sha256(json.dumps(info, sort_keys=True).encode())
    for name, array in sorted(named_weights(networks).items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def described(info: Mapping[str, Any], weights: Mapping[str, Array]) -> tuple[Engine, Frequency, Calibration]:
    """Return what forecasts in the model that `describe` described.

    Raises
    ------
    ForecasterError, KeyError, TypeError, ValueError, MemoryError
        They are none, or do not fit together.
    """
    horizon = check_horizon(info["architecture"].get("horizon", info["horizon"]))
    cell, settings = check_cell(info["architecture"]["cell"]), info["architecture"]["networks"]
    networks = [ForecastNetwork(network_config(one, cell), horizon) for one in settings]
    engine = Engine(networks, info["season"])
    set_named_weights(networks, weights)
    return (
        engine,
        Frequency.parse(info["frequency"]),
        calibration(info["calibration"], horizon, judged=info["accuracy"] is not None),
    )


def architecture(networks: Sequence[ForecastNetwork]) -> dict[str, Any]:
    """Return the shapes of `networks`."""
    return {
        "cell": networks[0].config.cell,
        "horizon": networks[0].horizon,
        "networks": [as_settings(network.config) for network in networks],
        "weights": sum(network.n_weights for network in networks),
    }


def describe(
    learned: Learned, panel: Panel, *, h: int, season: int, version: str, seed: int, asked: TrainingConfig, init: str
) -> dict[str, Any]:
    """Return the description of what was `learned` from `panel`, as `asked`, by this `version` of the library."""
    first, last = panel.span_labels()
    networks, histories = learned.engine.networks, learned.histories
    return {
        "format_version": FORMAT_VERSION,
        "library_version": version,
        "horizon": h,
        "frequency": panel.frequency.alias,
        "season": season,
        "quantiles": list(learned.engine.probabilities),
        "architecture": architecture(networks),
        "scaling": {"rule": RULE},
        "training": {
            "series": len(panel),
            "values": int(panel.observed.sum()),
            "first": first,
            "last": last,
            "steps": [history.steps for history in histories],
            "best_steps": [history.best_step for history in histories],
            "clipped_steps": [history.clipped for history in histories],
            "seconds": round(learned.seconds, 3),
            "seed": seed,
            "init": init,
            "settings": as_settings(asked),
        },
        "accuracy": learned.verdict.accuracy,
        "calibration": learned.verdict.calibration.as_settings(),
    }
