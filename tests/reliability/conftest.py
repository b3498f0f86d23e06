"""Fixtures of the service's own tests that the real processes need too, and what these forecast with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.sizes import size
from tests.service import processes
from tests.service.conftest import machine as machine
from tests.service.conftest import models as models


@pytest.fixture(scope="module", autouse=True)
def _numpy() -> Iterator[None]:
    """Have services forecast in NumPy: they start in half the time, and kernels are not what is broken here.

    In the full size they have their kernels, as in production.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(processes.DEFAULTS, "ENGINE", size("plain", "compiled"))
        yield
