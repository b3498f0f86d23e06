"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.postgres import Cluster, cluster, why_not
from tests.stores import KEYS, Storage

# By default a forecast comes from NumPy until the kernels are ready, and the two differ in their last digits; so that
# tests can compare bits, all that are not about it wait for the kernels. Processes that tests start inherit this.
os.environ["FORECASTER_ENGINE"] = "compiled"

# A shell has what it runs in the background ignore Ctrl-C, and so would all that tests start and send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """A PostgreSQL server; tests that need one are skipped where it is not installed."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    with cluster() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """What DATABASE_URL is to be: empty for SQLite in the state folder, or a new database of PostgreSQL."""
    if request.param == "sqlite":
        return ""
    url: str = request.getfixturevalue("postgres").new_database()
    return url


@pytest.fixture
def object_storage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Storage]:
    """A server that speaks S3, empty, to which the environment leads."""
    storage = Storage()
    storage.clear()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": storage.endpoint}.items():
        monkeypatch.setenv(name, value)
    yield storage
    storage.stop()
