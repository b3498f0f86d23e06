"""What others made and the pages load: as published, with licence, and listed."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from .processes import ROOT

STATIC = ROOT / "service" / "static"
PACKAGES: list[dict[str, Any]] = json.loads((STATIC / "vendored.json").read_text(encoding="utf-8"))
FILES = {name: facts for package in PACKAGES for name, facts in package["files"].items()}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_as_it_was_published(name: str) -> None:
    assert hashlib.sha256((STATIC / name).read_bytes()).hexdigest() == FILES[name]["sha256"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package["package"])
def test_the_licence_stands_beside_it_and_the_script_says_its_version(package: dict[str, Any]) -> None:
    texts = {name: (STATIC / name).read_text(encoding="utf-8") for name in package["files"]}
    (licence,) = [text for name, text in texts.items() if name.endswith(".license.txt")]
    assert f"{package['licence']} License" in licence
    assert "Copyright (c)" in licence
    assert "Permission is hereby granted, free of charge" in licence
    (script,) = [text for name, text in texts.items() if Path(name).suffix == ".js"]
    assert f"(v{package['version']})" in script[:100]


def test_no_minified_file_stands_there_unlisted() -> None:
    """A line of a thousand characters is nobody's handwriting."""
    minified = {
        path.name
        for path in STATIC.iterdir()
        if path.suffix in {".js", ".css"} and re.search(r"[^\n]{1000}", path.read_text(encoding="utf-8"))
    }
    assert minified <= set(FILES)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith((".js", ".css"))])
def test_it_asks_for_nothing_and_styles_nothing_by_attribute(name: str) -> None:
    """What the pages' Content-Security-Policy would stop, or what would leave the origin."""
    text = (STATIC / name).read_text(encoding="utf-8")
    refused = r"\beval\(|\bFunction\(|cssText|setAttribute\(\W?style|innerHTML|fetch\(|XMLHttp|WebSocket|@import|url\("
    assert re.findall(refused, text) == []
