from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import results
from benchmarks.kernels import forecasting, processes, report, training
from benchmarks.kernels.clock import Products, Side, repeated, take_turns
from benchmarks.kernels.forecasting import ALL, FRAMES, Forecasts
from benchmarks.kernels.peers import Peers
from benchmarks.kernels.processes import Processes, Run, smape
from benchmarks.kernels.shapes import HORIZON, QUANTILES, Cell, grid, quick_grid
from benchmarks.kernels.training import Step, geometric_mean
from benchmarks.results import Comparison, Comparisons, Figure, duration, load_comparisons, save
from benchmarks.tables import PEERS_BEGIN, PEERS_END, README, peers_block, with_peers
from forecaster.executors import Threads

SMALLEST = Cell(hidden=16, batch=1, steps=24, layers=1, inputs=1, threads=1)
LARGE = Cell(hidden=64, batch=32, steps=24, layers=2, inputs=24, threads=1)
STEPS = [Step(SMALLEST, 0.001, 0.004, 0.0001), Step(LARGE, 0.010, 0.010, 0.008)]
REPORT = Comparisons(
    "2026-01-31",
    {
        "cpu": "A chip",
        "cores": 2,
        "numba": "0.68.1",
        "torch": "2.13",
        "onnxruntime": "not installed",
        "neuralforecast": "3",
    },
    [
        Comparison("step", "Training step", 0.002, {"PyTorch": 0.005}, low=1.04, high=18.3),
        Comparison("one_network", "Forecast 1 series", 116e-6, {"PyTorch": 471e-6, "ONNX Runtime": 137e-6}),
        Comparison("many_network", "Forecast 1,000 series", 0.0347, {}),
        Comparison("processes", "Train and forecast", 2.04, {"NeuralForecast": 40.8}, note="sMAPE 4.1 % and 4.5 %"),
        Comparison("other", "Not in the README", 1.0, {}),
    ],
    [Figure("first_warm", "First forecast, warm", 0.42, "s"), Figure("memory_1000", "Memory", 1e6, "bytes")],
)


@pytest.fixture(scope="module")
def nobody() -> Iterator[Peers]:
    """The peers' process, as where nothing is installed."""
    with Peers() as peers:
        peers.versions = {}
        yield peers


def test_the_smallest_cell_runs_without_peers(nobody: Peers) -> None:
    (step,) = training.measure([SMALLEST], nobody, budget=0.0)
    assert step.cell == SMALLEST
    assert step.torch is None
    assert step.ours > 0
    assert step.limit > 0


def test_forecasts_run_without_peers(nobody: Peers) -> None:
    measured = forecasting.measure(nobody, budget=0.0, quick=True)
    assert [set(one.seconds) for one in measured] == [{"ours"}, {"ours"}, {"ours", FRAMES}]


def test_whole_processes_are_left_out_without_peers(nobody: Peers) -> None:
    assert processes.measure(nobody) is None
    assert report.compared_processes(None) == []


def test_the_peers_process_says_what_went_wrong(nobody: Peers) -> None:
    with pytest.raises(RuntimeError, match="KeyError"):
        nobody.ask("run", name="nothing", calls=1)


def test_a_batch_with_ready_inputs_learns_what_it_is_given() -> None:
    cell = replace(SMALLEST, batch=70)  # three shards, the last one smaller
    batch, step = training.batch_of(training.task_of(cell), Threads(1))
    before = batch.gradient(None)
    for _ in range(200):
        step()
    assert batch.weight == cell.steps * cell.batch * HORIZON
    assert batch.gradient(None) < before


def test_the_grid_holds_each_shape_once() -> None:
    assert len(set(grid())) == 5 * 4 * 2 * 2 * 2 * 2
    assert len(set(quick_grid())) == len(quick_grid())


def test_operations_are_those_of_the_products() -> None:
    hidden, outputs, rows = 16, HORIZON * len(QUANTILES), 24
    lstm = 4 * hidden * 1 * 2 + 4 * hidden * hidden * 3  # the first layer's inputs have no gradient
    head = 3 * 32 * hidden + 3 * 32 * outputs + 2 * 1 * outputs
    assert SMALLEST.flops == 2 * rows * (lstm + head)
    deeper = replace(SMALLEST, layers=2)
    assert deeper.flops - SMALLEST.flops == 2 * rows * 3 * 4 * hidden * 2 * hidden


