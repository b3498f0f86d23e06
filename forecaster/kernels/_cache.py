"""A machine-code cache that can only hit or miss.

Numba's own cache sees an edit in the file of a kernel, not in the files that kernel calls; a truncated file in it
raises from the first call, or ends the process; a read-only folder without a hit raises. Here each compiled signature
is one file, named after everything it depends on (all sources of this package, versions, processor, signature) and
preceded by the hash of its name and content. What is not exactly as it was written, or could have been written by
somebody else than root and this user, counts as absent.
"""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import platform
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import llvmlite
import numba
from numba.core.caching import CompileResultCacheImpl, _Cache

logger = logging.getLogger(__name__)

_DIGEST = hashlib.sha256().digest_size


def cache_folder() -> Path:
    """Where compiled kernels are kept: ``FORECASTER_CACHE_DIR``, or the user's cache folder.

    Raises
    ------
    RuntimeError
        Nothing is chosen, and the user has no home.
    """
    chosen = os.environ.get("FORECASTER_CACHE_DIR")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base) / "forecaster" / "kernels"


def _source_digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    for version in (numba.__version__, llvmlite.__version__, sys.version, platform.machine()):
        digest.update(version.encode() + b"\0")
    return digest.hexdigest()


SOURCE_DIGEST = _source_digest()


class Counts:
    """How many signatures this process has loaded and compiled, for ``warm_up``."""

    loaded = 0
    compiled = 0
    stored = 0


_hooks = threading.local()


@contextmanager
def calling_before_compiling(function: Callable[[], None]) -> Iterator[None]:
    """Call `function` before each kernel that this thread has to compile; what it raises ends the compilation."""
    _hooks.before_compiling = function
    try:
        yield
    finally:
        del _hooks.before_compiling


class KernelCache(_Cache):
    """The cache of one kernel; see the module's docstring."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._name = function.__qualname__
        self._impl: Any = _SerialiserOf(function)  # Any: what it inherits is untyped
        self._enabled = True

    @property
    def cache_path(self) -> str:
        """The folder, as Numba asks for it."""
        return str(cache_folder())

    def enable(self) -> None:
        """Use the files."""
        self._enabled = True

    def disable(self) -> None:
        """Neither read nor write files."""
        self._enabled = False

    def flush(self) -> None:
        """Nothing is held back, so there is nothing to flush."""

    def path_of(self, signature: Any, codegen: Any) -> Path:
        """Return the file that holds, or would hold, the code for `signature` on this processor."""
        key = repr((SOURCE_DIGEST, self._name, str(signature), codegen.magic_tuple()))
        return cache_folder() / f"{self._name}-{hashlib.sha256(key.encode()).hexdigest()[:32]}.bin"

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Return the compiled result for `sig`, or None when there is none that can be trusted."""
        result = self._load(sig, target_context) if self._enabled else None
        if result is not None:
            Counts.loaded += 1
        elif hasattr(_hooks, "before_compiling"):
            _hooks.before_compiling()
        return result

    def _load(self, sig: Any, target_context: Any) -> Any:
        target_context.refresh()
        try:
            path = self.path_of(sig, target_context.codegen())
        except RuntimeError:  # a user without a home
            return None
        try:
            content = _unsealed(path.name, _read(path))
            return self._impl.rebuild(target_context, pickle.loads(content))  # noqa: S301 - hash and owner checked
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a cached file, it is only a miss
            logger.warning("compiled kernel %s is unusable and will be compiled again: %s", path, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled result `data`; a folder that cannot be written costs the next start its speed only."""
        Counts.compiled += 1
        if not self._enabled or not self._impl.check_cachable(data):
            return
        content = pickle.dumps(self._impl.reduce(data), protocol=pickle.HIGHEST_PROTOCOL)
        try:
            path = self.path_of(sig, data.codegen)
            _write_atomically(path, sealed(path.name, content))
        except (OSError, RuntimeError) as error:
            logger.info("compiled kernel %s cannot be kept: %s", self._name, error)
            return
        Counts.stored += 1


class _SerialiserOf(CompileResultCacheImpl):
    """Numba's way to turn compiled code into bytes, without its search for a folder."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._filename_base = function.__qualname__

    def check_cachable(self, cres: Any) -> bool:
        """Return whether `cres` means anything to another process; Numba's own answer needs the folder it found."""
        return not cres.library.has_dynamic_globals and all(lifted.can_cache for lifted in cres.lifted)


def sealed(name: str, content: bytes) -> bytes:
    """Return `content` as it is kept in a file called `name`: a file renamed is a file damaged."""
    return hashlib.sha256(name.encode() + b"\0" + content).digest() + content


def _unsealed(name: str, stored: bytes) -> bytes:
    content = stored[_DIGEST:]
    if sealed(name, content) != stored:
        raise ValueError("its content does not match its hash")
    return content


def _read(path: Path) -> bytes:
    """Return the content of a file that only root or this user can have written: to load it is to run it."""
    with path.open("rb") as file:
        facts = os.fstat(file.fileno())
        if facts.st_uid not in (0, os.geteuid()):
            raise PermissionError(f"it belongs to user {facts.st_uid}")
        if facts.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError("others may write it")
        return file.read()


def _write_atomically(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".writing-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
