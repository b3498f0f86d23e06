"""The executor on Ray: a real cluster of several nodes on this machine, whose workers and nodes are killed."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from forecaster import ExecutorError, Forecaster, InputError, NetworkConfig, Panel
from forecaster.engine import Engine
from forecaster.executors import executor_of
from forecaster.loading import OTHER_LOADERS, Loader
from forecaster.network import ForecastNetwork
from forecaster.raycluster import Ray
from tests import clusters
from tests.examples import trained, weekly

clusters.need_ray()
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[clusters.Nodes]:
    """A head and two nodes of one processor each."""
    with clusters.nodes(2) as running:
        yield running


@pytest.fixture(scope="module")
def executor(cluster: clusters.Nodes) -> Iterator[Ray]:
    """An executor on the cluster, connected once: each connection starts workers of its own, which takes seconds."""
    with cluster.executor() as connected:
        yield connected


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of these tests: where a process is connected already, that is used."""
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with (
        pytest.raises(ExecutorError, match=r"the Ray cluster at 127\.0\.0\.1:1 \(RAY_ADDRESS\) to answer"),
        executor_of("ray"),
    ):
        pass


def test_results_come_in_the_order_of_the_items(executor: Ray) -> None:
    def work(item: int, more: int) -> int:
        import time as clock

        clock.sleep(0.05 * (item % 3))
        return item + more

    assert (executor.workers, executor.threads_each, executor.is_here) == (2, 1, False)
    assert executor.map(work, range(12), shared=(100,)) == [*range(100, 112)]
    assert [*executor.stream(work, range(5), shared=(1,), ahead=1)] == [*range(1, 6)]
    assert executor.map(work, [], shared=(1,)) == []


def test_back_pressure(executor: Ray) -> None:
    """What has been read and not been given back stays within what was asked for."""
    read: list[int] = []

    def items() -> Iterator[int]:
        for item in range(30):
            read.append(item)
            yield item

    for done, result in enumerate(executor.stream(abs, items(), ahead=3)):
        assert result == done
        assert len(read) <= done + 3
    assert executor._ahead() == 4


@pytest.mark.usefixtures("executor")
def test_what_is_shared_is_sent_to_a_node_once(cluster: clusters.Nodes) -> None:
    """And read by a worker once: each later piece, also of another map, finds the very same object."""
    executor = cluster.executor()  # on the same connection, and nothing sent by it yet
    big = np.arange(500_000.0)

    def place(_: int, shared: Any) -> tuple[int, int, bool]:
        return os.getpid(), id(shared), shared.flags.writeable

    first = executor.map(place, range(8), shared=(big,))
    second = executor.map(place, range(8), shared=(big,))
    assert len(set(first + second)) == len({pid for pid, *_ in first + second}) <= 2
    assert not any(writeable for *_, writeable in first), "all workers of a node see the same memory"
    assert len(executor._put) == 1


@pytest.mark.parametrize("error", [InputError("what", series="a", row=3), KeyError("k"), ZeroDivisionError("z")])
def test_an_error_is_raised_as_if_it_had_happened_here(error: Exception, executor: Ray) -> None:
    def fail(item: int) -> int:
        if item == 2:
            raise error
        return item

    came: list[int] = []
    with pytest.raises(type(error)) as caught:
        came.extend(executor.stream(fail, range(9)))
    assert came == [0, 1]
    assert str(caught.value) == str(error)
    if isinstance(error, InputError):
        assert isinstance(caught.value, InputError)
        assert (caught.value.series, caught.value.row) == ("a", 3)
    else:
        assert "in fail" in "".join(caught.value.__notes__), "where it happened in the worker"


def test_warnings_come_along(executor: Ray) -> None:
    def warn(item: int) -> None:
        warnings.warn(f"mind {item}", UserWarning, stacklevel=2)
        warnings.warn("of no concern", DeprecationWarning, stacklevel=2)

    with pytest.warns(UserWarning, match="mind") as caught:
        executor.map(warn, range(2))
    assert [str(one.message) for one in caught] == ["mind 0", "mind 1"]


def test_what_cannot_be_sent_is_an_error_that_says_so(executor: Ray) -> None:
    with pytest.raises(ExecutorError, match="could not be sent to a worker or back"):
        executor.map(lambda item: (one for one in range(item)), range(2))


