"""What a network of symbols says next: carried on a symbol at a time in NumPy, and drawn from."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ConfigError
from forecaster.network import Array, Network
from forecaster.plain import enter, trunk
from forecaster.rounds import Integers
from forecaster.vocabulary import BOUNDARY, UNKNOWN

Floats = NDArray[np.float64]


def run_symbols(network: Network, symbols: Integers, states: Array | None = None) -> tuple[Array, Array]:
    """Return what the last layer gives after the last of `symbols` (H,), and the states to go on from."""
    y, states = trunk(network, enter(network, symbols[:, None]), states)
    return y[-1, 0], states


def softmax(logits: Array) -> Floats:
    """Return the chances that logits (V,) stand for."""
    raised = np.exp(logits.astype(np.float64) - logits.max())
    chances: Floats = raised / raised.sum()
    return chances


def draw(logits: Array, temperature: float, rng: np.random.Generator, *, ends: bool) -> int:
    """Return a number drawn from logits: never the unknown one, and the boundary only where sequences end."""
    logits = logits.astype(np.float64)
    logits[UNKNOWN] = -np.inf
    if not ends:
        logits[BOUNDARY] = -np.inf
    if temperature == 0:
        return int(logits.argmax())
    with np.errstate(over="ignore"):
        raised = np.exp((logits - logits.max()) / temperature)
    sums = raised.cumsum()
    return int(np.searchsorted(sums, rng.random() * sums[-1], side="right"))


def check_temperature(temperature: object) -> float:
    """Return `temperature` if it is one.

    Raises
    ------
    ConfigError
        It is no number from 0 to 100.
    """
    try:
        value = float(temperature)  # type: ignore[arg-type]  # what is no number is refused below
    except (TypeError, ValueError):
        value = math.nan
    if isinstance(temperature, bool) or not 0 <= value <= 100:
        raise ConfigError(f"temperature must be a number from 0 to 100, got {temperature!r}.", column="temperature")
    return value
