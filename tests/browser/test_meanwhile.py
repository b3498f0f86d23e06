"""What happens at the same time, too late, or not at all: slow answers, a service that ends, very many series."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.service.processes import Running, running

from .chromium import Visit
from .conftest import USUAL, Start
from .pages import Held, at_rest, charts, choose
from .states import FLIGHTS, drawn, go_to, take, wait_until_drawn

CSV = {"Content-Type": "text/csv", "Accept": "text/csv"}
SILENT = "The service does not answer"


def days(*names: str, many: int = 40) -> bytes:
    """Return a long table of daily series; what they hold tells them apart."""
    rows = [
        f"{name},{date(2024, 1, 1) + timedelta(day)},{1000 * (k + 1) + day % 7}\n"
        for k, name in enumerate(names)
        for day in range(many)
    ]
    return ("unique_id,ds,y\n" + "".join(rows)).encode()


def shown(page: Page) -> float:
    """Return the last observed value in the chart: it tells which series is seen."""
    (chart,) = charts(page, "#chart-place")
    return float([y for y in chart["data"][chart["labels"].index("Observed")] if y is not None][-1])


def test_the_series_that_was_chosen_last_is_shown_whatever_comes_late(page: Page) -> None:
    take(page, "three.csv", days("a", "b", "c"))
    held = Held(page, "/v1/forecast")
    following = page.get_by_role("button", name="Series: next")
    following.click()
    held.wait()
    before = drawn(page)
    following.click()
    wait_until_drawn(page, before)
    assert 3000 <= shown(page) < 3010
    held.let_go()
    assert 3000 <= shown(page) < 3010
    expect(page.get_by_role("combobox", name="Series")).to_have_value("c")
    expect(page.locator("#says")).to_contain_text("c is expected")


def test_the_horizon_that_was_chosen_last_is_shown(page: Page) -> None:
    take(page, "three.csv", days("a", "b", "c"))
    held = Held(page, "/v1/forecast")
    horizon = page.locator("#option-h")
    horizon.fill("5")
    held.wait()
    before = drawn(page)
    horizon.fill("9")
    wait_until_drawn(page, before)
    held.let_go()
    (chart,) = charts(page, "#chart-place")
    forecast = chart["data"][chart["labels"].index("Forecast")]
    assert len([value for value in forecast if value is not None]) in {9, 10}  # it may begin at the last value
    expect(page.locator("#says")).to_contain_text("over the next 9 days")


def test_the_file_that_was_given_last_is_shown(page: Page) -> None:
    held = Held(page, "/v1/inspect?*")
    choose(page.locator("#source-file"), "slow.csv", days("slow"))
    held.wait()
    take(page, "quick.csv", days("x", "quick"))
    held.let_go()
    expect(page.locator("#source-title")).to_have_text("quick.csv")
    expect(page.get_by_role("combobox", name="Series")).to_have_value("x")


def again(models: Path, folder: Path, old: Running) -> contextlib.AbstractContextManager[Running]:
    """Start a service where another was."""
    folder.mkdir()
    return running(folder, models=models, **(USUAL | {"PORT": str(old.port)}))


def test_a_service_that_ends_is_told_and_the_page_goes_on_when_it_is_back(
    visit: Visit, start: Start, models: Path, tmp_path: Path
) -> None:
    visit.allow("ERR_CONNECTION|ERR_EMPTY_RESPONSE")
    service = start()
    page = visit("/", service)
    take(page, "three.csv", days("a", "b", "c"))
    assert service.terminate() == 0
    page.get_by_role("button", name="Series: next").click()
    expect(page.locator("#outlook-problem")).to_contain_text(SILENT)
    choose(page.locator("#source-file"), "other.csv", days("z"))
    expect(page.locator("#source-problem")).to_contain_text(SILENT)
    for section in ("models", "jobs", "gates"):
        page.locator(f".top nav a[href='#{section}']").click()
        expect(page.locator(f"[data-view={section}]").get_by_role("alert").first).to_be_visible()
    page.locator(".top nav a[href='#forecast']").click()
    with again(models, tmp_path / "again", service):
        take(page, "three.csv", days("a", "b", "c"))
        expect(page.get_by_role("alert").filter(visible=True)).to_have_count(0)
        before = drawn(page)
        page.get_by_role("button", name="Series: next").click()
        wait_until_drawn(page, before)
        for section in ("models", "jobs", "gates"):
            go_to(page, section)
            at_rest(page)
            expect(page.get_by_role("alert").filter(visible=True), section).to_have_count(0)
        go_to(page, "models")
        expect(page.locator("#models-list")).to_contain_text("flights")


def test_one_of_thousands_of_series_is_found_by_typing(page: Page, visit: Visit) -> None:
    visit.allow("status of 422")  # too short for a backtest
    names = [f"shop {k:04d}" for k in range(3000)]
    take(page, "many.csv", days(*names, many=15))
    picker = page.get_by_role("combobox", name="Series")
    picker.click()
    expect(page.get_by_role("listbox", name="Series")).to_be_visible()
    assert page.locator("#outlook [role=option]").count() < 50  # only what is seen is there
    expect(page.locator("#outlook [role=option]").first).to_have_attribute("aria-setsize", "3000")
    picker.fill("2987")
    expect(page.locator("#outlook [role=option]")).to_have_count(1)
    before = drawn(page)
    picker.press("Enter")
    wait_until_drawn(page, before)
    expect(picker).to_have_value("shop 2987")
    assert 2_988_000 <= shown(page) < 2_988_010
    picker.press("ArrowDown")
    picker.press("ArrowDown")
    picker.press("Escape")
    expect(picker).to_have_value("shop 2987")
    picker.fill("nowhere")
    expect(page.get_by_text("Nothing is called “nowhere”.")).to_be_visible()
    picker.press("Escape")
    expect(picker).to_have_value("shop 2987")


LIMITS = {
    "too many values": {"MAX_POINTS": "2000"},
    "too many series": {"MAX_SERIES": "20"},
}


@pytest.mark.parametrize("limit", LIMITS)
def test_a_file_too_large_for_a_request_becomes_a_job_by_itself(
    visit: Visit, start: Start, service: Running, limit: str
) -> None:
    visit.allow("status of 413|status of 422")
    page = visit("/", start(**LIMITS[limit]))
    content = FLIGHTS.read_bytes()
    take(page, FLIGHTS.name, content)
    assert shown(page) >= 0  # the preview
    job = page.locator("main").get_by_role("button", name="Download the forecast")
    expect(job).to_be_visible(timeout=60_000)
    assert sum(line.startswith("POST /v1/jobs?") for line in visit.requests) == 1
    with page.expect_download() as download:
        job.click()
    expected = service.ask("POST", "/v1/forecast?level=80,95&freq=D", content, CSV)
    assert download.value.path().read_bytes() == expected.body
    go_to(page, "jobs")
    expect(page.locator("#jobs-list li")).not_to_have_count(0)


def test_what_is_no_table_is_told_and_something_else_can_be_given(page: Page, visit: Visit) -> None:
    visit.allow("status of 4")
    wrongs: dict[str, Callable[[], bytes]] = {
        "empty.csv": lambda: b"",
        "head.csv": lambda: b"unique_id,ds,y\n",
        "picture.csv": lambda: b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20,
        "prose.csv": lambda: b"Dear reader,\nthis is a letter.\n",
        "wide.csv": lambda: b",".join(b"%d" % k for k in range(5000)) + b"\n",
        "book.xlsx": lambda: b"PK\x03\x04",
    }
    for name, content in wrongs.items():
        choose(page.locator("#source-file"), name, content())
        expect(page.locator("#source-problem")).not_to_be_empty()
        expect(page.locator("[data-view=forecast] [role=alert]").first).to_be_visible()
    take(page, "right.csv", days("a"))
    expect(page.locator("#source-problem")).to_be_empty()


def test_an_answer_that_breaks_off_is_told(page: Page) -> None:
    take(page, "three.csv", days("a", "b", "c"))
    cut = {"status": 200, "content_type": "application/json", "body": '{"forecasts": ['}
    page.route("**/v1/forecast", lambda route: route.fulfill(**cut))
    page.get_by_role("button", name="Series: next").click()
    problem = page.locator("#outlook-problem")
    expect(problem).to_contain_text("The answer of the service broke off.")
    page.unroute("**/v1/forecast")
    problem.get_by_role("button", name="Try again").click()
    expect(page.locator("#says")).to_contain_text("b is expected")
    page.route("**/v1/explain", lambda route: route.fulfill(**cut))
    go_to(page, "models")
    page.locator(".top nav a[href='#gates']").click()
    expect(page.locator("#gates-problem")).to_contain_text("The answer of the service broke off.")


def test_a_file_that_has_changed_meanwhile_is_told_apart_from_a_service_that_is_gone(
    visit: Visit, tmp_path: Path
) -> None:
    visit.allow("ERR_UPLOAD_FILE_CHANGED")
    page, file = visit("/"), tmp_path / "three.csv"
    file.write_bytes(days("a", "b", "c"))
    page.locator("#source-file").set_input_files(file)
    expect(page.locator("#says")).not_to_be_empty()
    file.write_bytes(days("a", "b", "c", many=50))
    page.get_by_role("button", name="CSV of all 3 series").click()
    expect(page.locator("#take")).to_contain_text("The file cannot be read: it has changed since it was chosen")
