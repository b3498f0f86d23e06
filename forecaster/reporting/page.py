"""A report as one page of HTML: its sections in the places that the template has for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from forecaster import __version__
from forecaster.reporting import sections
from forecaster.reporting.charts import swatches
from forecaster.reporting.content import Content
from forecaster.reporting.told import Told

__all__ = ["Made", "render_page"]

_ROOM = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """Where a report comes from.

    Attributes
    ----------
    source
        Name of the file.
    model
        What forecast, in a sentence or two.
    seen
        Whether the model may have learned from the values it is tested on.
    facts
        What else is to be known: name and text.
    report_command, predict_command
        Command lines that make the report, and all forecasts as a table.
    """

    source: str
    model: str
    seen: bool
    facts: Sequence[tuple[str, str]]
    report_command: str
    predict_command: str


def render_page(content: Content, made: Made) -> str:
    """Return the page; matplotlib draws its charts."""
    told = Told(content, seen=made.seen)
    environment = Environment(
        loader=FileSystemLoader(_ROOM), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    tested = content.backtest
    return environment.get_template("report.html").render(
        made=made,
        told=told,
        no_backtest=content.no_backtest,
        tiles=sections.tiles(told),
        swatches=swatches(content.plan.levels),
        forecasts=sections.forecasts(told),
        backtest=None if tested is None else sections.backtest(told, tested),
        intervals=None if tested is None else sections.intervals(told),
        data=sections.data(told),
        unread=len(content.audit.skipped),
        style=Markup((_ROOM / "report.css").read_text(encoding="utf-8")),  # noqa: S704 - a file of the package
        version=__version__,
    )
