"""``python -P -m service.jobs.worker``: a job worker, with settings from the environment, until SIGTERM.

What it needs is imported when it runs: each process of a job imports this module again, and none of them needs it.
"""

from __future__ import annotations

import logging
import logging.config
import os
import signal
import sys
from typing import TYPE_CHECKING

from forecaster import ConfigError
from service.logs import frames_of, log_config
from service.settings import Settings

if TYPE_CHECKING:
    from service.jobs.ending import Ending
    from service.jobs.leases import Leases

__all__ = ["main"]

logger = logging.getLogger("service.jobs.worker")  # not __main__, of which nobody hears


def main() -> int:
    """Work until SIGTERM or SIGINT; return the exit code."""
    os.environ.setdefault("FORECASTER_CPU_LEVEL", "auto")  # this process and its children are ours
    try:
        settings = Settings.from_environment()
        return _work(settings)
    except ConfigError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2


def _work(settings: Settings) -> int:
    from service.jobs.child import prepare_processes
    from service.jobs.ending import Ending
    from service.jobs.files import JobFiles
    from service.jobs.working import Worker

    logging.config.dictConfig(log_config(settings.log_level))
    ending = Ending().on_signals(signal.SIGTERM, signal.SIGINT)
    try:
        prepare_processes()
    except OSError as error:
        told = {"error": type(error).__name__, "reason": error.strerror or str(error)}
        logger.error("no process of a job can be started: give it a folder for temporary files", extra={"fields": told})
        return 1
    leases = _opened(settings, ending)
    if leases is not None:
        worker = Worker(settings, leases, JobFiles(settings), ending)
        logger.info("job worker started", extra={"fields": {"worker": worker.name}})
        try:
            worker.run()
        except Exception as error:  # noqa: BLE001 - a traceback on stderr could hold a user's values
            fields = {"worker": worker.name, "error": type(error).__name__, "at": frames_of(error)}
            logger.critical("job worker failed", extra={"fields": fields})
            return 1
        leases.close()
        logger.info("job worker ended", extra={"fields": {"worker": worker.name}})
    return 0


def _opened(settings: Settings, ending: Ending) -> Leases | None:
    """Return the jobs as soon as their database answers; None if the worker is to end before."""
    from service.jobs.database import DATABASE_ERRORS, fault_fields, open_database
    from service.jobs.files import JobFiles
    from service.jobs.leases import Leases
    from service.jobs.working import LONGEST_PAUSE

    pause = 0.5
    while not ending:
        try:
            JobFiles(settings).open()
            kept = settings.retention_hours * 3_600
            return Leases(open_database(settings), attempts=settings.job_attempts, kept_seconds=kept)
        except DATABASE_ERRORS as error:
            fields = {"retry_seconds": pause} | fault_fields(error)
            logger.error("the jobs' database cannot be opened", extra={"fields": fields})
        ending.wait(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)
    return None


if __name__ == "__main__":
    sys.exit(main())
