"""Which of two implementations forecasts: compiled kernels, or NumPy alone as long as they are not ready.

The two agree to about six digits, not to the last bit. ``FORECASTER_ENGINE`` chooses: ``auto``, ``compiled`` (wait for
the kernels) or ``plain``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from forecaster.config import engine_choice
from forecaster.executors import Executor
from forecaster.loading import LOADER
from forecaster.network import Network
from forecaster.plain import plain_quantiles
from forecaster.scaling import Floats, Integers, ScaledPanel

if TYPE_CHECKING:
    from forecaster.passes import Packed

_LITTLE = 2**31
"""Multiply-adds that NumPy does in less time than loading the kernels takes; 2,000 windows of a usual network."""


class Engine:
    """Forecasts windows with the weights of one network, which must not change any more.

    Parameters
    ----------
    network : Network
        Weights and shape.

    Raises
    ------
    ConfigError
        ``FORECASTER_ENGINE`` is none of the choices.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self._choice = engine_choice()
        self._packed: Packed | None = None

    def load(self) -> None:
        """Have the kernels ready before this returns, unless they are not to be used."""
        if self._choice != "plain":
            LOADER.load()

    def quantiles(self, panel: ScaledPanel, series: Integers, ends: Integers, executor: Executor) -> Floats:
        """Return the scaled quantiles (B, F, Q), ascending, that follow position `ends` of each of `series`."""
        if not self._compiled(len(series)):
            return plain_quantiles(self.network, panel, series, ends)
        from forecaster.passes import Packed
        from forecaster.windows import window_quantiles

        if self._packed is None:
            self._packed = Packed(self.network)
        return window_quantiles(self._packed, panel, series, ends, executor)

    def _compiled(self, windows: int) -> bool:
        """Tell whether kernels are to forecast so many windows; see to it that they soon can."""
        if self._choice == "plain":
            return False
        if self._choice == "compiled":
            LOADER.load()
        elif not LOADER.ready.is_set():
            work = windows * self.network.config.positions * self.network.weights.size
            LOADER.begin(at_once=work > _LITTLE)
        return LOADER.ready.is_set()
