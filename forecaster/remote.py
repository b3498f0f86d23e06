"""Models on object storage, through fsspec (extra ``remote``): the layout of `versions` below a URL.

S3, Google Cloud Storage and Azure go through obstore, which takes keys, region and endpoint from the environment
(``AWS_ACCESS_KEY_ID``, ``AWS_ENDPOINT_URL`` and so on). A version is pulled to a local folder, checked, and moved to
its place among the copies; one that is there and whole is not pulled again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

from forecaster.errors import (
    ConfigError,
    ForecasterError,
    MissingExtraError,
    ModelFormatError,
    OutputError,
    StoreError,
    UnknownVersionError,
)
from forecaster.outputs import write_folder
from forecaster.storage import (
    CURRENT,
    DESCRIPTION,
    MOST_BYTES,
    SUMS,
    WEIGHTS,
    describe_model,
    model_files,
    most_weights,
)
from forecaster.versions import (
    LONGEST_POINTER,
    LocalStore,
    check_model_name,
    check_new_version,
    is_model_name,
    is_version,
    newest_first,
    plain_version,
    pointed,
    unknown_version,
)

BY_OBSTORE = {"s3", "s3a", "gs", "az", "azure", "abfs", "abfss", "adl"}
SILENCE = 10.0
"""Seconds without a byte after which a request is given up; it is made twice."""

_EMPTY = "416 Range Not Satisfiable"
"""What a server answers that is asked for a part of an empty file."""

_PULLING = ".pulling-"
_LEFT_SECONDS = 3600
"""Age at which a copy that was being made is one that a dead process left."""


class RemoteStore:
    """Models below a URL; `forecaster.store.ModelStore` says what its methods promise.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/models``.
    cache : Path
        Folder for copies; each URL has a folder of its own there.
    """

    def __init__(self, url: str, cache: Path) -> None:
        self._files, self._root = _file_system(url)
        self._shown = re.sub(r"//[^/@]*@", "//", url.rstrip("/"))  # without a password
        self._copies = LocalStore(cache / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:12])

    def __str__(self) -> str:
        """Where it is."""
        return self._shown

    @property
    def fallback(self) -> LocalStore:
        """The copies."""
        return self._copies

    def names(self) -> list[str]:
        """Return the names of the folders; whether there are models in them, only `versions` looks."""
        found = self._listed(self._root)
        return sorted(name for name, size in found.items() if size is None and is_model_name(name))

    def versions(self, name: str) -> list[str]:
        """Return the ids of a model's versions, newest first."""
        place = self._place(name)
        listed = self._listed(place)
        found = [entry for entry, size in listed.items() if size is None and is_version(entry)]
        plain = self._plain(place) if DESCRIPTION in listed else None
        return newest_first([*found, plain] if plain else found)

    def current(self, name: str) -> str | None:
        """Return the version in use, or None."""
        place = f"{self._place(name)}/{CURRENT}"
        content = self._content(place, LONGEST_POINTER)
        return self._plain(self._place(name)) if content is None else pointed(content, self._url(place))

    def folder(self, name: str, version: str) -> Path:
        """Return the copy of a version, pulled if it is not there or damaged."""
        check_model_name(name)
        if not is_version(version):
            raise unknown_version(name, version, self)
        try:
            copy = self._copies.folder(name, version)
            model_files(copy)
        except (UnknownVersionError, ModelFormatError):
            self._pull(name, version)
            copy = self._copies.folder(name, version)
        return copy

    def add(self, name: str, version: str, folder: Path) -> None:
        """Write the files of a version; its sums come last, so that a version with sums is whole."""
        contents, place = model_files(folder), f"{self._place(name)}/{version}"
        check_new_version(version, contents[SUMS])
        there = self._content(f"{place}/{SUMS}", MOST_BYTES[SUMS])
        if there not in {None, contents[SUMS]}:
            raise OutputError(
                f"{self._url(place)} is there with another content, and versions never change. Give a new id."
            )
        if there is None:
            for file in (WEIGHTS, DESCRIPTION, SUMS):
                self._write(f"{place}/{file}", contents[file])

    def set_current(self, name: str, version: str) -> None:
        """Put a version into use; a plain model folder that holds no other needs no pointer, and stays as it is."""
        if not is_version(version) or self._source(name, version) is None:
            raise unknown_version(name, version, self)
        place = self._place(name)
        if CURRENT not in self._listed(place) and self._plain(place) == version:
            return
        self._write(f"{place}/{CURRENT}", f"{version}\n".encode())

    def keep(self, in_use: Mapping[str, str | None]) -> None:
        """Remove copies that are neither in use nor were before; that some cannot be removed does no harm."""
        with suppress(OSError, ForecasterError):
            for name in set(self._copies.names()) - set(in_use):
                shutil.rmtree(self._copies.folder_of_models / name)
            for name, version in in_use.items():
                if version is not None:
                    self._keep(name, version)
            for left in self._copies.folder_of_models.glob(f"{_PULLING}*"):
                if left.stat().st_mtime < time.time() - _LEFT_SECONDS:
                    shutil.rmtree(left)

    def _keep(self, name: str, version: str) -> None:
        before, versions = self._copies.current(name), self._copies.versions(name)
        if version == before or version not in versions:  # served from the copies, or kept by another process
            return
        self._copies.set_current(name, version)
        for other in set(versions) - {version, before}:
            shutil.rmtree(self._copies.folder_of_models / name / other)

    def _place(self, name: str) -> str:
        return f"{self._root}/{check_model_name(name)}"

    def _url(self, path: str) -> str:
        return self._shown + path.removeprefix(self._root)

    def _plain(self, place: str) -> str | None:
        sums = self._content(f"{place}/{SUMS}", MOST_BYTES[SUMS])
        return None if sums is None else plain_version(sums)

    def _source(self, name: str, version: str) -> str | None:
        """Return the folder that holds a version, or None."""
        place = self._place(name)
        if self._content(f"{place}/{version}/{SUMS}", MOST_BYTES[SUMS]) is not None:
            return f"{place}/{version}"
        return place if self._plain(place) == version else None

    def _pull(self, name: str, version: str) -> None:
        source, copies = self._source(name, version), self._copies.folder_of_models
        if source is None:
            raise unknown_version(name, version, self)
        place = copies / name / version
        try:
            copies.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=copies, prefix=_PULLING) as beside:
                self._download(source, Path(beside))
                if place.exists():  # damaged; or pulled meanwhile by another process, which may be reading it
                    write_folder(place, model_files(beside))
                else:
                    self._copies.add(name, version, Path(beside))
        except OSError as error:
            raise StoreError(f"{self._url(source)} cannot be copied to {copies}: {error.strerror or error}.") from error
        except ModelFormatError as error:
            raise type(error)(f"{self._url(source)}: {error}") from error

    def _download(self, source: str, folder: Path) -> None:
        """Write the files of a version to `folder`, the weights when the description is known to be good."""
        sizes = self._listed(source)
        for file in (SUMS, DESCRIPTION, WEIGHTS):
            most = most_weights(describe_model(folder)) if file == WEIGHTS else MOST_BYTES[file]
            size = sizes.get(file)
            if size is None:
                raise ModelFormatError(f"it has no {file}. Publish it anew.")
            if not 0 < size <= most:
                raise ModelFormatError(f"{file} is empty, or larger than any of this kind can be. Publish it anew.")
            content = self._content(f"{source}/{file}", most)
            if content is None:
                raise ModelFormatError(f"it has no {file} any more. Publish it anew.")
            (folder / file).write_bytes(content)

    def _listed(self, path: str) -> dict[str, int | None]:
        """Return what is in a folder: the size of each file; None for a folder."""
        try:
            self._files.invalidate_cache()
            found = self._files.ls(path, detail=True)
        except FileNotFoundError:
            return {}
        except Exception as error:
            raise self._silent(path, error) from error
        names = {entry["name"].rstrip("/").rpartition("/")[2]: entry for entry in found}
        return {name: None if entry["type"] == "directory" else int(entry["size"]) for name, entry in names.items()}

    def _content(self, path: str, most: int) -> bytes | None:
        """Return the content of a file, or None if it is not there."""
        try:
            content: bytes = self._files.cat_file(path, start=0, end=most + 1)
        except FileNotFoundError:
            return None
        except Exception as error:
            if _EMPTY in str(error):
                return b""
            raise self._silent(path, error) from error
        if len(content) > most:
            raise ModelFormatError(f"{self._url(path)} is larger than any of its kind can be.")
        return content

    def _write(self, path: str, content: bytes) -> None:
        try:
            self._files.makedirs(path.rpartition("/")[0], exist_ok=True)  # object storage has no folders to make
            self._files.pipe_file(path, content)
        except Exception as error:
            raise self._silent(path, error) from error

    def _silent(self, path: str, error: Exception) -> StoreError:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:300]
        return StoreError(f"{self._url(path)} does not answer: {reason}.")


