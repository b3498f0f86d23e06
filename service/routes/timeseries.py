"""``POST /v1/timeseries/forecast``: KServe's time series forecast API over the same models."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from flask import Blueprint, Response, g

from forecaster import Forecast, Frequency, InputError, LongTable, Panel
from service.admission import Admission, Turn, body_cost, forecast_cost
from service.answers import to_json
from service.baton import BATON
from service.bodies import media_type_sent, media_type_wanted, read_body
from service.contract import JSON, Answer, operation
from service.forecasting import forecast_pieces
from service.intake import Spread, intervals_of, invalid, read_json, too_many
from service.models.registry import ModelRegistry
from service.models.served import ServedModel
from service.panels import check_horizon
from service.problems import Problem, message_of
from service.routes.forecast import WORK_PROBLEMS, refuse_query
from service.schemas.timeseries import TimeSeriesAnswer, TimeSeriesInput, TimeSeriesRequest
from service.settings import Settings
from service.steps import frequency_at, time_after
from service.tracing import step

__all__ = ["timeseries_routes"]


def timeseries_routes(registry: ModelRegistry, settings: Settings, admission: Admission) -> Blueprint:
    """Return the route ``/v1/timeseries/forecast``."""
    routes = Blueprint("timeseries", __name__, url_prefix="/v1/timeseries")

    @routes.post("/forecast")
    @operation(
        id="forecastTimeSeries",
        summary="Forecast series in KServe's shape",
        description="KServe's time series forecast API: an outcome for each input, also where none can be forecast. "
        "What is wrong with the request as a whole is answered with a problem.",
        scope="forecast",
        body={JSON: TimeSeriesRequest},
        answers={200: Answer("An outcome for each input.", {JSON: TimeSeriesAnswer})},
        problems=("not-acceptable", *(kind for kind in WORK_PROBLEMS if kind != "no-forecast")),
    )
    def forecast_time_series() -> Response:
        """Forecast series in KServe's shape."""
        media_type_sent(JSON)
        media_type_wanted(JSON)
        registry.require_ready()
        refuse_query()
        body = read_body(settings)
        with admission.turn() as turn, BATON.taken(len(body)):
            turn.take(body_cost(len(body), is_json=True))
            with step("parse"):
                request = read_json(TimeSeriesRequest, body, settings)
            _check_sizes(request, settings)
            outcomes = _Outcomes(request)
            with step("forecast"):
                outcomes.fill(registry, turn)
            return Response(to_json(outcomes.answer()), content_type=JSON)

    return routes


def _check_sizes(request: TimeSeriesRequest, settings: Settings) -> None:
    names: set[str] = set()
    for number, item in enumerate(request.inputs):
        if item.name in names:
            raise invalid(f"inputs[{number}].name", "a name that no other input has", got="one used before")
        names.add(item.name)
    if len(request.inputs) > settings.max_series:
        raise too_many("inputs", f"at most {settings.max_series} series")
    if sum(len(item.series) for item in request.inputs) > settings.max_points:
        raise too_many("inputs", f"at most {settings.max_points} values in all")
    columns = 1 + len(request.options.quantiles or ())
    check_horizon(request.options.horizon, len(request.inputs), settings, columns=columns, field="options.horizon")


