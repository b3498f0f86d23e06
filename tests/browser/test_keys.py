"""A service with keys: the page asks for one when it is needed, and keeps it in its memory alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from service.keys import SCOPES, create_key
from tests.service.processes import Running, running

from .chromium import Visit
from .conftest import USUAL
from .pages import Held, at_rest

MODELS = ["flights", "shop", "base"]
ASK = """
() => {
  globalThis.__answers ??= [];
  void import(`/static/${document.body.dataset.version}/api.js`)
    .then(({ askJson }) => askJson("GET", "/v1/models"))
    .then(({ models }) => models.map(({ name }) => name), (problem) => [problem.status])
    .then((answer) => __answers.push(answer));
}
"""
"""Has the page's own module ask for something that needs a key, as any section does; the page waits in a dialog."""


def ask(page: Page) -> None:
    page.evaluate(ASK)
    expect(page.get_by_role("dialog", name="This service has keys")).to_be_visible()


def answers(page: Page, count: int = 1) -> list[list[str | int]]:
    """Return what came of the questions; status in the place of names where one was refused for good."""
    page.wait_for_function("(count) => __answers.length >= count", arg=count)
    found: list[list[str | int]] = page.evaluate("__answers")
    return found


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def key(keys: Path) -> str:
    return create_key(keys, "all", list(SCOPES))[1]


@pytest.fixture(scope="module")
def locked(models: Path, keys: Path, key: str) -> Iterator[Running]:
    """A service with keys; `key` is of all scopes."""
    assert key
    with running(keys.parent, models=models, **(USUAL | {"KEYS": str(keys)})) as service:
        yield service


@pytest.fixture
def asked(visit: Visit, locked: Running) -> Page:
    visit.allow("status of 401")
    page = visit("/", locked)
    ask(page)
    return page


def test_the_page_itself_needs_no_key_and_a_key_opens_the_rest(asked: Page, key: str) -> None:
    expect(asked.locator("#key")).to_be_focused()
    asked.keyboard.type(key)
    asked.keyboard.press("Enter")
    assert answers(asked) == [MODELS]
    expect(asked.locator("#key")).to_have_value("")


def test_a_wrong_key_is_asked_for_again_and_spaces_around_it_do_not_matter(asked: Page, key: str) -> None:
    with asked.expect_response("**/v1/models"):
        asked.locator("#key").fill("fk_00000000_nonsense")
        asked.get_by_role("button", name="Use this key").click()
    dialog = asked.get_by_role("dialog")
    expect(dialog).to_be_visible()
    expect(asked.locator("#key-reason")).not_to_be_empty()
    asked.locator("#key").fill(f"  {key}\n")
    asked.get_by_role("button", name="Use this key").click()
    assert answers(asked) == [MODELS]
    expect(dialog).to_be_hidden()


@pytest.mark.parametrize("leave", ["Escape", "Cancel"])
def test_whoever_has_no_key_can_leave_and_is_told(asked: Page, leave: str) -> None:
    if leave == "Escape":
        asked.keyboard.press("Escape")
    else:
        asked.get_by_role("button", name="Cancel").click()
    expect(asked.get_by_role("dialog")).to_be_hidden()
    assert answers(asked) == [[401]]


def test_requests_that_are_refused_together_share_one_dialog(asked: Page, key: str) -> None:
    asked.evaluate(ASK)
    at_rest(asked)  # the second one is refused as well
    asked.locator("#key").fill(key)
    asked.keyboard.press("Enter")
    assert answers(asked, 2) == [MODELS, MODELS]
    expect(asked.get_by_role("dialog")).to_be_hidden()


def test_a_refusal_that_comes_after_the_key_is_no_new_question(asked: Page, key: str) -> None:
    late = Held(asked, "/v1/models")
    asked.evaluate(ASK)
    late.wait()
    assert late.first is not None
    refusal = late.first.fetch()
    asked.locator("#key").fill(key)
    asked.keyboard.press("Enter")
    assert answers(asked) == [MODELS]
    late.first.fulfill(response=refusal)
    assert answers(asked, 2) == [MODELS, MODELS]
    expect(asked.get_by_role("dialog")).to_be_hidden()


def test_the_key_is_kept_in_memory_alone(asked: Page, key: str, visit: Visit) -> None:
    asked.locator("#key").fill(key)
    asked.keyboard.press("Enter")
    answers(asked)
    kept = asked.evaluate(
        """async () => JSON.stringify([
          { ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state, name,
          document.documentElement.outerHTML, [...document.querySelectorAll("input")].map(({ value }) => value),
          performance.getEntries().map(({ name }) => name), await indexedDB.databases(), await caches.keys(),
        ])"""
    )
    assert key not in kept
    assert key[-16:] not in kept
    assert asked.context.cookies() == []
    assert not [line for line in visit.requests if key in line]
    asked.reload()
    ask(asked)  # it is forgotten
    asked.keyboard.press("Escape")


def test_a_key_of_too_small_a_scope_is_told_and_can_be_changed(
    visit: Visit, locked: Running, key: str, keys: Path
) -> None:
    small = create_key(keys, "metrics only", ["metrics"])[1]
    visit.allow("status of 40[13]")
    page = visit("/", locked)
    ask(page)
    page.locator("#key").fill(small)
    with page.expect_response(lambda response: response.status == 403):
        page.keyboard.press("Enter")
    expect(page.locator("#key-reason")).to_contain_text("scope")
    page.locator("#key").fill(key)
    page.keyboard.press("Enter")
    assert answers(page) == [MODELS]
