"""What can be set about a network and its training; each setting checks itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from numbers import Real
from pathlib import Path
from typing import Any, Literal, cast, get_args

from forecaster.errors import ConfigError
from forecaster.shape import CELLS, Cell, Shape

MAX_HORIZON = 10_000
"""Steps ahead that can be asked for."""

ENGINES = ("auto", "compiled", "plain")
"""Compiled kernels once they are ready, and NumPy until then; compiled kernels always; NumPy always."""

Loss = Literal["pinball", "absolute", "squared"]
SequenceLoss = Literal["binary", "categorical", "absolute", "squared"]
LossName = Literal["pinball", "absolute", "squared", "mae", "mse", "rmse"]
LOSSES: tuple[LossName, ...] = get_args(LossName)
"""What a forecast can be asked to be trained by: the losses, and other names of theirs."""

_CALLED = {"mae": "absolute", "mse": "squared", "rmse": "squared"}
"""Losses by other names; the least squared error has the least root as well."""

MOST_ONE_HOT = 1024
"""Symbols that may come in as one-hot vectors: of more, nearly all that is multiplied is zero."""


@dataclass(frozen=True, slots=True)
class NetworkConfig:
    """The shape of a network.

    Attributes
    ----------
    lags
        Newest values seen at each time step, relative to the last of them.
    positions
        Time steps the state runs over before the forecast; in training each of them makes a forecast.
    layers
        Recurrent layers; from the second on each adds to what it gets (residual connections).
    hidden
        Units of a recurrent layer.
    dense
        Units of the tanh layer between the last recurrent layer and the head.
    quantiles
        Quantiles the head gives for each step ahead; 0.5 must be among them. With another loss than "pinball" only
        the point forecast is trained, and intervals come from its errors on held-out values.
    loss
        What is minimised: the "pinball" loss of the quantiles, the "absolute" error ("mae"), or the "squared" error
        ("mse"; "rmse" too, since where it is least, so is its root).
    deseasonalise
        Whether the network sees series without their season, which is then put back.
    cell
        What the recurrent layers are made of: "lstm", "gru" (gated recurrent units), or "rnn" (plain tanh units).
    """

    lags: int = 14
    positions: int = 28
    layers: int = 2
    hidden: int = 48
    dense: int = 32
    quantiles: tuple[float, ...] = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
    loss: LossName = "pinball"
    deseasonalise: bool = False
    cell: Cell = "lstm"

    def __post_init__(self) -> None:
        """Check every setting."""
        for name, most in (("lags", 4096), ("positions", 4096), ("layers", 16), ("hidden", 2048), ("dense", 2048)):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, most))
        object.__setattr__(self, "loss", check_loss(self.loss))
        check_cell(self.cell)
        if not isinstance(self.deseasonalise, bool):
            raise ConfigError(
                f"deseasonalise must be true or false, got {self.deseasonalise!r}.", column="deseasonalise"
            )
        object.__setattr__(self, "quantiles", _as_floats("quantiles", self.quantiles))
        if self.loss != "pinball":
            object.__setattr__(self, "quantiles", (0.5,))
        if any(not 0 < q < 1 for q in self.quantiles) or list(self.quantiles) != sorted(set(self.quantiles)):
            raise ConfigError(f"quantiles must ascend between 0 and 1, got {self.quantiles}.", column="quantiles")
        if 0.5 not in self.quantiles:
            raise ConfigError(f"quantiles must hold 0.5, the point forecast, got {self.quantiles}.", column="quantiles")

    def shape(self, horizon: int) -> Shape:
        """Return the sizes of a network that forecasts `horizon` steps ahead."""
        return Shape(
            numbers=self.lags + 1,  # the lags, and whether the newest of them was observed
            cell=self.cell,
            layers=self.layers,
            hidden=self.hidden,
            dense=self.dense,
            outputs=horizon * len(self.quantiles),
            skip=True,
        )


@dataclass(frozen=True, slots=True)
class SequenceConfig:
    """The shape of a network that sees sequences, of symbols or of numbers, and what it learns by.

    Attributes
    ----------
    cell
        What the recurrent layers are made of: "lstm", "gru" (gated recurrent units), or "rnn" (plain tanh units).
    layers
        Recurrent layers; from the second on each adds to what it gets (residual connections).
    hidden
        Units of a recurrent layer.
    dense
        Units of a tanh layer between the last recurrent layer and the head; 0 for none.
    embedding
        Numbers that stand for a symbol and are learned; 0 for one-hot vectors. Of no meaning where numbers come in.
    loss
        What is minimised: "categorical" cross-entropy of one class or symbol among several, "binary" cross-entropy of
        yes and no, and where the answer is a number the "absolute" ("mae") or the "squared" error ("mse", "rmse").
    dropout
        Share of the units, and of the numbers that stand for symbols, that is left out of each sequence while training.
        Numbers that come in as such all stay: there may be but one at a step.
    tied
        Whether symbols go out by the numbers they come in by: as many as the last layer has units. Of no meaning where
        no symbol follows.

    Raises
    ------
    ConfigError
        A setting is out of range; ``tied`` without an embedding as wide as the last layer.

    Notes
    -----
    docs/lstm.md derives the cells, (1) to (21) and (44) to (59), and what is beside and above them, (60) to (66).

    Examples
    --------
    >>> from forecaster import SequenceConfig
    >>> SequenceConfig(cell="gru", hidden=128, embedding=128, tied=True).loss
    'categorical'
    """

    cell: Cell = "lstm"
    layers: int = 1
    hidden: int = 64
    dense: int = 0
    embedding: int = 32
    loss: SequenceLoss | LossName = "categorical"
    dropout: float = 0.0
    tied: bool = False

    def __post_init__(self) -> None:
        """Check every setting."""
        check_cell(self.cell)
        whole = {"layers": (1, 16), "hidden": (1, 2048), "dense": (0, 2048), "embedding": (0, 2048)}
        for name, (least, most) in whole.items():
            object.__setattr__(self, name, check_whole(name, getattr(self, name), least, most))
        object.__setattr__(self, "loss", _named_loss(self.loss, get_args(SequenceLoss)))
        dropout = _as_float(self.dropout)
        if not 0 <= dropout < 1:
            raise ConfigError(f"dropout must be a share from 0 to below 1, got {self.dropout!r}.", column="dropout")
        object.__setattr__(self, "dropout", dropout)
        if not isinstance(self.tied, bool):
            raise ConfigError(f"tied must be true or false, got {self.tied!r}.", column="tied")
        top = self.dense or self.hidden
        if self.tied and self.embedding != top:
            raise ConfigError(
                f"tied needs an embedding as wide as the last layer, {top}, got {self.embedding}.", column="tied"
            )

    def shape(self, *, outputs: int, symbols: int = 0, numbers: int = 0, softmax: bool = False) -> Shape:
        """Return the sizes of a network that sees one of `symbols`, or so many `numbers`, at each step.

        Parameters
        ----------
        outputs : int
            Numbers, or logits, that it gives.
        symbols, numbers : int
            What comes in at each step; one of the two is 0.
        softmax : bool
            Whether the outputs are the logits of the symbol that follows, at each step.

        Raises
        ------
        ConfigError
            There are too many symbols for one-hot vectors.
        """
        if symbols > MOST_ONE_HOT and not self.embedding:
            raise ConfigError(
                f"{symbols} symbols are too many for one-hot vectors, which are for up to {MOST_ONE_HOT}: "
                "choose an embedding, such as 64.",
                column="embedding",
            )
        return Shape(
            numbers=numbers,
            symbols=symbols,
            embedding=self.embedding if symbols else 0,
            cell=self.cell,
            layers=self.layers,
            hidden=self.hidden,
            dense=self.dense,
            outputs=outputs,
            softmax=softmax,
            tied=self.tied and softmax,
        )


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a network is trained.

    Attributes
    ----------
    steps
        Optimiser steps at the most, `refit` not counted.
    batch_size
        Windows in one step; fewer when the panel holds fewer.
    learning_rate
        Highest rate of the one-cycle schedule: a linear rise over the first tenth, then half a cosine to zero.
    clip_norm
        Longest gradient (Euclidean norm) that is not shortened.
    validate_every
        Steps between two looks at the held-out horizon.
    patience
        Looks without improvement after which training stops.
    recent
        Newest positions of each series that windows end at; more where there are few series.
    mixed
        Share of the windows that are mixed of two series.
    averaged
        Share of the steps that the running mean of the weights, which is what is kept, looks back.
    refit
        Steps that training goes on for with the held-out values too, as a share of those until the best one.
    """

    steps: int = 600
    batch_size: int = 128
    learning_rate: float = 3e-3
    clip_norm: float = 1.0
    validate_every: int = 25
    patience: int = 8
    recent: int = 1
    mixed: float = 0.7
    averaged: float = 0.2
    refit: float = 0.25

    def __post_init__(self) -> None:
        """Check every setting."""
        for name in ("steps", "batch_size", "validate_every", "patience", "recent"):
            object.__setattr__(self, name, check_whole(name, getattr(self, name), 1, 10_000_000))
        for name in ("learning_rate", "clip_norm"):
            value = _as_float(getattr(self, name))
            if not 0 < value <= 1e6:
                raise ConfigError(f"{name} must be a positive number, got {getattr(self, name)!r}.", column=name)
            object.__setattr__(self, name, value)
        for name in ("mixed", "averaged", "refit"):
            value = _as_float(getattr(self, name))
            if not 0 <= value <= 1:
                raise ConfigError(f"{name} must be a share from 0 to 1, got {getattr(self, name)!r}.", column=name)
            object.__setattr__(self, name, value)


