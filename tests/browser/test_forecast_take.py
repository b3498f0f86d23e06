"""What is taken away from the page: tables and pictures, and lines that do the same when they are pasted."""

from __future__ import annotations

import csv
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.service.processes import ROOT, Running

from .chromium import Visit
from .copying import CLIPBOARD, copied, run
from .pages import eventually
from .states import FLIGHTS, drawn, take, wait_until_drawn

Start = Callable[..., Running]
TEXT = {"Content-Type": "text/csv"}
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })"


@pytest.fixture
def flown(page: Page) -> Page:
    """The page with the flights, forecast."""
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    return page


def downloaded(page: Page, button: str) -> tuple[str, bytes]:
    """Press a button and return the name and the content of the file that comes."""
    with page.expect_download() as coming:
        page.get_by_role("button", name=button).click()
    return coming.value.suggested_filename, Path(coming.value.path()).read_bytes()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def same(rows: list[dict[str, str]], others: list[dict[str, str]]) -> bool:
    """Whether tables hold the same forecasts; compiled kernels and the plain pass agree to about six digits."""
    assert [list(row)[:2] for row in rows] == [list(row)[:2] for row in others]
    for row, other in zip(rows, others, strict=True):
        assert list(row) == list(other)
        for name in list(row)[2:]:
            assert float(row[name]) == pytest.approx(float(other[name]), rel=1e-4, abs=1e-4)
        assert [row["unique_id"], row["ds"]] == [other["unique_id"], other["ds"]]
    return True


def told(python: str, folder: Path, **more: str) -> list[dict[str, Any]]:
    """Run a copied program with one line more, and return the forecasts it got."""
    tail = "\nimport json\nprint('=' * 9)\nprint(json.dumps(answer.forecasts))\n"
    return list(json.loads(run([sys.executable, "-c", python + tail], folder, **more).split("=" * 9)[1]))


# --- files


def test_the_table_of_all_series_is_the_answer_of_the_service(flown: Page, service: Running) -> None:
    name, content = downloaded(flown, "CSV of all 29 series")
    assert name == "flights_daily-forecast.csv"
    said = service.ask("POST", "/v1/forecast?level=80,95", FLIGHTS.read_bytes(), TEXT)
    assert len(rows_of(content.decode())) == 29 * 28
    assert same(rows_of(content.decode()), rows_of(said.body.decode()))


def test_the_table_of_one_series_is_with_the_options_that_are_chosen(flown: Page, service: Running) -> None:
    flown.get_by_role("group", name="Intervals").get_by_role("button", name="50").click()
    flown.get_by_label("Horizon, days").fill("3")
    expect(flown.locator("#says")).to_contain_text("next 3 days")
    name, content = downloaded(flown, "CSV of this series")
    assert name == "EWR_9E-forecast.csv"
    said = service.ask("POST", "/v1/forecast?level=50,80,95&h=3", FLIGHTS.read_bytes(), TEXT)
    assert same(rows_of(content.decode()), rows_of(said.body.decode())[:3])


def test_series_without_a_forecast_are_told(page: Page) -> None:
    take(page, "two.csv", FLIGHTS.read_bytes() + b"short,2013-01-01,\nshort,2013-01-02,5\n")
    _, content = downloaded(page, "CSV of all")
    assert "short" not in {row["unique_id"] for row in rows_of(content.decode())}
    expect(page.locator("#take")).to_contain_text("1 series could not be forecast")


def test_the_picture_shows_title_legend_and_chart_on_the_ground_of_the_theme(visit: Visit) -> None:
    page = visit("/", color_scheme="dark")
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    name, content = downloaded(page, "PNG of the chart")
    assert name == "EWR_9E-forecast.png"
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    assert width > 600
    assert height > 350
    data = b"".join(piece for kind, piece in chunks(content) if kind == b"IDAT")
    line = zlib.decompress(data)[: 1 + 4 * width]
    assert tuple(line[-4:-1] if line[0] == 0 else line[1:4]) == (0x16, 0x1E, 0x2A)  # --card of the dark theme


WRITTEN = """() => {
  const { fillText } = CanvasRenderingContext2D.prototype;
  globalThis.__written = [];
  CanvasRenderingContext2D.prototype.fillText = function (text, x, ...more) {
    __written.push([text, x + Math.min(this.measureText(text).width, more[1] ?? Infinity), this.canvas.width]);
    return fillText.call(this, text, x, ...more);
  };
}"""


def test_the_picture_of_a_phone_has_all_of_its_legend(visit: Visit) -> None:
    page = visit("/", viewport={"width": 390, "height": 844})
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    expect(page.locator("#compares")).not_to_be_empty()
    page.evaluate(WRITTEN)
    downloaded(page, "PNG of the chart")
    ends = {text: (end, width) for text, end, width in page.evaluate("__written")}
    for label in ("Observed", "Backtest", "Forecast", "95 % interval", "80 % interval"):
        end, width = ends[label]
        assert end < width


def chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Return the pieces of a PNG, each with its kind."""
    found, at = [], 8
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        found.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


# --- lines


def test_a_copied_line_forecasts_the_file_that_lies_there(flown: Page, service: Running, tmp_path: Path) -> None:
    (tmp_path / FLIGHTS.name).write_bytes(FLIGHTS.read_bytes())
    flown.locator("#option-model").select_option("flights")
    expect(flown.locator("#says")).to_contain_text("next 14 days")
    line = copied(flown, "curl")
    said = service.ask("POST", "/v1/forecast?level=80,95&model=flights", FLIGHTS.read_bytes(), TEXT)
    assert same(rows_of(run(["sh", "-c", line], tmp_path)), rows_of(said.body.decode()))
    forecasts = told(copied(flown, "Python"), tmp_path)
    assert [series["unique_id"] for series in forecasts] == sorted(
        {row["unique_id"] for row in rows_of(said.body.decode())}
    )
    expected = [float(row["LSTM"]) for row in rows_of(said.body.decode())][:14]
    assert forecasts[0]["LSTM"] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_a_sample_is_fetched_from_where_it_is(page: Page, service: Running, tmp_path: Path) -> None:
    page.get_by_role("button", name="Weather in Seattle").click()
    expect(page.locator("#says")).not_to_be_empty()
    body = (ROOT / "data" / "seattle_weather_daily.csv").read_bytes()
    said = rows_of(service.ask("POST", "/v1/forecast?level=80,95", body, TEXT).body.decode())
    line = copied(page, "curl")
    assert "/static/current/seattle_weather_daily.csv" in line
    assert same(rows_of(run(["sh", "-c", line], tmp_path)), said)
    forecasts = told(copied(page, "Python"), tmp_path)
    assert forecasts[0]["LSTM"] == pytest.approx([float(row["LSTM"]) for row in said[:28]], rel=1e-4, abs=1e-4)


def test_pasted_text_travels_in_the_line(page: Page, tmp_path: Path) -> None:
    text = 'day,sold\n2024-01-01,1\n"2024-01-02",2\n' + "".join(f"2024-01-{day:02},{day % 7}\n" for day in range(3, 31))
    page.get_by_role("button", name="Paste text").click()
    page.get_by_label("A table: times, values").fill(text)
    page.get_by_role("button", name="Forecast this").click()
    expect(page.locator("#says")).not_to_be_empty()
    rows = rows_of(run(["sh", "-c", copied(page, "curl")], tmp_path))
    line = page.locator("#chart-place .chart").evaluate("(element) => element.drawn.lines.Forecast")
    expected = pytest.approx([value for value in line if value is not None], rel=1e-4, abs=1e-4)
    assert [float(row["LSTM"]) for row in rows] == expected
    assert told(copied(page, "Python"), tmp_path)[0]["LSTM"] == expected
    assert (tmp_path / "pasted.csv").read_text(encoding="utf-8") == text


def test_columns_of_other_names_are_named(page: Page, tmp_path: Path) -> None:
    content = b"shop;when;sold;note\n" + b"".join(b"a;2024-01-%02d;%d;x\n" % (day, day % 7) for day in range(1, 31))
    take(page, "shops.txt", content)
    (tmp_path / "shops.txt").write_bytes(content)
    rows = rows_of(run(["sh", "-c", copied(page, "curl")], tmp_path))
    assert list(rows[0])[:3] == ["shop", "when", "LSTM"]
    python = copied(page, "Python")
    assert 'ColumnNames(id_col="shop", time_col="when", target_col="sold")' in python
    forecasts = told(python, tmp_path)  # the client reads files that are called .csv
    assert forecasts[0]["LSTM"] == pytest.approx([float(row["LSTM"]) for row in rows], rel=1e-4, abs=1e-4)


def test_a_key_is_a_variable_in_what_is_copied(
    visit: Visit, start: Start, key: tuple[str, str], tmp_path: Path
) -> None:
    visit.allow("status of 40[13]")
    text, file = key
    page = visit("/", start(KEYS=file))
    page.locator("#source-file").set_input_files(FLIGHTS)
    page.get_by_label("Key", exact=True).fill(text)
    page.get_by_role("button", name="Use this key").click()
    expect(page.locator("#says")).not_to_be_empty()
    (tmp_path / FLIGHTS.name).write_bytes(FLIGHTS.read_bytes())
    line, python = copied(page, "curl"), copied(page, "Python")
    assert text not in line + python
    assert len(rows_of(run(["sh", "-c", line], tmp_path, FORECASTER_KEY=text))) == 29 * 28
    assert len(told(python, tmp_path, FORECASTER_KEY=text)) == 29


def test_copying_works_without_the_clipboard_of_safe_origins(flown: Page) -> None:
    """On http and another host than localhost there is no navigator.clipboard."""
    flown.evaluate("navigator.clipboard.writeText('')")
    flown.evaluate(NO_CLIPBOARD)
    flown.get_by_role("button", name="Copy as curl").click()
    expect(flown.get_by_role("button", name="Copied")).to_be_focused()
    expect(flown.locator("#announcer")).to_have_text("Copied")
    flown.evaluate("delete navigator.clipboard")
    eventually(flown, lambda: flown.evaluate(CLIPBOARD), flown.locator("#take pre").text_content())


def test_the_code_that_is_seen_follows_the_options(flown: Page) -> None:
    code = flown.locator("#take pre")
    expect(code).to_contain_text("level=80,95")
    flown.get_by_role("group", name="Intervals").get_by_role("button", name="95").click()
    expect(code).to_contain_text("level=80&")
    flown.get_by_role("button", name="Copy as Python").click()
    expect(code).to_contain_text("level=[80]")
    before = drawn(flown)
    flown.get_by_label("Horizon, days").fill("9")
    wait_until_drawn(flown, before)
    expect(code).to_contain_text("h=9")
