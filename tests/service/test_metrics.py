"""/metrics: what is counted, and that it is counted for all workers, dead ones included."""

from __future__ import annotations

import itertools
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.parser import text_string_to_metric_families

from service.metrics import folder
from service.metrics.definitions import BUCKETS, METRICS
from service.metrics.processes import process_of
from service.metrics.recorder import CONTENT_TYPE, Metrics
from service.metrics.sources import Patient
from service.problems import KINDS

from .conftest import BODY
from .processes import GUNICORN, ROOT, Running, running, wait_for


class QueueFigures(NamedTuple):
    """What the queue of jobs tells."""

    counts: dict[tuple[str, str], int]
    oldest_waiting_seconds: float
    workers: int


Numbers = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def numbers(text: str) -> Numbers:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scraped(client: FlaskClient) -> Numbers:
    response = client.get("/metrics")
    assert response.status_code == 200
    assert response.content_type == CONTENT_TYPE
    return numbers(response.text)


def of(found: Numbers, name: str, **labels: str) -> float | None:
    return found.get((name, tuple(sorted(labels.items()))))


def test_requests_are_counted_by_what_is_ours(client: FlaskClient) -> None:
    series = [*BODY["series"], {"unique_id": "canary77", "y": [1]}]  # type: ignore[misc]  # a list of dicts
    client.post("/v1/forecast", json=BODY | {"series": series})
    client.open("/canary77?canary77", method="CANARY77")
    found = scraped(client)
    route = {"route": "/v1/forecast"}
    assert of(found, "forecaster_requests_total", method="POST", status="200", **route) == 1
    assert of(found, "forecaster_requests_total", route="(none)", method="(other)", status="404") == 1
    assert of(found, "forecaster_problems_total", kind="unknown-path") == 1
    assert of(found, "forecaster_request_duration_seconds_count", **route) == 1
    assert of(found, "forecaster_request_duration_seconds_bucket", le="30.0", **route) == 1
    assert of(found, "forecaster_series_forecast_total") == 1
    assert of(found, "forecaster_series_skipped_total") == 1
    assert of(found, "forecaster_values_read_total") == 6
    assert of(found, "forecaster_requests_in_flight") == 1  # the scrape itself
    assert of(found, "forecaster_ready") == 1
    assert of(found, "forecaster_engine_info", engine="compiled") is not None
    assert "canary77" not in str(found).lower()


def test_a_request_that_fails_is_no_longer_in_flight(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr("service.routes.forecast.check_limits", fail)
    assert client.post("/v1/forecast", json=BODY).status_code == 500
    assert client.get("/livez", headers={"Host": "evil.example"}).status_code == 400
    found = scraped(client)
    assert of(found, "forecaster_requests_in_flight") == 1
    assert of(found, "forecaster_problems_total", kind="internal-error") == 1
    assert of(found, "forecaster_problems_total", kind="untrusted-host") == 1


def test_every_metric_that_is_told_is_in_the_table(app: Flask) -> None:
    metrics: Metrics = app.extensions["metrics"]
    metrics.refused(431, "bad-request")
    metrics.large_requests(running=1, waiting=2)
    metrics.model_loaded(ready=False)
    metrics.looked_for_models(failed=True)
    metrics.sources.models = lambda: [("sales", "20240501T120000Z-0a1b2c3d")]
    metrics.sources.queue = lambda: QueueFigures({("train", "queued"): 3}, 12.5, 2)
    client = app.test_client()
    client.get("/nowhere")
    text = client.get("/metrics").text
    told = {
        family.name + ("_total" if family.type == "counter" else "") for family in text_string_to_metric_families(text)
    }
    assert told == set(METRICS)
    for name, labels in numbers(text):
        base = name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count")
        assert {label for label, _ in labels} - {"le"} == set(METRICS[base].labels)
    found = numbers(text)
    assert of(found, "forecaster_requests_total", route="(none)", method="(other)", status="431") == 1
    assert of(found, "forecaster_problems_total", kind="bad-request") == 1
    assert of(found, "forecaster_large_requests", state="waiting") == 2
    assert of(found, "forecaster_model_loads_total", outcome="failed") == 1
    assert of(found, "forecaster_model_reload_failed") == 1
    assert of(found, "forecaster_model_info", model="sales", version="20240501T120000Z-0a1b2c3d") == 1
    assert of(found, "forecaster_jobs", kind="train", status="queued") == 3
    assert of(found, "forecaster_jobs_oldest_waiting_seconds") == 12.5
    assert of(found, "forecaster_job_workers") == 2
    assert of(found, "forecaster_jobs_database_up") == 1


def test_a_database_that_is_down_does_not_fail_the_scrape(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    def fail() -> QueueFigures:
        raise OSError("password=canary77")

    app.extensions["metrics"].sources.queue = fail
    found = scraped(app.test_client())
    assert of(found, "forecaster_jobs_database_up") == 0
    assert of(found, "forecaster_job_workers") is None
    assert of(found, "forecaster_build_info", version="0.1.0", python=sys.version.split()[0]) == 1
    assert "canary77" not in caplog.text


def test_a_database_that_hangs_is_asked_once() -> None:
    release, calls = threading.Event(), itertools.count()

    def hang() -> int:
        release.wait(60)
        return next(calls)

    patient = Patient(hang, seconds=0.01)
    assert (patient(), patient()) == (None, None)
    release.set()
    patient = Patient(patient._ask, seconds=60)
    assert patient() is not None
    assert next(calls) <= 2


def test_figures_of_a_process() -> None:
    mine = process_of(os.getpid())
    assert mine is not None
    assert 2**20 < mine.memory < 2**36
    assert mine.cpu_seconds > 0
    assert 0 <= time.time() - mine.started < 86_400
    assert process_of(2**22 + 1) is None


# --- several processes


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path))
    folder.open_folder.cache_clear()
    made = folder.open_folder()
    assert made is not None
    assert made.parent == tmp_path
    yield made
    folder.close_folder()
    assert not made.exists()
    folder.open_folder.cache_clear()


