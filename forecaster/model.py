"""The forecaster: joins the rooms, computes nothing itself."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Self

from forecaster import __version__
from forecaster.backtest import Backtest, count_trainings, rolling_backtest
from forecaster.config import (
    LossName,
    NetworkConfig,
    TrainingConfig,
    check_cell,
    check_horizon,
    check_init,
    check_levels,
    check_loss,
    check_seed,
    intervals_asked,
    training_config,
)
from forecaster.description import describe, described, fingerprint_of, named_weights
from forecaster.engine import Engine
from forecaster.errors import ConfigError, InputError, NotFittedError
from forecaster.executors import Executor, Threads, executor_of
from forecaster.explanation import Explanation, explain_panel
from forecaster.forecast import Forecast, SamplePaths
from forecaster.frequency import Frequency
from forecaster.intervals import Calibration
from forecaster.network import ForecastNetwork
from forecaster.otherframes import FrameKind, as_kind
from forecaster.panel import Panel
from forecaster.prediction import forecast_panel, forecastable
from forecaster.pretrained import base_for, with_horizon
from forecaster.recipes import recipe_for, shapes
from forecaster.shape import Cell
from forecaster.simulation import simulate_panel
from forecaster.storage import described_by, load_model, save_model
from forecaster.tables import ColumnNames, as_panel, forecast_to_frame, frame_kind, has_times

if TYPE_CHECKING:
    import pandas as pd

    from forecaster.training import Progress


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    """All that training gave, or loading: set at once, so that a failed `fit` leaves the earlier model."""

    engine: Engine
    frequency: Frequency
    calibration: Calibration
    info: dict[str, Any]


class _Start(NamedTuple):
    """What training starts from: networks, how they are trained, and what their intervals need if they know it."""

    networks: list[ForecastNetwork]
    training: TrainingConfig
    calibration: Calibration | None


class _Given(NamedTuple):
    """Series to forecast, None for those trained on, and what the frame of their forecasts is to be like."""

    panel: Panel | None
    names: ColumnNames
    kind: FrameKind | None

    def frame(self, made: Forecast | SamplePaths) -> Any:
        return as_kind(forecast_to_frame(made, self.names), self.kind)


class Forecaster:
    """An LSTM, or the mean of several, that learns from many series and forecasts each of them, and others like them.

    Parameters
    ----------
    h : int
        Steps ahead it is trained for.
    freq : str or int, optional
        Frequency of the series: a pandas alias, or a whole number for integer time steps. By default found in the data.
    season : int, optional
        Steps of a season. By default that of the frequency, such as 7 for daily series.
    network : NetworkConfig or sequence of NetworkConfig, optional
        The shape of the network, or of several, of the same quantiles, which are averaged. By default those of the
        frequency's recipe (`forecaster.recipes`).
    cell : str, optional
        What the recurrent layers are made of: ``"lstm"``, ``"gru"`` or ``"rnn"``. By default the LSTM. Base weights are
        those of LSTMs: other cells start from random ones. Columns of forecasts are called after it.
    loss : str, optional
        What is minimised: ``"pinball"`` (the quantiles, the default), ``"mae"`` or ``"mse"`` (``"rmse"`` is the same:
        where the one is least, so is the other). The last two train the point forecast alone, from random weights, and
        intervals come from its errors on held-out values.
    training : TrainingConfig or mapping of str, optional
        How each network is trained. By default as the recipe says; ``{"steps": 50}`` changes that one setting of it.
    seed : int
        The same seed, data and settings give the same weights, bit for bit.
    threads : int, optional
        Threads; by default one for each processor this process may use.

    Examples
    --------
    >>> from forecaster import Forecaster
    >>> model = Forecaster(h=2).fit([3, 5, 8, 7, 9, 11, 10, 12, 15, 14])
    >>> model.predict(level=[80]).columns.tolist()
    ['unique_id', 'ds', 'LSTM', 'LSTM-lo-80', 'LSTM-hi-80']
    """

    def __init__(
        self,
        *,
        h: int,
        freq: str | int | None = None,
        season: int | None = None,
        network: NetworkConfig | Sequence[NetworkConfig] | None = None,
        cell: Cell | None = None,
        loss: LossName | None = None,
        training: TrainingConfig | Mapping[str, Any] | None = None,
        seed: int = 0,
        threads: int | None = None,
    ) -> None:
        self.h = check_horizon(h)
        self.frequency = None if freq is None else Frequency.parse(freq)
        self.season = None if season is None else check_horizon(season, name="season")
        self.networks = (network,) if isinstance(network, NetworkConfig) else tuple(network or ())
        if cell is not None and self.networks:
            raise ConfigError("each network has a cell of its own: leave cell out, or network.", column="cell")
        self.cell = None if cell is None else check_cell(cell)
        if loss is not None and self.networks:
            raise ConfigError("each network has a loss of its own: leave loss out, or network.", column="loss")
        self.loss = None if loss is None else check_loss(loss)
        self.training = training
        training_config(training, TrainingConfig())  # what is wrong is said here, not after the data are read
        self.seed = check_seed(seed)
        self.threads = None if threads is None else check_horizon(threads, name="threads")
        self._fitted: _Fitted | None = None
        self._panel: Panel | None = None
        self._names = ColumnNames()
        self._kind: FrameKind | None = None

    @property
    def alias(self) -> str:
        """What the column of its forecasts is called: ``LSTM``, or the name of another cell."""
        return self._ready().engine.cell.upper()

    @property
    def info(self) -> dict[str, Any]:
        """What the model is and how well it did on the held-out horizon: the content of ``model.json``."""
        return self._ready().info

    def fit(
        self,
        df: Any,
        *,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        init: Literal["base", "random"] | None = None,
        progress: Callable[[Progress], None] | None = None,
        executor: str | Executor | None = None,
    ) -> Self:
        """Train on `df`: a long or wide data frame, a `Panel`, a sequence of numbers, or a mapping of ids to such.

        A data frame is one of pandas, or of polars and others that narwhals knows (extra ``polars``); the frames that
        `predict` and others return are of the same library.

        Training starts from the base weights of the package (`init` "base"), which have learned from many series of
        this kind, or from nothing ("random"). The default is "base", unless shapes of networks, another cell than
        the LSTM or another loss were asked for.

        The last horizon of every series that is long enough is held out: it decides when to stop, calibrates the
        intervals, and gives the accuracy in `info`. Training from random weights then goes on for a while with it too
        (``refit`` in `TrainingConfig`). A warning says when no series is long enough.

        The networks of an ensemble are trained one after the other, or beside each other by the `executor` asked for
        (`forecaster.executor_of`), which gives the same weights; `progress` is told of the former only.

        Raises
        ------
        InputError
            The data are wrong; the message names the series and row.
        TooShortError
            No series has two values, or, for random weights, is long enough to learn the horizon from.
        ConfigError
            The networks have different quantiles or cells; base weights are asked for, and other shapes than theirs,
            another cell or another loss.
        """
        from forecaster.learning import learn  # a forecast needs neither it nor Numba

        names = ColumnNames(id_col=id_col, time_col=time_col, target_col=target_col)
        panel = as_panel(df, freq=self.frequency, names=names)
        cell, loss = self.cell or "lstm", self.loss or "pinball"
        from_base = check_init(init, shaped=bool(self.networks), cell=cell, loss=loss) == "base"
        usable, skipped = forecastable(panel, learning=None if from_base else self.h)
        season = self.season or usable.frequency.season
        start = self._start(usable.frequency, season, from_base=from_base)
        with Threads(self.threads) as threads, executor_of(executor, workers=self.threads) as together:
            learned = learn(
                usable,
                start.networks,
                season=season,
                training=start.training,
                seed=self.seed,
                executor=threads,
                base=start.calibration,
                progress=None if together.threads_each else progress,
                together=together,
            )
        info = describe(
            learned,
            usable,
            h=self.h,
            season=season,
            version=__version__,
            seed=self.seed,
            asked=start.training,
            init="random" if start.calibration is None else "base",
        )
        self._fitted = _Fitted(learned.engine, usable.frequency, learned.verdict.calibration, info)
        self._panel, self._names, self._kind = panel, names, frame_kind(df, names)
        _warn(skipped)
        if learned.verdict.accuracy is None:
            steps = learned.engine.horizon
            done = "training was cut short" if start.calibration is None else "the base weights were left as they are"
            warnings.warn(
                f"no series is long enough to hold out its end: {done}, the accuracy is not known and the intervals "
                f"are not calibrated on these series. For a horizon of {self.h}, {2 * steps + 4} values or more are "
                "advised.",
                UserWarning,
                stacklevel=2,
            )
        return self

    def predict(
        self,
        df: Any = None,
        *,
        h: int | None = None,
        level: float | Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
    ) -> pd.DataFrame:
        """Return forecasts as a data frame: ids, times, ``LSTM`` (or another cell), and the ends of the intervals.

        Parameters
        ----------
        df : optional
            Series to forecast, as for `fit`, also ones the model has never seen; by default those it was trained on.
        h : int, optional
            Steps ahead, by default those trained for. More are reached by forecasting from forecasts.
        level : float or sequence of float, optional
            Levels of the intervals in per cent, by default 80 and 95.
        quantiles : sequence of float, optional
            Quantiles between 0 and 1 in place of intervals: columns ``LSTM-q-10``, ``LSTM-q-90`` and so on.
        id_col, time_col, target_col : str, optional
            Column names, by default those given to `fit`.

        Raises
        ------
        NotFittedError
            There is no trained model yet, or it was loaded and no `df` is given.
        InputError, ConfigError, TooShortError
            The data or arguments are wrong. Series that are too short while others are not get a warning and no
            forecast.
        """
        given = self._given(df, id_col, time_col, target_col)
        forecast = self.forecast(given.panel, h=h, level=level, quantiles=quantiles)
        _warn(forecast.skipped)
        return given.frame(forecast)  # type: ignore[no-any-return]  # of the library the user's data are of

    def simulate(
        self,
        df: Any = None,
        *,
        n_paths: int = 100,
        h: int | None = None,
        seed: int = 0,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
    ) -> pd.DataFrame:
        """Return sample paths as a data frame: ids, times, ``path`` (0 to n_paths - 1), and ``LSTM``.

        Each step is distributed as the intervals of `predict` say, and hangs together with the steps before as the
        errors on held-out values did: for what depends on several steps, such as a sum over them, forecast it from
        each path, and take the quantiles. Paths of different series know nothing of each other.

        Parameters
        ----------
        df : optional
            Series to forecast, as for `predict`; by default those it was trained on.
        n_paths : int
            Paths of each series, up to 10,000.
        h : int, optional
            Steps ahead, by default those trained for.
        seed : int
            The same seed gives the same paths.
        id_col, time_col, target_col : str, optional
            Column names, by default those given to `fit`.

        Raises
        ------
        NotFittedError, InputError, ConfigError, TooShortError
            As `predict`.
        """
        given = self._given(df, id_col, time_col, target_col)
        paths = self.paths(given.panel, n_paths=n_paths, h=h, seed=seed)
        _warn(paths.skipped)
        return given.frame(paths)  # type: ignore[no-any-return]  # of the library the user's data are of

    def forecast(
        self,
        panel: Panel | None = None,
        *,
        h: int | None = None,
        level: float | Sequence[float] | None = None,
        quantiles: Sequence[float] | None = None,
    ) -> Forecast:
        """Return forecasts of the series of `panel`; as `predict`, without data frames.

        Series that cannot be forecast are in ``Forecast.skipped``; only when none can, TooShortError is raised.
        """
        fitted, (levels, shown) = self._ready(), intervals_asked(level, quantiles)
        panel, steps = self._asked(panel, h)
        made = forecast_panel(fitted.engine, fitted.calibration, panel, steps, levels, self.threads)
        return replace(made, quantiles=shown)

    def paths(
        self, panel: Panel | None = None, *, n_paths: int = 100, h: int | None = None, seed: int = 0
    ) -> SamplePaths:
        """Return sample paths of the series of `panel`; as `simulate`, without data frames.

        Series that cannot be forecast are in ``SamplePaths.skipped``; only when none can, TooShortError is raised.
        """
        fitted, count, seed = self._ready(), check_horizon(n_paths, name="n_paths"), check_seed(seed)
        panel, steps = self._asked(panel, h)
        return simulate_panel(fitted.engine, fitted.calibration, panel, steps, count, seed=seed, threads=self.threads)

    def explain(
        self,
        df: Any = None,
        *,
        network: int | None = None,
        layer: int | None = None,
        id_col: str | None = None,
        time_col: str | None = None,
        target_col: str | None = None,
    ) -> Explanation:
        """Return what the gates did: gates and states of every time step that the networks saw of each series.

        They are those of the pass that the forecast is made of, of its first where the horizon is longer than the
        networks'. Series that cannot be forecast are in ``Explanation.skipped``.

        Parameters
        ----------
        df : optional
            Series, as for `predict`; by default those it was trained on.
        network, layer : int, optional
            One of the model's networks, one of its layers, from 0 upwards; by default all.
        id_col, time_col, target_col : str, optional
            Column names, by default those given to `fit`.

        Raises
        ------
        NotFittedError, InputError, TooShortError
            As `predict`.
        ConfigError
            There is no such network or layer; there are more series than one explanation can hold.
        """
        fitted = self._ready()
        given = self._given(df, id_col, time_col, target_col)
        panel, _ = self._asked(given.panel, None)
        season = int(fitted.info["season"])
        return explain_panel(
            fitted.engine, panel, season=season, network=network, layer=layer, names=given.names, threads=self.threads
        )

    def backtest(
        self,
        df: Any,
        *,
        n_windows: int = 3,
        step_size: int | None = None,
        refit: bool | int = False,
        level: float | Sequence[float] = (80, 95),
        peers: str | Sequence[str] = (),
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        init: Literal["base", "random"] | None = None,
        pretrained: bool = False,
        progress: Callable[[Progress], None] | None = None,
        executor: str | Executor | None = None,
    ) -> Backtest:
        """Return forecasts from earlier cutoffs beside what came, the baselines, and the `peers` asked for.

        The arguments are those of `fit` and of `forecaster.backtest.rolling_backtest`; `pretrained` adds ``Base``, the
        base weights of the package as they are (`Forecaster.pretrained`). `progress` is told of trainings one after the
        other, not of those an `executor` runs at once.
        """
        names = ColumnNames(id_col=id_col, time_col=time_col, target_col=target_col)
        panel, kind = as_panel(df, freq=self.frequency, names=names), frame_kind(df, names)
        alias = panel.frequency.alias
        with executor_of(executor, workers=self.threads) as running:
            threads = running.threads_each or self.threads
            base = Forecaster.pretrained(alias, season=self.season, threads=threads) if pretrained else None
            if count_trainings(refit, n_windows) == 1:  # it has the machine, and its networks the executor
                fit = partial(_trained, self, init=init, progress=progress, executor=running, threads=threads)
            else:
                told = None if running.threads_each else progress
                fit = partial(_trained, self._untrained(threads), init=init, progress=told)
            result = rolling_backtest(
                panel,
                fit,
                base=base,
                h=self.h,
                season=self.season or panel.frequency.season,
                n_windows=n_windows,
                step_size=step_size,
                refit=refit,
                level=check_levels(level),
                peers=peers,
                names=names,
                executor=running,
            )
        return replace(result, kind=kind)

    def cross_validation(
        self,
        df: Any,
        *,
        n_windows: int = 3,
        step_size: int | None = None,
        refit: bool | int = False,
        level: float | Sequence[float] = (80, 95),
        peers: str | Sequence[str] = (),
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
        init: Literal["base", "random"] | None = None,
        pretrained: bool = False,
        progress: Callable[[Progress], None] | None = None,
        executor: str | Executor | None = None,
    ) -> pd.DataFrame:
        """Return `backtest` as a data frame: ids, times, ``cutoff``, ``y``, and the columns of each model."""
        return self.backtest(
            df, n_windows=n_windows, step_size=step_size, refit=refit, level=level, peers=peers,
            id_col=id_col, time_col=time_col, target_col=target_col, init=init, pretrained=pretrained,
            progress=progress, executor=executor,
        ).frame()  # fmt: skip

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to the folder `path`, whole or not at all.

        Raises
        ------
        NotFittedError, OutputError
            There is nothing to save yet; it cannot be written.
        """
        fitted = self._ready()
        save_model(path, fitted.info, named_weights(fitted.engine.networks))

    def fingerprint(self) -> str:
        """Return what tells this model from all others: a digest of its weights and of all it says of itself."""
        fitted = self._ready()
        return fingerprint_of(fitted.info, fitted.engine.networks)

    def prepare(self, *, wait: bool = True) -> Self:
        """Have the compiled kernels ready before this returns, unless they are not to be used; return self.

        Without `wait` this returns at once, and they are made ready on a thread.
        """
        engine = self._ready().engine
        if wait:
            engine.load()
        else:
            engine.load_meanwhile()
        return self

    def check_frequency(self, frequency: Frequency) -> None:
        """Raise InputError for dated steps other than those trained on; steps without dates go with every model."""
        trained = self._ready().frequency
        if frequency.is_integer or frequency.alias == trained.alias:
            return
        raise InputError(
            f"The series are {frequency.description}, the model was trained on {trained.description}. "
            "Choose a model of their frequency, or give the frequency with freq= (--freq) if it was guessed wrong."
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, threads: int | None = None) -> Self:
        """Return the model saved in the folder `path`, its files checked; no code in them is run.

        Raises
        ------
        ModelFormatError
            The folder is missing, incomplete, changed, or of a newer format.
        """
        info, weights = load_model(path, kind="forecaster")
        with described_by(path):
            engine, frequency, scale = described(info, weights)
            model = cls(
                h=info["horizon"],
                freq=frequency.alias,
                season=info["season"],
                network=() if _is_adapted(info) else [network.config for network in engine.networks],
                threads=threads,
            )
        model._fitted = _Fitted(engine, frequency, scale, info)
        return model

    @classmethod
    def pretrained(cls, freq: str | int = 1, *, season: int | None = None, threads: int | None = None) -> Self:
        """Return a forecaster with the base weights of the package, which forecasts any series of `freq` at once.

        Parameters
        ----------
        freq : str or int
            A pandas alias, with the anchor that the timestamps have (``"W-MON"``): the weights are those of the kind
            of series whose steps are nearest in length. A whole number for integer time steps: those of the kind
            whose season is nearest.
        season : int, optional
            Steps of a season. By default that of the frequency; what returns in another rhythm than the weights were
            trained on is taken out before them and put back after.
        threads : int, optional
            Threads; by default one for each processor this process may use.

        Raises
        ------
        ConfigError
            The frequency is unknown, or the season no whole number of steps.
        ModelFormatError
            The package is damaged.

        Examples
        --------
        >>> from forecaster import Forecaster
        >>> Forecaster.pretrained(season=4).predict([5, 9, 7, 3, 6, 9, 7, 4, 6, 10, 8, 4], h=4).shape
        (4, 7)
        """
        frequency = Frequency.parse(freq)
        season = frequency.season if season is None else check_horizon(season, name="season")
        base = base_for(frequency, season)
        model = cls(h=base.engine.horizon, freq=frequency.alias, season=season, threads=threads)
        model._fitted = _Fitted(base.engine, frequency, base.calibration, base.info)
        return model

    def _ready(self) -> _Fitted:
        if self._fitted is None:
            raise NotFittedError("the model is not trained yet; call fit() first, or load a saved one.")
        return self._fitted

    def _start(self, frequency: Frequency, season: int, *, from_base: bool) -> _Start:
        """Return what training starts from."""
        recipe = recipe_for(frequency, season)
        if from_base:
            base = base_for(frequency, season)
            steps = min(self.h, base.engine.horizon)  # more are forecast from forecasts
            networks = [with_horizon(one, steps) for one in base.engine.networks]
            return _Start(networks, training_config(self.training, recipe.tuning), base.calibration.ahead(steps))
        cell, loss = self.cell or "lstm", self.loss or "pinball"
        configs = self.networks or [replace(one, cell=cell, loss=loss) for one in shapes(recipe, season)]
        networks = [ForecastNetwork(config, self.h) for config in configs]
        return _Start(networks, training_config(self.training, recipe.training), None)

    def _untrained(self, threads: int | None) -> Forecaster:
        return Forecaster(
            h=self.h,
            freq=None if self.frequency is None else self.frequency.alias,
            season=self.season,
            network=self.networks,
            cell=self.cell,
            loss=self.loss,
            training=self.training,
            seed=self.seed,
            threads=threads,
        )

    def _given(self, df: Any, id_col: str | None, time_col: str | None, target_col: str | None) -> _Given:
        """Return the series of `df`, if any, what their columns are called and what frames are like."""
        names = ColumnNames(
            id_col=self._names.id_col if id_col is None else id_col,
            time_col=self._names.time_col if time_col is None else time_col,
            target_col=self._names.target_col if target_col is None else target_col,
        )
        if df is None:
            return _Given(None, names, self._kind)
        return _Given(as_panel(df, freq=self._frequency_for(df), names=names), names, frame_kind(df, names))

    def _asked(self, panel: Panel | None, h: int | None) -> tuple[Panel, int]:
        """Return the series to forecast and how many steps, by default those trained on and for."""
        steps = check_horizon(self.h if h is None else h)
        if panel is None:  # not "or": a panel without series is false, and is not those trained on
            panel = self._panel
        if panel is None:
            raise NotFittedError(
                "the model was loaded, not trained here, and holds no series; give the data to forecast."
            )
        self.check_frequency(panel.frequency)
        return panel, steps

    def _frequency_for(self, df: Any) -> Frequency | None:
        """Return the model's frequency, unless it is one of dates and `df` has none."""
        frequency = self._ready().frequency
        return frequency if frequency.is_integer or has_times(df) else None


def _trained(
    untrained: Forecaster,
    known: Panel,
    *,
    init: Literal["base", "random"] | None,
    progress: Callable[[Progress], None] | None,
    executor: Executor | None = None,
    threads: int | None = None,
) -> Forecaster:
    """Return a forecaster trained on what is known, which is not kept with it: whoever backtests has it.

    It then forecasts with so many `threads`, by default those it was trained with.
    """
    model = untrained._untrained(untrained.threads).fit(known, init=init, progress=progress, executor=executor)
    model._panel, model.threads = None, threads or model.threads
    return model


def _is_adapted(info: Mapping[str, Any]) -> bool:
    """Whether a model's weights came from those in the package, as those of its next training are to."""
    return "base" in info or info["training"].get("init") == "base"


def _warn(skipped: Mapping[str, str]) -> None:
    if skipped:
        name, reason = next(iter(skipped.items()))
        others = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
        warnings.warn(f"left out: series {name!r} {reason}{others}.", UserWarning, stacklevel=3)
