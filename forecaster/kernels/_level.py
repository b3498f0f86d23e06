"""The processor that kernels are compiled for, settled before Numba is imported.

Numba compiles for the very processor it runs on, and what it compiled is of use on no other kind. Compiled for a level
(x86-64-v2, v3 or v4; "generic" on other architectures), kernels that were cached while an image was built are found on
every machine of that level, at the same speed (docs/decisions/0006-processor-levels.md). The setting holds for
everything Numba compiles in the process, so a program that uses this library gets it only when it asks.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

from forecaster.errors import ConfigError

logger = logging.getLogger(__name__)

VARIABLE = "FORECASTER_CPU_LEVEL"

_FLAGS = {
    "v2": {"cx16", "lahf_lm", "popcnt", "sse4_1", "sse4_2", "ssse3"},
    "v3": {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"},
    "v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"},
}
"""What each level adds, by the names of /proc/cpuinfo."""

_CPUINFO = Path("/proc/cpuinfo")


def levels() -> tuple[str, ...]:
    """Return the levels there are on this architecture, the lowest first."""
    return tuple(_FLAGS) if os.uname().machine == "x86_64" else ("generic",)


def cpu_name(level: str) -> str:
    """Return what LLVM calls `level`."""
    return level if level == "generic" else f"x86-64-{level}"


def own_level(cpuinfo: Path = _CPUINFO) -> str | None:
    """Return the highest level of this processor; None when it has none, or cannot be asked."""
    if levels() == ("generic",):
        return "generic"
    flags = _flags(cpuinfo)
    own = None
    for level, needed in _FLAGS.items():
        if not needed <= flags:
            break
        own = level
    return own


def _flags(cpuinfo: Path) -> set[str]:
    try:
        with cpuinfo.open(encoding="ascii", errors="replace") as lines:
            # The first processor speaks for all; to read on costs milliseconds where there are many.
            return set(next((line for line in lines if line.startswith("flags")), "").partition(":")[2].split())
    except OSError:
        return set()


def settle() -> None:
    """Have Numba compile for the level that ``FORECASTER_CPU_LEVEL`` asks for; without it, for this processor.

    Left alone are a choice made through Numba's own variables, and a Numba that is already imported: code for this
    very processor is right as well, it only has to be compiled.

    Raises
    ------
    ConfigError
        There is no such level, or the processor has it not.
    """
    level = _asked_for()
    if level is None or "NUMBA_CPU_NAME" in os.environ or "NUMBA_CPU_FEATURES" in os.environ:
        return
    if "numba" in sys.modules:
        logger.debug("Numba was imported before: kernels are compiled for this processor, not for %s", level)
        return
    os.environ.update(NUMBA_CPU_NAME=cpu_name(level), NUMBA_CPU_FEATURES="")


def _asked_for() -> str | None:
    """Return the level to compile for; None for this very processor."""
    asked = os.environ.get(VARIABLE) or "native"
    if asked == "native":
        return None
    own = own_level()
    if asked == "auto":
        return own
    if asked not in levels():
        choices = ", ".join(("auto", "native", *levels()))
        raise ConfigError(f"{VARIABLE} must be one of {choices}, got {asked!r}.", column=VARIABLE)
    if own is None or asked > own:
        has = "cannot be asked for its level" if own is None else f"has {own}"
        raise ConfigError(f"{VARIABLE} is {asked}, but this processor {has}. Choose auto.", column=VARIABLE)
    return asked
