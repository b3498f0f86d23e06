"""What is done once is not done twice, and nothing stays of a file or a job that is no longer looked at."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from .athand import at_hand
from .chromium import Visit
from .conftest import Start
from .pages import Held, at_rest, choose, drop, eventually
from .states import FLIGHTS, go_to, take

DRAG = """
([from, kinds, text]) => {
  const transfer = new DataTransfer();
  transfer.setData("text/plain", text);
  for (const kind of kinds) {
    const event = new DragEvent(kind, { dataTransfer: transfer, bubbles: true, cancelable: true });
    document.querySelector(from).dispatchEvent(event);
  }
}
"""
ROWS = "day,y\n" + "".join(f"2024-01-{1 + k:02d},{k % 7}\n" for k in range(30))


def test_a_comparison_ends_with_its_file(visit: Visit) -> None:
    page = visit("/")
    at_hand(page)
    go_to(page, "models")
    held = Held(page, "/v1/backtest")
    page.locator("#compare-form").get_by_role("button", name="Compare").click()
    held.wait()
    at_hand(page, ROWS.encode(), "other.csv")
    held.let_go()
    expect(page.locator("#compare-file")).to_contain_text("other.csv")
    expect(page.locator("#compare-result")).to_be_empty()
    expect(page.locator("#compare-problem")).to_be_empty()


def test_pressing_twice_trains_once(visit: Visit, start: Start) -> None:
    page = visit("/", start(JOB_WORKERS="0"))
    at_hand(page)
    go_to(page, "models")
    train = page.locator("#train-form").get_by_role("button", name="Train")
    train.dblclick()
    expect(page.locator("#trainings > *")).to_have_count(1)
    at_rest(page)
    assert len([line for line in visit.requests if line.startswith("POST /v1/jobs")]) == 1
    train.click()
    expect(page.locator("#trainings > *")).to_have_count(2)


def test_a_job_that_is_no_longer_followed_leaves_the_next_one_alone(visit: Visit, start: Start) -> None:
    page = visit("/", start(MAX_BYTES="65536", JOB_WORKERS="0"))
    page.clock.install()
    choose(page.locator("#source-file"), FLIGHTS.name, FLIGHTS.read_bytes())
    whole = page.get_by_role("region", name="Forecast of the whole file")
    expect(whole.get_by_role("progressbar")).to_be_visible()
    for _ in range(4):  # by now it is looked at every other second
        with page.expect_response("**/v1/jobs/*"):
            page.clock.run_for(2_000)
    at_rest(page)
    page.get_by_label("Horizon, days").fill("3")
    page.get_by_role("button", name="Forecast the whole file again").click()
    expect(whole.get_by_role("button", name="Forecast the whole file again")).to_be_hidden()
    with page.expect_response("**/v1/jobs/*"):
        page.clock.run_for(2_500)  # the first job would be looked at again as well
    at_rest(page)
    expect(whole.get_by_role("progressbar")).to_be_visible()


def test_a_file_dropped_on_any_section_is_forecast(page: Page) -> None:
    for section in ("models", "jobs", "gates"):
        go_to(page, section)
        drop(page.locator(f"[data-view={section}]"), (f"{section}.csv", ROWS.encode()))
        expect(page.locator("#source-title")).to_have_text(f"{section}.csv")
        expect(page.locator("[data-view=forecast]")).to_be_visible()


def test_what_is_dragged_out_of_the_page_is_no_file(page: Page) -> None:
    take(page, "rows.csv", ROWS.encode())
    page.evaluate(DRAG, [".top nav a", ["dragstart", "dragover", "drop", "dragend"], "http://127.0.0.1/\nMore"])
    expect(page.locator("#drop-veil")).to_be_hidden()
    expect(page.locator("#source-title")).to_have_text("rows.csv")
    page.evaluate(DRAG, ["main", ["dragover", "drop"], "a word"])
    expect(page.locator("#source-title")).to_have_text("rows.csv")
    page.evaluate(DRAG, ["main", ["dragover", "drop"], ROWS])
    expect(page.locator("#source-title")).to_have_text("pasted.csv")


def test_another_file_is_seen_from_its_own_beginning(page: Page) -> None:
    take(page, "rows.csv", ROWS.encode())
    view = "document.querySelector('#chart-place .chart').drawn.view"
    first = page.evaluate(view)
    page.get_by_role("button", name="Zoom in", exact=True).click()
    eventually(page, lambda: page.evaluate(view) != first, wanted=True)
    take(page, "other.csv", ROWS.replace("day,y", "day,other").encode())
    expect(page.locator("#says")).to_contain_text("other is expected")
    eventually(page, lambda: page.evaluate(view), first)


def test_the_accuracy_fits_beside_what_can_be_taken(visit: Visit) -> None:
    page = visit("/")
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    expect(page.locator("#compares")).not_to_be_empty()
    box = page.locator("#accuracy .wide").first
    assert box.evaluate("(element) => element.scrollWidth <= element.clientWidth")
