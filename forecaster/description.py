"""What a trained model says of itself: the content of ``model.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from forecaster.config import TrainingConfig, as_settings
from forecaster.holdout import Verdict
from forecaster.network import Network
from forecaster.panel import Panel
from forecaster.storage import FORMAT_VERSION

if TYPE_CHECKING:
    from forecaster.training import History


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
    labels = [panel.time_labels(i) for i in range(len(panel))]
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
        "scaling": {"rule": "level-anchored logarithm, or division by the mean size where values are not positive"},
        "training": {
            "series": len(panel),
            "values": int(panel.observed.sum()),
            "first": min(times[0] for times in labels),
            "last": max(times[-1] for times in labels),
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
