"""What forecasts in a report: base weights as they are, a saved model, or one trained for it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Protocol

from forecaster.model import Forecaster
from forecaster.panel import Panel
from forecaster.pretrained import base_folders

__all__ = ["Base", "Saved", "Source", "Trained"]

_WEIGHTS = "weights.safetensors"


class Source(Protocol):
    """Gives forecasters, and says of them what readers should know.

    Attributes
    ----------
    seen
        Whether they may have learned from the values that a backtest holds against them.
    """

    seen: bool

    def ready(self, panel: Panel) -> tuple[Forecaster, Callable[[Panel], Forecaster]]:
        """Return what forecasts the series, and what gives the forecaster of a backtest."""
        ...

    def words(self, forecaster: Forecaster) -> str:
        """Return what it is, in a sentence or two."""
        ...

    def facts(self, forecaster: Forecaster) -> list[tuple[str, str]]:
        """Return what it takes to have it again: name and text."""
        ...


class Base:
    """The base weights of the package.

    Parameters
    ----------
    season, threads
        As `Forecaster.pretrained` takes them.
    """

    seen = False

    def __init__(self, *, season: int | None = None, threads: int | None = None) -> None:
        self.season = season
        self.threads = threads

    def ready(self, panel: Panel) -> tuple[Forecaster, Callable[[Panel], Forecaster]]:
        """Return them, for the frequency of the series."""
        made = Forecaster.pretrained(panel.frequency.alias, season=self.season, threads=self.threads)
        return made, lambda _: made

    def words(self, forecaster: Forecaster) -> str:
        """Return which they are."""
        return (
            f"Forecasts come from the base weights for {forecaster.info['base']} series that are part of Forecaster: "
            "networks of the kind called LSTM, which have learned from many other series. Nothing was trained on this "
            "file, so the backtest asks them for values that they have never seen."
        )

    def facts(self, forecaster: Forecaster) -> list[tuple[str, str]]:
        """Return their digest."""
        kind = str(forecaster.info["base"])
        return [("Model", f"base weights for {kind} series"), *_digest(base_folders()[kind])]


class Saved:
    """A model from a folder.

    Parameters
    ----------
    path
        The folder.
    threads
        As `Forecaster.load` takes it.

    Raises
    ------
    ModelFormatError
        It is no model.
    """

    seen = True

    def __init__(self, path: str | os.PathLike[str], *, threads: int | None = None) -> None:
        self.path = Path(path)
        self.model = Forecaster.load(path, threads=threads)

    def ready(self, panel: Panel) -> tuple[Forecaster, Callable[[Panel], Forecaster]]:  # noqa: ARG002 - as for the others
        """Return it."""
        return self.model, lambda _: self.model

    def words(self, forecaster: Forecaster) -> str:
        """Return what it was trained on."""
        training = forecaster.info["training"]
        return (
            f"Forecasts come from the saved model {self.path.name}, {_kind(forecaster)}, trained on "
            f"{training['series']:,} series from {training['first']} to {training['last']}. If values of the backtest "
            "were among them, it looks better here than it will be on new ones."
        )

    def facts(self, forecaster: Forecaster) -> list[tuple[str, str]]:  # noqa: ARG002 - as for the others
        """Return its digest."""
        return [("Model", str(self.path)), *_digest(self.path)]


class Trained:
    """Models trained for the report: for its backtest on what came before, for its forecasts on all values.

    Parameters
    ----------
    new
        Makes an untrained forecaster.
    init
        As `Forecaster.fit` takes it.
    progress
        Likewise.
    """

    seen = False

    def __init__(
        self,
        new: Callable[[], Forecaster],
        *,
        init: Literal["base", "random"] | None = None,
        progress: Callable[[Any], None] | None = None,
    ) -> None:
        self.new = new
        self.init = init
        self.progress = progress

    def ready(self, panel: Panel) -> tuple[Forecaster, Callable[[Panel], Forecaster]]:
        """Train on all values; that of the backtest is trained when its cutoff is known."""
        return self._fit(panel), self._fit

    def _fit(self, panel: Panel) -> Forecaster:
        return self.new().fit(panel, init=self.init, progress=self.progress)

    def words(self, forecaster: Forecaster) -> str:
        """Return how it was trained."""
        start = "base weights" if forecaster.info["training"]["init"] == "base" else "random weights"
        return (
            f"Forecasts come from {_kind(forecaster)} that was trained on this file, from {start}. For "
            "the backtest another was trained in the same way on what came before the first cutoff alone, so it is "
            "asked for values that it has never seen."
        )

    def facts(self, forecaster: Forecaster) -> list[tuple[str, str]]:
        """Return its seed and its steps."""
        training = forecaster.info["training"]
        steps = ", ".join(f"{count:,}" for count in training["steps"])
        return [("Model", "trained for this report"), ("Seed", str(training["seed"])), ("Steps of training", steps)]


def _kind(forecaster: Forecaster) -> str:
    """Return what networks of a model are called."""
    return f"a network of the kind called {forecaster.info['architecture']['cell'].upper()}"


def _digest(folder: Path) -> list[tuple[str, str]]:
    """Return the digest of a model's weights, which `Forecaster.load` has checked."""
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    found = [line.split()[0] for line in lines if line.endswith(_WEIGHTS)]
    return [("SHA-256 of its weights", digest) for digest in found]
