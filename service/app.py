"""The application: the rooms of the service, joined."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Flask

from forecaster import Forecaster
from service.admission import Admission
from service.assets import Assets
from service.baton import Together
from service.contract import operation_of
from service.guard import register_guard
from service.jobs.desk import JobDesk
from service.metrics.recorder import Metrics, register_metrics
from service.models.registry import ModelRegistry
from service.models.store import store_of
from service.models.watcher import Watcher
from service.problems import Problem, register_problems
from service.routes.backtest import backtest_routes
from service.routes.explain import explain_routes
from service.routes.forecast import forecast_routes
from service.routes.inspect import inspect_routes
from service.routes.jobs import job_routes
from service.routes.metrics import metrics_routes
from service.routes.models import model_routes
from service.routes.openapi import openapi_routes
from service.routes.ops import ops_routes
from service.routes.pages import page_routes
from service.routes.timeseries import timeseries_routes
from service.settings import Settings
from service.tracing import register_tracing

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, *, registry: ModelRegistry | None = None) -> Flask:
    """Join the rooms of the service into a WSGI application.

    Parameters
    ----------
    settings
        Default: from the environment.
    registry
        The models; default: those of the folder or store that the settings name, loaded before this returns, and
        looked after from then on by a thread.

    Returns
    -------
    Flask
        The application.

    Raises
    ------
    forecaster.ConfigError
        If the environment holds a setting that cannot be.
    """
    settings = settings or Settings.from_environment()
    metrics = Metrics()
    registry = registry or _open_registry(settings, metrics)
    desk, admission = JobDesk(settings), Admission(settings, told=metrics.large_requests)
    _watch(metrics, registry, desk)
    app = Flask("service", static_folder=None)
    app.url_map.merge_slashes = False  # else //v1/models is answered with a redirect that repeats the URL
    register_metrics(app, metrics)  # first, so that what is refused is counted too
    register_tracing(app)
    register_guard(app, settings)
    register_problems(app)
    for routes in (
        forecast_routes(registry, settings, admission),
        timeseries_routes(registry, settings, admission),
        backtest_routes(registry, settings, admission),
        explain_routes(registry, settings, admission),
        inspect_routes(settings, admission),
        model_routes(registry, settings),
        job_routes(desk, settings),
        ops_routes(registry),
        metrics_routes(metrics),
        openapi_routes(),
        page_routes(Assets(), settings),
    ):
        app.register_blueprint(routes)
    app.extensions["jobs"] = desk
    for rule in app.url_map.iter_rules():
        operation_of(app, rule.endpoint)  # a route without a contract must not be served, since nothing guards it
    return app


def _open_registry(settings: Settings, metrics: Metrics) -> ModelRegistry:
    """Load the models, and look after them from then on by a thread."""
    load, pretrained = (
        partial(_model, make, settings.model_threads) for make in (Forecaster.load, Forecaster.pretrained)
    )
    registry = ModelRegistry(
        store_of(settings), default=settings.default_model, load=load, pretrained=pretrained, tally=metrics
    ).open()
    if settings.reload_seconds:
        Watcher(registry.refresh, settings.reload_seconds).start()
    return registry


def _model(make: Callable[..., Forecaster], threads: int, *what: Any, **how: Any) -> Together:
    return Together(make(*what, threads=threads, **how))


def _watch(metrics: Metrics, registry: ModelRegistry, desk: JobDesk) -> None:
    metrics.sources.ready = partial(_answers, registry.require_ready)
    metrics.sources.models = lambda: [(name, model.version) for name, model in registry.snapshot.served.items()]
    metrics.sources.queue = desk.queue_figures


def _answers(require: Callable[[], None]) -> bool:
    try:
        require()
    except Problem:
        return False
    return True
