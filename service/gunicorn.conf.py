"""How gunicorn runs the service; every choice is a setting of service/settings.py or explained here."""  # noqa: N999 - gunicorn looks for this name

from __future__ import annotations

import importlib
import sys
from typing import Any

import service.app  # noqa: F401 - imported once here, before the fork, and not by each worker
from forecaster import ConfigError
from service.auth import share_memory
from service.keys import check_door
from service.logs import log_config
from service.metrics import folder
from service.settings import Settings

try:
    _settings = Settings.from_environment()
    check_door(_settings)
except ConfigError as error:  # gunicorn would print a traceback
    sys.stderr.write(f"error: {error}\n")
    sys.exit(2)

wsgi_app = "service.wsgi:app"
bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
worker_class = "service.gunicorn_worker.Worker"
workers = _settings.worker_count
threads = _settings.threads
# Each worker loads the models itself: they are small, and code that runs before a fork is a source of deadlocks.
preload_app = False
# A heartbeat of the worker, not a limit on requests; a worker that compiles its kernels meanwhile is slow, and alive.
timeout = 120
graceful_timeout = _settings.graceful_timeout
max_requests = 0
keepalive = 5
worker_connections = 1_000  # each may hold 128 KiB of a request that is still arriving
# A request's head: its line, and as many header fields as a program has reason to send.
limit_request_line = 4_094
limit_request_fields = 64
limit_request_field_size = 8_190
# A proxy on this machine may say that it was reached by https, which is shown on the page at the root; nobody may say
# anything about paths.
forwarded_allow_ips = "127.0.0.1,::1"
forwarder_headers = ""
header_map = "drop"  # X_Name would become the same variable as X-Name
sendfile = False  # files too are sent at the client's pace, which is watched
# The heartbeat touches a file: on a disk under load that can block for longer than the timeout.
worker_tmp_dir = "/dev/shm" if folder.can_hold_files("/dev/shm") else None  # noqa: S108 - gunicorn makes a name in it
# It wants a writable home, which a container with a read-only root has not.
control_socket_disable = True
accesslog = None  # the service writes its own line for each request
logconfig_dict = log_config(_settings.log_level)
proc_name = "forecaster"

# The workers share their metrics through files in a folder, which the environment names before any of them starts.
folder.open_folder()
importlib.import_module("prometheus_client")  # now that the folder has a name, and once for all workers


def on_starting(server: Any) -> None:  # noqa: ARG001 - gunicorn's
    """Make what all workers are to have in common."""
    share_memory()


def pre_fork(server: Any, worker: Any) -> None:
    """Give a number to the worker that is about to be started: metrics know it by that, not by its process id."""
    worker.place = folder.free_place({other.place for other in server.WORKERS.values()})


def post_fork(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's
    """Make the files of the worker, in the worker."""
    folder.claim(worker.place)


def child_exit(server: Any, worker: Any) -> None:  # noqa: ARG001 - gunicorn's
    """Keep what a worker that has ended counted."""
    folder.bury(worker.pid)


def on_exit(server: Any) -> None:  # noqa: ARG001 - gunicorn's
    """Leave nothing behind."""
    folder.close_folder()
