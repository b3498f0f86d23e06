"""Where the settings say that models are."""

from __future__ import annotations

from forecaster import ModelStore, open_store
from service.settings import Settings

__all__ = ["store_of"]


def store_of(settings: Settings) -> ModelStore:
    """Return the store that MODEL_STORE names, or else the folder of FORECASTER_MODELS."""
    return open_store(settings.model_store or settings.models, cache=settings.state_folder / "models-cache")
