"""Which column of a table holds what: by the names a user gives, for files and data frames alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from forecaster.errors import ConfigError, InputError
from forecaster.gate import shown

__all__ = ["ColumnNames", "Layout", "choose_layout", "found_columns", "missing_column"]


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """What the columns of a long table are called.

    An empty ``id_col`` says that there is none: the table is one series, and columns beside the times and the values
    are not used. An empty ``target_col`` says that the table is wide: every column but the times is a series.
    """

    id_col: str = "unique_id"
    time_col: str = "ds"
    target_col: str = "y"

    @property
    def written(self) -> ColumnNames:
        """The names of the columns of a forecast: it has all of them, also where the table read has not."""
        usual = ColumnNames()
        return ColumnNames(self.id_col or usual.id_col, self.time_col, self.target_col or usual.target_col)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the columns of a table are: long (one target) or wide (one target for each series)."""

    time: int
    id: int | None
    targets: tuple[int, ...]
    is_wide: bool

    @property
    def kind(self) -> str:
        """``long``, ``wide``, or ``single`` for a table of one series."""
        if self.is_wide:
            return "wide"
        return "single" if self.id is None else "long"

    def roles(self, count: int) -> list[str]:
        """Return what each of `count` columns is: ``time``, ``id``, ``target``, ``series`` (of a wide table)."""
        roles = ["unused"] * count
        for place in self.targets:
            roles[place] = "series" if self.is_wide else "target"
        roles[self.time] = "time"
        if self.id is not None:
            roles[self.id] = "id"
        return roles


def choose_layout(columns: Sequence[str], names: ColumnNames) -> Layout:
    """Tell from the column names whether a table is long or wide.

    A table of exactly the time and the target column is one series, named as the target column; so is any table whose
    ``id_col`` is empty. A table with a time column and neither id nor target column is wide: every other column is a
    series.

    Raises
    ------
    InputError
        A column is missing or there twice.
    ConfigError
        One column is to be two things.
    """
    _refuse_twice(columns)
    _refuse_contradictions(names)
    time = _place(names.time_col, "time_col", columns)
    others = tuple(i for i, column in enumerate(columns) if i != time and column)  # an index column has no name
    has_id, has_target = (bool(name) and name in columns for name in (names.id_col, names.target_col))
    if not names.target_col and others:
        return Layout(time, None, others, is_wide=True)
    if has_id and names.target_col:
        target = _place(names.target_col, "target_col", columns)
        return Layout(time, columns.index(names.id_col), (target,), is_wide=False)
    if names.id_col not in ("", _USUAL.id_col) or (has_target and names.id_col and len(others) > 1):
        raise missing_column(names.id_col, "id_col", columns)
    if has_target:
        return Layout(time, None, (columns.index(names.target_col),), is_wide=False)
    if names.target_col not in ("", _USUAL.target_col) or not others or (not names.id_col and len(others) > 1):
        raise missing_column(names.target_col or _USUAL.target_col, "target_col", columns)
    return Layout(time, None, others, is_wide=bool(names.id_col))


def found_columns(columns: Sequence[str]) -> str:
    """Return the names of columns as messages list them."""
    return ", ".join(shown(column) for column in columns[:20]) + (", …" if len(columns) > 20 else "")


def missing_column(name: str, parameter: str, columns: Sequence[str]) -> InputError:
    """Return what is wrong where the column that `parameter` names is not there."""
    flag = "--" + parameter.replace("_", "-")
    none = " Where the table is one series, id_col='' (--id-col '') says so." if parameter == "id_col" else ""
    return InputError(
        f"There is no column {shown(name)}; found {found_columns(columns)}. Name the column that holds "
        f"{_MEANINGS[parameter]} with {parameter}= ({flag} NAME).{none}",
        column=name,
    )


def _refuse_twice(columns: Sequence[str]) -> None:
    for column, count in Counter(columns).items():
        if column and count > 1:
            raise InputError(f"The column {shown(column)} is there twice. Rename or remove one.", column=column)


def _refuse_contradictions(names: ColumnNames) -> None:
    if not names.target_col and names.id_col not in ("", _USUAL.id_col):
        raise ConfigError(
            f"With an empty target_col every column is a series, so that {shown(names.id_col)} cannot hold ids. Name "
            "the column of the values with target_col= (--target-col NAME), or leave id_col out.",
            column="target_col",
        )
    given = {"id_col": names.id_col, "time_col": names.time_col, "target_col": names.target_col}
    for parameter, name in given.items():
        other = next((one for one in given if one != parameter and given[one] == name and name), None)
        if other is not None:
            raise ConfigError(
                f"{parameter} and {other} are both {shown(name)}. Each needs a column of its own.", column=parameter
            )


def _place(name: str, parameter: str, columns: Sequence[str]) -> int:
    if name not in columns:
        raise missing_column(name, parameter, columns)
    return columns.index(name)


_USUAL = ColumnNames()
_MEANINGS = {"id_col": "the series ids", "time_col": "the timestamps", "target_col": "the values"}