def _file_system(url: str) -> tuple[Any, str]:
    """Return what reads and writes at a URL, and the path there."""
    protocol, _, path = url.partition("://")
    if not path.strip("/"):
        raise ConfigError(f"{protocol}:// names no place for models. Give one, such as s3://bucket/models.")
    try:
        if protocol in BY_OBSTORE:
            return _object_storage(protocol), path.strip("/")
        from fsspec.core import url_to_fs

        files, root = url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        raise MissingExtraError(
            f'Models at {protocol}://… need a package that is not installed ({error}): pip install "forecaster[remote]"'
        ) from error
    except ValueError as error:
        known = "Give a folder, or a URL such as s3://bucket/models"
        raise ConfigError(f"Models cannot be kept at {protocol}://…: {error}. {known}.") from error
    return files, str(root).rstrip("/")


def _object_storage(protocol: str) -> Any:
    from obstore.fsspec import FsspecStore

    make: Any = FsspecStore  # its types want a protocol that is known before
    return make(
        protocol,
        client_options={
            # A plain endpoint is what the operator asked for, in a network of their own.
            "allow_http": os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://"),
            "connect_timeout": timedelta(seconds=SILENCE / 2),
            "read_timeout": timedelta(seconds=SILENCE),
            "timeout": timedelta(minutes=10),
        },
        retry_config={"max_retries": 1, "retry_timeout": timedelta(seconds=2 * SILENCE)},
        skip_instance_cache=True,
    )
