"""A file in: dropped, chosen, pasted or a sample; how it was read, what is wrong with it, which series are in it."""

from __future__ import annotations

import csv
import io
import itertools
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from .chromium import Visit
from .pages import choose, drop, eventually
from .states import FLIGHTS, take

PASTE = """
(text) => {
  const clipboardData = new DataTransfer();
  clipboardData.setData("text/plain", text);
  document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true }));
}
"""


def table(*rows: tuple[object, ...]) -> bytes:
    """Return rows as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def observed(page: Page, place: int) -> Any:
    """Return one of the values that the chart shows as observed."""
    return page.locator("#chart-place .chart").evaluate("(element, at) => element.drawn.lines.Observed[at]", place)


def daily(count: int, first: date = date(2024, 1, 1)) -> list[tuple[str, int]]:
    """Return days, each with a value."""
    return [(str(first + timedelta(day)), 10 + day % 7) for day in range(count)]


# --- where it comes from


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("Flights from New York", "10,585 rows · 29 series · daily · 1 Jan to 31 Dec 2013"),
        ("Weather in Seattle", "2,922 rows · 2 series · daily · 1 Jan 2012 to 31 Dec 2015"),
        ("The values of the notes", "7 rows · 1 series · whole steps · 1 to 30"),
    ],
)
def test_a_sample_is_one_press_away(visit: Visit, name: str, facts: str) -> None:
    visit.allow("status of 422.*/v1/backtest")  # the notes are too short to be tested
    page = visit("/")
    page.get_by_role("button", name=name).press("Enter")
    expect(page.locator("#source-facts")).to_have_text(facts)
    expect(page.locator("#says")).not_to_be_empty()
    expect(page.locator("#source-start")).to_be_hidden()


def test_a_copied_table_is_pasted_anywhere(page: Page) -> None:
    """As spreadsheets copy: tabs between cells, CR LF between rows."""
    rows = [("day", "sold"), *daily(40)]
    page.evaluate(PASTE, "\r\n".join("\t".join(map(str, row)) for row in rows))
    expect(page.locator("#source-facts")).to_have_text("40 rows · 1 series · daily · 1 Jan to 9 Feb 2024")
    expect(page.locator("#says")).to_contain_text("is expected to average")


def test_text_is_pasted_into_the_field(page: Page) -> None:
    page.get_by_role("button", name="Paste text").click()
    field = page.get_by_label("A table: times, values")
    expect(field).to_be_focused()
    field.fill("day,sold\n" + "\n".join(f"{day},{value}" for day, value in daily(30)))
    page.get_by_role("button", name="Forecast this").click()
    expect(page.locator("#source-title")).to_have_text("pasted.csv")
    expect(page.locator("#says")).to_contain_text("is expected to average")


def test_what_is_pasted_into_a_field_stays_there(page: Page) -> None:
    page.get_by_role("button", name="Paste text").click()
    page.evaluate("navigator.clipboard.writeText('a,b\\n1,2')")
    page.get_by_label("A table: times, values").press("Control+v")
    expect(page.get_by_label("A table: times, values")).to_have_value("a,b\n1,2")
    expect(page.locator("#source-bar")).to_be_hidden()


def test_another_file_takes_the_place_of_the_first(page: Page) -> None:
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    page.get_by_label("Horizon, days").fill("5")
    expect(page.locator("#says")).to_contain_text("next 5 days")
    page.get_by_role("button", name="Another file").click()
    expect(page.get_by_role("button", name="Choose a file")).to_be_focused()
    take(page, "mine.csv", table(("day", "sold"), *daily(40)))
    expect(page.locator("#source-title")).to_have_text("mine.csv")
    expect(page.get_by_label("Horizon, days")).to_have_value("")
    expect(page.locator("#source-start")).to_be_hidden()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("book.xlsx", "book.xlsx is an Excel workbook. Save it as CSV"),
        ("sales.csv.gz", "sales.csv.gz is packed. Unpack it first."),
        ("sales.PARQUET", "sales.PARQUET is a Parquet file"),
    ],
)
def test_files_that_are_no_text_are_told_from_their_names(page: Page, name: str, says: str) -> None:
    drop(page.locator("#drop"), (name, b"PK\x03\x04"))
    expect(page.locator("#source-problem")).to_contain_text(says)


def test_bytes_that_are_no_text_are_refused_with_the_reason(visit: Visit) -> None:
    visit.allow("status of 4")
    page = visit("/")
    drop(page.locator("#drop"), ("picture.csv", bytes(range(256)) * 4))
    expect(page.get_by_role("alert")).to_contain_text("UTF-8")


# --- how it was read


def test_columns_are_guessed_and_can_be_changed(page: Page) -> None:
    rows = [(day, value, 100 - value, shop) for shop in ("a", "b") for day, value in daily(40)]
    take(page, "shops.csv", table(("day", "sold", "left", "shop"), *rows))
    page.get_by_role("button", name="Columns").click()
    form = page.get_by_role("region", name="How the file is read")
    expect(form).to_contain_text("“shop” says of which, “day” when, “sold” how much")
    values = form.get_by_label("Values")
    expect(values.locator("option:checked")).to_have_text("sold")
    values.select_option("left")
    expect(form).to_contain_text("“left” how much")
    eventually(page, lambda: observed(page, 0), 90)


def test_a_wide_table_is_explained(page: Page) -> None:
    take(page, "wide.csv", table(("day", "north", "south"), *[(day, value, 2 * value) for day, value in daily(40)]))
    page.get_by_role("button", name="Columns").click()
    form = page.get_by_role("region", name="How the file is read")
    expect(form).to_contain_text("A wide table: beside “day” each column is a series of its own, 2 in all.")
    expect(form.get_by_label("Values").locator("option:checked")).to_have_text("Every other column is a series")
    form.get_by_label("Values").select_option("south")
    expect(page.locator("#source-facts")).to_contain_text("1 series")
    eventually(page, lambda: observed(page, 1), 22)


def test_there_may_be_no_column_of_names(page: Page) -> None:
    take(page, "shop.csv", table(("day", "shop", "sold"), *[(day, "a", value) for day, value in daily(40)]))
    page.get_by_role("button", name="Columns").click()
    form = page.get_by_role("region", name="How the file is read")
    form.get_by_label("Names of the series").select_option("There is no such column")
    expect(form).to_contain_text("All 40 rows are one series")
    expect(page.locator("#says")).to_contain_text("sold is expected")


def test_offsets_that_change_ask_for_their_time_zone(page: Page) -> None:
    zone, start = ZoneInfo("Europe/Berlin"), datetime(2024, 3, 29, 23, tzinfo=UTC)
    hours = [((start + timedelta(hours=k)).astimezone(zone).isoformat(), 10 + k % 24) for k in range(96)]
    choose(page.locator("#source-file"), "hours.csv", table(("when", "load"), *hours))
    field = page.get_by_label("Time zone")
    expect(field).to_be_visible()
    expect(page.locator("#findings")).to_contain_text("time zone")
    field.fill("Europe/Berlin")
    field.press("Enter")
    expect(page.locator("#says")).to_contain_text("hours")
    x = page.locator("#chart-place .chart").evaluate("(element) => element.drawn.x")
    assert {later - earlier for earlier, later in itertools.pairwise(x)} == {3_600}


def test_a_frequency_that_cannot_be_told_is_asked_for(visit: Visit) -> None:
    visit.allow("status of 422")
    page = visit("/")
    choose(page.locator("#source-file"), "one.csv", table(("ds", "y"), ("2024-01-01", 5)))
    expect(page.locator("#source-problem")).to_contain_text("frequency")
    field = page.get_by_label("Frequency")
    field.fill("D")
    field.press("Enter")
    expect(page.locator("#source-problem")).not_to_contain_text("cannot be told")
    expect(page.locator("#source-facts")).to_contain_text("daily")


def test_columns_that_cannot_be_told_can_be_named(visit: Visit) -> None:
    """Then the file has no series that can be read, and the reasons are listed."""
    visit.allow("status of 422")
    page = visit("/")
    choose(page.locator("#source-file"), "bad.csv", table(("ds", "note"), *[(day, "x") for day, _ in daily(9)]))
    expect(page.locator("#source-problem")).to_contain_text("cannot be told; found 'ds', 'note'")
    values = page.locator("#columns").get_by_label("Values")
    values.fill("note")
    values.press("Enter")
    expect(page.locator("#source-problem")).to_contain_text("No series of this file can be forecast")
    expect(page.locator(".finding").first).to_contain_text("Expected a number")
    expect(page.locator("#columns").get_by_label("Values").locator("option:checked")).to_have_text("note")
    expect(page.locator("#outlook")).to_be_hidden()


# --- what is wrong with it


def findings_of_shops() -> bytes:
    """Return a file with two good series, one with a day twice, and one with 20 cells that are no numbers."""
    good = [(shop, day, value) for shop in ("a", "b") for day, value in daily(40)]
    twice = [("twice", "2024-01-01", 1), ("twice", "2024-01-01", 2)]
    words = [("words", day, f"<b>{value}</b>") for day, value in daily(20)]
    return table(("shop", "day", "sold"), *good, *twice, *words)


def test_findings_are_listed_by_line_with_what_is_done(page: Page) -> None:
    take(page, "shops.csv", findings_of_shops())
    entries = page.locator(".finding")
    expect(entries).to_have_count(4)
    first = entries.filter(has_text="Line 84")
    page.get_by_role("button", name="Show all").click()
    expect(entries.nth(4)).to_be_focused()
    expect(first).to_contain_text("Expected a number, got '<b>10</b>'")
    expect(first).to_contain_text("The series is left out.")
    expect(first.locator(".finding-kind")).to_have_text("✕Error")
    expect(entries.filter(has_text="duplicate")).to_contain_text("Line 83")
    assert page.locator(".finding b").count() == 0
    expect(page.get_by_role("button", name="21 errors").first).to_be_visible()


def test_findings_of_one_kind(page: Page) -> None:
    rows = [(shop, day, value) for shop in ("a", "b") for day, value in daily(40) if shop == "a" or day != "2024-01-05"]
    take(page, "shops.csv", table(("shop", "day", "sold"), *rows, ("c", "2024-01-01", "x")))
    choices = page.get_by_role("group", name="Which are shown")
    choices.get_by_role("button", name="1 error").click()
    expect(page.locator(".finding")).to_have_count(1)
    expect(choices.get_by_role("button", name="1 error")).to_be_focused()
    choices.get_by_role("button", name="All").click()
    page.locator(".finding").get_by_role("button", name="b", exact=True).first.click()
    expect(page.locator("#says")).to_contain_text("b is expected")


# --- which series are in it


def test_one_of_three_thousand_series_is_found_by_typing(visit: Visit) -> None:
    visit.allow("status of 422.*/v1/backtest")  # twelve days are too short to be tested
    page = visit("/")
    rows = [(f"item-{k:04}", day, k + value) for k in range(3_000) for day, value in daily(12)]
    take(page, "many.csv", table(("item", "day", "sold"), *rows))
    picker = page.get_by_role("combobox", name="Series")
    picker.click()
    expect(picker).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".picker-told")).to_contain_text("3,000 series")
    assert page.locator("#options [role=option]").count() < 30
    page.keyboard.type("-27")
    expect(page.locator("#options .picker-told")).to_have_text("100 series of 3,000 series")
    for _ in range(3):
        picker.press("ArrowDown")
    active = page.locator(f"#{picker.get_attribute('aria-activedescendant')}")
    expect(active).to_contain_text("item-2703")
    expect(active).to_have_attribute("aria-posinset", "4")
    expect(active).to_have_attribute("aria-setsize", "100")
    expect(active).to_be_in_viewport()
    picker.press("Enter")
    expect(picker).to_have_attribute("aria-expanded", "false")
    expect(picker).to_have_value("item-2703")
    expect(page.locator("#says")).to_contain_text("item-2703 is expected")
    picker.fill("nothing like it")
    expect(page.locator("#options .picker-told")).to_have_text("Nothing is called “nothing like it”.")
    picker.press("Escape")
    expect(picker).to_have_value("item-2703")


def test_the_list_goes_on_below_what_is_seen(page: Page) -> None:
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    picker = page.get_by_role("combobox", name="Series")
    picker.press("ArrowDown")
    for _ in range(28):
        picker.press("ArrowDown")
    last = page.locator("#options [role=option]").last
    expect(last).to_have_attribute("aria-posinset", "29")
    expect(last).to_be_in_viewport()
    picker.press("ArrowDown")
    expect(page.locator("#options .active")).to_have_attribute("aria-posinset", "29")


def test_a_column_without_a_name_cannot_be_chosen(page: Page) -> None:
    """Its name, nothing, would say that there is no such column."""
    rows = "".join(f"{k},2024-01-{1 + k:02d},{k % 7}\n" for k in range(30))
    take(page, "index.csv", f",day,sold\n{rows}".encode())
    page.get_by_role("button", name="Columns").click()
    unnamed = page.get_by_label("Times", exact=True).get_by_role("option", name="(column 1, without a name)")
    expect(unnamed).to_be_disabled()
