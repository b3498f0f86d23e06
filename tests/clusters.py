"""Ray clusters of several nodes on this machine, for the tests; small, quiet, and ended by who began them."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from forecaster.raycluster import Ray

STORE_BYTES = 78_643_200
"""Of the object store of a node: the least that Ray takes."""
HEALTH = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 5}
"""How soon a node that was killed is missed: after a few seconds instead of fifteen. One that lives has as long for its
answer as ever, ten seconds, so that a busy machine loses none."""


def need_ray() -> None:
    """Skip a module of tests where Ray is not installed."""
    pytest.importorskip("ray", reason="Ray is not installed: make test SCALE=1")
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # else Ray warns, which the tests take for an error


class Nodes:
    """A cluster whose head has no processor for work, and nodes that can be added and killed."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {**self._arguments(cpus=0), "_system_config": HEALTH}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes: list[Any] = []

    @staticmethod
    def _arguments(cpus: int) -> dict[str, Any]:
        return {
            "num_cpus": cpus,
            "object_store_memory": STORE_BYTES,
            "include_dashboard": False,
            "node_ip_address": "127.0.0.2",  # loopback; 127.0.0.1 Ray takes for the machine's outer address
        }

    def add(self, count: int = 1, *, cpus: int = 1) -> None:
        """Add nodes."""
        self.nodes += [self.cluster.add_node(**self._arguments(cpus)) for _ in range(count)]

    def kill_node(self) -> None:
        """Kill the oldest node that is not the head: its processes get no chance to say so."""
        self.cluster.remove_node(self.nodes.pop(0), allow_graceful=False)

    def workers_at_work(self) -> list[int]:
        """Return the worker processes of this cluster that have a piece of this package's work."""
        raylets = {one.process.pid for node in self.nodes for one in node.all_processes["raylet"]}
        found = []
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                parent = int((command.parent / "stat").read_text().rpartition(")")[2].split()[1])
                if parent in raylets and command.read_bytes().startswith(b"ray::_piece"):
                    found.append(int(command.parent.name))
        return found

    def executor(self, **options: Any) -> Ray:
        """Return an executor on this cluster."""
        return Ray(address=self.cluster.address, **options)


@contextmanager
def nodes(count: int = 2) -> Iterator[Nodes]:
    """Give a cluster of so many nodes beside its head."""
    running = Nodes()
    try:
        running.add(count)
        running.cluster.wait_for_nodes()
        yield running
    finally:
        running.cluster.shutdown()


def kill_worker(pid: int) -> None:
    """Kill a worker process."""
    os.kill(pid, signal.SIGKILL)
