"""Forecasts of statsforecast (extra `compare`), beside which a backtest can stand."""

from __future__ import annotations

import importlib
import importlib.util
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.baselines import baseline_forecast
from forecaster.errors import ConfigError, MissingExtraError
from forecaster.forecast import Forecast
from forecaster.panel import Panel

Floats = NDArray[np.float64]

PEERS = ("AutoETS", "Theta")
"""Exponential smoothing chosen by AICc, and the standard theta method, under statsforecast's own names."""


def check_peers(peers: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names without repeats, if they are peers that can be asked.

    Raises
    ------
    ConfigError
        A name is not among `PEERS`.
    MissingExtraError
        One is asked for and statsforecast is not installed.
    """
    names = tuple(dict.fromkeys([peers] if isinstance(peers, str) else peers))
    for name in names:
        if name not in PEERS:
            raise ConfigError(f"peers must be among {', '.join(PEERS)}, got {name!r}.", column="peers")
    if names and importlib.util.find_spec("statsforecast") is None:
        raise MissingExtraError(
            f'{names[0]} needs statsforecast, which is not installed: pip install "forecaster[compare]", or compare '
            "without peers."
        )
    return names


def peer_forecast(name: str, panel: Panel, *, h: int, levels: tuple[float, ...], season: int) -> Forecast:
    """Return the forecast of one of `PEERS` for every series of `panel`.

    Each series has a model of its own. The peers take no gaps: missing values are put on the line between their
    neighbours, those after the last value on that value. Where a peer gives up, as on very short series, or its
    forecast is not finite, the series gets the naive forecast. AutoETS looks for no season of more than 24 steps.
    """
    models = importlib.import_module("statsforecast.models")
    forecast = replace(baseline_forecast("Naive", panel, h=h, levels=levels, season=season), alias=name)
    for i in range(len(panel)):
        said = _asked(getattr(models, name)(season_length=season), _without_gaps(panel.series(i)), h, levels)
        if said is not None:
            forecast.point[i], forecast.lower[i], forecast.upper[i] = said
    return forecast


def _asked(model: Any, values: Floats, h: int, levels: tuple[float, ...]) -> tuple[Floats, Floats, Floats] | None:
    """Return the points and the lower and upper ends of a peer, None where it has none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its arithmetic: what comes out is looked at below
            said = model.forecast(y=values, h=h, level=list(levels) or None)
    except Exception:  # noqa: BLE001 - it raises plain Exception too
        return None
    parts = [[said["mean"]], *([said[f"{side}-{level}"] for level in levels] for side in ("lo", "hi"))]
    point, lower, upper = (np.array(part, np.float64).reshape(-1, h) for part in parts)
    if not all(np.isfinite(part).all() for part in (point, lower, upper)):
        return None
    return point[0], lower, upper


def _without_gaps(values: Floats) -> Floats:
    known = np.flatnonzero(~np.isnan(values))
    return np.interp(np.arange(len(values)), known, values[known])
