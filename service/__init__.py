"""The HTTP service: forecasts of the models in a folder."""

from __future__ import annotations

from functools import partial

from flask import Flask

from forecaster import Forecaster
from service.contract import operation_of
from service.guard import register_guard
from service.jobs.desk import JobDesk
from service.models.registry import ModelRegistry
from service.problems import register_problems
from service.routes.forecast import forecast_routes
from service.routes.jobs import job_routes
from service.routes.models import model_routes
from service.routes.openapi import openapi_routes
from service.routes.ops import ops_routes
from service.settings import Settings

__all__ = ["create_app"]


def create_app(settings: Settings | None = None, *, registry: ModelRegistry | None = None) -> Flask:
    """Join the rooms of the service into a WSGI application.

    Parameters
    ----------
    settings
        Default: from the environment.
    registry
        The models; default: those of the folder that the settings name, loaded before this returns.

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
    if registry is None:
        load, pretrained = (
            partial(make, threads=settings.model_threads) for make in (Forecaster.load, Forecaster.pretrained)
        )
        registry = ModelRegistry(
            settings.models, default=settings.default_model, load=load, pretrained=pretrained
        ).open()
    app = Flask("service", static_folder=None)
    app.url_map.merge_slashes = False  # else //v1/models is answered with a redirect that repeats the URL
    register_guard(app, settings)
    register_problems(app)
    app.register_blueprint(forecast_routes(registry, settings))
    app.register_blueprint(model_routes(registry))
    desk = app.extensions["jobs"] = JobDesk(settings)
    app.register_blueprint(job_routes(desk, settings))
    app.register_blueprint(ops_routes(registry))
    app.register_blueprint(openapi_routes())
    for rule in app.url_map.iter_rules():
        operation_of(app, rule.endpoint)  # a route without a contract must not be served, since nothing guards it
    return app
