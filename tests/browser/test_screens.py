"""Pictures of every section for people to look at, in ``out/screens``: three widths, two themes, empty or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.service.processes import ROOT

from .chromium import Visit
from .states import SECTIONS, go_to, prepared

FOLDER = ROOT / "out" / "screens"
WIDTHS = {390: 844, 820: 1180, 1440: 900}
BESIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def folder() -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    return FOLDER


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", ["empty", "loaded"])
def test_a_picture_of_every_section_and_nothing_lies_beside_it(
    visit: Visit, folder: Path, state: str, width: int, theme: str
) -> None:
    viewport = {"width": width, "height": WIDTHS[width]}
    page = prepared(visit, "forecast", state, viewport=viewport, color_scheme=theme)
    for section in SECTIONS:
        go_to(page, section)
        page.wait_for_load_state("networkidle")
        page.evaluate("scrollTo(0, 0)")
        path = folder / f"{section}-{state}-{width}-{theme}.png"
        page.screenshot(path=path, full_page=True)
        assert path.read_bytes()[:4] == b"\x89PNG"
        assert page.evaluate(BESIDE) == 0, f"{section} is wider than {width} pixels"
