"""What the page puts into the clipboard, and what comes of it where it is run."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from playwright.sync_api import Page

from tests.service.processes import ROOT

CLIPBOARD = "navigator.clipboard.readText()"
PATIENCE = 120


def copied(page: Page, kind: str) -> str:
    """Press a button and return what it has put into the clipboard."""
    page.evaluate("navigator.clipboard.writeText('')")
    page.get_by_role("button", name=f"Copy as {kind}").click()
    page.wait_for_function(f"async () => (await {CLIPBOARD}) !== ''")
    return str(page.evaluate(CLIPBOARD))


def run(command: list[str], folder: Path, **more: str) -> str:
    """Run what was copied where the file lies, with more variables, and return what it wrote."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "HOME": str(folder)} | more
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=PATIENCE, check=False)  # noqa: S603 - what is tested
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()
