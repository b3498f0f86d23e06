"""The weights in the package: as they were made, small, of all six kinds, and sound."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from forecaster import Forecaster
from forecaster.pretrained import FOLDER
from forecaster.recipes import RECIPES
from tests.data.make_base_forecasts import KINDS, PLACE, forecast, series

GOLDEN: dict[str, Any] = json.loads(PLACE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ["compiled", "plain"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_forecasts_are_those_that_were_written_down(kind: str, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORECASTER_ENGINE", engine)
    made = forecast(KINDS[kind])
    for name in ("point", "lower", "upper"):
        np.testing.assert_allclose(getattr(made, name)[0], GOLDEN[kind][name], rtol=2e-4)


def test_they_are_of_all_kinds_and_take_three_megabytes_at_most() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_dir()} == {recipe.kind for recipe in RECIPES}
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 3_000_000


def test_a_season_is_seen_and_carried_on() -> None:
    """Three years of months, peaks three times the troughs: the next two years look like the last."""
    steps = np.arange(60)
    season = np.tile([1.0, 1.1, 1.4, 1.9, 2.4, 2.8, 3.0, 2.7, 2.1, 1.6, 1.2, 1.0], 5)
    model = Forecaster.pretrained("ME")
    point = model.predict(100 * season[:36] * 1.01 ** steps[:36], h=24)["LSTM"].to_numpy()
    actual = 100 * season[36:60] * 1.01 ** steps[36:60]
    assert np.mean(np.abs(point - actual) / actual) < 0.15
    assert 2 < point[:12].max() / point[:12].min() < 4


@pytest.mark.parametrize("freq", list(KINDS.values()))
def test_scaling_a_series_scales_its_forecast(freq: str) -> None:
    values = series(freq)
    model = Forecaster.pretrained(freq)
    one, other = model.predict(values), model.predict(1000 * values)
    np.testing.assert_allclose(other["LSTM"], 1000 * one["LSTM"], rtol=1e-3)
