"""The running service does what its description says, whatever is sent: schemathesis with all its checks."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from service.keys import SCOPES, create_key
from tests.reliability.sizes import size
from tests.service.processes import ROOT, Running, running, wait_for

pytest.importorskip("schemathesis")
CASES = size(4, 40)
PHASES = ("examples,fuzzing,stateful", "examples,coverage,fuzzing,stateful")[size(0, 1)]
SECONDS = size(60, 900)
SETTINGS = {"JOB_WORKERS": "1", "JOB_SECONDS": "5", "MAX_JOBS": "100000", "MAX_JOBS_PER_KEY": "100000"}
JOBS = """
[[operations]]
include-path-regex = "/(result|skipped)$"
parameters = {{ "path.job_id" = "{finished}" }}

[[operations]]
include-path-regex = "/cancel$"
parameters = {{ "path.job_id" = "{cancelled}" }}
"""


def document_of(service: Running, *, keys: bool) -> dict[str, Any]:
    """Return the description; of a service that has keys, they are not optional."""
    document: dict[str, Any] = service.ask("GET", "/openapi.json").json
    for methods in document["paths"].values():
        for operation in methods.values():
            if keys and operation["security"]:
                operation["security"].remove({})
    return document


def jobs_of(service: Running, key: str) -> dict[str, str]:
    """Return the ids of a job that has a result, and of one that is cancelled."""
    table = b"unique_id,ds,y\n" + b"".join(b"a,%d,%d\n" % (day, day) for day in range(40))
    ids = []
    for _ in range(2):
        given = service.ask("POST", "/v1/jobs?kind=forecast&h=2", table, {"Content-Type": "text/csv"}, key=key)
        assert given.status == 202, given.body
        ids.append(given.json["id"])
    assert service.ask("POST", f"/v1/jobs/{ids[1]}/cancel", key=key).status == 200
    wait_for(lambda: service.ask("GET", f"/v1/jobs/{ids[0]}/result", key=key).status == 200)
    return {"finished": ids[0], "cancelled": ids[1]}


def try_all(service: Running, folder: Path, key: str = "") -> str:
    """Let schemathesis try every operation, and return what it says."""
    config, document = folder / "schemathesis.toml", folder / "openapi.json"
    text = Path(__file__).with_name("schemathesis.toml").read_text(encoding="utf-8")
    config.write_text(text + JOBS.format(**jobs_of(service, key)))
    document.write_text(json.dumps(document_of(service, keys=bool(key))))
    command = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "--no-color", "run", str(document),
        "--url", f"http://127.0.0.1:{service.port}", "--phases", PHASES, "--max-examples", str(CASES),
        "--generation-deterministic", "--continue-on-failure",
        *(("--header", f"Authorization: Bearer {key}") if key else ()),
    ]  # fmt: skip
    done = subprocess.run(  # noqa: S603 - our own words
        command, cwd=folder, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        timeout=SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    return done.stdout


def answers_of(service: Running) -> dict[str, Counter[int]]:
    """Return how often each route was answered with each status, as the log has it."""
    counts: dict[str, Counter[int]] = {}
    for line in service.requests():
        counts.setdefault(f"{line['method'].lower()} {line['route']}", Counter())[line["status"]] += 1
    return counts


def unserved(service: Running) -> set[str]:
    """Return the operations that never succeeded; probes that do are not logged."""
    answers = answers_of(service)
    named = {
        f"{method} {path.replace('{', '<').replace('}', '>')}"
        for path, methods in document_of(service, keys=False)["paths"].items()
        for method in methods
        if "livez" not in path and "readyz" not in path and "/v2/" not in path
    }
    return {name for name in named if not any(status < 300 for status in answers.get(name, ()))}


def check(service: Running, folder: Path, key: str = "") -> None:
    """Nothing goes wrong that is ours, and what is tried gets through to the work behind the checks."""
    pids = service.api_workers()
    said = try_all(service, folder, key)
    answers = answers_of(service)
    print(re.findall(r"\d+ generated.*", said), sum(answers.values(), Counter()))  # noqa: T201 - for make soak -s
    assert service.api_workers() == pids
    assert not [line for line in service.complaints() if line["level"] != "WARNING"]
    assert not {name for name in unserved(service) if size(0, 1) or "<job_id>" not in name}, answers


@pytest.fixture
def every_kind(models: Path, machine: Path, tmp_path: Path) -> Path:
    """A folder with a model for each route."""
    folder = tmp_path / "models"
    shutil.copytree(models, folder)
    shutil.copytree(machine, folder / "machine")
    return folder


@pytest.mark.skipif(not size(0, 1), reason="make soak tries it without keys too")
def test_without_keys(every_kind: Path, tmp_path: Path) -> None:
    with running(tmp_path, models=every_kind, **SETTINGS) as service:
        check(service, tmp_path)


def test_with_keys(every_kind: Path, tmp_path: Path) -> None:
    _, token = create_key(tmp_path / "state" / "keys.json", "all", list(SCOPES))
    with running(tmp_path, models=every_kind, **SETTINGS) as service:
        check(service, tmp_path, token)
        assert token not in service.text()
