"""Settings of the service, read from environment variables that start with ``FORECASTER_``.

``python -m service settings`` prints them as the table in docs/operations.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from forecaster import ConfigError, usable_cpus

__all__ = ["Settings", "settings_table", "variable_of"]

PREFIX = "FORECASTER_"
MODELS = Path("models")
STATE = Path("~/.local/state/forecaster")
DATABASES = ("postgresql://", "postgresql+psycopg://", "postgres://", "sqlite:///")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def _setting(
    default: Any, text: str, *, low: int | None = None, high: int | None = None, shown: str = "", variable: str = ""
) -> Any:
    metadata = {"text": text, "low": low, "high": high, "shown": shown, "variable": variable}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can choose; `from_environment` reads it, construction checks it."""

    # Where it listens, and who is let in.
    host: str = _setting(
        "127.0.0.1",
        "Address to listen on. Without keys the service stays on this machine (see `FORECASTER_ALLOW_ANONYMOUS`); the "
        "container image sets `0.0.0.0`.",
    )
    port: int = _setting(8000, "Port to listen on.", low=1, high=65_535)
    allow_anonymous: bool = _setting(
        False,
        "`true`: listen on an address other than loopback though there are no keys, for whoever reaches it. The "
        "container image sets it, since what reaches a container is chosen where its port is published.",
        shown="`false`",
    )
    keys: Path | None = _setting(  # noqa: RUF009 - None never changes
        None, "File of API keys, made by `forecaster keys create`.", shown="`keys.json` in `FORECASTER_STATE`"
    )
    trusted_hosts: tuple[str, ...] = _setting(
        (),
        "Host names the service answers to, separated by commas; a leading dot admits subdomains. Loopback names are "
        "always admitted.",
        shown="loopback names when listening on loopback, else any",
    )
    # Models.
    models: Path = _setting(  # noqa: RUF009 - a Path never changes
        MODELS, "Folder of models. The base weights of the package answer beside them, and where there is none."
    )
    model_store: str = _setting(
        "",
        "Models on object storage instead, such as `s3://bucket/models` (extra `remote`): pulled to a folder in "
        "`FORECASTER_STATE`, verified, then served.",
        variable="MODEL_STORE",
    )
    default_model: str = _setting(
        "base", "Model for requests that name none. The service is ready when it has made a forecast."
    )
    reload_seconds: int = _setting(
        5, "Seconds between looks for new versions of models. 0: only at the start.", low=0, high=86_400
    )
    # Processes.
    workers: int = _setting(
        0, "Worker processes. 0: one per available processor, at least 2 and at most 4.", low=0, high=64
    )
    threads: int = _setting(8, "Threads in each worker.", low=1, high=64)
    read_seconds: int = _setting(
        15,
        "Seconds that a client may take to send a request, and again to take the answer, plus one for each 64 KiB.",
        low=1,
        high=3_600,
    )
    drain_seconds: int = _setting(
        0,
        "Seconds between SIGTERM and the closing of the socket, in which `/readyz` answers 503 and everything else "
        "goes on, so that load balancers can turn away.",
        low=0,
        high=3_600,
    )
    graceful_timeout: int = _setting(30, "Seconds that requests in flight have to end after that.", low=1, high=3_600)
    # Limits of one request.
    max_bytes: int = _setting(16 * 2**20, "Largest request body, in bytes.", low=1_024, high=2**30)
    max_series: int = _setting(10_000, "Most series in a request.", low=1, high=1_000_000)
    max_points: int = _setting(
        500_000, "Most values in a request, all series together; also the most numbers in an answer.", low=1, high=10**8
    )
    max_horizon: int = _setting(1_000, "Longest horizon `h`, in steps.", low=1, high=10_000)
    max_cost: int = _setting(
        60, "Most processor seconds that a request may take, as estimated before it is begun.", low=1, high=86_400
    )
    request_seconds: int = _setting(
        30, "Seconds after which work on a request is given up, looked at between pieces of it.", low=1, high=3_600
    )
    # Limits of all requests together.
    concurrency: int = _setting(
        1,
        "Large requests that each worker works on at once; small ones (estimated below 20 ms) always pass.",
        low=1,
        high=64,
    )
    queue: int = _setting(
        2,
        "Large requests that wait in each worker for that; more are answered 503 with Retry-After. Keep it and "
        "`FORECASTER_CONCURRENCY` together below `FORECASTER_THREADS`: the other threads are for small ones.",
        low=0,
        high=60,
    )
    # Jobs.
    state: Path = _setting(  # noqa: RUF009 - a Path never changes
        STATE, "Folder for what the service keeps: keys, jobs, their files, models pulled from object storage."
    )
    database_url: str = _setting(
        "",
        "Database of the jobs, such as `postgresql://user:password@host/name` (extra `postgres`).",
        shown="SQLite, `jobs.db` in `FORECASTER_STATE`",
        variable="DATABASE_URL",
    )
    job_workers: int = _setting(
        1, "Job workers that `forecaster serve` starts beside the API. 0: none, they run elsewhere.", low=0, high=64
    )
    max_job_bytes: int = _setting(256 * 2**20, "Largest file of a job, in bytes.", low=1_024, high=2**40)
    max_job_points: int = _setting(20_000_000, "Most values in the file of a job.", low=1, high=10**10)
    max_jobs: int = _setting(100, "Most jobs that wait; more are answered 503 with Retry-After.", low=1, high=10**6)
    max_jobs_per_key: int = _setting(
        20, "Most jobs of one key that wait or run; more are answered 429 with Retry-After.", low=1, high=10**6
    )
    max_state_bytes: int = _setting(
        10 * 2**30, "Most bytes of files of jobs, in all; more are answered 503.", low=2**20, high=2**50
    )
    job_seconds: int = _setting(3_600, "Seconds after which a job is given up.", low=1, high=7 * 86_400)
    job_attempts: int = _setting(
        3, "Times that a job is begun at the most, when the process that works on it dies.", low=1, high=100
    )
    lease_seconds: int = _setting(
        30, "Seconds without a sign of life of its worker after which a job is given to another.", low=1, high=3_600
    )
    retention_hours: int = _setting(
        168,
        "Hours that a finished job's result is kept; its description is kept as long again.",
        low=1,
        high=87_600,
    )
    # What is said.
    log_level: str = _setting("INFO", "Least severe log lines written: DEBUG, INFO, WARNING or ERROR.")

    def __post_init__(self) -> None:
        """Refuse what is outside its range, naming the environment variable."""
        for item in fields(self):
            _check_range(item, getattr(self, item.name))
        if self.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ConfigError(
                f"{PREFIX}LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {self.log_level!r}.", column="log_level"
            )
        if self.database_url and not self.database_url.startswith(DATABASES):
            kind = self.database_url.partition("://")[0] if "://" in self.database_url else "another form"
            raise ConfigError(
                "DATABASE_URL must be postgresql://user:password@host/name, or sqlite:////path/of/a/file, not "
                f"{kind}. Unset it for SQLite in FORECASTER_STATE.",
                column="database_url",
            )
        scheme, parted, place = self.model_store.partition("://")
        if self.model_store and not (scheme and parted and place):
            raise ConfigError(
                "MODEL_STORE must be a URL such as s3://bucket/models. A folder is named by FORECASTER_MODELS.",
                column="model_store",
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Settings:
        """Read the settings from `environment` (default: this process's).

        Parameters
        ----------
        environment
            Variable names and values. An empty value means the default.

        Returns
        -------
        Settings
            The settings, checked.

        Raises
        ------
        ConfigError
            If a value is not of the setting's type or outside its range.
        """
        environment = os.environ if environment is None else environment
        given = {item.name: environment.get(variable_of(item), "").strip() for item in fields(cls)}
        return cls(**{item.name: _parse(item, given[item.name]) for item in fields(cls) if given[item.name]})

    @property
    def state_folder(self) -> Path:
        """The folder for what the service keeps.

        Raises
        ------
        ConfigError
            It is in a home, and there is none.
        """
        try:
            return self.state.expanduser()
        except RuntimeError:
            raise ConfigError("There is no home folder to keep keys and jobs in. Set FORECASTER_STATE.") from None

    @property
    def keys_file(self) -> Path:
        """The file of API keys."""
        return self.keys or self.state_folder / "keys.json"

    @property
    def worker_count(self) -> int:
        """Worker processes, with 0 resolved: at least 2, so that one may die without the service going silent."""
        return self.workers or min(max(2, usable_cpus()), 4)

    @property
    def model_threads(self) -> int:
        """Threads for one large forecast: the processors are shared out among the workers."""
        return max(1, usable_cpus() // self.worker_count)

    @property
    def admitted_hosts(self) -> tuple[str, ...] | None:
        """Host names answered to, or None for any.

        On a loopback address foreign names are refused: they come from web pages that were pointed at this machine.
        """
        if self.trusted_hosts:
            return (*map(str.lower, self.trusted_hosts), *LOOPBACK)
        return (*LOOPBACK, self.host.lower()) if self.is_loopback else None

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service; a name other than localhost may become any address."""
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host.lower() == "localhost"

    @property
    def lets_anyone_in(self) -> bool:
        """Whether requests need no key while there is none."""
        return self.is_loopback or self.allow_anonymous


def variable_of(item: Field[Any]) -> str:
    """Return the environment variable of a setting."""
    return str(item.metadata["variable"]) or PREFIX + item.name.upper()


_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


def _parse(item: Field[Any], text: str) -> Any:
    if isinstance(item.default, bool):
        if text.lower() not in _TRUTH:
            raise ConfigError(f"{variable_of(item)} must be true or false, not {text!r}.", column=item.name)
        return _TRUTH[text.lower()]
    if isinstance(item.default, int):
        if not text.isascii() or not text.isdigit():
            hint = " Kubernetes sets it for a service of that name: use enableServiceLinks: false."
            hint = hint if text.startswith("tcp://") else ""
            raise ConfigError(f"{variable_of(item)} must be a whole number, not {text!r}.{hint}", column=item.name)
        return int(text)
    if isinstance(item.default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if not isinstance(item.default, Path) and item.default is not None:
        return text
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise ConfigError(f"{variable_of(item)} is in a home folder that is not known.", column=item.name) from None


def _check_range(item: Field[Any], value: Any) -> None:
    low, high = item.metadata["low"], item.metadata["high"]
    if low is not None and not low <= value <= high:
        raise ConfigError(
            f"{variable_of(item)} must be between {low} and {high}, not {value}. Unset it for the default "
            f"{item.default}.",
            column=item.name,
        )


def settings_table() -> str:
    """Return the table of settings for docs/operations.md."""
    rows = ["| Variable | Default | Meaning |", "| --- | --- | --- |"]
    for item in fields(Settings):
        limits = f" ({item.metadata['low']:,} to {item.metadata['high']:,})" if item.metadata["low"] is not None else ""
        shown = item.metadata["shown"] or (f"`{item.default}`" if item.default != "" else "empty")
        rows.append(f"| `{variable_of(item)}` | {shown} | {item.metadata['text']}{limits} |")
    return "\n".join(rows)
