"""A file of series to a file of forecasts, in pieces: as many series as there are, in no more memory than it may take.

::

    files ──► chunks ──► pieces of whole series ──► parts, and a journal of them ──► the output, in one step

`inputs` finds the files; `parquet_chunks` and `csv_chunks` read them; `survey` tells whether the rows of each series
are together, and `buckets` brings them together if they are not; `pieces` cuts chunks into whole series; `work` and
`encoding` make the part of a piece, on any executor; `parts` keeps what is done, and `destination` joins it. A process
that does nothing else asks `allocation` to keep its memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from forecaster.batch.asked import Asked, model_of
from forecaster.batch.destination import Destination, destination_of
from forecaster.batch.inputs import find_input, may_pass
from forecaster.batch.parts import Parts, parts_beside, parts_elsewhere
from forecaster.batch.progress import BatchProgress, Watch
from forecaster.batch.run import BatchResult, Run
from forecaster.batch.sizes import parse_memory
from forecaster.columns import ColumnNames
from forecaster.errors import InputError
from forecaster.executors import Executor, executor_of
from forecaster.frames import Freq
from forecaster.frequency import Frequency
from forecaster.model import Forecaster

__all__ = ["BatchProgress", "BatchResult", "forecast_file"]


def forecast_file(
    model: Forecaster | str | os.PathLike[str],
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    h: int | None = None,
    level: float | Sequence[float] | None = None,
    quantiles: Sequence[float] | None = None,
    season: int | None = None,
    freq: Freq = None,
    timezone: str | None = None,
    names: ColumnNames | None = None,
    memory: str | int | None = None,
    resume: bool = False,
    executor: str | Executor = "threads",
    workers: int | None = None,
    sample: int = 0,
    progress: Callable[[BatchProgress], None] | None = None,
) -> BatchResult:
    """Forecast all series of a file, or of a folder of files, to a file or a folder.

    Series are read, forecast and written in pieces, so that the memory has a bound whatever the size of the input. The
    forecasts are those of `Forecaster.forecast`, to the last bit. Series that cannot be read or forecast are named in a
    table beside the output, ``OUTPUT.errors.csv``, and the others are forecast.

    Parameters
    ----------
    model : Forecaster, str or path
        What forecasts: a model, the folder of one, or ``"base"`` for the base weights of the package.
    source : str or path
        A .csv, .csv.gz or .parquet file, or a folder of such files of one format.
    output : str or path
        A .csv, .csv.gz or .parquet file; or a folder, if it is one or the name ends with a slash.
    h, level, quantiles
        As for `Forecaster.predict`.
    season : int, optional
        Steps of a season, for the base weights only.
    freq, timezone, names
        As for `read_panel`. Where it is not given the frequency is that of the first piece, and series with another are
        named as errors.
    memory : str or int, optional
        What the process may take, such as ``"512M"`` or ``"2G"``. By default 256 MB, and 128 MB for each worker.
    resume : bool
        Whether to go on where an earlier run of the same was stopped, if one was; else what it did is removed.
    executor : str or Executor
        Where pieces are forecast: ``"threads"``, ``"serial"``, ``"ray"``, or what `executor_of` gives.
    workers : int, optional
        Pieces that are forecast at once; by default one for each processor.
    sample : int
        Give back so many of the series with their forecasts, to be looked at.
    progress : callable, optional
        Is told where the run is.

    Warns
    -----
    UserWarning
        Files came into the folder meanwhile, and were not read.

    Raises
    ------
    InputError
        The input is no table of series, or none of its series can be forecast, or it changed meanwhile.
    ConfigError
        An argument is wrong, or an earlier run that is to be gone on with was another.
    OutputError
        The output cannot be written, or another run is writing it. What is done is kept, for ``resume=True``.
    MissingExtraError
        Parquet is read or written and pyarrow is not installed.
    """
    destination, given = destination_of(output), find_input(source)
    destination.check(given)
    asked = Asked(
        model=model_of(model),
        called="the model" if isinstance(model, Forecaster) else str(model),
        season=season,
        h=h,
        level=level,
        quantiles=quantiles,
        frequency=None if freq is None else Frequency.parse(freq),
        timezone=timezone,
        names=names or ColumnNames(),
    )
    asked.check()
    identity = {
        "input": given.fingerprint(),
        "format of the output": [destination.extension, destination.is_folder],
        **asked.as_settings(),
    }
    with _parts(destination, identity, resume=resume) as parts, executor_of(executor, workers=workers) as pool:
        allowed = parse_memory(memory, pool.workers)
        try:
            return Run(given, destination, asked, parts, pool, Watch(progress), allowed, sample).whole()
        except InputError as error:
            if not may_pass(error):  # nobody can go on from there
                parts.forget_after(0)
            raise


def _parts(destination: Destination, identity: dict[str, Any], *, resume: bool) -> AbstractContextManager[Parts]:
    if destination.is_device:
        return parts_elsewhere(identity)
    return parts_beside(destination.path, identity, resume=resume)
