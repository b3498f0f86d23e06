"""Frames that live elsewhere: one pure function that Spark, Dask and Ray Data call with a piece of theirs.

docs/scale.md has the recipes.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from forecaster.config import BASE, check_horizon, intervals_asked, is_base, state_folder
from forecaster.errors import ConfigError, ModelFormatError, TooShortError
from forecaster.forecast import Forecast
from forecaster.frames import Freq, zone_name
from forecaster.frequency import Frequency
from forecaster.model import Forecaster
from forecaster.otherframes import as_kind
from forecaster.store import ModelStore, open_store
from forecaster.tables import ColumnNames, as_panel, forecast_to_frame, frame_kind
from forecaster.versions import LocalStore

if TYPE_CHECKING:
    import pandas as pd

_KEPT = 4
"""Models that a process keeps."""

_models: OrderedDict[tuple[str, str, int], Forecaster] = OrderedDict()
_loading = threading.Lock()


def predict_frame(
    pdf: pd.DataFrame,
    model_path: str | os.PathLike[str],
    *,
    version: str | None = None,
    freq: Freq = None,
    season: int | None = None,
    h: int | None = None,
    level: float | Sequence[float] | None = None,
    quantiles: Sequence[float] | None = None,
    id_col: str = "unique_id",
    time_col: str = "ds",
    target_col: str = "y",
    threads: int = 1,
) -> pd.DataFrame:
    """Return forecasts of the series in one piece of a larger frame, with the model saved at `model_path`.

    All rows of a series have to be in one piece: each piece is forecast by itself. The same series give the same
    numbers, to the bit, whatever other series are beside them.

    Parameters
    ----------
    pdf : DataFrame
        The rows, long: of pandas, or of another library that narwhals knows, which is then also that of the result. A
        frame without rows gives one without rows, whose columns say what results are like.
    model_path : str or path
        A model folder that every worker can read, or a model in a store: ``s3://bucket/models/sales`` (extra
        ``remote``). ``"base"`` stands for the base weights of the package.
    version : str, optional
        Which version, if the model has several; by default that in use. Named, it is the same for all workers, however
        long they run.
    freq, season : str or int, int, optional
        Frequency and season of the series, for the base weights only: by default those that the rows of each piece
        show. Named, they are the same for all pieces.
    h, level, quantiles, id_col, time_col, target_col
        As for `Forecaster.predict`.
    threads : int
        Threads; one by default, since such engines run one piece on each processor.

    Returns
    -------
    DataFrame
        ``unique_id, ds, LSTM, LSTM-lo-95, ...``. A series that is too short to be forecast has no rows; a warning names
        one of them.

    Raises
    ------
    ModelFormatError, UnknownVersionError, StoreError
        There is no such model, or it cannot be read.
    InputError, ConfigError
        The data or arguments are wrong; the message names the series and row. The frequency of a piece is asked for and
        cannot be told from its rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from forecaster import Forecaster, predict_frame
    >>> Forecaster.pretrained(1).save("model")
    >>> rows = pd.DataFrame({"unique_id": "a", "ds": range(8), "y": [3, 5, 4, 6, 5, 7, 6, 8]})
    >>> predict_frame(rows, "model", h=2)["ds"].tolist()
    [8, 9]
    """
    place = os.fspath(model_path)  # as it stands now: a process may go to another folder
    columns = {"id_col": id_col, "time_col": time_col, "target_col": target_col}
    if is_base(place):
        if version is not None:
            raise ConfigError(f"version is for models of a store, and {BASE} has none: leave it out.", column="version")
        model = _base(_frequency_of(pdf, freq, ColumnNames(**columns)), season, threads)
    elif freq is not None or season is not None:
        raise ConfigError(
            f"freq and season are for {BASE} only: {place} was trained on series with one of each. Leave them out.",
            column="season" if freq is None else "freq",
        )
    else:
        model = _model(place if "://" in place else str(Path(place).absolute()), version, threads)
    if len(pdf):
        try:
            return model.predict(pdf, h=h, level=level, quantiles=quantiles, **columns)
        except TooShortError as error:
            if not error.skipped:
                raise
            _warn(error.skipped)
    steps = model.h if h is None else check_horizon(h)
    return _without_rows(pdf, model, steps, *intervals_asked(level, quantiles), ColumnNames(**columns))


def _warn(skipped: Mapping[str, str]) -> None:
    name, reason = next(iter(skipped.items()))
    more = f" (and {len(skipped) - 1} more)" if len(skipped) > 1 else ""
    warnings.warn(f"left out: series {name!r} {reason}{more}.", UserWarning, stacklevel=3)


def _without_rows(
    pdf: Any, model: Forecaster, h: int, levels: tuple[float, ...], shown: tuple[float, ...], names: ColumnNames
) -> pd.DataFrame:
    """Return a frame as `predict_frame` would, of no series."""
    dtype = pdf[names.time_col].dtype if names.time_col in pdf.columns else None
    zone = getattr(dtype, "tz", None) or getattr(dtype, "time_zone", None)
    is_whole = getattr(dtype, "kind", "M") in "iuf"
    one = Forecast(
        ids=("",),
        times=np.zeros((1, h), np.int64 if is_whole else "datetime64[us]"),
        frequency=Frequency.parse(1) if is_whole else model.frequency or Frequency.parse("D"),
        point=np.zeros((1, h)),
        levels=levels,
        lower=np.zeros((1, len(levels), h)),
        upper=np.zeros((1, len(levels), h)),
        quantiles=shown,
        alias=model.alias,
        timezone=None if zone is None else zone_name(zone),
    )
    made: pd.DataFrame = as_kind(forecast_to_frame(one, names), frame_kind(pdf, names))
    return made[:0]  # of the library that pdf is of, each of which takes rows so


def _frequency_of(pdf: Any, freq: Freq, names: ColumnNames) -> str:
    """Return the frequency asked for, or that of the rows; without rows any will do, since no forecast is made."""
    if freq is None and len(pdf):
        return as_panel(pdf, names=names).frequency.alias
    return Frequency.parse("D" if freq is None else freq).alias


@lru_cache(_KEPT)
def _base(freq: str, season: int | None, threads: int) -> Forecaster:
    """Return the base weights for a frequency and a season, with the kernels that all are to have."""
    return Forecaster.pretrained(freq, season=season, threads=threads).prepare()


def _model(place: str, version: str | None, threads: int) -> Forecaster:
    """Return the model of a place, as this process has it or newly loaded, with the kernels that all are to have."""
    store, name = _store_of(place)
    # What is used is asked of a folder each time, of object storage once.
    chosen = version or (store.current(name) if isinstance(store, LocalStore) else _in_use(place))
    if chosen is None:
        raise ModelFormatError(f"There is no model {name!r} in {store}. Train one, or correct the path.")
    key = (place, chosen, threads)
    with _loading:
        if key not in _models:
            _models[key] = Forecaster.load(store.folder(name, chosen), threads=threads).prepare()
            if len(_models) > _KEPT:
                _models.popitem(last=False)
        _models.move_to_end(key)
        return _models[key]


@cache
def _store_of(place: str) -> tuple[ModelStore, str]:
    """Return the store that a model is in, and its name there."""
    above, _, name = place.rstrip("/").rpartition("/")
    if "://" in above:
        return open_store(above, cache=state_folder() / "models-cache"), name
    path = Path(place)
    return LocalStore(path.parent), path.name


@cache
def _in_use(place: str) -> str | None:
    store, name = _store_of(place)
    return store.current(name)
