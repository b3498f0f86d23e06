"""The base weights of the package as a model: for series of any frequency, with any season."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from forecaster import base_folders
from service.models.served import Model, Served, ServedModel, digests, now, prove, version_of

__all__ = ["BASE", "BaseWeights"]

BASE = "base"
"""Its name, unless a folder of models has one of that name."""

_KEPT = 32
"""Pairs of a frequency and a season whose networks are kept; to make those of another takes two milliseconds."""


class BaseWeights:
    """A model for each frequency and season that is asked for; opened, all kinds of series have proven a forecast.

    Parameters
    ----------
    load
        Reads a model folder.
    make
        Gives the base weights for a frequency and a season; without one for that of the frequency.
    """

    name = BASE

    def __init__(self, *, load: Callable[[Path], Model], make: Callable[..., Model]) -> None:
        self.info: dict[str, Any] = {}
        self.sha256: dict[str, str] = {}
        self.version = self.loaded = ""
        self._load = load
        self._made = lru_cache(_KEPT)(make)

    def open(self) -> BaseWeights:
        """Load those of every kind of series and let them make a forecast."""
        kinds = {}
        for kind, folder in base_folders().items():
            model = self._load(folder)
            prove(model)
            kinds[kind] = {name: model.info[name] for name in ("horizon", "season")}
            self.sha256 |= {f"{kind}/{name}": digest for name, digest in digests(folder).items()}
        self.info = {"kinds": kinds}
        self.version, self.loaded = version_of(self.sha256), now()
        return self

    def served(self, alias: str, season: int | None) -> ServedModel:
        """Return them for series of this frequency and season."""
        model = self._made(alias, season=season)
        return Served(BASE, model, model.info, self.sha256, self.version, self.loaded)
