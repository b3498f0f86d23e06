"""Whole actions on a Ray cluster of this machine whose workers and nodes are killed in the middle: the same numbers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from forecaster import tune
from forecaster.raycluster import Ray
from tests import clusters
from tests.examples import TINY, bits_of, tiny, weekly

clusters.need_ray()


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.Nodes]:
    """A head and three nodes of one processor each, one of which is to die."""
    with clusters.nodes(3) as running:
        yield running


@pytest.fixture
def executor(cluster: clusters.Nodes) -> Iterator[Ray]:
    """An executor on the cluster."""
    with cluster.executor() as connected:
        yield connected


class Killer:
    """Kills a worker, and a moment later a node, while the block is at work."""

    def __init__(self, cluster: clusters.Nodes) -> None:
        self.cluster, self.killed = cluster, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._over.is_set() and not self.killed:
            time.sleep(0.05)
            for pid in self.cluster.workers_at_work()[:1]:
                clusters.kill_worker(pid)
                self.killed += 1
        if not self._over.wait(2.0):
            self.cluster.kill_node()
            self.killed += 1

    def __enter__(self) -> Killer:
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
