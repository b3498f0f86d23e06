"""Pages in Chromium, and what is held against them."""

from __future__ import annotations

import os
import re
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Dialog,
    Page,
    Request,
    WebError,
    expect,
)

from tests.service.processes import Running

from .pages import PATIENCE, SPY, answered

SLOWNESS = int(os.environ.get("FORECASTER_SLOW_PAGE") or 0)
"""How many times slower a page is than it could be; above 0 its answers come late as well."""
LATE = 600 if SLOWNESS else 0
expect.set_options(timeout=PATIENCE)
VIEW = {"width": 1200, "height": 900}


class Visit:
    """Opens pages, each in a context of its own, and writes down what was wrong with them."""

    def __init__(self, browser: Browser, service: Running) -> None:
        self.requests: list[str] = []
        """Paths that were asked for, with their methods: ``GET /``."""
        self._browser = browser
        self._service = service
        self._contexts: list[BrowserContext] = []
        self._origins: set[str] = set()
        self._faults: list[str] = []
        self._allowed: list[str] = []

    def __call__(self, path: str = "/", service: Running | None = None, **options: Any) -> Page:
        """Open a page; `options` are those of Playwright's ``new_context``."""
        origin = f"http://127.0.0.1:{(service or self._service).port}"
        self._origins.add(origin)
        page = self.context(origin, **options).new_page()
        if SLOWNESS:
            page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWNESS})
        page.goto(f"{origin}{path}")
        return page

    def context(self, origin: str, **options: Any) -> BrowserContext:
        """Return a new watched context, without a page."""
        usual = {"viewport": VIEW, "locale": "en-GB", "timezone_id": "America/New_York", "reduced_motion": "reduce"}
        context = self._browser.new_context(base_url=origin, **{**usual, **options})
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=origin)
        context.on("console", self._heard)
        context.on("weberror", self._threw)
        context.on("request", self._asked)
        context.on("dialog", self._asked_the_user)
        context.expose_binding("__breach", lambda _, text: self._faults.append(f"policy: {text}"))
        context.add_init_script(f"globalThis.__late = {LATE};\n{SPY}")
        return context

    def allow(self, pattern: str) -> None:
        """Let this test bring about faults that a regular expression is found in."""
        self._allowed.append(pattern)

    def faults(self) -> list[str]:
        """Return what was wrong so far, without what is allowed."""
        return [fault for fault in self._faults if not any(re.search(pattern, fault) for pattern in self._allowed)]

    def close(self) -> None:
        """Close all pages, each at rest: what is wrong with an answer that comes late is no matter of luck."""
        while self._contexts:
            context = self._contexts.pop()
            for page in context.pages:
                answered(page)
            context.close()

    # --- what is held against a page

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self._faults.append(f"console {message.type}: {message.text} ({message.location['url']})")

    def _threw(self, error: WebError) -> None:
        self._faults.append(f"uncaught: {error.error.stack or error.error}")

    def _asked(self, request: Request) -> None:
        origin, path = re.match(r"(\w+:/*[^/?#]*)(.*)", request.url, re.DOTALL).groups()  # type: ignore[union-attr]  # every URL matches
        if origin in self._origins:
            self.requests.append(f"{request.method} {path}")
        elif not request.url.startswith(("blob:", "data:")):
            self._faults.append(f"another origin: {request.method} {request.url}")

    def _asked_the_user(self, dialog: Dialog) -> None:
        self._faults.append(f"dialog: {dialog.type} {dialog.message!r}")
        dialog.dismiss()
