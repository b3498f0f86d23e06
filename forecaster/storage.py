"""A model on disk: a folder of weights, description and checksums.

::

    model/
      weights.safetensors   raw numbers with names (``0.head.bias``: of the first network) and shapes; nothing can run
      model.json            what the model is
      SHA256SUMS            of the two, in the form that ``sha256sum --check`` reads

The folder is written beside its place and the two change places in one step, so that a crash leaves the old model or
the new one, never half of one and never none. What a crash leaves beside it, the next save removes. A file system that
cannot exchange names (NFS) takes two steps; after a crash between them loading fails and says where the old model is.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from forecaster.errors import ForecasterError, ModelFormatError, NewerFormatError, OutputError
from forecaster.gate import shown
from forecaster.outputs import replaced_beside, write_folder
from forecaster.scaling import RULE
from forecaster.shape import CELLS

FORMAT_VERSION = 1
WEIGHTS, DESCRIPTION, SUMS = "weights.safetensors", "model.json", "SHA256SUMS"
CURRENT = "current"
"""A file beside versions of a model, which names the one in use (`versions`)."""

MOST_BYTES = {DESCRIPTION: 16 * 2**20, SUMS: 4096, WEIGHTS: 2 * 2**30}
_HEADER_BYTES = 2**20


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**63


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (type(value) is float and math.isfinite(value))


_CELL = "one of " + ", ".join(CELLS)
_KINDS: dict[str, Callable[[Any], bool]] = {
    "a whole number": _is_whole,
    "text": lambda value: isinstance(value, str),
    "an object": lambda value: isinstance(value, dict),
    "a list of objects": lambda value: (
        isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)
    ),
    "a list": lambda value: isinstance(value, list),
    "a list of numbers": lambda value: isinstance(value, list) and all(map(_is_number, value)),
    "null, or an object of numbers": lambda value: (
        value is None or (isinstance(value, dict) and all(map(_is_number, value.values())))
    ),
    _CELL: lambda value: value in CELLS,
    repr(RULE): lambda value: value == RULE,
}
_FIELDS = {
    "library_version": "text",
    "horizon": "a whole number",
    "frequency": "text",
    "season": "a whole number",
    "quantiles": "a list of numbers",
    "architecture.cell": _CELL,
    "architecture.networks": "a list of objects",
    "scaling.rule": repr(RULE),
    "training.series": "a whole number",
    "training.values": "a whole number",
    "training.first": "text",
    "training.last": "text",
    "accuracy": "null, or an object of numbers",
    "calibration": "an object",
}
"""What has to stand in a description, so that whoever reads one can rely on it."""
_SEQUENCE_FIELDS = {
    "library_version": "text",
    "architecture.cell": _CELL,
    "architecture.networks": "a list of objects",
    "training.sequences": "a whole number",
    "training.values": "a whole number",
    "accuracy": "null, or an object of numbers",
}


class _Kind(NamedTuple):
    """What a description of this kind of model must have, how one is made, and what it is good for."""

    fields: dict[str, str]
    made: str
    use: str


FORECASTER = "forecaster"
"""The kind of a model whose description names none."""
_KINDS_OF_MODEL = {
    FORECASTER: _Kind(
        _FIELDS,
        "Train one with: forecaster train CSV --h N --model DIR",
        "forecasts series: forecaster predict, Forecaster.load",
    ),
    "classifier": _Kind(
        _SEQUENCE_FIELDS | {"classes": "a list", "inputs": "an object"},
        "Train one with: SequenceClassifier().fit(sequences, labels).save(DIR)",
        "labels sequences: SequenceClassifier.load",
    ),
    "symbols": _Kind(
        _SEQUENCE_FIELDS | {"vocabulary.units": "text", "vocabulary.symbols": "a list"},
        "Train one with: forecaster learn TEXT --model DIR",
        "tells what comes next: forecaster suggest, SymbolForecaster.load",
    ),
}


def check_model_target(folder: str | os.PathLike[str]) -> Path:
    """Return `folder` if a model can be written there.

    Raises
    ------
    OutputError
        Something else is there, or the folder above it cannot be written.
    """
    path = Path(folder)
    if path.exists() and not _is_replaceable(path):
        more = " To add a version to a model, use: forecaster publish." if (path / CURRENT).is_file() else ""
        raise OutputError(
            f"{path} exists and is not a model folder, or holds other files too; choose another name.{more}"
        )
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
    return not names or (DESCRIPTION in names and names <= set(MOST_BYTES))


def save_model(
    folder: str | os.PathLike[str], description: Mapping[str, Any], weights: Mapping[str, NDArray[np.floating[Any]]]
) -> None:
    """Write a model folder, replacing one that is there; weights may be in single or in half precision.

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
        write_folder(path, {**contents, SUMS: sums.encode()})
    except OSError as error:
        raise OutputError(f"the model cannot be written to {path}: {error.strerror or error}.") from error


