"""What holds for all tests."""

from __future__ import annotations

import os

# By default a forecast comes from NumPy until the kernels are ready, and the two differ in their last digits; so that
# tests can compare bits, all that are not about it wait for the kernels. Processes that tests start inherit this.
os.environ["FORECASTER_ENGINE"] = "compiled"
