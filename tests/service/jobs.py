"""A service with jobs for the tests: the API in process, its jobs done in process, by a process, or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import g, request
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from forecaster import ForecasterError
from service.auth import ANYONE, Caller
from service.contract import SCOPES, Scope
from service.jobs.child import failed
from service.jobs.database import open_database
from service.jobs.files import JobFiles
from service.jobs.leases import Leases
from service.jobs.task import Task
from service.jobs.work import do_job
from service.problems import Problem
from service.settings import Settings

from .conftest import make_app

CSV = "text/csv"
TABLE = b"unique_id,ds,y\n" + b"".join(
    b"%s,2024-01-%02d,%d\n" % (name, day, day % 7 + 3) for name in (b"shop", b"web") for day in range(1, 31)
)


class JobService:
    """The API and one who works on its jobs."""

    def __init__(self, folder: Path, database_url: str = "", **limits: Any) -> None:
        self.settings = Settings(
            state=folder / "state", models=folder / "models", database_url=database_url, default_model="base", **limits
        )
        for place in (self.settings.models, self.settings.state):
            place.mkdir(exist_ok=True)
        self.app = make_app(self.settings.models, self.settings)
        self.app.before_request(_take_caller_from_header)
        self.client: FlaskClient = self.app.test_client()
        self.files = JobFiles(self.settings)

    def close(self) -> None:
        """Close all connections."""
        self.app.extensions["jobs"].close()

    def post(self, body: bytes = TABLE, query: str = "kind=forecast&h=2", **headers: str) -> TestResponse:
        """Hand a job in; ``Idempotency_Key="x"`` is a header, ``key="name:scope"`` who asks."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(f"/v1/jobs?{query}", data=body, content_type=CSV, headers=named)

    def hand_in(self, *arguments: Any, **options: Any) -> str:
        """Hand a job in that is taken, and return where it is described."""
        answer = self.post(*arguments, **options)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def look(self, location: str) -> dict[str, Any]:
        """Return the description of a job."""
        answer = self.client.get(location)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    def fetch(self, path: str) -> TestResponse:
        """Return the answer to a request for a file, read to its end and closed."""
        return self.client.get(path, buffered=True)

    @contextmanager
    def leases(self) -> Iterator[Leases]:
        """Give the jobs as a worker sees them."""
        engine = open_database(self.settings)
        try:
            yield Leases(engine, attempts=3, kept_seconds=self.settings.retention_hours * 3_600)
        finally:
            engine.dispose()

    def work(self) -> None:
        """Do the next job, here."""
        with self.leases() as leases:
            job = leases.claim()
            assert job is not None
            report = lambda progress: leases.beat(job, progress)  # noqa: E731 - a name would say no more
            task = Task(assignment=job, settings=self.settings, report=report, may_publish=lambda: True)
            try:
                ours = leases.succeed(job, do_job(task))
            except (Problem, ForecasterError) as error:
                ours = leases.fail(job, failed(error, job))
            assert ours
            self.files.remove_upload(job.id)


def _take_caller_from_header() -> None:
    """Let a test say who asks: ``name:scope,scope``."""
    key_id, _, given = request.headers.get("key", "").partition(":")
    scopes: frozenset[Scope] = frozenset(scope for scope in SCOPES if scope in given.split(","))
    g.caller = Caller(key_id, scopes) if key_id else ANYONE
