"""The models of a folder: loaded once, shared by all threads, served after they have proven that they forecast.

Beside them the base weights of the package: they answer whoever asks for them, and everyone where nothing was trained.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from forecaster import Forecaster, Frequency
from service.models.base import BASE, BaseWeights
from service.models.served import Model, ServedModel, digests, prove
from service.problems import Problem
from service.schemas.base import FieldError

__all__ = ["ModelRegistry"]

logger = logging.getLogger(__name__)

RETRY_SECONDS = "5"


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
    pretrained
        Gives the base weights for a frequency and a season.
    """

    def __init__(
        self,
        folder: Path,
        *,
        default: str = "",
        load: Callable[[Path], Model] = Forecaster.load,
        pretrained: Callable[..., Model] = Forecaster.pretrained,
    ) -> None:
        self.folder = folder
        self.default = default
        self.models: dict[str, ServedModel] = {}
        self.base: BaseWeights | None = None
        self.failed: set[str] = set()
        self._load = load
        self._pretrained = pretrained

    def open(self) -> ModelRegistry:
        """Load every model and let it make a forecast; one that cannot is logged and left out."""
        for path in sorted(self.folder.glob("*/model.json")):
            name = path.parent.name
            if name.startswith("."):  # a model that is being written
                continue
            try:
                self.models[name] = self._prepare(path.parent)
            except Exception as error:  # noqa: BLE001 - whatever ails one model, the others are served
                self._leave_out(name, error)
        if BASE not in self.models and BASE not in self.failed:  # else the name is the user's
            try:
                self.base = BaseWeights(load=self._load, make=self._pretrained).open()
            except Exception as error:  # noqa: BLE001 - the same
                self._leave_out(BASE, error)
        found = {"ready": sorted(self._served), "failed": sorted(self.failed)}
        logger.info("no model, base weights answer" if self._untrained else "models loaded", extra={"fields": found})
        if self._lacks_default():
            logger.error("FORECASTER_DEFAULT_MODEL names no model", extra={"fields": {"model": self.default} | found})
        return self

    def _prepare(self, folder: Path) -> ServedModel:
        model = self._load(folder)
        prove(model)
        return ServedModel(folder.name, model, model.info, digests(folder))

    def _leave_out(self, name: str, error: Exception) -> None:
        self.failed.add(name)
        fields = {"model": name, "error": type(error).__name__, "reason": str(error)}
        logger.error("model left out", extra={"fields": fields})

    @property
    def _served(self) -> dict[str, ServedModel | BaseWeights]:
        return {**self.models, **({BASE: self.base} if self.base is not None else {})}

    @property
    def served(self) -> list[ServedModel | BaseWeights]:
        """All that have made a forecast, in the order of their names, the base weights last."""
        return list(self._served.values())

    @property
    def _untrained(self) -> bool:
        """Whether base weights answer all: not where something was trained that cannot be loaded."""
        return self.base is not None and not self.models and not self.failed

    def require_ready(self) -> None:
        """Raise a 503 unless a model (the default one, if configured) has made a forecast."""
        if not self.models and not self._untrained and not (self.base is not None and self.default == BASE):
            detail = "No model has made a forecast yet: see the service's log. Models are read from FORECASTER_MODELS."
        elif self._lacks_default():
            what = "one that could not be loaded" if self.default in self.failed else "none of them"
            detail = (
                f"The models {self._names(self._served)} are ready, but FORECASTER_DEFAULT_MODEL names {what}. "
                "Set it to one of these, or unset it, and start the service again."
            )
        else:
            return
        raise Problem("not-ready", detail, headers={"Retry-After": RETRY_SECONDS})

    def _lacks_default(self) -> bool:
        return bool(self.default) and self.default not in self._served

    def choose(self, name: str | None, frequency: Frequency, season: int | None = None) -> ServedModel:
        """Return the model called `name`; without a name the default one, or the only one, of those that fit.

        A model fits series of the frequency it was trained on. Steps without dates go with every model. The base
        weights fit all series, and take a season.

        Raises
        ------
        Problem
            There is no such model, it does not fit, or several do; it has a season of its own.
        """
        self.require_ready()
        if self.base is not None and (name == BASE or (name is None and self.is_default(BASE))):
            return self.base.served(frequency.alias, season)
        chosen = self._trained(name, frequency)
        if season is not None:
            expected = f"nothing, since the model {chosen.name} was trained with a season of its own{self._or_base}"
            error = FieldError(field="season", expected=expected, got="a season")
            raise Problem("invalid-request", f"season: expected {expected}.", errors=[error])
        return chosen

    def _trained(self, name: str | None, frequency: Frequency) -> ServedModel:
        if name is not None and name not in self.models:
            raise _no_model("model", f"one of {self._names(self._served)}", got="another name")
        candidates = {name: self.models[name]} if name is not None else self.models
        fitting = {n: model for n, model in candidates.items() if model.info["frequency"] == frequency.alias}
        if not fitting and frequency.is_integer:
            fitting = candidates
        if not fitting:
            expected = f"the frequency of a model: {self._names(candidates)}{self._or_base}"
            raise _no_model("freq", expected, got=frequency.alias)
        if len(fitting) > 1 and self.default not in fitting:
            raise _no_model("model", f"a choice between {self._names(fitting)}", got="nothing")
        return fitting[self.default] if self.default in fitting else next(iter(fitting.values()))

    def _names(self, names: Iterable[str]) -> str:
        models = self.models
        frequencies = {name: models[name].info["frequency"] if name in models else "any frequency" for name in names}
        return ", ".join(f"{name} ({frequencies[name]})" for name in sorted(names))

    @property
    def _or_base(self) -> str:
        return "" if self.base is None else f"; or the model {BASE}, the base weights, for any frequency and season"

    def is_default(self, name: str) -> bool:
        """Return whether requests that name no model get this one, if it fits."""
        if self.default:
            return name == self.default
        return set({BASE} if self._untrained else self.models) == {name}


def _no_model(field: str, expected: str, *, got: str) -> Problem:
    detail = f"{field}: expected {expected}. GET /v1/models lists the models."
    kind = "unknown-model" if field == "model" else "invalid-request"
    return Problem(kind, detail, errors=[FieldError(field=field, expected=expected, got=got)])
