"""Numbers as the page writes them: told apart from their neighbours, and no longer than that takes."""

from __future__ import annotations

import datetime
import itertools
import zoneinfo
from typing import Any

from playwright.sync_api import Page, expect

from .pages import choose
from .states import take


def module(page: Page, name: str, expression: str, *given: Any) -> Any:
    """Return what an expression says of the exports of a module, `it`, and of what is given."""
    script = f"async (given) => {{ const it = await import('/static/current/{name}'); return {expression}; }}"
    return page.evaluate(script, list(given))


def daily(values: list[str]) -> bytes:
    """Return a table of values from the first day of 2024 on."""
    begin = datetime.date(2024, 1, 1)
    return "".join(["day,y\n", *(f"{begin + datetime.timedelta(k)},{y}\n" for k, y in enumerate(values))]).encode()


FOUR_DIGITS = {
    0: "0",
    7: "7",
    0.01234567: "0.01235",
    999.96: "1,000",
    -1234.5678: "-1,235",
    8_000_123.4: "8,000,123",
    5.007156e21: "5.007e21",
    1e15: "1e15",
    -5.0123e-15: "-5.012e-15",
    0.000001: "0.000001",
}
TOLD_APART = {
    (1013.4312345, 0.5): "1,013.4312",
    (1013.25, 0.5): "1,013.25",
    (1013.4312345, 5_000): "1,013",
    (0.0123456, 5_000): "0.01235",
    (8_000_123.456, 20): "8,000,123.46",
    (1 / 3, 1e-30): "0.333333333333",
    (5.007156e21, 1e20): "5.0072e21",
    (12.5, 0): "12.5",
}
"""Values, and how far the values of their chart are apart."""


def test_a_number_has_four_digits_that_matter(page: Page) -> None:
    said = module(page, "format.js", "given.map((value) => it.number(value))", *FOUR_DIGITS)
    assert dict(zip(FOUR_DIGITS, said, strict=True)) == FOUR_DIGITS


def test_of_values_that_differ_little_more_digits_matter(page: Page) -> None:
    script = "given.map(([value, span]) => it.number(value, it.decimalsFor(span)))"
    said = module(page, "format.js", script, *TOLD_APART)
    assert dict(zip(TOLD_APART, said, strict=True)) == TOLD_APART


def test_no_two_ticks_say_the_same(page: Page) -> None:
    ranges = [
        (0, 1),
        (1013.1, 1013.6),
        (8_000_000, 8_000_400),
        (-2e-15, 9e-15),
        (1e21, 9e21),
        (1e17, 1e17 + 64),
        (-1e308, 1e308),
        (0.1, 0.1),
    ]
    script = "given.map(([low, high]) => it.valueLabels(it.numberTicks(low, high, 7)))"
    for ends, said in zip(ranges, module(page, "axes.js", script, *ranges), strict=True):
        assert 1 <= len(said) == len(set(said)) <= 16, ends
        assert max(map(len, said)) <= 20, ends


def test_a_logarithmic_axis_has_room_for_its_ticks(page: Page) -> None:
    ranges = [(1e-20, 1e20), (1e-7, 1e3), (0.5, 20), (5, 6), (1e-300, 1e300)]
    script = "given.map(([low, high]) => it.logTicks(low, high, 6))"
    for (low, high), ticks in zip(ranges, module(page, "axes.js", script, *ranges), strict=True):
        assert 3 <= len(ticks) <= 13, (low, high)
        assert all(low <= tick <= high for tick in ticks), (low, high)


def test_values_beside_the_cursor_are_those_of_the_file(page: Page) -> None:
    values = [f"{1013 + k % 7 / 10 + k % 3 / 100:.2f}" for k in range(40)]
    take(page, "pressure.csv", daily(values))
    expect(page.locator("#compares")).not_to_be_empty()
    written = [f"{float(value):,g}" for value in values]
    page.get_by_role("application", name="Chart of the forecast").focus()
    entry = page.locator("#chart-place .chart-entry", has_text="Observed").locator(".chart-value")
    for key, text in zip(("Home", "ArrowRight", "ArrowRight"), written, strict=False):
        page.keyboard.press(key)
        expect(entry).to_have_text(text)
    page.get_by_text("The values as a table").click()
    rows = page.locator("#chart-values tbody tr")
    expect(rows.first.locator("th")).to_have_text("2024-01-01")
    assert rows.locator("td:nth-child(2)").all_inner_texts()[: len(written)] == written


def test_a_series_whose_steps_are_finer_than_its_numbers_can_be_zoomed(page: Page) -> None:
    """Its ticks once lay so near to each other that one more step led nowhere."""
    take(page, "huge.csv", daily([repr(1e17 + 16 * (k % 5)) for k in range(120)]))
    expect(page.locator("#compares")).not_to_be_empty()
    for _, name in itertools.product(range(6), ("Zoom in", "Earlier")):
        page.get_by_role("button", name=name, exact=True).click()
    shown = page.locator("#chart-place .chart").evaluate("(element) => element.drawn.view")
    assert shown[1] - shown[0] < 20 * 86_400
    expect(page.locator("#says")).to_contain_text("e17 over the next")


def test_years_are_no_thousands(page: Page) -> None:
    """A column of years is one of whole numbers."""
    take(page, "years.csv", ("year,y\n" + "".join(f"{1950 + k},{k % 9}\n" for k in range(60))).encode())
    said = page.evaluate("globalThis.__charts.at(-1).axes[0]._values")
    assert "1960" in said
    assert not any("," in text for text in said)


def test_the_newest_hours_stand_where_their_clock_says(page: Page) -> None:
    """The clocks of Berlin change on 31 March: before it the axis may be an hour off, where people look it is not."""
    zone, begin = zoneinfo.ZoneInfo("Europe/Berlin"), datetime.datetime(2024, 3, 20, tzinfo=datetime.UTC)
    labels = [(begin + datetime.timedelta(hours=k)).astimezone(zone).isoformat() for k in range(24 * 20)]
    rows = "".join(f"{label},{k % 24}\n" for k, label in enumerate(labels))
    choose(page.locator("#source-file"), "berlin.csv", f"ds,y\n{rows}".encode())
    expect(page.locator("#findings")).to_contain_text("different UTC offsets")
    page.get_by_label("Time zone").fill("Europe/Berlin")
    page.get_by_label("Time zone").press("Enter")
    expect(page.locator("#says")).to_contain_text("9 Apr 2024, 02:00")
    chart = page.locator("#chart-place .chart").evaluate("(element) => element.drawn")
    newest = [(x, label) for x, label in zip(chart["x"], chart["labels"], strict=True) if label.endswith("+02:00")]
    for x, label in newest:
        assert datetime.datetime.fromtimestamp(x, datetime.UTC).isoformat()[:19] == label[:19]
    assert chart["x"] == sorted(set(chart["x"]))