def as_settings(config: NetworkConfig | SequenceConfig | TrainingConfig) -> dict[str, Any]:
    """Return `config` as a dictionary for JSON, without its cell, which a model says once for all its networks."""
    settings = {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(config).items()}
    settings.pop("cell", None)
    return settings


def network_config(settings: Mapping[str, Any], cell: Cell = "lstm") -> NetworkConfig:
    """Return the configuration that `as_settings` wrote of a network with this cell.

    Raises
    ------
    ConfigError
        A setting is missing, unknown or wrong.
    """
    _check_names(settings, NetworkConfig)
    quantiles = settings["quantiles"]
    if not isinstance(quantiles, list) or not all(isinstance(q, float) for q in quantiles):
        raise ConfigError("quantiles must be a list of numbers.", column="quantiles")
    return NetworkConfig(**{**settings, "quantiles": tuple(quantiles)}, cell=cell)


def sequence_settings(asked: SequenceConfig | Mapping[str, Any] | None) -> SequenceConfig | dict[str, Any]:
    """Return what was `asked` of a network that sees sequences: all settings, some by name, or none.

    Raises
    ------
    ConfigError
        It is none of these, or a setting is wrong.
    """
    if isinstance(asked, SequenceConfig):
        return asked
    if asked is not None and not isinstance(asked, Mapping):
        raise ConfigError(f"network must be a SequenceConfig, or settings by name, got {asked!r}.", column="network")
    known = [field.name for field in fields(SequenceConfig)]
    for name in asked or {}:
        if name not in known:
            raise ConfigError(f"network has no setting {name!r}, only {', '.join(known)}.", column="network")
    replace(SequenceConfig(), **(asked or {}))
    return dict(asked or {})


