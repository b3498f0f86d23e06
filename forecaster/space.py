"""Among which settings a search may choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from forecaster.config import NetworkConfig, TrainingConfig
from forecaster.errors import ConfigError
from forecaster.study import Choices

_INPUT = {"lags": (2, 256), "positions": (4, 128)}
"""Length of the input, which is cut to what the series can fill."""

SPACE: dict[str, Choices] = {
    **_INPUT,
    "layers": (1, 3),
    "hidden": [16, 32, 48, 64, 96, 128],
    "learning_rate": (3e-4, 3e-2),
    "loss": ["pinball", "absolute", "squared"],
}
"""What can be chosen where the user says nothing."""


def space_of(asked: Mapping[str, Choices] | None, longest: int) -> dict[str, Choices]:
    """Return what can be chosen: as asked, or the usual as far as a series of `longest` values can fill it.

    Raises
    ------
    ConfigError
        There is no such setting, or it cannot be chosen so.
    """
    unknown = sorted(set(asked or {}) - set(SPACE))
    if unknown:
        raise ConfigError(f"space has no setting {unknown[0]!r}, only {', '.join(SPACE)}.", column="space")
    usual = dict(SPACE)
    for name, (low, high) in _INPUT.items():
        usual[name] = (low, max(low, min(high, longest // 2)))
    chosen = {**usual, **(asked or {})}
    return {name: _checked(name, choices) for name, choices in chosen.items()}


def _checked(name: str, choices: Any) -> Choices:
    """Return choices that make sense: each of them is tried as a setting."""
    is_range = isinstance(choices, tuple) and len(choices) == 2 and name != "loss"
    if not is_range and not (isinstance(choices, list) and choices):
        raise ConfigError(f"space[{name!r}] must be a range (low, high) or a list, got {choices!r}.", column="space")
    for one in choices:
        if name == "learning_rate":
            TrainingConfig(learning_rate=one)
        else:
            replace(NetworkConfig(), **{name: one})
    if is_range and not choices[0] <= choices[1]:
        raise ConfigError(f"space[{name!r}] must be a range from low to high, got {choices!r}.", column="space")
    return choices  # type: ignore[no-any-return]  # checked above


def nearest(wanted: Any, choices: Choices) -> Any:
    """Return the choice that is nearest to what is wanted."""
    if isinstance(choices, tuple):
        return min(max(wanted, choices[0]), choices[1])
    if wanted in choices or isinstance(wanted, str):
        return wanted if wanted in choices else choices[0]
    return min(choices, key=lambda one: abs(float(one) - wanted))
