"""What the service needs of a model, and the forecast by which it proves that it can make one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from forecaster import Explanation, Forecast, Frequency, Panel

__all__ = ["Model", "NoForecastError", "ServedModel", "digests", "now", "prove", "version_of"]

PROOF_VALUES = 512


class NoForecastError(Exception):
    """A model that was loaded makes no forecast, or one that is not finite."""


class Model(Protocol):
    """What the service needs of a fitted `forecaster.Forecaster`."""

    @property
    def info(self) -> dict[str, Any]:
        """What model.json holds."""

    def forecast(
        self, panel: Panel | None = None, *, h: int | None = None, level: tuple[float, ...] = (80, 95)
    ) -> Forecast:
        """Forecast a panel."""

    def explain(self, df: Panel, *, network: int | None = None, layer: int | None = None) -> Explanation:
        """Tell what the gates did in the pass that the forecast of a panel is made of."""


def now() -> str:
    """Return the time, as answers have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A version of a model that has made a forecast since the service started.

    A request holds the one it began with: what is published meanwhile does not reach its answer.
    """

    name: str
    model: Model
    info: dict[str, Any]
    sha256: dict[str, str]
    version: str
    loaded: str = field(default_factory=now)

    @property
    def fields(self) -> dict[str, Any]:
        """What the log line of a request says of it."""
        return {"model": self.name, "version": self.version}


def prove(model: Model) -> None:
    """Make a forecast, so that no request is the first to find out that something is missing.

    Raises
    ------
    NoForecastError
        It makes none.
    """
    frequency = Frequency.parse(model.info["frequency"])
    steps = np.arange(PROOF_VALUES)
    values = 20 + 10 * np.sin(2 * np.pi * steps / 7)
    ids = ["proof"] * PROOF_VALUES
    panel = Panel.from_columns(ids, frequency.from_ordinals(steps), values, freq=frequency)
    try:
        forecast = model.forecast(panel)
    except Exception as error:
        raise NoForecastError(f"its forecast of a sine failed: {type(error).__name__}: {error}") from error
    if forecast.skipped or not np.isfinite(forecast.point).all():
        raise NoForecastError("its forecast of a sine is not finite, or missing")


def digests(folder: Path) -> dict[str, str]:
    """Return the files of a model and their digests, as its folder has them."""
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name.lstrip("*"): digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}


def version_of(sha256: dict[str, str]) -> str:
    """Return an id for files with these digests, where they have no version of their own."""
    text = "".join(f"{digest}  {name}\n" for name, digest in sha256.items())
    return hashlib.sha256(text.encode()).hexdigest()[:12]
