"""What a model says about the next steps of every series: the forecast, and sample paths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from forecaster.config import level_of
from forecaster.frequency import Frequency
from forecaster.timestamps import labels_of

__all__ = ["Forecast", "NextSteps", "SamplePaths"]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class NextSteps:
    """The next h steps of N series.

    Attributes
    ----------
    ids
        The N series identifiers.
    times
        Timestamps (datetime64) or integer steps of the forecasts, shape (N, h). In UTC when ``timezone`` is set
        and the frequency is finer than daily.
    frequency
        The step of all series.
    skipped
        Series that have no forecast: id and reason.
    alias
        The model's name in output columns.
    timezone
        IANA zone (or fixed offset such as ``"+02:00"``) the timestamps are shown in, if the input had one.
    """

    ids: tuple[str, ...]
    times: NDArray[np.generic]
    frequency: Frequency
    skipped: dict[str, str] = field(default_factory=dict)
    alias: str = "LSTM"
    timezone: str | None = None

    def __len__(self) -> int:
        """Return the number of series that have a forecast."""
        return len(self.ids)

    @property
    def h(self) -> int:
        """Steps ahead."""
        return int(self.times.shape[1])

    @property
    def labels(self) -> list[list[str]]:
        """``times`` as text, the way they are written to CSV and JSON; N lists of h."""
        texts, h = labels_of(self.times.ravel(), self.frequency, self.timezone), self.h
        return [texts[at : at + h] for at in range(0, len(texts), h)]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Forecast(NextSteps):
    """Point forecasts and prediction intervals of N series, h steps ahead.

    Attributes
    ----------
    point
        The median, shape (N, h), float64.
    levels
        Interval levels in per cent, ascending, such as ``(80.0, 95.0)``.
    lower, upper
        Ends of the intervals, shape (N, len(levels), h), float64.
    quantiles
        Quantiles, ascending from 0 to 1, that are shown in place of the intervals; they are ends of these, or the
        median.
    ids, times, frequency, skipped, alias, timezone
        As in `NextSteps`.
    """

    point: NDArray[np.float64]
    levels: tuple[float, ...]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]
    quantiles: tuple[float, ...] = ()

    @property
    def bounds(self) -> dict[str, NDArray[np.float64]]:
        """What is said beside the median, shape (N, h), by column: ``LSTM-lo-95`` to ``LSTM-hi-95``, or quantiles."""
        if self.quantiles:
            return {f"{self.alias}-q-{100 * one:.6g}": self.quantile(one) for one in self.quantiles}
        lower = {f"{self.alias}-lo-{level:g}": self.lower[:, place] for place, level in enumerate(self.levels)}
        upper = {f"{self.alias}-hi-{level:g}": self.upper[:, place] for place, level in enumerate(self.levels)}
        return dict(reversed(lower.items())) | upper

    @classmethod
    def joined(cls, forecasts: Sequence[Forecast]) -> Forecast:
        """Return one forecast of the series of all `forecasts`, which differ in nothing else."""
        return replace(
            forecasts[0],
            ids=tuple(name for one in forecasts for name in one.ids),
            skipped={name: reason for one in forecasts for name, reason in one.skipped.items()},
            times=np.concatenate([one.times for one in forecasts]),
            point=np.concatenate([one.point for one in forecasts]),
            lower=np.concatenate([one.lower for one in forecasts]),
            upper=np.concatenate([one.upper for one in forecasts]),
        )

    def quantile(self, q: float) -> NDArray[np.float64]:
        """Return a quantile, shape (N, h), that is the end of one of the intervals, or the median."""
        level = level_of(q)
        if not level:
            return self.point
        return (self.lower if q < 0.5 else self.upper)[:, self.levels.index(level)]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SamplePaths(NextSteps):
    """Ways that N series may go, h steps ahead.

    Within a path the steps hang together; paths of different series know nothing of each other.

    Attributes
    ----------
    values
        The paths, shape (N, n_paths, h), float64.
    ids, times, frequency, skipped, alias, timezone
        As in `NextSteps`.
    """

    values: NDArray[np.float64]
