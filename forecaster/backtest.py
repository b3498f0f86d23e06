"""Rolling-origin cross-validation: forecasts from several cutoffs, held against what came and against others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from forecaster import accuracy
from forecaster.baselines import BASELINES, baseline_forecast
from forecaster.config import check_horizon, check_levels
from forecaster.errors import TooShortError
from forecaster.executors import Executor, Serial, executor_of
from forecaster.forecast import Forecast
from forecaster.otherframes import FrameKind, as_kind
from forecaster.panel import Panel
from forecaster.peers import check_peers, peer_forecast
from forecaster.prediction import LEAST_OBSERVED
from forecaster.tables import ColumnNames, forecast_to_frame, times_for_frame

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]

_LEAST_SERIES = 256
"""Series that one piece of work forecasts at the least: below, to send it costs more than it saves."""


class Model(Protocol):
    """What a backtest needs of a trained forecaster."""

    def forecast(self, panel: Panel, *, h: int, level: tuple[float, ...]) -> Forecast:
        """Forecast the series of a panel."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fold:
    """What was known up to one cutoff, what came after it, and what each model said.

    Attributes
    ----------
    known : Panel
        The series up to the cutoff.
    actual : (N, h) float64
        The values after it, NaN where missing.
    forecasts : dict of str to Forecast
        By model, for the same N series.
    """

    known: Panel
    actual: Floats
    forecasts: dict[str, Forecast]


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """The folds of a backtest and their accuracy.

    Attributes
    ----------
    folds : list of Fold
        From the oldest cutoff to the newest.
    season : int
        Steps of a season, for MASE and the seasonal baseline.
    skipped : dict of str to str
        Series that took no part, and why.
    names : ColumnNames
        Column names of `frame`.
    kind : FrameKind, optional
        What frames are like, if not pandas.
    """

    folds: list[Fold]
    season: int
    skipped: dict[str, str]
    names: ColumnNames
    kind: FrameKind | None = None

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row a model: how good it was, over all series and folds.

        MAE, RMSE, sMAPE (0 to 200) and WAPE are those of the points. MASE and MSIS, the score of an interval, are means
        over series and folds of what is divided by ``accuracy.seasonal_scale`` of what was known; constant series,
        which have no scale, are left out of them. The pinball loss is the mean over the ends of all intervals and the
        median. MSIS and coverage (0 to 1) have a column for each level.
        """
        scales = self._scales()
        return [{"model": name, **self._measures(name, slice(None), scales)} for name in self.folds[0].forecasts]

    def by_series(self) -> pd.DataFrame:
        """Return one row for each series and model: its id, ``model``, and what `table` has, over all folds."""
        import pandas as pd

        scales, ids, models = self._scales(), self.folds[0].known.ids, list(self.folds[0].forecasts)
        frame = pd.DataFrame(
            [
                {"model": name, **self._measures(name, slice(i, i + 1), scales)}
                for i in range(len(ids))
                for name in models
            ]
        )
        frame.insert(0, self.names.id_col, np.repeat(ids, len(models)))
        return as_kind(frame, self.kind)  # type: ignore[no-any-return]  # of the library the user's data were of

    def _measures(self, name: str, series: slice, scales: Floats) -> dict[str, float]:
        """Return how good a model was on some of the series; `scales` are those of all."""
        forecasts = [fold.forecasts[name] for fold in self.folds]
        actual = np.concatenate([fold.actual[series] for fold in self.folds])
        point = np.concatenate([forecast.point[series] for forecast in forecasts])
        lower = np.concatenate([forecast.lower[series] for forecast in forecasts])
        upper = np.concatenate([forecast.upper[series] for forecast in forecasts])
        scales = scales[:, series].ravel()
        measures = {
            "MAE": accuracy.mae(actual, point),
            "RMSE": accuracy.rmse(actual, point),
            "sMAPE": accuracy.smape(actual, point),
            "WAPE": accuracy.wape(actual, point),
            "MASE": accuracy.mase(actual, point, scales),
        }
        losses, ends = [accuracy.pinball(actual, point, 0.5)], {}
        for k, level in enumerate(forecasts[0].levels):
            tail, low, high = (1 - level / 100) / 2, lower[:, k], upper[:, k]
            losses += [accuracy.pinball(actual, low, tail), accuracy.pinball(actual, high, 1 - tail)]
            measures[f"MSIS_{level:g}"] = accuracy.msis(actual, low, high, level, scales)
            ends[f"coverage_{level:g}"] = accuracy.coverage(actual, low, high)
        return {**measures, "pinball": float(np.mean(losses)), **ends}

    def _scales(self) -> Floats:
        """Return the scale of each series (columns) before each cutoff (rows)."""
        return np.stack(
            [
                accuracy.seasonal_scales([fold.known.series(i) for i in range(len(fold.known))], self.season)
                for fold in self.folds
            ]
        )

    def frame(self) -> pd.DataFrame:
        """Return one row for each series, cutoff and step: ids, times, ``cutoff``, ``y`` and each model's columns."""
        import pandas as pd

        frame = pd.concat([self._fold_frame(fold) for fold in self.folds], ignore_index=True)
        return as_kind(frame, self.kind)  # type: ignore[no-any-return]  # of the library the user's data were of

    def _fold_frame(self, fold: Fold) -> pd.DataFrame:
        frames = [forecast_to_frame(forecast, self.names) for forecast in fold.forecasts.values()]
        frame = frames[0]
        cutoffs = np.array([fold.known.times(i)[-1] for i in range(len(fold.known))]).repeat(fold.actual.shape[1])
        frame.insert(2, "cutoff", times_for_frame(cutoffs, fold.known.frequency, fold.known.timezone))
        frame.insert(3, self.names.target_col, fold.actual.ravel())
        for other in frames[1:]:
            frame = frame.join(other.drop(columns=[self.names.id_col, self.names.time_col]))
        return frame


