"""Debian's Chromium for whoever looks at the page: found, started, ended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",  # else it looks for its maker's hosts at every start
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing else can be reached, even by mistake
)


def chromium() -> str | None:
    """Return the path of the browser's executable, or None."""
    return os.environ.get("FORECASTER_CHROMIUM") or shutil.which("chromium")


def why_not() -> str | None:
    """Return why there can be no browser here, or None."""
    path = chromium()
    if path is None:
        return "Chromium is not installed (Debian's package is called chromium; FORECASTER_CHROMIUM names another)"
    return None if shutil.which(path) else f"FORECASTER_CHROMIUM names {path}, which is no program"


@contextmanager
def browsing() -> Iterator[Browser]:
    """Start the browser and end it, with all that belongs to it."""
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]  # as root, Chromium's sandbox cannot be had
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=flags)
        try:
            yield browser
        finally:
            browser.close()
