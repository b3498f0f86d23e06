"""The executor on Ray: a cluster that ``RAY_ADDRESS`` names, or processes of this machine.

Imported only where it is asked for. What all pieces share lies once in the object store of each machine, and each
worker keeps what it has read of it. A piece whose worker or machine dies is done again elsewhere: it is a function of
its item and of what is shared, so the second time gives the same.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import time
import traceback
import warnings
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self, TypeVar

from forecaster import __version__
from forecaster.errors import ExecutorError, ForecasterError, MissingExtraError

Item = TypeVar("Item")
Result = TypeVar("Result")

ADDRESS = "RAY_ADDRESS"

RETRIES = 5
"""How often a piece is done again whose worker or machine died."""

_STORE_BYTES = 512 * 2**20
"""Of the object store of a Ray of this machine; what is beyond it goes to the disk."""

_KEPT = 8
"""Shared values that are kept, by the driver and by each worker: more than any action has."""

_SECONDS_BETWEEN_LOOKS = 5.0
"""After which a cluster is asked again how many processors it has: it may have grown."""

_SECONDS_TO_ANSWER = 10.0
"""Within which somebody has to listen where a cluster is said to be."""

_SAME_NUMBERS = ("FORECASTER_ENGINE", "FORECASTER_CPU_LEVEL")
"""What workers are to have as the driver has it: numbers depend on it in their last digits."""


def need_ray() -> Any:
    """Return the package of Ray.

    Raises
    ------
    MissingExtraError
        It is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError(
            'The executor "ray" needs Ray, which is not installed: pip install "forecaster[ray]", or choose threads.'
        ) from error
    return ray


class Ray:
    """Runs items as tasks of Ray; each takes one processor.

    A Ray that this process is connected to already is used and left running; otherwise one is connected to, or begun,
    and ended with the executor.

    Parameters
    ----------
    workers : int, optional
        Pieces that run at once; by default one for each processor of the cluster.
    address : str, optional
        Of a cluster, by default that of ``RAY_ADDRESS``; without either, a Ray of this machine is begun, which listens
        on loopback only.
    usual : int
        Processors of a Ray that is begun, unless `workers` says otherwise.
    retries : int
        How often a piece is done again whose worker or machine died.

    Raises
    ------
    MissingExtraError
        Ray is not installed.
    ExecutorError
        The cluster does not answer.
    """

    threads_each = 1
    is_here = False

    def __init__(
        self, workers: int | None = None, *, address: str | None = None, usual: int = 1, retries: int = RETRIES
    ) -> None:
        self._ray = need_ray()
        self._retries = retries
        address = address or os.environ.get(ADDRESS, "").strip()
        self._is_ours = not self._ray.is_initialized()
        alone = self._is_ours and address in ("", "local")
        if self._is_ours:
            _connect(self._ray, None if alone else address, workers or usual)
        self._most = None if alone else workers  # a Ray of our own has no more processors than were asked for
        self._task = self._ray.remote(_piece).options(
            num_cpus=1, max_retries=retries, runtime_env=None if alone else _environment()
        )
        self._put: OrderedDict[int, tuple[Any, Any]] = OrderedDict()
        self._seen, self._looked = 0, 0.0

    @property
    def workers(self) -> int:
        """Pieces that run at once: the cluster's processors, as many as were asked for at the most."""
        if time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS or not self._seen:
            self._seen, self._looked = int(self._ray.cluster_resources().get("CPU", 0)), time.monotonic()
        return max(1, min(self._seen, self._most or self._seen))

    def map(
        self, function: Callable[..., Result], items: Iterable[Item], *, shared: Sequence[Any] = ()
    ) -> list[Result]:
        """Return ``[function(item, *shared) for item in items]``."""
        return list(self.stream(function, items, shared=shared))

    def stream(
        self,
        function: Callable[..., Result],
        items: Iterable[Item],
        *,
        shared: Sequence[Any] = (),
        ahead: int | None = None,
    ) -> Iterator[Result]:
        """Yield ``function(item, *shared)`` for each item; at most `ahead` are under way or wait to be taken.

        By default that is twice as many as there are workers; where fewer workers were asked for than there are, as
        many as those. What is left when the reader of the results stops, by an error or Ctrl-C, is called off.

        Raises
        ------
        ExecutorError
            A piece came to no end, however often it was tried.
        """
        common = [self._ray.put(function), *map(self._shared, shared)]
        pending: deque[Any] = deque()
        try:
            for item in items:
                pending.append(self._task.remote(__version__, common, item))
                while len(pending) >= (ahead or self._ahead()):
                    yield self._taken(pending.popleft())
            while pending:
                yield self._taken(pending.popleft())
        finally:
            self._call_off(pending)

    def _ahead(self) -> int:
        return self._most or 2 * self.workers

    def _shared(self, value: Any) -> Any:
        """Return the reference of a value in the object store, where it is put once."""
        key = id(value)
        if key not in self._put:
            self._put[key] = value, self._ray.put(value)  # the value too, so that its id stays its own
            if len(self._put) > _KEPT:
                self._put.popitem(last=False)
        self._put.move_to_end(key)
        return self._put[key][1]

    def _taken(self, reference: Any) -> Any:
        """Return the result of a piece, or raise what it raised, as if it had run here."""
        try:
            outcome = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            raise self._without_result(error) from error
        for message in outcome.warnings:
            warnings.warn(message, UserWarning, stacklevel=4)
        if outcome.error is not None:
            raise outcome.error
        return outcome.result

    def _without_result(self, error: Exception) -> ExecutorError:
        """Return what to say where a piece has neither a result nor an error of its own."""
        if isinstance(error, self._ray.exceptions.RayTaskError):
            return ExecutorError(
                f"A piece of work could not be sent to a worker or back: {str(error).splitlines()[-1]} Every machine "
                "of the cluster needs the packages that the driver has."
            )
        reason = f"{type(error).__name__}: {str(error).splitlines()[0]}"
        return ExecutorError(
            f"A piece of work came to no end on the cluster, begun {self._retries + 1} times at the most. {reason} If "
            "its workers lack memory, give them more, or make the pieces smaller."
        )

    def _call_off(self, pending: Iterable[Any]) -> None:
        """Call off what nobody waits for any more."""
        for reference in pending:
            with contextlib.suppress(self._ray.exceptions.RayError, ValueError):
                self._ray.cancel(reference)

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the cluster; one that was begun here is ended."""
        self._put.clear()
        if self._is_ours:
            self._ray.shutdown()


def _connect(ray: Any, address: str | None, cpus: int) -> None:
    """Connect to the cluster at `address`, or begin a Ray of this machine."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # else it warns of what it will do some day
    quiet = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address is not None:
            _check_answers(address)
            ray.init(address=address, **quiet)
        else:
            with _loopback():
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    object_store_memory=_STORE_BYTES,
                    include_dashboard=False,
                    **quiet,
                )
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        where = "a Ray of this machine" if address is None else f"the Ray cluster at {address} ({ADDRESS})"
        raise ExecutorError(
            f"Expected {where} to answer: {str(error).splitlines()[0]} Check that it runs, or choose threads."
        ) from error


