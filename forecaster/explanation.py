"""Inside the gates: what the networks of a model went through on their way to the forecast of each series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecaster.columns import ColumnNames
from forecaster.config import check_horizon, check_index
from forecaster.engine import Engine
from forecaster.errors import ConfigError
from forecaster.frames import times_for_frame
from forecaster.network import Network
from forecaster.panel import Panel
from forecaster.prediction import executor_for, forecastable
from forecaster.scaling import Floats, scale_panel
from forecaster.timestamps import labels_of
from forecaster.traces import STATES, LayerTrace, NetworkTrace, numbers_of, trace_for

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Explanation", "Mover", "explain_panel"]

MOST_NUMBERS = 2**27
"""Numbers that an explanation holds at the most, 4 bytes each; `Explanation.frame` takes several times as much."""


@dataclass(frozen=True, slots=True)
class Mover:
    """A unit whose cell state moved much before the forecast.

    Attributes
    ----------
    unique_id
        The series.
    network, layer, unit
        Which unit it is; all from 0 upwards.
    steps
        Newest time steps that count: a season, or the network's horizon where there is none, or all of a series that
        is shorter.
    change
        Sum of the sizes of the changes of its cell state over these steps.
    cell_state_before, cell_state
        Its cell state before these steps and after the last.
    """

    unique_id: str
    network: int
    layer: int
    unit: int
    steps: int
    change: float
    cell_state_before: float
    cell_state: float


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Explanation:
    """Gates and states of every step that the networks saw of N series, in the pass that their forecast is made of.

    A horizon longer than the networks' is forecast from forecasts: this is the first of those passes.

    Attributes
    ----------
    panel
        The series, those that can be forecast.
    networks
        What each network that was asked for went through; its arrays have a row for each series.
    engine
        What made the pass: ``compiled`` kernels, or ``plain`` NumPy. The two agree to about six digits.
    season
        Steps of a season; 1 for none.
    names
        What the columns of `frame` are called.
    skipped
        Series that cannot be forecast: id and reason.
    """

    panel: Panel
    networks: tuple[NetworkTrace, ...]
    engine: str
    season: int
    names: ColumnNames
    skipped: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of series."""
        return len(self.panel)

    @property
    def ids(self) -> tuple[str, ...]:
        """The series identifiers, N."""
        return self.panel.ids

    @property
    def steps(self) -> int:
        """Time steps of the network that looks back farthest."""
        return max(trace.steps for trace in self.networks)

    def times(self, i: int) -> NDArray[np.generic]:
        """Return the timestamps of the newest `steps` values of series `i`, or of all if it is shorter.

        A network with fewer steps saw the last of them.
        """
        return self.panel.times(i)[-self.steps :]

    def time_labels(self, i: int) -> list[str]:
        """Return :meth:`times` as text."""
        return labels_of(self.times(i), self.panel.frequency, self.panel.timezone)

    def values(self, i: int) -> Floats:
        """Return the values at :meth:`times`, in the series' own units; NaN where one is missing."""
        return self.panel.series(i)[-self.steps :]

    def movers(self, count: int = 5) -> tuple[Mover, ...]:
        """Return the `count` units of each series, network and layer whose cell state moved most before the forecast.

        What counts is the sum of the sizes of its changes from step to step over the last season, or over as many
        steps as the network's horizon where there is no season. Ordered by series, network, layer, then the largest
        change first.

        Raises
        ------
        ConfigError
            `count` is no whole number above zero.
        """
        count = check_horizon(count, name="count")
        found: list[Mover] = []
        for i in range(len(self)):
            for trace in self.networks:
                for layer in trace.layers:
                    found += self.movers_of(i, trace, layer, count)
        return tuple(found)

    def movers_of(self, i: int, trace: NetworkTrace, layer: LayerTrace, count: int) -> Iterator[Mover]:
        """Yield the `movers` of series `i` in one layer."""
        steps = self.moving_steps(trace, i)
        cells = layer.cell_state[i].astype(np.float64)
        changes = np.abs(np.diff(cells, axis=0, prepend=0.0))[-steps:].sum(axis=0)
        before = cells[-steps - 1] if steps < len(cells) else np.zeros(layer.units)
        for unit in np.argsort(-changes, kind="stable")[:count].tolist():
            yield Mover(
                unique_id=self.ids[i],
                network=trace.network,
                layer=layer.layer,
                unit=unit,
                steps=steps,
                change=float(changes[unit]),
                cell_state_before=float(before[unit]),
                cell_state=float(cells[-1, unit]),
            )

    def moving_steps(self, trace: NetworkTrace, i: int) -> int:
        """Return the newest steps of series `i` that count for :meth:`movers`."""
        wanted = self.season if self.season > 1 else trace.horizon
        return int(min(wanted, trace.steps - trace.padding[i]))

    def frame(self) -> pd.DataFrame:
        """Return gates and states as a long data frame: a row for each series, network, layer, step and unit.

        Columns are those of ids, times and values as the series had them, ``network``, ``layer``, ``unit``,
        ``input_gate``, ``forget_gate``, ``candidate``, ``output_gate``, ``cell_state`` and ``hidden_state``. Padding
        is left out.

        Raises
        ------
        ConfigError
            A column of the series is called as one of these.
        """
        import pandas as pd

        names = (self.names.id_col, self.names.time_col, self.names.target_col)
        lost = {"network", "layer", "unit", *STATES} & set(names)
        if lost:
            raise ConfigError(f"Column {lost.pop()!r} of the series would be lost: the result has one of that name.")
        pieces = [self._columns(i, t, u) for i in range(len(self)) for t in self.networks for u in t.layers]
        columns: dict[str, Any] = {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}
        times, frequency = columns[self.names.time_col], self.panel.frequency
        columns[self.names.time_col] = times_for_frame(times, frequency, self.panel.timezone)
        return pd.DataFrame(columns)

    def _columns(self, i: int, trace: NetworkTrace, layer: LayerTrace) -> dict[str, NDArray[Any]]:
        steps, units = trace.steps - int(trace.padding[i]), layer.units
        rows = steps * units
        own = {
            self.names.id_col: np.full(rows, self.ids[i], object),
            self.names.time_col: np.repeat(self.times(i)[-steps:], units),
            self.names.target_col: np.repeat(self.values(i)[-steps:], units),
            "network": np.full(rows, trace.network),
            "layer": np.full(rows, layer.layer),
            "unit": np.tile(np.arange(units), steps),
        }
        return own | {name: getattr(layer, name)[i, -steps:].ravel() for name in STATES}