@contextmanager
def described_by(folder: str | os.PathLike[str], what: str = "a model") -> Iterator[None]:
    """Tell what is wrong as a fault of the folder while a model is made of what `load_model` read there.

    Raises
    ------
    ModelFormatError
        Something is missing, or does not fit.
    """
    try:
        yield
    except (ForecasterError, KeyError, TypeError, ValueError, MemoryError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise ModelFormatError(f"{folder} does not describe {what}: {reason}") from error


def load_model(
    folder: str | os.PathLike[str], *, kind: str | None = None
) -> tuple[dict[str, Any], dict[str, NDArray[np.floating[Any]]]]:
    """Return description and weights of a model folder, checked against its sums; nothing from a file is run.

    Raises
    ------
    ModelFormatError
        It is missing, incomplete, changed since it was written, of a newer format, or not of the `kind` asked for.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    description = _described(Path(folder), kind or FORECASTER)
    found = kind_of(description)
    if kind not in (None, found):
        use = _KINDS_OF_MODEL[found].use
        raise ModelFormatError(f"{folder} is a model of the kind {found}, expected one of the kind {kind}. It {use}.")
    content = _checked(Path(folder), WEIGHTS, most_weights(description))
    try:
        return description, load(content)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ModelFormatError(f"{Path(folder) / WEIGHTS} is not a safetensors file: {error}.") from error


def kind_of(description: Mapping[str, Any]) -> str:
    """Return the kind of a model, going by its description."""
    return str(description.get("kind", FORECASTER))


def describe_model(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the description of a model folder without loading its weights.

    Raises
    ------
    ModelFormatError
        As for `load_model`.
    """
    return _described(Path(folder))


def model_files(folder: str | os.PathLike[str]) -> dict[str, bytes]:
    """Return the files of a model folder by name, checked against its sums.

    Raises
    ------
    ModelFormatError
        As for `load_model`.
    """
    path = Path(folder)
    description = _described(path)
    contents = {DESCRIPTION: _checked(path, DESCRIPTION), WEIGHTS: _checked(path, WEIGHTS, most_weights(description))}
    return contents | {SUMS: _read(path / SUMS)}


def most_weights(description: Mapping[str, Any]) -> int:
    """Return the most bytes that the weights of a model may take, going by its description."""
    count = description["architecture"].get("weights")
    return min(MOST_BYTES[WEIGHTS], 4 * count + _HEADER_BYTES) if _is_whole(count) else MOST_BYTES[WEIGHTS]


def _described(path: Path, kind: str = FORECASTER) -> dict[str, Any]:
    """Return a description; `kind` is what was looked for, to say how one is made."""
    if not path.is_dir():
        earlier = replaced_beside(path, set(MOST_BYTES))
        if earlier:
            raise ModelFormatError(
                f"there is no model folder at {path}: a save was interrupted. Rename {earlier[-1]}, the model that was "
                "there, to it."
            )
        raise ModelFormatError(f"there is no model folder at {path}. {_KINDS_OF_MODEL[kind].made}")
    if not (path / DESCRIPTION).is_file():
        more = " It holds versions of one: name one of these." if (path / CURRENT).is_file() else ""
        raise ModelFormatError(f"{path} is not a model folder: it has no {DESCRIPTION}.{more}")
    content = _read(path / DESCRIPTION)
    try:
        description = json.loads(content)
        version = description["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelFormatError(f"{path / DESCRIPTION} is not the description of a model: {error}.") from error
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise ModelFormatError(f"{path / DESCRIPTION}: format_version must be a whole number from 1, got {version!r}.")
    if version > FORMAT_VERSION:  # before the sums: a newer format may keep other files
        raise NewerFormatError(
            f"{path} has model format {version}, this version reads up to {FORMAT_VERSION}. Upgrade the package."
        )
    _compare(path, DESCRIPTION, content)
    _check_fields(path / DESCRIPTION, description)
    return description  # type: ignore[no-any-return]  # an object, since it has fields


def _check_fields(place: Path, description: Any) -> None:
    kind = kind_of(description)
    if kind not in _KINDS_OF_MODEL:
        known = ", ".join(_KINDS_OF_MODEL)
        raise ModelFormatError(f"{place}: kind must be one of {known}, got {shown(kind)}. Upgrade the package.")
    for field, expected in _KINDS_OF_MODEL[kind].fields.items():
        value = description
        try:
            for key in field.split("."):
                value = value[key]
        except (KeyError, TypeError, IndexError):
            raise ModelFormatError(
                f"{place}: {field} is missing, expected {expected}. Train or copy the model anew."
            ) from None
        if not _KINDS[expected](value):
            raise ModelFormatError(
                f"{place}: {field} must be {expected}, got {shown(value)}. Train or copy the model anew."
            )


def _checked(path: Path, name: str, most: int | None = None) -> bytes:
    content = _read(path / name, most)
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


def _read(path: Path, most: int | None = None) -> bytes:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would keep whoever reads it waiting
            raise ModelFormatError(f"{path} is not a file. Train or copy the model anew.")
        if status.st_size > (most or MOST_BYTES[path.name]):
            raise ModelFormatError(f"{path} is larger than any model of this kind can be.")
        return path.read_bytes()
    except OSError as error:
        raise ModelFormatError(
            f"{path} cannot be read: {error.strerror or error}. Train or copy the model anew."
        ) from error
