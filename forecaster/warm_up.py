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

from forecaster.config import Loss, NetworkConfig, TrainingConfig
from forecaster.errors import ConfigError
from forecaster.kernels import _level
from forecaster.kernels._cache import Counts, cache_folder
from forecaster.kernels._jit import KERNELS
from forecaster.loading import LOADER
from forecaster.model import Forecaster
from forecaster.shape import CELLS

Signatures = dict[str, list[Any]]


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
        Forecaster(h=2, network=network, training=TrainingConfig(steps=2, validate_every=1), threads=1).fit(values)
    LOADER.load()
    return _done(began) | {"folder": folder}


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
    importlib.import_module("forecaster.training")  # which imports all kernels there are
    sys.stdout.write(json.dumps(compile_only(pickle.load(sys.stdin.buffer))))  # noqa: S301 - written by `bake`
