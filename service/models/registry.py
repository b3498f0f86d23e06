"""The models of a store: a new version is loaded beside the old one, and served after it has proven that it forecasts.

Beside them the base weights of the package, which answer those who ask for them, or name no model.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol
from urllib.parse import quote

from forecaster import (
    Forecaster,
    Frequency,
    InputError,
    ModelStore,
    OutputError,
    StoreError,
)
from service.models.base import BASE, BaseWeights
from service.models.failures import Failure, failure_of
from service.models.loading import NotServedError
from service.models.served import Model, Served, ServedModel, digests, prove
from service.models.snapshot import Snapshot
from service.problems import Problem

__all__ = ["ModelRegistry"]

logger = logging.getLogger(__name__)

RETRY_SECONDS = "5"

Found = Mapping[str, str | Exception | None]
"""By name, the version in use; what was wrong with the pointer to it; or None where none is in use."""


class Tally(Protocol):
    """Counts what becomes of models."""

    def model_loaded(self, *, ready: bool) -> None:
        """Count a version that was loaded, or failed to."""

    def looked_for_models(self, *, failed: bool) -> None:
        """Take note of how the newest look for models went."""


class ModelRegistry:
    """Which models are served.

    Parameters
    ----------
    store
        Where they are kept.
    default
        The model for requests that name none.
    load
        Reads a model folder.
    pretrained
        Gives the base weights for a frequency and a season.
    tally
        Is told of loads and looks.

    Attributes
    ----------
    snapshot
        What is served now.
    reachable
        Whether the store answered at the last look.
    """

    def __init__(
        self,
        store: ModelStore,
        *,
        default: str = BASE,
        load: Callable[[Path], Any] = Forecaster.load,
        pretrained: Callable[..., Model] = Forecaster.pretrained,
        tally: Tally | None = None,
    ) -> None:
        self.store = store
        self.default = default
        self.snapshot = Snapshot()
        self._tally = tally
        self.reachable = True
        self._load, self._pretrained = load, pretrained
        self._base: BaseWeights | None = None
        self._opened = False
        self._changing = threading.Lock()

    def open(self) -> ModelRegistry:
        """Load every model and let it make a forecast; one that cannot is logged and left out."""
        self.refresh()
        ready, failed = sorted(self.snapshot.served), sorted(self.snapshot.failures)
        logger.info("models loaded", extra={"fields": {"ready": ready, "failed": failed}})
        if self.default not in ready:
            logger.error("the default model is not ready", extra={"fields": {"model": self.default}})
        return self

    def refresh(self) -> None:
        """Look for what has changed in the store, and serve it; where that fails, the version before stays."""
        with self._changing:
            found = self._look()
            if found is not None:
                self._serve(found)
                self._opened = True
            if self._tally is not None:
                self._tally.looked_for_models(failed=bool(not self.reachable or self.snapshot.failures))

    def _look(self) -> Found | None:
        """Return the versions in use; if the store does not answer, those of its copies at the start, else None."""
        try:
            found = _in_use(self.store)
        except StoreError as error:
            if self.reachable:  # said once, not at every look
                logger.error("the store of models does not answer", extra={"fields": {"reason": str(error)}})
            self.reachable = False
            return None if self._opened else self._pulled_before()
        if not self.reachable:
            logger.info("the store of models answers again")
        self.reachable = True
        return found

    def _pulled_before(self) -> Found:
        try:
            return {} if self.store.fallback is None else _in_use(self.store.fallback)
        except StoreError:  # the copies cannot be read either
            return {}

    def _serve(self, found: Found) -> None:
        models: dict[str, Served[Any]] = {}
        failures: dict[str, Failure] = {}
        for name, version in found.items():
            made = None if version is None else self._version(name, version)
            if isinstance(made, Failure):
                failures[name] = made
                made = self.snapshot.models.get(name)
            if made is not None:
                models[name] = made
        base = self._base_beside(models, failures)
        unpublished = tuple(name for name, version in found.items() if version is None)
        self.snapshot = Snapshot(MappingProxyType(models), base, MappingProxyType(failures), unpublished)
        if self.reachable:
            self.store.keep({name: models[name].version if name in models else None for name in found})

    def _version(self, name: str, version: str | Exception) -> Served[Any] | Failure:
        """Return the version to serve, loaded if it is not yet, or why it is not."""
        served, failure = self.snapshot.models.get(name), self.snapshot.failures.get(name)
        if isinstance(version, Exception):
            return self._failed(name, None, version)
        if served is not None and served.version == version:
            return served
        if failure is not None and failure.version == version and failure.wait > 0:
            return failure.waited()
        try:
            made = self._prepare(name, version)
        except Exception as error:  # noqa: BLE001 - whatever ails one model, the others are served
            return self._failed(name, version, error)
        logger.info("model loaded", extra={"fields": {"model": name, "version": version}})
        return made

    def _prepare(self, name: str, version: str) -> Served[Any]:
        """Load a version and let it make a forecast."""
        ready = False
        try:
            folder = self.store.folder(name, version)
            model = self._load(folder)
            prove(model)
            made = Served(name, model, model.info, digests(folder), version)
            self.store.folder(name, version)  # a plain folder may have been replaced meanwhile: another version
            ready = True
        finally:
            if self._tally is not None:
                self._tally.model_loaded(ready=ready)
        return made

    def _failed(self, name: str, version: str | None, error: Exception) -> Failure:
        before = self.snapshot.failures.get(name)
        failure = failure_of(version, error, before)
        if before is None or (before.version, before.fault) != (failure.version, failure.fault):  # once, not each time
            stays = self.snapshot.models.get(name)
            fields = {"model": name, "version": version, "fault": failure.fault, "error": type(error).__name__}
            fields |= {"reason": str(error), "stays": stays.version if stays else None}
            logger.error("model left out", extra={"fields": fields})
        return failure

    def _base_beside(self, models: Mapping[str, Served[Any]], failures: dict[str, Failure]) -> BaseWeights | None:
        """Return the base weights, unless a model of the store has their name; once served, they stay until it is."""
        if BASE in models or (BASE in failures and self.snapshot.base is None):
            return None
        if self._base is None:
            try:
                self._base = BaseWeights(load=self._load, make=self._pretrained).open()
            except Exception as error:  # noqa: BLE001 - the models of the store are served without them
                failures[BASE] = self._failed(BASE, None, error)
        return self._base

    def versions(self, name: str) -> list[str]:
        """Return the versions of a model, newest first; none for the base weights, which come with the package.

        Raises
        ------
        Problem
            There is no such model.
        """
        try:
            versions = self.store.versions(name)
        except InputError:  # nothing can be called so
            versions = []
        if not versions and name not in {*self.snapshot.served, *self.snapshot.failures}:
            raise Problem("unknown-path", "There is no model of this name. GET /v1/models lists them.")
        return versions

    def publish(self, name: str, version: str) -> None:
        """Put a version into use, here at once; other processes see it at their next look.

        Raises
        ------
        Problem
            There is no such model or version; it cannot be served, or the store not be written: nothing has changed.
        """
        if version not in self.versions(name):
            raise Problem("unknown-version", f"GET /v1/models/{quote(name)} lists the versions.")
        with self._changing:
            try:
                made = self._prepare(name, version)
                self.store.set_current(name, version)
            except (OutputError, StoreError) as error:
                _log_refused(name, version, error)
                raise Problem("unavailable", "The store of models cannot be read or written; see the log.") from None
            except Exception as error:  # noqa: BLE001 - as when it is loaded
                _log_refused(name, version, error)
                fault = failure_of(version, error, None).fault
                why = f"{fault}: {error}" if isinstance(error, NotServedError) else fault
                detail = f"The version cannot be served ({why}), so the one before stays in use."
                raise Problem("conflict", detail) from None
            self._swap(made)
        logger.info("version put into use", extra={"fields": {"model": name, "version": version}})

    def _swap(self, made: Served[Any]) -> None:
        now, name = self.snapshot, made.name
        models = dict(sorted({**now.models, name: made}.items()))
        failures = {key: failure for key, failure in now.failures.items() if key != name}
        base = None if name == BASE else now.base
        unpublished = tuple(key for key in now.unpublished if key != name)
        self.snapshot = Snapshot(MappingProxyType(models), base, MappingProxyType(failures), unpublished)

    def require_ready(self) -> None:
        """Raise a 503 unless the default model has made a forecast."""
        if self.default in self.snapshot.served:
            return
        known = {*self.snapshot.failures, *self.snapshot.unpublished}
        what = "could not be loaded: see the service's log" if self.default in known else "is not there"
        detail = (
            f"The default model, {self.default}, {what}. FORECASTER_DEFAULT_MODEL names it, FORECASTER_MODELS or "
            "MODEL_STORE the place where it is looked for."
        )
        raise Problem("not-ready", detail, headers={"Retry-After": RETRY_SECONDS})

    def choose(self, name: str | None, frequency: Frequency, season: int | None = None) -> ServedModel:
        """Return the model called `name`, or the default one; `Snapshot.choose` has the rules.

        Raises
        ------
        Problem
            The service is not ready; there is no such model, or it does not fit.
        """
        self.require_ready()
        return self.snapshot.choose(name or self.default, frequency, season, default=name is None)

    @property
    def served(self) -> list[Served[Any] | BaseWeights]:
        """All that have made a forecast, in the order of their names, the base weights last."""
        return list(self.snapshot.served.values())


def _log_refused(name: str, version: str, error: Exception) -> None:
    fields = {"model": name, "version": version, "error": type(error).__name__, "reason": str(error)}
    logger.error("version not put into use", extra={"fields": fields})


def _in_use(store: ModelStore) -> Found:
    found: dict[str, str | Exception | None] = {}
    for name in store.names():
        try:
            version = store.current(name)
            if version is not None or store.versions(name):
                found[name] = version
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever ails one model, the others are served
            found[name] = error
    return found
