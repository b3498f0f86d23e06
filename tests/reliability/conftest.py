"""Fixtures of the service's own tests that the real processes need too."""

from tests.service.conftest import machine as machine
from tests.service.conftest import models as models
