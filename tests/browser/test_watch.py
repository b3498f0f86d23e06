"""The watch itself: what is wrong with a page is seen, whatever its tests look at."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.service.processes import Running

from .chromium import Visit
from .pages import charts, eventually

WRONGS = {
    "console error: mine": "console.error('mine')",
    "uncaught: Error: thrown": "setTimeout(() => { throw new Error('thrown') })",
    "uncaught: Error: rejected": "void Promise.reject(new Error('rejected'))",
    "policy: script-src": "document.head.append(Object.assign(document.createElement('script'), {text: '1'}))",
    "policy: style-src": "document.body.setAttribute('style', 'color: red')",
    "policy: connect-src http://elsewhere.invalid/x": "void fetch('http://elsewhere.invalid/x').catch(() => 0)",
    "another origin: GET http://elsewhere.invalid/y": "void (location = 'http://elsewhere.invalid/y')",
    "dialog: alert 'hello'": "setTimeout(() => alert('hello'))",
    "console error: Failed to load resource: the server responded with a status of 404": "void (location = '/nothing')",
}


@pytest.mark.parametrize("wrong", WRONGS)
def test_what_is_wrong_is_seen(wrong: str, browser: Browser, service: Running) -> None:
    visit = Visit(browser, service)
    page = visit("/docs")
    assert visit.faults() == []
    page.evaluate(WRONGS[wrong])
    eventually(page, lambda: any(fault.startswith(wrong) for fault in visit.faults()), wanted=True)
    visit.close()
    visit.allow(wrong)
    assert not [fault for fault in visit.faults() if fault.startswith(wrong)]


def test_nothing_but_the_service_can_be_reached(browser: Browser, service: Running) -> None:
    """What would leave the origin does not, policy or not."""
    visit = Visit(browser, service)
    page = visit("/docs", bypass_csp=True)
    assert page.evaluate("fetch('http://127.0.0.2:8009/').catch((error) => error.message)") == "Failed to fetch"
    eventually(page, lambda: any("ERR_NAME_NOT_RESOLVED" in fault for fault in visit.faults()), wanted=True)
    visit.close()
    assert "another origin: GET http://127.0.0.2:8009/" in visit.faults()


def test_charts_are_read(visit: Visit) -> None:
    page = visit("/docs")
    page.evaluate("""() => {
      window.uPlot = function () {
        return { root: document.body, mode: 1, series: [{}, { label: "y" }], data: [[1, 2], new Float32Array([3, 4])],
                 scales: { y: { min: 1, max: 2, distr: 3 } } };
      };
      new uPlot({});
    }""")
    (chart,) = charts(page)
    assert chart["labels"] == [None, "y"]
    assert chart["data"] == [[1, 2], [3, 4]]
    assert chart["scales"]["y"] == {"min": 1, "max": 2, "distr": 3}