def test_the_folder_is_asked_for_twice_and_made_once(shared: Path) -> None:
    assert folder.open_folder() == shared
    assert os.environ[folder.VARIABLE] == str(shared)


def test_a_successor_makes_its_own_folder_beside(shared: Path) -> None:
    folder.open_folder.cache_clear()  # as in a process of its own, which has inherited the variable
    own = folder.open_folder()
    assert own is not None
    assert own != shared
    assert own.parent == shared.parent
    assert shared.exists()
    os.environ[folder.VARIABLE] = str(shared)


def test_what_killed_services_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = tmp_path / "forecaster-metrics-left"
    left.mkdir()
    (left / "alive").touch()
    monkeypatch.setenv(folder.VARIABLE, str(tmp_path))
    folder.open_folder.cache_clear()
    folder.open_folder()
    assert not left.exists()
    folder.close_folder()
    folder.open_folder.cache_clear()


WORKER = """
from service.metrics import folder
folder.claim(1)
from service.metrics.recorder import Metrics
metrics = Metrics()
metrics.begun()
metrics.answered("/v1/forecast", "POST", 200, 0.003, {"series": 2, "skipped": 0, "values": 9})
print(metrics.text().decode(), end="", flush=True)
"""


def work(code: str = WORKER, **environment: str) -> Numbers:
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(  # noqa: S603 - our own code
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=180, check=True
    )
    return numbers(done.stdout)


@pytest.mark.usefixtures("shared")
def test_the_dead_are_still_counted_and_leave_no_files(shared: Path) -> None:
    assert of(work(), "forecaster_requests_in_flight") == 1
    assert of(work(), "forecaster_requests_in_flight") == 2  # the first has died, and nobody has noticed
    for file in list(shared.glob("counter_*.db")):
        folder.bury(int(file.stem.partition("_")[2]) or -1)
    assert sorted(path.name for path in shared.glob("*.db")) == ["counter_0.db", "histogram_0.db"]
    found = work()
    assert of(found, "forecaster_requests_in_flight") == 1
    assert of(found, "forecaster_requests_total", route="/v1/forecast", method="POST", status="200") == 3
    assert of(found, "forecaster_request_duration_seconds_count", route="/v1/forecast") == 3
    assert of(found, "forecaster_values_read_total") == 27


def test_a_damaged_file_costs_a_number_and_not_the_service(shared: Path, caplog: pytest.LogCaptureFixture) -> None:
    (shared / "counter_77.db").write_bytes(b"\xff\xff\x00\x00" * 1000)
    folder.bury(77)
    assert "metrics of a dead worker are lost" in caplog.text
    found = work()
    assert of(found, "forecaster_job_workers") is None
    assert ("forecaster_build_info" in str(found)) is True


