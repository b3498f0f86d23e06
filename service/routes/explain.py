"""``POST /v1/explain``."""

from __future__ import annotations

from flask import Blueprint, Response, g

from service.admission import Admission, Turn, body_cost, explanation_cost
from service.answers import skipped_series, to_json
from service.bodies import media_type_sent, media_type_wanted, read_body
from service.contract import JSON, Answer, operation
from service.explaining import Part, explain_pieces, layers_of, numbers_of
from service.forecasting import no_forecast
from service.intake import frequency_of, invalid, read_json, too_many
from service.models.registry import ModelRegistry
from service.models.served import ServedModel
from service.panels import Intake, check_size, panel_of
from service.routes.forecast import WORK_PROBLEMS, refuse_query
from service.schemas.explanations import ExplainAnswer, ExplainOptions, ExplainRequest
from service.settings import Settings
from service.tracing import step

__all__ = ["explain_routes"]


def explain_routes(registry: ModelRegistry, settings: Settings, admission: Admission) -> Blueprint:
    """Return the route ``/v1/explain``."""
    routes = Blueprint("explain", __name__, url_prefix="/v1")

    @routes.post("/explain")
    @operation(
        id="explain",
        summary="See what the gates of the networks did",
        description="For each series the input, forget and output gates, the candidate, the cell state and the hidden "
        "state of every unit at every step that the networks saw. They are those of the pass that the forecast is made "
        "of, of its first where the horizon is longer than the networks'. Numbers have the fewest digits that give the "
        "same float32 back. All numbers of an answer count towards FORECASTER_MAX_POINTS: ask for one network and "
        "layer, or for few series. A model of another cell than the LSTM has other gates, or none, and is refused.",
        scope="forecast",
        body={JSON: ExplainRequest},
        answers={200: Answer("Gates and states, and the series that have none.", {JSON: ExplainAnswer})},
        problems=("not-acceptable", *WORK_PROBLEMS),
    )
    def explain() -> Response:
        """See what the gates of the networks did."""
        media_type_sent(JSON)
        media_type_wanted(JSON)
        registry.require_ready()
        body = read_body(settings)
        with admission.turn() as turn:
            turn.take(body_cost(len(body), is_json=True))
            with step("parse"):
                refuse_query()
                asked = read_json(ExplainRequest, body, settings)
                intake = panel_of(asked.series, asked, settings)
            served = registry.choose(asked.model, frequency_of(asked) or intake.panel.frequency, asked.season)
            with step("explain"):
                return _explain(intake, asked, served, settings, turn)

    return routes


def _explain(intake: Intake, options: ExplainOptions, served: ServedModel, settings: Settings, turn: Turn) -> Response:
    panel = intake.panel
    check_size(panel, settings)
    _check_cell(served)
    _check_choice(options, served)
    numbers = numbers_of(served.info, panel, network=options.network, layer=options.layer)
    if numbers > settings.max_points:
        expected = (
            f"at most {settings.max_points} numbers in the answer; all networks, layers and series have {numbers}"
        )
        raise too_many("series", expected)
    g.fields |= served.fields | {"series": len(panel), "values": len(panel.values)}
    turn.take(explanation_cost(served.model, series=len(panel), values=len(panel.values), numbers=numbers))
    parts: list[Part] = []
    for part in explain_pieces(served.model, panel, network=options.network, layer=options.layer):
        parts.append(part)
        turn.check()
    too_short = {name: reason for part in parts for name, reason in part.skipped.items()}
    explained = [part for part in parts if part.body]
    if not explained:
        raise no_forecast(too_short | intake.skipped)
    skipped = intake.skipped | too_short
    g.fields["explained"] = len(panel) - len(too_short)  # not `skipped`, by which forecasts are counted
    layers = layers_of(served.info)
    head = {
        **served.fields,
        "freq": panel.frequency.alias,
        "engine": "plain" if any(part.engine == "plain" for part in explained) else "compiled",
        "networks": len(layers),
        "layers": layers,
        "skipped": skipped_series(skipped),
    }
    body = b'%b,"explanations":[%b]}' % (to_json(head)[:-1], b",".join(part.body for part in explained))
    return Response(body, content_type=JSON)


def _check_cell(served: ServedModel) -> None:
    """Raise a problem if the networks of the model have not the gates that an explanation shows."""
    cell = served.info.get("architecture", {}).get("cell", "lstm")
    if cell != "lstm":
        expected = f"one whose networks are LSTMs, whose gates are shown; those of {served.name} are {cell.upper()}s"
        raise invalid("model", expected, got=f"a model of {cell.upper()}s")


def _check_choice(options: ExplainOptions, served: ServedModel) -> None:
    """Raise a problem if the model has no such network, or none with such a layer."""
    layers = layers_of(served.info)
    if not layers:
        return
    if options.network is not None and options.network >= len(layers):
        raise invalid("network", f"a network from 0 to {len(layers) - 1}", got="a larger number")
    deepest = max(layers) if options.network is None else layers[options.network]
    if options.layer is not None and options.layer >= deepest:
        raise invalid("layer", f"a layer from 0 to {deepest - 1}", got="a larger number")
