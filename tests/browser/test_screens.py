"""Pictures of every section for people to look at, in ``out/screens``: three widths, two themes, empty or not."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.service.processes import ROOT, Running, wait_for

from .chromium import Visit
from .states import FLIGHTS, STATES, in_both_themes, in_every_section

FOLDER = ROOT / "out" / "screens"
WIDTHS = {390: 844, 820: 1180, 1440: 900}
PHONE = 390
BESIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def folder() -> Path:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for old in FOLDER.glob("*.png"):
        old.unlink()
    return FOLDER


@pytest.fixture(scope="module")
def job(service: Running) -> None:
    """A job that has ended, for the list."""
    answer = service.ask("POST", "/v1/jobs?kind=forecast", FLIGHTS.read_bytes(), {"Content-Type": "text/csv"})
    assert answer.status == 202, answer.body
    wait_for(lambda: bool(service.ask("GET", f"/v1/jobs/{answer.json['id']}").json["finished"]))


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("state", STATES)
def test_a_picture_of_every_section_and_nothing_lies_beside_it(
    visit: Visit, folder: Path, request: pytest.FixtureRequest, state: str, width: int
) -> None:
    view = {"viewport": {"width": width, "height": WIDTHS[width]}}
    finger = {"has_touch": True, "is_mobile": True} if width == PHONE else {}
    if state == "loaded":
        request.getfixturevalue("job")
    for page, section in in_every_section(visit, state, **view, **finger):
        if (section, state) == ("models", "loaded"):
            page.get_by_role("button", name="Compare", exact=True).click()
            expect(page.locator("#compare-result table").first).to_be_attached()
        page.evaluate("scrollTo(0, 0)")
        for theme in in_both_themes(page):
            path = folder / f"{section}-{state}-{width}-{theme}.png"
            page.screenshot(path=path, full_page=True)
            assert path.read_bytes()[:4] == b"\x89PNG"
        assert page.evaluate(BESIDE) == 0, f"{section} is wider than {width} pixels"
