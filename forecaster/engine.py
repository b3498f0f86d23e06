"""Which of two implementations forecasts: compiled kernels, or NumPy alone as long as they are not ready.

The two agree to about six digits, not to the last bit. ``FORECASTER_ENGINE`` chooses: ``auto``, ``compiled`` (wait for
the kernels) or ``plain``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import engine_choice
from forecaster.errors import ConfigError
from forecaster.executors import Executor
from forecaster.loading import LOADER, OTHER_LOADERS, Loader
from forecaster.network import ForecastNetwork
from forecaster.plain import plain_quantiles
from forecaster.scaling import Floats, Integers, ScaledPanel
from forecaster.traces import NetworkTrace

if TYPE_CHECKING:
    from forecaster.trunk import Packed

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
    networks : sequence of ForecastNetwork
        Weights and shapes; they have the same horizon and quantiles.
    season : int
        Steps of a season, for those networks that see series without it.

    Attributes
    ----------
    cell : str
        What their recurrent layers are made of.
    horizon : int
        Steps ahead they give, F.
    probabilities : tuple of float
        The quantiles they give, Q.
    reach : int
        Newest values of a series that have a say.

    Raises
    ------
    ConfigError
        The networks' quantiles or cells differ; ``FORECASTER_ENGINE`` is none of the choices.
    """

    def __init__(self, networks: Sequence[ForecastNetwork], season: int = 1) -> None:
        self.networks = tuple(networks)
        quantiles = {network.config.quantiles for network in networks}
        if len(quantiles) != 1:
            said = ", ".join(map(str, sorted(quantiles))) or "no network"
            raise ConfigError(f"networks must have the same quantiles, to be averaged; got {said}.", column="network")
        cells = {network.config.cell for network in networks}
        if len(cells) != 1:
            raise ConfigError(f"networks must have the same cell; got {', '.join(sorted(cells))}.", column="network")
        self.cell = networks[0].config.cell
        self.horizon, self.probabilities = networks[0].horizon, networks[0].config.quantiles
        self.reach = max(network.config.positions + network.config.lags for network in networks)
        self.season = season if any(network.config.deseasonalise for network in networks) else 1
        self._choice = engine_choice()
        self._packed: tuple[Packed[ForecastNetwork], ...] = ()

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process is made from, packed weights left out."""
        return {**self.__dict__, "_packed": (), "_loaded": self._choice != "plain" and self._loader.ready.is_set()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Become the copy; one of an engine that forecasts with kernels does so as well, to give the same numbers."""
        loaded = state.pop("_loaded")
        self.__dict__.update(state)
        if loaded:
            self.load()

    def load(self) -> None:
        """Have the kernels ready before this returns, unless they are not to be used."""
        if self._choice != "plain":
            self._loader.load()

    def load_meanwhile(self) -> None:
        """Begin to have the kernels ready, on a thread, unless they are not to be used; `load` waits for it."""
        if self._choice != "plain":
            self._loader.begin(at_once=True, wait=False)

    def quantiles(self, panel: ScaledPanel, series: Integers, ends: Integers, executor: Executor) -> Floats:
        """Return the scaled quantiles (B, F, Q), ascending, that follow position `ends` of each of `series`.

        `panel` is to have seasons of ``season`` steps.
        """
        compiled = self._compiled(len(series))
        total = np.zeros((len(series), self.horizon, len(self.probabilities)))
        for k, seen, season in self._views(panel, series, ends, range(len(self.networks))):
            if season is not None:
                total += season[..., None]
            total += self._said(k, seen, series, ends, executor, compiled=compiled)
        total /= len(self.networks)
        return total

    def trace(
        self,
        panel: ScaledPanel,
        series: Integers,
        ends: Integers,
        executor: Executor,
        traces: Sequence[NetworkTrace],
    ) -> str:
        """Make the passes of `quantiles`, those of some networks, and write their traces; return what made them."""
        compiled = self._compiled(len(series))
        views = self._views(panel, series, ends, [one.network for one in traces])
        for trace, (k, seen, season) in zip(traces, views, strict=True):
            if season is not None:
                trace.season[:] = season
            trace.quantiles[:] = self._said(k, seen, series, ends, executor, compiled=compiled, trace=trace)
        return "compiled" if compiled else "plain"

    def _views(
        self, panel: ScaledPanel, series: Integers, ends: Integers, which: Iterable[int]
    ) -> Iterator[tuple[int, ScaledPanel, Floats | None]]:
        """Yield the number of each network, the panel as it sees it, and what is to be added to what it says."""
        seasonless: ScaledPanel | None = None
        for k in which:
            if not self.networks[k].config.deseasonalise:
                yield k, panel, None
                continue
            if seasonless is None:
                seasonless = panel.without_season()
            yield k, seasonless, panel.season_after(series, ends, self.horizon)

    def _said(
        self,
        k: int,
        panel: ScaledPanel,
        series: Integers,
        ends: Integers,
        executor: Executor,
        *,
        compiled: bool,
        trace: NetworkTrace | None = None,
    ) -> Floats:
        if not compiled:
            return plain_quantiles(self.networks[k], panel, series, ends, trace)
        from forecaster.trunk import Packed
        from forecaster.windows import window_quantiles

        if not self._packed:
            self._packed = tuple(Packed(network) for network in self.networks)
        return window_quantiles(self._packed[k], panel, series, ends, executor, trace)

    def _compiled(self, windows: int) -> bool:
        """Tell whether kernels are to forecast so many windows; see to it that they soon can."""
        if self._choice == "plain":
            return False
        loader = self._loader
        if self._choice == "compiled":
            loader.load()
        elif not loader.ready.is_set():
            work = windows * sum(network.config.positions * network.weights.size for network in self.networks)
            loader.begin(at_once=work > _LITTLE)
        return loader.ready.is_set()

    @property
    def _loader(self) -> Loader:
        return LOADER if self.cell == "lstm" else OTHER_LOADERS[self.cell]
