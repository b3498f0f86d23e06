"""``POST /v1/backtest``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, g, request

from forecaster import Backtest, Forecast, Panel, TooShortError, rolling_backtest
from service.admission import Admission, Turn, body_cost, comparison_cost, forecast_cost
from service.answers import series_forecasts, skipped_series, to_json
from service.bodies import media_type_sent, media_type_wanted, read_body
from service.contract import CSV, JSON, Answer, operation
from service.forecasting import forecast_pieces, joined
from service.intake import Spread, frequency_of, intervals_of, read_json, read_options
from service.models.registry import ModelRegistry
from service.models.served import Model, ServedModel
from service.panels import Intake, check_limits, panel_of, panel_of_csv
from service.problems import Problem, field_error, message_of
from service.routes.forecast import CSV_BODY, WORK_PROBLEMS, refuse_query
from service.schemas.backtests import BacktestAnswer, BacktestCsvOptions, BacktestOptions, BacktestRequest
from service.settings import Settings
from service.tracing import step

__all__ = ["backtest_routes"]

_MODELS = 4
"""The model asked for, and the simple methods beside it."""


def backtest_routes(registry: ModelRegistry, settings: Settings, admission: Admission) -> Blueprint:
    """Return the route ``/v1/backtest``."""
    routes = Blueprint("backtest", __name__, url_prefix="/v1")

    @routes.post("/backtest")
    @operation(
        id="backtest",
        summary="Hold a model's forecasts against what came",
        description="Forecasts the end of each series from what came before it, at several cutoffs, beside simple "
        "methods: the last value (Naive), the last season (SeasonalNaive), the line through the first and the last "
        "value (Drift). Nothing is trained: a model that learned from these very values looks better here than it is.",
        scope="forecast",
        body={JSON: BacktestRequest, CSV: CSV_BODY},
        query=BacktestCsvOptions,
        answers={200: Answer("The accuracy of each.", {JSON: BacktestAnswer})},
        problems=("not-acceptable", *WORK_PROBLEMS),
    )
    def backtest() -> Response:
        """Hold a model's forecasts against what came."""
        sent = media_type_sent(JSON, CSV)
        media_type_wanted(JSON)
        registry.require_ready()
        body = read_body(settings)
        with admission.turn() as turn:
            turn.take(body_cost(len(body), is_json=sent == JSON))
            with step("parse"):
                intake, options = _read_json(body, settings) if sent == JSON else _read_csv(body, settings)
            served = registry.choose(options.model, frequency_of(options) or intake.panel.frequency, options.season)
            with step("backtest"):
                return _compare(intake, options, served, settings, turn)

    return routes


def _read_json(body: bytes, settings: Settings) -> tuple[Intake, BacktestOptions]:
    refuse_query()
    asked = read_json(BacktestRequest, body, settings)
    return panel_of(asked.series, asked, settings), asked


def _read_csv(body: bytes, settings: Settings) -> tuple[Intake, BacktestOptions]:
    options = read_options(BacktestCsvOptions, request.args)
    return panel_of_csv(body, options, options, settings), options


@dataclass(frozen=True, slots=True)
class _InTurn:
    """A model that looks at the time between the pieces of a forecast."""

    model: Model
    turn: Turn

    def forecast(self, panel: Panel, *, h: int, level: tuple[float, ...]) -> Forecast:
        """Forecast a panel whose series can all be forecast."""
        made = []
        for piece in forecast_pieces(self.model, panel, h=h, level=level):
            self.turn.check()
            if piece.forecast is not None:
                made.append(piece.forecast)
        return joined(made)


def _compare(intake: Intake, options: BacktestOptions, served: ServedModel, settings: Settings, turn: Turn) -> Response:
    panel, spread = intake.panel, intervals_of(options.level, None)
    h = options.h or int(served.info["horizon"])
    check_limits(panel, h, settings, columns=_MODELS * options.windows * spread.columns)
    g.fields |= {
        "model": served.name,
        "version": served.version,
        "series": len(panel),
        "values": len(panel.values),
        "h": h,
    }
    once = forecast_cost(served.model, series=len(panel), values=len(panel.values), h=h, columns=spread.columns)
    turn.take(options.windows * once + comparison_cost(series=len(panel), windows=options.windows))
    model = _InTurn(served.model, turn)
    season = int(served.model.info.get("season") or panel.frequency.season)
    try:
        result = rolling_backtest(
            panel,
            lambda _: model,
            h=h,
            season=season,
            n_windows=options.windows,
            step_size=options.step,
            level=spread.levels,
        )
    except TooShortError as error:
        raise Problem("no-forecast", message_of(error), errors=[field_error(error)]) from None
    skipped = intake.skipped | {name: message_of(reason) for name, reason in result.skipped.items()}
    g.fields["skipped"] = len(skipped)
    turn.check()
    return Response(to_json(_answer(result, served.name, spread, skipped, options)), content_type=JSON)


def _answer(
    result: Backtest, model: str, spread: Spread, skipped: dict[str, str], options: BacktestOptions
) -> dict[str, Any]:
    first = result.folds[0]
    return {
        "model": model,
        "h": first.actual.shape[1],
        "freq": first.known.frequency.alias,
        "season": result.season,
        "level": spread.levels,
        "cutoffs": len(result.folds),
        "series": len(first.known),
        "accuracy": result.table,
        "forecasts": list(_forecasts(result)) if options.details else None,
        "skipped": skipped_series(skipped),
    }


def _forecasts(result: Backtest) -> Iterator[dict[str, Any]]:
    for fold in result.folds:
        known = fold.known
        of_models = zip(*(series_forecasts(one) for one in fold.forecasts.values()), strict=True)
        for number, columns in enumerate(of_models):
            cutoff = int(known.times(number)[-1]) if known.frequency.is_integer else known.time_labels(number)[-1]
            row: dict[str, Any] = {"unique_id": known.ids[number], "cutoff": cutoff, "ds": columns[0]["ds"]}
            row["y"] = fold.actual[number].tolist()
            for own in columns:
                row |= {name: values for name, values in own.items() if name not in {"unique_id", "ds"}}
            yield row
