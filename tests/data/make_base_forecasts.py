"""Write ``base_forecasts.json`` anew, after new base weights: ``python -m tests.data.make_base_forecasts``.

One series of each kind, drawn by a formula, and what the base weights in the package say of it.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forecaster import Forecast, Forecaster, Panel

KINDS = {"yearly": "YE", "quarterly": "QE", "monthly": "ME", "weekly": "W", "daily": "D", "hourly": "h"}
PLACE = Path(__file__).with_name("base_forecasts.json")


def series(freq: str) -> NDArray[np.float64]:
    """Return 60 to 400 values with a trend, the season of the frequency and a ripple without a period."""
    season = Forecaster.pretrained(freq).info["season"]
    steps = np.arange(max(60, min(3 * season, 400)))
    wave = 1 + 0.3 * np.sin(2 * np.pi * steps / season) if season > 1 else 1.0
    values: NDArray[np.float64] = (100 + 0.8 * steps) * wave + 3 * np.sin(0.7 * steps**1.3)
    return values


def forecast(freq: str) -> Forecast:
    """Return the forecast of that series."""
    values = series(freq)
    model = Forecaster.pretrained(freq)
    panel = Panel.from_columns(["a"] * len(values), np.arange(len(values)), values, freq=1)
    return model.forecast(panel, level=[80, 95])


def main() -> None:
    """Write the file."""
    made = {}
    for kind, freq in KINDS.items():
        one = forecast(freq)
        made[kind] = {
            "point": one.point[0].tolist(),
            "lower": one.lower[0].tolist(),
            "upper": one.upper[0].tolist(),
        }
    PLACE.write_text(json.dumps(made) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
