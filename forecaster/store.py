"""Where models are kept: a folder, or object storage of which copies are kept in one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from forecaster.versions import LocalStore


class ModelStore(Protocol):
    """Models by name, each with versions that never change, and one of them in use.

    Every method may raise StoreError if the store does not answer, ModelFormatError if what it holds of a model cannot
    be read, and InputError for what cannot be a model's name.
    """

    @property
    def fallback(self) -> ModelStore | None:
        """Copies of what was in use before, for when the store does not answer at the start."""

    def names(self) -> list[str]:
        """Return the names of the models, in order."""

    def versions(self, name: str) -> list[str]:
        """Return the ids of a model's versions, newest first; none if there is no such model."""

    def current(self, name: str) -> str | None:
        """Return the version in use, or None if none was chosen.

        Raises
        ------
        ModelFormatError
            The pointer is damaged.
        """

    def folder(self, name: str, version: str) -> Path:
        """Return a local folder that holds this version.

        Raises
        ------
        UnknownVersionError
            There is none.
        ModelFormatError
            It is damaged, too large, of a newer format, or leads elsewhere.
        """

    def add(self, name: str, version: str, folder: Path) -> None:
        """Make a model folder a version; to do so again with the same content does nothing.

        Raises
        ------
        ModelFormatError
            The folder is no model, or damaged.
        OutputError
            This version is there with another content, or cannot be written.
        InputError
            The id is not one that `new_version` gives.
        """

    def set_current(self, name: str, version: str) -> None:
        """Put a version into use; the others stay.

        Raises
        ------
        UnknownVersionError, OutputError
            There is none; it cannot be written.
        """

    def keep(self, in_use: Mapping[str, str | None]) -> None:
        """Remove copies that are neither of these versions nor of those in use before.

        Parameters
        ----------
        in_use
            For each model of the store the version in use; None where none could be loaded.
        """


def open_store(place: str | Path, *, cache: Path) -> ModelStore:
    """Return the store of models at `place`.

    Parameters
    ----------
    place : str or Path
        A folder, or a URL such as ``s3://bucket/models`` (extra ``remote``).
    cache : Path
        Folder for copies of what a URL leads to.

    Raises
    ------
    MissingExtraError
        A package for this kind of URL is not installed.
    ConfigError
        Nothing is known of this kind of URL.
    """
    if isinstance(place, Path) or "://" not in place:
        return LocalStore(Path(place))
    from forecaster.remote import RemoteStore

    return RemoteStore(place, cache)
