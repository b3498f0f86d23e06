"""Job workers: whatever becomes of a job's process, the worker or the database, no job is lost or done twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest

from service.jobs.database import open_database
from service.jobs.ending import Ending
from service.jobs.files import ORPHAN_SECONDS, JobFiles
from service.jobs.leases import Leases
from service.jobs.working import Worker
from tests.postgres import Cluster

from . import deeds
from .jobs import TABLE, JobService

ROOT = Path(__file__).parents[2]
PATIENCE = 180.0


def until(what: Callable[[], Any]) -> Any:
    """Return the first thing that is true of `what`."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := what():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come to pass")


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[JobService]:
    made = JobService(tmp_path, database_url, lease_seconds=1, job_seconds=100)
    yield made
    made.close()


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[JobService]:
    """On SQLite only, for what has nothing to do with the database."""
    made = JobService(tmp_path)
    yield made
    made.close()


@contextmanager
def worker_of(service: JobService, do: Any, **clock: Any) -> Iterator[Worker]:
    ending = Ending()
    with service.leases() as leases:
        yield Worker(service.settings, leases, service.files, ending, do=do, **clock)
    ending.close()


@contextmanager
def at_work(service: JobService, do: Any) -> Iterator[Ending]:
    """Let a worker run on a thread until the body is over, or it was asked to end."""
    ending = Ending()
    with service.leases() as leases:
        thread = threading.Thread(target=Worker(service.settings, leases, service.files, ending, do=do).run)
        thread.start()
        try:
            yield ending
        finally:
            ending.ask()
            thread.join(PATIENCE)
            assert not thread.is_alive()
    ending.close()


def begun(service: JobService, location: str) -> int:
    """Return the process of a job that has begun."""
    place = deeds.marker(service.settings.state_folder, location[-32:])
    until(place.exists)
    return int(place.read_text())


