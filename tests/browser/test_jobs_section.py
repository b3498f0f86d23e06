"""The section of jobs: what the queue says, and what a user may do about it."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from service.jobs.job import FINISHED
from tests.service.jobs import TABLE
from tests.service.processes import Running, wait_for

from .chromium import Visit
from .conftest import Start
from .pages import answered, at_rest, eventually
from .states import FLIGHTS

CSV = {"Content-Type": "text/csv"}
LONG = "kind=train&h=14&name=long&init=random&steps=100000"
"""A training that does not end by itself while a test runs."""
SHORT = b"unique_id,ds,y\nshort,2024-01-01,1\n"


def hand_in(service: Running, body: bytes = TABLE, query: str = "kind=forecast&h=2") -> str:
    answer = service.ask("POST", f"/v1/jobs?{query}", body, CSV)
    assert answer.status == 202, answer.body
    return str(answer.json["id"])


def job(service: Running, name: str) -> dict[str, Any]:
    found: dict[str, Any] = service.ask("GET", f"/v1/jobs/{name}").json
    return found


def finished(service: Running, name: str) -> dict[str, Any]:
    wait_for(lambda: job(service, name)["status"] in FINISHED)
    return job(service, name)


def row(page: Page, name: str) -> Locator:
    return page.locator(f"[data-job='{name}']")


def test_the_list_is_that_of_the_service_newest_first(visit: Visit, service: Running) -> None:
    names = [hand_in(service), hand_in(service, b"unique_id,ds,y\na,1,oops\n", "kind=train&h=3&name=never")]
    for name in names:
        finished(service, name)
    page = visit("/#jobs", service)
    expect(row(page, names[1])).to_contain_text("✕ failed")
    expect(row(page, names[1]).get_by_role("heading")).to_have_text("Training of never, 3 steps")
    expect(row(page, names[1]).get_by_role("alert")).to_contain_text(job(service, names[1])["error"]["detail"])
    expect(row(page, names[0])).to_contain_text("✓ done")
    expect(row(page, names[0])).to_contain_text("4 rows from 60 values of 2 series")
    shown = page.locator("[data-job]").evaluate_all("(rows) => rows.map((row) => row.dataset.job)")
    assert shown == [one["id"] for one in service.ask("GET", "/v1/jobs").json["jobs"]]
    row(page, names[0]).get_by_text("Options").click()
    for text in (names[0], "forecast", "2"):
        expect(row(page, names[0]).get_by_role("cell", name=text, exact=True)).to_be_visible()


def test_files_are_those_of_the_service(visit: Visit, service: Running, tmp_path: Path) -> None:
    name = hand_in(service, TABLE + SHORT.split(b"\n")[1] + b"\n")
    assert finished(service, name)["result"]["skipped"] == 1
    page = visit("/#jobs", service)
    for button, which in (("Download the forecast", "result"), ("Skipped series (1)", "skipped")):
        with page.expect_download() as waited:
            row(page, name).get_by_role("button", name=button).click()
        path = tmp_path / which
        waited.value.save_as(path)
        answer = service.ask("GET", f"/v1/jobs/{name}/{which}")
        assert path.read_bytes() == answer.body
        assert f'filename="{waited.value.suggested_filename}"' in answer.headers["Content-Disposition"]


def test_a_waiting_job_is_cancelled_and_then_deleted(visit: Visit, start: Start) -> None:
    service = start(JOB_WORKERS="0")
    page = visit("/#jobs", service)
    expect(page.locator("#jobs-empty")).to_be_visible()
    expect(page.locator("#jobs-older")).to_be_hidden()
    name = hand_in(service)
    page.reload()
    expect(row(page, name)).to_contain_text("Waiting for its turn")
    row(page, name).get_by_role("button", name="Cancel").click()
    expect(row(page, name)).to_contain_text("⊘ cancelled")
    assert job(service, name)["status"] == "cancelled"
    expect(row(page, name).get_by_role("button", name="Delete")).to_be_focused()

    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_contain_text("Forecast by the default model, 2 steps")
    expect(page.get_by_role("dialog").get_by_role("button", name="Cancel")).to_be_focused()
    page.keyboard.press("Escape")
    expect(row(page, name).get_by_role("button", name="Delete")).to_be_focused()
    assert job(service, name)["status"] == "cancelled"
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(row(page, name)).to_have_count(0)
    assert service.ask("GET", f"/v1/jobs/{name}").status == 404
    expect(page.locator("#jobs-empty")).to_be_visible()


def test_a_deleted_job_stays_away_whichever_answer_comes_first(visit: Visit, share: Start) -> None:
    service, held = share(JOB_WORKERS="0"), list[Route]()
    names = [hand_in(service), hand_in(service)]
    for name in names:
        service.ask("POST", f"/v1/jobs/{name}/cancel")
    page = visit("/#jobs", service)

    def hold(route: Route) -> None:
        held.append(route)

    def look_again() -> None:
        page.locator(".top nav a[href='#forecast']").click()
        page.locator(".top nav a[href='#jobs']").click()

    def delete(name: str) -> None:
        row(page, name).get_by_role("button", name="Delete").click()
        page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    page.route(f"**/v1/jobs/{names[0]}", hold)
    delete(names[0])
    eventually(page, lambda: len(held), 1)
    service.ask("DELETE", f"/v1/jobs/{names[0]}")
    look_again()
    expect(row(page, names[0])).to_have_count(0)
    held.pop().fulfill(status=204)

    page.route("**/v1/jobs?*", hold)
    look_again()
    eventually(page, lambda: len(held), 1)
    before = held[0].fetch()
    delete(names[1])
    expect(row(page, names[1])).to_have_count(0)
    held.pop().fulfill(response=before)
    at_rest(page)
    expect(row(page, names[1])).to_have_count(0)


def test_what_the_service_refuses_is_said_at_the_job(visit: Visit, share: Start) -> None:
    visit.allow("status of 404")
    service = share(JOB_WORKERS="0")
    name = hand_in(service)
    page = visit("/#jobs", service)
    page.route("**/cancel", lambda route: route.continue_(url=route.request.url.replace(name, "0" * 32)))
    row(page, name).get_by_role("button", name="Cancel").click()
    expect(row(page, name).get_by_role("alert")).to_contain_text("no longer kept")


def test_a_job_is_seen_on_its_way(visit: Visit, start: Start) -> None:
    service = start()
    name = hand_in(service, FLIGHTS.read_bytes(), LONG)
    page = visit("/#jobs", service)
    expect(row(page, name)).to_contain_text("▶ running", timeout=60_000)
    expect(row(page, name)).to_contain_text(re.compile(r"Step [\d,]+ of [\d,]+"), timeout=60_000)
    expect(row(page, name).get_by_role("progressbar")).to_have_attribute("value", re.compile(r"[\d.]+"))
    row(page, name).get_by_role("button", name="Cancel").click()
    expect(row(page, name)).to_contain_text("⊘ cancelled")
    assert job(service, name)["status"] == "cancelled"


def test_older_jobs_come_in_pages(visit: Visit, start: Start) -> None:
    service = start(JOB_WORKERS="0", MAX_JOBS_PER_KEY="60")
    names = [hand_in(service) for _ in range(45)][::-1]
    page = visit("/#jobs", service)
    for shown in (20, 40, 45):
        expect(page.locator("[data-job]")).to_have_count(shown)
        found = page.locator("[data-job]").evaluate_all("(rows) => rows.map((row) => row.dataset.job)")
        assert found == names[:shown]
        if shown < len(names):
            page.get_by_role("button", name="Older jobs").click()
    expect(page.locator("#jobs-older")).to_be_hidden()
    newest = hand_in(service)
    service.ask("POST", f"/v1/jobs/{names[44]}/cancel")
    page.reload()
    expect(page.locator("[data-job]").first).to_have_attribute("data-job", newest)


def looks(visit: Visit) -> int:
    return sum(request.startswith("GET /v1/jobs") for request in visit.requests)


def test_nobody_looks_at_a_list_that_nobody_sees(visit: Visit, share: Start) -> None:
    service = share(JOB_WORKERS="0")
    name = hand_in(service)
    page = visit("/", service)
    page.clock.install()  # before there are timers
    page.locator(".top a[href='#jobs']").click()
    expect(row(page, name)).to_be_visible()
    page.locator(".top a[href='#gates']").click()
    expect(page.locator("#gates-title")).to_be_visible()
    answered(page)  # a look that was under way is one of those before
    before = looks(visit)
    page.clock.run_for(60_000)
    assert looks(visit) == before
    with page.expect_response("**/v1/jobs*"):
        page.locator(".top a[href='#jobs']").click()
    answered(page)  # and the next look is on its way
    with page.expect_response("**/v1/jobs*"):
        page.clock.run_for(2_000)


FOLLOW = """
async ({ name, content }) => {
  const folder = document.querySelector("script[type=module]").src.replace("page.js", "");
  const { followJob, handIn } = await import(folder + "follow.js");
  const place = document.createElement("div");
  place.id = "there";
  document.getElementById("main").prepend(place);
  const job = await handIn(new Blob([atob(content)]), { kind: "forecast", h: 2 });
  globalThis.__followed = followJob(job, place, { name }).then((ended) => ended.id);
}
"""


@pytest.mark.parametrize("body", [TABLE, SHORT])
def test_a_job_is_followed_where_the_user_is(visit: Visit, service: Running, tmp_path: Path, body: bytes) -> None:
    page = visit("/", service)
    page.evaluate(FOLLOW, {"name": "<b>large</b>.csv", "content": base64.b64encode(body).decode()})
    place = page.locator("#there")
    name = page.evaluate("globalThis.__followed")
    if body == SHORT:
        expect(place.get_by_role("alert")).to_contain_text(job(service, name)["error"]["detail"])
        return
    expect(place).to_contain_text("The forecast of <b>large</b>.csv is ready.")
    expect(page.locator("#announcer")).to_have_text("The forecast of <b>large</b>.csv is ready.")
    with page.expect_download() as waited:
        place.get_by_role("button", name="Download the forecast").click()
    waited.value.save_as(tmp_path / "result.csv")
    assert (tmp_path / "result.csv").read_bytes() == service.ask("GET", f"/v1/jobs/{name}/result").body
