"""Why a version of a model is not served, and when to try it again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from forecaster import ModelFormatError, NewerFormatError, StoreError, UnknownVersionError
from service.models.loading import NotServedError
from service.models.served import NoForecastError

__all__ = ["MOST_LOOKS", "Failure", "Fault", "failure_of"]

Fault = Literal["damaged", "newer-format", "missing-version", "no-forecast", "not-served", "unavailable", "error"]

MOST_LOOKS = 64
"""Looks between two tries at the most: a large damaged version is not pulled every few seconds."""

_FAULTS: tuple[tuple[type[Exception], Fault], ...] = (
    (NewerFormatError, "newer-format"),
    (ModelFormatError, "damaged"),
    (UnknownVersionError, "missing-version"),
    (NoForecastError, "no-forecast"),
    (NotServedError, "not-served"),
    (StoreError, "unavailable"),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One version that could not be served.

    Attributes
    ----------
    version
        None if it is not known which was meant.
    fault
        What kind of fault it is; the log has more.
    tries
        How often it was tried.
    wait
        Looks to let pass before the next try.
    """

    version: str | None
    fault: Fault
    tries: int
    wait: int

    def waited(self) -> Failure:
        """Return it after one look without a try."""
        return replace(self, wait=self.wait - 1)


def failure_of(version: str | None, error: Exception, before: Failure | None) -> Failure:
    """Return what `error` means for a version that may have failed before: then it waits twice as long."""
    fault: Fault = next((name for kind, name in _FAULTS if isinstance(error, kind)), "error")
    tries = before.tries + 1 if before is not None and before.version == version else 1
    return Failure(version, fault, tries, min(2 ** (tries - 1), MOST_LOOKS) - 1)
