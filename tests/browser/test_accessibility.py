"""The page holds to what axe-core knows of WCAG: no serious and no critical fault, in every section and both themes."""

from __future__ import annotations

import json

import pytest

from tests.service.processes import ROOT

from . import axe
from .axe import breaches
from .chromium import Visit
from .conftest import absent
from .states import STATES, in_both_themes, in_every_section


@pytest.fixture
def axe_core() -> None:
    reason = axe.why_not()
    if reason is not None:
        absent(reason)


@pytest.mark.usefixtures("axe_core")
@pytest.mark.parametrize("state", STATES)
def test_no_section_has_a_grave_fault(visit: Visit, state: str) -> None:
    for page, section in in_every_section(visit, state):
        for theme in in_both_themes(page):
            assert breaches(page) == [], f"{section}, {theme}"


@pytest.mark.usefixtures("axe_core")
def test_the_watch_sees_faults(visit: Visit) -> None:
    page = visit("/docs")
    page.evaluate("document.body.append(document.createElement('button'))")
    assert {breach["rule"] for breach in breaches(page)} == {"button-name"}


def test_what_is_installed_is_pinned_and_no_address_is_named() -> None:
    folder = ROOT / "tests" / "browser"
    asked = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    text = (folder / "package-lock.json").read_text(encoding="utf-8")
    locked = {name.removeprefix("node_modules/"): facts for name, facts in json.loads(text)["packages"].items() if name}
    assert asked == {name: facts["version"] for name, facts in locked.items()}
    assert all(facts["integrity"].startswith("sha512-") for facts in locked.values())
    assert "resolved" not in text
    assert "http" not in text
