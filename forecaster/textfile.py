"""Text files, cut into the sequences that are learned from."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path
from typing import Literal, get_args

from forecaster.errors import ConfigError, InputError

Parts = Literal["paragraphs", "lines", "whole"]
PARTS: tuple[Parts, ...] = get_args(Parts)


def read_texts(path: str | os.PathLike[str], parts: Parts = "paragraphs") -> list[str]:
    """Return the texts of a file in UTF-8 (.gz: compressed): its paragraphs, its lines, or the whole of it.

    Raises
    ------
    InputError
        The file cannot be read, or holds no text.
    ConfigError
        `parts` is none of the three.
    """
    if parts not in PARTS:
        raise ConfigError(f"parts must be one of {', '.join(PARTS)}, got {parts!r}.", column="parts")
    text = _read(Path(path))
    pieces = [text] if parts == "whole" else text.split("\n") if parts == "lines" else re.split(r"\n\s*\n", text)
    texts = [piece.strip() for piece in pieces if piece.strip()]
    if not texts:
        raise InputError(f"{path} holds no text. Give a file with text to learn from.")
    return texts


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
        plain = gzip.decompress(content) if path.suffix == ".gz" else content
        text = plain.decode("utf-8-sig")
        if "\0" in text:
            line = text.count("\n", 0, text.index("\0")) + 1
            raise InputError(f"{path}, line {line}: expected text, got a zero byte. Is it a text file?")
        return text.replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = plain.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}, line {line}: expected text in UTF-8, got other bytes. Save it as UTF-8.") from None
    except (OSError, EOFError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {reason}. Give the name of a text file.") from None
