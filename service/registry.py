"""The models of a folder: loaded once, shared by all threads, served after they have proven that they forecast."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from forecaster import Forecast, Forecaster, Frequency, Panel
from service.problems import Problem
from service.schemas import FieldError

__all__ = ["Model", "ModelRegistry", "ServedModel"]

logger = logging.getLogger(__name__)

PROOF_VALUES = 512
RETRY_SECONDS = "5"


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


class ModelRegistry:
    """The models in the sub-folders of `folder`.

    Parameters
    ----------
    folder
        Each sub-folder that holds a ``model.json`` is a model named like it.
    default
        The model for requests that name none; empty to take the only one that fits.
    load
        Reads a model folder.
    """

    def __init__(self, folder: Path, *, default: str = "", load: Callable[[Path], Model] = Forecaster.load) -> None:
        self.folder = folder
        self.default = default
        self.models: dict[str, ServedModel] = {}
        self.failed: set[str] = set()
        self._load = load

    def open(self) -> ModelRegistry:
        """Load every model and let it make a forecast; one that cannot is logged and left out."""
        for path in sorted(self.folder.glob("*/model.json")):
            name = path.parent.name
            if name.startswith("."):  # a model that is being written
                continue
            try:
                self.models[name] = self._prepare(path.parent)
            except Exception as error:  # noqa: BLE001 - whatever ails one model, the others are served
                self.failed.add(name)
                fields = {"model": name, "error": type(error).__name__, "reason": str(error)}
                logger.error("model left out", extra={"fields": fields})
        found = {"ready": sorted(self.models), "failed": sorted(self.failed)}
        logger.info("models loaded", extra={"fields": found})
        if self._lacks_default():
            logger.error("FORECASTER_DEFAULT_MODEL names no model", extra={"fields": {"model": self.default} | found})
        return self

    def _prepare(self, folder: Path) -> ServedModel:
        model = self._load(folder)
        _prove(model)
        return ServedModel(folder.name, model, model.info, _digests(folder))

    def require_ready(self) -> None:
        """Raise a 503 unless a model (the default one, if configured) has made a forecast."""
        if not self.models:
            detail = "No model has made a forecast yet: see the service's log. Models are read from FORECASTER_MODELS."
        elif self._lacks_default():
            what = "one that could not be loaded" if self.default in self.failed else "none of them"
            detail = (
                f"The models {self._names(self.models)} are ready, but FORECASTER_DEFAULT_MODEL names {what}. "
                "Set it to one of these, or unset it, and start the service again."
            )
        else:
            return
        raise Problem("not-ready", detail, headers={"Retry-After": RETRY_SECONDS})

    def _lacks_default(self) -> bool:
        return bool(self.default) and self.default not in self.models

    def choose(self, name: str | None, frequency: Frequency) -> ServedModel:
        """Return the model called `name`; without a name the default one, or the only one, of those that fit.

        A model fits series of the frequency it was trained on. Steps without dates go with every model.

        Raises
        ------
        Problem
            There is no such model, it does not fit, or several do.
        """
        self.require_ready()
        if name is not None and name not in self.models:
            raise _no_model("model", f"one of {self._names(self.models)}", got="another name")
        candidates = {name: self.models[name]} if name is not None else self.models
        fitting = {n: model for n, model in candidates.items() if model.info["frequency"] == frequency.alias}
        if not fitting and frequency.is_integer:
            fitting = candidates
        if not fitting:
            raise _no_model("freq", f"the frequency of a model: {self._names(candidates)}", got=frequency.alias)
        if len(fitting) > 1 and self.default not in fitting:
            raise _no_model("model", f"a choice between {self._names(fitting)}", got="nothing")
        return fitting[self.default] if self.default in fitting else next(iter(fitting.values()))

    def _names(self, names: Iterable[str]) -> str:
        return ", ".join(f"{name} ({self.models[name].info['frequency']})" for name in sorted(names))

    def is_default(self, name: str) -> bool:
        """Return whether requests that name no model get this one, if it fits."""
        return name == self.default if self.default else set(self.models) == {name}


def _no_model(field: str, expected: str, *, got: str) -> Problem:
    detail = f"{field}: expected {expected}. GET /v1/models lists the models."
    kind = "unknown-model" if field == "model" else "invalid-request"
    return Problem(kind, detail, errors=[FieldError(field=field, expected=expected, got=got)])


def _prove(model: Model) -> None:
    """Make a forecast, so that no request is the first to find out that something is missing."""
    frequency = Frequency.parse(model.info["frequency"])
    steps = np.arange(PROOF_VALUES)
    values = 20 + 10 * np.sin(2 * np.pi * steps / 7)
    ids = ["proof"] * PROOF_VALUES
    forecast = model.forecast(Panel.from_columns(ids, frequency.from_ordinals(steps), values, freq=frequency))
    if forecast.skipped or not np.isfinite(forecast.point).all():
        raise ValueError("its forecast of a sine is not finite, or missing")


def _digests(folder: Path) -> dict[str, str]:
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    return {name.lstrip("*"): digest for digest, name in (line.split(maxsplit=1) for line in lines if line.strip())}
