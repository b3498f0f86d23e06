"""Files of the pages: read once, served from memory, by name alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

__all__ = ["Asset", "Assets"]

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css; charset=utf-8"}


class Asset(NamedTuple):
    """A file."""

    content: bytes
    media_type: str


class Assets:
    """The files in service/static, none other: what is asked for is a name in a table and no path."""

    def __init__(self, folder: Path = _FOLDER) -> None:
        self.files = {
            path.name: Asset(path.read_bytes(), _MEDIA_TYPES[path.suffix])
            for path in folder.iterdir()
            if path.suffix in _MEDIA_TYPES
        }

    def url_of(self, name: str) -> str:
        """Return the path of a file; it changes with what is in it, so that browsers never keep the old one."""
        return f"/static/{name}?v={hashlib.sha256(self.files[name].content).hexdigest()[:8]}"
