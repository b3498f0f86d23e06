"""The lines of the documentation about jobs work as they stand there."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest

from .jobs import JobService

ROOT = Path(__file__).parents[2]
SHOWN = "0f3c5a2e9d7b4c61a8e2f40b7d915c36"


def documented_lines() -> list[list[str]]:
    text = (ROOT / "docs" / "http-api.md").read_text(encoding="utf-8")
    section = text.partition("\n## Jobs")[2].partition("\n## ")[0]
    return [shlex.split(line) for line in re.findall(r"^\$ curl (.*)$", section, re.MULTILINE)]


def test_each_route_of_jobs_has_a_line_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    service = JobService(tmp_path)
    made, statuses = "", {}
    for words in documented_lines():
        (url,) = (word for word in words if word.startswith("http"))
        path = url.partition(":8000")[2].replace(SHOWN, made)
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        headers = [word.split(": ") for name, word in pairwise(words) if name == "-H"]
        body = Path(words[words.index("-T") + 1]).read_bytes() if "-T" in words else None
        if path.endswith("/result"):
            service.work()
        if path.endswith("/cancel"):
            made = service.hand_in()[-32:]
            path = f"/v1/jobs/{made}/cancel"
        answer = service.client.open(path, method=method, headers=headers, data=body, buffered=True)  # type: ignore[arg-type]  # pairs
        made = answer.headers["Location"][-32:] if answer.status_code == 202 else made
        statuses[f"{method} {path.partition('?')[0].replace(made, '{job_id}')}"] = answer.status_code
    service.close()
    assert statuses == {
        "POST /v1/jobs": 202,
        "GET /v1/jobs/{job_id}": 200,
        "GET /v1/jobs": 200,
        "GET /v1/jobs/{job_id}/result": 200,
        "GET /v1/jobs/{job_id}/skipped": 200,
        "POST /v1/jobs/{job_id}/cancel": 200,
        "DELETE /v1/jobs/{job_id}": 204,
    }
