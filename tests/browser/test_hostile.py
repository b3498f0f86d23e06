"""Names and cells that would like to be more than text stay text: on the page, in copied lines, in files."""

from __future__ import annotations

import csv
import io
import sys
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.service.processes import Running

from .chromium import Visit
from .copying import copied, run
from .pages import at_rest
from .states import SECTIONS, drawn, go_to, take, wait_until_drawn

TRAPS = {
    "picture": "<img src=x onerror=alert(1)>",
    "script": '"><script>alert(1)</script>',
    "attribute": "' onmouseover='alert(1)' x='",
    "address": "javascript:alert(1)",
    "formula": "=HYPERLINK(1)+cmd|'/C calc'!A0",
    "right to left": "\u202egpj.\u2066abc\u2069",
    "entities": "&lt;b&gt;&amp;&#x27;",
    "template": "${alert(1)}{{7*7}}%7B%7B",
    "shell": 'it\'s "$(touch pwned)" `touch pwned`; touch pwned & # \\ ~ !! * {a,b} [1-3] %41 @x',
}
SHOULD_NOT_BE = (
    "main img, main script, main iframe, main object, main embed, main base, main meta, main style, main link, "
    "main a[href^='javascript'], main [onerror], main [onmouseover], main [onload], main [style*=url]"
)
BESIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def table(*ids: str, head: tuple[str, str, str] = ("unique_id", "ds", "y"), days: int = 60) -> bytes:
    """Return a table of daily series with these names."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(head)
    for k, name in enumerate(ids):
        rows.writerows(
            [name, date(2024, 1, 1) + timedelta(day), 10 + (day * (k + 3)) % 7 + day / 100] for day in range(days)
        )
    return text.getvalue().encode()


def wide(*names: str) -> bytes:
    """Return a table in which each column is a series."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["ds", *names])
    rows.writerows(
        [date(2024, 1, 1) + timedelta(day), *((day + k) % 7 for k in range(len(names)))] for day in range(60)
    )
    return text.getvalue().encode()


def stays_text(page: Page, sections: tuple[str, ...] = SECTIONS) -> None:
    """Hold sections to what there should not be; the watch sees what would have run."""
    for section in sections:
        go_to(page, section)
        at_rest(page)
        assert page.locator(SHOULD_NOT_BE).count() == 0, section
        assert page.evaluate(BESIDE) <= 0, f"{section} is wider than the window"
    go_to(page, "forecast")


def test_names_of_files_and_cells_that_are_no_numbers_are_text(page: Page) -> None:
    for trap in (*TRAPS.values(), "n" * 10_000):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow([trap, "2024-02-01", trap])
        take(page, f"{trap}.csv", table("a", "b") + text.getvalue().encode())
        expect(page.locator("#source-title")).to_have_text(f"{trap}.csv")
        expect(page.locator(".finding").first).to_contain_text("Expected a number")
        stays_text(page)


@pytest.mark.parametrize("width", [390, 1200])
def test_names_of_series_are_text(visit: Visit, width: int) -> None:
    page = visit("/", viewport={"width": width, "height": 900})
    names = [*TRAPS.values(), "m" * 200]
    take(page, "traps.csv", table(*names))
    picker = page.get_by_role("combobox", name="Series")
    for k, name in enumerate(names):
        if k:
            before = drawn(page)
            page.get_by_role("button", name="Series: next").click()
            wait_until_drawn(page, before)
        expect(picker).to_have_value(name)
        expect(page.locator("#says")).to_contain_text(name)
    page.get_by_text("The values as a table").click()
    stays_text(page)
    picker.click()
    expect(page.get_by_role("option").first).to_contain_text(names[0])
    assert page.locator(SHOULD_NOT_BE).count() == 0


def test_names_of_columns_are_text(page: Page) -> None:
    page.get_by_role("button", name="Choose a file").wait_for()
    for trap in TRAPS.values():
        head = (f"{trap} id", "ds", f"{trap} y")
        take(page, "columns.csv", table("a", "b", head=head))
        opener = page.get_by_role("button", name="Columns")
        if opener.get_attribute("aria-expanded") == "false":
            opener.click()
        expect(page.locator("#columns")).to_contain_text(head[0])
        stays_text(page, ("forecast",))  # no other one tells the columns
        take(page, "wide.csv", wide(f"{trap} one", f"{trap} two"))
        expect(page.get_by_role("combobox", name="Series")).to_have_value(f"{trap} one")
        stays_text(page)


