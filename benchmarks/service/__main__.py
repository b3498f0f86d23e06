"""Measure the service and write ``benchmarks/results/service.json``: ``python -m benchmarks.service``.

Everything is on loopback and bounded: some minutes, a hundred thousand requests and a few more. wrk is needed.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.results import Figure, Report, save, text_table
from benchmarks.service.load import HEADERS, ROUTE, hammer, paced, percentile
from benchmarks.service.processes import Server, gunicorn

ROUNDS = 5
SECONDS = 6
CONNECTIONS = 16
VALUES = 64
HORIZON = 14
MANY = 1_000
REQUESTS = 100_000
COMPILED = {"FORECASTER_ENGINE": "compiled"}  # from the first request on, so that every round measures the same


def request_of(series: int) -> bytes:
    """Return a request for forecasts of so many series of 64 days."""
    random.seed(1)
    days = [(date(2024, 1, 1) + timedelta(day)).isoformat() for day in range(VALUES)]
    asked = [
        {"unique_id": f"s{number}", "ds": days, "y": [round(random.gauss(50, 9), 2) for _ in days]}
        for number in range(series)
    ]
    return json.dumps({"series": asked, "h": HORIZON, "freq": "D"}).encode()


def measure(rounds: int, seconds: int, requests: int) -> Report:
    """Return all figures."""
    one = request_of(1)
    with gunicorn("service.wsgi:app", COMPILED) as ours, tempfile.TemporaryDirectory() as folder:
        answer = Path(folder, "answer.json")
        answer.write_bytes(_ask(ours, one))
        with gunicorn("benchmarks.service.bare:app", COMPILED | {"FORECASTER_BARE_ANSWER": str(answer)}) as bare:
            figures = _beside_bare(ours, bare, one, rounds, seconds)
        half = figures[0].value or 0.0
        figures += _latency(ours, one, half / 2, 3 * seconds)
        figures.append(_many(ours, one, rounds, seconds))
    with gunicorn("service.wsgi:app", COMPILED) as ours:
        figures += _memory(ours, one, requests)
    return Report(datetime.now(UTC).date().isoformat(), machine(), figures)


def _ask(server: Server, body: bytes) -> bytes:
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}{ROUTE}", body, HEADERS)
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - loopback
        return bytes(answer.read())


def _beside_bare(ours: Server, bare: Server, body: bytes, rounds: int, seconds: int) -> list[Figure]:
    rates: dict[str, list[float]] = {"ours": [], "bare": []}
    costs: dict[str, list[float]] = {"ours": [], "bare": []}
    for _ in range(rounds):
        for name, server in (("ours", ours), ("bare", bare)):
            before = server.processor_seconds
            load = hammer(server.port, body, connections=CONNECTIONS, seconds=seconds)
            if load.faults:
                raise RuntimeError(f"{name}: {load.faults} of {load.count} requests failed")
            rates[name].append(load.rate)
            costs[name].append(1e6 * (server.processor_seconds - before) / load.count)
    ratios = [mine / theirs for mine, theirs in zip(rates["ours"], rates["bare"], strict=True)]
    return [
        _figure("rate", f"Forecasts of one series a second ({CONNECTIONS} connections)", rates["ours"], "1/s"),
        _figure("bare_rate", "A bare Flask route, same gunicorn, same bytes", rates["bare"], "1/s"),
        _figure("share", "Share of the bare route's rate", ratios, "share"),
        _figure("processor", "Processor time of a forecast of one series", costs["ours"], "µs"),
        _figure("bare_processor", "Processor time of the bare route", costs["bare"], "µs"),
    ]


def _latency(ours: Server, body: bytes, rate: float, seconds: int) -> list[Figure]:
    found = paced(ours.port, body, rate=rate, seconds=seconds)
    note = f"{rate:.0f} requests a second for {seconds:.0f} s, counted from when each was due"
    return [
        Figure(
            f"p{per_cent}",
            f"{per_cent}th percentile of the answers at half that load",
            value,
            "ms",
            len(found),
            note=note,
        )
        for per_cent, value in ((50, round(percentile(found, 50), 2)), (99, round(percentile(found, 99), 2)))
    ]


def _many(ours: Server, one: bytes, rounds: int, seconds: int) -> Figure:
    many = request_of(MANY)
    ratios = []
    for _ in range(rounds):
        single = hammer(ours.port, one, connections=1, seconds=seconds)
        large = hammer(ours.port, many, connections=1, seconds=seconds)
        if single.faults or large.faults:
            raise RuntimeError("requests failed")
        ratios.append(MANY * large.rate / single.rate)
    return _figure(
        "many", f"A series in a request of {MANY:,}: times as cheap as alone, one connection", ratios, "times"
    )


def _memory(ours: Server, body: bytes, requests: int) -> list[Figure]:
    sizes: list[int] = []
    done = 0
    while done < requests:
        done += hammer(ours.port, body, connections=CONNECTIONS, seconds=5).count
        sizes.append(ours.memory)
    settled = sizes[len(sizes) // 10 :]
    growth = max(settled) / settled[0] - 1
    return [
        Figure("memory", "Memory of a worker process", float(max(sizes)), "bytes", len(sizes)),
        Figure("growth", f"Its growth over {done:,} requests, after the first tenth", growth, "share", len(settled)),
    ]


def _figure(key: str, what: str, runs: list[float], unit: str) -> Figure:
    tenths = statistics.quantiles(runs, n=10, method="inclusive") if len(runs) > 1 else runs * 9
    low, middle, high = (round(value, 4) for value in (tenths[0], statistics.median(runs), tenths[-1]))
    return Figure(key, what, middle, unit, runs=len(runs), low=low, high=high)


def main() -> None:
    """Run every measurement."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="of each load")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="for the growth of memory")
    parser.add_argument("--dry-run", action="store_true", help="write nothing")
    options: Any = parser.parse_args()
    report = measure(options.rounds, options.seconds, options.requests)
    print(text_table(report))
    if not options.dry_run:
        print(f"\nWritten to {save('service', report)}. The tables follow with: python -m benchmarks.tables")


if __name__ == "__main__":
    main()
