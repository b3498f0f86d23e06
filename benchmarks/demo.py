"""What the demo costs: training, a warm forecast, the start of the service."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.machine import machine
from benchmarks.results import Figure, Report
from forecaster import Forecaster, Panel, read_panel

DATA = Path(__file__).parents[1] / "data" / "flights_daily.csv"
HORIZON = 14
_READY_WITHIN = 60.0


def measure() -> Report:
    """Return all figures."""
    panel = read_panel(DATA)
    Forecaster(h=HORIZON).fit(panel)  # compiles what is not in the cache, so that the next one measures training alone
    trainings = [_seconds(lambda: Forecaster(h=HORIZON).fit(panel)) for _ in range(3)]
    model = Forecaster(h=HORIZON).fit(panel)
    one = panel.select([0])
    figures = [
        _figure("train_demo", "Train the demo (29 daily series, 10,585 values)", trainings, "s"),
        _figure("forecast_one", "Forecast 1 series, 14 days, in process, warm", _forecasts(model, one, 2000), "µs"),
        _figure("forecast_all", "Forecast 29 series, 14 days, in process, warm", _forecasts(model, panel, 300), "µs"),
        _figure("service_ready", "Start of the service to ready, kernels cached", _service_starts(model, 5), "s"),
        _figure("help", "`forecaster --help`", [_seconds(_help) for _ in range(11)], "s"),
    ]
    return Report(datetime.now(UTC).date().isoformat(), machine(), figures)


def _figure(key: str, what: str, runs: list[float], unit: str) -> Figure:
    tenths = statistics.quantiles(runs, n=10, method="inclusive")
    low, middle, high = (round(value, 4) for value in (tenths[0], statistics.median(runs), tenths[-1]))
    return Figure(key, what, middle, unit, runs=len(runs), low=low, high=high)


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _forecasts(model: Forecaster, panel: Panel, runs: int) -> list[float]:
    """Return microseconds of each forecast, checks, intervals and labels included."""
    for _ in range(20):
        model.forecast(panel)
    return [1e6 * _seconds(lambda: model.forecast(panel)) for _ in range(runs)]


def _help() -> None:
    subprocess.run([sys.executable, "-m", "forecaster.cli", "--help"], check=True, capture_output=True)


def _service_starts(model: Forecaster, runs: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "flights")
        return [_service_start(folder) for _ in range(runs)]


def _service_start(folder: str) -> float:
    """Return the seconds from the start of the process to the first 200 of /readyz."""
    port = _free_port()
    command = [sys.executable, "-m", "forecaster.cli", "serve", "--models", folder, "--port", str(port)]
    start = time.perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(command, stdout=log, stderr=log) as server,  # noqa: S603 - our own command
    ):
        try:
            while not _is_ready(f"http://127.0.0.1:{port}/readyz"):
                if server.poll() is not None or time.perf_counter() - start > _READY_WITHIN:
                    log.seek(0)
                    raise RuntimeError(f"The service did not become ready:\n{log.read().decode()[-2000:]}")
                time.sleep(0.005)
            return time.perf_counter() - start
        finally:
            server.terminate()


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as answer:  # noqa: S310 - an http address of this machine
            return bool(answer.status == 200)
    except OSError:  # nobody listens yet, or nobody answers yet
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