@dataclass(slots=True)
class _Outcomes:
    """What becomes of each input of a request."""

    request: TimeSeriesRequest
    contents: dict[str, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, dict[str, Any]] = field(default_factory=dict)

    def fill(self, registry: ModelRegistry, turn: Turn) -> None:
        """Forecast all inputs, those of each frequency together."""
        h = self.request.options.horizon
        spread = intervals_of(None, self.request.options.quantiles or [0.5], field="options.quantiles")
        work = list(self._groups(registry))
        for served, panel in work:
            turn.take(
                forecast_cost(
                    served.model, series=len(panel), values=len(panel.values), h=h, columns=1 + len(spread.quantiles)
                )
            )
        values = sum(len(panel.values) for _, panel in work)
        g.fields |= {"series": len(self.request.inputs), "values": values, "h": h}
        if work:
            g.fields |= work[0][0].fields
        for served, panel in work:
            for piece in forecast_pieces(served.model, panel, h=h, level=spread.levels, quantiles=spread.quantiles):
                if piece.forecast is not None:
                    self._keep(piece.forecast, spread)
                for name, reason in piece.skipped.items():
                    self._fail(name, reason, "no-forecast", "series")
                turn.check()
        g.fields["skipped"] = len(self.faults)

    def _groups(self, registry: ModelRegistry) -> list[tuple[ServedModel, Panel]]:
        """Return a model and its series for each frequency there is."""
        groups: dict[Frequency, list[TimeSeriesInput]] = {}
        for item in self.request.inputs:
            try:
                groups.setdefault(frequency_at(item.frequency, item.start_timestamp), []).append(item)
            except InputError as error:
                self._fail(item.name, str(error), "invalid-request", "start_timestamp")
        found = []
        for frequency, inputs in groups.items():
            try:
                served = registry.choose(self.request.model, frequency)
            except Problem as problem:
                if problem.kind != "invalid-request":  # of the request as a whole
                    raise
                for item in inputs:
                    self._fail(item.name, problem.detail, problem.kind, "frequency")
            else:
                found.append((served, _panel_of(inputs)))
        return found

    def _keep(self, forecast: Forecast, spread: Spread) -> None:
        asked = self.request.options.quantiles
        points = forecast.point.tolist()
        quantiles = {f"{one:g}": forecast.quantile(one).tolist() for one in spread.quantiles} if asked else {}
        for number, name in enumerate(forecast.ids):
            own = {one: values[number] for one, values in quantiles.items()}
            self.contents[name] = {"mean_forecast": points[number], "quantiles": own if asked else None}

    def _fail(self, name: str, reason: str, kind: str, param: str) -> None:
        self.faults[name] = {"code": None, "message": message_of(reason), "param": param, "type": kind}

    def answer(self) -> dict[str, Any]:
        """Return a `service.schemas.timeseries.TimeSeriesAnswer`."""
        answer_id = uuid.uuid4().hex
        outputs = [self._output(number, item, answer_id) for number, item in enumerate(self.request.inputs)]
        done = sum(output["status"] == "completed" for output in outputs)
        sent = sum(len(item.series) for item in self.request.inputs)
        made = done * self.request.options.horizon
        return {
            "id": f"resp_{answer_id}",
            "created_at": int(time.time()),
            "status": "completed" if done == len(outputs) else "partial" if done else "error",
            "error": None,
            "model": self.request.model,
            "outputs": outputs,
            "usage": {"prompt_tokens": sent, "completion_tokens": made, "total_tokens": sent + made},
        }

    def _output(self, number: int, item: TimeSeriesInput, answer_id: str) -> dict[str, Any]:
        output = {"type": "time_series_forecast", "id": f"ts_{answer_id}_{number}"}
        try:
            first = time_after(item.frequency, item.start_timestamp, len(item.series))
            time_after(item.frequency, item.start_timestamp, len(item.series) + self.request.options.horizon)
        except InputError as error:
            self._fail(item.name, str(error), "invalid-request", "start_timestamp")
        if item.name in self.faults:
            fault = self.faults[item.name]
            fault |= {"param": f"inputs[{number}].{fault['param']}"}
            return output | {"status": "error", "content": [], "error": fault}
        content = {
            "type": item.type,
            "name": item.name,
            "frequency": item.frequency,
            "start_timestamp": first,
            **self.contents[item.name],
        }
        return output | {"status": "completed", "content": [content], "error": None}


def _panel_of(inputs: list[TimeSeriesInput]) -> Panel:
    """Return the series as steps without dates, which go with every model; the dates are put to them at the end."""
    sizes = [len(item.series) for item in inputs]
    steps = np.concatenate([np.arange(1, size + 1) for size in sizes])
    values = np.concatenate([np.array(item.series, np.float64) for item in inputs])
    names = tuple(item.name for item in inputs)
    return LongTable(names, np.repeat(np.arange(len(inputs)), sizes), steps, values).panel(freq=1)
