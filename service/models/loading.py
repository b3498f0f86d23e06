"""From a model folder to what answers requests, by the kind of model that is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from forecaster import Forecaster, SymbolForecaster, describe_model, kind_of
from service.baton import Together

__all__ = ["NotServedError", "load_folder"]


class NotServedError(Exception):
    """A model is of a kind for which there is no route."""


def load_folder(folder: Path, *, threads: int) -> Any:
    """Return what answers with the model in `folder`: a `Model` or a `SymbolModel`.

    Raises
    ------
    NotServedError
        It is of a kind for which there is no route.
    forecaster.ModelFormatError
        It is damaged, or of a newer format.
    """
    kind = kind_of(describe_model(folder))
    if kind == "forecaster":
        return Together(Forecaster.load(folder, threads=threads))
    if kind == "symbols":
        return SymbolForecaster.load(folder, threads=threads)
    raise NotServedError(f"a {kind} answers in the library only; there is no route for it")
