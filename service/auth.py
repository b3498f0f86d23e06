"""Who asks, and what they may."""

from __future__ import annotations

import hmac
import logging
import mmap
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from flask import request

from forecaster import ConfigError
from service.keys import SCOPES, Key, Scope, digest_of, read_keys, split_token
from service.problems import Problem
from service.settings import Settings

__all__ = ["ANYONE", "Caller", "Doorman"]

logger = logging.getLogger(__name__)

HOW_TO_SEND = "Send a key as 'Authorization: Bearer fk_...'; `forecaster keys create` makes one."
NOBODY = digest_of("")  # compared with where the id is unknown: no secret is empty
LONGEST_TOKEN = 200
SECONDS_BETWEEN_TRIES = 1.0
_UNREAD: tuple[int, ...] = (-1,)
_ABSENT: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Caller:
    """Who made a request: a key, or anyone where the service has no keys.

    Attributes
    ----------
    key_id
        Name of the key in lists and logs; empty for anyone.
    scopes
        What it may.
    """

    key_id: str
    scopes: frozenset[Scope]

    def require(self, scope: Scope) -> None:
        """Raise a problem if the caller may not do that."""
        if scope not in self.scopes:
            challenge = f'Bearer realm="forecaster", error="insufficient_scope", scope="{scope}"'
            raise Problem(
                "not-allowed",
                f"This needs the scope {scope!r}, which the key {self.key_id} has not.",
                headers={"WWW-Authenticate": challenge},
            )


ANYONE = Caller("", frozenset(SCOPES))


_shared: mmap.mmap | None = None


def share_memory() -> None:
    """Let the workers that are forked from this process know together whether there have been keys.

    One that is started in the place of another has not seen them itself.
    """
    global _shared  # noqa: PLW0603 - what a fork inherits
    _shared = mmap.mmap(-1, 1)


class _Seen(NamedTuple):
    """What the keys file was when it was last read."""

    mark: tuple[int, ...]
    keys: dict[str, Key] | None
    """None: it cannot be used."""
    again: float
    """When to try again, though the file is the same: what kept it from being read may be over."""


class Doorman:
    """Tells by its key who makes a request; what the keys file says holds from the next request on.

    Where there are no keys everyone may do everything, if the settings let anyone in. But where there once were some,
    a file that is gone or cannot be read lets nobody in: the way in must not open by losing a file.

    Parameters
    ----------
    settings
        Which file, and whether anyone is let in without keys.
    """

    def __init__(self, settings: Settings) -> None:
        self._path = settings.keys_file
        self._open = settings.lets_anyone_in
        self._memory: mmap.mmap | bytearray = bytearray(1) if _shared is None else _shared
        if settings.keys is not None:
            self._memory[0] = 1
        self._seen = _Seen(_UNREAD, None, 0.0)
        self._look()

    def caller(self) -> Caller:
        """Return who makes the current request.

        Raises
        ------
        Problem
            The request has no key that is good, or the keys cannot be read.
        """
        keys = self._keys()
        if not keys and self._open and not self._had_keys:
            return ANYONE
        token = _token()
        if token is None:
            raise _refused(HOW_TO_SEND)
        return _verified(token, keys)

    @property
    def _had_keys(self) -> bool:
        return bool(self._memory[0])

    def _keys(self) -> dict[str, Key]:
        seen = self._look()
        if seen.keys is None or (seen.mark == _ABSENT and self._had_keys):
            detail = "The keys cannot be read, so nobody is let in; the log says why."
            raise Problem("unavailable", detail, headers={"Retry-After": "5"})
        return seen.keys

    def _look(self) -> _Seen:
        """Return what the file holds now; where it has not changed, all this takes is to see that."""
        mark, seen = _mark(self._path), self._seen
        is_news = mark != seen.mark
        if is_news or (seen.keys is None and time.monotonic() >= seen.again):
            seen = self._seen = _Seen(mark, self._read(complain=is_news), time.monotonic() + SECONDS_BETWEEN_TRIES)
        return seen

    def _read(self, *, complain: bool) -> dict[str, Key] | None:
        try:
            keys = {key.id: key for key in read_keys(self._path)}
        except ConfigError as error:
            self._memory[0] = 1
            if complain:
                logger.error("nobody is let in: %s", error)
            return None
        if not keys and self._had_keys and complain:
            logger.error("nobody is let in: there is no key in %s", self._path)
        if keys:
            self._memory[0] = 1
        return keys


def _mark(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is replaced, written or taken away."""
    try:
        found = os.stat(path)  # noqa: PTH116 - half the time of Path.stat, at every request
    except (FileNotFoundError, NotADirectoryError):
        return _ABSENT
    except OSError as error:
        return (error.errno or 0,)
    return found.st_mtime_ns, found.st_ino, found.st_size, found.st_mode


def _token() -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("X-API-Key")


def _verified(token: str, keys: dict[str, Key]) -> Caller:
    """Return whose token it is; a known id with a wrong secret takes as long as an unknown one."""
    key_id, secret = split_token(token[:LONGEST_TOKEN]) or ("", "")
    key = keys.get(key_id)
    is_right = hmac.compare_digest(digest_of(secret), NOBODY if key is None else key.sha256)
    if key is None or not is_right:
        raise _refused("The key is not one of this service.", wrong=True)
    state = key.state(datetime.now(UTC))
    if state != "valid":
        raise _refused(f"The key {key.id} is {state}.", wrong=True)
    return Caller(key.id, frozenset(scope for scope in SCOPES if scope in key.scopes))


def _refused(detail: str, *, wrong: bool = False) -> Problem:
    challenge = 'Bearer realm="forecaster"' + (', error="invalid_token"' if wrong else "")
    return Problem("no-key", detail, headers={"WWW-Authenticate": challenge})
