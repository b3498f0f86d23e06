"""A study of Optuna that is kept in a file and goes on, after a crash too, to the numbers it would have come to anyway.

Trials are asked for in rounds, and what they learn from each other they learn between rounds: so neither the order in
which they end nor who runs them has a say. Each has a place, from which its random numbers come; one that a crash
interrupted is taken up again in its place, with the folds it had. The file is a database of SQLite.
"""

from __future__ import annotations

import fcntl
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np

from forecaster.errors import ConfigError, InputError, MissingExtraError, OutputError

Setting = float | str
Choices = tuple[int, int] | tuple[float, float] | list[Setting]
"""A range of whole numbers or of others, ends included, or a list of what to choose from."""

NAME = "forecaster"
"""Of the study in its file."""

_BEFORE_PRUNING = 5
"""Finished trials without which none is given up."""


def need_optuna() -> Any:
    """Return the package of Optuna.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import optuna
    except ImportError as error:
        raise MissingExtraError(
            'Tuning needs Optuna, which is not installed: pip install "forecaster[tune]".'
        ) from error
    return optuna


@dataclass(slots=True, eq=False)
class Trial:
    """One choice of settings, and how it did.

    Attributes
    ----------
    place : int
        Which of the study's trials it is, from 0.
    settings : dict
        What was chosen.
    scores : list of float
        Of the folds so far, lower is better.
    state : str
        ``"running"``, ``"complete"``, or ``"pruned"``: given up after some of the folds.
    """

    place: int
    settings: dict[str, Setting]
    scores: list[float] = field(default_factory=list)
    state: str = "running"
    _handle: Any = None

    @property
    def value(self) -> float:
        """Mean of the scores."""
        return float(np.mean(self.scores)) if self.scores else math.nan


class Study:
    """The trials of a search, some done, some to come.

    Parameters
    ----------
    study : optuna.Study
        As it is in its file.
    space : mapping of str to Choices
        What can be chosen.
    first : mapping of str
        Settings of the first trial.
    trials, at_once : int
        How many there are to be, and how many in a round.
    seed : int
        Of all random numbers.
    """

    def __init__(
        self,
        study: Any,
        *,
        space: Mapping[str, Choices],
        first: Mapping[str, Setting],
        trials: int,
        at_once: int,
        seed: int,
    ) -> None:
        self._optuna, self._study = need_optuna(), study
        self._space = {name: _distribution(self._optuna, choices) for name, choices in space.items()}
        self._first, self._count, self._at_once, self._seed = dict(first), trials, at_once, seed
        self._interrupted = self._take_back()

    @property
    def default(self) -> list[float]:
        """Scores of what the search is held against, none so far."""
        return list(self._study.user_attrs.get("default", []))

    @default.setter
    def default(self, scores: Sequence[float]) -> None:
        self._study.set_user_attr("default", list(scores))

    def trials(self) -> list[Trial]:
        """Return the trials that are done, in the order of their places."""
        states = {self._state("COMPLETE"): "complete", self._state("PRUNED"): "pruned"}
        done = [one for one in self._study.get_trials(deepcopy=False) if one.state in states]
        made = [
            Trial(one.user_attrs["place"], dict(one.params), list(one.user_attrs["scores"]), states[one.state])
            for one in done
        ]
        return sorted(made, key=lambda one: one.place)

    def next_round(self) -> list[Trial]:
        """Return the trials that are to run now, none if all are done."""
        done = {one.place for one in self.trials()}
        for begin in range(0, self._count, self._at_once):
            places = range(begin, min(begin + self._at_once, self._count))
            if not done.issuperset(places):
                return [self._begin(place) for place in places if place not in done]
        return []

    def report(self, trial: Trial, score: float) -> None:
        """Note the score of a trial's next fold."""
        trial.scores.append(score)
        trial._handle.report(trial.value, len(trial.scores) - 1)
        trial._handle.set_user_attr("scores", trial.scores)

    def is_hopeless(self, trial: Trial, folds: int) -> bool:
        """Tell whether a trial is worse after so many folds than half of those of earlier rounds were then."""
        begin = trial.place // self._at_once * self._at_once
        others = [one.scores for one in self.trials() if one.state == "complete" and one.place < begin]
        if len(others) < _BEFORE_PRUNING:
            return False
        return not np.mean(trial.scores[:folds]) <= np.median([np.mean(scores[:folds]) for scores in others])

    def end(self, trial: Trial, state: str) -> None:
        """Note that a trial is ``"complete"`` or ``"pruned"``."""
        trial.state = state
        if state == "complete":
            self._study.tell(trial._handle, trial.value)
        else:
            self._study.tell(trial._handle, state=self._state("PRUNED"))

    def _state(self, name: str) -> Any:
        return getattr(self._optuna.trial.TrialState, name)

    def _take_back(self) -> dict[int, Trial]:
        """End what an interrupted run left open, and return what is to be begun again."""
        interrupted = {}
        for one in self._study.get_trials(states=(self._state("RUNNING"),)):
            if "place" in one.user_attrs:
                place = one.user_attrs["place"]
                interrupted[place] = Trial(place, dict(one.params), list(one.user_attrs.get("scores", [])))
            self._study.tell(one.number, state=self._state("FAIL"))
        while self._study.get_trials(states=(self._state("WAITING"),)):
            self._study.tell(self._study.ask(), state=self._state("FAIL"))
        return interrupted

    def _begin(self, place: int) -> Trial:
        """Begin the trial of a place: anew, or as it was interrupted."""
        earlier = self._interrupted.pop(place, None)
        known = earlier.settings if earlier is not None else self._first if place == 0 else None
        if known:
            self._study.enqueue_trial(known)
        seed = int(np.random.SeedSequence([self._seed, place]).generate_state(1)[0])
        self._study.sampler = self._optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        handle = self._study.ask(self._space)
        handle.set_user_attr("place", place)
        trial = Trial(place, dict(handle.params), _handle=handle)
        for score in [] if earlier is None else earlier.scores:
            self.report(trial, score)
        return trial


