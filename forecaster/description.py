"""What a trained model says of itself: the content of ``model.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from forecaster.config import TrainingConfig, as_settings, check_horizon, network_config
from forecaster.frequency import Frequency
from forecaster.holdout import Verdict
from forecaster.intervals import Calibration, calibration
from forecaster.network import Array, Network
from forecaster.panel import Panel
from forecaster.scaling import RULE
from forecaster.storage import FORMAT_VERSION

if TYPE_CHECKING:
    from forecaster.training import History


def described(info: Mapping[str, Any], weights: Mapping[str, Array]) -> tuple[Network, Frequency, Calibration]:
    """Return what forecasts in the model that `describe` described.

    Raises
    ------
    ForecasterError, KeyError, TypeError, ValueError, MemoryError
        They are none, or do not fit together.
    """
    horizon = check_horizon(info["horizon"])
    network = Network(network_config(info["architecture"]["network"]), horizon)
    network.set_weights(weights)
    return network, Frequency.parse(info["frequency"]), calibration(info["calibration"], horizon)


def describe(
    network: Network,
    panel: Panel,
    *,
    season: int,
    version: str,
    seed: int,
    asked: TrainingConfig,
    history: History,
    verdict: Verdict,
) -> dict[str, Any]:
    """Return the description of `network`, trained on `panel` as `asked` by this `version` of the library."""
    first, last = panel.span_labels()
    return {
        "format_version": FORMAT_VERSION,
        "library_version": version,
        "horizon": network.horizon,
        "frequency": panel.frequency.alias,
        "season": season,
        "quantiles": list(network.config.quantiles),
        "architecture": {
            "cell": "lstm",
            "network": as_settings(network.config),
            "inputs": network.inputs,
            "weights": network.n_weights,
        },
        "scaling": {"rule": RULE},
        "training": {
            "series": len(panel),
            "values": int(panel.observed.sum()),
            "first": first,
            "last": last,
            "steps": history.last.step,
            "best_step": history.best_step,
            "clipped_steps": history.clipped,
            "seconds": round(history.last.seconds, 3),
            "seed": seed,
            "settings": as_settings(asked),
        },
        "accuracy": verdict.accuracy,
        "calibration": verdict.calibration.as_settings(),
    }
