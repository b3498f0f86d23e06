"""Hyperparameter search: which network forecasts these series best, by a rolling backtest (extra ``tune``)."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from forecaster import __version__
from forecaster.backtest import long_enough, rolling_backtest
from forecaster.config import NetworkConfig, check_choice, check_horizon
from forecaster.errors import ConfigError
from forecaster.executors import Executor, executor_of
from forecaster.frequency import Frequency
from forecaster.model import Forecaster
from forecaster.otherframes import FrameKind, as_kind
from forecaster.panel import Panel
from forecaster.recipes import recipe_for, shapes
from forecaster.space import nearest, space_of
from forecaster.study import Choices, Setting, Study, Trial, need_optuna, open_study
from forecaster.tables import ColumnNames, as_panel, frame_kind

if TYPE_CHECKING:
    import pandas as pd

METRICS = ("MASE", "MAE", "RMSE", "sMAPE", "WAPE", "pinball")
"""Measures of a backtest that can be made small."""


class Asked(NamedTuple):
    """What all trials have in common."""

    h: int
    freq: str
    season: int
    metric: str
    seed: int
    steps: int | None
    threads: int | None


class Progress(NamedTuple):
    """Where a search is.

    Attributes
    ----------
    done, trials : int
        Trials that have ended, and how many there are to be.
    fold, folds : int
        Which fold the trials of this round are at.
    best : float or None
        Lowest value so far.
    """

    done: int
    trials: int
    fold: int
    folds: int
    best: float | None


@dataclass(frozen=True, slots=True, eq=False)
class Tuned:
    """What a search found.

    Attributes
    ----------
    model : Forecaster
        The best, trained on all of the data; its ``info["search"]`` has the trials.
    metric : str
        What was made small.
    trials : list of Trial
        In the order of their places.
    default : float
        Value of what `Forecaster` does of itself, without a search.
    best : Trial or None
        The best trial; None where none did better than the default, which then is the model.
    skipped : dict of str to str
        Series that took no part, and why.
    """

    model: Forecaster
    metric: str
    trials: list[Trial]
    default: float
    best: Trial | None
    skipped: dict[str, str]
    kind: FrameKind | None = None

    @property
    def table(self) -> list[dict[str, Any]]:
        """One row a trial, the best first, those given up last: its place, value, settings and folds."""
        order = sorted(self.trials, key=lambda one: (one.state != "complete", one.value, one.place))
        return [
            {"trial": one.place, self.metric: one.value, **one.settings, "folds": len(one.scores), "state": one.state}
            for one in order
        ]

    def frame(self) -> pd.DataFrame:
        """Return `table` as a data frame."""
        import pandas as pd

        return as_kind(pd.DataFrame(self.table), self.kind)  # type: ignore[no-any-return]  # as the user's data


def tune(
    df: Any,
    *,
    h: int,
    trials: int = 50,
    metric: str = "MASE",
    n_windows: int = 3,
    step_size: int | None = None,
    freq: str | int | None = None,
    season: int | None = None,
    steps: int | None = None,
    space: Mapping[str, Choices] | None = None,
    seed: int = 0,
    study: str | os.PathLike[str] | None = None,
    at_once: int = 4,
    executor: str | Executor | None = None,
    threads: int | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    progress: Callable[[Progress], None] | None = None,
) -> Tuned:
    """Look for the settings that forecast `df` best, and train a model with them.

    Each trial trains one network from random weights at every cutoff of a rolling backtest, the oldest first, and is
    given up after a fold if it is then worse than half of the trials before it. What comes of it is compared with what
    `Forecaster` does without a search, which is what is trained where no trial did better.

    Parameters
    ----------
    df
        Series, as for `Forecaster.fit`.
    h : int
        Steps ahead.
    trials : int
        How many settings to try, those of an earlier run of this study counted.
    metric : str
        What is to be small: one of ``MASE, MAE, RMSE, sMAPE, WAPE, pinball`` (`Backtest.table`).
    n_windows, step_size : int
        Cutoffs, and the steps between them, as for `Forecaster.backtest`.
    freq, season : optional
        As for `Forecaster`.
    steps : int, optional
        Training steps of each network at the most; by default those of the frequency's recipe.
    space : mapping of str, optional
        What to choose from, for some of ``lags, positions, layers, hidden, learning_rate, loss``: a range ``(low,
        high)``, a list of choices.
    seed : int
        The same seed, data and arguments give the same trials and the same model, whatever runs them, also when the
        study was interrupted and went on.
    study : path, optional
        File that the study is kept in and goes on from: a database of SQLite.
    at_once : int
        Trials of a round: they run beside each other, and learn from those of earlier rounds.
    executor : str or Executor, optional
        What runs them: ``"serial"``, which is the default, ``"threads"`` or ``"ray"`` (`executor_of`).
    threads : int, optional
        As for `Forecaster`.
    id_col, time_col, target_col : str
        Names of columns.
    progress : callable, optional
        Gets a `Progress` after each fold.

    Raises
    ------
    InputError, TooShortError, ConfigError
        The data or arguments are wrong, or `study` is one of other data or arguments.
    MissingExtraError
        Optuna is not installed.
    """
    need_optuna()
    names = ColumnNames(id_col=id_col, time_col=time_col, target_col=target_col)
    trials, at_once = check_horizon(trials, name="trials"), check_horizon(at_once, name="at_once")
    check_choice("metric", metric, METRICS)
    asker = Forecaster(h=h, freq=freq, season=season, training=_training(steps, {}), seed=seed, threads=threads)
    panel = as_panel(df, freq=asker.frequency, names=names)
    cutoffs = _cutoffs(asker.h, n_windows, step_size)
    usable, skipped = long_enough(panel, cutoffs[0])
    choices = space_of(space, int(usable.lengths.max()) - cutoffs[0])
    with executor_of(executor, workers=threads) as running:
        asked = Asked(
            h=asker.h,
            freq=panel.frequency.alias,
            season=asker.season or panel.frequency.season,
            metric=metric,
            seed=asker.seed,
            steps=steps,
            threads=running.threads_each or threads,
        )
        with open_study(
            None if study is None else Path(study),
            _identity(usable, asked, choices, cutoffs, at_once),
            space=choices,
            first=_first(asked, choices),
            trials=trials,
            at_once=at_once,
            seed=asked.seed,
        ) as opened:
            _Search(opened, usable, asked, cutoffs, running, trials, progress).run()
            made, default = opened.trials()[:trials], float(np.mean(opened.default))
        best = _best(made, default)
        model = _candidate(None if best is None else best.settings, asked._replace(threads=threads))
        model.fit(df, id_col=id_col, time_col=time_col, target_col=target_col, executor=running)
    model.info["search"] = _described(made, default, best, asked, cutoffs)
    return Tuned(model, metric, made, default, best, skipped, frame_kind(df, names))


class _Search:
    """Runs the rounds of a study."""

    def __init__(
        self,
        study: Study,
        panel: Panel,
        asked: Asked,
        cutoffs: list[int],
        executor: Executor,
        trials: int,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.study, self.panel, self.asked, self.cutoffs = study, panel, asked, cutoffs
        self.executor, self.trials, self.progress = executor, trials, progress

    def run(self) -> None:
        """Score what the search is held against, and then the trials of each round."""
        if not self.study.default:
            self.study.default = self._scores([None] * len(self.cutoffs), self.cutoffs)
        if not np.isfinite(self.study.default).all():
            raise ConfigError(
                f"{self.asked.metric} cannot be told of these series: they may be constant, or missing at the end. "
                "Choose another metric, such as MAE.",
                column="metric",
            )
        while batch := self.study.next_round():
            for fold in range(len(self.cutoffs)):
                self._run_fold(batch, fold)
            for trial in batch:
                if trial.state == "running":
                    self.study.end(trial, "complete")
            self._tell(len(self.cutoffs))

    def _run_fold(self, batch: list[Trial], fold: int) -> None:
        due = [one for one in batch if one.state == "running" and len(one.scores) == fold]
        scores = self._scores([one.settings for one in due], [self.cutoffs[fold]] * len(due))
        for trial, score in zip(due, scores, strict=True):
            self.study.report(trial, score)
        if fold + 1 < len(self.cutoffs):
            for trial in batch:
                if trial.state == "running" and self.study.is_hopeless(trial, fold + 1):
                    self.study.end(trial, "pruned")
        self._tell(fold + 1)

    def _scores(self, settings: Sequence[Mapping[str, Setting] | None], cutoffs: Sequence[int]) -> list[float]:
        pieces = list(zip(settings, cutoffs, strict=True))
        return self.executor.map(_score, pieces, shared=(self.panel, self.asked))

    def _tell(self, fold: int) -> None:
        if self.progress is not None:
            done = self.study.trials()
            best = min((one.value for one in done if one.state == "complete"), default=None)
            self.progress(Progress(len(done), self.trials, fold, len(self.cutoffs), best))


def _score(piece: tuple[Mapping[str, Setting] | None, int], panel: Panel, asked: Asked) -> float:
    """Return how a choice of settings does from one cutoff, so many steps before the end; infinity where nothing is."""
    settings, ahead = piece
    untrained = _candidate(settings, asked)
    test = rolling_backtest(
        panel.head(ahead - asked.h), partial(_fitted, untrained), h=asked.h, season=asked.season, n_windows=1
    )
    score = float(test.table[0][asked.metric])
    return score if math.isfinite(score) else math.inf


def _fitted(untrained: Forecaster, known: Panel) -> Forecaster:
    return untrained.fit(known)


def _candidate(settings: Mapping[str, Setting] | None, asked: Asked) -> Forecaster:
    """Return the untrained forecaster that a choice of settings stands for; None stands for the default."""
    network, training = None, _training(asked.steps, {})
    if settings is not None:
        chosen: dict[str, Any] = dict(settings)
        training = _training(asked.steps, {"learning_rate": chosen.pop("learning_rate")})
        network = replace(_usual(asked), **chosen)
    return Forecaster(
        h=asked.h,
        freq=asked.freq,
        season=asked.season,
        network=network,
        training=training,
        seed=asked.seed,
        threads=asked.threads,
    )


def _training(steps: int | None, others: dict[str, Any]) -> dict[str, Any]:
    return others if steps is None else {"steps": steps, **others}


def _usual(asked: Asked) -> NetworkConfig:
    """Return the first network of the frequency's recipe, which settings are put into."""
    frequency = Frequency.parse(asked.freq)
    return shapes(recipe_for(frequency, asked.season), asked.season)[0]