def changed(usual: SequenceConfig, asked: SequenceConfig | Mapping[str, Any]) -> SequenceConfig:
    """Return the `usual` settings with those that were `asked` for."""
    return asked if isinstance(asked, SequenceConfig) else replace(usual, **asked)


def sequence_config(settings: Mapping[str, Any], cell: Cell = "lstm") -> SequenceConfig:
    """Return the configuration that `as_settings` wrote of a network that sees sequences.

    Raises
    ------
    ConfigError
        A setting is missing, unknown or wrong.
    """
    _check_names(settings, SequenceConfig)
    return SequenceConfig(**settings, cell=cell)


def _check_names(settings: Mapping[str, Any], kind: type[NetworkConfig | SequenceConfig]) -> None:
    names = {field.name for field in fields(kind)} - {"cell"}
    if set(settings) != names:
        raise ConfigError(f"expected the settings {sorted(names)}, got {sorted(settings)}.")


def check_horizon(h: object, *, name: str = "h") -> int:
    """Return `h` if it is a horizon.

    Raises
    ------
    ConfigError
        It is not a whole number from 1 to MAX_HORIZON.
    """
    return check_whole(name, h, 1, MAX_HORIZON)


def check_index(name: str, index: object, count: int) -> int:
    """Return `index` if it is one of `count` things, numbered from 0 upwards.

    Raises
    ------
    ConfigError
        It is not a whole number from 0 to `count` - 1.
    """
    return check_whole(name, index, 0, count - 1)


