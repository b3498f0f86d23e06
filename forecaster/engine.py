"""Which of two implementations forecasts: compiled kernels, or NumPy alone as long as they are not ready.

The two agree to about six digits, not to the last bit. ``FORECASTER_ENGINE`` chooses: ``auto``, ``compiled`` (wait for
the kernels) or ``plain``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import engine_choice
from forecaster.errors import ConfigError
from forecaster.executors import Executor
from forecaster.loading import LOADER
from forecaster.network import Network
from forecaster.plain import plain_quantiles
from forecaster.scaling import Floats, Integers, ScaledPanel

if TYPE_CHECKING:
    from forecaster.passes import Packed

_LITTLE = 2**31
"""Multiply-adds that NumPy does in less time than loading the kernels takes; 2,000 windows of a usual network."""


def engine_in_use() -> str:
    """Return what forecasts in this process now: ``compiled`` kernels, or ``plain`` NumPy until they are ready."""
    choice = engine_choice()
    if choice == "auto":
        return "compiled" if LOADER.ready.is_set() else "plain"
    return choice


class Engine:
    """Forecasts windows with the weights of networks, which must not change any more: the mean of what they say.

    Parameters
    ----------
    networks : sequence of Network
        Weights and shapes; they have the same horizon and quantiles.
    season : int
        Steps of a season, for those networks that see series without it.

    Attributes
    ----------
    horizon : int
        Steps ahead they give, F.
    probabilities : tuple of float
        The quantiles they give, Q.
    reach : int
        Newest values of a series that have a say.

    Raises
    ------
    ConfigError
        The networks' quantiles differ; ``FORECASTER_ENGINE`` is none of the choices.
    """

    def __init__(self, networks: Sequence[Network], season: int = 1) -> None:
        self.networks = tuple(networks)
        quantiles = {network.config.quantiles for network in networks}
        if len(quantiles) != 1:
            said = ", ".join(map(str, sorted(quantiles))) or "no network"
            raise ConfigError(f"networks must have the same quantiles, to be averaged; got {said}.", column="network")
        self.horizon, self.probabilities = networks[0].horizon, networks[0].config.quantiles
        self.reach = max(network.config.positions + network.config.lags for network in networks)
        self.season = season if any(network.config.deseasonalise for network in networks) else 1
        self._choice = engine_choice()
        self._packed: tuple[Packed, ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process is made from, packed weights left out."""
        return {**self.__dict__, "_packed": (), "_loaded": self._choice != "plain" and LOADER.ready.is_set()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the copy; one of an engine that forecasts with kernels does so as well, to give the same numbers."""
        loaded = state.pop("_loaded")
        self.__dict__.update(state)
        if loaded:
            self.load()

    def load(self) -> None:
        """Have the kernels ready before this returns, unless they are not to be used."""
        if self._choice != "plain":
            LOADER.load()

    def quantiles(self, panel: ScaledPanel, series: Integers, ends: Integers, executor: Executor) -> Floats:
        """Return the scaled quantiles (B, F, Q), ascending, that follow position `ends` of each of `series`.

        `panel` is to have seasons of ``season`` steps.
        """
        compiled = self._compiled(len(series))
        total = np.zeros((len(series), self.horizon, len(self.probabilities)))
        seasonless: ScaledPanel | None = None
        for k, network in enumerate(self.networks):
            seen = panel
            if network.config.deseasonalise:
                if seasonless is None:
                    seasonless = panel.without_season()
                seen = seasonless
                total += panel.season_after(series, ends, self.horizon)[..., None]
            if compiled:
                total += self._kernels(k, seen, series, ends, executor)
            else:
                total += plain_quantiles(network, seen, series, ends)
        total /= len(self.networks)
        return total

    def _kernels(self, k: int, panel: ScaledPanel, series: Integers, ends: Integers, executor: Executor) -> Floats:
        from forecaster.passes import Packed
        from forecaster.windows import window_quantiles

        if not self._packed:
            self._packed = tuple(Packed(network) for network in self.networks)
        return window_quantiles(self._packed[k], panel, series, ends, executor)

    def _compiled(self, windows: int) -> bool:
        """Tell whether kernels are to forecast so many windows; see to it that they soon can."""
        if self._choice == "plain":
            return False
        if self._choice == "compiled":
            LOADER.load()
        elif not LOADER.ready.is_set():
            work = windows * sum(network.config.positions * network.weights.size for network in self.networks)
            LOADER.begin(at_once=work > _LITTLE)
        return LOADER.ready.is_set()