def _cutoffs(h: int, n_windows: int, step_size: int | None) -> list[int]:
    """Return the steps from each cutoff to the end, the oldest cutoff first."""
    step = h if step_size is None else check_horizon(step_size, name="step_size")
    return [h + k * step for k in reversed(range(check_horizon(n_windows, name="n_windows")))]


def _first(asked: Asked, choices: Mapping[str, Choices]) -> dict[str, Setting]:
    """Return the settings of the recipe, as near as the choices come."""
    usual, recipe = _usual(asked), recipe_for(Frequency.parse(asked.freq), asked.season)
    wanted: dict[str, Any] = {name: getattr(usual, name, recipe.training.learning_rate) for name in choices}
    return {name: nearest(wanted[name], one) for name, one in choices.items()}


def _identity(
    panel: Panel, asked: Asked, choices: Mapping[str, Choices], cutoffs: list[int], at_once: int
) -> dict[str, Any]:
    """Return what the scores of a study depend on, under names that a user understands."""
    digest = hashlib.sha256("\0".join([*panel.ids, panel.frequency.alias, str(panel.timezone)]).encode())
    for array in (panel.values, panel.offsets, panel.starts):
        digest.update(np.ascontiguousarray(array).tobytes())
    return {
        "version of forecaster": __version__,
        "data": digest.hexdigest(),
        **{name: getattr(asked, name) for name in ("h", "season", "metric", "seed", "steps")},
        "choice of cutoffs": cutoffs,
        "space": {name: [type(one).__name__, *one] for name, one in choices.items()},
        "number of trials at once": at_once,
    }


def _best(made: list[Trial], default: float) -> Trial | None:
    """Return the best trial, if it is better than the default."""
    best = min((one for one in made if one.state == "complete"), key=lambda one: (one.value, one.place), default=None)
    return best if best is not None and best.value < default else None


def _described(
    made: list[Trial], default: float, best: Trial | None, asked: Asked, cutoffs: list[int]
) -> dict[str, Any]:
    """Return the search as ``model.json`` has it."""
    return {
        "metric": asked.metric,
        "cutoffs": cutoffs,
        "seed": asked.seed,
        "default": default,
        "chosen": None if best is None else best.place,
        "trials": [
            {
                "trial": one.place,
                "state": one.state,
                "scores": [score if math.isfinite(score) else None for score in one.scores],
                **one.settings,
            }
            for one in made
        ],
    }
