"""What the figures were measured on."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

from forecaster import __version__
from forecaster.executors import usable_cpus

PACKAGES = ("numba", "numpy", "flask", "gunicorn")


def machine() -> dict[str, str | int]:
    """Return processor, cores and versions."""
    return {
        "cpu": _cpu_model(),
        "cores": usable_cpus(),
        "system": platform.platform(aliased=True, terse=True),
        "python": platform.python_version(),
        "forecaster": __version__,
        **{name: version(name) for name in PACKAGES},
    }


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