def test_names_of_downloads_are_names_and_formulas_are_text(page: Page) -> None:
    names = ["../../etc/passwd", "=1+1", "a/b\\c:d*e?", ".hidden", "\u202egpj", "con\x07trol", "x" * 200]
    take(page, "traps.csv", table(*names))
    for k, name in enumerate(names):
        if k:
            before = drawn(page)
            page.get_by_role("button", name="Series: next").click()
            wait_until_drawn(page, before)
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV of this series").click()
        kept = download.value.suggested_filename
        assert kept.endswith("-forecast.csv")
        assert len(kept) < 120
        assert not set(kept) & set('/\\:*?"<>|\u202e\x07')
        assert not kept.startswith((".", "-"))
        rows = list(csv.DictReader(io.StringIO(download.value.path().read_bytes().decode())))
        assert {row["unique_id"] for row in rows} == {f"'{name}" if name == "=1+1" else name}


# --- what is copied is run


FILES = [
    "it's.csv",
    'a "quoted" name.csv',
    "$(touch pwned).csv",
    "`touch pwned`.csv",
    "a; touch pwned; #.csv",
    "-o pwned.csv",
    "@a.csv",
    "a\nb.csv",
    "tab\there\x1b[31m.csv",
    "back\\slash\\n.csv",
    "{a,b}[1-3]*?.csv",
    "%s%n$HOME~.csv",
    "\u202edrow.csv",
    "märz 🙂.csv",
    "no ending",
    "'\"'\"'.csv",
]


EACH = """
import os, pathlib, sys
for folder in sys.argv[1:]:
    os.chdir(folder)
    exec(pathlib.Path(f"{folder}.py").read_text(encoding="utf-8"), {})
    print("\\0")
"""
"""Runs programs, each in a folder of its own: to begin takes longer than what they do."""


def test_a_copied_line_reads_the_file_of_that_name_and_runs_nothing_else(
    page: Page, service: Running, tmp_path: Path
) -> None:
    content = table("a", "b")
    asked = "/v1/forecast?level=80,95&freq=D"
    expected = service.ask("POST", asked, content, {"Content-Type": "text/csv"}).body
    folders = [tmp_path / str(place) for place in range(len(FILES))]
    for folder, name in zip(folders, FILES, strict=True):
        folder.mkdir()
        (folder / name).write_bytes(content)
        take(page, name, content)
        assert run(["sh", "-c", copied(page, "curl")], folder) == expected.decode(), name
        assert list(folder.iterdir()) == [folder / name]
        folder.with_suffix(".py").write_text(copied(page, "Python"), encoding="utf-8")
    written = run([sys.executable, "-c", EACH, *map(str, folders)], tmp_path).split("\0\n")
    for folder, name, text in zip(folders, FILES, written[:-1], strict=True):
        assert text.startswith("a {"), name
        assert not (folder / "pwned").exists(), name


def test_a_pasted_table_in_a_copied_line_runs_nothing(page: Page, tmp_path: Path) -> None:
    names = ["TABLE", "$(touch pwned)", "`touch pwned`", 'say "hi"', "it's", "\\n $HOME", '"""; import os; """']
    content = table(*names)
    page.get_by_role("button", name="Paste text").click()
    page.locator("#paste-text").fill("TABLE,b,c\n" + content.decode().partition("\n")[2])
    before = drawn(page)
    page.get_by_role("button", name="Forecast this").click()
    wait_until_drawn(page, before)
    answer = run(["sh", "-c", copied(page, "curl")], tmp_path)
    rows = list(csv.DictReader(io.StringIO(answer)))
    assert {row["TABLE"].removeprefix("'") for row in rows} == set(names)
    assert list(tmp_path.iterdir()) == []
    written = run([sys.executable, "-c", copied(page, "Python")], tmp_path)
    assert all(name in written for name in names)
    assert [path.name for path in tmp_path.iterdir()] == ["pasted.csv"]
