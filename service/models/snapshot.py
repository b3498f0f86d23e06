"""What is served at one moment, and which of it answers a request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from forecaster import Frequency, kind_of
from service.models.base import BASE, BaseWeights
from service.models.failures import Failure
from service.models.served import Served, ServedModel, ServedSymbols
from service.problems import Problem
from service.schemas.base import FieldError

__all__ = ["Snapshot", "not_a_forecaster"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Models that are served; never changed, only replaced by another.

    Attributes
    ----------
    models
        By name, the versions that answer.
    base
        The base weights, unless the store has a model of their name.
    failures
        By name, what should be served and is not; an earlier version may answer meanwhile.
    unpublished
        Names of models with versions of which none is in use.
    """

    models: Mapping[str, Served[Any]] = field(default_factory=dict)
    base: BaseWeights | None = None
    failures: Mapping[str, Failure] = field(default_factory=dict)
    unpublished: tuple[str, ...] = ()

    @property
    def served(self) -> dict[str, Served[Any] | BaseWeights]:
        """All that have made a forecast, in the order of their names, the base weights last."""
        return {**self.models, **({BASE: self.base} if self.base is not None else {})}

    def choose(self, name: str, frequency: Frequency, season: int | None, *, default: bool) -> ServedModel:
        """Return the model of this name, for series of this frequency; `default` if nobody has named it.

        A model fits series of the frequency it was trained on. Steps without dates go with every model. The base
        weights fit all series, and take a season.

        Raises
        ------
        Problem
            There is no such model, or it does not fit; it has a season of its own.
        """
        if name == BASE and self.base is not None:
            return self.base.served(frequency.alias, season)
        if name not in self.models:
            raise _refused("model", f"one of {self._names(self.served)}", got=self._got(name))
        chosen = self.models[name]
        if kind_of(chosen.info) != "forecaster":
            raise not_a_forecaster(name, kind_of(chosen.info))
        trained = chosen.info["frequency"]
        if trained != frequency.alias and not frequency.is_integer:
            which = f"the default model, {name}" if default else f"the model {name}"
            expected = f"{trained}, the frequency of {which}{self._or_base}"
            raise _refused("freq", expected, got=frequency.alias)
        if season is not None:
            expected = f"nothing, since the model {name} was trained with a season of its own{self._or_base}"
            raise _refused("season", expected, got="a season")
        return chosen  # of this kind, as was checked

    def symbols(self, name: str | None, *, default: str) -> ServedSymbols:
        """Return the model of symbols of this name; without a name the `default` if it is one, else the only one.

        Raises
        ------
        Problem
            There is no such model, or it is of another kind; there is not just one.
        """
        able = {key: model for key, model in self.models.items() if kind_of(model.info) == "symbols"}
        if name is None:
            name = default if default in able else next(iter(able)) if len(able) == 1 else None
        if name in able:
            return able[name]
        expected = f"one of symbols: {', '.join(sorted(able)) or 'none is ready'}"
        got = "none" if name is None else "a model of another kind" if name in self.served else self._got(name)
        raise _refused("model", expected, got=got)

    def _got(self, name: str) -> str:
        """Return what a name is that no model has which answers."""
        failure = self.failures.get(name)
        if failure is None:
            return "a model of which no version is in use" if name in self.unpublished else "another name"
        if failure.fault == "not-served":
            return "a model of a kind that answers in the library only"
        return f"a model that cannot be served ({failure.fault})"

    def _names(self, names: Iterable[str]) -> str:
        infos = {name: self.models[name].info if name in self.models else {"frequency": "any"} for name in names}
        frequencies = {name: info["frequency"] for name, info in infos.items() if kind_of(info) == "forecaster"}
        return ", ".join(f"{name} ({frequencies[name]})" for name in sorted(frequencies)) or "none, since none is ready"

    @property
    def _or_base(self) -> str:
        return "" if self.base is None else f"; or the model {BASE}, the base weights, for any frequency and season"


def not_a_forecaster(name: str, kind: str) -> Problem:
    """Return the problem of a request for forecasts of a model that makes none."""
    asked = "POST /v1/next asks it" if kind == "symbols" else "it answers in the library only"
    got = f"{name}, a model of the kind {kind}: {asked}"
    return _refused("model", "a model that forecasts series", got=got)


def _refused(field: str, expected: str, *, got: str) -> Problem:
    detail = f"{field}: expected {expected}, got {got}. GET /v1/models lists the models."
    kind = "unknown-model" if field == "model" else "invalid-request"
    return Problem(kind, detail, errors=[FieldError(field=field, expected=expected, got=got)])
