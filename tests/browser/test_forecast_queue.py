"""What does not go as it should: files too large for a request, refusals, a service that is gone."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, Route, expect

from tests.service.processes import ROOT, Running

from .chromium import Visit
from .pages import at_rest, choose, drop
from .states import FLIGHTS, take

Start = Callable[..., Running]
SMALL = {"MAX_BYTES": "65536"}
PATIENCE = 30_000  # milliseconds for a job
TEXT = {"Content-Type": "text/csv"}


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


def test_a_file_too_large_for_a_request_goes_to_the_queue_by_itself(
    visit: Visit, share: Start, service: Running
) -> None:
    page = visit("/", share(**SMALL))
    drop(page.locator("#drop"), (FLIGHTS.name, FLIGHTS.read_bytes()))
    whole = page.get_by_role("region", name="Forecast of the whole file")
    expect(whole).to_contain_text("with 221 kB it is too large for one request (66 kB)")
    expect(page.locator("#source-facts")).to_contain_text("221 kB, of which the first 3,")
    expect(page.locator("#says")).to_contain_text("is expected to average")
    with page.expect_download() as coming:
        whole.get_by_role("button", name="Download the forecast").click()
    made = rows_of(Path(coming.value.path()).read_bytes())
    said = service.ask("POST", "/v1/forecast?level=80,95", FLIGHTS.read_bytes(), TEXT)
    assert [(row["unique_id"], row["ds"]) for row in made] == [
        (row["unique_id"], row["ds"]) for row in rows_of(said.body)
    ]
    assert len([line for line in visit.requests if line.startswith("POST /v1/jobs")]) == 1


def test_what_is_copied_of_a_large_file_hands_it_in_and_fetches_the_result(
    visit: Visit, share: Start, tmp_path: Path
) -> None:
    page = visit("/", share(**SMALL))
    page.get_by_role("button", name="Flights from New York").click()
    expect(page.locator("#says")).to_contain_text("is expected to average")
    for kind, command in {"curl": ["sh", "-c"], "Python": [sys.executable, "-c"]}.items():
        page.get_by_role("button", name=f"Copy as {kind}").click()
        code = page.locator("#take pre")
        expect(code).to_contain_text("curl -sS" if kind == "curl" else "submit_forecast")
        made = tmp_path / kind
        made.mkdir()
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run([*command, code.text_content() or ""], cwd=made, env=environment, timeout=60, check=True)  # noqa: S603 - what is tested
        assert len(rows_of((made / "forecast.csv").read_bytes())) == 29 * 28


def test_with_other_options_the_whole_file_is_forecast_again(visit: Visit, share: Start) -> None:
    page = visit("/", share(**SMALL))
    choose(page.locator("#source-file"), FLIGHTS.name, FLIGHTS.read_bytes())
    again = page.get_by_role("button", name="Forecast the whole file again")
    expect(page.get_by_role("button", name="Download the forecast")).to_be_visible(timeout=PATIENCE)
    expect(again).to_be_hidden()
    page.get_by_label("Horizon, days").fill("3")
    again.click()
    expect(again).to_be_hidden()
    with page.expect_download() as coming:
        page.get_by_role("button", name="Download the forecast").click()
    assert len(rows_of(Path(coming.value.path()).read_bytes())) == 29 * 3


def test_a_file_that_a_request_may_not_have_forecast_goes_there_too(visit: Visit, start: Start) -> None:
    """It is read in one request, but may not be forecast in one: that would be too many numbers."""
    visit.allow("status of 422")
    page = visit("/", start(MAX_POINTS="11000"))
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    page.get_by_label("Horizon, days").fill("200")
    expect(page.locator("#says")).to_contain_text("next 200 days")
    page.get_by_role("button", name="CSV of all 29 series").click()
    expect(page.locator("#take")).to_contain_text("The forecast of flights_daily.csv is ready", timeout=PATIENCE)


def test_a_queue_that_does_not_work_is_told(visit: Visit, start: Start) -> None:
    visit.allow("status of 503")
    page = visit("/", start(**SMALL, STATE="/proc/none"))
    drop(page.locator("#drop"), (FLIGHTS.name, FLIGHTS.read_bytes()))
    whole = page.get_by_role("region", name="Forecast of the whole file")
    expect(whole.get_by_role("alert")).to_contain_text("The queue for large files does not work here now")
    expect(page.locator("#says")).to_contain_text("is expected to average")


def test_a_model_of_another_frequency_is_told_with_the_remedy(visit: Visit) -> None:
    visit.allow("status of 422")
    page = visit("/")
    months = b"ds,y\n" + b"".join(b"%d-%02d-01,%d\n" % (2015 + k // 12, 1 + k % 12, 50 + k % 12) for k in range(96))
    take(page, "months.csv", months)
    page.locator("#option-model").select_option("flights")
    problem = page.locator("#outlook-problem")
    expect(problem).to_contain_text("expected D, the frequency of the model flights")
    expect(page.locator("#says")).to_be_empty()
    assert list(page.locator("#chart-place .chart").evaluate("(element) => element.drawn.lines")) == ["Observed"]
    problem.get_by_role("button", name="Use the base weights").click()
    expect(page.locator("#says")).to_contain_text("months")
    expect(problem).to_be_empty()


def test_a_series_that_cannot_be_forecast_has_its_reason(visit: Visit) -> None:
    visit.allow("status of 422")
    page = visit("/")
    rows = b"empty,2013-01-01,\nempty,2013-01-02,\nempty,2013-01-03,\n"
    take(page, "two.csv", FLIGHTS.read_bytes() + rows)
    picker = page.get_by_role("combobox", name="Series")
    picker.fill("empty")
    picker.press("Enter")
    expect(page.locator("#outlook-problem").get_by_role("alert")).to_contain_text("empty")
    expect(page.locator("#says")).to_be_empty()
    expect(page.get_by_role("button", name="CSV of this series")).to_be_disabled()
    expect(page.locator("#accuracy")).to_contain_text("Not tested")


def test_a_service_that_is_gone_is_told(visit: Visit, start: Start) -> None:
    visit.allow("ERR_CONNECTION_REFUSED")
    own = start()
    page = visit("/", own)
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    own.terminate()
    page.get_by_role("button", name="Series: next").click()
    expect(page.locator("#outlook-problem")).to_contain_text("The service does not answer. Is it still running?")
    drop(page.locator("#outlook"), (FLIGHTS.name, FLIGHTS.read_bytes()))
    expect(page.locator("#source-problem")).to_contain_text("The service does not answer.")
    expect(page.locator("#outlook")).to_be_hidden()


def test_no_key_no_forecast(visit: Visit, start: Start, key: tuple[str, str]) -> None:
    visit.allow("status of 401")
    page = visit("/", start(KEYS=key[1]))
    choose(page.locator("#source-file"), FLIGHTS.name, FLIGHTS.read_bytes())
    expect(page.get_by_role("dialog")).to_be_visible()
    at_rest(page)  # all that it asked for is refused: one dialog for all
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    expect(page.locator("#source-problem")).to_contain_text("key")


def test_waiting_is_shown_after_a_while_and_ends(page: Page) -> None:
    take(page, FLIGHTS.name, FLIGHTS.read_bytes())
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/v1/forecast", hold)
    page.get_by_role("button", name="Series: next").click()
    expect(page.locator("#chart-place")).to_have_attribute("aria-busy", "true")
    held[0].continue_()
    expect(page.locator("#chart-place")).not_to_have_attribute("aria-busy", "true")
    expect(page.locator("#says")).to_contain_text("EWR_AA")