def rolling_backtest(
    panel: Panel,
    fit: Callable[[Panel], Model],
    *,
    h: int,
    season: int,
    n_windows: int = 3,
    step_size: int | None = None,
    refit: bool | int = False,
    level: tuple[float, ...] | list[float] = (80, 95),
    peers: str | Sequence[str] = (),
    names: ColumnNames | None = None,
    base: Model | None = None,
    executor: str | Executor | None = None,
) -> Backtest:
    """Forecast `h` steps from each of `n_windows` cutoffs, the newest `h` steps before the end.

    A model is only ever given a panel that ends at its cutoff, so nothing after it can reach a forecast.

    Parameters
    ----------
    panel : Panel
        The series; those too short for the oldest cutoff take no part.
    fit : callable
        Gives a forecaster trained on a panel.
    h : int
        Steps ahead.
    season : int
        Steps of a season.
    n_windows : int
        Cutoffs.
    step_size : int, optional
        Steps between cutoffs; by default `h`, so that windows do not overlap.
    refit : bool or int
        Whether to train anew at each cutoff (True), at the oldest only (False), or at every k-th (k).
    level : sequence of float
        Interval levels in per cent.
    peers : str or sequence of str
        Forecasters to compare with beside the baselines: ``"AutoETS"`` and ``"Theta"`` of statsforecast, see
        ``peers.peer_forecast``.
    names : ColumnNames, optional
        Column names of the result's frame.
    base : forecaster, optional
        One that is trained already, on other series: it stands beside as ``Base``.
    executor : str or Executor, optional
        What runs trainings, where there are several, and forecasts: ``"serial"``, which is the default,
        ``"threads"`` or ``"ray"`` (`executor_of`). It changes nothing in the numbers. For Ray, `fit` is to be a
        function that can be sent elsewhere.

    Raises
    ------
    ConfigError
        An argument is out of range.
    MissingExtraError
        Peers are asked for and statsforecast is not installed.
    TooShortError
        No series is long enough.
    """
    h, levels, others = check_horizon(h), check_levels(level), check_peers(peers)
    n_windows = check_horizon(n_windows, name="n_windows")
    step = h if step_size is None else check_horizon(step_size, name="step_size")
    every = _refit_every(refit, n_windows)
    reach = h + (n_windows - 1) * step
    kept, skipped = long_enough(panel, reach)
    asked = _Asked(h, levels, season, others)
    with executor_of(executor) as running:
        cutoffs = [reach - k * step for k in range(n_windows)]
        begun = cutoffs[::every]
        models = (Serial() if len(begun) == 1 else running).map(_trained, begun, shared=(kept, fit))
        shares = _shares(len(kept), running.workers)
        pieces = [_Piece(ahead, k // every, share) for k, ahead in enumerate(cutoffs) for share in shares]
        said = running.map(_forecasts, pieces, shared=(kept, models, base, asked))
    folds = [
        Fold(kept.head(ahead), kept.tail_values(ahead)[:, :h], _joined(said[k * len(shares) : (k + 1) * len(shares)]))
        for k, ahead in enumerate(cutoffs)
    ]
    return Backtest(folds, season, skipped, (names or ColumnNames()).written)


class _Asked(NamedTuple):
    """What all forecasts of a backtest are asked for."""

    h: int
    levels: tuple[float, ...]
    season: int
    peers: tuple[str, ...]


class _Piece(NamedTuple):
    """Forecasts of some series from one cutoff: so many steps before the end, by one of the models."""

    ahead: int
    model: int
    series: range


def _shares(series: int, workers: int) -> list[range]:
    """Return which series are forecast together, since forecasts do not depend on the series beside them."""
    size = series if workers == 1 else max(_LEAST_SERIES, -(-series // workers))
    return [range(at, min(at + size, series)) for at in range(0, series, size)]


def _trained(ahead: int, kept: Panel, fit: Callable[[Panel], Model]) -> Model:
    return fit(kept.head(ahead))


def _forecasts(
    piece: _Piece, kept: Panel, models: Sequence[Model], base: Model | None, asked: _Asked
) -> dict[str, Forecast]:
    """Return what each model and each baseline says of some series from one cutoff."""
    h, levels, season, peers = asked
    known = (kept if len(piece.series) == len(kept) else kept.select(piece.series)).head(piece.ahead)
    own = models[piece.model].forecast(known, h=h, level=levels)
    forecasts = {own.alias: own}
    if base is not None:
        forecasts["Base"] = replace(base.forecast(known, h=h, level=levels), alias="Base")
    for name in BASELINES:
        forecasts[name] = baseline_forecast(name, known, h=h, levels=levels, season=season)
    for name in peers:
        forecasts[name] = peer_forecast(name, known, h=h, levels=levels, season=season)
    return forecasts


def _joined(shares: Sequence[dict[str, Forecast]]) -> dict[str, Forecast]:
    return {name: Forecast.joined([one[name] for one in shares]) for name in shares[0]}


def count_trainings(refit: bool | int, n_windows: int) -> int:
    """Return how many models a backtest trains.

    Raises
    ------
    ConfigError
        An argument is out of range.
    """
    return -(-check_horizon(n_windows, name="n_windows") // _refit_every(refit, n_windows))


def _refit_every(refit: bool | int, n_windows: int) -> int:
    if refit is True:
        return 1
    if refit is False:
        return n_windows
    return check_horizon(refit, name="refit")


def long_enough(panel: Panel, reach: int) -> tuple[Panel, dict[str, str]]:
    """Return the series that have two observed values before the oldest cutoff, and why the others have not."""
    kept, skipped = [], {}
    for i, name in enumerate(panel.ids):
        known = panel.series(i)[:-reach]
        if np.count_nonzero(~np.isnan(known)) >= LEAST_OBSERVED:
            kept.append(i)
        else:
            skipped[name] = (
                f"has {len(panel.series(i))} steps; {reach} are held out, and before them at least "
                f"{LEAST_OBSERVED} observed values are needed."
            )
    if not kept:
        first = next(iter(skipped.items()))
        raise TooShortError(
            f"No series is long enough for this backtest. Series {first[0]!r} {first[1]} "
            "Use a shorter horizon, fewer windows, or more data.",
            series=first[0],
        )
    return panel.select(kept), skipped
