"""Whole actions on a Ray cluster of this machine whose workers and nodes are killed in the middle: the same numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecaster import forecast_file, tune
from forecaster.cli import run
from forecaster.raycluster import Ray
from tests import clusters
from tests.examples import TINY, bits_of, tiny, trained, weekly

clusters.need_ray()


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.Nodes]:
    """A head and two nodes of one processor each; a test that kills one adds another before."""
    with clusters.nodes(2) as running:
        yield running


@pytest.fixture
def executor(cluster: clusters.Nodes) -> Iterator[Ray]:
    """An executor on the cluster, whose workers start with the test: for seconds they are seen at work."""
    with cluster.executor() as connected:
        yield connected


class Killer:
    """Kills a worker, and a moment later a node if it is to, while the block is at work."""

    def __init__(self, cluster: clusters.Nodes, *, nodes: bool = True) -> None:
        self.cluster, self.nodes, self.killed = cluster, nodes, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set() and not self.killed:
            time.sleep(0.05)
            for pid in self.cluster.workers_at_work()[:1]:
                clusters.kill_worker(pid)
                self.killed += 1
        if self.nodes and not self._over.wait(0.5):
            self.cluster.kill_node()
            self.killed += 1

    def __enter__(self) -> Killer:
        if self.nodes:
            self.cluster.add()  # from the main thread, or Ray refuses
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_a_backtest(cluster: clusters.Nodes, executor: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    panel = weekly(9)
    alone = tiny().backtest(panel, refit=True, n_windows=6, step_size=1)
    monkeypatch.setattr("forecaster.backtest._LEAST_SERIES", 2)
    with Killer(cluster) as killer:
        beside = tiny().backtest(panel, refit=True, n_windows=6, step_size=1, executor=executor)
    assert killer.killed == 2
    pd.testing.assert_frame_equal(alone.frame(), beside.frame(), check_exact=True)
    assert repr(alone.table) == repr(beside.table)


def test_the_networks_of_an_ensemble(executor: Ray) -> None:
    alone = tiny(network=[TINY] * 3).fit(weekly())
    beside = tiny(network=[TINY] * 3).fit(weekly(), executor=executor)
    assert bits_of(alone) == bits_of(beside)
    assert alone.info["calibration"] == beside.info["calibration"]


def test_a_search_for_settings(executor: Ray, tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason='Optuna is not installed: pip install "forecaster[tune]"')
    asked: dict[str, Any] = {"h": 3, "trials": 4, "steps": 5, "n_windows": 2, "space": {"hidden": [4], "layers": [1]}}
    alone = tune(weekly(), **asked)
    beside = tune(weekly(), **asked, executor=executor, study=tmp_path / "s.study")
    assert alone.table == beside.table
    assert bits_of(alone.model) == bits_of(beside.model)


@pytest.mark.parametrize("form", [".csv", ".parquet"])
@pytest.mark.parametrize("scattered", [False, True])
def test_a_file(
    form: str, scattered: bool, cluster: clusters.Nodes, executor: Ray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte; one of each pair of runs loses a worker and a node, the other only workers."""
    monkeypatch.setattr("forecaster.batch.reading._LITTLE", 0)
    monkeypatch.setattr("forecaster.batch.sizes._MOST_SERIES", 40)
    rows = pd.concat(
        [
            pd.DataFrame({"unique_id": f"{part}-{name}", "ds": panel.times(i), "y": panel.series(i)})
            for part in range(25)
            for panel in [weekly(40, 30, seed=part)]
            for i, name in enumerate(panel.ids)
        ]
    )
    rows = rows.sample(frac=1, random_state=0) if scattered else rows
    rows.to_csv(tmp_path / "in.csv", index=False)
    alone = forecast_file(trained(), tmp_path / "in.csv", tmp_path / f"alone{form}", executor="serial")
    nodes = form == ".csv" and not scattered
    with Killer(cluster, nodes=nodes) as killer:
        beside = forecast_file(trained(), tmp_path / "in.csv", tmp_path / f"beside{form}", executor=executor)
    assert killer.killed
    assert (
        (beside.series, beside.skipped, beside.rows)
        == (alone.series, alone.skipped, alone.rows)
        == (1000, 0, len(rows))
    )
    contents = [(tmp_path / f"{name}{form}").read_bytes() for name in ("alone", "beside")]
    assert contents[0] == contents[1]


def test_the_command(cluster: clusters.Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cluster that RAY_ADDRESS names does it; a series without a forecast is named, and the exit code tells."""
    monkeypatch.setenv("RAY_ADDRESS", cluster.cluster.address)
    panel = weekly(10, 30)
    rows = [
        pd.DataFrame({"unique_id": name, "ds": panel.times(i), "y": panel.series(i)})
        for i, name in enumerate(panel.ids)
    ]
    short = pd.DataFrame({"unique_id": ["short"], "ds": [panel.times(0)[0]], "y": [1.0]})
    pd.concat([*rows, short]).to_csv(tmp_path / "in.csv", index=False)
    trained().save(tmp_path / "model")
    codes, contents = [], []
    for executor in ("serial", "ray"):
        output = tmp_path / f"{executor}.csv"
        codes.append(
            run(
                [
                    "predict",
                    str(tmp_path / "model"),
                    str(tmp_path / "in.csv"),
                    "--output",
                    str(output),
                    "--executor",
                    executor,
                ]
            )
        )
        contents.append((output.read_bytes(), Path(f"{output}.errors.csv").read_bytes()))
    assert codes == [3, 3]
    assert contents[0] == contents[1]