def test_sides_take_turns() -> None:
    order: list[str] = []

    def side(name: str, seconds: float) -> Side:
        def run(calls: int) -> float:
            order.append(name)
            return calls * seconds

        return run

    took = take_turns({"a": side("a", 1.0), "b": side("b", 0.01)}, budget=0.0)
    assert took == {"a": 1.0, "b": 0.01}
    assert "".join(order) == "abbabab" + "b"  # a call of a takes so long that the first one counts
    assert repeated(lambda: None)(3) >= 0


def test_the_rate_counts_every_thread() -> None:
    products = Products(2)
    products()
    assert products.rate(1.0) == 2 * 2 * 768**3
    products.close()


def test_two_threads_slower_than_one_are_measured_again() -> None:
    two = replace(LARGE, threads=2)
    steps = {LARGE: Step(LARGE, 1.0, 1.0, 1.0), two: Step(two, 1.0, 1.3, 1.0)}
    assert training._disturbed(two, steps)
    assert not training._disturbed(LARGE, steps)
    assert not training._disturbed(two, {two: steps[two]})


def test_steps_are_summed_up() -> None:
    assert geometric_mean([1.0, 4.0]) == pytest.approx(2.0)
    step, large = report.compared_steps(STEPS)
    assert [step.ratio, step.low, step.high] == pytest.approx([2.0, 1.0, 4.0])
    assert large.peers == {"its matrix products alone": pytest.approx(0.008)}
    text = report.summary(STEPS)
    assert "2.00 times as long as ours" in text
    assert "1.25 times its products alone" in text
    assert report.grid_csv(STEPS).splitlines()[1] == "16,1,24,1,1,1,1,4,0.1"
    alone = [replace(one, torch=None) for one in STEPS]
    assert report.compared_steps(alone)[0].ratio is None
    assert report.grid_csv(alone).splitlines()[1] == "16,1,24,1,1,1,1,,0.1"


def test_forecasts_and_processes_become_rows() -> None:
    shape = next(iter(forecasting.SHAPES))
    rows = report.compared_forecasts(
        [
            Forecasts(shape, 1, 1, {"ours": 1e-4, "torch": 4e-4}),
            Forecasts(shape, 1000, 2, {"ours": 0.03}),
            Forecasts(shape, 1000, 1, {"ours": 0.06}),
            Forecasts(ALL, 1, 2, {"ours": 4e-4, FRAMES: 2e-3, "neuralforecast": 0.012}),
        ]
    )
    keys = ["one_network", "many_network", "many_network_one_thread", "one_forecast", "one_forecast_frames"]
    assert [row.key for row in rows] == keys
    assert rows[0].peers == {"PyTorch": 4e-4}
    assert rows[-1].ratio == pytest.approx(6.0)
    whole, default = report.compared_processes(Processes(Run(2.0, 4.0), Run(8.0, 4.0, 75), Run(60.0, 4.5, 1000)))
    assert (whole.ratio, default.ratio) == (4.0, 30.0)
    assert whole.note == "sMAPE 4.0 % and 4.0 % (75 steps)"
    assert smape([1.0, 1.0], [1.0, 3.0]) == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(116.4e-6, "116 µs"), (0.0347, "35 ms"), (0.42, "0.42 s"), (2.04, "2 s"), (40.8, "41 s")]
)
def test_durations_are_rounded_for_readers(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_comparisons_come_back_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    assert load_comparisons("kernels") is None
    save("kernels", REPORT)
    assert load_comparisons("kernels") == REPORT


def test_the_table_holds_what_was_measured_beside_others() -> None:
    block = peers_block(REPORT)
    assert "| Training step | 2 ms | PyTorch 5 ms | 2.5 (1.04 to 18) |" in block
    assert "| Forecast 1 series | 116 µs | PyTorch 471 µs, ONNX Runtime 137 µs | 1.18 |" in block
    assert "| Forecast 1,000 series | 35 ms | not installed |  |" in block
    assert "| Train and forecast: sMAPE 4.1 % and 4.5 % | 2 s | NeuralForecast 41 s | 20 |" in block
    assert "| warm 0.42 s | | |" in block
    assert "Not in the README" not in block
    assert "A chip, 2 cores, Numba 0.68.1, PyTorch 2.13, ONNX Runtime not installed, NeuralForecast 3" in block
    assert "python -m benchmarks.kernels" in peers_block(None)


def test_only_what_is_between_the_markers_changes() -> None:
    text = f"before\n{PEERS_BEGIN}\nold\n{PEERS_END}\nafter\n"
    assert with_peers(text, REPORT) == f"before\n{PEERS_BEGIN}\n{peers_block(REPORT)}\n{PEERS_END}\nafter\n"


def test_the_readme_shows_the_comparisons_that_were_measured() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_peers(text, load_comparisons("kernels")) == text, "run: python -m benchmarks.tables"