@contextlib.contextmanager
def _loopback() -> Iterator[None]:
    """Have a Ray that is begun listen on loopback alone, as Ray itself does on systems it knows no clusters for.

    Else its processes listen on every address, and whoever reaches them may run what they like.
    """
    constants: Any = importlib.import_module("ray._private.ray_constants")
    variable, before = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", constants.ENABLE_RAY_CLUSTER
    said = os.environ.get(variable)
    os.environ[variable] = "0"  # for its processes, which have it from this one
    constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = before
        del os.environ[variable]
        if said is not None:
            os.environ[variable] = said


def _check_answers(address: str) -> None:
    """Raise OSError if nobody listens at `address`, such as ``10.0.0.1:6379``; Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if "://" not in address and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_ANSWER).close()


def _environment() -> dict[str, Any] | None:
    variables = {name: os.environ[name] for name in _SAME_NUMBERS if os.environ.get(name)}
    return {"env_vars": variables} if variables else None


# --- in a worker ------------------------------------------------------------------------------------------------------


class _Outcome(NamedTuple):
    """What came of a piece: its result or its error, and what it warned of."""

    result: Any
    error: Exception | None
    warnings: list[str]


_HELD: OrderedDict[str, Any] = OrderedDict()
"""Shared values that this worker has read, by their references."""


def _piece(version: str, common: list[Any], item: Any) -> _Outcome:
    """Do one piece of work in a worker."""
    if version != __version__:
        said = f"A machine of the cluster has forecaster {__version__}, the driver {version}. Install the same on all."
        return _Outcome(None, ExecutorError(said), [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        result, error = None, None
        try:
            function, *shared = map(_held, common)
            result = function(item, *shared)
        except Exception as raised:  # noqa: BLE001 - it is raised again where it is waited for
            error = raised
            if not isinstance(raised, ForecasterError):
                raised.add_note("In a worker:\n" + "".join(traceback.format_tb(raised.__traceback__)))
    return _Outcome(result, error, [str(one.message) for one in caught if one.category is UserWarning])


def _held(reference: Any) -> Any:
    key = reference.hex()
    if key not in _HELD:
        import ray

        _HELD[key] = ray.get(reference)
        while len(_HELD) > _KEPT:
            _HELD.popitem(last=False)
    _HELD.move_to_end(key)
    return _HELD[key]
