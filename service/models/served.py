"""What the service needs of a model, and the forecast by which it proves that it can make one."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from forecaster import Explanation, Forecast, Frequency, Panel, Suggestion, Vocabulary, kind_of

__all__ = [
    "Model",
    "NoForecastError",
    "Served",
    "ServedModel",
    "ServedSymbols",
    "SymbolModel",
    "digests",
    "now",
    "prove",
    "version_of",
]

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


class SymbolModel(Protocol):
    """What the service needs of a fitted `forecaster.SymbolForecaster`."""

    @property
    def info(self) -> dict[str, Any]:
        """What model.json holds."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The symbols it knows."""

    def next(self, context: str | Sequence[str] = "", *, k: int = 5) -> list[Suggestion]:
        """Return the likeliest symbols."""


Kind = TypeVar("Kind", bound=Model | SymbolModel)


def now() -> str:
    """Return the time, as answers have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Served(Generic[Kind]):
    """A version of a model that has made a forecast since the service started.

    A request holds the one it began with: what is published meanwhile does not reach its answer.
    """

    name: str
    model: Kind
    info: dict[str, Any]
    sha256: dict[str, str]
    version: str
    loaded: str = field(default_factory=now)

    @property
    def fields(self) -> dict[str, Any]:
        """What the log line of a request says of it."""
        return {"model": self.name, "version": self.version}


ServedModel = Served[Model]
ServedSymbols = Served[SymbolModel]


def prove(model: Any) -> None:
    """Let a model of any kind answer, so that no request is the first to find out that something is missing.

    Raises
    ------
    NoForecastError
        It does not.
    """
    if kind_of(model.info) == "symbols":
        _prove_symbols(model)
    else:
        _prove_forecast(model)


def _prove_symbols(model: SymbolModel) -> None:
    try:
        suggestions = model.next(model.vocabulary.symbols[:2])
    except Exception as error:
        raise NoForecastError(f"what comes next failed: {type(error).__name__}: {error}") from error
    if not suggestions or not all(math.isfinite(one.probability) for one in suggestions):
        raise NoForecastError("its probabilities are not finite, or missing")


def _prove_forecast(model: Model) -> None:
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