def engine_choice() -> str:
    """Return what ``FORECASTER_ENGINE`` says of how to forecast, ``auto`` when it says nothing.

    Raises
    ------
    ConfigError
        It is not one of ``auto``, ``compiled`` and ``plain``.
    """
    choice = os.environ.get("FORECASTER_ENGINE") or ENGINES[0]
    check_choice("FORECASTER_ENGINE", choice, ENGINES)
    return choice


def state_folder() -> Path:
    """Return the folder for what is kept between runs, as the service has it.

    Raises
    ------
    ConfigError
        It is in a home that is not known.
    """
    try:
        return Path(os.environ.get("FORECASTER_STATE") or "~/.local/state/forecaster").expanduser()
    except RuntimeError:
        raise ConfigError("FORECASTER_STATE is in a home folder that is not known. Name another.") from None


def training_config(asked: TrainingConfig | Mapping[str, Any] | None, usual: TrainingConfig) -> TrainingConfig:
    """Return the `usual` settings of a training with those that were `asked` for: all, some by name, or none.

    Raises
    ------
    ConfigError
        There is no such setting, or it is out of range.
    """
    if isinstance(asked, TrainingConfig):
        return asked
    if asked is not None and not isinstance(asked, Mapping):
        raise ConfigError(f"training must be a TrainingConfig, or settings by name, got {asked!r}.", column="training")
    known = [field.name for field in fields(TrainingConfig)]
    for name in asked or {}:
        if name not in known:
            raise ConfigError(f"training has no setting {name!r}, only {', '.join(known)}.", column="training")
    return replace(usual, **(asked or {}))


BASE = "base"
"""What the base weights of the package are called where a model is asked for."""


def is_base(model: str | os.PathLike[str]) -> bool:
    """Whether the base weights are meant: by their name, unless a folder of this name holds a model."""
    return str(model) == BASE and not any((Path(model) / name).is_file() for name in ("model.json", "current"))


INITS = (BASE, "random")
"""Weights that training can start from: those in the package, or random ones."""


def check_init(init: object, *, shaped: bool, cell: Cell = "lstm", loss: Loss = "pinball") -> str:
    """Return what training starts from; `shaped` tells whether shapes of networks were asked for.

    Raises
    ------
    ConfigError
        It is none of `INITS`, or base weights for other shapes, another cell or another loss than theirs.
    """
    if init is None:
        return "random" if shaped or cell != "lstm" or loss != "pinball" else "base"
    check_choice("init", init, INITS)
    if init == "base" and shaped:
        raise ConfigError("base weights have shapes of their own: leave network out, or init='base'.", column="network")
    if init == "base" and cell != "lstm":
        raise ConfigError(
            f"base weights are those of LSTMs, and can be no start for a {cell}: leave cell out, or init='base'.",
            column="cell",
        )
    if init == "base" and loss != "pinball":
        raise ConfigError(
            f"base weights give quantiles, and can be no start for the {loss} loss: leave loss out, or init='base'.",
            column="loss",
        )
    return str(init)


def check_loss(loss: object) -> Loss:
    """Return the loss of forecasts that is meant, by its own name or another.

    Raises
    ------
    ConfigError
        There is none.
    """
    return cast("Loss", _named_loss(loss, get_args(Loss)))


def _named_loss(loss: object, choices: tuple[str, ...]) -> str:
    named = _CALLED.get(loss, loss) if isinstance(loss, str) else loss
    check_choice("loss", named, choices)
    return str(named)


