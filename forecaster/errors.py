"""Every error this library raises on purpose.

::

    ForecasterError
    ├── InputError            the data are wrong (also a ValueError)
    │   ├── TooShortError     a series has too few values
    │   └── TooLargeError     there is more than was to be read
    ├── ConfigError           a setting is wrong (also a ValueError)
    ├── NotFittedError        the model has not been trained yet (also a RuntimeError)
    ├── ModelFormatError      a model folder is missing, damaged or too new
    │   └── NewerFormatError  it was written by a newer version of the library
    ├── UnknownVersionError   a store has no such version of a model (also a LookupError)
    ├── StoreError            a store of models does not answer
    ├── OutputError           a result cannot be written (also an OSError)
    ├── ExecutorError         pieces of work cannot be run (also a RuntimeError)
    ├── MissingExtraError     an optional package is not installed (also an ImportError)
    └── ServiceError          a service refuses a request or cannot be reached (also a RuntimeError)

A message says what was expected, what came, and what to do; the place (series, row, column) travels in
attributes as well, so that the service can answer with a field path without parsing text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any


class ForecasterError(Exception):
    """Root of all errors raised on purpose.

    Parameters
    ----------
    message : str
        What was expected, what came, and what to do.
    series : str, optional
        The id of the series at fault.
    row : int, optional
        1-based data row in the input; for files the line number, the header being line 1.
    column : str, optional
        Column or field at fault.
    """

    def __init__(
        self, message: str, *, series: str | None = None, row: int | None = None, column: str | None = None
    ) -> None:
        super().__init__(message)
        self.series = series
        self.row = row
        self.column = column


class InputError(ForecasterError, ValueError):
    """The data given are wrong."""


class TooShortError(InputError):
    """A series has too few values for what was asked.

    Attributes
    ----------
    skipped : dict of str to str
        Where none of several series has enough: each of them and its reason.
    """

    skipped: Mapping[str, str] = MappingProxyType({})


class TooLargeError(InputError):
    """The data are right as far as was looked, but larger than the `Limits` they were to be read within."""


class ConfigError(ForecasterError, ValueError):
    """A setting or argument is wrong."""


class NotFittedError(ForecasterError, RuntimeError):
    """The model has not been trained or loaded yet."""


class ModelFormatError(ForecasterError):
    """A model folder is missing, damaged, or written by a newer version."""


class NewerFormatError(ModelFormatError):
    """A model folder has a format that only newer versions read."""


class UnknownVersionError(ForecasterError, LookupError):
    """A store has no such version of a model."""


class StoreError(ForecasterError):
    """A store of models does not answer, or its copies cannot be written."""


class OutputError(ForecasterError, OSError):
    """A result cannot be written."""


class ExecutorError(ForecasterError, RuntimeError):
    """A cluster does not answer, or a piece of work came to no end on it."""


class MissingExtraError(ForecasterError, ImportError):
    """An optional package is needed and not installed."""


class ServiceError(ForecasterError, RuntimeError):
    """A service refuses a request, or cannot be reached.

    Parameters
    ----------
    message : str
        What came, and what to do.
    status : int, optional
        Status of the answer; 0 if there was none.
    kind : str, optional
        Kind of the problem, such as ``invalid-request``; ``unreachable`` if there was no answer.
    detail : str, optional
        What the service says.
    errors : iterable of mappings, optional
        Fields at fault: ``field``, ``expected``, and maybe ``got``, ``series``, ``row``.
    request_id : str, optional
        The id under which the service's log has the request.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        kind: str = "",
        detail: str = "",
        errors: Iterable[Mapping[str, Any]] = (),
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.detail = detail or message
        self.errors = tuple(errors)
        self.request_id = request_id
