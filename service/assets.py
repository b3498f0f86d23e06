"""Files of the pages: read and compressed once, served from memory, by name alone."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

__all__ = ["SAMPLES", "Asset", "Assets", "packed_too"]

_HERE = Path(__file__).parent
_IN_WHEEL = _HERE / "samples"
SAMPLES = _IN_WHEEL if _IN_WHEEL.is_dir() else _HERE.parent / "data"
"""Series to try the page with: the project's data, which the wheel has beside this module."""

_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


class Asset(NamedTuple):
    """A file, as it is and compressed."""

    content: bytes
    packed: bytes
    media_type: str


class Assets:
    """The files of some folders, none other: what is asked for is a name in a table and no path.

    Parameters
    ----------
    folders
        Where they lie, all of them flat.

    Attributes
    ----------
    files
        By name.
    version
        A digest of all files. It is part of their paths, so that browsers may keep them for ever, and modules that
        import each other by relative paths are always of one version.
    """

    def __init__(self, folders: Sequence[Path] = (_HERE / "static", SAMPLES)) -> None:
        paths = [path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in _MEDIA_TYPES]
        self.files = {path.name: packed_too(path.read_bytes(), _MEDIA_TYPES[path.suffix]) for path in paths}
        digest = hashlib.sha256()
        for name, asset in self.files.items():
            digest.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(asset.content).digest())
        self.version = digest.hexdigest()[:12]

    def url_of(self, name: str) -> str:
        """Return the path of a file."""
        if name not in self.files:
            raise LookupError(f"There is no file {name} in service/static.")
        return f"/static/{self.version}/{name}"


def packed_too(content: bytes, media_type: str) -> Asset:
    """Return content to be served often, compressed once."""
    return Asset(content, gzip.compress(content, mtime=0), media_type)
