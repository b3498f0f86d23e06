"""axe-core, which looks for what keeps people from using a page."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

GRAVE = ("serious", "critical")
SCRIPT = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
RUN = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"] });
  return violations.flatMap(({ id, impact, help, nodes }) =>
    nodes.map(({ target, failureSummary, impact: own }) =>
      ({ rule: id, impact: own ?? impact, help, where: target.join(" "), why: failureSummary })));
}
"""


def axe_script() -> Path:
    """Return where axe-core's script is, or would be."""
    return Path(os.environ.get("FORECASTER_AXE") or SCRIPT)


def why_not() -> str | None:
    """Return why axe-core cannot be asked here, or None."""
    if axe_script().is_file():
        return None
    return f"axe-core is not installed at {axe_script()} (npm ci --prefix tests/browser; FORECASTER_AXE names another)"


def breaches(page: Page, impacts: tuple[str, ...] = GRAVE) -> list[dict[str, Any]]:
    """Return what axe-core holds against the page as it is now; the script is evaluated, since no policy lets it in."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(axe_script().read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate(RUN)
    return [breach for breach in found if breach["impact"] in impacts]
