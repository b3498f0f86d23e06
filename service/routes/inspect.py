"""``POST /v1/inspect``."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, request

from forecaster import Audit, ColumnNames, Limits, Panel, audit_csv
from service.admission import Admission, body_cost, inspection_cost
from service.answers import to_json
from service.baton import BATON
from service.bodies import media_type_sent, media_type_wanted, read_body
from service.contract import CSV, JSON, Answer, operation
from service.intake import frequency_of, read_options
from service.panels import check_limits
from service.problems import message_of
from service.routes.forecast import CSV_BODY, WORK_PROBLEMS
from service.schemas.inspections import InspectAnswer, InspectOptions
from service.settings import Settings
from service.tracing import step

__all__ = ["inspect_routes"]

_NO_MODEL = {"unknown-model", "no-forecast", "not-ready"}
"""Problems of routes that forecast."""


def inspect_routes(settings: Settings, admission: Admission) -> Blueprint:
    """Return the route ``/v1/inspect``."""
    routes = Blueprint("inspect", __name__, url_prefix="/v1")

    @routes.post("/inspect")
    @operation(
        id="inspect",
        summary="What a table holds, before it is forecast",
        description="Tells which column holds what (names that are given are taken as they are), the frequency and the "
        "series, and lists by line what is wrong or odd and what a forecast will do about it. Faults of single series "
        "are findings, even where no series is without; a fault of the table as a whole is a problem, as for a "
        "forecast. Nothing is forecast, and nothing is kept.",
        scope="forecast",
        body={CSV: CSV_BODY},
        query=InspectOptions,
        answers={200: Answer("What the table holds.", {JSON: InspectAnswer})},
        problems=("not-acceptable", *(kind for kind in WORK_PROBLEMS if kind not in _NO_MODEL)),
    )
    def inspect() -> Response:
        """Look at a table."""
        media_type_sent(CSV)
        media_type_wanted(JSON)
        options = read_options(InspectOptions, request.args)
        body = read_body(settings)
        with admission.turn() as turn, BATON.taken(len(body)):
            turn.take(body_cost(len(body), is_json=False))
            with step("parse"):
                audit = _look(body, options, settings)
            if audit.panel is not None:
                check_limits(audit.panel, 1, settings, columns=1)
                g.fields |= {"series": len(audit.panel), "values": len(audit.panel.values)}
                if options.values:
                    turn.take(inspection_cost(len(audit.panel.values)))
            g.fields["findings"] = audit.findings_total
            return Response(to_json(_answer(audit, values=options.values)), content_type=JSON)

    return routes


def _look(body: bytes, options: InspectOptions, settings: Settings) -> Audit:
    return audit_csv(
        body,
        id_col=options.id_col,
        time_col=options.time_col,
        target_col=options.target_col,
        freq=frequency_of(options),
        timezone=options.timezone,
        limits=Limits(columns=settings.max_series + 1, rows=settings.max_points, series=settings.max_series),
        name="The file",
    )


def _answer(audit: Audit, *, values: bool) -> dict[str, Any]:
    """Return an `InspectAnswer`; a test holds it to the schema."""
    panel = audit.panel
    frequency = None if panel is None else panel.frequency
    convert = int if frequency is not None and frequency.is_integer else str
    return {
        "columns": [{"name": column.name, "role": column.role} for column in audit.columns],
        "layout": audit.layout,
        **_names(audit.names, audit.layout),
        "rows": audit.rows,
        "freq": None if frequency is None else frequency.alias,
        "season": None if frequency is None else frequency.season,
        "timezone": None if panel is None else panel.timezone,
        "series": [
            {
                "unique_id": one.unique_id,
                "start": convert(one.start),
                "end": convert(one.end),
                "length": one.length,
                "missing": one.missing,
            }
            for one in audit.series
        ],
        "findings": [
            {
                "line": one.line,
                "unique_id": one.series,
                "column": one.column,
                "severity": one.severity,
                "problem": message_of(one.problem),
                "action": one.action,
            }
            for one in audit.findings
        ],
        "findings_total": audit.findings_total,
        "values": _values(panel) if values and panel is not None else None,
    }


def _names(names: ColumnNames, layout: str) -> dict[str, str | None]:
    """Return the names that other routes need to read the table in the same way; None where they need none."""
    usual = ColumnNames()
    is_told = {"long": False, "single": names.id_col == usual.id_col, "wide": True}[layout]
    return {
        "id_col": None if is_told else names.id_col,
        "time_col": names.time_col,
        "target_col": None if layout == "wide" and names.target_col else names.target_col,
    }


def _values(panel: Panel) -> dict[str, Any]:
    count = range(len(panel))
    labels = [panel.times(i).tolist() if panel.frequency.is_integer else panel.time_labels(i) for i in count]
    return {
        "unique_id": panel.ids,
        "sizes": panel.lengths.tolist(),
        "ds": [label for own in labels for label in own],
        "y": panel.values.tolist(),
    }
