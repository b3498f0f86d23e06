"""Load on loopback: wrk as fast as it goes, and requests at a fixed rate whose waiting counts."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

ROUTE = "/v1/forecast"
HEADERS = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Load:
    """What a load brought.

    Attributes
    ----------
    rate
        Requests answered in a second.
    count
        Requests answered.
    faults
        Answers other than 200, and broken connections.
    """

    rate: float
    count: int
    faults: int


def hammer(port: int, body: bytes, *, connections: int, seconds: int) -> Load:
    """Ask as fast as `connections` get their answers, with wrk.

    Raises
    ------
    RuntimeError
        wrk is not installed.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        raise RuntimeError("wrk is needed for this: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "body").write_bytes(body)
        script = Path(folder, "post.lua")
        script.write_text(
            f'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\n'
            f'local file = io.open("{folder}/body", "rb")\nwrk.body = file:read("*a")\nfile:close()\n'
        )
        url = f"http://127.0.0.1:{port}{ROUTE}"
        command = [wrk, "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(script), url]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603 - our own words
    count = int(_number(r"(\d+) requests in", said))
    faults = int(_number(r"Non-2xx or 3xx responses: (\d+)", said))
    broken = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", said)
    faults += sum(map(int, broken.groups())) if broken else 0
    return Load(_number(r"Requests/sec:\s+([\d.]+)", said), count, faults)


def _number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    return float(found[1]) if found else 0.0


def paced(port: int, body: bytes, *, rate: float, seconds: float, connections: int = 16) -> list[float]:
    """Return the milliseconds of each answer at a fixed rate, counted from when its request was due.

    A process of its own asks, so that the caller's threads do not slow it.
    """
    command = [sys.executable, "-m", "benchmarks.service.load", str(port), str(rate), str(seconds), str(connections)]
    said = subprocess.run(command, input=body, capture_output=True, check=True).stdout  # noqa: S603 - our own words
    return [float(value) for value in json.loads(said)]


def _paced(port: int, body: bytes, rate: float, seconds: float, connections: int) -> list[float]:
    begin = time.perf_counter() + 0.2
    latencies: list[list[float]] = [[] for _ in range(connections)]

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        for place in range(number, int(rate * seconds), connections):
            due = begin + place / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            connection.request("POST", ROUTE, body, HEADERS)
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise RuntimeError(f"answered {answer.status}")
            latencies[number].append(1000 * (time.perf_counter() - due))
        connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [value for each in latencies for value in each]


def percentile(values: list[float], per_cent: int) -> float:
    """Return a percentile."""
    return statistics.quantiles(values, n=100, method="inclusive")[per_cent - 1]


if __name__ == "__main__":
    port, rate, seconds, connections = sys.argv[1:]
    found = _paced(int(port), sys.stdin.buffer.read(), float(rate), float(seconds), int(connections))
    sys.stdout.write(json.dumps([round(value, 3) for value in found]))
