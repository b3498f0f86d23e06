"""A model, and files that are read in pieces however little they are."""

from __future__ import annotations

import pytest

from forecaster import Forecaster
from forecaster.batch import reading
from tests.batch.tables import set_sizes
from tests.examples import trained


@pytest.fixture(scope="session")
def model() -> Forecaster:
    return trained()


@pytest.fixture
def in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have files read in pieces however little they are."""
    monkeypatch.setattr(reading, "_LITTLE", 0)
    set_sizes(monkeypatch)
