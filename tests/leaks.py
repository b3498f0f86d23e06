"""A check that nothing after a cutoff reaches a forecast: what lies there is replaced, and no bit may change."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from forecaster.backtest import Backtest
from forecaster.forecast import Forecast
from forecaster.panel import Panel
from tests.examples import last_replaced


def leaks(run: Callable[[Panel], Backtest], panel: Panel, *, h: int, n_windows: int, step_size: int) -> set[str]:
    """Return the models of which a forecast changes when only values after its cutoff do.

    `run` backtests a panel with these settings. Where the cutoffs lie is worked out here: a backtest that puts them too
    late, and so shows a model what it should not, is not asked.
    """
    plain = run(panel).folds
    found = set()
    for k in range(n_windows):
        ahead = h + (n_windows - 1 - k) * step_size
        for garbage in (np.nan, 0.0, 1e9 * np.random.default_rng(k).standard_normal(ahead)):
            others = run(last_replaced(panel, ahead, garbage)).folds
            for fold, other in zip(plain[: k + 1], others[: k + 1], strict=True):  # earlier ones know even less
                assert list(fold.forecasts) == list(other.forecasts)
                found |= {name for name, said in fold.forecasts.items() if _bits(said) != _bits(other.forecasts[name])}
            assert not np.array_equal(plain[k].actual, others[k].actual), "nothing was replaced"
    return found


def _bits(forecast: Forecast) -> bytes:
    return b"".join(part.tobytes() for part in (forecast.point, forecast.lower, forecast.upper))
