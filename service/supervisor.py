"""The parent of the processes of ``forecaster serve``: gunicorn, and beside it the workers of jobs.

It starts them, starts job workers again that have died, passes signals on, and ends all when gunicorn ends. It loads
neither NumPy nor the web framework. Should it be killed, its children get SIGTERM from the kernel.

The first SIGTERM or SIGINT lets the service drain and then stop, each further one takes it a step on at once: gunicorn
stops and finishes what it has begun, stops without, is killed.

What is imported here at the top takes a few milliseconds, by which the API is ready later; the rest comes after the API
has been started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False  # as in typing, which takes as long to import as all of the above
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from logging import Logger

    from service.settings import Settings

__all__ = ["API", "JOB_WORKER", "Supervisor"]

API = ("-P", "-m", "gunicorn", "-c", os.path.join(os.path.dirname(__file__), "gunicorn.conf.py"), "service.wsgi:app")  # noqa: PTH118, PTH120 - pathlib takes another few milliseconds
JOB_WORKER = ("-P", "-m", "service.jobs.worker")
"""What this Python runs."""

VARIABLE = "SERVICE_DRAIN_PIPE"
"""Where the number of the pipe is told, whose other end this process holds until the service is to stop."""

HEARD = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD}
HEAD_START = 1.0
"""Seconds before job workers are started: the API is to be ready first."""
SHORTEST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
LONG_LIFE = 60.0
"""Seconds after which a job worker that ends has not failed at its start, and is replaced without a long pause."""
TIME_TO_NOTICE = 10.0
"""Seconds that gunicorn has beyond its own limit."""
TIME_TO_QUIT = 5.0

_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36  # linux/prctl.h
_prctl = ctypes.CDLL(None).prctl


class _JobWorker:
    """A place for a job worker: its process, or when the next one is started."""

    def __init__(self, due: float) -> None:
        self.due = due
        self.pid = 0
        self.began = 0.0
        self.pause = SHORTEST_PAUSE


class Supervisor:
    """Runs one service, whose settings are in the environment, until it ends.

    Parameters
    ----------
    api, job_worker
        What this Python runs as the API and as a worker of jobs.
    """

    def __init__(self, *, api: Sequence[str] = API, job_worker: Sequence[str] = JOB_WORKER) -> None:
        self._commands = (api, job_worker)
        self._api = 0
        self._code = 0
        self._jobs: list[_JobWorker] = []
        self._steps: tuple[tuple[Callable[[], None], float], ...] = ()
        self._step = 0
        self._next_step = float("inf")

    def run(self) -> int:
        """Run the service and return gunicorn's exit code, or 128 and the signal that ended it."""
        signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
        _prctl(_SET_SUBREAPER, 1)  # what outlives its parent comes to this process, as to the first of a container
        watched, self._drain_pipe = os.pipe()
        os.set_inheritable(watched, True)
        os.environ[VARIABLE] = str(watched)
        self._api = _started(self._commands[0])
        self._log, settings = _room()
        if settings is None:  # gunicorn says what is wrong with the settings, and ends
            return os.waitstatus_to_exitcode(os.waitpid(self._api, 0)[1])
        self._steps = (
            (self._drain, settings.drain_seconds),
            (lambda: self._send(signal.SIGTERM), settings.graceful_timeout + TIME_TO_NOTICE),
            (lambda: self._send(signal.SIGQUIT), TIME_TO_QUIT),
            (self._kill, TIME_TO_QUIT),
        )
        self._grace = settings.graceful_timeout
        self._jobs = [_JobWorker(time.monotonic() + HEAD_START) for _ in range(self._job_workers(settings))]
        while self._api or any(worker.pid for worker in self._jobs):
            self._turn()
        self._see_off()
        return self._code

    def _job_workers(self, settings: Settings) -> int:
        """Return how many workers of jobs there are to be; none can work where nothing can be kept."""
        folder = settings.state_folder
        with suppress(OSError):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if settings.job_workers and not os.access(folder, os.W_OK | os.X_OK):
            self._log.warning("no job worker is started: the folder %s (FORECASTER_STATE) cannot be written", folder)
            return 0
        return settings.job_workers

    def _turn(self) -> None:
        """Wait for a signal or until something is due, and act on it."""
        moments = [self._next_step, *(worker.due for worker in self._jobs if not worker.pid)]
        patience = min(max(0.0, min(moments) - time.monotonic()), 3600.0)
        heard = signal.sigtimedwait(HEARD, patience)
        if heard is not None:
            self._hear(signal.Signals(heard.si_signo))
        self._reap()
        now = time.monotonic()
        if now >= self._next_step:
            self._advance()
        for worker in self._jobs:
            if not worker.pid and worker.due <= now:
                worker.pid, worker.began = _started(self._commands[1]), now

    def _hear(self, number: signal.Signals) -> None:
        is_hangup = number == signal.SIGHUP and os.isatty(0)  # the terminal is gone; elsewhere it means: load again
        if number in {signal.SIGTERM, signal.SIGINT} or is_hangup:
            if self._step == 0 and number == signal.SIGINT and os.isatty(2):
                sys.stderr.write("\nStopping. Ctrl-C again stops at once.\n")
            self._advance()
        elif number != signal.SIGCHLD and self._api:
            os.kill(self._api, number)

    # --- stopping, step by step

    def _advance(self) -> None:
        act, patience = self._steps[min(self._step, len(self._steps) - 1)]
        self._step += 1
        self._next_step = time.monotonic() + patience
        act()

    def _drain(self) -> None:
        """Let readiness fail, and job workers end: they would only begin what they cannot finish."""
        os.close(self._drain_pipe)
        for worker in self._jobs:
            worker.due = float("inf")
            if worker.pid:
                os.kill(worker.pid, signal.SIGTERM)

    def _send(self, number: signal.Signals) -> None:
        if self._api:
            os.kill(self._api, number)

    def _kill(self) -> None:
        for pid in filter(None, (self._api, *(worker.pid for worker in self._jobs))):
            _kill_group(pid)

    # --- children

    def _reap(self) -> None:
        """Take note of the children that have ended, and end what they have left of their own."""
        with suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                pid = ended.si_pid
                workers = [worker for worker in self._jobs if worker.pid == pid]
                if workers or pid == self._api:
                    _kill_group(pid)  # before it is reaped, since then its number may be given anew
                code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                for worker in workers:
                    self._job_worker_ended(worker, code)
                if pid == self._api:
                    self._api_ended(code)

    def _see_off(self) -> None:
        """Return when those have ended that were killed with their group: nobody finds one alive after this process."""
        end = time.monotonic() + TIME_TO_QUIT
        with suppress(ChildProcessError):
            while (left := end - time.monotonic()) > 0:
                os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)  # raises when there is none
                self._reap()
                signal.sigtimedwait({signal.SIGCHLD}, min(left, 0.1))

    def _api_ended(self, code: int) -> None:
        self._api, self._code = 0, code if code >= 0 else 128 - code
        if self._step == 0:
            self._advance()
        self._step = len(self._steps) - 1
        self._next_step = time.monotonic() + self._grace  # of the job workers

    def _job_worker_ended(self, worker: _JobWorker, code: int) -> None:
        now, pid = time.monotonic(), worker.pid
        worker.pid = 0
        if self._step:
            return
        pause = SHORTEST_PAUSE if now - worker.began >= LONG_LIFE else worker.pause
        worker.due, worker.pause = now + pause, min(2 * pause, LONGEST_PAUSE)
        fields = {"pid": pid, "code": code, "seconds": pause}
        self._log.warning("a job worker ended and is started again", extra={"fields": fields})


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):  # it has not come as far as to have a session
        os.killpg(pid, signal.SIGKILL)


def _started(command: Sequence[str]) -> int:
    """Start a process of this Python in a session of its own, where no key of the terminal reaches it."""
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() == parent:  # else it died before
            signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
            os.execv(sys.executable, [sys.executable, *command])  # noqa: S606 - no shell is wanted
    finally:
        os._exit(127)


def _room() -> tuple[Logger, Settings | None]:
    """Return the log, and the settings unless they cannot be."""
    import logging

    from forecaster import ConfigError
    from service.logs import JsonFormatter
    from service.settings import Settings

    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("service.supervisor")
    logger.addHandler(handler)
    try:
        settings = Settings.from_environment()
        settings.state_folder  # noqa: B018 - there may be none
    except ConfigError:
        return logger, None
    logger.setLevel(settings.log_level)
    return logger, settings


if __name__ == "__main__":
    sys.exit(Supervisor().run())
