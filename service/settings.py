"""Settings of the service, read from environment variables that start with ``FORECASTER_``.

``python -m service settings`` prints them as the table in docs/operations.md.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any

from forecaster import ConfigError, usable_cpus

__all__ = ["Settings", "settings_table", "variable_of"]

PREFIX = "FORECASTER_"
MODELS = Path("models")
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def _setting(default: Any, text: str, *, low: int | None = None, high: int | None = None, shown: str = "") -> Any:
    return field(default=default, metadata={"text": text, "low": low, "high": high, "shown": shown})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What an operator can choose; `from_environment` reads it, construction checks it."""

    host: str = _setting(
        "127.0.0.1",
        "Address to listen on. The service has no keys yet, so it stays on this machine unless told otherwise; "
        "the container image sets `0.0.0.0`.",
    )
    port: int = _setting(8000, "Port to listen on.", low=1, high=65_535)
    models: Path = _setting(  # noqa: RUF009 - a Path never changes
        MODELS,
        "Folder of models: each sub-folder with a `model.json` is one model. Where there is none, the base weights of "
        "the package answer.",
    )
    default_model: str = _setting(
        "", "Model for requests that name none, if it fits their frequency. Empty: the only one that fits."
    )
    workers: int = _setting(
        0, "Worker processes. 0: one per available processor, at least 2 and at most 4.", low=0, high=64
    )
    threads: int = _setting(4, "Threads in each worker.", low=1, high=64)
    graceful_timeout: int = _setting(
        30, "Seconds that requests in flight have to end after SIGTERM.", low=1, high=3_600
    )
    max_bytes: int = _setting(16 * 2**20, "Largest request body, in bytes.", low=1_024, high=2**30)
    max_series: int = _setting(10_000, "Most series in a request.", low=1, high=1_000_000)
    max_points: int = _setting(
        500_000, "Most values in a request, all series together; also the most numbers in an answer.", low=1, high=10**8
    )
    max_horizon: int = _setting(1_000, "Longest horizon `h`, in steps.", low=1, high=10_000)
    trusted_hosts: tuple[str, ...] = _setting(
        (),
        "Host names the service answers to, separated by commas; a leading dot admits subdomains. Loopback names are "
        "always admitted.",
        shown="loopback names when listening on loopback, else any",
    )
    log_level: str = _setting("INFO", "Least severe log lines written: DEBUG, INFO, WARNING or ERROR.")

    def __post_init__(self) -> None:
        """Refuse what is outside its range, naming the environment variable."""
        for item in fields(self):
            _check_range(item, getattr(self, item.name))
        if self.log_level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
            raise ConfigError(
                f"{PREFIX}LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR, not {self.log_level!r}.", column="log_level"
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
        return LOOPBACK if self.host in {*LOOPBACK, "::1"} else None


def variable_of(item: Field[Any]) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + item.name.upper()


def _parse(item: Field[Any], text: str) -> Any:
    if isinstance(item.default, int):
        if not text.isascii() or not text.isdigit():
            raise ConfigError(f"{variable_of(item)} must be a whole number, not {text!r}.", column=item.name)
        return int(text)
    if isinstance(item.default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return Path(text) if isinstance(item.default, Path) else text


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