def check_cell(cell: object) -> Cell:
    """Return `cell` if there is one of that name.

    Raises
    ------
    ConfigError
        There is none.
    """
    check_choice("cell", cell, CELLS)
    return cast("Cell", cell)


def check_seed(seed: object) -> int:
    """Return `seed` if it is one.

    Raises
    ------
    ConfigError
        It is not a whole number from 0 to 2^63 - 1.
    """
    return check_whole("seed", seed, 0, 2**63 - 1)


def check_levels(level: object) -> tuple[float, ...]:
    """Return interval levels in per cent, ascending and without repeats.

    They are rounded to the six digits that column names show, so that each has a column of its own.

    Raises
    ------
    ConfigError
        One is not a number above 0 and below 100.
    """
    given = [level] if isinstance(level, Real) else level
    if isinstance(given, (str, bytes)) or not hasattr(given, "__iter__"):
        raise ConfigError(f"level must be numbers such as [80, 95], got {level!r}.", column="level")
    levels = set()
    for one in given:
        shown = float(f"{_as_float(one):g}")
        if not 0 < shown < 100:
            rounded = f", which is {shown:g} in the six digits a level has" if 0 < _as_float(one) < 100 else ""
            raise ConfigError(f"a level must be above 0 and below 100 per cent, got {one!r}{rounded}.", column="level")
        levels.add(shown)
    return tuple(sorted(levels))


def check_quantiles(quantiles: object) -> tuple[float, ...]:
    """Return quantiles from 0 to 1, ascending and without repeats.

    They are rounded to six decimals, so that column names show all their digits.

    Raises
    ------
    ConfigError
        One is not a number above 0 and below 1.
    """
    if isinstance(quantiles, (str, bytes)) or not hasattr(quantiles, "__iter__"):
        raise ConfigError(f"quantiles must be numbers such as [0.1, 0.5, 0.9], got {quantiles!r}.", column="quantiles")
    rounded = {one: round(_as_float(one), 6) for one in quantiles}
    for one, shown in rounded.items():
        if not 0 < shown < 1:
            raise ConfigError(
                f"a quantile must be from 0.000001 to 0.999999 (six decimals count), got {one!r}.", column="quantiles"
            )
    return tuple(sorted(set(rounded.values())))


def level_of(quantile: float) -> float:
    """Return the level, in per cent, of the interval that has this quantile at one of its ends; 0 for the median."""
    return round(abs(100 - 200 * quantile), 4)


def intervals_asked(level: object, quantiles: object) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the levels of the intervals to forecast and the quantiles to show of them, none for the intervals.

    Parameters
    ----------
    level, quantiles
        What was asked for, None where nothing was; levels are 80 and 95 without either.

    Raises
    ------
    ConfigError
        Both are given, or one is out of range.
    """
    if quantiles is None:
        return check_levels((80, 95) if level is None else level), ()
    if level is not None:
        raise ConfigError("give level or quantiles, not both: they are two ways to name the same.", column="quantiles")
    shown = check_quantiles(quantiles)
    return tuple(sorted({level_of(one) for one in shown} - {0.0})), shown


def check_whole(name: str, value: object, least: int, most: int) -> int:
    """Return `value` if it is a whole number from `least` to `most`.

    Raises
    ------
    ConfigError
        It is not.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise ConfigError(f"{name} must be a whole number, got {value!r}.", column=name)
    number = int(value.__index__())
    if not least <= number <= most:
        raise ConfigError(f"{name} must be from {least} to {most}, got {number}.", column=name)
    return number


def _as_floats(name: str, values: object) -> tuple[float, ...]:
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        raise ConfigError(f"{name} must be numbers, got {values!r}.", column=name)
    return tuple(_as_float(one) for one in values)


def _as_float(value: object) -> float:
    """Return a number of any library as float; NaN, which lies in no range, for what is none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return float("nan")
    try:
        return float(value)
    except OverflowError:
        return float("nan")


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Check that a setting is one of those there are.

    Raises
    ------
    ConfigError
        It is not.
    """
    if value not in choices:
        raise ConfigError(f"{name} must be one of {', '.join(choices)}, got {value!r}.", column=name)
