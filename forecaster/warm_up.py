"""Compile or load every kernel before somebody waits for it, for this processor and for others."""

from __future__ import annotations

import importlib
import json
import os
import pickle
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from forecaster.config import Loss, NetworkConfig, SequenceConfig, SequenceLoss, TrainingConfig
from forecaster.errors import ConfigError
from forecaster.executors import Serial
from forecaster.kernels import _level
from forecaster.kernels._cache import Counts, cache_folder
from forecaster.kernels._jit import KERNELS
from forecaster.loading import LOADER
from forecaster.model import Forecaster
from forecaster.network import Network
from forecaster.shape import CELLS
from forecaster.tasks.labelled import LabelTask, Sequences
from forecaster.tasks.streams import StreamTask
from forecaster.training import train

Signatures = dict[str, list[Any]]
_BRIEF = TrainingConfig(steps=2, validate_every=1)


def warm_up() -> dict[str, Any]:
    """Train and forecast a toy series with every loss and cell, so that all kernels meet the types they are given.

    Returns
    -------
    dict
        ``kernels`` in the library; signatures ``compiled``, ``loaded`` and ``stored`` by this process; ``seconds``;
        ``folder`` they are kept in.

    Raises
    ------
    ConfigError
        There is no place for a cache.
    """
    began = time.perf_counter()
    folder = _folder()
    values = 10 + np.sin(np.arange(24.0))
    small = NetworkConfig(lags=2, positions=4, layers=2, hidden=3, dense=2, quantiles=(0.1, 0.5, 0.9))
    networks = [replace(small, loss=loss) for loss in get_args(Loss)]
    for network in networks + [replace(small, cell=cell) for cell in CELLS[1:]]:
        Forecaster(h=2, network=network, training=_BRIEF, threads=1).fit(values)
    for embedding in (0, 2):
        for loss in get_args(SequenceLoss):
            _learn_labels(SequenceConfig(hidden=3, dense=2, embedding=embedding, loss=loss))
        _learn_symbols(SequenceConfig(hidden=3, embedding=embedding))
    LOADER.load()
    return _done(began) | {"folder": folder}


def _learn_labels(config: SequenceConfig) -> None:
    sequences = Sequences(np.arange(8) % 3, np.arange(0, 9, 2))
    network, targets, weights = Network(config.shape(outputs=2, symbols=3)), np.eye(4, 2), np.ones(4, np.float32)
    task = LabelTask(
        network,
        sequences,
        targets.astype(np.float32),
        weights,
        config=config,
        training=_BRIEF,
        held_out=np.arange(2),
    )
    train(task, config=_BRIEF, rng=np.random.default_rng(0), executor=Serial())


def _learn_symbols(config: SequenceConfig) -> None:
    symbols, network = np.arange(40) % 3, Network(config.shape(outputs=3, symbols=3, softmax=True))
    task = StreamTask(network, symbols, config=config, streams=2, steps=4, held_out=symbols)
    train(task, config=_BRIEF, rng=np.random.default_rng(0), executor=Serial())


def _folder() -> str:
    try:
        return str(cache_folder())
    except RuntimeError as error:
        raise ConfigError("There is no home folder to keep kernels in; set FORECASTER_CACHE_DIR.") from error


def _done(began: float) -> dict[str, Any]:
    return {
        "kernels": len(KERNELS),
        "compiled": Counts.compiled,
        "loaded": Counts.loaded,
        "stored": Counts.stored,
        "seconds": round(time.perf_counter() - began, 3),
    }


def bake(level: str) -> dict[str, Any]:
    """Compile for another level what `warm_up` has compiled or loaded here, without running any of it.

    LLVM compiles for processors other than the one it runs on, so all levels can be baked on a machine that has only
    the lowest. A process of its own, because Numba compiles for one processor in each.

    Parameters
    ----------
    level : str
        One of `kernels._level.levels()`.

    Returns
    -------
    dict
        As `warm_up`, without the folder.
    """
    home = str(Path(__file__).parents[1])
    environment = os.environ | {
        _level.VARIABLE: "native",
        "NUMBA_CPU_NAME": _level.cpu_name(level),
        "NUMBA_CPU_FEATURES": "",
        "PYTHONPATH": os.pathsep.join(filter(None, (home, os.environ.get("PYTHONPATH")))),
    }
    command = [sys.executable, "-P", "-m", "forecaster.warm_up"]
    signatures: Signatures = {_name(kernel): list(kernel.signatures) for kernel in KERNELS}
    baked = subprocess.run(  # noqa: S603 - our own module
        command, input=pickle.dumps(signatures), stdout=subprocess.PIPE, env=environment, check=True
    )
    done: dict[str, Any] = json.loads(baked.stdout)
    return done


def compile_only(signatures: Signatures) -> dict[str, Any]:
    """Compile or load every kernel for these types; the processor that is compiled for need not be this one."""
    began = time.perf_counter()
    for kernel in KERNELS:
        for signature in signatures.get(_name(kernel), ()):
            kernel.compile(signature)
    return _done(began)


def _name(kernel: Any) -> str:
    return f"{kernel.__module__}.{kernel.__qualname__}"


if __name__ == "__main__":
    for room in ("forecasting", "labelled", "streams"):  # which import all kernels there are
        importlib.import_module(f"forecaster.tasks.{room}")
    sys.stdout.write(json.dumps(compile_only(pickle.load(sys.stdin.buffer))))  # noqa: S301 - written by `bake`
