"""Draw docs/forecast.png, the picture in README.md, from the demo's model: ``python -m benchmarks.picture``."""

from __future__ import annotations

from pathlib import Path

from benchmarks.demo import DATA, HORIZON
from forecaster import Forecaster, read_panel
from forecaster.plots import plot_forecast

PICTURE = Path(__file__).parents[1] / "docs" / "forecast.png"
SERIES = ("EWR_UA", "EWR_EV", "JFK_B6", "JFK_DL", "LGA_DL", "LGA_MQ")


def draw() -> None:
    """Train as the demo does and draw six of its series."""
    panel = read_panel(DATA)
    model = Forecaster(h=HORIZON).fit(panel)
    shown = panel.select([panel.ids.index(unique_id) for unique_id in SERIES])
    plot_forecast(shown, model.forecast(shown), PICTURE)


if __name__ == "__main__":
    draw()
