"""The series of M4: where they are, how far ahead each kind is forecast, and how they are read.

S. Makridakis, E. Spiliotis, V. Assimakopoulos, The M4 Competition, International Journal of Forecasting 36, 2020. The
folder holds ``yearly_train.parquet``, ``yearly_test.parquet`` and so on, with the columns unique_id, ds and y, the rows
of a series together and in order.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecaster import Frequency, Panel

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the six frequencies of M4.

    Attributes
    ----------
    name : str
        As in the files' names and `forecaster.recipes`.
    horizon : int
        Steps that are forecast.
    freq : str
        Its pandas alias.
    season : int
        Steps of a season, for the forecasts.
    scored_season : int
        The same for MASE and Naive2, as the competition has it: none for weeks and days.
    share : float
        Part of a budget that is spent on it.
    """

    name: str
    horizon: int
    freq: str
    season: int
    scored_season: int
    share: float


KINDS = (
    Kind("hourly", 48, "h", 24, 24, 0.05),
    Kind("weekly", 13, "W", 52, 1, 0.02),
    Kind("daily", 14, "D", 7, 1, 0.04),
    Kind("yearly", 6, "YE", 1, 1, 0.12),
    Kind("quarterly", 8, "QE", 4, 4, 0.23),
    Kind("monthly", 18, "ME", 12, 12, 0.54),
)


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The series of one kind.

    Attributes
    ----------
    kind : Kind
        Which.
    panel : Panel
        What is known.
    actual : (N, h) float64
        What comes after it.
    """

    kind: Kind
    panel: Panel
    actual: Floats


def read(folder: Path, kind: Kind, *, validation: bool = False) -> Series:
    """Return the training parts and the test parts of all series; for `validation` the training parts' own ends."""
    panel = read_panel(folder, kind)
    if validation:
        return Series(kind, panel.head(kind.horizon), panel.tail_values(kind.horizon))
    names, values, offsets = _columns(folder / f"{kind.name}_test.parquet")
    if names != panel.ids or (np.diff(offsets) != kind.horizon).any():
        raise SystemExit(f"{folder}: the {kind.name} test part does not fit the training part.")
    return Series(kind, panel, values.reshape(-1, kind.horizon))


def read_panel(folder: Path, kind: Kind) -> Panel:
    """Return the training parts of all series, in steps without dates."""
    names, values, offsets = _columns(folder / f"{kind.name}_train.parquet")
    return Panel(names, values, offsets, np.ones(len(names), np.int64), Frequency.parse(1))


def _columns(path: Path) -> tuple[tuple[str, ...], Floats, NDArray[np.int64]]:
    import pyarrow.parquet as pq

    table = pq.read_table(path, columns=["unique_id", "y"])
    column = table["unique_id"].combine_chunks().dictionary_encode()
    codes = column.indices.to_numpy()
    begins = np.flatnonzero(np.diff(codes, prepend=-1))
    names = column.dictionary.to_pylist()
    ids = tuple(str(names[code]) for code in codes[begins])
    offsets = np.append(begins, len(codes)).astype(np.int64)
    return ids, table["y"].to_numpy().astype(np.float64), offsets


def folder_argument(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--data``."""
    variable = os.environ.get("FORECASTER_M4")
    parser.add_argument(
        "--data",
        type=Path,
        default=variable and Path(variable),
        required=required and not variable,
        help="folder of yearly_train.parquet and so on [FORECASTER_M4]",
    )
