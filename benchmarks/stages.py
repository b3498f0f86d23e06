"""One training step, stage by stage: ``python -m benchmarks.stages`` writes the table of docs/architecture.md."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from benchmarks.machine import machine
from benchmarks.results import Figure, Report, save

LAGS, POSITIONS, HIDDEN, HORIZON, SERIES, LENGTH = 24, 48, 64, 18, 512, 144
SEASON = 12
ROWS = 32
STEPS, WARM = 60, 10

STAGES = {
    "windows": "Windows cut from the series: inputs, targets",
    "lstm_forward_1": "LSTM layer 1, forward",
    "lstm_forward_2": "LSTM layer 2, forward",
    "head_forward": "Dense layer, head and skip, forward",
    "loss": "Pinball loss and its gradient",
    "head_backward": "Skip, head and dense layer, backward",
    "lstm_backward_2": "LSTM layer 2, backward",
    "lstm_backward_1": "LSTM layer 1, backward",
    "optimiser": "Lanes summed, gradient clipped, Adam",
    "packing": "Weights packed into panels for the next step",
}


class _Clock:
    """Times of the stages, step by step."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self._begun: dict[str, float] = {}

    def begin(self) -> None:
        """Begin a step."""
        self._begun = dict.fromkeys(STAGES, 0.0)

    def end(self) -> None:
        """End a step."""
        self.steps.append(self._begun)

    def timed(self, stage: str | Callable[..., str], work: Callable[..., Any]) -> Callable[..., Any]:
        """Return `work`, its time counted under `stage` or what `stage` makes of its arguments."""

        def run(*args: Any, **options: Any) -> Any:
            name = stage if isinstance(stage, str) else stage(*args)
            start = time.perf_counter()
            result = work(*args, **options)
            if self._begun:
                self._begun[name] += time.perf_counter() - start
            return result

        return run


@contextmanager
def _watched(clock: _Clock) -> Iterator[None]:
    """Let every kernel of a step tell the clock."""
    from forecaster import passes, training, trunk, windows
    from forecaster.tasks import forecasting

    def layer(way: str, first: int) -> Callable[..., str]:
        return lambda x, *_: f"lstm_{way}_{1 if x.shape[2] == first else 2}"

    first = -(-(LAGS + 1) // 16) * 16  # the width of what layer 1 sees
    named: Mapping[Any, Mapping[str, str | Callable[..., str]]] = {
        windows: {"gather_inputs": "windows", "gather_targets": "windows"},
        trunk: {"lstm_forward": layer("forward", first), "lstm_backward": layer("backward", first)},
        passes: {
            "dense_forward": "head_forward",
            "skip_forward": "head_forward",
            "dense_backward": "head_backward",
            "skip_backward": "head_backward",
        },
        forecasting: {"summed_loss": "loss"},
        training: {"sum_gradients": "optimiser", "adam": "optimiser"},
        trunk.Packed: {"refresh": "packing"},
    }
    patches = [
        patch.object(room, name, clock.timed(stage, getattr(room, name)))
        for room, stages in named.items()
        for name, stage in stages.items()
    ]
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def measure() -> Report:
    """Train one shard of windows a step, on one thread, and return the median of each stage."""
    import numpy as np

    from benchmarks.kernels.forecasting import months, random_walks
    from forecaster.config import NetworkConfig, TrainingConfig
    from forecaster.executors import Serial
    from forecaster.network import ForecastNetwork
    from forecaster.scaling import scale_panel
    from forecaster.tasks.forecasting import ForecastTask
    from forecaster.training import _Adam, _Batch

    config = NetworkConfig(lags=LAGS, positions=POSITIONS, layers=2, hidden=HIDDEN)
    network, rng = ForecastNetwork(config, HORIZON), np.random.default_rng(0)
    asked, nobody = TrainingConfig(batch_size=2 * ROWS), np.zeros(0, np.int64)
    network.initialise(rng)
    panel = scale_panel(months(random_walks(SERIES, LENGTH)))
    clock, whole = _Clock(), []
    with _watched(clock):
        task = ForecastTask(network, panel, config=asked, season=SEASON, held_out=0, validation=nobody, rng=rng)
        batch, optimiser = _Batch(task, Serial()), _Adam(network, asked)
        for step in range(1, STEPS + WARM + 1):
            windows = task.draw(rng)
            clock.begin()
            start = time.perf_counter()
            batch.gradient(windows)
            optimiser.step(batch, step)
            whole.append(time.perf_counter() - start)
            clock.end()
    steps = clock.steps[WARM:]
    figures = [
        Figure(key, what, 1e6 * statistics.median(step[key] for step in steps), "µs", runs=len(steps))
        for key, what in STAGES.items()
    ]
    total = 1e6 * statistics.median(whole[WARM:])
    rest = total - sum(figure.value or 0.0 for figure in figures)
    figures.append(Figure("python", "Python between them", rest, "µs", runs=len(steps)))
    figures.append(Figure("step", "The whole step", total, "µs", runs=len(steps)))
    return Report(datetime.now(UTC).date().isoformat(), machine(), figures)


def stages_block(report: Report) -> str:
    """Return the table for docs/architecture.md."""
    total = next(figure.value for figure in report.figures if figure.key == "step") or 1.0
    rows = [
        f"| {one.what} | {one.value:,.0f} | {100 * one.value / total:.0f} % |"
        for one in report.figures
        if one.value is not None
    ]
    sizes = f"{POSITIONS} steps, {LAGS + 1} inputs, 2 layers of {HIDDEN}, h = {HORIZON}"
    shape = f"{2 * ROWS} windows in two shards, {sizes}"
    where = f"{report.machine['cpu']}, one thread, Numba {report.machine['numba']}"
    told = f"{shape}. Measured on {report.date}: {where} (`python -m benchmarks.stages`)."
    return "\n".join(["| stage | µs | |", "|---|---:|---:|", *rows, "", told])


if __name__ == "__main__":
    print(stages_block(measured := measure()))
    print(f"Written to {save('stages', measured)}. docs/architecture.md follows with: python -m benchmarks.tables")
