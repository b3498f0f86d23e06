"""How long a user waits for the first forecast: from exec to the answer, with a warm, an absent and a broken cache.

``python -m benchmarks.cold_start`` prints the medians.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from forecaster import Forecaster, TrainingConfig, read_panel
from forecaster.kernels._cache import cache_folder

DATA = Path(__file__).parents[1] / "data" / "flights_daily.csv"
HORIZON = 14
SCRIPT = """
import json, sys
import numpy as np
from forecaster import Forecaster, Panel
days = np.datetime64("2024-01-01") + np.arange(200)
panel = Panel.from_columns(["a"] * 200, days, 50 + days.astype(int) % 7, freq="D")
forecast = Forecaster.load(sys.argv[1]).forecast(panel)
print(json.dumps(forecast.point[0].tolist()), flush=True)
"""


def measure(runs: int = 9) -> dict[str, float]:
    """Return the median seconds from exec to a forecast of one series by a saved model.

    Keys: ``warm``, all kernels are in the cache; ``absent``, there is no cache; ``broken``, each of its files is cut.
    """
    taken: dict[str, list[float]] = {"warm": [], "absent": [], "broken": []}
    answers = []
    with tempfile.TemporaryDirectory() as folder:
        model, caches = _prepare(Path(folder))
        for _ in range(runs):
            for name, times in taken.items():  # in turns, so that a noisy neighbour disturbs all of them
                seconds, answer = _first_forecast(model, caches[name])
                times.append(seconds)
                answers.append(answer)
        if list(caches["absent"].parent.glob("absent")):
            raise RuntimeError("kernels were compiled although the process ended at once")
    for answer in answers:
        if not all(abs(ours - other) <= 1e-5 * abs(other) for ours, other in zip(answer, answers[0], strict=True)):
            raise RuntimeError(f"the forecasts differ: {answer} and {answers[0]}")
    return {name: statistics.median(times) for name, times in taken.items()}


def _prepare(folder: Path) -> tuple[Path, dict[str, Path]]:
    """Save a model, which fills the cache, and make a broken copy of that."""
    model = folder / "model"
    Forecaster(h=HORIZON, training=TrainingConfig(steps=20)).fit(read_panel(DATA)).save(model)
    broken = folder / "broken"
    shutil.copytree(cache_folder(), broken, ignore=shutil.ignore_patterns(".writing-*"))  # others may be at work there
    for path in broken.iterdir():
        os.truncate(path, path.stat().st_size // 2)
    return model, {"warm": cache_folder(), "absent": folder / "absent", "broken": broken}


def _first_forecast(model: Path, cache: Path) -> tuple[float, list[float]]:
    command = [sys.executable, "-c", SCRIPT, str(model)]
    environment = os.environ | {"FORECASTER_CACHE_DIR": str(cache), "FORECASTER_ENGINE": "auto"}
    start = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:  # noqa: S603 - our own script
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        answer = process.stdout.readline()
        seconds = time.perf_counter() - start
    if process.returncode:
        raise RuntimeError(f"a forecast with the cache {cache} ended with {process.returncode}")
    return seconds, json.loads(answer)


def main() -> None:
    """Measure and print."""
    for name, seconds in measure().items():
        print(f"first forecast, cache {name}: {seconds:.3f} s")


if __name__ == "__main__":
    main()
