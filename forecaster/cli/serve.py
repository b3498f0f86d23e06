"""``forecaster serve``."""

from __future__ import annotations

import errno
import importlib
import importlib.util
import os
import socket
import sys
from pathlib import Path

import click

from forecaster.cli.options import FILE, example, models_folder, models_store
from forecaster.config import engine_choice
from forecaster.errors import ConfigError


@click.command(
    short_help="Serve forecasts over HTTP.",
    epilog=example(
        "forecaster train sales.csv --h 14 --model models/sales", "forecaster serve --models models --port 8000"
    ),
)
@click.option("--host", help="Address to listen on. [127.0.0.1]")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on. [8000]")
@click.option("--models", type=FILE, help="Folder whose sub-folders are the models. [models]")
@click.option("--workers", type=click.IntRange(1), help="Worker processes. [one a processor, 2 to 4]")
def serve(host: str | None, port: int | None, models: Path | None, workers: int | None) -> None:
    """Serve the models of a folder over HTTP until interrupted; where there are none, the base weights of the package.

    Options win over the environment variables FORECASTER_HOST, FORECASTER_PORT and so on.
    """
    given = {"HOST": host, "PORT": port, "MODELS": models, "WORKERS": workers}
    os.environ.update({f"FORECASTER_{name}": str(value) for name, value in given.items() if value is not None})
    folder = models_folder(None)
    _resolve("FORECASTER_MODELS", str(folder))
    for variable in ("FORECASTER_CACHE_DIR", "FORECASTER_STATE", "FORECASTER_KEYS"):
        _resolve(variable, "")
    check_address(os.environ.get("FORECASTER_HOST", ""), os.environ.get("FORECASTER_PORT", ""))
    engine_choice()
    if not os.environ.get("MODEL_STORE") and not models_store(str(folder), new=True).names():
        click.echo(f"No model in {folder}: forecasts come from the base weights of the package.", err=True)
    importlib.import_module("forecaster.kernels")  # settles the processor's level, here where a wrong one gets a line
    # Gunicorn puts its working folder first on the import path, where a stranger's "service" package could stand.
    os.chdir(service_folder().parent)
    command = [sys.executable, "-P", "-m", "service.supervisor"]
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted; the service takes this process's place and signals


def check_address(host: str, port: str) -> None:
    """Check that one can listen there; gunicorn would try for five seconds and then advise nothing.

    Parameters
    ----------
    host, port
        As the environment has them; empty for the default. A port that is no number is left to the service's settings.

    Raises
    ------
    ConfigError
        The port is in use, or the address is not one of this machine.
    """
    host, port = host.strip() or "127.0.0.1", port.strip() or "8000"
    if not port.isdecimal():
        return
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn: closed connections do not count
            trial.bind((host, int(port)))
    except OverflowError:
        return  # beyond 65535: the settings name the variable
    except (OSError, UnicodeError, TypeError) as error:  # the last two for a host that is no name at all
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise ConfigError(f"Port {port} of {host} is in use. Choose another with --port.") from None
        reason = getattr(error, "strerror", None) or "it is not the name of a machine"
        raise ConfigError(
            f"Cannot listen on {host}, port {port}: {reason}. Choose an address of this machine with --host, such as "
            "127.0.0.1, or a port from 1024 with --port."
        ) from None


def service_folder() -> Path:
    """Return where the package of the service is, without importing it.

    Raises
    ------
    ConfigError
        The service is not installed.
    """
    spec = importlib.util.find_spec("service")
    for folder in (spec and spec.submodule_search_locations) or ():
        if Path(folder, "supervisor.py").is_file():
            return Path(folder).absolute()
    raise ConfigError("The package 'service' of this project is not installed. Install forecaster again.")


def _resolve(variable: str, default: str) -> None:
    path = os.path.expanduser(os.environ.get(variable) or default)  # noqa: PTH111 - pathlib's fails without a home
    if path and not path.startswith("~"):  # else its home is not known, as the settings tell
        os.environ[variable] = str(Path(path).resolve())
