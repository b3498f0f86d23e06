"""The kernels of a forecast, made ready on a thread while something else answers.

To load them takes a third of a second, to compile them ten (`kernels/_cache.py` tells which, one after the other).
Neither the end of the process nor a fork may find that thread inside the compiler: both end it at the next kernel and
wait for that. What was compiled until then is in the cache.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from functools import partial

import numpy as np

from forecaster.shape import CELLS, Cell

logger = logging.getLogger(__name__)

_GRACE = 0.25
"""Seconds that a process which forecasts a little and ends does not spend on kernels it would never use."""


class Loader:
    """Runs `rehearse` once, in a thread or here.

    Parameters
    ----------
    rehearse : callable
        Loads or compiles; is given what to call before each compilation, which may raise to end it there.

    Attributes
    ----------
    ready : threading.Event
        Set when `rehearse` has come to its end.
    """

    def __init__(self, rehearse: Callable[[Callable[[], None]], None]) -> None:
        self.ready = threading.Event()
        self._rehearse = rehearse
        self._lock = threading.Lock()
        self._reset()
        atexit.register(self._halt)
        if hasattr(os, "register_at_fork"):
            after = self._after_fork
            os.register_at_fork(before=self._before_fork, after_in_parent=after, after_in_child=after)

    def _reset(self) -> None:
        self._thread: threading.Thread | None = None
        self._wake, self._settled, self._halted = threading.Event(), threading.Event(), threading.Event()

    def load(self) -> None:
        """Make ready before this returns, however long it takes: in this thread, unless another is at it already."""
        if self._thread is not None:
            self._wake.set()
            self._thread.join()
        if not self.ready.is_set():
            self._rehearse(_go_on)
            self.ready.set()

    def begin(self, *, at_once: bool, wait: bool = True) -> None:
        """Make ready in a thread; `at_once`, or in a moment if the process lives on.

        At once, this returns when all is loaded, or when it is known that something has to be compiled; without `wait`
        it returns before.
        """
        with self._lock:
            if self.ready.is_set():
                return
            if self._thread is None:
                self._start()
            if at_once:
                self._wake.set()
            settled = self._settled
        if at_once and wait:
            settled.wait()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="forecaster-kernels", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:  # the process is ending, or may have no more threads
            logger.info("kernels are not loaded: %s", error)
            self._thread = None
            self._settled.set()

    def _run(self) -> None:
        self._wake.wait(_GRACE)
        began = time.perf_counter()
        try:
            self._go_on_or_end()
            self._rehearse(self._before_compiling)
        except _HaltedError:
            logger.debug("the process ended, or forked, before the kernels were ready")
        except Exception as error:  # noqa: BLE001 - whatever ails the compiler, forecasts go on without it
            logger.warning("kernels cannot be loaded; forecasts go on in NumPy: %s: %s", type(error).__name__, error)
        else:
            self.ready.set()
            logger.info("kernels ready after %.1f s", time.perf_counter() - began)
        finally:
            self._settled.set()

    def _before_compiling(self) -> None:
        self._settled.set()
        self._go_on_or_end()

    def _go_on_or_end(self) -> None:
        if self._halted.is_set():
            raise _HaltedError

    def _halt(self) -> None:
        """End the thread, if there is one, and wait for its end."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            self._halted.set()
            self._wake.set()
            thread.join()

    def _before_fork(self) -> None:
        self._lock.acquire()
        self._halt()

    def _after_fork(self) -> None:
        if self._halted.is_set():  # the next forecast begins anew
            self._reset()
        self._lock.release()


class _HaltedError(BaseException):
    """Ends a compilation; no Exception, which Numba could take for one of its own."""


def _go_on() -> None:
    """Compile whatever is missing."""


def _rehearse(cell: Cell, before_compiling: Callable[[], None]) -> None:
    """Forecast a toy series, so that every kernel of a forecast by networks of `cell` meets its types."""
    from forecaster.config import NetworkConfig
    from forecaster.executors import Serial
    from forecaster.kernels._cache import calling_before_compiling
    from forecaster.network import ForecastNetwork
    from forecaster.panel import Panel
    from forecaster.scaling import scale_panel
    from forecaster.trunk import Packed
    from forecaster.windows import window_quantiles

    network = ForecastNetwork(NetworkConfig(lags=1, positions=2, hidden=1, dense=1, quantiles=(0.5,), cell=cell), 1)
    panel = scale_panel(Panel.from_columns(["toy"] * 3, np.arange(3), np.ones(3), freq=1))
    with calling_before_compiling(before_compiling):
        window_quantiles(Packed(network), panel, np.array([0]), np.array([2]), Serial())


LOADER = Loader(partial(_rehearse, "lstm"))
OTHER_LOADERS: dict[Cell, Loader] = {cell: Loader(partial(_rehearse, cell)) for cell in CELLS if cell != "lstm"}
"""Kernels of other cells: who forecasts with LSTMs does not wait for them."""
