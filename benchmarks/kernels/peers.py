"""The process the peers run in, seen from ours."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from benchmarks.kernels.clock import Side

ROOT = Path(__file__).parents[2]
INTERPRETER = "FORECASTER_PEERS_PYTHON"
_OURS_ALONE = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""What holds matrix products of our process to one thread; the peers are told their threads in their own ways."""


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line of one of our modules in the peers' interpreter."""
    return [os.environ.get(INTERPRETER, sys.executable), "-m", f"benchmarks.kernels.{module}", *arguments]


def environment() -> dict[str, str]:
    """Return the environment of the peers' processes."""
    return {name: value for name, value in os.environ.items() if name not in _OURS_ALONE}


class Peers:
    """PyTorch, ONNX Runtime and NeuralForecast in a process of their own.

    The environment variable FORECASTER_PEERS_PYTHON names the interpreter that has them, by default this one.

    Attributes
    ----------
    versions
        By name, those that are installed.
    """

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(  # noqa: S603 - our own module; the interpreter is the user's choice
            command("peer_process"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment(),
        )
        self.versions: dict[str, str] = self.ask("versions")

    def ask(self, question: str, **values: Any) -> Any:
        """Return the answer of `peer_process`; values are what JSON can say.

        Raises
        ------
        RuntimeError
            The peer failed.
        """
        asked, answers = self._process.stdin, self._process.stdout
        if asked is None or answers is None:
            raise RuntimeError("the peers' process has no pipes.")
        asked.write(json.dumps([question, values]) + "\n")
        asked.flush()
        line = answers.readline()
        if not line:
            raise RuntimeError(f"the peers' process ended ({self._process.wait()}) at {question!r}.")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{question}: {answer['error']}")
        return answer["value"]

    def hand_over(self, arrays: Mapping[str, NDArray[np.generic]]) -> str:
        """Write arrays to a file for the peers and return its path; the ones before are gone."""
        path = Path(self._folder.name) / "arrays.npz"
        np.savez(path, **dict(arrays))  # type: ignore[arg-type]  # its signature also has allow_pickle
        return str(path)

    def side(self, peer: str) -> Side:
        """Return the side of what was set up under the peer's own name."""
        return lambda calls: float(self.ask("run", name=peer, calls=calls))

    def set_up(self, peer: str, what: str, **values: Any) -> Any:
        """Let a peer prepare its side; return what it says about it."""
        return self.ask("set_up", name=peer, peer=peer, what=what, **values)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._folder.cleanup()