def _distribution(optuna: Any, choices: Choices) -> Any:
    """Return what Optuna draws from: ranges are even on a logarithm."""
    kinds = optuna.distributions
    if isinstance(choices, list):
        return kinds.CategoricalDistribution(choices)
    low, high = choices
    if isinstance(low, int) and isinstance(high, int):
        return kinds.IntDistribution(low, high, log=True)
    return kinds.FloatDistribution(low, high, log=True)


@contextmanager
def open_study(path: Path | None, identity: Mapping[str, Any], **options: Any) -> Iterator[Study]:
    """Open the study in a file, or begin it there; without a file it lasts as long as it is open.

    Parameters
    ----------
    path : Path or None
        The file.
    identity : mapping of str
        What the scores depend on. A study goes on only with the same.
    options
        As `Study` takes them.

    Raises
    ------
    ConfigError
        The study is one of other data or settings, or another process is at work on it.
    InputError, OutputError
        The file is no study; it cannot be written.
    MissingExtraError
        Optuna is not installed.
    """
    optuna = need_optuna()
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        if path is None:
            yield Study(optuna.create_study(), **options)
            return
        with _locked(path), _told(path):
            storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
            try:
                study = optuna.create_study(storage=storage, study_name=NAME, load_if_exists=True)
                _check_same(study, identity, path)
                yield Study(study, **options)
            finally:
                storage.remove_session()
                storage.engine.dispose()
    finally:
        optuna.logging.set_verbosity(verbosity)


def _check_same(study: Any, identity: Mapping[str, Any], path: Path) -> None:
    """Raise ConfigError if the study was begun with something else; a new one remembers what it is begun with."""
    before = study.user_attrs.get("identity")
    if before is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("identity", dict(identity))
        return
    differing = [name for name, value in identity.items() if (before or {}).get(name) != value]
    if differing:
        raise ConfigError(
            f"The study in {path} was begun with another {differing[0]}: its trials cannot be compared with new ones. "
            "Go on with what it was begun with, or name another file for the study.",
            column="study",
        )


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a study, so that one process at a time is at work on it."""
    beside = path.with_name(f".{path.name}.lock")
    with _opened(beside) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"Another process is at work on the study in {path}. Wait for it, or name another file.", column="study"
            ) from None
        yield


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("ab")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror or error}. Name another file.") from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what ails the file in words of this library."""
    from sqlalchemy.exc import DatabaseError, OperationalError

    optuna = need_optuna()
    try:
        yield
    except OperationalError as error:  # such as a full disk
        raise OutputError(f"The study in {path} cannot be written: {error.orig}.") from error
    except DatabaseError as error:
        raise InputError(f"{path} is not a study: {error.orig}. Name another file.") from error
    except optuna.exceptions.StorageInternalError as error:
        raise OutputError(f"The study in {path} cannot be read or written: {error.__cause__ or error}.") from error
