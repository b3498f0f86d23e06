"""The browser and the service that tests share; see the package's docstring for how they are used."""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.browser import browsing, why_not
from forecaster import Forecaster, NetworkConfig, TrainingConfig, new_version, open_store, read_panel
from service.keys import SCOPES, create_key
from tests.service.processes import ROOT, Running, running

from .chromium import Visit

FLIGHTS = ROOT / "data" / "flights_daily.csv"
REQUIRED = "FORECASTER_REQUIRE_BROWSER"

Start = Callable[..., Running]


def absent(reason: str) -> None:
    """Skip, or fail where a browser is required."""
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason}, and {REQUIRED} is set.", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium, ended before the tests of other folders begin: Playwright occupies the thread's event loop."""
    reason = why_not()
    if reason is not None:
        absent(reason)
    with browsing() as started:
        yield started


@pytest.fixture(scope="package")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models: two versions of "flights" that have seen the flights for a moment, and the tiny "shop"."""
    folder = tmp_path_factory.mktemp("browser") / "models"
    network = NetworkConfig(lags=7, positions=14, layers=2, hidden=8, dense=8)
    store = open_store(folder, cache=folder / ".copies")
    panel, training = read_panel(FLIGHTS), TrainingConfig(steps=10, batch_size=8)
    for seed in (1, 2):
        made, version = folder.parent / f"made-{seed}", new_version()
        Forecaster(h=14, network=network, training=training, seed=seed).fit(panel).save(made)
        store.add("flights", version, made)
        store.set_current("flights", version)
    shutil.copytree(ROOT / "tests" / "data" / "tiny_model", folder / "shop")
    return folder


@pytest.fixture(scope="package")
def service(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service that tests share; nobody changes its models."""
    with running(tmp_path_factory.mktemp("service"), models=models, **USUAL) as started:
        yield started


USUAL: dict[str, Any] = {"JOB_WORKERS": "1", "THREADS": "8", "RELOAD_SECONDS": "1", "ENGINE": "compiled"}
"""Compiled kernels from the first answer on: NumPy, until they are ready, agrees with them to six digits only."""
ALONE = {"WORKERS": "1"}
"""A service for one test is asked by one page: a second process would take a second to start, and help nobody."""


@contextlib.contextmanager
def starting(models: Path, place: Path) -> Iterator[Start]:
    """Start services with settings, each in a folder with a copy of the models; end them together."""
    with contextlib.ExitStack() as stack:

        def begin(**settings: str) -> Running:
            folder = place / f"service-{len(list(place.glob('service-*')))}"
            shutil.copytree(models, folder / "models")
            return stack.enter_context(running(folder, models=folder / "models", **(USUAL | ALONE | settings)))

        yield begin


@pytest.fixture
def start(models: Path, tmp_path: Path) -> Iterator[Start]:
    """Start services with settings, and models of their own to change; all end with the test."""
    with starting(models, tmp_path) as begin:
        yield begin


@pytest.fixture(scope="module")
def share(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Start services as `start` does, but once for each settings: the tests of a module have it together."""
    with starting(models, tmp_path_factory.mktemp("shared")) as begin:
        yield functools.cache(begin)


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, str]:
    """A key of all scopes, and the file that ``start(KEYS=...)`` takes."""
    file = tmp_path / "keys.json"
    return create_key(file, "browser", list(SCOPES))[1], str(file)


@pytest.fixture
def visit(browser: Browser, service: Running, start: Start) -> Iterator[Visit]:
    """Open watched pages; the test fails if anything was wrong with them."""
    assert start  # begun before, ended after: a page that is still open would miss its service
    visit = Visit(browser, service)
    yield visit
    visit.close()
    assert visit.faults() == []


@pytest.fixture
def page(visit: Visit) -> Page:
    """The page at /, watched."""
    return visit("/")
