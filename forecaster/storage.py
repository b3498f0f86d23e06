"""A model on disk: a folder of weights, description and checksums.

::

    model/
      weights.safetensors   raw numbers with names and shapes; nothing in it can run
      model.json            what the model is
      SHA256SUMS            of the two, in the form that ``sha256sum --check`` reads

The folder is written beside its place and renamed, so that a crash leaves the old model or the new one, never half of
one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ModelFormatError, OutputError

FORMAT_VERSION = 1
WEIGHTS, DESCRIPTION, SUMS = "weights.safetensors", "model.json", "SHA256SUMS"

_MOST_BYTES = {DESCRIPTION: 16 * 2**20, SUMS: 4096, WEIGHTS: 2 * 2**30}


def check_model_target(folder: str | os.PathLike[str]) -> Path:
    """Return `folder` if a model can be written there.

    Raises
    ------
    OutputError
        Something else is there, or the folder above it cannot be written.
    """
    path = Path(folder)
    if path.exists() and not _is_replaceable(path):
        raise OutputError(f"{path} exists and is not a model folder, or holds other files too; choose another name.")
    above = path.absolute().parent
    while not above.exists():
        above = above.parent
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: no permission in {above}. Choose another folder.")
    return path


def _is_replaceable(path: Path) -> bool:
    """Whether `path` is an empty folder, or a model with nothing beside it that would be lost."""
    if not path.is_dir():
        return False
    names = {entry.name for entry in path.iterdir()}
    return not names or (DESCRIPTION in names and names <= set(_MOST_BYTES))


def save_model(
    folder: str | os.PathLike[str], description: Mapping[str, Any], weights: Mapping[str, NDArray[np.float32]]
) -> None:
    """Write a model folder, replacing one that is there.

    Raises
    ------
    OutputError
        Something else is there, or it cannot be written.
    """
    from safetensors.numpy import save  # kept out of the import of the library

    path = check_model_target(folder).resolve()  # a link stays a link
    text = json.dumps({**description, "format_version": FORMAT_VERSION}, indent=2, allow_nan=False)
    contents = {
        DESCRIPTION: (text + "\n").encode(),
        WEIGHTS: save({name: np.ascontiguousarray(array) for name, array in weights.items()}),
    }
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in contents.items())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _publish(path, {**contents, SUMS: sums.encode()})
    except OSError as error:
        raise OutputError(f"the model cannot be written to {path}: {error.strerror or error}.") from error


def _publish(path: Path, contents: Mapping[str, bytes]) -> None:
    beside = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}-"))
    replaced = beside.with_name(beside.name + "-replaced")
    try:
        for name, content in contents.items():
            with (beside / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        beside.chmod(0o755)  # mkdtemp's folders are for the owner alone, models are for whoever may read beside them
        if path.exists():
            path.rename(replaced)
        beside.rename(path)
    except BaseException:
        if replaced.exists() and not path.exists():
            replaced.rename(path)
        shutil.rmtree(beside, ignore_errors=True)
        raise
    shutil.rmtree(replaced, ignore_errors=True)


def load_model(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, NDArray[np.float32]]]:
    """Return description and weights of a model folder, checked against its sums; nothing from a file is run.

    Raises
    ------
    ModelFormatError
        It is missing, incomplete, changed since it was written, or of a newer format.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    description = _described(Path(folder))
    content = _checked(Path(folder), WEIGHTS)
    try:
        return description, load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelFormatError(f"{Path(folder) / WEIGHTS} is not a safetensors file: {error}.") from error


def describe_model(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the description of a model folder without loading its weights.

    Raises
    ------
    ModelFormatError
        As for `load_model`.
    """
    return _described(Path(folder))


def _described(path: Path) -> dict[str, Any]:
    if not path.is_dir():
        raise ModelFormatError(
            f"there is no model folder at {path}. Train one with: forecaster train CSV --h N --model DIR"
        )
    if not (path / DESCRIPTION).is_file():
        raise ModelFormatError(f"{path} is not a model folder: it has no {DESCRIPTION}.")
    content = _read(path / DESCRIPTION)
    try:
        description = json.loads(content)
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"{path / DESCRIPTION} is not the description of a model: {error}.") from error
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelFormatError(f"{path / DESCRIPTION}: format_version must be a whole number from 1, got {version!r}.")
    if version > FORMAT_VERSION:  # before the sums: a newer format may keep other files
        raise ModelFormatError(
            f"{path} has model format {version}, this version reads up to {FORMAT_VERSION}. Upgrade the package."
        )
    _compare(path, DESCRIPTION, content)
    if not isinstance(description, dict):
        raise ModelFormatError(f"{path / DESCRIPTION} is not the description of a model.")
    return description


def _checked(path: Path, name: str) -> bytes:
    content = _read(path / name)
    _compare(path, name, content)
    return content


def _compare(path: Path, name: str, content: bytes) -> None:
    lines = _read(path / SUMS).decode("ascii", "replace").splitlines()
    sums = {line[66:]: line[:64] for line in lines if line[64:66] == "  "}
    if name not in sums:
        raise ModelFormatError(
            f"{path / SUMS} has no line for {name}; the model folder is incomplete. Train or copy it anew."
        )
    if hashlib.sha256(content).hexdigest() != sums[name]:
        raise ModelFormatError(
            f"{path / name} was changed or damaged after it was written. Train or copy the model anew."
        )


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES[path.name]:
            raise ModelFormatError(f"{path} is larger than any model of this kind can be.")
        return path.read_bytes()
    except OSError as error:
        raise ModelFormatError(
            f"{path} cannot be read: {error.strerror or error}. Train or copy the model anew."
        ) from error
