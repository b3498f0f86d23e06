"""What the service needs of a model, and the forecast by which it proves that it can make one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from forecaster import Forecast, Frequency, Panel

__all__ = ["Model", "ServedModel", "digests", "prove"]

PROOF_VALUES = 512


class Model(Protocol):
    """What the service needs of a fitted `forecaster.Forecaster`."""

    @property
    def info(self) -> dict[str, Any]:
        """What model.json holds."""

    def forecast(
        self, panel: Panel | None = None, *, h: int | None = None, level: tuple[float, ...] = (80, 95)
    ) -> Forecast:
        """Forecast a panel."""


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that has made a forecast since the service started."""

    name: str
    model: Model
    info: dict[str, Any]
    sha256: dict[str, str]


def prove(model: Model) -> None:
    """Make a forecast, so that no request is the first to find out that something is missing."""
    frequency = Frequency.parse(model.info["frequency"])
    steps = np.arange(PROOF_VALUES)
    values = 20 + 10 * np.sin(2 * np.pi * steps / 7)
    ids = ["proof"] * PROOF_VALUES
    forecast = model.forecast(Panel.from_columns(ids, frequency.from_ordinals(steps), values, freq=frequency))
    if forecast.skipped or not np.isfinite(forecast.point).all():
        raise ValueError("its forecast of a sine is not finite, or missing")


def digests(folder: Path) -> dict[str, str]:
    """Return the files of a model and their digests, as its folder has them."""
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name.lstrip("*"): digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}