def explain_panel(
    engine: Engine,
    panel: Panel,
    *,
    season: int,
    network: int | None,
    layer: int | None,
    names: ColumnNames,
    threads: int | None,
) -> Explanation:
    """Return what the networks went through on their way to the forecast of the series that can be forecast.

    Raises
    ------
    TooShortError
        There are none.
    ConfigError
        There is no such network or layer; an explanation of so many series would be too large.
    """
    asked = _asked(engine.networks, network, layer)
    usable, skipped = forecastable(panel)
    _check_size(engine.networks, asked, len(usable))
    # As `prediction.future_quantiles` begins.
    scaled = scale_panel(usable, season=engine.season).tail(engine.reach)
    lengths = np.diff(scaled.offsets)
    traces = tuple(trace_for(engine.networks[k], k, layers, lengths) for k, layers in asked.items())
    with executor_for(usable, threads) as executor:
        made_by = engine.trace(scaled, np.arange(len(scaled)), scaled.offsets[1:] - 1, executor, traces)
    return Explanation(
        panel=usable, networks=traces, engine=made_by, season=season, skipped=skipped, names=names.written
    )


def _asked(networks: Sequence[Network], network: int | None, layer: int | None) -> dict[int, list[int]]:
    """Return the layers that are asked for, by network."""
    which = range(len(networks)) if network is None else [check_index("network", network, len(networks))]
    deepest = max(networks[k].config.layers for k in which)
    wanted = range(deepest) if layer is None else [check_index("layer", layer, deepest)]
    asked = {k: [one for one in wanted if one < networks[k].config.layers] for k in which}
    return {k: layers for k, layers in asked.items() if layers}


def _check_size(networks: Sequence[Network], asked: dict[int, list[int]], count: int) -> None:
    numbers = sum(numbers_of(networks[k], len(layers), count) for k, layers in asked.items())
    if numbers > MOST_NUMBERS:
        raise ConfigError(
            f"An explanation of {count} series would hold {numbers:,} numbers; at most {MOST_NUMBERS:,} are kept. "
            f"Explain {max(1, count * MOST_NUMBERS // numbers)} series at a time, or one network= and layer=.",
            column="network",
        )
