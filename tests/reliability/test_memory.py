"""Memory of the workers over many requests, and a folder with many models."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from http.client import HTTPMessage
from pathlib import Path

import pytest

from tests.reliability.constants import columnar, constant, put
from tests.reliability.load import Ask, Load
from tests.reliability.sizes import say, size
from tests.service.processes import Running, running, wait_for

REQUESTS = size(1_000, 100_000)
MODELS = size(20, 200)
BODY = columnar(1)
SETTINGS = {"DEFAULT_MODEL": "m", "LOG_LEVEL": "WARNING", "ENGINE": "compiled"}


def resident(service: Running) -> list[int]:
    """Return the resident bytes of each worker of the API."""
    texts = (Path(f"/proc/{pid}/status").read_text() for pid in service.api_workers())
    return [int(found[1]) * 1024 for text in texts if (found := re.search(r"VmRSS:\s+(\d+)", text))]


def by_threads(service: Running, count: int) -> int:
    def check(status: int, _: HTTPMessage, __: bytes) -> None:
        assert status == 200

    with Load(service.port, [Ask(BODY, check, kept=kept) for kept in (True, True, True, False)]) as load:
        load.go_on(count)
    assert load.failures == []
    assert load.wrong == []
    return load.answered


def by_wrk(script: Path) -> Callable[[Running, int], int]:
    """Return what lets wrk ask; it counts seconds, not requests, and is called until there are enough."""
    body = BODY.decode().replace('"', '\\"')
    header = 'wrk.headers["Content-Type"] = "application/json"'
    script.write_text(f'wrk.method = "POST"\nwrk.body = "{body}"\n{header}\n', encoding="ascii")

    def ask(service: Running, count: int) -> int:
        done = 0
        while done < count:
            url = f"http://127.0.0.1:{service.port}/v1/forecast"
            words = ["/usr/bin/env", "wrk", "-t1", "-c4", "-d10s", "-s", str(script), url]
            said = subprocess.run(words, capture_output=True, check=True, text=True).stdout  # noqa: S603 - our own words
            assert "Non-2xx" not in said, said
            assert "Socket errors" not in said, said
            found = re.search(r"(\d+) requests in", said)
            assert found, said
            done += int(found[1])
        return done

    return ask


def test_memory_stays_where_it_is(tmp_path: Path) -> None:
    if REQUESTS > 10_000 and shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    ask = by_wrk(tmp_path / "ask.lua") if REQUESTS > 10_000 else by_threads
    put(tmp_path / "models" / "m", constant(1))
    with running(tmp_path, models=tmp_path / "models", THREADS="8", **SETTINGS) as service:
        warm = ask(service, REQUESTS // 10)
        before = resident(service)
        done = ask(service, REQUESTS)
        after = resident(service)
        assert service.terminate() == 0
        assert not service.complaints()
    growth = [later / earlier - 1 for earlier, later in zip(before, after, strict=True)]
    shown = ", ".join(f"{bytes_ / 2**20:.0f} MiB ({share:+.1%})" for bytes_, share in zip(after, growth, strict=True))
    say(f"after {warm} and {done} more requests: {shown}")
    assert max(growth) < (0.05 if REQUESTS > 10_000 else 0.2)


def test_a_folder_of_many_models_is_served(tmp_path: Path) -> None:
    files = constant(1)
    for number in range(MODELS):
        put(tmp_path / "models" / f"model-{number:03}", files)
    put(tmp_path / "models" / "m", files)
    with running(tmp_path, models=tmp_path / "models", THREADS="4", RELOAD_SECONDS="1", **SETTINGS) as service:
        wait_for(lambda: len(resident(service)) == 2)
        models = service.ask("GET", "/v1/models").json["models"]
        assert len(models) == MODELS + 2
        assert {model["status"] for model in models} == {"ready"}
        version = put(tmp_path / "models" / "model-007", constant(2))
        wait_for(lambda: service.ask("GET", "/v1/models/model-007").json["version"] == version)
        by_threads(service, 100)
        found = resident(service)
        say(f"{MODELS} models: workers of {', '.join(f'{bytes_ / 2**20:.0f} MiB' for bytes_ in found)}")
        assert max(found) < 400 * 2**20
        assert service.terminate() == 0
        assert not service.complaints()
