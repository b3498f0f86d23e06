"""Runs the peers: one question a line on standard input, one answer a line on standard output, both JSON.

It imports nothing of the forecaster: its interpreter may be another one, with other packages.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

NEEDED = {"torch": "torch", "onnxruntime": "onnx", "neuralforecast": "neuralforecast"}
"""Peers, and the package each needs beside its own."""

_ROOMS = {"torch": "torch_side", "onnxruntime": "onnx_side", "neuralforecast": "neural_side"}

_works: dict[str, Callable[[], object]] = {}


def versions() -> dict[str, str]:
    """Return the peers that are here, by name."""
    found = {}
    for name, needed in NEEDED.items():
        try:
            version(needed)
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def set_up(*, name: str, peer: str, what: str, **values: Any) -> Any:
    """Let `peer` prepare its work `what`, to be run under `name`; return what it says about it."""
    _works.pop(name, None)
    _works[name], facts = call(peer=peer, what=what, **values)
    return facts


def call(*, peer: str, what: str, **values: Any) -> Any:
    """Return what a function of the peer's module returns."""
    return getattr(import_module(f"benchmarks.kernels.{_ROOMS[peer]}"), what)(**values)


def run(*, name: str, calls: int) -> float:
    """Return the seconds of `calls` calls."""
    work = _works[name]
    start = time.perf_counter()
    for _ in range(calls):
        work()
    return time.perf_counter() - start


def forget() -> None:
    """Let go of everything that was set up."""
    _works.clear()


def _answer(line: str) -> dict[str, Any]:
    question, values = json.loads(line)
    try:
        return {"value": {f.__name__: f for f in (versions, set_up, call, run, forget)}[question](**values)}
    except Exception as error:  # noqa: BLE001 - whatever a peer raises is told to the one who asked
        return {"error": f"{type(error).__name__}: {error}"}


def main() -> None:
    """Answer until the input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a peer prints goes elsewhere
    for line in sys.stdin:
        answers.write(json.dumps(_answer(line)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