def test_another_version_on_a_machine_is_refused(executor: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("forecaster.raycluster.__version__", "9.9.9")
    with pytest.raises(ExecutorError, match=r"has forecaster .*, the driver 9\.9\.9"):
        executor.map(abs, range(2))


def test_a_worker_and_a_node_may_die(cluster: clusters.Nodes, executor: Ray) -> None:
    """Results that lay on the node are made again too: each is too large to travel with the answer."""

    def work(item: int) -> tuple[int, Any]:
        import time as clock

        clock.sleep(0.2)
        return os.getpid(), np.full(50_000, float(item))

    came: list[float] = []
    for done, (pid, values) in enumerate(executor.stream(work, range(20), ahead=6)):
        came.append(values[0])
        if done == 2:
            clusters.kill_worker(pid)
        if done == 6:
            cluster.add()
            cluster.kill_node()
    assert came == [*range(20)]


@pytest.mark.usefixtures("executor")
def test_a_piece_that_kills_its_worker_is_given_up(cluster: clusters.Nodes) -> None:
    with cluster.executor(retries=1) as executor:
        with pytest.raises(ExecutorError, match=r"came to no end .*, begun 2 times at the most\. WorkerCrashedError"):
            executor.map(lambda _: os._exit(1), range(1))
        assert executor.map(abs, range(3)) == [0, 1, 2]


def test_a_stream_that_is_left_calls_the_rest_off(executor: Ray) -> None:
    def work(item: int) -> int:
        import time as clock

        clock.sleep(0 if item == 0 else 600)
        return item

    began = time.monotonic()
    stream = executor.stream(work, range(4))
    assert next(iter(stream)) == 0
    stream.close()  # type: ignore[attr-defined]  # a generator, as Ctrl-C leaves it
    assert executor.map(abs, range(3)) == [0, 1, 2]
    assert time.monotonic() - began < 500, "the processors are free again"


def test_the_driver_decides_how_workers_forecast(executor: Ray) -> None:
    assert executor.map(lambda _: os.environ.get("FORECASTER_ENGINE"), range(1)) == ["compiled"]


def test_forecasts_of_a_model_that_is_shared_are_the_same_to_the_bit(executor: Ray) -> None:
    model, panel = trained(), weekly(9, seed=3)

    def forecast(begin: int, shared: Forecaster, series: Panel) -> Any:
        return shared.forecast(series.select(range(begin, begin + 3))).point

    points = executor.map(forecast, (0, 3, 6), shared=(model, panel))
    assert_array_equal(np.concatenate(points), model.forecast(panel).point)


# --- a Ray of this machine, begun and ended by a process of its own ---------------------------------------------------

ALONE = """
import os, signal, sys, time
from forecaster.executors import executor_of
with executor_of("ray", workers=2) as executor:
    print(executor.workers, executor.map(abs, [-1, -2], shared=()), flush=True)
    print("ready", flush=True)
    executor.map(time.sleep, [15] * 40)
"""


@pytest.fixture
def alone() -> Iterator[subprocess.Popen[str]]:
    """A process with a Ray of its own, which is at work."""
    command = [sys.executable, "-c", ALONE]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT) as running:  # noqa: S603 - our own code
        assert running.stdout is not None
        assert [running.stdout.readline() for _ in range(2)] == ["2 [1, 2]\n", "ready\n"]
        yield running
        running.kill()


def family(pid: int) -> set[int]:
    """Return a process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            number, rest = int(status.parent.name), status.read_text().rpartition(")")[2].split()
            parents.setdefault(int(rest[1]), []).append(number)
    found = [pid]
    for one in found:
        found += parents.get(one, [])
    return set(found)


def listening(pids: set[int]) -> set[str]:
    """Return the addresses, in hexadecimal digits, that any of these processes listens on."""
    inodes = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(handle.readlink()).removeprefix("socket:[").removesuffix("]"))
    rows = [line.split() for name in ("tcp", "tcp6") for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes}


def wait_for_the_end_of(pids: set[int]) -> None:
    end = time.monotonic() + 180
    while left := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.2)


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_ray_of_this_machine_listens_on_loopback_and_ends_with_ctrl_c(alone: subprocess.Popen[str]) -> None:
    pids = family(alone.pid)
    assert len(pids) > 4
    heard = listening(pids)
    assert heard
    assert heard <= {"0100007F", "0000000000000000FFFF00000100007F"}
    alone.send_signal(signal.SIGINT)
    _, said = alone.communicate(timeout=180)
    assert said.splitlines()[-1] == "KeyboardInterrupt"
    wait_for_the_end_of(pids)


def test_a_ray_of_this_machine_ends_when_its_driver_is_killed(alone: subprocess.Popen[str]) -> None:
    """Two agents of Ray notice only after a minute: they are not waited for."""
    pids = family(alone.pid)
    agents = {pid for pid in pids if b"Agent" in Path(f"/proc/{pid}/cmdline").read_bytes()}
    assert len(agents) == 2
    alone.kill()
    alone.wait(timeout=180)
    wait_for_the_end_of(pids - agents)
    for pid in agents:
        os.kill(pid, signal.SIGKILL)


# --- what travels -----------------------------------------------------------------------------------------------------


def test_copies_of_a_network_and_of_an_engine() -> None:
    """What a worker gets: the weights at a cache line again, and as frozen as they were; kernels made ready."""
    model = trained()
    fitted = model._fitted
    assert fitted is not None
    for network in (fitted.engine.networks[0], Forecaster.pretrained("D")._ready().engine.networks[0]):
        copy = pickle.loads(pickle.dumps(network))  # noqa: S301 - our own
        assert_array_equal(copy.weights, network.weights)
        assert copy.weights.flags.writeable == network.weights.flags.writeable
        assert copy.memory.flags.writeable
        assert copy.memory.ctypes.data % 64 == 0
        copy.memory[0] += 1
        assert copy.weights[0] == copy.memory[0] != network.weights[0]
    panel = weekly(3)
    copied = pickle.loads(pickle.dumps(model))  # noqa: S301 - our own
    assert_array_equal(copied.forecast(panel).lower, model.forecast(panel).lower)


def test_a_copy_of_an_engine_has_the_kernels_of_its_own_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else workers would forecast with GRU cells by NumPy, and differ from the driver in the last digits."""
    loaded: list[str] = []
    untouched = Loader(lambda _before: loaded.append("lstm"))
    monkeypatch.setattr("forecaster.engine.LOADER", untouched)
    monkeypatch.setitem(OTHER_LOADERS, "gru", Loader(lambda _before: loaded.append("gru here")))
    config = NetworkConfig(cell="gru", hidden=4)
    engine = Engine([ForecastNetwork(config, horizon=2)])
    engine.load()
    sent = pickle.dumps(engine)
    monkeypatch.setitem(OTHER_LOADERS, "gru", Loader(lambda _before: loaded.append("gru in a worker")))
    pickle.loads(sent)  # noqa: S301 - our own
    assert loaded == ["gru here", "gru in a worker"]
