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

ROOT = Path(__file__).parents[2]
INTERPRETER = "FORECASTER_PEERS_PYTHON"
BLAS_THREADS = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS")
"""What holds matrix products of our process to one thread; the peers are told their threads in their own ways."""


class Peers:
    """PyTorch, ONNX Runtime and NeuralForecast in a process of their own.

    The environment variable FORECASTER_PEERS_PYTHON names the interpreter that has them, by default this one.

    Attributes
    ----------
    versions
        By name, those that are installed.
    """

    def __init__(self) -> None:
        python = os.environ.get(INTERPRETER, sys.executable)
        self._folder = tempfile.TemporaryDirectory()
        self._process = subprocess.Popen(  # noqa: S603 - our own module; the interpreter is the user's choice
            [python, "-m", "benchmarks.kernels.peer_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in BLAS_THREADS},
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

    def hand_over(self, name: str, arrays: Mapping[str, NDArray[np.generic]]) -> str:
        """Write arrays to a file for the peers and return its path."""
        path = Path(self._folder.name) / f"{name}.npz"
        np.savez(path, **dict(arrays))  # type: ignore[arg-type]  # its signature also has allow_pickle
        return str(path)

    def side(self, name: str, calls: int) -> float:
        """Return the seconds of `calls` calls of what was set up under `name`."""
        return float(self.ask("run", name=name, calls=calls))

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