def test_a_worker_without_space_counts_for_itself(
    shared: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    folder.claim(0)
    assert folder.VARIABLE not in os.environ
    assert "no space for metrics" in caplog.text
    assert not list(shared.glob(f"*{os.getpid()}*"))
    monkeypatch.setenv(folder.VARIABLE, str(shared))


ALONE = f"import os, prometheus_client; del os.environ[{folder.VARIABLE!r}]" + WORKER


@pytest.mark.usefixtures("shared")
def test_such_a_worker_does_so_though_it_was_forked_from_one_that_shares() -> None:
    for _ in range(2):
        assert of(work(ALONE), "forecaster_requests_in_flight") == 1


def test_without_any_place_there_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    monkeypatch.delenv(folder.VARIABLE, raising=False)
    folder.open_folder.cache_clear()
    assert folder.open_folder() is None
    assert "no folder for metrics" in caplog.text
    folder.open_folder.cache_clear()


def test_without_a_folder_for_temporary_files_one_in_memory_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> str:
        raise FileNotFoundError

    monkeypatch.setattr("tempfile.gettempdir", refuse)
    monkeypatch.delenv(folder.VARIABLE, raising=False)
    folder.open_folder.cache_clear()
    assert folder.open_folder() is not None
    folder.close_folder()
    folder.open_folder.cache_clear()


def test_places_of_workers() -> None:
    assert [folder.free_place(taken) for taken in (set(), {0}, {1}, {0, 1, 3})] == [0, 1, 0, 2]


def test_the_reserved_files_hold_all_labels(app: Flask) -> None:
    """A file that grows beyond what was reserved could find no space."""

    def size(name: str, **labels: str) -> int:
        metric = METRICS[name.removesuffix("_bucket")]
        return 32 + len(mmap_key(metric.name, name, [*labels], [*labels.values()], metric.text))

    routes = ["(none)", *(rule.rule for rule in app.url_map.iter_rules()), *("/v1/jobs/<id>/result",) * 20]
    statuses = sorted({200, 202, 204, *(kind.status for kind in KINDS.values())})
    name = "forecaster_requests_total"
    likely = sum(
        size(name, route=route, method=method, status=str(status))
        for route, method, status in itertools.product(routes, ("GET", "POST", "(other)"), statuses)
    )
    assert likely < folder._SIZES["counter"]
    name = "forecaster_request_duration_seconds"
    buckets = sum(size(f"{name}_bucket", route=route, le=str(le)) for route in routes for le in (*BUCKETS, 1, 1, 1))
    assert buckets < folder._SIZES["histogram"]


def ask_both(service: Running) -> Numbers:
    """Ask until each of the two workers has answered."""
    found: Numbers = {}

    def both() -> bool:
        found.clear()
        found.update(numbers(service.ask("GET", "/metrics").body.decode()))
        return len([name for name, _ in found if name == "forecaster_process_start_time_seconds"]) == 2

    wait_for(both, service.text)
    return found


def test_workers_of_gunicorn_count_together_and_a_killed_one_is_not_forgotten(tmp_path: Path) -> None:
    where = {folder.VARIABLE: str(tmp_path), "FORECASTER_ENGINE": "plain"}
    with running(tmp_path, models=tmp_path / "none", command=GUNICORN, environment=where) as service:
        for _ in range(20):
            assert service.ask("GET", "/v1/models").status == 200
        labels = {"route": "/v1/models", "method": "GET", "status": "200"}
        assert of(ask_both(service), "forecaster_requests_total", **labels) == 20
        (shared,) = tmp_path.glob("forecaster-metrics-*")
        victim = int(folder.live_workers(shared)["1"] or 0)
        started = of(ask_both(service), "forecaster_process_start_time_seconds", worker="1")
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda: folder.live_workers(shared).get("1") not in {victim, None}, service.text)
        found = ask_both(service)
        assert of(found, "forecaster_requests_total", **labels) == 20
        assert of(found, "forecaster_process_start_time_seconds", worker="1") != started
        assert not list(shared.glob(f"*_{victim}.db"))
        assert service.terminate() == 0
    assert not shared.exists()
    assert not [line for line in service.lines() if line["level"] not in {"INFO", "ERROR"}]
    assert all(logging.getLevelName(line["level"]) for line in service.lines())


def test_a_folder_that_is_gone_is_done_without(tmp_path: Path) -> None:
    code = (
        "from service.metrics.recorder import Metrics\n"
        "metrics = Metrics()\n"
        "metrics.answered('/livez', 'GET', 200, 0.1, {})\n"
        "print(metrics.text().decode())"
    )
    where = os.environ | {folder.VARIABLE: str(tmp_path / "gone")}
    command = [sys.executable, "-W", "error", "-c", code]
    made = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=where, timeout=180, check=False)  # noqa: S603 - our own words
    assert made.returncode == 0, made.stderr
    labels = {"route": "/livez", "method": "GET", "status": "200"}
    assert of(numbers(made.stdout), "forecaster_requests_total", **labels) == 1
