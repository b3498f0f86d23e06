"""The first view: what it weighs, where it comes from, and that it is the one of this version."""

from __future__ import annotations

import re
import shutil
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.service.processes import ROOT, Running, running

from .chromium import Visit
from .conftest import USUAL

MOST_BYTES = 120_000
FOR_EVER = "public, max-age=31536000, immutable"


def weighed(service: Running, path: str) -> tuple[int, str]:
    """Return the bytes of a body as browsers get it, and how long they may keep it."""
    connection = HTTPConnection("127.0.0.1", service.port, timeout=20)
    connection.request("GET", path, headers={"Accept-Encoding": "gzip, deflate, br, zstd"})
    answer = connection.getresponse()
    size = len(answer.read())
    connection.close()
    assert answer.status == 200, path
    return size, answer.headers.get("Cache-Control", "")


def test_the_first_view_is_light(visit: Visit, service: Running) -> None:
    """Everything that a browser asks for until the page stands still, by the bytes of the answers."""
    visit("/").wait_for_load_state("networkidle")
    paths = [line.removeprefix("GET ") for line in visit.requests]
    assert "/" in paths
    sizes = {path: weighed(service, path)[0] for path in paths}
    assert sum(sizes.values()) <= MOST_BYTES, sizes


def test_files_are_asked_for_once_and_kept_for_ever(visit: Visit, service: Running) -> None:
    page = visit("/")
    page.wait_for_load_state("networkidle")
    files = [line.removeprefix("GET ") for line in visit.requests if "/static/" in line]
    assert len(files) == len(set(files)) > 5
    assert {weighed(service, path)[1] for path in files} == {FOR_EVER}
    (version,) = {path.split("/")[2] for path in files}
    assert page.locator("body").get_attribute("data-version") == version


@pytest.mark.parametrize("section", ["forecast", "models", "jobs", "gates"])
def test_a_section_has_an_address(visit: Visit, section: str) -> None:
    page = visit(f"/#{section}")
    expect(page.locator(f"#{section}-title")).to_be_visible()
    expect(page.locator(".view:visible")).to_have_count(1)
    heading = page.locator(f"#{section}-title").inner_text()
    expect(page).to_have_title(f"{heading}: Forecaster")
    expect(page.locator("nav [aria-current=page]")).to_have_text(heading)


def test_back_and_forward_go_through_the_sections(visit: Visit) -> None:
    page = visit("/")
    for name in ("Models", "Inside the gates", "Jobs"):
        page.get_by_role("navigation").get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Inside the gates")
    page.go_back()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Forecast")
    page.go_forward()
    expect(page.get_by_role("heading", level=1)).to_have_text("Models")


def test_an_address_of_nothing_is_the_first_section(visit: Visit) -> None:
    page = visit("/#<img src=x onerror=alert(1)>")
    expect(page.get_by_role("heading", level=1)).to_have_text("Forecast")


def upgraded(folder: Path) -> Path:
    """Return a folder with the service as the next release may have it: one file is another."""
    shutil.copytree(ROOT / "service", folder / "service", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", folder / "data")
    style = folder / "service" / "static" / "page.css"
    style.write_text(style.read_text(encoding="utf-8") + "\nh1 { letter-spacing: 3px; }\n", encoding="utf-8")
    return folder


def test_a_page_that_is_loaded_again_after_an_upgrade_is_of_the_new_version(
    visit: Visit, models: Path, tmp_path: Path
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with running(tmp_path / "old", models=models, **USUAL) as old:
        page = visit("/", old)
        before = page.locator("body").get_attribute("data-version")
        assert old.terminate() == 0
    path = f"{upgraded(tmp_path / 'code')}:{ROOT}"
    with running(
        tmp_path / "new", models=models, environment={"PYTHONPATH": path}, **(USUAL | {"PORT": str(old.port)})
    ):
        visit.allow("status of 404")  # sections that were not loaded yet are gone with their version
        page.locator(".top nav a[href='#models']").click()
        expect(page.get_by_role("alert")).to_contain_text("Load the page again.")
        visit.requests.clear()
        page.reload()
        expect(page.locator("#models-list")).to_contain_text("flights")
        page.wait_for_load_state("networkidle")
        after = page.locator("body").get_attribute("data-version")
        assert after != before
        assert page.locator("h1:visible").evaluate("(title) => getComputedStyle(title).letterSpacing") == "3px"
        assert {re.findall(r"/static/(\w+)/", line)[0] for line in visit.requests if "/static/" in line} == {after}


def test_without_scripts_the_page_says_where_else_to_go(visit: Visit) -> None:
    page = visit("/", java_script_enabled=False)
    said = page.locator("noscript p")
    expect(said).to_be_visible()
    expect(said).to_contain_text("This page needs JavaScript.")
    expect(said.locator("a")).to_have_attribute("href", "/docs")