def is_alive(process: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def results(service: JobService) -> list[str]:
    return [path.name for path in service.files.results.iterdir()]


# --- the process of a job ---------------------------------------------------------------------------------------------


def test_a_poisoned_file_is_given_up_after_a_few_attempts_and_the_next_job_is_done(service: JobService) -> None:
    poisoned, next_one = service.hand_in(), service.hand_in()
    with worker_of(service, deeds.kill_itself) as worker:
        for _ in range(3):
            assert worker.step()
    with worker_of(service, deeds.write) as worker:
        assert worker.step()
        assert not worker.step()
    job = service.look(poisoned)
    assert (job["status"], job["attempts"]) == ("failed", 3)
    assert "died 3 times (signal 9)" in job["error"]["detail"]
    assert service.look(next_one)["status"] == "succeeded"
    assert all(name.startswith(next_one[-32:]) for name in results(service))
    assert service.client.get("/readyz").status_code == 200


def test_a_process_that_ends_without_a_word_has_died(alone: JobService) -> None:
    location = alone.hand_in()
    with worker_of(alone, deeds.leave) as worker:
        for _ in range(3):
            assert worker.step()
    assert "(exit status 3)" in alone.look(location)["error"]["detail"]


def test_what_nobody_foresaw_is_told_without_its_message(alone: JobService) -> None:
    location = alone.hand_in()
    with worker_of(alone, deeds.fail) as worker:
        assert worker.step()
    job = alone.look(location)
    assert (job["status"], job["attempts"]) == ("failed", 1)
    assert job["error"]["type"].endswith(":internal-error")
    assert deeds.CANARY not in json.dumps(job)


def test_a_full_disk_is_told(alone: JobService, tmp_path: Path) -> None:
    location = alone.hand_in()
    with worker_of(alone, deeds.find_no_room) as worker:
        assert worker.step()
    error = alone.look(location)["error"]
    assert error["type"].endswith(":unavailable")
    assert "No space left on device" in error["detail"]
    assert str(tmp_path) not in error["detail"]


def test_a_job_has_so_much_time_and_no_more(alone: JobService) -> None:
    location = alone.hand_in()
    begun_at = deeds.marker(alone.settings.state_folder, location[-32:])

    def later() -> float:
        return time.monotonic() + alone.settings.job_seconds * begun_at.exists()

    with worker_of(alone, deeds.linger, monotonic=later) as worker:
        assert worker.step()
    job = alone.look(location)
    assert job["error"]["type"].endswith(":out-of-time")
    assert not is_alive(begun(alone, location))
    assert not results(alone)


def test_a_job_is_told_where_it_stands_while_it_runs_and_cancelled_at_once(service: JobService) -> None:
    location, next_one = service.hand_in(), service.hand_in()
    with at_work(service, deeds.linger):
        process = begun(service, location)
        assert until(lambda: service.look(location)["progress"]["percent"]) == 50.0
        assert service.client.post(f"{location}/cancel").get_json()["status"] == "cancelled"
        until(lambda: not is_alive(process))
        begun(service, next_one)  # the worker goes on
        assert not [name for name in results(service) if name.startswith(location[-32:])]
    assert service.look(location)["status"] == "cancelled"


def test_what_is_cancelled_at_the_last_moment_is_not_published(service: JobService) -> None:
    cancelled, done = service.hand_in(), service.hand_in()
    with at_work(service, deeds.publish):
        begun(service, cancelled)
        service.client.post(f"{cancelled}/cancel")
        deeds.marker(service.settings.state_folder, cancelled[-32:]).unlink()
        begun(service, done)
        assert not (service.settings.state_folder / "published").exists()
        deeds.marker(service.settings.state_folder, done[-32:]).unlink()
        until(lambda: service.look(done)["status"] == "succeeded")
    assert (service.settings.state_folder / "published").exists()


def test_where_no_process_can_be_started_the_job_is_given_back(
    alone: JobService, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    location = alone.hand_in()
    monkeypatch.setattr("service.jobs.working.JobProcess", fail)
    with worker_of(alone, deeds.write) as worker, pytest.raises(BlockingIOError):
        worker.step()
    job = alone.look(location)
    assert (job["status"], job["attempts"]) == ("queued", 0)


# --- the worker -------------------------------------------------------------------------------------------------------


def test_a_worker_that_is_to_end_gives_its_job_back(service: JobService) -> None:
    location = service.hand_in()
    with at_work(service, deeds.linger) as ending:
        process = begun(service, location)
        ending.ask()
        until(lambda: not is_alive(process))
    job = service.look(location)
    assert (job["status"], job["attempts"]) == ("queued", 0)
    assert not results(service)
    assert service.files.upload(location[-32:]).read_bytes() == TABLE


KILLED = """
import sys
from pathlib import Path
from service.jobs.database import open_database
from service.jobs.ending import Ending
from service.jobs.files import JobFiles
from service.jobs.leases import Leases
from service.jobs.working import Worker
from service.settings import Settings
from tests.service import deeds

settings = Settings.from_environment()
leases = Leases(open_database(settings), attempts=3, kept_seconds=100)
Worker(settings, leases, JobFiles(settings), Ending(), do=deeds.linger).run()
"""


def environment(service: JobService, **variables: str) -> dict[str, str]:
    """Return the environment of a process of this service."""
    settings = service.settings
    given = {"FORECASTER_STATE": str(settings.state), "FORECASTER_MODELS": str(settings.models)}
    given |= {"DATABASE_URL": settings.database_url, "FORECASTER_LEASE_SECONDS": "1", "PYTHONPATH": str(ROOT)}
    return os.environ | given | variables


def test_the_job_of_a_worker_that_was_killed_is_done_by_another(service: JobService) -> None:
    location = service.hand_in()
    with subprocess.Popen([sys.executable, "-c", KILLED], env=environment(service), cwd=ROOT) as killed:  # noqa: S603 - our own code
        process = begun(service, location)
        killed.kill()
    until(lambda: not is_alive(process))  # it ends with its worker
    with at_work(service, deeds.write):
        until(lambda: service.look(location)["status"] == "succeeded")
    assert service.look(location)["attempts"] == 2
    assert service.fetch(f"{location}/result").data == b"done"


def test_a_worker_cleans_up(alone: JobService) -> None:
    location = alone.hand_in()
    with worker_of(alone, deeds.write) as worker:
        assert worker.step()
    later = lambda: time.time() + alone.settings.retention_hours * 3_600 + 1  # noqa: E731 - a clock
    now = 0.0
    engine = open_database(alone.settings)
    leases = Leases(engine, attempts=3, kept_seconds=alone.settings.retention_hours * 3_600, clock=later)
    ending = Ending()
    ending.ask()
    monotonic = lambda: now  # noqa: E731 - a clock
    files = JobFiles(alone.settings, monotonic=monotonic)
    worker = Worker(alone.settings, leases, files, ending, monotonic=monotonic)
    for now in (0.0, ORPHAN_SECONDS):  # noqa: B007 - read by the clock
        worker._look_after()
    engine.dispose()
    ending.close()
    assert not results(alone)
    assert alone.look(location)["status"] == "succeeded"
    assert alone.fetch(f"{location}/result").status_code == 410


def test_a_worker_and_its_job_outlive_the_database(tmp_path: Path, postgres: Cluster) -> None:
    service = JobService(tmp_path, postgres.new_database())
    running, waiting = service.hand_in(), service.hand_in()
    with at_work(service, deeds.take_a_while):
        begun(service, running)
        postgres.stop()
        deeds.marker(service.settings.state_folder, running[-32:]).unlink()  # it ends while nobody can be told
        until(lambda: results(service))
        postgres.start()
        begun(service, waiting)
        deeds.marker(service.settings.state_folder, waiting[-32:]).unlink()
        engine = open_database(service.settings)
        leases = Leases(engine, attempts=3, kept_seconds=1)
        until(lambda: not leases.leases())
        engine.dispose()
    found = [until(lambda at=at: service.client.get(at).get_json()) for at in (running, waiting)]
    service.close()
    assert [(job["status"], job["attempts"]) for job in found] == [("succeeded", 1)] * 2


# --- the real process -------------------------------------------------------------------------------------------------


class RealWorker:
    """``forecaster worker``, with what it has logged."""

    def __init__(self, service: JobService, **variables: str) -> None:
        self.log = service.settings.state_folder / "worker.log"
        command = [sys.executable, "-P", "-m", "forecaster.cli", "worker"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, env=environment(service, **variables), stderr=log)  # noqa: S603 - our own words

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """End it if a test has failed before it could."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def real(service: JobService) -> Iterator[RealWorker]:
    with closing(RealWorker(service)) as made:
        yield made


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_real_worker_forecasts_trains_and_ends(service: JobService, real: RealWorker) -> None:
    forecast = service.hand_in(query="kind=forecast&h=2")
    training = service.hand_in(query="kind=train&h=2&name=shops&steps=4")
    wrong = service.hand_in(b"unique_id,ds,y\ncanary77,tomorrow,77\n")
    again = service.hand_in(query="kind=forecast&model=shops")
    for location in (forecast, training, wrong, again):
        until(lambda location=location: service.look(location)["finished"])
    statuses = [service.look(location)["status"] for location in (forecast, training, wrong, again)]
    assert statuses == ["succeeded", "succeeded", "failed", "succeeded"], service.look(training)
    assert service.look(again)["model"]["name"] == "shops"
    assert service.fetch(f"{forecast}/result").text.count("\n") == 5
    assert service.look(wrong)["error"]["errors"][0]["row"] == 2
    assert real.stop() == 0
    messages = [line["message"] for line in real.lines()]
    assert messages[0] == "job worker started"
    assert messages[-1] == "job worker ended"
    assert messages.count("job succeeded") == 3
    assert "canary77" not in real.log.read_text()


def test_a_real_worker_that_is_ended_gives_back_what_it_trains(service: JobService, real: RealWorker) -> None:
    location = service.hand_in(query="kind=train&h=2&name=shops&steps=1000000&init=random")
    until(lambda: service.look(location)["progress"]["series_total"])
    assert real.stop() == 0
    job = service.look(location)
    assert (job["status"], job["attempts"]) == ("queued", 0)
    assert not results(service)


def test_a_wrong_setting_stops_the_start_with_its_name(alone: JobService) -> None:
    for variables, message in {
        ("FORECASTER_JOB_SECONDS", "soon"): "error: FORECASTER_JOB_SECONDS must be a whole number, not 'soon'.\n",
        ("DATABASE_URL", "mysql://a/b"): "error: DATABASE_URL must be postgresql://",
    }.items():
        with closing(RealWorker(alone, **dict([variables]))) as worker:
            assert worker.process.wait(PATIENCE) == 2
            assert worker.log.read_text().startswith(message)


def test_a_worker_waits_for_a_database_that_cannot_be_opened(alone: JobService) -> None:
    (alone.settings.state_folder / "jobs.db").write_bytes(b"damaged" * 1000)
    with closing(RealWorker(alone)) as worker:
        until(lambda: "is damaged" in worker.log.read_text())
        (alone.settings.state_folder / "jobs.db").unlink()
        until(lambda: "job worker started" in worker.log.read_text())
        assert worker.stop(signal.SIGINT) == 0


def test_processes_of_jobs_have_no_database() -> None:
    code = (
        "import sys, service.jobs.child, service.jobs.work, service.jobs.worker; assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)  # noqa: S603 - our own code


def test_a_server_of_processes_that_is_killed_costs_no_attempt(alone: JobService) -> None:
    forkserver.ensure_running()
    server = forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined] - it has no other name
    os.kill(server, signal.SIGSTOP)  # so that it takes the order for a process, and does not answer
    location = alone.hand_in()
    with at_work(alone, deeds.write):
        until(lambda: alone.look(location)["status"] == "running")
        time.sleep(0.2)
        os.kill(server, signal.SIGKILL)
        until(lambda: alone.look(location)["status"] == "succeeded")
    assert alone.look(location)["attempts"] == 1
